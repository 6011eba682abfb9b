/**
 * Replication over serial lines: pseudo-terminals with the pace and the noise of a line between them, a process at each end. What
 * is counted is what went over the line, TLS and frames included.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSerialLine, type SerialLine, type SerialLineOptions } from 'hawser/testing';
import { Peer } from './peer.js';

/** What a link says of itself, as it comes from another process. */
interface Statistics {
  readonly sentBytes: number;
  readonly retransmissions: number;
}

interface Ends {
  readonly line: SerialLine;
  readonly sender: Peer;
  readonly receiver: Peer;
  /** The options of the sender's endpoint. */
  readonly options: { readonly path: string; readonly baudRate: number; readonly peer: string };
}

/** Two processes with a database each, at the two ends of a line. */
async function atBothEnds<T>(
  lineOptions: SerialLineOptions & { readonly baudRate: number },
  work: (ends: Ends) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'hawser-bench-'));
  const line = await openSerialLine(lineOptions);
  const [sender, receiver] = [new Peer(), new Peer()];
  const { baudRate } = lineOptions;
  const [far = '', near = ''] = line.ends.map(({ path }) => path);
  try {
    await sender.do('open', { path: join(folder, 'sender') });
    await receiver.do('open', { path: join(folder, 'receiver'), name: 'bridge' });
    await receiver.do('listen', { medium: 'serial', options: { path: far, baudRate } });
    return await work({ line, sender, receiver, options: { path: near, baudRate, peer: 'bridge' } });
  } finally {
    await Promise.all([sender.end(), receiver.end()]);
    await line.close();
    await rm(folder, { recursive: true, force: true });
  }
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
  baudRate: number,
  documents: number,
  bitErrorRate: number,
  seed: number,
): Promise<LinePush> {
  return atBothEnds({ baudRate, bitErrorRate, seed }, async ({ line, sender, receiver, options }) => {
    const { bytes: documentBytes } = await sender.do<{ bytes: number }>('fill', { count: documents });
    const run = await sender.do<{ milliseconds: number; statistics: Statistics }>('replicate', {
      ...{ medium: 'serial', options, type: 'push' },
    });
    const { count } = await receiver.do<{ count: number }>('count');
    if (count !== documents) throw new Error(`${count} of ${documents} documents arrived`);
    const { sentBytes, retransmissions } = run.statistics;
    return {
      seconds: run.milliseconds / 1_000,
      payloadShare: sentBytes / ((baudRate / 10) * (run.milliseconds / 1_000)),
      bytesPerDocument: line.ends.reduce((sum, end) => sum + end.sentBytes, 0) / documents,
      documentBytes,
      retransmissions,
    };
  });
}

/** How long one changed field of a 2 KB document takes to the other process, each time, in milliseconds. */
export function updateOverLine(baudRate: number, updates: number): Promise<number[]> {
  return atBothEnds({ baudRate }, async ({ sender, receiver, options }) => {
    const body = largeDocument();
    await sender.do('save', { id: 'engine', body });
    await receiver.do('watch');
    await sender.do('connect', { medium: 'serial', options });
    const latencies: number[] = [];
    for (let update = 1; update <= updates; update++) {
      const { at: saved } = await sender.do<{ at: number }>('save', { id: 'engine', body: { ...body, rpm: update } });
      const { at } = await receiver.do<{ at: number }>('arrival', { id: 'engine', after: saved });
      latencies.push(at - saved);
      await quiet();
    }
    await sender.do('disconnect');
    return latencies;
  });
}

/** How long the readings that all nodes of a bus save at once take to the gateway: the slowest of each round, in milliseconds. */
export async function readingsOverBus(baudRate: number, nodes: number, rounds: number): Promise<number[]> {
  const folder = await mkdtemp(join(tmpdir(), 'hawser-bench-'));
  const line = await openSerialLine({ baudRate, halfDuplex: true, ends: nodes + 1 });
  const addresses = Array.from({ length: nodes }, (_, index) => index + 1);
  const gateway = new Peer();
  const peers = addresses.map((address) => ({ address, id: `reading of ${address}`, peer: new Peer() }));
  try {
    await gateway.do('open', { path: join(folder, 'gateway'), name: 'bridge' });
    const gatewayPath = line.ends[0]?.path;
    await gateway.do('listen', { medium: 'serial', options: { path: gatewayPath, baudRate, nodes: addresses } });
    await gateway.do('watch');
    await Promise.all(
      peers.map(async ({ address, id, peer }) => {
        await peer.do('open', { path: join(folder, `node-${address}`) });
        await peer.do('save', { id, body: { value: 0 } });
        const options = { path: line.ends[address]?.path, baudRate, peer: 'bridge', address };
        await peer.do('connect', { medium: 'serial', options });
      }),
    );
    const slowest: number[] = [];
    for (let round = 1; round <= rounds; round++) {
      const saved = await Promise.all(
        peers.map(({ id, peer }) => peer.do<{ at: number }>('save', { id, body: { value: round, unit: 'K' } })),
      );
      const latencies: number[] = [];
      for (const [index, { id }] of peers.entries()) {
        const after = saved[index]?.at ?? 0;
        const { at } = await gateway.do<{ at: number }>('arrival', { id, after });
        latencies.push(at - after);
      }
      slowest.push(Math.max(...latencies));
      await quiet();
    }
    await Promise.all(peers.map(({ peer }) => peer.do('disconnect')));
    return slowest;
  } finally {
    await Promise.all([gateway, ...peers.map(({ peer }) => peer)].map((peer) => peer.end()));
    await line.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Until what follows an arrival, such as the saving of checkpoints, is over: each update is to meet a line at rest. */
function quiet(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1_500));
}

/** Of about 2 KB, with one field that changes. */
function largeDocument(): Record<string, unknown> {
  const cylinders = Array.from({ length: 24 }, (_, index) => ({
    cylinder: index + 1,
    exhaustTemperature: 650 + ((index * 37) % 41),
    injectionPressure: 158_300 + index * 97,
  }));
  return { type: 'engine', serial: 'MX-2231-77', rpm: 0, cylinders };
}
