/** `resume`: a one-shot replication is cut when half of the bytes have passed, and another one brings it to its end. */
import { setTimeout as delay } from 'node:timers/promises';
import { repeated } from './figures.js';
import { checkCount, fill, openPair, type Side } from './pair.js';
import { replicateOnce } from './replication.js';
import { atMost, type Figures, type Report } from './report.js';
import type { Settings } from './settings.js';
import { onStage } from './stage.js';

type Direction = 'push' | 'pull';

const DOCUMENTS_AGAIN = 'documents again, %';

export async function benchResume(report: Report, settings: Settings): Promise<void> {
  const { documents = [50_000], runs, plain } = settings;
  const rows = [];
  for (const count of documents) {
    for (const direction of ['push', 'pull'] as const) {
      const measured = await repeated(runs, () => cutAndResume(direction, count, plain));
      const toReach = { [DOCUMENTS_AGAIN]: atMost(2) };
      rows.push({ title: `${direction} ${count.toLocaleString('en')}`, runs: measured, toReach });
    }
  }
  report.table('cut half-way and resumed', rows);
  report.say(
    'Documents again: those carried before the cut, going by their share of the bytes, and those sent after it, together,',
  );
  report.say(
    'beyond all there are. Bytes again: the comparing of what is there already and another TLS handshake are in it too.',
  );
}

async function cutAndResume(direction: Direction, count: number, plain: boolean): Promise<Figures> {
  const whole = (await replicateOnce(direction, count, plain)).bytesPerDocument * count;
  return onStage(async (stage) => {
    const [source, sink]: [Side, Side] = direction === 'push' ? ['active', 'passive'] : ['passive', 'active'];
    await fill(stage, source, 'fill', { count });
    const pair = await openPair(stage, { plain });
    const { active, relay, target } = pair;
    const receiver = pair[sink];
    relay.cutAfter(whole / 2);
    // It must not come back by itself.
    const first = active.do('replicate', { target, options: { type: direction, maxAttempts: 1 } });
    const end = await first.catch((error: Error) => error);
    if (!relay.isCut || !(end instanceof Error)) throw new Error('it was not cut', { cause: end });
    const carried = relay.bytes / whole;
    await delay(UNTIL_COMMITTED_MS);
    const { count: stored } = await receiver.do<{ count: number }>('count');
    const second = { target, options: { type: direction }, countDocuments: true };
    const { documents: sent } = await active.do<{ documents: number }>('replicate', second);
    await checkCount(receiver, count);
    return {
      'stored before the cut, %': (stored / count) * 100,
      [DOCUMENTS_AGAIN]: (carried + sent / count - 1) * 100,
      'bytes again, %': (relay.bytes / whole - 1) * 100,
    };
  });
}

/** What the receiver had in its hands at the cut it may still store. */
const UNTIL_COMMITTED_MS = 500;
