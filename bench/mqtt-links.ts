/** Replication through Mosquitto, beside the same over WebSocket: a process at each end, bytes counted at the device's socket. */
import type { TestContext } from 'node:test';
import { startMosquitto, type Mosquitto } from '../test/support/mosquitto.js';
import { checkCount } from './pair.js';
import type { Peer } from './peer.js';
import { onStage, type Stage } from './stage.js';

export interface Push {
  readonly documentsPerSecond: number;
  readonly bytesPerDocument: number;
}

interface Setting {
  readonly stage: Stage;
  readonly sender: Peer;
  readonly receiver: Peer;
  readonly broker: Mosquitto;
}

/** Two processes with a database each, and a broker. */
function withBroker<T>(plain: boolean, work: (setting: Setting) => Promise<T>): Promise<T> {
  return onStage(async (stage) => {
    // It ends with a test; here with the stage.
    const context = { after: (end: () => unknown) => stage.after(end) } as unknown as TestContext;
    const broker = await startMosquitto(context);
    const [sender, receiver] = [stage.peer({ plain }), stage.peer({ plain })];
    await sender.do('open', { path: stage.folder('sender') });
    await receiver.do('open', { path: stage.folder('receiver'), name: 'bridge' });
    return work({ stage, sender, receiver, broker });
  });
}

/** Pushes documents of 200 bytes once. */
export function pushThrough(medium: 'mqtt' | 'websocket', documents: number, plain: boolean): Promise<Push> {
  return withBroker(plain, async ({ stage, sender, receiver, broker }) => {
    await sender.do('fill', { count: documents });
    const own = medium === 'mqtt' ? { options: { broker: broker.url() } } : {};
    const { port } = await receiver.do<{ port: number }>('listen', { medium, ...own });
    const relay = await stage.relay(medium === 'mqtt' ? broker.port() : port);
    const address = `127.0.0.1:${relay.port}`;
    const target =
      medium === 'mqtt' ? { broker: `mqtt://${address}`, peer: 'bridge' } : { url: `wss://${address}/bridge` };
    const parameters = { medium, target, options: { type: 'push' } };
    const { startedAt, endedAt } = await sender.do<{ startedAt: number; endedAt: number }>('replicate', parameters);
    await checkCount(receiver, documents);
    return {
      documentsPerSecond: documents / ((endedAt - startedAt) / 1_000),
      bytesPerDocument: relay.bytes / documents,
    };
  });
}

/** How long one save after the other takes to the other process, in milliseconds. */
export function savesThroughBroker(saves: number, plain: boolean): Promise<number[]> {
  return withBroker(plain, async ({ sender, receiver, broker }) => {
    await receiver.do('listen', { medium: 'mqtt', options: { broker: broker.url() } });
    await receiver.do('watch');
    const target = { broker: broker.url(), peer: 'bridge' };
    await sender.do('connect', { medium: 'mqtt', target, options: { type: 'push' } });
    const latencies: number[] = [];
    for (let save = 1; save <= saves; save++) {
      await receiver.do('expect', { ids: ['engine'] });
      const { at: saved } = await sender.do<{ at: number }>('save', { id: 'engine', body: { rpm: save } });
      const { at } = await receiver.do<{ at: Record<string, number> }>('arrivals');
      latencies.push((at['engine'] ?? Number.NaN) - saved);
    }
    await sender.do('disconnect');
    return latencies;
  });
}
