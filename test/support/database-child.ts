/**
 * A process of its own that has a database open and tells on standard output what happened, a line each. Started by the
 * tests as `database-child.ts <folder>`: says "open" or the code of the error, and keeps it open until it is killed or its
 * input ends.
 */
import { Database } from '../../src/database/index.js';
import { isHawserError } from '../../src/errors.js';

try {
  const database = await Database.open(process.argv[2] ?? '');
  process.stdout.write('open\n');
  process.stdin.resume().once('end', () => void database.close());
} catch (error) {
  process.stdout.write(`${isHawserError(error) ? error.code : String(error)}\n`);
}
