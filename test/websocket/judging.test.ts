/** What happens on the wire while somebody thinks about whether the server is to be trusted. Real TLS. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { before, describe, test, type TestContext } from 'node:test';
import { createSecureContext, TLSSocket } from 'node:tls';
import { deferred } from '../../src/base/index.js';
import type { ConnectOptions, MessageEndpointConnection, MessagingError } from '../../src/endpoint/index.js';
import { HawserError } from '../../src/errors.js';
import { TrustOnFirstUse, type ServerTrust, type ShownServer, type TLSIdentity } from '../../src/security/index.js';
import { URLEndpoint } from '../../transports/websocket/index.js';
import { ConnectionRecorder } from '../conformance/index.js';
import { selfSignedIdentity } from '../support/certificates.js';
import { connectOptions } from '../support/connect-options.js';
import { startTcpServer, untilClosed } from '../support/raw-servers.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { VirtualClock } from '../support/virtual-clock.js';
import { startWebSocketHost } from '../support/web-socket-host.js';

let boat: TLSIdentity;

before(async () => {
  boat = await selfSignedIdentity('boat');
});

/** A policy that says when it is asked, and then what it is told. */
function thinking() {
  const asked = deferred<ShownServer>();
  const answer = deferred<HawserError | undefined>();
  const trust: ServerTrust = {
    serverTrustPolicy: {
      judge: (server) => {
        asked.resolve(server);
        return answer.promise;
      },
    },
  };
  return { trust, asked: asked.promise, answer };
}

interface Came {
  readonly socket: TLSSocket;
  readonly carrier: Socket;
}

/** A TLS server with the first socket that comes, what carries it, and all that has arrived on it. */
async function startServer(context: TestContext) {
  const came = deferred<Came>();
  const received: Buffer[] = [];
  const port = await startTcpServer(context, (carrier) => {
    const secureContext = createSecureContext({ key: boat.privateKeyPem(), cert: boat.certificatePem() });
    const socket = new TLSSocket(carrier, { isServer: true, secureContext });
    socket.on('data', (chunk: Buffer) => void received.push(chunk)).on('error', () => undefined);
    socket.on('end', () => carrier.destroy());
    came.resolve({ socket, carrier });
  });
  return { port, came: came.promise, received: () => Buffer.concat(received).toString('latin1') };
}

function connect(port: number, options: Partial<ConnectOptions>) {
  const connection = new URLEndpoint(`wss://127.0.0.1:${port}/db`).createConnection(connectOptions(options));
  const outcome = new ConnectionRecorder().open(connection).then(
    () => 'open' as const,
    (error: MessagingError) => error,
  );
  return { connection, outcome };
}

async function failureOf(connection: MessageEndpointConnection, outcome: Promise<MessagingError | 'open'>) {
  const error = await outcome;
  await connection.close();
  assert.ok(error !== 'open', 'the connection was opened');
  return error;
}

describe('while a policy thinks', () => {
  test('nothing is sent, and what the server sends is not lost', async (context) => {
    const { trust, asked, answer } = thinking();
    const server = await startServer(context);
    const { connection, outcome } = connect(server.port, { trust, authorization: 'Basic YTpi' });
    const shown = await asked;
    assert.equal(shown.name, `127.0.0.1:${server.port}`);
    assert.equal(shown.hostname, '127.0.0.1');
    assert.equal(shown.chainError, 'DEPTH_ZERO_SELF_SIGNED_CERT');
    const { socket } = await server.came;
    // Before it was asked for: what it means is seen once there is a request that it can answer.
    await new Promise((resolve) => socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n', resolve));
    assert.equal(server.received(), '');
    const requested = once(socket, 'data');
    answer.resolve(undefined);
    assert.equal((await failureOf(connection, outcome)).code, 'ACCESS_DENIED');
    await requested;
    assert.match(server.received(), /\r\nAuthorization: Basic YTpi\r\n/);
  });

  for (const [what, end] of [
    ['hangs up', ({ socket }: Came) => socket.end()],
    ['breaks the line', ({ carrier }: Came) => carrier.destroy()],
    ['resets the line', ({ carrier }: Came) => carrier.resetAndDestroy()],
  ] as const) {
    test(`a server that ${what} is not waited for`, async (context) => {
      const { trust, asked, answer } = thinking();
      const clock = new VirtualClock(); // nobody advances it: this is no timeout
      const server = await startServer(context);
      const { connection, outcome } = connect(server.port, { trust, clock });
      await asked;
      end(await server.came);
      const error = await failureOf(connection, outcome);
      assert.deepEqual([error.code, error.recoverable], ['CONNECTION_LOST', true]);
      answer.resolve(undefined); // too late
      assert.equal(server.received(), '');
    });
  }

  test('the connect timeout goes on', async (context) => {
    const { trust, asked, answer } = thinking();
    const clock = new VirtualClock();
    const server = await startServer(context);
    const { connection, outcome } = connect(server.port, { trust, clock, connectTimeoutMs: 15_000 });
    await asked;
    await clock.advance(15_000);
    const error = await failureOf(connection, outcome);
    assert.deepEqual([error.code, error.recoverable], ['CONNECTION_TIMEOUT', true]);
    await untilClosed((await server.came).carrier);
    answer.reject(new Error('too late, and nobody listens'));
    assert.equal(server.received(), '');
  });

  test('the connection may be closed', async (context) => {
    const { trust, asked } = thinking();
    const server = await startServer(context);
    const { connection, outcome } = connect(server.port, { trust });
    await asked;
    await connection.close();
    assert.notEqual(await outcome, 'open');
    await untilClosed((await server.came).carrier);
    assert.equal(server.received(), '');
  });
});

test('a policy that is hindered for the moment is asked again, one that says no is not', async (context) => {
  for (const [code, recoverable] of [
    ['STORAGE_FULL', true],
    ['TLS_CERTIFICATE_CHANGED', false],
  ] as const) {
    const { trust, answer } = thinking();
    answer.resolve(new HawserError(code, 'because', { hint: 'do that' }));
    const server = await startServer(context);
    const { connection, outcome } = connect(server.port, { trust });
    const error = await failureOf(connection, outcome);
    assert.deepEqual([error.code, error.recoverable, error.hint], [code, recoverable, 'do that']);
    assert.equal(error.message, `127.0.0.1:${server.port}: because`);
    assert.equal(server.received(), '');
  }
});

test('trust on first use takes the first certificate of a name and no other after it', async (context) => {
  const file = join(await temporaryDirectory(context), 'servers.json');
  const stranger = await selfSignedIdentity('boat');
  const outcomes: unknown[] = [];
  for (const identity of [boat, boat, stranger]) {
    const host = await startWebSocketHost({ identity, opens: true });
    // The same name for all of them, whatever port is free.
    const memory = await TrustOnFirstUse.open(file);
    const trust: ServerTrust = {
      serverTrustPolicy: { judge: (server) => memory.judge({ ...server, name: 'boat' }) },
    };
    const { connection, outcome } = connect(host.port, { trust });
    const result = await outcome;
    outcomes.push(result === 'open' ? result : [result.code, result.number]);
    await connection.close();
    await host.close();
  }
  assert.deepEqual(outcomes, ['open', 'open', ['TLS_CERTIFICATE_CHANGED', 5011]]);
});
