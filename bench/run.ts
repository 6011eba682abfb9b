/** `npm run bench -- NAME…`: runs benchmarks by name, and prints tables and a line of JSON for each. */
import { parseArgs } from 'node:util';
import { benchBlob } from './blob.js';
import { readCommandLine, wholeNumber } from './command-line.js';
import { benchFanIn } from './fan-in.js';
import { benchIdle } from './idle.js';
import { benchLinks } from './links.js';
import { benchLowerBound } from './lower-bound.js';
import { benchMemory } from './memory.js';
import { benchNode } from './node.js';
import { benchReplication } from './push.js';
import { benchRead } from './read.js';
import { Report } from './report.js';
import { benchResume } from './resume.js';
import type { Benchmark, Settings } from './settings.js';
import { untilInterrupted } from './stage.js';
import { benchStartup } from './startup.js';
import { benchUpdate } from './update.js';
import { benchWrite } from './write.js';

const BENCHMARKS: ReadonlyMap<string, Benchmark> = new Map([
  ['push', benchReplication('push')],
  ['pull', benchReplication('pull')],
  ['pushpull', benchReplication('pushpull')],
  ['lower-bound', benchLowerBound],
  ['fan-in', benchFanIn],
  ['update', benchUpdate],
  ['write', benchWrite],
  ['read', benchRead],
  ['blob', benchBlob],
  ['links', benchLinks],
  ['startup', benchStartup],
  ['memory', benchMemory],
  ['node', benchNode],
  ['resume', benchResume],
  ['idle', benchIdle],
]);

const USAGE = `Usage: npm run bench -- [NAME…] [--documents 10000,50000] [--runs 3] [--plain] [--million] [--seconds 60]
Names, all of them if none is given: ${[...BENCHMARKS.keys()].join(', ')}`;

const { names, settings } = readCommandLine(USAGE, () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      documents: { type: 'string' },
      runs: { type: 'string', default: '3' },
      plain: { type: 'boolean', default: false },
      million: { type: 'boolean', default: false },
      seconds: { type: 'string', default: '60' },
    },
  });
  const unknown = positionals.find((name) => !BENCHMARKS.has(name));
  if (unknown !== undefined) throw new Error(`there is no benchmark "${unknown}"`);
  const documents = values.documents?.split(',').map((text) => wholeNumber('--documents', text));
  const settings: Settings = {
    runs: wholeNumber('--runs', values.runs),
    ...(documents !== undefined && { documents }),
    plain: values.plain,
    million: values.million,
    seconds: wholeNumber('--seconds', values.seconds),
  };
  return { names: positionals.length === 0 ? [...BENCHMARKS.keys()] : positionals, settings };
});

const { version, arch } = process;
console.log(`Node ${version}, ${arch}. Medians of ${settings.runs} runs, below them minimum–maximum; ✘: not reached.`);
await untilInterrupted(async () => {
  for (const name of names) {
    const report = new Report(name, settings.runs);
    await BENCHMARKS.get(name)?.(report, settings);
    report.end();
  }
});
