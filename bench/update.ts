/**
 * `update`: a continuous push over plain ws; one field of a 2 KB document changes at a time, and is waited for at the other
 * peer. What is counted is everything on the link, framing and checkpoints included, until it is at rest again.
 */
import { median, percentile, repeated } from './figures.js';
import { openPair, type Pair } from './pair.js';
import { cpuSecondsOf } from './peer.js';
import { atMost, type Figures, type Report } from './report.js';
import type { Settings } from './settings.js';
import { onStage } from './stage.js';

const UPDATES = 200;
/** Updates before those that count: the link, the caches and the compilers are warm then. */
const WARMING = 10;
/** A checkpoint is saved five seconds after what it is for. */
const UNTIL_AT_REST_SECONDS = 6;

export async function benchUpdate(report: Report, { runs, plain }: Settings): Promise<void> {
  const toReach = { 'bytes/update': atMost(150), 'median ms': atMost(5), '99th percentile ms': atMost(20) };
  const row = async (title: string, documents: number) => ({
    title,
    runs: await repeated(runs, () => updates(documents, plain)),
    toReach,
  });
  report.table(`${UPDATES} updates of a field of 2 KB, ws`, [
    await row('the same document each time', 1),
    await row('another document each time', UPDATES + WARMING),
  ]);
}

/** @param documents that take turns; both sides have them before */
function updates(documents: number, plain: boolean): Promise<Figures> {
  return onStage(async (stage) => {
    const pair = await openPair(stage, { plain, listener: { disableTLS: true } });
    const { active, passive, relay, target } = pair;
    await active.do('saveStates', { count: documents });
    await passive.do('watch');
    await active.do('connect', { target, options: { type: 'push' } });
    for (let change = 1; change <= WARMING; change++) await update(pair, change, documents);
    await relay.silence(UNTIL_AT_REST_SECONDS);

    const before = relay.bytes;
    const times: Update[] = [];
    const { cpuSeconds } = await cpuSecondsOf([active, passive], async () => {
      for (let change = WARMING + 1; change <= WARMING + UPDATES; change++) {
        times.push(await update(pair, change, documents));
      }
    });
    await relay.silence(UNTIL_AT_REST_SECONDS);
    const sinceAsked = times.map(({ askedAt, seenAt }) => seenAt - askedAt);
    return {
      'bytes/update': (relay.bytes - before) / UPDATES,
      'median ms': median(sinceAsked),
      '99th percentile ms': percentile(sinceAsked, 99),
      'median ms after the commit': median(times.map(({ savedAt, seenAt }) => seenAt - savedAt)),
      'CPU ms/update, both': (cpuSeconds.reduce((sum, used) => sum + used, 0) * 1e3) / UPDATES,
      'peak MiB, active': active.memory.peakRssMiB,
      'peak MiB, listener': passive.memory.peakRssMiB,
    };
  });
}

/** Times of one update, in milliseconds. */
interface Update {
  /** When it was saved: asked for, and committed. */
  readonly askedAt: number;
  readonly savedAt: number;
  /** When the other peer told its application of it. */
  readonly seenAt: number;
}

async function update({ active, passive }: Pair, change: number, documents: number): Promise<Update> {
  const index = change % documents;
  const id = `state-${index}`;
  await passive.do('expect', { ids: [id] });
  const saved = await active.do<{ askedAt: number; at: number }>('saveState', { index, change });
  const { at } = await passive.do<{ at: Record<string, number> }>('arrivals');
  return { askedAt: saved.askedAt, savedAt: saved.at, seenAt: at[id] ?? Number.NaN };
}
