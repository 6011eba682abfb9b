/**
 * What runs on ARM: a replication between an emulated process and one of this machine, and the tests of the rooms where the processor
 * could make a difference: exact numbers, bytes, checksums, compression, SQLite, files, the wire. The files of a suite run in one
 * process. Fuzzing is left out: its thousands of rounds take an emulator ten minutes, and say nothing of a processor.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runProgram } from './run-program.mjs';
import { runnerOf } from './stage.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const SYNC = 'test/arm/sync-with-native.ts';
const REPORTER = ['--test-reporter=./scripts/test-reporter.mjs', '--test-reporter-destination=stdout'];

/** `minutes` is what it may take, on a busy machine too. */
const SUITES = [
  { title: 'sync with this processor', minutes: 15, files: [SYNC] },
  inRoom('base', 10, ['bytes', 'json-canonical', 'json-parse', 'json-write', 'json-text-tree', 'random', 'varint']),
  inRoom('revision', 5, ['branch', 'history', 'insert', 'revision-id']),
  inRoom('delta', 5, ['apply', 'create', 'vectors']),
  inRoom('blip', 10, ['assembly', 'compression', 'crc', 'outbox', 'properties', 'streams', 'vectors']),
  inRoom('storage', 10, ['blob-store', 'driver-choice', 'lock', 'sqlite3']),
  inRoom('captures', 15, ['active', 'passive', 'upgrade']),
];

function inRoom(title, minutes, names) {
  return { title, minutes, files: names.map((name) => `test/${title}/${name}.test.ts`) };
}

/** The suites whose title, or of whose files a path, contains one of the filters, with those files alone. */
export function suitesMatching(filters) {
  if (filters.length === 0) return SUITES;
  const matches = (text) => filters.some((filter) => text.includes(filter.replace(/^\.\//, '')));
  return SUITES.map((suite) =>
    matches(suite.title) ? suite : { ...suite, files: suite.files.filter(matches) },
  ).filter(({ files }) => files.length > 0);
}

/**
 * Resolves to its exit status and output, see {@link runProgram}, and what it took. Has no more than `minutesLeft`; where none are
 * left it is late before it begins.
 */
export async function runSuite({ files, minutes: most }, machine, stage, minutesLeft) {
  const minutes = Math.max(0, Math.min(most, minutesLeft));
  const node = runnerOf(stage, machine);
  const env = {
    ...process.env,
    ...{ HAWSER_ARM_NAME: machine.name, HAWSER_ARM_STAGE: stage, HAWSER_ARM_NODE: node },
    // The copy lies elsewhere.
    HAWSER_TEST_DATA: process.env.HAWSER_TEST_DATA || join(root, '../shared'),
  };
  const startedAt = performance.now();
  const emulated = ['scripts/arm/run-files.mjs', ...files.map(compiled)];
  const outcome =
    files[0] === SYNC
      ? await runProgram(process.execPath, ['--import', 'tsx', ...REPORTER, SYNC], { minutes, cwd: root, env })
      : await runProgram(node, [...REPORTER, ...emulated], { minutes, cwd: stage, env });
  return { ...outcome, minutes, tookMs: performance.now() - startedAt };
}

function compiled(path) {
  return path.replace(/\.ts$/, '.js');
}
