/** An open connection against a plain WebSocket peer: frames, farewells and silence on the wire itself. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { describe, test, type TestContext } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { systemClock, type Clock } from '../../src/base/index.js';
import { MessagingError, type MessageEndpointConnection } from '../../src/endpoint/index.js';
import { URLEndpoint } from '../../transports/websocket/index.js';
import { ConnectionRecorder } from '../conformance/index.js';
import { cleanup } from '../support/cleanup.js';
import { connectOptions } from '../support/connect-options.js';
import { TcpRelay } from '../support/tcp-relay.js';
import { VirtualClock } from '../support/virtual-clock.js';
import { startWebSocketHost } from '../support/web-socket-host.js';

interface Link {
  readonly connection: MessageEndpointConnection;
  readonly recorder: ConnectionRecorder;
  /** The other end, which is not ours. */
  readonly peer: WebSocket;
  /** The TCP socket of the other end. */
  readonly peerSocket: Socket;
  /** Code and reason of the close frame that the other end got; 1006 if none. */
  readonly peerClosed: Promise<readonly [code: number, reason: string]>;
  readonly relay: TcpRelay;
}

interface LinkOptions {
  readonly clock?: Clock;
  readonly heartbeatMs?: number;
}

/** Our client, and a server of the `ws` package. */
async function asClient(context: TestContext, options: LinkOptions = {}): Promise<Link> {
  const { clock = systemClock, heartbeatMs = 300_000 } = options;
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });
  await once(server, 'listening');
  const relay = await TcpRelay.start((server.address() as AddressInfo).port);
  cleanup(context, async () => {
    await relay.close();
    for (const client of server.clients) client.terminate();
    server.close();
  });
  const arrived = once(server, 'connection');
  const connection = new URLEndpoint(`ws://127.0.0.1:${relay.port}/db`).createConnection(
    connectOptions({ clock, heartbeatMs }),
  );
  const recorder = new ConnectionRecorder();
  await recorder.open(connection);
  const [peer, request] = (await arrived) as [WebSocket, { socket: Socket }];
  return { connection, recorder, relay, ...watched(peer), peerSocket: request.socket };
}

/** Our listener's side, and a client of the `ws` package. */
async function asServer(context: TestContext, options: LinkOptions = {}): Promise<Link> {
  const host = await startWebSocketHost(options);
  const relay = await TcpRelay.start(host.port);
  const peer = new WebSocket(`ws://127.0.0.1:${relay.port}/db/_blipsync`, ['BLIP_3+CBMobile_3'], {
    perMessageDeflate: false,
  });
  cleanup(context, async () => {
    peer.terminate();
    await host.close();
    await relay.close();
  });
  const sockets: Socket[] = [];
  peer.on('upgrade', ({ socket }) => sockets.push(socket));
  await once(peer, 'open');
  const connection = await host.accepted();
  const recorder = new ConnectionRecorder();
  await recorder.open(connection);
  const [peerSocket] = sockets;
  return { connection, recorder, relay, ...watched(peer), peerSocket: peerSocket ?? assert.fail() };
}

function watched(peer: WebSocket): Pick<Link, 'peer' | 'peerClosed'> {
  peer.on('error', () => undefined);
  const peerClosed = once(peer, 'close').then(([code, reason]: unknown[]) => [code as number, String(reason)] as const);
  return { peer, peerClosed };
}

const ENDS = [
  ['client', asClient],
  ['server', asServer],
] as const;

for (const [role, link] of ENDS) {
  describe(`a connection as ${role}`, () => {
    test('carries each message in one binary frame', async (context) => {
      const { connection, peer } = await link(context);
      const arrived = once(peer, 'message');
      await connection.send(Uint8Array.of(2, 1, 0, 0x8d, 0xef, 2, 0x93));
      const [data, isBinary] = (await arrived) as [Buffer, boolean];
      assert.equal(data.toString('hex'), '0201008def0293');
      assert.equal(isBinary, true);
    });

    test('takes text for bytes, valid or not', async (context) => {
      const { recorder, peer, peerSocket } = await link(context);
      peer.send('Grüße');
      await recorder.untilMessages(1);
      assert.deepEqual(recorder.messages[0], new Uint8Array(Buffer.from('Grüße')));
      const mask = role === 'server' ? Buffer.alloc(4) : Buffer.alloc(0);
      peerSocket.write(
        Buffer.concat([Buffer.from([0x81, role === 'server' ? 0x82 : 0x02]), mask, Buffer.from([0xff, 0xfe])]),
      );
      await recorder.untilMessages(2);
      assert.deepEqual(recorder.messages[1], Uint8Array.of(0xff, 0xfe));
    });

    test('puts a fragmented message together', async (context) => {
      const { recorder, peer } = await link(context);
      peer.send(Buffer.from([1, 2]), { fin: false });
      peer.send(Buffer.from([3]), { fin: true });
      await recorder.untilMessages(1);
      assert.deepEqual(recorder.messages, [Uint8Array.of(1, 2, 3)]);
    });

    test('gives the engine plain arrays of bytes', async (context) => {
      const { recorder, peer } = await link(context);
      peer.send(Buffer.from([1, 2, 3]));
      peer.send(Buffer.alloc(0));
      await recorder.untilMessages(2);
      for (const message of recorder.messages) assert.equal(Object.getPrototypeOf(message), Uint8Array.prototype);
    });

    test('answers a ping with its payload', async (context) => {
      const { peer } = await link(context);
      peer.ping('are you there');
      const [payload] = (await once(peer, 'pong')) as [Buffer];
      assert.equal(payload.toString(), 'are you there');
    });

    // Farewells of the peer

    for (const [code, expected, recoverable] of [
      [1000, 'CONNECTION_CLOSED_BY_PEER', true],
      [1001, 'CONNECTION_CLOSED_BY_PEER', true],
      [1002, 'CONNECTION_PROTOCOL_ERROR', false],
      [1011, 'CONNECTION_PROTOCOL_ERROR', false],
      [1013, 'CONNECTION_UNAVAILABLE', true],
      [4001, 'CONNECTION_INTERRUPTED', true],
      [4002, 'CONNECTION_FAILED', false],
      [undefined, 'CONNECTION_CLOSED_BY_PEER', true],
    ] as const) {
      test(`ends with ${expected} when the peer closes with ${code ?? 'no code'}`, async (context) => {
        const { connection, recorder, peer, peerClosed } = await link(context);
        if (code === undefined) peer.close();
        else peer.close(code, 'so it is');
        const error = await recorder.untilClosed();
        assert.deepEqual([error?.code, error?.recoverable], [expected, recoverable]);
        if (code !== undefined) assert.match(error?.message ?? '', /so it is/);
        assert.equal((await peerClosed)[0], code ?? 1005, 'the close frame is answered');
        await assert.rejects(connection.send(new Uint8Array(1)), { code: 'CONNECTION_NOT_OPEN' });
        assert.equal(recorder.closes.length, 1);
      });
    }

    test('ends with CONNECTION_LOST when the line ends without a farewell', async (context) => {
      const { recorder, peerSocket } = await link(context);
      peerSocket.destroy();
      const error = await recorder.untilClosed();
      assert.deepEqual([error?.code, error?.number, error?.recoverable], ['CONNECTION_LOST', 11_006, true]);
    });

    test('delivers what came before the farewell', async (context) => {
      const { recorder, peer } = await link(context);
      for (let index = 0; index < 50; index++) peer.send(Buffer.alloc(5000, index));
      peer.close(4001, 'later');
      assert.equal((await recorder.untilClosed())?.code, 'CONNECTION_INTERRUPTED');
      assert.equal(recorder.messages.length, 50);
    });

    // Our farewells

    for (const [what, error, code, reason] of [
      ['without an error', undefined, 1000, ''],
      [
        'with a passing error',
        new MessagingError('CONNECTION_INTERRUPTED', 'busy', { recoverable: true }),
        4001,
        'busy',
      ],
      ['with a final error', new MessagingError('CONNECTION_FAILED', 'broken', { recoverable: false }), 4002, 'broken'],
      [
        'with an error that has a code',
        new MessagingError('LISTENER_STOPPED', 'the listener was stopped', { recoverable: true, closeCode: 1001 }),
        1001,
        'the listener was stopped',
      ],
      [
        'with a long text',
        new MessagingError('CONNECTION_FAILED', 'ü'.repeat(100), { recoverable: false }),
        4002,
        'ü'.repeat(61),
      ],
    ] as const) {
      test(`says ${code} when it is closed ${what}`, async (context) => {
        const { connection, recorder, peerClosed } = await link(context);
        await connection.close(error);
        assert.deepEqual(await peerClosed, [code, reason]);
        assert.deepEqual(recorder.closes, []);
      });
    }

    test('gives a peer that never says goodbye five seconds', async (context) => {
      const clock = new VirtualClock();
      const { connection, peerSocket } = await link(context, { clock });
      peerSocket.pause();
      let isClosed = false;
      const closing = connection.close().then(() => (isClosed = true));
      await clock.advance(4_999);
      assert.equal(isClosed, false);
      await clock.advance(1);
      await closing;
      assert.equal(clock.pendingTimers, 0);
    });

    // A peer that breaks the rules

    test('ends with CONNECTION_MESSAGE_TOO_LARGE above 1 MiB, and says 1009', async (context) => {
      const { recorder, peer, peerClosed } = await link(context);
      peer.send(Buffer.alloc(1_048_576, 7));
      await recorder.untilMessages(1);
      peer.send(Buffer.alloc(1_048_577, 7));
      const error = await recorder.untilClosed();
      assert.deepEqual(
        [error?.code, error?.number, error?.recoverable],
        ['CONNECTION_MESSAGE_TOO_LARGE', 11_009, false],
      );
      assert.equal((await peerClosed)[0], 1009);
      assert.equal(recorder.messages.length, 1);
    });

    for (const [what, hex] of [
      ['a reserved bit, as permessage-deflate sets', role === 'server' ? 'c28000000000' : 'c200'],
      ['an unknown opcode', role === 'server' ? '838000000000' : '8300'],
      ['a mask on the wrong side', role === 'server' ? '820161' : '82810000000061'],
      ['a close frame with half a code', role === 'server' ? '88810000000003' : '880103'],
    ] as const) {
      test(`ends with CONNECTION_PROTOCOL_ERROR on ${what}`, async (context) => {
        const { recorder, peerSocket, peerClosed } = await link(context);
        peerSocket.write(Buffer.from(hex, 'hex'));
        const error = await recorder.untilClosed();
        assert.deepEqual([error?.code, error?.recoverable], ['CONNECTION_PROTOCOL_ERROR', false]);
        assert.equal((await peerClosed)[0], 1002);
      });
    }

    // Silence

    test('notices a line that swallows everything, after a heartbeat and 20 seconds', async (context) => {
      const clock = new VirtualClock();
      const { connection, recorder, relay } = await link(context, { clock });
      relay.swallow();
      await clock.advance(300_000 + 19_999);
      assert.deepEqual(recorder.closes, []);
      await clock.advance(1);
      const error = await recorder.untilClosed();
      assert.deepEqual([error?.code, error?.recoverable], ['CONNECTION_LOST', true]);
      assert.match(error?.message ?? '', /nothing arrived for 320 s/);
      await connection.close();
      assert.equal(clock.pendingTimers, 0);
    });

    test('sends one empty ping a heartbeat on an idle line, and lives on its answer', async (context) => {
      const clock = new VirtualClock();
      const { connection, recorder, peer } = await link(context, { clock });
      const pings: string[] = [];
      peer.on('ping', (payload: Buffer) => pings.push(payload.toString('hex')));
      for (let beat = 1; beat <= 3; beat++) {
        const pinged = once(peer, 'ping');
        await clock.advance(299_999);
        assert.equal(pings.length, beat - 1);
        await clock.advance(1);
        await pinged;
        peer.send(Buffer.from([beat])); // behind the pong, which `ws` has sent by itself
        await recorder.untilMessages(beat);
      }
      await clock.advance(20_000);
      assert.deepEqual(recorder.closes, []);
      assert.deepEqual(pings, ['', '', '']);
      await connection.close();
    });

    test('sends no ping while something arrives, be it half a message', async (context) => {
      const clock = new VirtualClock();
      const { recorder, relay, peer } = await link(context, { clock });
      let pings = 0;
      peer.on('ping', () => pings++);
      const end = role === 'client' ? 'client' : 'server';
      // The beginning of a long message, which comes in drops.
      const header = role === 'client' ? '827f000000000000fff0' : '82ff000000000000fff000000000';
      await relay.inject(end, Buffer.from(header, 'hex'));
      for (let drop = 0; drop < 10; drop++) {
        await clock.advance(200_000);
        await relay.inject(end, Buffer.alloc(100));
      }
      assert.equal(pings, 0);
      await clock.advance(299_999);
      assert.equal(pings, 0);
      const pinged = once(peer, 'ping');
      await clock.advance(1);
      await pinged;
      peer.terminate();
      await recorder.untilClosed();
    });

    test('does not blame the peer while the engine wants no messages', async (context) => {
      const clock = new VirtualClock();
      const { connection, recorder, peer } = await link(context, { clock });
      let pings = 0;
      peer.on('ping', () => pings++);
      recorder.pause();
      peer.send(Buffer.from([1]));
      await recorder.untilMessages(1);
      await clock.advance(3_600_000);
      assert.deepEqual([pings, recorder.closes], [0, []]);
      recorder.resume();
      peer.send(Buffer.from([2]));
      await recorder.untilMessages(2);
      await connection.close();
    });

    test('never probes with a heartbeat of 0', async (context) => {
      const clock = new VirtualClock();
      const { connection, recorder, relay } = await link(context, { clock, heartbeatMs: 0 });
      relay.swallow();
      await clock.advance(86_400_000);
      assert.deepEqual(recorder.closes, []);
      const closing = connection.close();
      await clock.advance(5_000);
      await closing;
    });
  });
}
