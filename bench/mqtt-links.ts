/** Replication through Mosquitto, beside the same over WebSocket: a process at each end, bytes counted at the device's socket. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { startMosquitto, type Mosquitto } from '../test/support/mosquitto.js';
import { Peer } from './peer.js';
import { CountingRelay } from './relay.js';

export interface Push {
  readonly documentsPerSecond: number;
  readonly bytesPerDocument: number;
}

type Listen = Record<string, unknown>;

interface Setting {
  readonly folder: string;
  readonly sender: Peer;
  readonly receiver: Peer;
  readonly broker: Mosquitto;
}

/** Two processes with a database each, and a broker. */
async function withBroker<T>(work: (setting: Setting) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'hawser-bench-'));
  const ends: (() => unknown)[] = [];
  // It ends with a test; here with this.
  const context = { after: (end: () => unknown) => void ends.push(end) } as unknown as TestContext;
  const [sender, receiver] = [new Peer(), new Peer()];
  try {
    const broker = await startMosquitto(context);
    await sender.do('open', { path: join(folder, 'sender') });
    await receiver.do('open', { path: join(folder, 'receiver'), name: 'bridge' });
    return await work({ folder, sender, receiver, broker });
  } finally {
    await Promise.all([sender.end(), receiver.end()]);
    for (const end of ends.reverse()) await end();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Pushes documents of 200 bytes once. */
export function pushThrough(medium: 'mqtt' | 'websocket', documents: number): Promise<Push> {
  return withBroker(async ({ sender, receiver, broker }) => {
    await sender.do('fill', { count: documents });
    const own: Listen = medium === 'mqtt' ? { options: { broker: broker.url() } } : {};
    const { port } = await receiver.do<{ port: number }>('listen', { medium, ...own });
    const relay = await CountingRelay.to(medium === 'mqtt' ? broker.port() : port);
    try {
      const address = `127.0.0.1:${relay.port}`;
      const options =
        medium === 'mqtt' ? { broker: `mqtt://${address}`, peer: 'bridge' } : { url: `wss://${address}/bridge` };
      const { milliseconds } = await sender.do<{ milliseconds: number }>('replicate', {
        medium,
        options,
        type: 'push',
      });
      const { count } = await receiver.do<{ count: number }>('count');
      if (count !== documents) throw new Error(`${count} of ${documents} documents arrived`);
      return {
        documentsPerSecond: documents / (milliseconds / 1_000),
        bytesPerDocument: relay.bytes / documents,
      };
    } finally {
      relay.close();
    }
  });
}

/** How long one save after the other takes to the other process, in milliseconds. */
export function savesThroughBroker(saves: number): Promise<number[]> {
  return withBroker(async ({ sender, receiver, broker }) => {
    await receiver.do('listen', { medium: 'mqtt', options: { broker: broker.url() } });
    await receiver.do('watch');
    await sender.do('connect', { medium: 'mqtt', options: { broker: broker.url(), peer: 'bridge' } });
    const latencies: number[] = [];
    for (let save = 1; save <= saves; save++) {
      const { at: saved } = await sender.do<{ at: number }>('save', { id: 'engine', body: { rpm: save } });
      const { at } = await receiver.do<{ at: number }>('arrival', { id: 'engine', after: saved });
      latencies.push(at - saved);
    }
    await sender.do('disconnect');
    return latencies;
  });
}
