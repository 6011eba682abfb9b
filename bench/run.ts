/** `npm run bench -- push [--documents 10000,100000] [--runs 3]`: runs benchmarks by name and prints tables and JSON. */
import { parseArgs } from 'node:util';
import { benchLinks } from './links.js';
import { benchReplication, type Direction } from './push.js';

const USAGE = 'Usage: npm run bench -- push|pull|links [--documents 10000,100000] [--runs 3]';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    documents: { type: 'string', default: '10000,100000' },
    runs: { type: 'string', default: '3' },
  },
});
const counts = values.documents.split(',').map(Number);
const runs = Number(values.runs);
const names = positionals.length === 0 ? ['push', 'pull', 'links'] : positionals;
const isValid =
  [...counts, runs].every((value) => Number.isInteger(value) && value > 0) &&
  names.every((name) => name === 'links' || isDirection(name));
if (!isValid) {
  console.error(USAGE);
  process.exit(2);
}
console.log(`Node ${process.version}, ${process.arch}, ${runs} runs each: median (minimum–maximum)`);
for (const name of names) {
  if (isDirection(name)) await benchReplication(name, counts, runs);
  else await benchLinks(runs);
}

function isDirection(name: string): name is Direction {
  return name === 'push' || name === 'pull';
}
