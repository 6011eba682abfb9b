/**
 * `npm run bench:peers [-- --documents 10000 --runs 3]`: hawser beside what would be used in its stead, on the same
 * documents, on this machine, in turn. Prints tables, the ratios of the medians, and JSON. peers/README.md says what is
 * compared with what, and where that is not fair.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { median } from './figures.js';
import { CLIENTS, fanIn } from './peers/fan-in.js';
import { push } from './peers/push.js';
import { SUBJECTS, type Subject } from './peers/subjects.js';
import { update } from './peers/update.js';
import { Report, type Figures } from './report.js';

const USAGE = 'Usage: npm run bench:peers [-- --documents 10000 --runs 3]';

interface Measure {
  readonly title: string;
  readonly subjects: readonly Subject[];
  readonly run: (subject: Subject) => Promise<object>;
}

const COLUMNS: Readonly<Record<string, string>> = {
  documentsPerSecond: 'documents/s',
  cpuMicrosecondsPerDocument: 'CPU µs/doc of all',
  bytesPerDocument: 'bytes/doc',
  clientRssMiB: 'client peak RSS MiB',
  serverRssMiB: 'server peak RSS MiB',
  bytesPerUpdate: 'bytes/update',
  medianMilliseconds: 'median ms',
  slowestMilliseconds: 'slowest ms',
};

const { values } = parseArgs({
  options: { documents: { type: 'string', default: '10000' }, runs: { type: 'string', default: '3' } },
});
const [documents, runs] = [Number(values.documents), Number(values.runs)];
const perClient = Math.ceil(documents / 10);
if (![documents, runs].every((value) => Number.isInteger(value) && value > 0)) {
  console.error(USAGE);
  process.exit(2);
}

const measures: Record<string, Measure> = {
  push: {
    title: `push: ${documents} documents from a client to a server`,
    subjects: SUBJECTS.push,
    run: (subject) => push(subject, documents),
  },
  fanIn: {
    title: `fan-in: ${CLIENTS} clients with ${perClient} documents each to one server`,
    subjects: SUBJECTS.fanIn,
    run: (subject) => fanIn(subject, perClient),
  },
  update: { title: 'update: one changed field of a 2 KB document', subjects: SUBJECTS.update, run: update },
};

console.log(`Node ${process.version}, ${process.arch}. Medians of ${runs} runs, below them minimum–maximum.`);
console.log(`Beside hawser: ${versions()}`);
for (const [name, measure] of Object.entries(measures)) await compare(name, measure);

/** One run of each in turn, and again, so that what disturbs the machine disturbs all of them. */
async function compare(name: string, { title, subjects, run }: Measure): Promise<void> {
  const measured = new Map(subjects.map((subject) => [subject.title, [] as Figures[]]));
  for (let round = 0; round < runs; round++) {
    for (const subject of subjects) {
      const result = await run(subject).catch((cause: unknown) => {
        throw new Error(`${title}: ${subject.title} failed`, { cause });
      });
      measured.get(subject.title)?.push(withTitles(result as Figures));
    }
  }
  const report = new Report(name, runs);
  report.table(
    title,
    [...measured].map(([subject, figures]) => ({ title: subject, runs: figures })),
  );
  sayRatios(report, measured);
  report.end();
}

function sayRatios(report: Report, measured: ReadonlyMap<string, readonly Figures[]>): void {
  const of = (subject: string, column: string): number =>
    median((measured.get(subject) ?? []).map((figures) => figures[column] ?? Number.NaN));
  const names = [...measured.keys()];
  for (const ours of names.filter(isHawser)) {
    for (const theirs of names.filter((name) => !isHawser(name))) {
      const columns = Object.keys(measured.get(ours)?.[0] ?? {});
      const ratios = columns.map((column) => `${column} × ${(of(ours, column) / of(theirs, column)).toPrecision(2)}`);
      report.say(`${ours} / ${theirs}: ${ratios.join(', ')}`);
    }
  }
}

function isHawser(title: string): boolean {
  return title.startsWith('hawser');
}

function withTitles(figures: Figures): Figures {
  return Object.fromEntries(Object.entries(figures).map(([field, value]) => [COLUMNS[field] ?? field, value]));
}

/** As they are installed: the lock file names them. */
function versions(): string {
  const lock = JSON.parse(readFileSync(new URL('./peers/package-lock.json', import.meta.url), 'utf8'));
  return ['pouchdb', 'express-pouchdb', 'rxdb', 'yjs', 'y-websocket', '@y/websocket-server', 'y-leveldb']
    .map((name) => `${name} ${lock.packages[`node_modules/${name}`].version}`)
    .join(', ');
}
