/** One one-shot replication of readings between two new processes with new folders, and everything it cost. */
import { checkCount, fill, openPair, type Pair } from './pair.js';
import { cpuSecondsOf } from './peer.js';
import type { Figures } from './report.js';
import { onStage } from './stage.js';

export type Direction = 'push' | 'pull' | 'pushpull';

export interface Replication {
  readonly documentsPerSecond: number;
  /** Of both. */
  readonly cpuMicrosecondsPerDocument: number;
  readonly activeCpuSeconds: number;
  readonly passiveCpuSeconds: number;
  /** Counted between the peers, both ways. */
  readonly bytesPerDocument: number;
  readonly activePeakMiB: number;
  readonly passivePeakMiB: number;
}

/** Over wss, durable on both sides. For `pushpull` each side has half of the documents. */
export function replicateOnce(direction: Direction, count: number, plain = false): Promise<Replication> {
  return onStage(async (stage) => {
    const half = Math.floor(count / 2);
    if (direction === 'push') await fill(stage, 'active', 'fill', { count });
    if (direction === 'pull') await fill(stage, 'passive', 'fill', { count });
    if (direction === 'pushpull') {
      await fill(stage, 'active', 'fill', { count: half });
      await fill(stage, 'passive', 'fill', { first: half, count: count - half });
    }
    const pair = await openPair(stage, { plain });
    const type = direction === 'pushpull' ? 'pushAndPull' : direction;
    return measure(pair, count, { target: pair.target, options: { type } });
  });
}

/** Lets the active peer replicate and sees that both peers have all documents in the end. */
export async function measure(pair: Pair, count: number, parameters: object): Promise<Replication> {
  const { active, passive, relay } = pair;
  const { result, cpuSeconds } = await cpuSecondsOf([active, passive], () =>
    active.do<{ startedAt: number; endedAt: number }>('replicate', parameters),
  );
  await Promise.all([active, passive].map((peer) => checkCount(peer, count)));
  const [activeCpuSeconds = 0, passiveCpuSeconds = 0] = cpuSeconds;
  return {
    documentsPerSecond: count / ((result.endedAt - result.startedAt) / 1_000),
    cpuMicrosecondsPerDocument: ((activeCpuSeconds + passiveCpuSeconds) * 1e6) / count,
    activeCpuSeconds,
    passiveCpuSeconds,
    bytesPerDocument: relay.bytes / count,
    activePeakMiB: active.memory.peakRssMiB,
    passivePeakMiB: passive.memory.peakRssMiB,
  };
}

/** As columns of a table. */
export function replicationFigures(replication: Replication): Figures {
  return {
    'documents/s': replication.documentsPerSecond,
    'CPU µs/doc, both': replication.cpuMicrosecondsPerDocument,
    'CPU s, active': replication.activeCpuSeconds,
    'CPU s, listener': replication.passiveCpuSeconds,
    'bytes/doc': replication.bytesPerDocument,
    'peak MiB, active': replication.activePeakMiB,
    'peak MiB, listener': replication.passivePeakMiB,
  };
}
