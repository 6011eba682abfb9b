/** What strangers may cost a listener, and that each of them is told of, with a code. Over real sockets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTcp, createServer, type AddressInfo, type Socket } from 'node:net';
import { describe, test, type TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { ListenerPasswordAuthenticator, type ListenerLimits } from '../../src/index.js';
import { PendingHandshakes } from '../../src/listener/index.js';
import type { URLEndpointListener, URLEndpointListenerOptions } from '../../transports/websocket/index.js';
import { UnfinishedSockets } from '../../transports/websocket/unfinished-sockets.js';
import { cleanup } from '../support/cleanup.js';
import { memoryLogger } from '../support/memory-logger.js';
import { openPeer } from '../support/peers.js';
import { untilClosed } from '../support/raw-servers.js';
import { basicOf, upgrade } from '../support/raw-upgrade.js';
import { VirtualClock } from '../support/virtual-clock.js';
import { listen } from '../support/web-socket-peers.js';

async function open(context: TestContext, options: Partial<URLEndpointListenerOptions> = {}) {
  const peer = await openPeer(context, 'vessel');
  return listen(context, peer, { networkInterface: '127.0.0.1', logger: memoryLogger(), ...options });
}

/** The codes of the next so many that are not let in. */
function refusals(listener: URLEndpointListener, count: number): Promise<string[]> {
  const codes: string[] = [];
  return new Promise((resolve) => {
    listener.on('refused', ({ error }) => {
      if (codes.push(error.code) === count) resolve(codes);
    });
  });
}

async function tcp(context: TestContext, port: number): Promise<Socket> {
  const socket = connectTcp(port, '127.0.0.1').on('error', () => undefined);
  cleanup(context, () => socket.destroy());
  await once(socket.resume(), 'connect');
  return socket;
}

describe('everybody who is not let in is told of', () => {
  const request = 'GET /vessel/_blipsync HTTP/1.1\r\nHost: x\r\n';
  for (const disableTLS of [true, false]) {
    const tls = disableTLS ? {} : { tls: {} };
    const scheme = disableTLS ? 'ws' : 'wss';
    const wire = async (context: TestContext, port: number): Promise<Socket> => {
      if (disableTLS) return tcp(context, port);
      const socket = connectTls({ port, rejectUnauthorized: false }).on('error', () => undefined);
      cleanup(context, () => socket.destroy());
      await once(socket.resume(), 'secureConnect');
      return socket;
    };
    for (const [what, code, act] of [
      ['who goes away', 'CONNECTION_LOST', async (socket: Socket) => void socket.destroy()],
      ['who speaks no HTTP', 'CONNECTION_PROTOCOL_ERROR', async (socket: Socket) => void socket.write('SSH-2.0-x\r\n')],
      ['who wants a page', 'CONNECTION_PROTOCOL_ERROR', async (socket: Socket) => void socket.write(`${request}\r\n`)],
      [
        'who wants a proxy',
        'CONNECTION_PROTOCOL_ERROR',
        async (socket: Socket) => void socket.write('CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n'),
      ],
      [
        'who wants HTTP/2',
        'CONNECTION_PROTOCOL_ERROR',
        async (socket: Socket) =>
          void socket.write(
            `${request}Connection: Upgrade\r\nUpgrade: h2c\r\nSec-WebSocket-Protocol: BLIP_3+CBMobile_3\r\n\r\n`,
          ),
      ],
      [
        'who knows no protocol',
        'CONNECTION_PROTOCOL_MISMATCH',
        async (socket: Socket) => void socket.write(`${request}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`),
      ],
    ] as const) {
      test(`${what} (${scheme})`, async (context) => {
        const listener = await open(context, { disableTLS });
        const told = refusals(listener, 1);
        await act(await wire(context, listener.port));
        assert.deepEqual(await told, [code]);
      });
    }

    test(`who asks for another database, or has no password (${scheme})`, async (context) => {
      const authenticator = ListenerPasswordAuthenticator.forUsers({ alice: 'right' });
      const listener = await open(context, { disableTLS, authenticator });
      const told = refusals(listener, 5);
      assert.equal((await upgrade(listener.port, { ...tls, path: '/other/_blipsync' })).status, 404);
      assert.equal((await upgrade(listener.port, tls)).status, 401);
      for (let count = 0; count < 3; count++) {
        assert.equal((await upgrade(listener.port, { ...tls, authorization: basicOf('alice:wrong') })).status, 401);
      }
      assert.deepEqual(await told, ['REMOTE_DATABASE_NOT_FOUND', ...Array(4).fill('AUTHENTICATION_FAILED')]);
      const delayed = refusals(listener, 1);
      const { status, retryAfter, body } = await upgrade(listener.port, {
        ...tls,
        authorization: basicOf('alice:right'),
      });
      assert.deepEqual([status, retryAfter], [429, '1']);
      assert.match(JSON.parse(body).reason, /too many log-ins/);
      assert.deepEqual(await delayed, ['AUTHENTICATION_DELAYED']);
    });

    test(`who has not finished when the listener stops (${scheme})`, async (context) => {
      const listener = await open(context, { disableTLS });
      const told = refusals(listener, 1);
      const socket = await wire(context, listener.port);
      const closed = untilClosed(socket);
      await listener.stop();
      await closed;
      assert.deepEqual(await told, ['LISTENER_STOPPED']);
    });
  }

  test('who resets the line', async (context) => {
    for (const disableTLS of [true, false]) {
      const listener = await open(context, { disableTLS });
      const told = refusals(listener, 1);
      (await tcp(context, listener.port)).resetAndDestroy();
      assert.deepEqual(await told, ['CONNECTION_LOST']);
    }
  });

  test('who speaks no TLS', async (context) => {
    const listener = await open(context, { disableTLS: false });
    const told = refusals(listener, 2);
    (await tcp(context, listener.port)).write(request);
    (await tcp(context, listener.port)).write(Buffer.from('1603010005010000010000', 'hex'));
    assert.deepEqual(await told, ['TLS_HANDSHAKE_FAILED', 'TLS_HANDSHAKE_FAILED']);
  });
});

describe('a limit of a listener', () => {
  test('on the time of a handshake holds from the first byte to the last', async (context) => {
    for (const disableTLS of [true, false]) {
      const clock = new VirtualClock();
      const listener = await open(context, { disableTLS, clock, limits: { handshakeTimeout: 3 } });
      const told = refusals(listener, 2);
      const sockets = [await tcp(context, listener.port), await tcp(context, listener.port)];
      sockets[1]?.write(disableTLS ? 'GET /vess' : Buffer.from('1603', 'hex'));
      // Whoever comes through after them shows that they have been accepted.
      const { socket } = await upgrade(listener.port, disableTLS ? {} : { tls: {} });
      const closed = sockets.map((each) => untilClosed(each));
      await clock.advance(2_999);
      assert.deepEqual(
        sockets.map(({ destroyed }) => destroyed),
        [false, false],
      );
      await clock.advance(1);
      await Promise.all(closed);
      assert.deepEqual(await told, ['CONNECTION_TIMEOUT', 'CONNECTION_TIMEOUT']);
      assert.equal(socket.destroyed, false);
      socket.destroy();
    }
  });

  test('on the time of a handshake holds while a password is checked', async (context) => {
    const clock = new VirtualClock();
    let asked: () => void = () => undefined;
    const wasAsked = new Promise<void>((resolve) => (asked = resolve));
    const authenticator = new ListenerPasswordAuthenticator(() => {
      asked();
      return new Promise<never>(() => undefined);
    });
    const listener = await open(context, { clock, authenticator });
    const told = refusals(listener, 1);
    const answered = upgrade(listener.port, { authorization: basicOf('a:b') });
    await wasAsked;
    await clock.advance(15_000);
    assert.equal((await answered).status, Number.NaN);
    assert.deepEqual(await told, ['CONNECTION_TIMEOUT']);
  });

  test('on unfinished handshakes of an address pushes out the oldest', async (context) => {
    const limits: ListenerLimits = { maxHandshakesPerAddress: 2 };
    const listener = await open(context, { limits });
    const told = refusals(listener, 1);
    const first = await tcp(context, listener.port);
    const closed = untilClosed(first);
    const others = [await tcp(context, listener.port), await tcp(context, listener.port)];
    await closed;
    assert.deepEqual(await told, ['LISTENER_BUSY']);
    assert.deepEqual(
      others.map(({ destroyed }) => destroyed),
      [false, false],
    );
  });

  test('on the connections of an address is told with 503, before a password is looked at', async (context) => {
    let asked = 0;
    const authenticator = new ListenerPasswordAuthenticator(() => ++asked > 0);
    const listener = await open(context, { authenticator, limits: { maxConnectionsPerAddress: 2 } });
    const authorization = basicOf('a:b');
    const peers = [await upgrade(listener.port, { authorization }), await upgrade(listener.port, { authorization })];
    assert.deepEqual(
      peers.map(({ status }) => status),
      [101, 101],
    );
    assert.equal((await upgrade(listener.port, { authorization })).status, 503);
    assert.equal(asked, 2);
    const stopped = new Promise<void>((resolve) =>
      listener.on('connection', ({ activity }) => (activity === 'stopped' ? resolve() : undefined)),
    );
    peers[0]?.socket.destroy();
    await stopped;
    const again = await upgrade(listener.port, { authorization });
    assert.equal(again.status, 101);
    for (const { socket } of [...peers, again]) socket.destroy();
  });

  test('on connections of all holds when they are admitted together', async (context) => {
    const listener = await open(context, { limits: { maxConnections: 3 } });
    const told = refusals(listener, 7);
    const peers = await Promise.all(Array.from({ length: 10 }, () => upgrade(listener.port)));
    assert.deepEqual([...new Set(await told)], ['LISTENER_BUSY']);
    assert.equal(listener.status.connectionCount, 3);
    for (const { socket } of peers) socket.destroy();
  });
});

test('a connection from the port of one that went unnoticed has a deadline of its own', async (context) => {
  const told: string[] = [];
  const handshakes = new PendingHandshakes({
    clock: new VirtualClock(),
    timeoutMs: 15_000,
    maxTotal: 128,
    maxPerAddress: 128,
    onRefused: (_address, { code }) => told.push(code),
  });
  const sockets = new UnfinishedSockets(handshakes);
  // As while a password is looked at: what is not read does not show that its peer has reset it.
  const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
  cleanup(context, () => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const join = async (localPort?: number): Promise<{ ours: Socket; theirs: Socket }> => {
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const theirs = connectTcp({ port, host: '127.0.0.1', ...(localPort === undefined ? {} : { localPort }) });
    cleanup(context, () => theirs.destroy());
    const [[ours]] = await Promise.all([accepted, once(theirs, 'connect')]);
    cleanup(context, () => ours.destroy());
    sockets.add(ours);
    return { ours, theirs };
  };
  const first = await join();
  const signal = sockets.signalOf(first.ours);
  const { localPort } = first.theirs;
  const gone = once(first.theirs, 'close');
  first.theirs.resetAndDestroy();
  await gone;
  assert.equal(first.ours.destroyed, false);
  const second = await join(localPort);
  assert.deepEqual([first.ours.destroyed, signal?.aborted, told], [true, true, ['CONNECTION_LOST']]);
  assert.deepEqual([handshakes.size, sockets.signalOf(second.ours)?.aborted], [1, false]);
});
