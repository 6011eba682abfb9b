/** A MessageEndpointListener with a handshake and with TLS, and those who come to it. What users see is in the scenarios. */
import assert from 'node:assert/strict';
import { readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { before, describe, it, type TestContext } from 'node:test';
import type { HawserError } from '../../src/index.js';
import {
  BasicAuthenticator,
  byteStreamConnection,
  faulty,
  ListenerCertificateAuthenticator,
  ListenerPasswordAuthenticator,
  loopbackByteStreamPair,
  loopbackPair,
  MessageEndpoint,
  MessageEndpointListener,
  MessagingError,
  Replicator,
  secureConnection,
  seededRandom,
  silentLogger,
  systemClock,
  type LoopbackPair,
  type MessageEndpointConnection,
  type MessageEndpointListenerOptions,
  type MessageEndpointOptions,
  type PeerIdentity,
  type RefusedPeer,
  type ReplicatorOptions,
  type TLSIdentity,
} from '../../src/index.js';
import { ConnectionRecorder } from '../conformance/index.js';
import { selfSignedIdentity } from '../support/certificates.js';
import { cleanup } from '../support/cleanup.js';
import { contents, openPeer, type Peer } from '../support/peers.js';
import { VirtualClock } from '../support/virtual-clock.js';

const LIMIT = { timeout: 120_000 };
const PATH = '/hub/_blipsync';
const PROTOCOLS = ['BLIP_3+CBMobile_3'];
const PASSWORD = 'a password that nobody else may read';

let ours: TLSIdentity;
before(async () => {
  ours = await selfSignedIdentity('hub');
});

interface Hub {
  readonly peer: Peer;
  readonly listener: MessageEndpointListener;
  readonly refused: RefusedPeer[];
  readonly errors: HawserError[];
}

async function hubOf(context: TestContext, options: Partial<MessageEndpointListenerOptions> = {}): Promise<Hub> {
  const peer = await openPeer(context, 'hub');
  const listener = new MessageEndpointListener({
    collections: [peer.metrics],
    protocolType: 'messageStream',
    ...options,
  });
  cleanup(context, () => listener.closeAll());
  const [refused, errors]: [RefusedPeer[], HawserError[]] = [[], []];
  listener.on('refused', (told) => refused.push(told));
  listener.on('error', (error) => errors.push(error));
  return { peer, listener, refused, errors };
}

/** A raw client on a fresh link. */
async function connect({ listener }: Hub, address?: string) {
  const { a, b } = loopbackPair();
  listener.accept(b, address === undefined ? {} : { address });
  const recorder = new ConnectionRecorder();
  await recorder.open(a);
  return { connection: a, recorder, far: b };
}

function request(fields: object = {}): Uint8Array {
  return Buffer.from(JSON.stringify({ hawser: 1, path: PATH, protocols: PROTOCOLS, ...fields }));
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await nextTurn();
}

interface Way {
  readonly pairs: LoopbackPair[];
  readonly replicator: Replicator;
}

/** A replicator to the hub; `around` is put between the layers and the medium. */
function replicatorTo(
  context: TestContext,
  { listener }: Hub,
  client: Peer,
  layers: MessageEndpointOptions,
  options: Partial<ReplicatorOptions> = {},
  around: (connection: MessageEndpointConnection) => MessageEndpointConnection = (connection) => connection,
  makePair: () => LoopbackPair = loopbackPair,
  protocolType: 'messageStream' | 'byteStream' = 'messageStream',
): Way {
  const pairs: LoopbackPair[] = [];
  const delegate = {
    createConnection: () => {
      const pair = makePair();
      pairs.push(pair);
      listener.accept(pair.b);
      return around(pair.a);
    },
  };
  const target = new MessageEndpoint('hub', undefined, protocolType, delegate, { database: 'hub', ...layers });
  const replicator = new Replicator({ collections: [client.metrics], ...options, target });
  cleanup(context, () => replicator.stop());
  return { pairs, replicator };
}

describe('a secured MessageEndpointListener', LIMIT, () => {
  it('is made with options that go together, or not at all', async (context) => {
    const { metrics } = await openPeer(context, 'a');
    const right = { collections: [metrics], protocolType: 'messageStream' } as const;
    const passwords = ListenerPasswordAuthenticator.forUsers({ a: 'b' });
    const certificates = new ListenerCertificateAuthenticator(() => true);
    for (const options of [
      { authenticator: passwords },
      { authenticator: certificates, handshake: true },
      { tlsIdentity: ours },
      { tlsIdentity: ours, handshake: true },
      { tls: true, handshake: false },
      { tls: 'yes' },
      { handshake: 1 },
      { tls: true, tlsIdentity: {} },
      { tls: true, authenticator: {} },
      { handshake: true, authorize: 'everything' },
    ]) {
      assert.throws(
        () => new MessageEndpointListener({ ...right, ...(options as object) }),
        { code: 'ARGUMENT_INVALID' },
        JSON.stringify(options),
      );
    }
    const { listener } = await hubOf(context);
    assert.throws(() => listener.accept(loopbackPair().b, { address: 5 } as never), { code: 'ARGUMENT_INVALID' });
    assert.throws(() => listener.accept(loopbackPair().b, { from: 'x' } as never), { code: 'OPTION_UNKNOWN' });
  });

  it('and its endpoints too', () => {
    const delegate = { createConnection: () => loopbackPair().a };
    for (const [options, code] of [
      [{ handshake: true }, 'ARGUMENT_INVALID'],
      [{ tls: true }, 'ARGUMENT_INVALID'],
      [{ tls: true, database: '' }, 'ARGUMENT_INVALID'],
      [{ tls: true, handshake: false, database: 'x' }, 'ARGUMENT_INVALID'],
      [{ tls: 1, database: 'x' }, 'ARGUMENT_INVALID'],
      [{ database: 'x' }, 'ARGUMENT_INVALID'],
      [{ tls: true, database: '\ud800' }, 'ARGUMENT_INVALID'],
      [{ secure: true }, 'OPTION_UNKNOWN'],
    ] as const) {
      assert.throws(() => new MessageEndpoint('x', undefined, 'messageStream', delegate, options as never), { code });
    }
  });

  it('shows an anonymous identity that is kept with the database', async (context) => {
    const hub = await hubOf(context, { tls: true });
    const [first, second] = await Promise.all([hub.listener.tlsIdentity(), hub.listener.tlsIdentity()]);
    assert.ok(first !== undefined);
    assert.equal(first.certificate.fingerprint256, second?.certificate.fingerprint256);
    const folder = join(hub.peer.database.path, 'tls');
    const [file] = await readdir(folder);
    assert.equal((await stat(join(folder, file ?? ''))).mode & 0o077, 0);
    const again = new MessageEndpointListener({
      collections: [hub.peer.metrics],
      protocolType: 'messageStream',
      tls: true,
    });
    assert.equal((await again.tlsIdentity())?.certificate.fingerprint256, first.certificate.fingerprint256);
    const plain = await hubOf(context, { handshake: true });
    assert.equal(await plain.listener.tlsIdentity(), undefined);
  });

  it('renews it while it runs, with the same key', async (context) => {
    const clock = new VirtualClock();
    const hub = await hubOf(context, { tls: true, clock, logger: silentLogger });
    const told: TLSIdentity[] = [];
    hub.listener.on('identity', (identity) => told.push(identity));
    const first = (await hub.listener.tlsIdentity()) as TLSIdentity;
    clock.jumpWallClock(first.expiration.getTime() - clock.now() - 86_400_000);
    const second = (await hub.listener.tlsIdentity()) as TLSIdentity;
    assert.notEqual(second.certificate.fingerprint256, first.certificate.fingerprint256);
    assert.ok(second.certificate.publicKey.equals(first.certificate.publicKey));
    assert.deepEqual(told, [second]);
    assert.equal(await hub.listener.tlsIdentity(), second);
  });

  for (const protocolType of ['messageStream', 'byteStream'] as const) {
    it(`serves over a ${protocolType}, with passwords that no one on the way can read`, async (context) => {
      const hub = await hubOf(context, {
        tls: true,
        protocolType,
        authenticator: ListenerPasswordAuthenticator.forUsers({ crew: PASSWORD }),
      });
      const client = await openPeer(context, 'client');
      await client.metrics.save('from the client', { rpm: 1 });
      await hub.peer.metrics.save('from the hub', { rpm: 2 });
      const seen: Uint8Array[] = [];
      const identity = (await hub.listener.tlsIdentity()) as TLSIdentity;
      const { replicator } = replicatorTo(
        context,
        hub,
        client,
        { tls: true },
        {
          authenticator: new BasicAuthenticator('crew', PASSWORD),
          pinnedServerCertificate: identity.certificate,
        },
        (inner) => ({
          open: (engine) => inner.open(engine),
          send: (message) => {
            seen.push(new Uint8Array(message));
            return inner.send(message);
          },
          close: (error) => inner.close(error),
        }),
        protocolType === 'messageStream' ? loopbackPair : () => loopbackByteStreamPair({ random: seededRandom(5) }),
        protocolType,
      );
      replicator.start();
      assert.equal(await replicator.stopped(), undefined);
      assert.deepEqual(await contents(client.metrics), await contents(hub.peer.metrics));
      assert.equal(replicator.serverCertificate?.fingerprint256, identity.certificate.fingerprint256);
      const wire = Buffer.concat(seen);
      assert.ok(wire.length > 500);
      for (const secret of [
        PASSWORD,
        Buffer.from(`crew:${PASSWORD}`).toString('base64'),
        'from the client',
        'hawser',
      ]) {
        assert.ok(!wire.includes(secret), secret);
      }
    });
  }

  it('goes on after a link that lost, changed or doubled something', async (context) => {
    const hub = await hubOf(context, { tls: true, tlsIdentity: ours });
    const client = await openPeer(context, 'client');
    for (let index = 0; index < 50; index++) await client.metrics.save(`document ${index}`, { index });
    for (const [seed, fault] of [{ drop: 0.1 }, { corrupt: 0.1 }, { duplicate: 0.1 }, { truncate: 0.1 }].entries()) {
      const way = replicatorTo(
        context,
        hub,
        client,
        { tls: true },
        { acceptOnlySelfSignedServerCertificate: true },
        (inner) => faulty(inner, { random: seededRandom(seed), ...fault, cutAfter: 40 }),
      );
      way.replicator.start();
      let isOver = false;
      const outcome = Promise.race([
        way.replicator.stopped(),
        new Promise<HawserError | undefined>((resolve) => {
          way.replicator.on('status', ({ activity, error: why }) => {
            if (activity === 'offline') resolve(why);
          });
        }),
      ]).finally(() => (isOver = true));
      for (let round = 0; !isOver && round < 100; round++) await settle();
      way.pairs.at(-1)?.cut(); // what was dropped last is waited for
      const error = await outcome;
      assert.match(error?.code ?? 'none', /^(none|CONNECTION_|TLS_HANDSHAKE_FAILED)/);
      await way.replicator.stop();
    }
    const { replicator } = replicatorTo(
      context,
      hub,
      client,
      { tls: true },
      { acceptOnlySelfSignedServerCertificate: true },
    );
    replicator.start();
    assert.equal(await replicator.stopped(), undefined);
    assert.deepEqual(await contents(client.metrics), await contents(hub.peer.metrics));
    assert.deepEqual(await hub.peer.database.integrityCheck(), []);
  });

  it('asks authorize with what is known where there is no handshake, and only then serves', async (context) => {
    const asked: PeerIdentity[] = [];
    const hub = await hubOf(context, {
      authorize: async (peer) => {
        asked.push(peer);
        await settle();
        return [];
      },
    });
    const { a, b } = loopbackPair();
    hub.listener.accept(b, { address: 'bus 3' });
    await new ConnectionRecorder().open(a);
    assert.deepEqual(asked, [{ address: 'bus 3' }]);
    await hub.listener.closeAll();
    const failing = await hubOf(context, { authorize: () => Promise.reject(new Error('the list is lost')) });
    const pair = loopbackPair();
    failing.listener.accept(pair.b);
    await assert.rejects(new ConnectionRecorder().open(pair.a));
    assert.deepEqual(
      failing.refused.map(({ error }) => error.code),
      ['AUTHORIZATION_FAILED'],
    );
  });
});

describe('strangers at a MessageEndpointListener', LIMIT, () => {
  it('that say nothing are given up in time, in TLS as in the handshake', async (context) => {
    const clock = new VirtualClock();
    for (const layers of [{ handshake: true }, { tls: true, tlsIdentity: ours }]) {
      const hub = await hubOf(context, { ...layers, clock, limits: { handshakeTimeout: 15 } });
      const { recorder } = await connect(hub, 'bus 1');
      await clock.advance(14_000);
      assert.deepEqual(recorder.closes, []);
      await clock.advance(2_000);
      await recorder.untilClosed();
      assert.deepEqual(
        hub.refused.map(({ address, error }) => [address, error.code]),
        [['bus 1', 'CONNECTION_TIMEOUT']],
      );
      assert.equal(hub.listener.status.connectionCount, 0);
    }
  });

  it('are so many at a time, and the oldest gives way', async (context) => {
    const hub = await hubOf(context, { handshake: true, limits: { maxHandshakes: 3 } });
    const peers = [];
    for (let index = 0; index < 5; index++) {
      peers.push(await connect(hub));
      await settle();
    }
    await Promise.all(peers.slice(0, 2).map(({ recorder }) => recorder.untilClosed()));
    assert.deepEqual(
      peers.map(({ recorder }) => recorder.closes.length),
      [1, 1, 0, 0, 0],
    );
    assert.deepEqual(
      hub.refused.map(({ error }) => error.code),
      ['LISTENER_BUSY', 'LISTENER_BUSY'],
    );
  });

  it('are told by name what is wrong, and each is told of once', async (context) => {
    const hub = await hubOf(context, {
      handshake: true,
      limits: { maxConnections: 1 },
      authenticator: ListenerPasswordAuthenticator.forUsers({ crew: 'jonas' }),
    });
    const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;
    for (const [fields, status, code] of [
      [{ path: '/other/_blipsync' }, 404, 'REMOTE_DATABASE_NOT_FOUND'],
      [{ path: '../../etc/passwd' }, 404, 'REMOTE_DATABASE_NOT_FOUND'],
      [{ protocols: ['BLIP_2'] }, 400, 'CONNECTION_PROTOCOL_MISMATCH'],
      [{ protocols: [] }, 400, 'CONNECTION_PROTOCOL_MISMATCH'],
      [{}, 401, 'AUTHENTICATION_FAILED'],
      [{ authorization: 'Bearer x' }, 401, 'AUTHENTICATION_FAILED'],
      [{ authorization: 5 }, 400, 'CONNECTION_PROTOCOL_ERROR'],
      [{ hawser: 2 }, 400, 'CONNECTION_PROTOCOL_MISMATCH'],
    ] as const) {
      hub.refused.length = 0;
      const { connection, recorder } = await connect(hub);
      await connection.send(request(fields));
      await recorder.untilClosed();
      const reply = JSON.parse(Buffer.from(recorder.messages[0] ?? []).toString()) as {
        status: number;
        reason: string;
      };
      assert.equal(reply.status, status);
      assert.equal(typeof reply.reason, 'string');
      await settle();
      assert.deepEqual(
        hub.refused.map(({ error }) => error.code),
        [code],
      );
    }
    const right = request({ authorization: basic('crew:jonas') });
    const first = await connect(hub);
    await first.connection.send(right);
    await first.recorder.untilMessages(1);
    const second = await connect(hub);
    await second.connection.send(right);
    await second.recorder.untilClosed();
    assert.match(Buffer.from(second.recorder.messages[0] ?? []).toString(), /"status":503/);
    assert.equal(hub.listener.status.connectionCount, 1);
  });

  it('are told of with the true reason, also while they do not read it', async (context) => {
    const hub = await hubOf(context, { handshake: true });
    const { a, b } = loopbackPair({ highWaterMark: 0 });
    hub.listener.accept(b);
    const recorder = new ConnectionRecorder();
    await recorder.open(a);
    recorder.pause();
    await a.send(request({ path: '/other/_blipsync' }));
    await settle();
    assert.deepEqual(recorder.closes, []);
    assert.deepEqual(
      hub.refused.map(({ error }) => error.code),
      ['REMOTE_DATABASE_NOT_FOUND'],
    );
    recorder.resume();
    await recorder.untilClosed();
  });

  it('are turned away when they announce a message that the handshake and BLIP have no use for', async (context) => {
    const trust = { acceptOnlySelfSignedServerCertificate: true };
    const link = { role: 'client', name: 'hub', trust, clock: systemClock } as const;
    const secured = await hubOf(context, { tls: true, tlsIdentity: ours });
    const framed = await hubOf(context, { handshake: true, protocolType: 'byteStream' });
    const streams = loopbackByteStreamPair({ random: seededRandom(7) });
    const messages = loopbackPair();
    for (const [hub, far, near] of [
      [secured, messages.b, secureConnection(messages.a, link)],
      [
        framed,
        streams.b,
        byteStreamConnection(streams.a, { role: 'client', clock: systemClock, random: seededRandom(8) }),
      ],
    ] as const) {
      hub.listener.accept(far);
      const recorder = new ConnectionRecorder();
      await recorder.open(near);
      await near.send(new Uint8Array(65_537)).catch(() => undefined);
      assert.equal((await recorder.untilClosed())?.closeCode, 1009);
      await settle();
      assert.deepEqual(
        hub.refused.map(({ error }) => error.code),
        ['CONNECTION_MESSAGE_TOO_LARGE'],
      );
    }
  });

  it('are counted and timed no longer when they are let in', async (context) => {
    const clock = new VirtualClock();
    const hub = await hubOf(context, { handshake: true, clock, limits: { maxHandshakes: 1 } });
    const peers = [];
    for (let index = 0; index < 3; index++) {
      const peer = await connect(hub);
      await peer.connection.send(request());
      await peer.recorder.untilMessages(1);
      peers.push(peer);
    }
    await clock.advance(20_000);
    assert.equal(hub.listener.status.connectionCount, 3);
    assert.deepEqual(hub.refused, []);
    await Promise.all(peers.map(({ connection }) => connection.close()));
  });

  it('and those who are on their way end with the listener, and none is left', async (context) => {
    const hub = await hubOf(context, { tls: true, tlsIdentity: ours });
    const waiting = await connect(hub);
    const inTls = loopbackPair();
    hub.listener.accept(inTls.b);
    const secured = secureConnection(inTls.a, {
      role: 'client',
      name: 'hub',
      trust: { pinnedServerCertificate: ours.certificate },
      clock: systemClock,
    });
    const asking = new ConnectionRecorder();
    await asking.open(secured);
    await settle();
    await hub.listener.closeAll();
    await waiting.recorder.untilClosed();
    assert.equal((await asking.untilClosed())?.closeCode, 1001, 'what a listener that stops says');
    assert.deepEqual(
      hub.refused.map(({ error }) => error.code),
      ['LISTENER_STOPPED', 'LISTENER_STOPPED'],
    );
    const one = await connect(hub);
    await hub.listener.close(one.far, new MessagingError('ACCESS_DENIED', 'no', { recoverable: false }));
    await one.recorder.untilClosed();
  });

  it('do not hear why our own identity cannot be read; we do', async (context) => {
    const hub = await hubOf(context, { tls: true, logger: silentLogger });
    await hub.listener.tlsIdentity();
    const folder = join(hub.peer.database.path, 'tls');
    const [file = ''] = await readdir(folder);
    await writeFile(join(folder, file), 'nonsense'); // its mode stays
    const other = new MessageEndpointListener({
      collections: [hub.peer.metrics],
      protocolType: 'messageStream',
      tls: true,
    });
    const errors: HawserError[] = [];
    other.on('error', (error) => errors.push(error));
    const pair = loopbackPair();
    other.accept(pair.b);
    await assert.rejects(new ConnectionRecorder().open(pair.a), (error: MessagingError) => {
      assert.deepEqual([error.code, error.recoverable], ['CONNECTION_UNAVAILABLE', true]);
      return !/pem|damaged/.test(error.message);
    });
    assert.deepEqual(
      errors.map(({ code }) => code),
      ['IDENTITY_INVALID'],
    );
    await other.closeAll();
  });

  for (let seed = 1; seed <= 10; seed++) {
    it(`send what they like and nothing gets in, seed ${seed}`, async (context) => {
      const random = seededRandom(seed);
      const tls = seed % 2 === 0;
      const hub = await hubOf(context, {
        ...(tls ? { tls, tlsIdentity: ours } : { handshake: true }),
        authenticator: ListenerPasswordAuthenticator.forUsers({ crew: PASSWORD }),
      });
      for (let round = 0; round < 20; round++) {
        const { connection, recorder } = await connect(hub);
        const message = new Uint8Array(random.next() < 0.5 ? random.bytes(200) : request());
        for (let change = 0; change < 4; change++)
          message[Math.floor(random.next() * message.length)] = random.bytes(1)[0] as number;
        for (let part = 0; part < 3 && recorder.closes.length === 0; part++) {
          await connection.send(new Uint8Array(message)).catch(() => undefined);
          await settle();
        }
        await connection.close();
        await settle();
      }
      assert.equal(hub.listener.status.connectionCount, 0);
      assert.equal(hub.refused.length, 20);
      assert.deepEqual(hub.errors, []);
    });
  }
});
