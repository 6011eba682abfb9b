/**
 * `memory`: what each side takes while so many documents are pushed, and what a listener needs for a connection that has nothing
 * to do. All of it is read from outside, from /proc.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { repeated, spread } from './figures.js';
import type { Peer } from './peer.js';
import { replicateOnce } from './replication.js';
import { atLeast, atMost, below, type Figures, type Report, type Row } from './report.js';
import type { Settings } from './settings.js';
import { onStage } from './stage.js';

const MILLION = 1_000_000;
/** What a million is compared with. */
const BASE = 50_000;
const CONNECTIONS = 50;

export async function benchMemory(report: Report, settings: Settings): Promise<void> {
  const { runs, plain, million, documents = million ? [10_000, BASE, 100_000] : [10_000, 100_000] } = settings;
  report.table('one push over wss', await pushes(million ? [...documents, MILLION] : documents, runs, plain));

  const listeners = [];
  for (const [title, documents, profile] of [
    [`${CONNECTIONS} more connections, never used`, false, 'default'],
    [`${CONNECTIONS} more connections, a document each`, true, 'default'],
    [`${CONNECTIONS} more connections, a document each, small profile`, true, 'small'],
  ] as const) {
    const measured = await repeated(runs, () => idleConnections(documents, profile, plain));
    listeners.push({ title, runs: measured, toReach: { 'KiB each': below(400) } });
  }
  report.table('a listener with idle connections', listeners);
  report.say('The listener collects garbage, told to (--expose-gc), before each reading of its RSS.');
}

const RATE = 'documents/s';
const PEAKS = ['peak MiB, active', 'peak MiB, listener'] as const;

/** The rates and peaks of each count; a million stands beside the medians of the base, or of the least there is. */
async function pushes(counts: readonly number[], runs: number, plain: boolean): Promise<Row[]> {
  const rows: Row[] = [];
  const medians = new Map<number, (column: string) => number>();
  for (const count of counts) {
    const measured: Figures[] = await repeated(runs, async () => {
      const { documentsPerSecond, activePeakMiB, passivePeakMiB } = await replicateOnce('push', count, plain);
      return { [RATE]: documentsPerSecond, [PEAKS[0]]: activePeakMiB, [PEAKS[1]]: passivePeakMiB };
    });
    medians.set(count, (column) => spread(measured.map((figures) => figures[column] ?? Number.NaN)).median);
    const title = `push ${count.toLocaleString('en')}`;
    const base = medians.get(BASE) ?? medians.get(counts[0] ?? count);
    if (count === MILLION && base !== undefined) {
      const goals = PEAKS.map((column) => [column, atMost(base(column) + 20)] as const);
      rows.push({
        title,
        runs: measured,
        toReach: { [RATE]: atLeast(0.8 * base(RATE)), ...Object.fromEntries(goals) },
      });
    } else {
      rows.push({ title, runs: measured });
    }
  }
  return rows;
}

/**
 * The connections all come from one other process, each from a database of its own.
 * @param documents each has brought one and got those of the others, before it has nothing to do
 */
function idleConnections(documents: boolean, profile: string, plain: boolean): Promise<Figures> {
  return onStage(async (stage) => {
    const listener = stage.peer({ plain, exposeGC: true });
    const clients = stage.peer({ plain });
    await listener.do('open', { path: stage.folder('listener'), profile });
    await clients.do('open', { path: stage.folder('clients') });
    const { port, name } = await listener.do<{ port: number; name: string }>('listen');
    const parameters = { folder: stage.folder('.'), target: { url: `wss://127.0.0.1:${port}/${name}` }, documents };
    await clients.do('connectMany', { ...parameters, count: FIRST_CONNECTIONS });
    const before = await settledRssMiB(listener);
    await clients.do('connectMany', { ...parameters, count: CONNECTIONS });
    await delay(REST_MS);
    const after = await settledRssMiB(listener);
    const { count } = await listener.do<{ count: number }>('connections');
    if (count !== FIRST_CONNECTIONS + CONNECTIONS) throw new Error(`${count} connections are left`);
    return { 'RSS MiB before': before, 'RSS MiB after': after, 'KiB each': ((after - before) * 1024) / CONNECTIONS };
  });
}

/** What it has when garbage collection frees nothing more: an engine gives memory back little by little. */
async function settledRssMiB(peer: Peer): Promise<number> {
  for (let last = Number.POSITIVE_INFINITY; ;) {
    await peer.do('collectGarbage');
    await delay(SETTLING_MS);
    const { rssMiB } = peer.memory;
    if (rssMiB > last - 0.25) return rssMiB;
    last = rssMiB;
  }
}

/** A listener gives back what a connection does not need after it has sent nothing for 10 s, looking every 10 s. */
const REST_MS = 21_000;
/** What only the first ones cost is not to be in the difference. */
const FIRST_CONNECTIONS = 5;
const SETTLING_MS = 2_000;
