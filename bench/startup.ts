/** `startup`: what it costs to have hawser at hand, in fresh processes: its import, and opening a database. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { median, repeated } from './figures.js';
import { fill } from './pair.js';
import { atMost, type Figures, type Report } from './report.js';
import type { Settings } from './settings.js';
import { onStage } from './stage.js';

/** Processes of each kind in a run, one after the other: a single one says little. */
const PROCESSES = 10;
const DOCUMENTS = 10_000;

export async function benchStartup(report: Report, { runs }: Settings): Promise<void> {
  const packages = await packagesOfImport();
  const toReach = { 'import ms': atMost(40), 'packages loaded': atMost(0) };
  const imports = await repeated(runs, async () => ({ ...(await importing()), 'packages loaded': packages.length }));
  report.table("import 'hawser'", [{ title: `median of ${PROCESSES} processes`, runs: imports, toReach }]);
  report.say(`Packages loaded beside hawser, transports and SQLite among them: ${packages.join(', ') || 'none'}.`);
  const rows = [{ title: 'new process, driver loaded', runs: await repeated(runs, opening) }];
  report.table('opening a database', rows);
}

interface Startup {
  readonly milliseconds: number;
  readonly rssMiB: number;
  /** From outside: from the start of the process to its end. */
  readonly wallMilliseconds: number;
}

async function importing(): Promise<Figures> {
  const [empty, loaded]: [Startup[], Startup[]] = [[], []];
  for (let count = 0; count < PROCESSES; count++) {
    empty.push(await startUp('nothing'));
    loaded.push(await startUp('import'));
  }
  const of = (startups: readonly Startup[], field: keyof Startup): number => median(startups.map((one) => one[field]));
  return {
    'import ms': of(loaded, 'milliseconds'),
    'process ms beyond an empty one': of(loaded, 'wallMilliseconds') - of(empty, 'wallMilliseconds'),
    'RSS MiB': of(loaded, 'rssMiB'),
    'RSS MiB, empty process': of(empty, 'rssMiB'),
  };
}

/** Runs `startup-process.mjs` to its end. */
async function startUp<T = Omit<Startup, 'wallMilliseconds'>>(
  what: 'nothing' | 'import' | 'list',
): Promise<T & Pick<Startup, 'wallMilliseconds'>> {
  return onStage(async (stage) => {
    const start = performance.now();
    const child = fork(fileURLToPath(new URL('./startup-process.mjs', import.meta.url)), [what], { execArgv: [] });
    stage.after(() => child.kill('SIGKILL'));
    const told = once(child, 'message');
    const [code] = await once(child, 'exit');
    const wallMilliseconds = performance.now() - start;
    if (code !== 0) throw new Error(`the process ended with ${String(code)}`);
    const [message] = (await told) as [T];
    return { ...message, wallMilliseconds };
  });
}

/** The names of the packages that the import loads, hawser itself not counted. */
async function packagesOfImport(): Promise<readonly string[]> {
  const { scripts } = await startUp<{ scripts: readonly string[] }>('list');
  if (!scripts.some((url) => url.includes('/dist/'))) throw new Error('the list does not even hold hawser');
  const names = scripts.map((url) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1]);
  return [...new Set(names)].filter((name) => name !== undefined);
}

function opening(): Promise<Figures> {
  return onStage(async (stage) => {
    await fill(stage, 'full', 'fill', { count: DOCUMENTS });
    const open = async (name: string): Promise<number> => {
      const peer = stage.peer();
      return (await peer.do<{ milliseconds: number }>('open', { path: stage.folder(name) })).milliseconds;
    };
    return {
      'ms, made anew': await open('empty'),
      [`ms, ${DOCUMENTS.toLocaleString('en')} documents`]: await open('full'),
    };
  });
}
