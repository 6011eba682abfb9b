/** TLS over a connection: who is let in, what an end looks like, and what goes below. */
import assert from 'node:assert/strict';
import { createServer, type TLSSocket } from 'node:tls';
import { before, describe, it } from 'node:test';
import { deferred, systemClock } from '../../src/base/index.js';
import {
  loopbackPair,
  MessagingError,
  secureConnection,
  type MessageEndpointConnection,
} from '../../src/endpoint/index.js';
import { ConnectionStream } from '../../src/endpoint/layers/connection-stream.js';
import type { HawserError } from '../../src/errors.js';
import { ListenerCertificateAuthenticator, serverTlsOptions, TLSIdentity } from '../../src/security/index.js';
import { ConnectionRecorder } from '../conformance/index.js';
import { sendUntilBlocked } from '../conformance/connection-steps.js';
import { bytes, opened, securePair, settle, type ClientOptions } from '../support/secure-pair.js';
import { chainedIdentity, issue, selfSignedIdentity, type Issuer } from '../support/certificates.js';

const LIMIT = { timeout: 120_000 };
const clock = systemClock;
const SECRET = 'the reason that nobody else may read';

let device: TLSIdentity;
let fleet: Issuer;
let member: TLSIdentity;
before(async () => {
  device = await selfSignedIdentity('device');
  fleet = await issue('fleet', { ca: true });
  const { certificate, privateKey } = await issue('member', { issuer: fleet });
  member = new TLSIdentity({ privateKey, certs: [certificate] });
});

describe('a server on a secure connection', LIMIT, () => {
  it('that is not the pinned one is refused before anything is said, and is shown all the same', async () => {
    const other = await selfSignedIdentity('another device');
    const shown: string[] = [];
    const pair = securePair(device, {
      client: { onServerCertificate: ({ fingerprint256 }) => shown.push(fingerprint256) },
      server: { identity: other },
    });
    const [near, far] = [new ConnectionRecorder(), new ConnectionRecorder()];
    const farOpened = far.open(pair.far).then(
      () => undefined,
      (error: MessagingError) => error,
    );
    await assert.rejects(near.open(pair.near), (error: MessagingError) => {
      assert.equal(error.code, 'TLS_CERTIFICATE_UNTRUSTED');
      assert.equal(error.recoverable, false);
      assert.match(error.message, /^radio 7: /);
      return true;
    });
    // It may have finished its part before.
    const told = (await farOpened) ?? (await far.untilClosed());
    assert.match(told?.code ?? '', /^CONNECTION_(LOST|CLOSED_BY_PEER)$/);
    assert.deepEqual(shown, [other.certificate.fingerprint256]);
    assert.deepEqual(far.messages, []);
    assert.equal(pair.near.peer, undefined);
  });

  it('is judged before a message goes either way, however long that takes', async () => {
    const verdict = deferred<HawserError | undefined>();
    const asked = deferred();
    const judge = (): Promise<HawserError | undefined> => {
      asked.resolve();
      return verdict.promise;
    };
    const pair = securePair(device, { client: { trust: { serverTrustPolicy: { judge } } } });
    const [near, far] = [new ConnectionRecorder(), new ConnectionRecorder()];
    const nearOpened = near.open(pair.near);
    await far.open(pair.far);
    await asked.promise;
    const said = pair.far.send(bytes(100));
    await assert.rejects(pair.near.send(bytes(1)), { code: 'CONNECTION_NOT_OPEN' });
    await settle();
    assert.deepEqual(near.messages, []);
    verdict.resolve(undefined);
    await nearOpened;
    await said;
    await near.untilMessages(1);
    assert.equal(near.tooEarly, 0);
    await Promise.all([pair.near.close(), pair.far.close()]);
  });

  it('that goes while it is judged leaves a connection that ends', async () => {
    const verdict = deferred<undefined>();
    const pair = securePair(device, { client: { trust: { serverTrustPolicy: { judge: () => verdict.promise } } } });
    const [near, far] = [new ConnectionRecorder(), new ConnectionRecorder()];
    const nearOpened = near.open(pair.near);
    await far.open(pair.far);
    pair.cut();
    await settle();
    verdict.resolve(undefined);
    await assert.rejects(nearOpened, { code: 'CONNECTION_LOST' });
    assert.deepEqual(near.closes, []);
  });

  it('learns what a client has shown, judged by its roots, where it asks', async () => {
    const chained = await chainedIdentity('stranger');
    const authenticator = new ListenerCertificateAuthenticator([fleet.certificate]);
    const shown = async (identity: TLSIdentity | undefined, asks: boolean) => {
      const pair = securePair(device, {
        client: identity === undefined ? {} : { identity },
        server: asks ? { authenticator } : {},
      });
      await opened(pair);
      const { chain = [], chainError } = pair.far.peer ?? {};
      await Promise.all([pair.near.close(), pair.far.close()]);
      return { subjects: chain.map(({ subject }) => subject), isTrusted: chainError === undefined };
    };
    assert.deepEqual(await shown(member, true), { subjects: ['CN=member'], isTrusted: true });
    const strange = await shown(chained.identity, true);
    assert.deepEqual([strange.subjects[0], strange.isTrusted], ['CN=stranger', false]);
    assert.deepEqual(await shown(undefined, true), { subjects: [], isTrusted: false });
    assert.deepEqual((await shown(member, false)).subjects, []);
  });
});

describe('TLS that cannot be set up', LIMIT, () => {
  it('because the peer speaks plain text fails, on both sides', async () => {
    for (const role of ['near', 'far'] as const) {
      const pair = securePair(device);
      const other = role === 'near' ? pair.below.far : pair.below.near;
      const heard = new ConnectionRecorder();
      const opening = assert.rejects(new ConnectionRecorder().open(pair[role]), {
        code: 'TLS_HANDSHAKE_FAILED',
        recoverable: false,
      });
      await heard.open(other);
      await other.send(Buffer.from('{"hawser":1,"path":"/db/_blipsync"}'));
      await opening;
      await heard.untilClosed();
      await other.close();
    }
  });

  it('because the peer says something in plain text and goes is told by what it said', async () => {
    for (const role of ['near', 'far'] as const) {
      const pair = securePair(device);
      const other = role === 'near' ? pair.below.far : pair.below.near;
      const opening = assert.rejects(new ConnectionRecorder().open(pair[role]), { code: 'TLS_HANDSHAKE_FAILED' });
      await other.open(new ConnectionRecorder());
      await Promise.all([other.send(Buffer.from('{"status":400,"reason":"no handshake"}')), other.close()]);
      await opening;
    }
  });

  it('because the connection below cannot be opened fails as that does', async () => {
    const error = new MessagingError('CONNECTION_REFUSED', 'no modem', { recoverable: true });
    const inner = { open: () => Promise.reject(error), send: () => Promise.resolve(), close: () => Promise.resolve() };
    const connection = secureConnection(inner, { role: 'client', name: 'x', trust: {}, clock });
    await assert.rejects(new ConnectionRecorder().open(connection), error);
  });

  it('because the connection below ends fails with its reason, or as lost', async () => {
    const reason = new MessagingError('ACCESS_DENIED', 'the gateway is full', { recoverable: false });
    for (const [said, code] of [
      [reason, 'ACCESS_DENIED'],
      [undefined, 'CONNECTION_LOST'],
    ] as const) {
      for (const role of ['near', 'far'] as const) {
        const pair = securePair(device);
        const opening = new ConnectionRecorder().open(pair[role]);
        await pair.below[role === 'near' ? 'far' : 'near'].open(new ConnectionRecorder());
        await settle();
        pair.below[role].engine?.close(said);
        await assert.rejects(opening, { code });
      }
    }
  });

  /** A server that is not ours, which lets TLS refuse the certificates of clients. */
  async function refusedBy(options: object, client: ClientOptions): Promise<MessagingError> {
    // Node's alerts need a link that takes some time: one that is due while a record is on its way is not sent.
    const { a, b } = loopbackPair({ latencyMs: 2 });
    const stream = new ConnectionStream(b, 1_000_000);
    stream.once('close', () => void b.close());
    const server = createServer({ ...serverTlsOptions(device, undefined), ...options });
    server.on('secureConnection', (socket: TLSSocket) => socket.on('error', () => undefined));
    const near = secureConnection(a, {
      role: 'client',
      name: 'gateway',
      trust: { pinnedServerCertificate: device.certificate },
      clock,
      ...client,
    });
    const recorder = new ConnectionRecorder();
    const opening = recorder.open(near);
    await stream.open();
    server.emit('connection', stream);
    try {
      await opening;
    } catch (error) {
      return error as MessagingError;
    }
    return (await recorder.untilClosed()) as MessagingError;
  }

  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    it(`because a foreign server refuses our certificate is told as on a socket, with ${maxVersion}`, async () => {
      const strict = { maxVersion, requestCert: true, rejectUnauthorized: true, ca: [fleet.certificate.toString()] };
      const missing = await refusedBy(strict, {});
      const expected = maxVersion === 'TLSv1.3' ? 'TLS_CLIENT_CERTIFICATE_REQUIRED' : 'TLS_HANDSHAKE_FAILED';
      assert.deepEqual([missing.code, missing.recoverable], [expected, false], missing.message);
    });
  }

  it('with options that are wrong is refused at once', () => {
    const { a } = loopbackPair();
    const right = { role: 'server', identity: device, clock } as const;
    for (const [options, code] of [
      [{ ...right, role: 'peer' }, 'ARGUMENT_INVALID'],
      [{ ...right, name: 'x' }, 'OPTION_UNKNOWN'],
      [{ ...right, maxMessageSize: 0 }, 'ARGUMENT_INVALID'],
      [{ ...right, maxMessageSize: 0xffff_ffff }, 'ARGUMENT_INVALID'],
      [{ ...right, maxBufferedBytes: 10 }, 'ARGUMENT_INVALID'],
    ] as const) {
      assert.throws(() => secureConnection(a, options as never), { code });
    }
  });
});

describe('the end of a secure connection', LIMIT, () => {
  it('has its reason inside: below there is nothing to read', async () => {
    const pair = securePair(device);
    const { far } = await opened(pair);
    await pair.near.close(new MessagingError('ACCESS_DENIED', SECRET, { recoverable: false, closeCode: 4003 }));
    const error = await far.untilClosed();
    assert.equal(error?.closeCode, 4003);
    assert.ok(error?.message.includes(SECRET));
    await pair.far.close();
    for (const { sent, closedWith } of Object.values(pair.below)) {
      assert.ok(!Buffer.concat(sent).includes(SECRET));
      assert.deepEqual(closedWith, [undefined]);
    }
  });

  it('is told although the connection below throws away what it still carries when it is closed', async () => {
    const { a, b, cut } = loopbackPair({ latencyMs: 2 });
    const careless: MessageEndpointConnection = {
      open: (engine) => a.open(engine),
      send: (message) => a.send(message),
      async close() {
        cut();
        await a.close();
      },
    };
    const trust = { pinnedServerCertificate: device.certificate };
    const near = secureConnection(careless, { role: 'client', name: 'x', trust, clock });
    const far = secureConnection(b, { role: 'server', identity: device, clock });
    const recorder = new ConnectionRecorder();
    await Promise.all([new ConnectionRecorder().open(near), recorder.open(far)]);
    await near.close();
    assert.equal((await recorder.untilClosed())?.code, 'CONNECTION_CLOSED_BY_PEER');
    await far.close();
  });

  it('that only the medium has told of is a loss, whatever the medium says', async () => {
    const forged = new MessagingError('CONNECTION_FAILED', 'never come back', { recoverable: false });
    const orderly = new MessagingError('CONNECTION_CLOSED_BY_PEER', 'bye', { recoverable: true });
    for (const said of [undefined, forged, orderly]) {
      const pair = securePair(device);
      const { near } = await opened(pair);
      pair.below.near.engine?.close(said);
      const error = await near.untilClosed();
      assert.deepEqual([error?.code, error?.recoverable], ['CONNECTION_LOST', true]);
      await pair.far.close();
    }
  });

  it('comes when a message is above the limit, with words for both', async () => {
    const pair = securePair(device, { client: { maxMessageSize: 300_000 }, server: { maxMessageSize: 100_000 } });
    const { near, far } = await opened(pair);
    await pair.near.send(bytes(100_000));
    await pair.near.send(bytes(100_001)).catch(() => undefined);
    assert.equal((await far.untilClosed())?.code, 'CONNECTION_MESSAGE_TOO_LARGE');
    const told = await near.untilClosed();
    assert.deepEqual([told?.code, told?.number], ['CONNECTION_PROTOCOL_ERROR', 11_009]);
    assert.equal(far.messages.length, 1);
    await assert.rejects(pair.far.send(bytes(100_001)));
  });

  it('comes when the connection below brings more although it was asked to wait', async () => {
    const pair = securePair(device, { server: { maxBufferedBytes: 300_000 } });
    const { near, far } = await opened(pair);
    far.pause();
    const flood = pair.below.near;
    // A medium that knows no pause: what TLS sends is brought over without waiting for anybody.
    flood.meddle = (message) => {
      void pair.below.far.engine?.receive(message);
      return [];
    };
    for (let index = 0; index < 100 && near.closes.length === 0 && far.closes.length === 0; index++) {
      await pair.near.send(bytes(60_000)).catch(() => undefined);
    }
    far.resume();
    assert.equal((await far.untilClosed())?.code, 'CONNECTION_BUFFER_FULL');
    assert.ok(far.receivedBytes < 1_000_000, `${far.receivedBytes} bytes`);
    await pair.near.close();
  });

  it('comes in bounded time for a peer that never reads', async () => {
    const pair = securePair(device, { client: { closeTimeoutMs: 20 } });
    const { far } = await opened(pair);
    far.pause();
    let accepted = 0;
    for (let isTaken = true; isTaken; accepted += isTaken ? 50_000 : 0) {
      const sent = pair.near.send(bytes(50_000)).then(() => true);
      sent.catch(() => undefined);
      isTaken = await Promise.race([sent.catch(() => false), settle().then(() => false)]);
    }
    assert.ok(accepted < 600_000, `${accepted} bytes were taken that nobody reads`);
    await pair.near.close(new MessagingError('ACCESS_DENIED', SECRET, { recoverable: false }));
    assert.deepEqual(
      pair.below.near.closedWith.map((error) => error?.code),
      ['CONNECTION_LOST'],
      'the medium below is told to drop what waits, and not why',
    );
    await pair.far.close();
  });
});

describe('what goes below', LIMIT, () => {
  it('is few messages for many of one turn, and none above what every medium carries', async () => {
    const pair = securePair(device);
    const { far } = await opened(pair);
    await settle();
    const before = pair.below.near.sent.length;
    await Promise.all(Array.from({ length: 50 }, (_, index) => pair.near.send(bytes(100, index))));
    await far.untilMessages(50);
    assert.equal(pair.below.near.sent.length - before, 1);
    await pair.near.send(bytes(1_000_000));
    await far.untilMessages(51);
    assert.ok(pair.below.near.sent.every(({ length }) => length > 0 && length <= 65_536));
    await Promise.all([pair.near.close(), pair.far.close()]);
  });
});

describe('a secure connection over a slow one', LIMIT, () => {
  it('takes no more than that asks for, so that what is urgent does not wait behind it', async () => {
    const { a, b } = loopbackPair({ highWaterMark: 0 });
    const slow = { ...wrapped(a), highWaterMark: 1_000 };
    const near = secureConnection(slow, {
      role: 'client',
      name: 'x',
      trust: { pinnedServerCertificate: device.certificate },
      clock,
    });
    const far = secureConnection(b, { role: 'server', identity: device, clock });
    const recorder = new ConnectionRecorder();
    await Promise.all([new ConnectionRecorder().open(near), recorder.open(far)]);
    recorder.pause();
    const { accepted } = await sendUntilBlocked(near, 262_144, 100);
    // Beside the mark there are the message above it, and what lies in the streams of TLS at both ends.
    assert.ok(accepted <= 65_536, `${accepted} bytes were taken`);
    recorder.resume();
    await Promise.all([near.close(), far.close()]);
  });
});

function wrapped(inner: MessageEndpointConnection): MessageEndpointConnection {
  return {
    open: (engine) => inner.open(engine),
    send: (message) => inner.send(message),
    close: (error) => inner.close(error),
  };
}
