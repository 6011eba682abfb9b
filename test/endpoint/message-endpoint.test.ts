import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  checkProtocolType,
  LoopbackEndpoint,
  loopbackPair,
  MessageEndpoint,
  MessagingError,
  type MessageEndpointConnection,
  type MessageEndpointDelegate,
  type ProtocolType,
} from '../../src/endpoint/index.js';
import { ConnectionRecorder } from '../conformance/index.js';
import { selfSignedIdentity } from '../support/certificates.js';
import { connectOptions } from '../support/connect-options.js';
import { RawEnd } from '../support/raw-end.js';
import { VirtualClock } from '../support/virtual-clock.js';

const delegate: MessageEndpointDelegate = { createConnection: () => loopbackPair().a };

describe('MessageEndpoint with a handshake', () => {
  test('asks for what it was told, with the credentials of the replicator, before anything else', async () => {
    const { a, b } = loopbackPair();
    const endpoint = new MessageEndpoint(
      'u',
      'peer',
      'messageStream',
      { createConnection: () => a },
      {
        handshake: true,
        database: 'vessel 7/ä',
      },
    );
    const far = new ConnectionRecorder();
    const headers = { 'X-Fleet': '7', COOKIE: 'SyncGatewaySession=abc' };
    const connection = endpoint.createConnection(connectOptions({ authorization: 'Basic abc', headers }));
    const opening = new ConnectionRecorder().open(connection);
    await far.open(b);
    await far.untilMessages(1);
    assert.deepEqual(JSON.parse(Buffer.from(far.messages[0] ?? []).toString()), {
      hawser: 1,
      path: '/vessel%207%2F%C3%A4/_blipsync',
      protocols: ['BLIP_3+CBMobile_3', 'BLIP_3+CBMobile_2'],
      authorization: 'Basic abc',
      cookie: 'SyncGatewaySession=abc',
    });
    await b.send(Buffer.from('{"status":101,"protocol":"BLIP_3+CBMobile_2"}'));
    await opening;
    assert.equal(connection.protocol, 'BLIP_3+CBMobile_2');
    assert.equal(endpoint.remoteID, 'u', 'layers do not change what checkpoints are kept under');
    await connection.close();
  });
});

describe('MessageEndpoint: misuse', () => {
  for (const uid of ['', 5, undefined, null]) {
    test(`refuses the uid ${JSON.stringify(uid)}`, () => {
      assert.throws(() => new MessageEndpoint(uid as string, 'peer', 'messageStream', delegate), {
        code: 'ARGUMENT_INVALID',
        message: /uid/,
      });
    });
  }

  for (const protocolType of ['bytestream', 'MESSAGE_STREAM', undefined]) {
    test(`refuses the protocol type ${String(protocolType)}`, () => {
      const make = (): unknown => new MessageEndpoint('u', 'peer', protocolType as ProtocolType, delegate);
      assert.throws(make, { code: 'ARGUMENT_INVALID', message: /'messageStream' or 'byteStream'/ });
      assert.throws(() => checkProtocolType('here', protocolType), { code: 'ARGUMENT_INVALID' });
    });
  }

  for (const bad of [undefined, null, {}, { createConnection: 5 }]) {
    test(`refuses the delegate ${JSON.stringify(bad)}`, () => {
      const make = (): unknown =>
        new MessageEndpoint('u', 'peer', 'messageStream', bad as unknown as MessageEndpointDelegate);
      assert.throws(make, { code: 'ARGUMENT_INVALID', message: /createConnection/ });
    });
  }

  for (const bad of [undefined, {}, { open: () => undefined, send: () => undefined }]) {
    test(`refuses a delegate that returns ${JSON.stringify(bad)}`, () => {
      const createConnection = (): MessageEndpointConnection => bad as unknown as MessageEndpointConnection;
      const endpoint = new MessageEndpoint('u', 'peer', 'messageStream', { createConnection });
      assert.throws(() => endpoint.createConnection(connectOptions()), { code: 'ARGUMENT_INVALID', message: /method/ });
    });
  }

  test('refuses a pin where there is no TLS, which could never be looked at', async () => {
    const { certificate } = await selfSignedIdentity('device');
    const delegate = { createConnection: () => loopbackPair().a };
    const plain = new MessageEndpoint('u', undefined, 'messageStream', delegate);
    const pinned = connectOptions({ trust: { pinnedServerCertificate: certificate } });
    assert.throws(
      () => plain.createConnection(pinned),
      (error: MessagingError) => error.code === 'ARGUMENT_INVALID' && !error.recoverable && /TLS/.test(error.message),
    );
    new MessageEndpoint('u', undefined, 'messageStream', delegate, { tls: true, database: 'd' }).createConnection(
      pinned,
    );
  });

  test('refuses a connection that was used before, also by another endpoint', () => {
    const { a } = loopbackPair();
    const sharing: MessageEndpointDelegate = { createConnection: () => a };
    new MessageEndpoint('one', 'peer', 'messageStream', sharing).createConnection(connectOptions());
    for (const protocolType of ['messageStream', 'byteStream'] as const) {
      const other = new MessageEndpoint('two', 'peer', protocolType, sharing);
      assert.throws(() => other.createConnection(connectOptions()), { code: 'ARGUMENT_INVALID', message: /fresh/ });
    }
  });

  test('passes on the MessagingError of a delegate, and makes a recoverable one of anything else it throws', () => {
    const permanent = new MessagingError('CONNECTION_FAILED', 'no radio', { recoverable: false });
    for (const [thrown, expected] of [
      [permanent, { code: 'CONNECTION_FAILED', recoverable: false }],
      [new TypeError('oops'), { code: 'CONNECTION_INTERRUPTED', recoverable: true, cause: TypeError }],
    ] as const) {
      const throwing: MessageEndpointDelegate = {
        createConnection: () => {
          throw thrown;
        },
      };
      const endpoint = new MessageEndpoint('u', 'peer', 'messageStream', throwing);
      assert.throws(
        () => endpoint.createConnection(connectOptions()),
        (error) =>
          error instanceof MessagingError && error.code === expected.code && error.recoverable === expected.recoverable,
      );
    }
  });
});

describe('MessageEndpoint', () => {
  test('keeps what it was made of, and is identified by its uid', () => {
    const target = { address: 7 };
    const endpoint = new MessageEndpoint('boat-7', target, 'byteStream', delegate);
    assert.equal(endpoint.remoteID, 'boat-7');
    assert.equal(endpoint.uid, 'boat-7');
    assert.equal(endpoint.target, target);
    assert.equal(endpoint.protocolType, 'byteStream');
    assert.equal(endpoint.delegate, delegate);
  });

  test('asks the delegate once for every attempt, with itself', () => {
    const asked: MessageEndpoint[] = [];
    const endpoint = new MessageEndpoint('u', 'peer', 'messageStream', {
      createConnection(asking) {
        asked.push(asking);
        return loopbackPair().a;
      },
    });
    const connections = [1, 2, 3].map(() => endpoint.createConnection(connectOptions()));
    assert.equal(new Set(connections).size, 3);
    assert.deepEqual(asked, [endpoint, endpoint, endpoint]);
  });

  test("hands out the delegate's own connection for a message stream", () => {
    const { a } = loopbackPair();
    const endpoint = new MessageEndpoint('u', 'peer', 'messageStream', { createConnection: () => a });
    assert.equal(endpoint.createConnection(connectOptions()), a);
  });

  test('frames a byte stream as a WebSocket client and keeps the heartbeat of the replicator', async () => {
    const clock = new VirtualClock();
    const { a, b } = loopbackPair({ clock });
    const endpoint = new MessageEndpoint('u', 'peer', 'byteStream', { createConnection: () => a });
    const connection = endpoint.createConnection(connectOptions({ clock, heartbeatMs: 10_000 }));
    const peer = new RawEnd(b);
    await Promise.all([new ConnectionRecorder().open(connection), peer.open()]);
    await connection.send(Uint8Array.of(0xaa));
    await clock.advance(10_000);
    const [message, ping] = peer.received;
    assert.match(message ?? '', /^8281.{10}$/);
    const frame = Buffer.from(message ?? '', 'hex');
    assert.equal((frame[6] ?? 0) ^ (frame[2] ?? 0), 0xaa);
    assert.match(ping ?? '', /^8980.{8}$/);
    await clock.runUntil(connection.close());
  });
});

describe('LoopbackEndpoint', () => {
  test('refuses what is no function, an empty uid and unknown options', () => {
    assert.throws(() => new LoopbackEndpoint('x' as never, 'u'), { code: 'ARGUMENT_INVALID' });
    assert.throws(() => new LoopbackEndpoint(() => undefined, ''), { code: 'ARGUMENT_INVALID' });
    assert.throws(() => new LoopbackEndpoint(() => undefined, 'u', { clock: 5 } as never), { code: 'OPTION_UNKNOWN' });
    assert.throws(() => new LoopbackEndpoint(() => undefined, 'u', { latencyMs: -1 }), { code: 'ARGUMENT_INVALID' });
  });

  test('offers the far end when the near one is opened, not before, and a fresh one each time', async () => {
    const accepted: MessageEndpointConnection[] = [];
    const endpoint = new LoopbackEndpoint((connection) => {
      accepted.push(connection);
      void new ConnectionRecorder().open(connection);
    }, 'hub');
    assert.equal(endpoint.remoteID, 'hub');
    const first = endpoint.createConnection(connectOptions());
    assert.equal(accepted.length, 0);
    await new ConnectionRecorder().open(first);
    const second = endpoint.createConnection(connectOptions());
    await new ConnectionRecorder().open(second);
    assert.equal(new Set([...accepted, first, second]).size, 4);
    await Promise.all([first.close(), second.close()]);
  });

  test('rejects open with the reason of the one who refuses', async () => {
    const full = new MessagingError('CONNECTION_UNAVAILABLE', 'no room', { recoverable: true, closeCode: 1013 });
    const endpoint = new LoopbackEndpoint((connection) => void connection.close(full), 'hub');
    const connection = endpoint.createConnection(connectOptions());
    await assert.rejects(new ConnectionRecorder().open(connection), {
      code: 'CONNECTION_UNAVAILABLE',
      message: /no room/,
    });
  });

  test('rejects open when accept throws, and tells the far end', async () => {
    let far: MessageEndpointConnection | undefined;
    const endpoint = new LoopbackEndpoint((connection) => {
      far = connection;
      throw new TypeError('not today');
    }, 'hub');
    const connection = endpoint.createConnection(connectOptions());
    await assert.rejects(new ConnectionRecorder().open(connection), { code: 'CONNECTION_REFUSED', recoverable: true });
    assert.ok(far !== undefined);
    await assert.rejects(new ConnectionRecorder().open(far), { code: 'CONNECTION_LOST' });
  });

  test('gives up when nobody opens the far end in time', async () => {
    const clock = new VirtualClock();
    const endpoint = new LoopbackEndpoint(() => undefined, 'hub');
    const opening = new ConnectionRecorder().open(
      endpoint.createConnection(connectOptions({ clock, connectTimeoutMs: 15_000 })),
    );
    const outcome = assert.rejects(opening, { code: 'CONNECTION_TIMEOUT', recoverable: true });
    await clock.advance(15_000);
    await outcome;
    assert.equal(clock.pendingTimers, 0);
  });
});
