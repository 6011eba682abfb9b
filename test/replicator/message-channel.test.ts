import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { describe, it } from 'node:test';
import { deferred, utf8 } from '../../src/base/index.js';
import type { IncomingRequest } from '../../src/blip/index.js';
import {
  loopbackPair,
  MessagingError,
  type Message,
  type MessageEndpointConnection,
  type ReplicatorConnection,
} from '../../src/endpoint/index.js';
import { MessageChannel, type MessageChannelOptions } from '../../src/replicator/message-channel.js';
import { memoryLogger } from '../support/memory-logger.js';

const LIMIT = { timeout: 120_000 };
const get = (profile: string) => ({ properties: { Profile: profile } });
const profileOf = (request: IncomingRequest): string | undefined => request.properties.get('Profile');

function channelOn(connection: MessageEndpointConnection, options: Partial<MessageChannelOptions> = {}) {
  const logger = memoryLogger();
  const channel: MessageChannel = new MessageChannel({
    connection,
    logger,
    onRequest: (request) => channel.respond(request, { properties: { echo: profileOf(request) ?? '' } }),
    ...options,
  });
  return Object.assign(channel, { lines: logger.lines });
}

/** Two open channels with each other. */
async function channels(options: Partial<MessageChannelOptions> = {}) {
  const pair = loopbackPair();
  const [a, b] = [channelOn(pair.a), channelOn(pair.b, options)];
  await Promise.all([a.open(), b.open()]);
  return { a, b, cut: pair.cut };
}

/** A medium that a test drives by hand. */
class HandMade implements MessageEndpointConnection {
  engine: ReplicatorConnection | undefined;
  readonly sent: Message[] = [];
  readonly closes: (MessagingError | undefined)[] = [];
  onOpen: () => Promise<void> = () => Promise.resolve();
  onSend: (message: Message) => Promise<void> = () => Promise.resolve();
  onClose: () => Promise<void> = () => Promise.resolve();

  open(engine: ReplicatorConnection): Promise<void> {
    this.engine = engine;
    return this.onOpen();
  }

  send(message: Message): Promise<void> {
    this.sent.push(message);
    return this.onSend(message);
  }

  close(error?: MessagingError): Promise<void> {
    this.closes.push(error);
    return this.onClose();
  }
}

describe('a channel', LIMIT, () => {
  it('carries requests and their answers both ways, in any order', async () => {
    const waiting: IncomingRequest[] = [];
    const { a, b } = await channels({ onRequest: (request) => waiting.push(request) });
    const answers = ['one', 'two', 'three'].map((profile) => a.request(get(profile)));
    const back = b.request(get('back'));
    assert.equal((await back).properties.get('echo'), 'back');
    while (waiting.length < 3) await setImmediate();
    for (const request of waiting.reverse()) b.respond(request, { properties: { to: profileOf(request) ?? '' } });
    const texts = (await Promise.all(answers)).map((answer) => answer.properties.get('to'));
    assert.deepEqual(texts, ['one', 'two', 'three']);
    assert.ok(a.traffic.sent > 0 && a.traffic.received > 0);
    assert.deepEqual([a.traffic.sent, a.traffic.received], [b.traffic.received, b.traffic.sent]);
    await a.shutDown();
  });

  it('carries errors, and nothing in answer to what wants none', async () => {
    const seen: string[] = [];
    const { a, b } = await channels({
      onRequest: (request) => {
        seen.push(profileOf(request) ?? '');
        b.respond(request, { error: { domain: 'HTTP', code: 418, message: 'tea' } });
      },
    });
    a.notify(get('quiet'));
    const answer = await a.request(get('loud'));
    assert.deepEqual(answer.error, { domain: 'HTTP', code: 418, message: 'tea' });
    assert.deepEqual(seen, ['quiet', 'loud']);
    assert.equal(a.isEnded || b.isEnded, false);
    await a.shutDown();
  });

  it('lets what is urgent go first of all that is sent in one turn', async () => {
    const seen: string[] = [];
    const { a, b } = await channels({
      onRequest: (request) => {
        seen.push(profileOf(request) ?? '');
        b.respond(request);
      },
    });
    const body = new Uint8Array(100_000);
    await Promise.all([
      a.request({ ...get('large'), body }),
      a.request({ ...get('urgent'), urgent: true }),
      a.request(get('small')),
    ]);
    assert.deepEqual(seen, ['urgent', 'small', 'large']);
    await a.shutDown();
  });

  it('hands over one frame at a time', async () => {
    const medium = new HandMade();
    let sending = 0;
    let most = 0;
    medium.onSend = async () => {
      most = Math.max(most, ++sending);
      await setImmediate();
      sending--;
    };
    const channel = channelOn(medium);
    await channel.open();
    for (let count = 0; count < 20; count++) channel.notify(get('x'));
    assert.ok(channel.queuedBytes > 0);
    while (medium.sent.length < 20) await setImmediate();
    assert.equal(most, 1);
    await channel.shutDown();
    assert.equal(channel.queuedBytes, 0);
  });

  it('keeps what is sent before it is open until then', async () => {
    const medium = new HandMade();
    const opened = deferred();
    medium.onOpen = () => opened.promise;
    const channel = channelOn(medium);
    const opening = channel.open();
    channel.notify(get('early'));
    await setImmediate();
    assert.equal(medium.sent.length, 0);
    opened.resolve();
    await opening;
    await setImmediate();
    assert.equal(medium.sent.length, 1);
    await channel.shutDown();
  });

  it('asks for a pause as long as there is a reason', async () => {
    const medium = new HandMade();
    let gate: Promise<void> | undefined;
    const channel = channelOn(medium, { readingGate: () => gate });
    await channel.open();
    assert.equal(medium.engine?.receive(utf8('')) instanceof Promise, false); // an empty frame is the end
    assert.equal(channel.isEnded, true);

    const second = new HandMade();
    const other = channelOn(second, { readingGate: () => gate });
    await other.open();
    gate = Promise.resolve();
    assert.equal(second.engine?.receive(acknowledgement()), gate);
    gate = undefined;
    assert.equal(second.engine?.receive(acknowledgement()), undefined);
    await other.shutDown();
  });
});

describe('the end of a channel', LIMIT, () => {
  it('rejects what waits for an answer, with the reason, and everything after it', async () => {
    const { a, b } = await channels({ onRequest: () => undefined });
    const waiting = a.request(get('never'));
    await setImmediate();
    void b.shutDown(new MessagingError('CONNECTION_FAILED', 'enough', { recoverable: false }));
    await assert.rejects(waiting, { code: 'BLIP_CLOSED', retryable: true });
    const reason = await a.ended;
    assert.deepEqual([reason?.code, reason?.recoverable], ['CONNECTION_FAILED', false]);
    await assert.rejects(a.request(get('late')), { code: 'BLIP_CLOSED' });
    a.notify(get('late'));
    assert.equal(a.queuedBytes, 0);
    await a.shutDown();
  });

  it('is the same whoever begins it, however often, and closes the medium once', async () => {
    const medium = new HandMade();
    const channel = channelOn(medium);
    await channel.open();
    medium.engine?.close();
    medium.engine?.close(new MessagingError('CONNECTION_LOST', 'too late', { recoverable: true }));
    await Promise.all([channel.shutDown(), channel.shutDown()]);
    assert.equal(await channel.ended, undefined);
    assert.deepEqual(medium.closes, [undefined]);
  });

  it('waits for the medium to let go, however it began', async () => {
    const medium = new HandMade();
    const closed = deferred();
    medium.onClose = () => closed.promise;
    const channel = channelOn(medium);
    await channel.open();
    medium.engine?.close();
    let isDown = false;
    const down = channel.shutDown().then(() => (isDown = true));
    await setImmediate();
    assert.equal(isDown, false);
    closed.resolve();
    await down;
  });

  it('is not disturbed by a medium that fails to close', async () => {
    for (const onClose of [
      () => Promise.reject(new Error('stuck')),
      () => {
        throw new Error('stuck');
      },
    ]) {
      const medium = new HandMade();
      medium.onClose = onClose;
      const channel = channelOn(medium);
      await channel.open();
      medium.engine?.close();
      await channel.shutDown();
      await setImmediate();
      assert.deepEqual(channel.lines, ['warning network closing a connection failed: stuck']);
    }
  });

  it('comes with 1011 where the peer breaks the rules of BLIP, or the handler throws', async () => {
    for (const [message, code] of [
      [new Uint8Array([1]), 'BLIP_FRAME_INVALID'],
      [new Uint8Array(0), 'BLIP_FRAME_INVALID'],
      [Buffer.from('0200', 'hex'), 'BLIP_FRAME_INVALID'],
      ['text', 'ARGUMENT_INVALID'],
      [undefined, 'CONNECTION_FAILED'],
      [new ArrayBuffer(8), 'ARGUMENT_INVALID'],
    ] as [Message, string][]) {
      const medium = new HandMade();
      const channel = channelOn(medium);
      await channel.open();
      void medium.engine?.receive(message);
      const reason = await channel.ended;
      assert.deepEqual([reason?.code, reason?.closeCode, reason?.recoverable], [code, 1011, false]);
      assert.equal(medium.closes.length, 1);
    }
    const { a, b } = await channels({
      onRequest: () => {
        throw new TypeError('a bug');
      },
    });
    const request = a.request(get('x'));
    await assert.rejects(request, { code: 'BLIP_CLOSED' });
    assert.equal((await b.ended)?.code, 'CONNECTION_FAILED');
    assert.equal((await a.ended)?.closeCode, 1011);
    await a.shutDown();
  });

  it('is what the medium says it is, and passing where it does not say', async () => {
    const lasting = new MessagingError('CONNECTION_FAILED', 'no such radio', { recoverable: false });
    for (const [error, code, recoverable] of [
      [lasting, 'CONNECTION_FAILED', false],
      [new Error('the radio is busy'), 'CONNECTION_INTERRUPTED', true],
      ['busy', 'CONNECTION_INTERRUPTED', true],
    ] as const) {
      const opening = new HandMade();
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a transport may throw anything
      opening.onOpen = () => Promise.reject(error);
      const unopened = channelOn(opening);
      await assert.rejects(unopened.open(), { code });
      assert.equal((await unopened.ended)?.recoverable, recoverable);

      const sending = new HandMade();
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a transport may throw anything
      sending.onSend = () => Promise.reject(error);
      const unsent = channelOn(sending);
      await unsent.open();
      unsent.notify(get('x'));
      const reason = await unsent.ended;
      assert.deepEqual([reason?.code, reason?.recoverable], [code, recoverable]);

      const ending = new HandMade();
      const ended = channelOn(ending);
      await ended.open();
      ending.engine?.close(error as MessagingError);
      assert.equal((await ended.ended)?.recoverable, recoverable);
    }
  });

  it('is a lost connection where sending finds that it is not open any more', async () => {
    const medium = new HandMade();
    medium.onSend = () =>
      Promise.reject(new MessagingError('CONNECTION_NOT_OPEN', 'send: closed', { recoverable: false }));
    const channel = channelOn(medium);
    await channel.open();
    channel.notify(get('x'));
    const reason = await channel.ended;
    assert.deepEqual([reason?.code, reason?.recoverable], ['CONNECTION_LOST', true]);
  });

  it('may come before it is open', async () => {
    const medium = new HandMade();
    medium.onOpen = () => new Promise(() => undefined);
    const channel = channelOn(medium);
    void channel.open();
    await channel.shutDown();
    assert.equal(channel.isEnded, true);
    assert.equal(medium.closes.length, 1);
  });
});

/** An acknowledgement of a message that was never sent: the one frame that means nothing. */
function acknowledgement(): Uint8Array {
  return Uint8Array.of(9, 0x34, 1);
}
