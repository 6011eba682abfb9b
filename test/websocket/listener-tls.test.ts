/** TLS as a listener speaks it: which versions, whose certificates, and its own, which outlasts its date. */
import assert from 'node:assert/strict';
import type { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { inspect } from 'node:util';
import { describe, test, type TestContext } from 'node:test';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import {
  ListenerCertificateAuthenticator,
  ListenerPasswordAuthenticator,
  type ListenerAuthenticator,
  type TLSIdentity,
} from '../../src/index.js';
import { URLEndpointListener } from '../../transports/websocket/index.js';
import { chainedIdentity, issue, selfSignedIdentity } from '../support/certificates.js';
import { cleanup } from '../support/cleanup.js';
import { memoryLogger } from '../support/memory-logger.js';
import { openPeer } from '../support/peers.js';
import { upgrade } from '../support/raw-upgrade.js';
import { VirtualClock } from '../support/virtual-clock.js';
import { listen } from '../support/web-socket-peers.js';

const DAY_MS = 86_400_000;

async function secured(context: TestContext, authenticator?: ListenerAuthenticator) {
  const peer = await openPeer(context, 'vessel');
  const logger = memoryLogger();
  const listener = await listen(context, peer, {
    disableTLS: false,
    networkInterface: '127.0.0.1',
    logger,
    ...(authenticator === undefined ? {} : { authenticator }),
  });
  const refused: string[] = [];
  listener.on('refused', ({ error }) => refused.push(error.code));
  return { listener, refused, logger };
}

const shown = (identity: TLSIdentity) => ({ key: identity.privateKeyPem(), cert: identity.certificatePem() });

describe('a client certificate', () => {
  test('reaches the callback with the whole chain as it was sent, its own first', async (context) => {
    const { identity } = await chainedIdentity('engine');
    const seen: (readonly X509Certificate[])[] = [];
    const { listener } = await secured(context, new ListenerCertificateAuthenticator((chain) => seen.push(chain) > 0));
    const { status, socket } = await upgrade(listener.port, { tls: shown(identity) });
    assert.equal(status, 101);
    assert.deepEqual(
      seen[0]?.map(({ fingerprint256 }) => fingerprint256),
      identity.certs.map(({ fingerprint256 }) => fingerprint256),
    );
    assert.equal(listener.peers[0]?.certificates?.[0]?.subject, 'CN=engine');
    assert.ok(!('access' in (listener.peers[0] ?? {})));
    socket.destroy();
  });

  test('that the callback refuses gets 495 and a reason, and that reaches the client', async (context) => {
    const { listener, refused } = await secured(context, new ListenerCertificateAuthenticator(() => false));
    const { status, body } = await upgrade(listener.port, { tls: shown(await selfSignedIdentity('engine')) });
    assert.deepEqual([status, JSON.parse(body)], [495, { reason: 'the client certificate is not accepted' }]);
    assert.deepEqual(refused, ['TLS_CLIENT_CERTIFICATE_REJECTED']);
  });

  test('that is missing gets 496', async (context) => {
    const { listener, refused } = await secured(context, new ListenerCertificateAuthenticator(() => true));
    assert.equal((await upgrade(listener.port, { tls: {} })).status, 496);
    assert.deepEqual(refused, ['TLS_CLIENT_CERTIFICATE_REQUIRED']);
  });

  test('is judged by the roots: issuer, dates and purpose', async (context) => {
    const root = await issue('fleet', { ca: true });
    const other = await issue('fleet', { ca: true }); // the same name, another key
    const { listener } = await secured(context, new ListenerCertificateAuthenticator([root.certificate]));
    const statusOf = async (options: object): Promise<number> => {
      const { status, socket } = await upgrade(listener.port, {
        tls: shown(await selfSignedIdentity('engine', options)),
      });
      socket.destroy();
      return status;
    };
    assert.equal(await statusOf({ issuer: root }), 101);
    assert.equal(await statusOf({ issuer: root, keyUsages: ['clientAuth'] }), 101);
    assert.equal(await statusOf({ issuer: root, keyUsages: ['serverAuth'] }), 495);
    assert.equal(await statusOf({ issuer: root, validTo: new Date(Date.now() - 1_000) }), 495);
    assert.equal(await statusOf({ issuer: root, validFrom: new Date(Date.now() + DAY_MS) }), 495);
    assert.equal(await statusOf({ issuer: other }), 495);
    assert.equal(await statusOf({}), 495);
    assert.equal((await upgrade(listener.port, { tls: {} })).status, 496);
  });

  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`is shown each time: an old session is not resumed, whatever it was worth (${maxVersion})`, async (context) => {
      let accepted = true;
      let asked = 0;
      const authenticator = new ListenerCertificateAuthenticator(() => ++asked > 0 && accepted);
      const { listener } = await secured(context, authenticator);
      const identity = shown(await selfSignedIdentity('engine'));
      const session = await sessionOf(listener.port, { ...identity, maxVersion });
      const first = await upgrade(listener.port, { tls: { ...identity, maxVersion, session } });
      assert.equal(first.status, 101);
      first.socket.destroy();
      accepted = false;
      assert.equal((await upgrade(listener.port, { tls: { ...identity, maxVersion, session } })).status, 495);
      assert.equal(
        (await upgrade(listener.port, { tls: { maxVersion, session } })).status,
        496,
        'without its certificate',
      );
      assert.equal(asked, 2);
      assert.equal(await isResumed(listener.port, { ...identity, maxVersion, session }), false);
      // The same client resumes where nobody asks for certificates: it would have here.
      const { listener: open } = await secured(context);
      const other = await sessionOf(open.port, { maxVersion });
      assert.equal(await isResumed(open.port, { maxVersion, session: other }), true);
    });
  }
});

/** What a client could resume. */
async function sessionOf(port: number, options: ConnectionOptions): Promise<Buffer> {
  const socket = connect({ port, rejectUnauthorized: false, ...options }).on('error', () => undefined);
  const [session] = (await once(socket.resume(), 'session')) as [Buffer];
  socket.destroy();
  return session;
}

async function isResumed(port: number, options: ConnectionOptions): Promise<boolean> {
  const socket = connect({ port, rejectUnauthorized: false, ...options }).on('error', () => undefined);
  await once(socket.resume(), 'secureConnect');
  const resumed = socket.isSessionReused();
  socket.destroy();
  return resumed;
}

describe('the version of TLS', () => {
  test('is 1.3 where the client can, 1.2 at the least', async (context) => {
    const { listener, refused } = await secured(context);
    for (const [maxVersion, spoken] of [
      ['TLSv1.3', 'TLSv1.3'],
      ['TLSv1.2', 'TLSv1.2'],
    ] as const) {
      const { socket, status } = await upgrade(listener.port, { tls: { maxVersion } });
      assert.deepEqual([status, (socket as TLSSocket).getProtocol()], [101, spoken]);
      socket.destroy();
    }
    assert.deepEqual(refused, []);
    for (const version of ['TLSv1.1', 'TLSv1'] as const) {
      const told = new Promise((resolve) => listener.on('refused', resolve));
      const old = { minVersion: version, maxVersion: version, ciphers: 'ALL:@SECLEVEL=0' };
      assert.equal((await upgrade(listener.port, { tls: old })).status, Number.NaN);
      await told;
    }
    assert.deepEqual(refused, ['TLS_HANDSHAKE_FAILED', 'TLS_HANDSHAKE_FAILED']);
  });

  test('1.2 is not negotiated anew by a client: that would be work for us and a change of who it is', async (context) => {
    const { listener } = await secured(context);
    const socket = connect({ port: listener.port, rejectUnauthorized: false, maxVersion: 'TLSv1.2' });
    cleanup(context, () => socket.destroy());
    await once(socket.resume(), 'secureConnect');
    const answered = new Promise<Error | null>((resolve) => {
      socket.on('error', resolve);
      socket.renegotiate({ rejectUnauthorized: false }, resolve);
    });
    assert.match(String(await answered), /no renegotiation/i);
  });
});

describe('the identity of a listener', () => {
  test('is refused where it is not for servers, and so are certificates without TLS', async (context) => {
    const { metrics } = await openPeer(context, 'vessel');
    const collections = [metrics];
    const tlsIdentity = await selfSignedIdentity('engine', { keyUsages: ['clientAuth'] });
    assert.throws(() => new URLEndpointListener({ collections, tlsIdentity }), { code: 'IDENTITY_UNSUITABLE' });
    const authenticator = new ListenerCertificateAuthenticator(() => true);
    assert.throws(() => new URLEndpointListener({ collections, authenticator, disableTLS: true }), {
      code: 'ARGUMENT_INVALID',
      number: 9,
      message: /disableTLS/,
    });
  });

  test('is renewed while the listener runs, with the same key', async (context) => {
    const clock = new VirtualClock({ startMs: Date.now() });
    const peer = await openPeer(context, 'vessel');
    const logger = memoryLogger();
    const listener = await listen(context, peer, { disableTLS: false, networkInterface: '127.0.0.1', clock, logger });
    const first = listener.tlsIdentity ?? assert.fail();
    const { socket: old } = await upgrade(listener.port, { tls: {} });
    const daysLeft = Math.floor((first.expiration.getTime() - clock.now()) / DAY_MS);
    clock.jumpWallClock((daysLeft - 31) * DAY_MS);
    const renewed = new Promise<TLSIdentity>((resolve) => listener.on('identity', resolve));
    let isRenewed = false;
    void renewed.then(() => (isRenewed = true));
    await clock.advance(DAY_MS - 1);
    assert.equal(isRenewed, false);
    assert.equal(listener.tlsIdentity, first);
    const advancing = clock.advance(2 * DAY_MS + 1);
    const second = await renewed;
    await advancing;
    assert.equal(listener.tlsIdentity, second);
    assert.ok(second.expiration.getTime() > first.expiration.getTime());
    assert.deepEqual(
      second.certificate.publicKey.export({ format: 'jwk' }),
      first.certificate.publicKey.export({ format: 'jwk' }),
    );
    const { socket, status } = await upgrade(listener.port, { tls: {} });
    assert.equal(status, 101);
    assert.equal((socket as TLSSocket).getPeerX509Certificate()?.fingerprint256, second.certificate.fingerprint256);
    assert.match(logger.lines.join('\n'), /the certificate was renewed, until \d{4}-/);
    socket.destroy();
    old.destroy();
    await listener.stop();
    assert.equal(listener.tlsIdentity, undefined);
  });

  test('that the application gave is used although it ends, with a warning', async (context) => {
    for (const [validTo, words] of [
      [new Date(Date.now() - DAY_MS), /warning listener the certificate of CN=engine expired on/],
      [new Date(Date.now() + 29 * DAY_MS), /warning listener the certificate of CN=engine will expire on/],
      [new Date(Date.now() + 31 * DAY_MS), undefined],
    ] as const) {
      const peer = await openPeer(context, 'vessel');
      const logger = memoryLogger();
      const tlsIdentity = await selfSignedIdentity('engine', { validTo, validFrom: new Date(Date.now() - 2 * DAY_MS) });
      const listener = await listen(context, peer, {
        disableTLS: false,
        networkInterface: '127.0.0.1',
        tlsIdentity,
        logger,
      });
      assert.equal(listener.tlsIdentity, tlsIdentity);
      if (words === undefined) assert.deepEqual(logger.lines, []);
      else assert.match(logger.lines.join('\n'), words);
    }
  });
});

test('nothing secret is to be seen in a listener, its configuration or its log', async (context) => {
  const authenticator = ListenerPasswordAuthenticator.forUsers({ alice: 'secret-word' });
  const { listener, logger } = await secured(context, authenticator);
  const authorization = `Basic ${Buffer.from('alice:secret-word').toString('base64')}`;
  const wrong = `Basic ${Buffer.from('alice:other-word').toString('base64')}`;
  assert.equal((await upgrade(listener.port, { tls: {}, authorization: wrong })).status, 401);
  const { socket, status } = await upgrade(listener.port, { tls: {}, authorization });
  assert.equal(status, 101);
  const key = listener.tlsIdentity?.privateKeyPem().split('\n')[1] ?? assert.fail();
  const { collections: _, clock: _clock, logger: _logger, ...config } = listener.config;
  const texts = [
    inspect(listener, { depth: 6, showHidden: true }),
    inspect(listener.config, { depth: 6, showHidden: true }),
    JSON.stringify(config),
    JSON.stringify(listener.peers),
    JSON.stringify(listener.tlsIdentity),
    inspect(listener.tlsIdentity, { depth: 6 }),
    logger.lines.join('\n'),
  ];
  for (const text of texts) {
    for (const secret of ['secret-word', 'other-word', authorization.slice(6), key]) assert.ok(!text.includes(secret));
  }
  assert.equal(listener.peers[0]?.username, 'alice');
  socket.destroy();
  await listener.stop();
});
