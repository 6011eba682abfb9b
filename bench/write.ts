/** `write`: how fast an application saves, in three ways, with each SQLite driver that there is. */
import { repeated } from './figures.js';
import { atLeast, type Figures, type Report } from './report.js';
import type { Settings } from './settings.js';
import { onStage } from './stage.js';

/** Batches are so fast that they save ten times as much: or the figure would be that of code which is not warm yet. */
const WAYS = [
  { title: 'one by one', command: 'saveOneByOne', parameters: {}, times: 1, perSecond: 2_500 },
  { title: '64 at a time', command: 'saveConcurrently', parameters: { width: 64 }, times: 1, perSecond: 15_000 },
  { title: 'batches of 1,000', command: 'saveInBatches', parameters: { size: 1_000 }, times: 10, perSecond: 50_000 },
] as const;
type Way = (typeof WAYS)[number];

const PROFILES = ['default', 'small'];

export async function benchWrite(report: Report, { documents = [10_000], runs }: Settings): Promise<void> {
  const hasNodeSqlite = process.getBuiltinModule('node:sqlite') !== undefined;
  if (!hasNodeSqlite) report.say(`node:sqlite is left out: Node ${process.version} has none.`);
  const drivers = hasNodeSqlite ? ['sqlite3', 'node:sqlite'] : ['sqlite3'];
  const settings = drivers.flatMap((driver) => PROFILES.map((profile) => ({ driver, profile })));
  for (const count of documents) {
    const rows = [];
    for (const { driver, profile } of settings) {
      for (const way of WAYS) {
        const measured = await repeated(runs, () => write({ driver, profile }, way, count * way.times));
        const means = profile === 'default' ? driver : `${driver}, small`;
        const row = {
          title: `${means}, ${way.title}${way.times === 1 ? '' : `, ${way.times} × as many`}`,
          runs: measured,
        };
        rows.push(profile === 'default' ? { ...row, toReach: { 'saves/s': atLeast(way.perSecond) } } : row);
      }
    }
    report.table(`${count.toLocaleString('en')} awaited saves of 200 B`, rows);
  }
  report.say('Bytes to disk: write_bytes of /proc/PID/io from before the first save until the database is closed:');
  report.say('the log, and its pages once more in the file. Zero where the temporary folder is in memory.');
}

function write(
  options: { readonly driver: string; readonly profile: string },
  { command, parameters }: Way,
  count: number,
): Promise<Figures> {
  return onStage(async (stage) => {
    const peer = stage.peer();
    await peer.do('open', { path: stage.folder('database'), ...options });
    const before = peer.bytesWritten;
    const { seconds, cpuSeconds } = await peer.do<{ seconds: number; cpuSeconds: number }>(command, {
      ...parameters,
      count,
    });
    await peer.do('close');
    const { peakRssMiB } = peer.memory;
    return {
      'saves/s': count / seconds,
      'CPU µs/save': (cpuSeconds * 1e6) / count,
      'bytes to disk/save': (peer.bytesWritten - before) / count,
      'peak MiB': peakRssMiB,
    };
  });
}
