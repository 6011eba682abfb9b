/** The handshake of media without HTTP: its two halves, and peers that do not keep to it. */
import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, it } from 'node:test';
import { deferred, utf8 } from '../../src/base/index.js';
import {
  answerHandshake,
  handshakeConnection,
  loopbackPair,
  MessagingError,
  type HandshakeOptions,
  type HandshakeRequest,
  type HandshakeVerdict,
  type Message,
  type MessageEndpointConnection,
  type ReplicatorConnection,
} from '../../src/endpoint/index.js';
import { HawserError } from '../../src/errors.js';
import { connectionConformance, ConnectionRecorder } from '../conformance/index.js';
import { countingClock } from '../support/counting-clock.js';

const LIMIT = { timeout: 120_000 };
const PROTOCOLS = ['BLIP_3+CBMobile_3', 'BLIP_3+CBMobile_2'];
const REQUEST: HandshakeRequest = { path: '/vessel/_blipsync', protocols: PROTOCOLS };
const LET_IN = { status: 101, protocol: 'BLIP_3+CBMobile_3', peer: 'somebody' } as const;
const RIGHT = { hawser: 1, path: '/vessel/_blipsync', protocols: PROTOCOLS };

function ask(inner: MessageEndpointConnection, options: Partial<HandshakeOptions> = {}): MessageEndpointConnection {
  return handshakeConnection(inner, { name: 'radio 7', ...REQUEST, ...options });
}

function json(value: unknown): Message {
  return utf8(JSON.stringify(value));
}

function textOf(message: Message | undefined): unknown {
  return JSON.parse(Buffer.from(message ?? []).toString());
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await nextTurn();
}

interface Answering {
  readonly answered: ReturnType<typeof answerHandshake<string>>;
  readonly abandon: AbortController;
  readonly asked: HandshakeRequest[];
}

function answer(
  inner: MessageEndpointConnection,
  verdict: HandshakeVerdict<string> | Promise<HandshakeVerdict<string>> = LET_IN,
): Answering {
  const abandon = new AbortController();
  const asked: HandshakeRequest[] = [];
  const admit = async (request: HandshakeRequest): Promise<HandshakeVerdict<string>> => {
    asked.push(request);
    return verdict;
  };
  const answered = answerHandshake(inner, { admit, signal: abandon.signal });
  answered.catch(() => undefined);
  return { answered, abandon, asked };
}

/** The far end by hand. */
async function raw(inner: MessageEndpointConnection): Promise<ConnectionRecorder> {
  const recorder = new ConnectionRecorder();
  await recorder.open(inner);
  return recorder;
}

describe('a peer that asks', LIMIT, () => {
  it('is let in with the protocol that was chosen, and says nothing before', async () => {
    const { a, b } = loopbackPair();
    const connection = ask(a, { authorization: 'Basic abc', cookie: 'c=d' });
    const near = new ConnectionRecorder();
    const { answered, asked } = answer(b);
    let isOpen = false;
    const opening = near.open(connection).then(() => (isOpen = true));
    const { connection: far, peer } = await answered;
    assert.equal(peer, 'somebody');
    assert.deepEqual(asked, [{ ...REQUEST, authorization: 'Basic abc', cookie: 'c=d' }]);
    await settle();
    assert.equal(isOpen, false, 'the answer waits until somebody serves it');
    await assert.rejects(connection.send(utf8('x')), { code: 'CONNECTION_NOT_OPEN' });
    await assert.rejects(far.send(utf8('x')), { code: 'CONNECTION_NOT_OPEN' });
    const farRecorder = new ConnectionRecorder();
    await Promise.all([farRecorder.open(far), opening]);
    assert.equal(connection.protocol, 'BLIP_3+CBMobile_3');
    assert.equal(far.protocol, 'BLIP_3+CBMobile_3');
    await connection.send(utf8('hello'));
    await farRecorder.untilMessages(1);
    await far.close();
    assert.equal((await near.untilClosed())?.code, 'CONNECTION_CLOSED_BY_PEER');
    for (const used of [connection, far]) await assert.rejects(used.open(near), { code: 'CONNECTION_NOT_OPEN' });
  });

  it('gets a message that comes right behind the answer', async () => {
    const { a, b } = loopbackPair();
    const near = new ConnectionRecorder();
    const opening = near.open(ask(a));
    const far = await raw(b);
    await far.untilMessages(1);
    await Promise.all([b.send(json({ status: 101, protocol: PROTOCOLS[1] })), b.send(utf8('at once'))]);
    await opening;
    await near.untilMessages(1);
    assert.equal(near.tooEarly, 0);
    assert.deepEqual(
      near.messages.map((message) => Buffer.from(message).toString()),
      ['at once'],
    );
    await a.close();
  });

  for (const [status, code, recoverable] of [
    [400, 'CONNECTION_REJECTED', false],
    [401, 'AUTHENTICATION_FAILED', false],
    [404, 'REMOTE_DATABASE_NOT_FOUND', false],
    [429, 'AUTHENTICATION_DELAYED', true],
    [495, 'TLS_CLIENT_CERTIFICATE_REJECTED', false],
    [496, 'TLS_CLIENT_CERTIFICATE_REQUIRED', false],
    [503, 'CONNECTION_UNAVAILABLE', true],
  ] as const) {
    it(`is refused with ${status} on both sides, each in its own words`, async () => {
      const { a, b } = loopbackPair();
      const error = new HawserError('ACCESS_DENIED', 'for us');
      const { answered } = answer(b, { status, reason: 'for the peer', retryAfter: 3, error });
      const near = new ConnectionRecorder();
      await assert.rejects(near.open(ask(a)), (told: MessagingError) => {
        assert.deepEqual([told.code, told.recoverable], [code, recoverable]);
        assert.match(told.message, /^radio 7: .*for the peer/);
        return true;
      });
      await assert.rejects(answered, { code: 'ACCESS_DENIED', message: 'for us' });
      await settle();
      assert.deepEqual(near.closes, [], 'a refusal is reported once');
    });
  }

  it('and gets no answer that it can use ends with an error', async () => {
    for (const [reply, code] of [
      [utf8('nonsense'), 'CONNECTION_PROTOCOL_ERROR'],
      [new Uint8Array(100_000), 'CONNECTION_PROTOCOL_ERROR'],
      [json({ status: 101, protocol: 'HTTP' }), 'CONNECTION_PROTOCOL_MISMATCH'],
    ] as const) {
      const { a, b } = loopbackPair();
      const opening = new ConnectionRecorder().open(ask(a));
      const far = await raw(b);
      await far.untilMessages(1);
      await b.send(reply);
      await assert.rejects(opening, { code });
      await far.untilClosed();
    }
  });

  it('and whose connection ends meanwhile fails with its reason', async () => {
    const reason = new MessagingError('CONNECTION_FAILED', 'no', { recoverable: false, closeCode: 4444 });
    for (const [how, code] of [
      [(b: MessageEndpointConnection) => b.close(reason), 'CONNECTION_FAILED'],
      [(b: MessageEndpointConnection) => b.close(), 'CONNECTION_CLOSED_BY_PEER'],
    ] as const) {
      const { a, b } = loopbackPair();
      const opening = new ConnectionRecorder().open(ask(a));
      await (await raw(b)).untilMessages(1);
      await how(b);
      await assert.rejects(opening, { code });
    }
  });

  it('can be told to stop while it waits', async () => {
    const { a, b } = loopbackPair();
    const connection = ask(a);
    const opening = new ConnectionRecorder().open(connection);
    const far = await raw(b);
    await far.untilMessages(1);
    const error = new MessagingError('CONNECTION_TIMEOUT', 'too slow', { recoverable: true });
    await connection.close(error);
    await assert.rejects(opening, error);
    await far.untilClosed();
  });

  it('with what does not fit asks nobody', async () => {
    const { a } = loopbackPair();
    const opening = new ConnectionRecorder().open(ask(a, { authorization: 'x'.repeat(9_000) }));
    await assert.rejects(opening, { code: 'ARGUMENT_INVALID' });
  });
});

describe('a peer that does not keep to the handshake', LIMIT, () => {
  for (const [what, message, status] of [
    ['speaks BLIP at once', Buffer.from('0100'.padEnd(60, '0'), 'hex'), 400],
    ['sends no JSON', utf8('GET / HTTP/1.1'), 400],
    ['sends a megabyte', new Uint8Array(1_000_000), 400],
    ['speaks another version', json({ ...RIGHT, hawser: 2 }), 400],
    ['leaves a field out', json({ ...RIGHT, path: undefined }), 400],
  ] as const) {
    it(`and ${what} is told so, and nobody is asked`, async () => {
      const { a, b } = loopbackPair();
      const { answered, asked } = answer(b);
      const near = await raw(a);
      await a.send(message);
      await assert.rejects(answered, (error: MessagingError) => /^CONNECTION_PROTOCOL_/.test(error.code));
      await near.untilClosed();
      assert.deepEqual(
        near.messages.map(textOf).map((reply) => (reply as { status: number }).status),
        [status],
      );
      assert.deepEqual(asked, []);
    });
  }

  it('and sends more before it was answered is turned away', async () => {
    const { a, b } = loopbackPair();
    const verdict = deferred<HandshakeVerdict<string>>();
    const { answered } = answer(b, verdict.promise);
    const near = await raw(a);
    await Promise.all([a.send(json(RIGHT)), a.send(json(RIGHT))]);
    await assert.rejects(answered, { code: 'CONNECTION_PROTOCOL_ERROR' });
    await near.untilClosed();
    verdict.resolve(LET_IN);
  });

  it('and sends more before it is served is turned away', async () => {
    const { a, b } = loopbackPair();
    const { answered } = answer(b);
    const near = await raw(a);
    await a.send(json(RIGHT));
    const { connection } = await answered;
    await a.send(utf8('more'));
    await settle();
    await assert.rejects(new ConnectionRecorder().open(connection), { code: 'CONNECTION_PROTOCOL_ERROR' });
    await near.untilClosed();
  });

  it('and goes while it is judged is not waited for', async () => {
    const { a, b } = loopbackPair();
    const { answered } = answer(b, deferred<HandshakeVerdict<string>>().promise);
    await raw(a);
    await a.send(json(RIGHT));
    await a.close();
    await assert.rejects(answered, { code: 'CONNECTION_CLOSED_BY_PEER' });
  });

  it('and is silent is given up by whoever counts the time, in every state', async () => {
    for (const says of [undefined, json(RIGHT)]) {
      const { a, b } = loopbackPair();
      const { answered, abandon } = answer(b, deferred<HandshakeVerdict<string>>().promise);
      const near = await raw(a);
      if (says !== undefined) await a.send(says);
      await settle();
      abandon.abort(new HawserError('CONNECTION_TIMEOUT', 'too slow'));
      await assert.rejects(answered, { code: 'CONNECTION_TIMEOUT' });
      await near.untilClosed();
    }
    const { b } = loopbackPair(); // not even open
    const { answered, abandon } = answer(b);
    abandon.abort(new HawserError('CONNECTION_TIMEOUT', 'too slow'));
    await assert.rejects(answered, { code: 'CONNECTION_TIMEOUT' });
    await assert.rejects(
      answerHandshake(loopbackPair().a, {
        admit: async () => LET_IN,
        signal: AbortSignal.abort(new HawserError('LISTENER_BUSY', 'x')),
      }),
      { code: 'LISTENER_BUSY' },
    );
  });

  for (const [how, close] of [
    ['rejects', () => Promise.reject(new Error('the modem is gone'))],
    [
      'throws',
      () => {
        throw new Error('the modem is gone');
      },
    ],
  ] as const) {
    it(`and a medium whose close ${how} end the handshake, and nothing else`, async () => {
      const error = new HawserError('ACCESS_DENIED', 'for us');
      for (const verdict of [{ status: 404, reason: 'x', error }, undefined]) {
        const { a, b } = loopbackPair();
        const spoilt = (end: MessageEndpointConnection): MessageEndpointConnection => ({
          open: (engine) => end.open(engine),
          send: (message) => end.send(message),
          close,
        });
        const { answered, abandon } = answer(
          spoilt(b),
          verdict ?? deferred<HandshakeVerdict<string>>().promise, // not judged in time
        );
        const connection = ask(spoilt(a));
        const opening = new ConnectionRecorder().open(connection);
        opening.catch(() => undefined);
        await settle();
        abandon.abort(new HawserError('CONNECTION_TIMEOUT', 'too slow'));
        await assert.rejects(answered, { code: verdict === undefined ? 'CONNECTION_TIMEOUT' : 'ACCESS_DENIED' });
        await connection.close();
        await assert.rejects(opening, {
          code: verdict === undefined ? 'CONNECTION_NOT_OPEN' : 'REMOTE_DATABASE_NOT_FOUND',
        });
        await settle(); // a rejection that nobody handles fails the test
      }
    });
  }

  it('and whose judge fails is turned away', async () => {
    const { a, b } = loopbackPair();
    const failing = Promise.reject(new HawserError('STORAGE_IO_ERROR', 'the disk is gone'));
    failing.catch(() => undefined);
    const { answered } = answer(b, failing);
    const near = await raw(a);
    await a.send(json(RIGHT));
    await assert.rejects(answered, { code: 'STORAGE_IO_ERROR' });
    await near.untilClosed();
    const reply = Buffer.from(near.messages[0] ?? []).toString();
    assert.match(reply, /^\{"status":503,/);
    assert.ok(!reply.includes('disk'), 'why is not for the peer');
  });
});

const MAX_MESSAGE_SIZE = 200_000;
const HIGH_WATER_MARK = 65_536;

/** The passive end as one connection: it answers when it is opened. */
function answering(inner: MessageEndpointConnection): MessageEndpointConnection {
  let connection: MessageEndpointConnection | undefined;
  const abandon = new AbortController();
  return {
    async open(engine: ReplicatorConnection) {
      ({ connection } = await answerHandshake(inner, { admit: async () => LET_IN, signal: abandon.signal }));
      await connection.open(engine);
    },
    send: (message) => connection?.send(message) ?? inner.send(message),
    async close(error) {
      abandon.abort(new HawserError('CONNECTION_NOT_OPEN', 'closed'));
      await (connection ?? inner).close(error);
    },
  };
}

connectionConformance('loopback with a handshake', () => {
  const clock = countingClock();
  return {
    connect() {
      const { a, b, cut } = loopbackPair({ clock, maxMessageSize: MAX_MESSAGE_SIZE, highWaterMark: HIGH_WATER_MARK });
      return { near: ask(a), far: answering(b), vanish: cut };
    },
    refuse() {
      const { a, b } = loopbackPair({ clock });
      void b.close();
      return ask(a);
    },
    maxMessageSize: MAX_MESSAGE_SIZE,
    maxBufferedBytes: HIGH_WATER_MARK + 4_096,
    leftovers: () => clock.pending(),
  };
});
