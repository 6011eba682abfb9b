/**
 * Replication over serial lines: pseudo-terminals with the pace and the noise of a line between them, a process at each end. What
 * is counted is what went over the line, TLS and frames included.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { openSerialLine, type SerialLine, type SerialLineOptions } from 'hawser/testing';
import { checkCount } from './pair.js';
import type { Peer } from './peer.js';
import { onStage } from './stage.js';

/** What a link says of itself, as it comes from another process. */
interface Statistics {
  readonly sentBytes: number;
  readonly retransmissions: number;
}

interface Ends {
  readonly line: SerialLine;
  readonly sender: Peer;
  readonly receiver: Peer;
  /** Of the sender's endpoint. */
  readonly target: { readonly path: string; readonly baudRate: number; readonly peer: string };
}

/** Two processes with a database each, at the two ends of a line. */
function atBothEnds<T>(
  lineOptions: SerialLineOptions & { readonly baudRate: number },
  plain: boolean,
  work: (ends: Ends) => Promise<T>,
): Promise<T> {
  return onStage(async (stage) => {
    const line = await openSerialLine(lineOptions);
    stage.after(() => line.close());
    const [sender, receiver] = [stage.peer({ plain }), stage.peer({ plain })];
    const { baudRate } = lineOptions;
    const [far = '', near = ''] = line.ends.map(({ path }) => path);
    await sender.do('open', { path: stage.folder('sender') });
    await receiver.do('open', { path: stage.folder('receiver'), name: 'bridge' });
    await receiver.do('listen', { medium: 'serial', options: { path: far, baudRate } });
    return work({ line, sender, receiver, target: { path: near, baudRate, peer: 'bridge' } });
  });
}

export interface LinePush {
  readonly seconds: number;
  /** Payload of the link, as a share of what the line can carry in that time. */
  readonly payloadShare: number;
  readonly bytesPerDocument: number;
  /** Of all documents with their IDs, as JSON: what somebody would have to carry who sends them by hand. */
  readonly documentBytes: number;
  readonly retransmissions: number;
}

/** Pushes documents of 200 bytes once, from the first byte of the link to the last. */
export function pushOverLine(
  lineOptions: SerialLineOptions & { readonly baudRate: number },
  documents: number,
  plain: boolean,
): Promise<LinePush> {
  return atBothEnds(lineOptions, plain, async ({ line, sender, receiver, target }) => {
    const { bytes: documentBytes } = await sender.do<{ bytes: number }>('fill', { count: documents });
    const parameters = { medium: 'serial', target, options: { type: 'push' } };
    const run = await sender.do<{ startedAt: number; endedAt: number; statistics: Statistics }>(
      'replicate',
      parameters,
    );
    await checkCount(receiver, documents);
    const seconds = (run.endedAt - run.startedAt) / 1_000;
    const { sentBytes, retransmissions } = run.statistics;
    return {
      seconds,
      payloadShare: sentBytes / ((lineOptions.baudRate / 10) * seconds),
      bytesPerDocument: line.ends.reduce((sum, end) => sum + end.sentBytes, 0) / documents,
      documentBytes,
      retransmissions,
    };
  });
}

/** How long one changed field of a 2 KB document takes to the other process, each time, in milliseconds. */
export function updateOverLine(baudRate: number, updates: number, plain: boolean): Promise<number[]> {
  return atBothEnds({ baudRate }, plain, async ({ sender, receiver, target }) => {
    await sender.do('saveStates', { count: 1 });
    await receiver.do('watch');
    await sender.do('connect', { medium: 'serial', target, options: { type: 'push' } });
    const latencies: number[] = [];
    for (let change = 1; change <= updates; change++) {
      await receiver.do('expect', { ids: ['state-0'] });
      const { at: saved } = await sender.do<{ at: number }>('saveState', { index: 0, change });
      const { at } = await receiver.do<{ at: Record<string, number> }>('arrivals');
      latencies.push((at['state-0'] ?? Number.NaN) - saved);
      await atRest();
    }
    await sender.do('disconnect');
    return latencies;
  });
}

/** How long the readings that all nodes of a bus save at once take to the gateway: the slowest of each round, in milliseconds. */
export function readingsOverBus(baudRate: number, nodes: number, rounds: number, plain: boolean): Promise<number[]> {
  return onStage(async (stage) => {
    const line = await openSerialLine({ baudRate, halfDuplex: true, ends: nodes + 1 });
    stage.after(() => line.close());
    const addresses = Array.from({ length: nodes }, (_, index) => index + 1);
    const gateway = stage.peer({ plain });
    const peers = addresses.map((address) => ({ address, id: `reading of ${address}`, peer: stage.peer({ plain }) }));
    await gateway.do('open', { path: stage.folder('gateway'), name: 'bridge' });
    const gatewayPath = line.ends[0]?.path;
    await gateway.do('listen', { medium: 'serial', options: { path: gatewayPath, baudRate, nodes: addresses } });
    await gateway.do('watch');
    await Promise.all(
      peers.map(async ({ address, id, peer }) => {
        await peer.do('open', { path: stage.folder(`node-${address}`) });
        await peer.do('save', { id, body: { value: 0 } });
        const target = { path: line.ends[address]?.path, baudRate, peer: 'bridge', address };
        await peer.do('connect', { medium: 'serial', target, options: { type: 'push' } });
      }),
    );
    const slowest: number[] = [];
    for (let round = 1; round <= rounds; round++) {
      await gateway.do('expect', { ids: peers.map(({ id }) => id) });
      const saved = await Promise.all(
        peers.map(({ id, peer }) => peer.do<{ at: number }>('save', { id, body: { value: round, unit: 'K' } })),
      );
      const { at } = await gateway.do<{ at: Record<string, number> }>('arrivals');
      const latencies = peers.map(({ id }, index) => (at[id] ?? Number.NaN) - (saved[index]?.at ?? 0));
      slowest.push(Math.max(...latencies));
      await atRest();
    }
    await Promise.all(peers.map(({ peer }) => peer.do('disconnect')));
    return slowest;
  });
}

/** Until what follows an arrival is over: each update is to meet a line at rest. */
function atRest(): Promise<void> {
  return delay(1_500);
}
