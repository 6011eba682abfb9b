/** `npm run soak`: hours on the vessel, in which nothing may grow without reason. USAGE in options.ts. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { findLogs } from '../../device-examples/vessel/logs.js';
import { serialLineProblem } from '../conformance/index.js';
import { mosquittoProblem } from '../support/mosquitto.js';
import { drawChart } from './chart.js';
import { parseOptions, USAGE, type SoakOptions } from './options.js';
import { chartOf } from './panels.js';
import { compilePrograms } from './programs.js';
import { eventsInWords, findingLine, summaryLines } from './report.js';
import { soak } from './soak.js';
import { judge } from './verdict.js';

const interruption = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interruption.abort());

/** Resolves to the exit status: 0 equal and flat, 1 not so or failed, 2 a wrong option or something is missing, 130 interrupted. */
async function main(args: readonly string[]): Promise<number> {
  let options: SoakOptions;
  try {
    options = parseOptions(args);
  } catch (error) {
    console.error(`${messageOf(error)}\n\n${USAGE}`);
    return 2;
  }
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  const problem = mosquittoProblem() ?? serialLineProblem();
  if (problem !== undefined) {
    console.error(`The soak needs a broker and a serial line: ${problem}.`);
    return 2;
  }
  const folder = await mkdtemp(join(tmpdir(), 'hawser-soak-'));
  let programs: string | undefined;
  try {
    programs = await compilePrograms();
    return await run(options, folder, programs);
  } catch (error) {
    if (interruption.signal.aborted) {
      console.error('Interrupted.');
      return 130;
    }
    console.error(`The soak failed with seed ${options.seed}: ${messageOf(error)}`);
    return 1;
  } finally {
    if (programs !== undefined) await rm(programs, { recursive: true });
    if (options.keep) console.log(`The databases are in ${folder}.`);
    else await rm(folder, { recursive: true, force: true });
  }
}

async function run({ minutes, seed, out }: SoakOptions, folder: string, programs: string): Promise<number> {
  const logs = await findLogs(undefined, READINGS);
  for (const note of logs.notes.slice(0, 1)) console.log(note);
  console.log(`Seed ${seed}, ${minutes} minutes.`);
  const { signal } = interruption;
  const result = await soak({
    folder,
    programs,
    logs,
    seconds: minutes * 60,
    seed,
    signal,
    tell: (news) => console.log(news),
  });
  const { record, comparison, settledAfter, said } = result;

  const findings = judge(record);
  for (const line of summaryLines(record)) console.log(line);
  for (const finding of findings) console.log(findingLine(finding));
  if (said.length > 0) console.log(`\nThe processes wrote ${said.length} lines to standard error, above.`);
  await mkdir(out, { recursive: true });
  const picture = resolve(out, 'soak.svg');
  await writeFile(picture, drawChart(chartOf(record, `${eventsInWords(record)}; ${comparison}`)));
  await writeFile(resolve(out, 'soak.json'), `${JSON.stringify(record)}\n`);
  console.log(`\nThe picture: ${picture}`);
  console.log(`${comparison}, ${settledAfter.toFixed(1)} s after the last save.`);
  const failed = findings.filter(({ isGood }) => !isGood);
  const isSuccess = result.isEqual && failed.length === 0;
  console.log(`${isSuccess ? 'PASSED' : 'FAILED'}: ${verdictInWords(result.isEqual, failed.length)}, seed ${seed}`);
  return isSuccess ? 0 : 1;
}

function verdictInWords(isSame: boolean, failed: number): string {
  const documents = isSame ? 'all peers are equal' : 'the peers are not equal';
  return `${documents}, and ${failed === 0 ? 'nothing grew without reason' : `${failed} rules are broken (above)`}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Of navigation and weather together: the log of the demo, played again and again. */
const READINGS = 20_000;

// What a soak that failed left behind, such as a process that was just starting, ends with this one.
process.exit(await main(process.argv.slice(2)));
