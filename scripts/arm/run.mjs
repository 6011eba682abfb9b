/**
 * Tries hawser on ARM, emulated: `npm run test:arm`.
 *
 *   node scripts/arm/run.mjs [--arch arm64|armv7] [--if-possible] [FILTER ...]
 *
 * Makes itself what it needs, see test/README.md. A FILTER is a part of the name of a suite, or of the path of a test file. Where
 * this machine cannot do it the message says what it lacks, and the exit status is 1, or 0 with `--if-possible`. Otherwise the
 * exit status says whether all passed.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { armNode } from './arm-node.mjs';
import { armSqlite3, isSqlite3Built } from './arm-sqlite3.mjs';
import { armTermios2, isTermios2Built } from './arm-termios2.mjs';
import { prepareMachine } from './machine.mjs';
import { MachineProblem } from './problem.mjs';
import { makeReport } from './report.mjs';
import { makeStage } from './stage.mjs';
import { runSuite, suitesMatching } from './suites.mjs';
import { TARGETS } from './targets.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** What a run may take, from beginning to end: what is late then has failed. */
const MINUTES = 25;
const minutesLeft = () => MINUTES - performance.now() / 60_000;

function readCommandLine() {
  try {
    const options = { arch: { type: 'string', multiple: true }, 'if-possible': { type: 'boolean', default: false } };
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    const names = values.arch ?? TARGETS.map(({ name }) => name);
    const targets = TARGETS.filter(({ name }) => names.includes(name));
    const unknown = names.find((name) => !TARGETS.some((target) => target.name === name));
    if (unknown !== undefined) throw new Error(`unknown architecture ${unknown} (known: arm64, armv7)`);
    const suites = suitesMatching(positionals);
    if (suites.length === 0) throw new Error(`nothing matches ${positionals.join(', ')}`);
    return { targets, suites, ifPossible: values['if-possible'] };
  } catch (error) {
    console.error(`${error.message}\nUsage: npm run test:arm -- [--arch arm64|armv7] [--if-possible] [FILTER ...]`);
    return process.exit(2);
  }
}

/** What a target needs to run, fetched and built. */
async function prepare(target) {
  const nodeFolder = await armNode(target);
  const [sqlite3, termios2] = [await armSqlite3(target, nodeFolder), await armTermios2(target)];
  return { ...target, nodeFolder, sqlite3, termios2 };
}

const { targets, suites, ifPossible } = readCommandLine();
const report = makeReport();
try {
  await prepareMachine(
    targets,
    targets.filter((target) => !isSqlite3Built(target) || !isTermios2Built(target)),
  );
  const machines = await Promise.all(targets.map(prepare));
  const { status } = spawnSync(process.execPath, ['scripts/build.mjs', '--if-stale'], { cwd: root, stdio: 'inherit' });
  if (status !== 0) throw new Error('the build failed');
  const stage = mkdtempSync(join(tmpdir(), 'hawser-arm-'));
  process.once('exit', () => rmSync(stage, { recursive: true, force: true }));
  await makeStage(stage, machines);
  report.prepared(machines);
  // An emulated Node keeps one core busy: the architectures side by side are as fast as the machine is.
  await Promise.all(
    machines.map(async (machine) => {
      for (const suite of suites) report.suite(machine, suite, await runSuite(suite, machine, stage, minutesLeft()));
    }),
  );
  process.exitCode = report.finish() ? 0 : 1;
} catch (error) {
  if (!(error instanceof MachineProblem)) throw error;
  console.error(`hawser cannot be tried on ARM here. ${error.message}`);
  process.exitCode = ifPossible ? 0 : 1;
}
