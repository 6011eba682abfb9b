/** What a client said from its first byte to its last, to be said again by somebody who was listening on the line. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Database, Replicator, silentLogger, type ReplicatorOptions } from '../../src/index.js';
import { URLEndpoint } from '../../transports/websocket/index.js';
import type { Attack } from './attack.js';
import type { Target } from './intruder.js';

/** Pushes ten documents and pulls all there are, once, and returns the bytes that went to the listener. */
export async function record(target: Target, options: Partial<ReplicatorOptions> = {}): Promise<Uint8Array> {
  const said: Buffer[] = [];
  const relay = createServer((client) => {
    const server = connect(target.port, '127.0.0.1');
    client.on('data', (chunk: Buffer) => said.push(chunk));
    client.pipe(server).pipe(client);
    for (const socket of [client, server]) {
      socket.on('error', () => undefined);
      socket.on('close', () => [client, server].forEach((other) => other.destroy()));
    }
  }).listen(0, '127.0.0.1');
  await once(relay, 'listening');
  const folder = await mkdtemp(join(tmpdir(), 'hawser-hostile-'));
  const database = await Database.open(folder, { logger: silentLogger });
  try {
    const collection = await database.createCollection('metrics');
    for (let number = 0; number < 10; number++) await collection.save(`recorded-${number}`, { number });
    const { port } = relay.address() as AddressInfo;
    const url = `${target.secure ? 'wss' : 'ws'}://127.0.0.1:${port}/${target.database}`;
    const trust = { acceptOnlySelfSignedServerCertificate: target.secure };
    const headers = target.authorization === undefined ? {} : { Authorization: target.authorization };
    const replicator = new Replicator({
      ...{ collections: [collection], target: new URLEndpoint(url), headers, ...trust },
      ...options,
    });
    replicator.start();
    const error = await replicator.stopped();
    if (error !== undefined) throw error;
  } finally {
    await database.close();
    await rm(folder, { recursive: true, force: true });
    const closed = once(relay, 'close');
    relay.close();
    await closed;
  }
  return new Uint8Array(Buffer.concat(said));
}

/** Says it again, whole or up to somewhere. */
export function replay(recording: Uint8Array): Attack {
  return {
    name: 'says again what another client said',
    perSecond: 60,
    count: 60,
    go: async (strike) => {
      const intruder = await strike.connect();
      if (intruder === undefined) return;
      const whole = strike.random.below(2) === 0;
      await intruder.write(whole ? recording : recording.subarray(0, strike.random.below(recording.length)));
      intruder.socket.end();
      await strike.outlast(intruder);
    },
  };
}
