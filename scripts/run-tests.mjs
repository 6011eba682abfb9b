/**
 * Runs the tests with Node's own runner. It lists the files itself, since `node --test` takes no glob before Node 21.
 *
 *   node scripts/run-tests.mjs [--fast | --long] [--concurrency=N] [FILTER ...]
 *
 * A FILTER is a part of a path (`blip`, `test/storage/`); without one every test/**\/*.test.ts runs. `--fast` leaves out
 * what needs sockets, processes, dist/ or patience: test/integration, test/house/exports and files named *.slow.test.ts.
 * Files named *.long.test.ts take minutes and run with `--long` alone, which also runs with full effort the files that do a
 * fifth of it otherwise (test/support/effort.ts), and nothing else.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const NOT_FAST = /^test\/integration\/|^test\/house\/exports\.test\.ts$|\.slow\.test\.ts$/;

let fast = false;
let long = false;
// Test files are mostly busy, not waiting: more of them than cores only makes the slow ones slower.
let concurrency = Math.min(availableParallelism(), 4);
const filters = [];
for (const argument of process.argv.slice(2)) {
  const count = /^--concurrency=([1-9]\d*)$/.exec(argument)?.[1];
  if (argument === '--fast') fast = true;
  else if (argument === '--long') long = true;
  else if (count !== undefined) concurrency = Number(count);
  else if (argument.startsWith('-')) fail(`Unknown option ${argument} (known: --fast, --long, --concurrency=N).`);
  else filters.push(argument.replace(/^\.\//, ''));
}

const files = readdirSync(`${root}test`, { recursive: true })
  .map((path) => `test/${path.replaceAll('\\', '/')}`)
  .filter((path) => path.endsWith('.test.ts'))
  .filter((path) => path.endsWith('.long.test.ts') === long || (long && doesMoreWithEffort(path)))
  .filter((path) => !fast || !NOT_FAST.test(path))
  .filter((path) => filters.length === 0 || filters.some((filter) => path.includes(filter)))
  .sort();
if (files.length === 0) fail(`No test file matches ${filters.join(', ') || 'test/**/*.test.ts'}.`);

const { status } = spawnSync(
  process.execPath,
  [
    '--import',
    'tsx',
    '--test',
    `--test-concurrency=${concurrency}`,
    '--test-reporter=./scripts/test-reporter.mjs',
    '--test-reporter-destination=stdout',
    ...files,
  ],
  { cwd: root, stdio: 'inherit', env: { ...process.env, ...(long ? { HAWSER_TEST_EFFORT: 'full' } : {}) } },
);
process.exit(status ?? 1);

function doesMoreWithEffort(path) {
  return readFileSync(`${root}${path}`, 'utf8').includes('/support/effort.js');
}

function fail(message) {
  console.error(message);
  process.exit(2);
}
