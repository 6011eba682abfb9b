/** The transport that transports/README.md shows is run as it stands there, by the suite that it recommends. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { pathToFileURL } from 'node:url';
import { deferred, utf8, type Clock, type Deferred } from '../../src/base/index.js';
import type { Endpoint, MessageEndpointConnection } from '../../src/endpoint/index.js';
import { connectionConformance } from '../conformance/index.js';
import { connectOptions } from '../support/connect-options.js';
import { countingClock } from '../support/counting-clock.js';
import { impatient } from '../support/impatient-clock.js';
import { TcpRelay } from '../support/tcp-relay.js';

interface Example {
  readonly TcpConnection: new (socket: Socket, clock: Clock) => MessageEndpointConnection;
  readonly TcpEndpoint: new (port: number) => Endpoint;
}

const folder = await mkdtemp(join(tmpdir(), 'hawser-test-'));
after(() => rm(folder, { recursive: true, force: true }));

const readme = await readFile(new URL('../../transports/README.md', import.meta.url), 'utf8');
const code = /^```ts\n(import[^]*?)^```$/m.exec(readme)?.[1] ?? assert.fail('the README shows no transport');
const door = new URL('../../src/index.ts', import.meta.url).href;
await writeFile(join(folder, 'tcp.mts'), code.replace("'hawser'", JSON.stringify(door)));
const { TcpConnection, TcpEndpoint } = (await import(pathToFileURL(join(folder, 'tcp.mts')).href)) as Example;

connectionConformance('the transport of transports/README.md', async () => {
  const timers = countingClock();
  const clock = impatient(timers);
  const waiting: Deferred<MessageEndpointConnection>[] = [];
  const arrived: MessageEndpointConnection[] = [];
  const server = createServer((socket) => {
    const connection = new TcpConnection(socket, clock);
    arrived.push(connection);
    waiting.shift()?.resolve(connection);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const relay = await TcpRelay.start((server.address() as AddressInfo).port);
  const endpoint = new TcpEndpoint(relay.port);
  return {
    connect() {
      const far = deferred<MessageEndpointConnection>();
      waiting.push(far);
      return {
        near: endpoint.createConnection(connectOptions({ clock })),
        far: far.promise,
        vanish: () => relay.cut(),
        injectGarbage: (end) => relay.inject(end === 'near' ? 'client' : 'server', utf8('no length of a message')),
      };
    },
    refuse: () => new TcpEndpoint(1).createConnection(connectOptions({ clock })),
    maxMessageSize: 65_536,
    maxBufferedBytes: 50_331_648,
    carriesReason: false,
    leftovers: () => timers.pending(),
    async teardown() {
      const closed = once(server, 'close');
      server.close();
      await Promise.all([relay.close(), ...arrived.map((connection) => connection.close())]);
      await closed;
    },
  };
});
