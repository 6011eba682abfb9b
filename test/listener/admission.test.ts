/** Who is let in, who has to wait, and what an application's callbacks may do to a listener. */
import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { describe, it, type TestContext } from 'node:test';
import {
  deferred,
  HawserError,
  ListenerPasswordAuthenticator,
  loopbackPair,
  PeerListener,
  type AuthorizePeer,
  type Deferred,
  type PeerListenerOptions,
  type PeerRequest,
} from '../../src/index.js';
import { memoryLogger } from '../support/memory-logger.js';
import { openPeer, type Peer } from '../support/peers.js';
import { RawBlipPeer } from '../support/raw-blip-peer.js';
import { VirtualClock } from '../support/virtual-clock.js';

const LIMIT = { timeout: 120_000 };

async function doorOf(context: TestContext, make: (peer: Peer) => Partial<PeerListenerOptions> = () => ({})) {
  const peer = await openPeer(context, 'vessel');
  const clock = new VirtualClock();
  const logger = memoryLogger();
  const listener = new PeerListener({ collections: [peer.metrics], clock, logger, ...make(peer) });
  const refused: string[] = [];
  listener.on('refused', ({ address, error }) => refused.push(`${address} ${error.code}`));
  const errors: string[] = [];
  listener.on('error', ({ code, message }) => errors.push(`${code}: ${message}`));
  const admit = (request: Partial<PeerRequest> = {}) =>
    listener.admit({ path: '/vessel/_blipsync', protocols: ['BLIP_3+CBMobile_3'], address: '192.0.2.1', ...request });
  const logIn = async (text: string, address = '192.0.2.1') =>
    (await admit({ address, authorization: `Basic ${Buffer.from(text).toString('base64')}` })).status;
  return { peer, clock, logger, listener, refused, errors, admit, logIn };
}

/** Connects a raw peer from that address; resolves when it is open. */
async function connect(listener: PeerListener, address?: string): Promise<RawBlipPeer> {
  const pair = loopbackPair();
  const raw = new RawBlipPeer(pair.a);
  listener.accept(pair.b, address === undefined ? {} : { address });
  await raw.open();
  return raw;
}

const onlyRight = () => ({
  authenticator: new ListenerPasswordAuthenticator((_name, password) => password === 'right'),
});

/** Passwords that are judged when the test says so. */
function judgedByHand() {
  const asked: { readonly name: string; readonly verdict: Deferred<boolean> }[] = [];
  const authenticator = new ListenerPasswordAuthenticator((name) => {
    const verdict = deferred<boolean>();
    asked.push({ name, verdict });
    return verdict.promise;
  });
  return { asked, authenticator };
}

describe('failed log-ins', LIMIT, () => {
  it('make the next wait, with the right password too, and tell for how long', async (context) => {
    const { clock, admit, logIn } = await doorOf(context, onlyRight);
    assert.deepEqual([await logIn('a:wrong'), await logIn('a:wrong'), await logIn('a:wrong')], [401, 401, 401]);
    assert.deepEqual([await logIn('a:right'), await logIn('a:wrong'), await logIn('b:right')], [429, 429, 101]);
    const verdict = await admit({ authorization: `Basic ${Buffer.from('a:right').toString('base64')}` });
    assert.ok(verdict.status === 429);
    assert.deepEqual([verdict.retryAfter, verdict.error.code], [1, 'AUTHENTICATION_DELAYED']);
    await clock.advance(999);
    assert.equal(await logIn('a:right'), 429);
    await clock.advance(1);
    assert.equal(await logIn('a:right'), 101);
    assert.deepEqual([await logIn('a:wrong'), await logIn('a:wrong'), await logIn('a:right')], [401, 401, 101]);
  });

  it('are not those without a password that could be read', async (context) => {
    const { admit } = await doorOf(context, onlyRight);
    for (let count = 0; count < 50; count++) {
      assert.equal((await admit()).status, 401);
      assert.equal((await admit({ authorization: 'Basic !' })).status, 401);
    }
  });

  it('are as few when a thousand guess at once', async (context) => {
    let asked = 0;
    const authenticator = new ListenerPasswordAuthenticator(async () => {
      asked++;
      await setImmediate();
      return false;
    });
    const { logIn } = await doorOf(context, () => ({
      authenticator,
      limits: { maxHandshakesPerAddress: 2_000, maxHandshakes: 2_000 },
    }));
    const statuses = await Promise.all(Array.from({ length: 1_000 }, (_, index) => logIn(`a:${index}`)));
    assert.equal(asked, 3);
    assert.deepEqual(
      [statuses.filter((status) => status === 401).length, statuses.filter((status) => status === 429).length],
      [3, 997],
    );
  });

  it('are as few when a thousand names are tried at once', async (context) => {
    let asked = 0;
    let running = 0;
    let most = 0;
    const authenticator = new ListenerPasswordAuthenticator(async () => {
      asked++;
      most = Math.max(most, ++running);
      await setImmediate();
      running--;
      return false;
    });
    const { logIn } = await doorOf(context, () => ({
      authenticator,
      limits: { maxHandshakesPerAddress: 2_000, maxHandshakes: 2_000 },
    }));
    await Promise.all(Array.from({ length: 1_000 }, (_, index) => logIn(`user ${index}:x`)));
    assert.equal(most, 4);
    assert.ok(asked >= 21 && asked <= 24, `${asked} were judged`);
  });
});

describe('password callbacks', LIMIT, () => {
  it('run sixteen at a time at most, four for an address, one for a name', async (context) => {
    const { asked, authenticator } = judgedByHand();
    const { logIn } = await doorOf(context, () => ({ authenticator }));
    const attempts = [logIn('a:x'), logIn('a:y')];
    for (let host = 1; host <= 6; host++) {
      for (let user = 0; user < 5; user++) attempts.push(logIn(`user ${user}:x`, `192.0.2.${host}`));
    }
    for (let turn = 0; turn < 5; turn++) await setImmediate();
    assert.equal(asked.length, 16);
    assert.equal(asked.filter(({ name }) => name === 'a').length, 1);
    for (let index = 0; index < attempts.length; index++) {
      asked[index]?.verdict.resolve(true);
      for (let turn = 0; turn < 5; turn++) await setImmediate();
    }
    assert.deepEqual([...new Set(await Promise.all(attempts))], [101]);
    assert.equal(asked.length, attempts.length);
  });

  it('are not asked for a peer that has gone while it waited', async (context) => {
    const { asked, authenticator } = judgedByHand();
    const { admit, logIn } = await doorOf(context, () => ({ authenticator }));
    const first = logIn('a:x');
    const gone = new AbortController();
    const second = admit({ authorization: `Basic ${Buffer.from('a:y').toString('base64')}`, signal: gone.signal });
    await setImmediate();
    gone.abort();
    assert.equal((await second).status, 503);
    asked[0]?.verdict.resolve(true);
    assert.equal(await first, 101);
    assert.equal(asked.length, 1);
  });

  it('that never answer do not keep others waiting for ever, and count when they answer late', async (context) => {
    const { asked, authenticator } = judgedByHand();
    const { clock, logIn } = await doorOf(context, () => ({ authenticator }));
    for (let count = 1; count <= 3; count++) {
      const attempt = logIn('a:x');
      await clock.advance(14_999);
      assert.equal(asked.length, count);
      await clock.advance(1);
      assert.equal(await attempt, 503);
    }
    for (const { verdict } of asked) verdict.resolve(false);
    await setImmediate();
    assert.equal(await logIn('a:x'), 429);
    assert.equal(clock.pendingTimers, 0);
  });

  it('that fail again and again do not fill the log', async (context) => {
    const authenticator = new ListenerPasswordAuthenticator(() => {
      throw new Error('the directory is down');
    });
    const { logIn, logger, clock } = await doorOf(context, () => ({ authenticator }));
    for (let host = 0; host < 100; host++) assert.equal(await logIn('a:secret-word', `10.0.0.${host}`), 401);
    assert.equal(logger.lines.length, 10);
    await clock.advance(60_000);
    assert.match(logger.lines.at(-1) ?? '', /not listed: 90 of a callback$/);
    assert.doesNotMatch(logger.lines.join(), /secret-word/);
  });
});

describe('the number of peers', LIMIT, () => {
  it('from one address is limited, before a password is looked at', async (context) => {
    const authenticator = new ListenerPasswordAuthenticator(() => assert.fail('was asked'));
    const { admit, listener, refused } = await doorOf(context, () => ({
      authenticator,
      limits: { maxConnectionsPerAddress: 2 },
    }));
    const authorization = 'Basic YTpi';
    const raws = [await connect(listener, '2001:db8::1'), await connect(listener, '2001:db8::2')];
    const verdict = await admit({ address: '2001:db8::3', authorization });
    assert.ok(verdict.status === 503);
    assert.equal(verdict.error.code, 'LISTENER_BUSY');
    await assert.rejects(connect(listener, '2001:db8::3'));
    assert.deepEqual(refused, ['2001:db8::3 LISTENER_BUSY']);
    raws.push(
      await connect(listener, '2001:db8:0:1::3'),
      await connect(listener),
      await connect(listener),
      await connect(listener),
    );
    assert.equal(listener.status.connectionCount, 6);
    await listener.closeAll();
  });

  it('is looked at again after the password', async (context) => {
    const { asked, authenticator } = judgedByHand();
    const { logIn, listener } = await doorOf(context, () => ({ authenticator, limits: { maxConnections: 1 } }));
    const attempt = logIn('a:x');
    await connect(listener, '192.0.2.7');
    asked[0]?.verdict.resolve(true);
    assert.equal(await attempt, 503);
    await listener.closeAll();
  });
});

describe('authorize', LIMIT, () => {
  it('is told who the peer is, and decides what it may do', async (context) => {
    const seen: unknown[] = [];
    const { admit, peer } = await doorOf(context, ({ metrics }) => ({
      ...onlyRight(),
      authorize: (identity) => {
        seen.push(identity);
        return [{ collection: metrics, pull: true }];
      },
    }));
    const verdict = await admit({ authorization: `Basic ${Buffer.from('a:right').toString('base64')}` });
    assert.ok(verdict.status === 101);
    assert.deepEqual(seen, [{ address: '192.0.2.1', username: 'a' }]);
    assert.deepEqual(verdict.peer, {
      address: '192.0.2.1',
      username: 'a',
      access: [{ collection: peer.metrics, push: false, pull: true }],
    });
  });

  it('may give nothing, or promise it', async (context) => {
    const { admit } = await doorOf(context, () => ({ authorize: () => Promise.resolve([]) }));
    const verdict = await admit();
    assert.deepEqual(verdict.status === 101 ? verdict.peer.access : verdict, []);
  });

  const wrong: readonly (readonly [string, (peer: Peer) => unknown, RegExp])[] = [
    ['gives nothing at all', () => undefined, /gave no list/],
    ['gives a boolean', () => true, /gave no list/],
    ['gives collections instead of rights', ({ metrics }) => [metrics], /right/],
    ['gives null', () => [null], /must be an object/],
    [
      'names a collection of nobody',
      ({ database }) => [{ collection: database.collection('other'), pull: true }],
      /no collection of this listener/,
    ],
    ['names one by its name', () => [{ collection: 'metrics' }], /no collection of this listener/],
    [
      'names one twice',
      ({ metrics, database }) => [{ collection: metrics }, { collection: database.collection('metrics'), push: true }],
      /twice/,
    ],
    ['gives a word for a right', ({ metrics }) => [{ collection: metrics, push: 'no' }], /true or false/],
    ['misspells a right', ({ metrics }) => [{ collection: metrics, pul: true }], /"pul"/],
    ['rejects', () => Promise.reject(new Error('the directory is down')), /the directory is down/],
    [
      'throws',
      () => {
        throw new Error('out of order');
      },
      /out of order/,
    ],
  ];
  for (const [what, give, message] of wrong) {
    it(`that ${what} lets nobody in, and the application is told`, async (context) => {
      const { admit, errors, logger } = await doorOf(context, (peer) => ({
        authorize: (() => give(peer)) as AuthorizePeer,
      }));
      const verdict = await admit();
      assert.ok(verdict.status === 503);
      assert.deepEqual(
        [verdict.reason, verdict.error.code],
        ['it could not be found out what you may do', 'AUTHORIZATION_FAILED'],
      );
      assert.equal(errors.length, 1);
      assert.match(errors[0] ?? '', message);
      assert.match(logger.lines.join(), /AUTHORIZATION_FAILED/);
    });
  }

  it('that never answers ends with the deadline', async (context) => {
    const { admit, clock } = await doorOf(context, () => ({ authorize: () => new Promise<never>(() => undefined) }));
    const verdict = admit();
    await clock.advance(15_000);
    assert.equal((await verdict).status, 503);
  });
});

describe('who was refused', LIMIT, () => {
  it('is told each time, and logged ten times a minute', async (context) => {
    const { listener, logger, refused, clock } = await doorOf(context);
    for (let count = 0; count < 1_000; count++) {
      const code = count % 4 === 0 ? 'CONNECTION_LOST' : 'AUTHENTICATION_FAILED';
      listener.handshakes.begin(`192.0.2.${count % 8}`, () => undefined).refuse(new HawserError(code, 'x'));
    }
    assert.equal(refused.length, 1_000);
    assert.equal(refused[1], '192.0.2.1 AUTHENTICATION_FAILED');
    assert.equal(logger.lines.length, 10);
    assert.equal(logger.lines[1], 'info listener a connection from 192.0.2.1 was refused: AUTHENTICATION_FAILED');
    await clock.advance(60_000);
    assert.equal(logger.lines.length, 11);
    assert.equal(
      logger.lines[10],
      'warning listener connections refused, in the last minute and not listed: 743 AUTHENTICATION_FAILED, 247 CONNECTION_LOST',
    );
    listener.refused('evil\n\u001b[2J'.repeat(100), new HawserError('CONNECTION_LOST', 'x'));
    assert.equal(logger.lines.length, 12);
    const line = logger.lines[11] ?? '';
    assert.ok(line.length < 500 && !line.includes('\n') && !line.includes('\u001b'), line);
  });
});
