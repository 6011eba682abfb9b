/** Runs the test files that it is given one after the other in this one process: to start another takes an emulator seconds. */
import { pathToFileURL } from 'node:url';

for (const path of process.argv.slice(2)) await import(pathToFileURL(path).href);
