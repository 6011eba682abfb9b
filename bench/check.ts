/**
 * `npm run bench:check [-- --documents 10000] [--runs 3] [--store]`: ratios of figures that were measured in the same rounds, so
 * that they hardly depend on the machine, beside those in `ratios.json`. Each is made so that more is better; it ends with 1 if
 * one has fallen by more than a quarter. `--store` writes the file instead.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { readCommandLine, wholeNumber } from './command-line.js';
import { interleaved, median } from './figures.js';
import { pushByHand } from './lower-bound.js';
import { acceptsPlain } from './push.js';
import { replicateOnce, type Replication } from './replication.js';
import { cpuText, numberText } from './report.js';
import { untilInterrupted } from './stage.js';

/** What `ratios.json` holds. */
interface Stored {
  readonly machine: string;
  readonly date: string;
  readonly ratios: Readonly<Record<string, number>>;
}

const FILE = new URL('./ratios.json', import.meta.url);
/** Of what it was. */
const LEAST_SHARE = 0.75;

const USAGE = 'Usage: npm run bench:check -- [--documents 10000] [--runs 3, or more] [--store]';
const { count, rounds, isToStore } = readCommandLine(USAGE, () => {
  const { values } = parseArgs({
    options: {
      documents: { type: 'string', default: '10000' },
      runs: { type: 'string', default: '3' },
      store: { type: 'boolean', default: false },
    },
  });
  const [count, rounds] = [wholeNumber('--documents', values.documents), wholeNumber('--runs', values.runs, 3)];
  return { count, rounds, isToStore: values.store };
});

await untilInterrupted(async () => {
  const ratios = await measureRatios();
  if (isToStore) await store(ratios);
  else compare(ratios, await readStored());
});

async function measureRatios(): Promise<Readonly<Record<string, number>>> {
  const hasExtension = await acceptsPlain();
  const [bounds = [], pushes = [], large = [], strangers = []] = await interleaved(rounds, [
    () => pushByHand(count),
    () => replicateOnce('push', count),
    () => replicateOnce('push', 10 * count),
    ...(hasExtension ? [() => replicateOnce('push', count, true)] : []),
  ]);
  const ratio = (above: readonly Replication[], below: readonly Replication[], field: keyof Replication): number =>
    median(above.map((one) => one[field])) / median(below.map((one) => one[field]));
  const [few, many] = [count.toLocaleString('en'), (10 * count).toLocaleString('en')];
  const extension = {
    [`push ${few}, documents/s: hawser ÷ as to strangers`]: ratio(pushes, strangers, 'documentsPerSecond'),
    [`push ${few}, CPU: as to strangers ÷ hawser`]: ratio(strangers, pushes, 'cpuMicrosecondsPerDocument'),
    [`push ${few}, bytes: as to strangers ÷ hawser`]: ratio(strangers, pushes, 'bytesPerDocument'),
  };
  if (!hasExtension)
    console.log('This hawser has no extension of its own that could be switched off: three ratios less.');
  return {
    [`push ${few}, documents/s: hawser ÷ lower bound`]: ratio(pushes, bounds, 'documentsPerSecond'),
    [`push ${few}, CPU: lower bound ÷ hawser`]: ratio(bounds, pushes, 'cpuMicrosecondsPerDocument'),
    ...(hasExtension ? extension : {}),
    [`push, documents/s: ${many} ÷ ${few}`]: ratio(large, pushes, 'documentsPerSecond'),
    [`push, peak memory, active: ${few} ÷ ${many}`]: ratio(pushes, large, 'activePeakMiB'),
    [`push, peak memory, listener: ${few} ÷ ${many}`]: ratio(pushes, large, 'passivePeakMiB'),
  };
}

async function store(ratios: Readonly<Record<string, number>>): Promise<void> {
  const rounded = Object.fromEntries(Object.entries(ratios).map(([name, ratio]) => [name, Number(ratio.toFixed(3))]));
  const stored: Stored = { machine: machine(), date: new Date().toISOString().slice(0, 10), ratios: rounded };
  await writeFile(FILE, `${JSON.stringify(stored, undefined, 2)}\n`);
  compare(ratios, stored);
}

async function readStored(): Promise<Stored | undefined> {
  try {
    return JSON.parse(await readFile(FILE, 'utf8')) as Stored;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Prints both, and sets the exit code. */
function compare(ratios: Readonly<Record<string, number>>, stored: Stored | undefined): void {
  console.log(`Here: ${machine()}. Stored: ${stored === undefined ? 'nothing' : `${stored.date}, ${stored.machine}`}.`);
  for (const [name, ratio] of Object.entries(ratios)) {
    const before = stored?.ratios[name];
    const hasFallen = before !== undefined && ratio < LEAST_SHARE * before;
    if (hasFallen) process.exitCode = 1;
    const known = before === undefined ? 'not stored' : numberText(before);
    console.log(
      `${name.padEnd(56)}${numberText(ratio).padStart(8)}${known.padStart(12)}${hasFallen ? '  ✘ fallen' : ''}`,
    );
  }
  for (const name of Object.keys(stored?.ratios ?? {})) {
    if (!(name in ratios)) console.log(`${name}: stored, and not measured now.`);
  }
  if (process.exitCode === 1) console.log('✘: fell by more than a quarter.');
}

function machine(): string {
  return `${cpuText()}, ${process.arch}, Node ${process.version}`;
}
