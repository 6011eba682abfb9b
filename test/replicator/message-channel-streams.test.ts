import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { deferred, seededRandom } from '../../src/base/index.js';
import { BlipConnection, type IncomingRequest } from '../../src/blip/index.js';
import { loopbackPair, type Message, type MessageEndpointConnection } from '../../src/endpoint/index.js';
import { MessageChannel, type MessageChannelOptions } from '../../src/replicator/message-channel.js';
import { ack, ACKRPY, COMPRESSED, MORE, MSG, payload, RawReceiver, RawSender, RPY } from '../blip/raw-peer.js';
import { memoryLogger } from '../support/memory-logger.js';

const LIMIT = { timeout: 120_000 };
const MIB = 1024 * 1024;
const get = (profile = 'get') => ({ properties: { Profile: profile } });

type Answer = (request: IncomingRequest, channel: MessageChannel) => void;

/** Two open channels: the first asks, the second answers. */
async function channels(answer: Answer = () => undefined) {
  const { a, b, cut } = loopbackPair();
  const open = (connection: MessageEndpointConnection, options: Partial<MessageChannelOptions>): MessageChannel =>
    new MessageChannel({ connection, logger: memoryLogger(), onRequest: () => undefined, ...options });
  const asking = open(a, {});
  const answering: MessageChannel = open(b, { onRequest: (request) => answer(request, answering) });
  await Promise.all([asking.open(), answering.open()]);
  return { asking, answering, cut };
}

/** A source that counts what was taken of it, and tells when it was let go of. */
class Source implements AsyncIterable<Uint8Array> {
  taken = 0;
  isClosed = false;
  readonly #size: number;
  readonly #piece: number;
  readonly #failsAt: number;

  constructor(size: number, { piece = 64 * 1024, failsAt = Infinity } = {}) {
    this.#size = size;
    this.#piece = piece;
    this.#failsAt = failsAt;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    const noise = seededRandom(11).bytes(this.#piece);
    try {
      for (; this.taken < this.#size;) {
        if (this.taken >= this.#failsAt) throw new Error('the disk failed');
        await setImmediate();
        // No two pieces are the same, and none gets smaller.
        const bytes = Buffer.from(noise.subarray(0, Math.min(this.#piece, this.#size - this.taken)));
        bytes.fill(String(this.taken), 0, 8);
        this.taken += bytes.length;
        yield bytes;
      }
    } finally {
      this.isClosed = true;
    }
  }
}

async function hashOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha1');
  for await (const piece of body) hash.update(piece);
  return hash.digest('hex');
}

/** Runs until something is so. */
async function until(reached: () => boolean): Promise<void> {
  while (!reached()) await setImmediate();
}

describe('a body that is read while it comes', LIMIT, () => {
  it('may be of any size: 64 MiB take less than 1 MiB of memory on both sides', async () => {
    const source = new Source(64 * MIB);
    const sends: Promise<void>[] = [];
    const { asking } = await channels((request, channel) =>
      sends.push(channel.respondStream(request, { properties: { kind: 'large' } }, source)),
    );
    const { response, body } = await asking.requestStream(get(), { maxBytes: 64 * MIB });
    assert.equal(response.properties.get('kind'), 'large');
    const hash = createHash('sha1');
    let received = 0;
    let most = 0;
    for await (const piece of body) {
      hash.update(piece);
      received += piece.length;
      most = Math.max(most, source.taken - received);
    }
    assert.equal(received, 64 * MIB);
    assert.ok(most < MIB, `${most} bytes were under way`);
    assert.equal(hash.digest('hex'), await hashOf(new Source(64 * MIB)));
    await sends[0];
    assert.equal(source.isClosed, true);
    await asking.shutDown();
  });

  it('stops where the reader stops, and holds up nothing else', async () => {
    const source = new Source(8 * MIB);
    const { asking } = await channels((request, channel) => {
      if (request.properties.get('Profile') === 'get')
        void channel.respondStream(request, { properties: {}, compressed: true }, source);
      else channel.respond(request);
    });
    const { body } = await asking.requestStream(get(), { maxBytes: 8 * MIB });
    const iterator = body[Symbol.asyncIterator]();
    await iterator.next();
    for (let count = 0; count < 300; count++) await asking.request(get('other'));
    assert.ok(source.taken <= 128_000 + 3 * 64 * 1024, `${source.taken} bytes were taken of the source`);
    let received = 0;
    for await (const piece of body) received += piece.length;
    assert.ok(received > 7 * MIB);
    assert.equal(source.taken, 8 * MIB);
    await asking.shutDown();
  });

  for (const leave of ['break', 'throw', 'discard', 'nothing'] as const) {
    it(`may be given up by ${leave}: the rest is thrown away and the channel goes on`, async () => {
      const source = new Source(2 * MIB);
      const sends: Promise<void>[] = [];
      const { asking, answering } = await channels((request, channel) =>
        sends.push(channel.respondStream(request, { properties: {} }, source)),
      );
      const { body } = await asking.requestStream(get(), { maxBytes: 2 * MIB });
      if (leave === 'discard') body.discard();
      else {
        await assert.rejects(async () => {
          for await (const piece of body) {
            if (leave === 'break') break;
            if (leave === 'throw') throw new Error(`had enough after ${piece.length}`);
            await body.return();
          }
          throw new Error('left');
        }, /left|had enough/);
      }
      await sends[0];
      assert.deepEqual([source.taken, answering.queuedMessages], [2 * MIB, 0]);
      assert.deepEqual(await body.next(), { done: true, value: undefined });
      await asking.shutDown();
    });
  }

  it('is empty where the answer is an error', async () => {
    const { asking } = await channels((request, channel) =>
      channel.respond(request, { error: { domain: 'HTTP', code: 404, message: 'none' } }),
    );
    const { response, body } = await asking.requestStream(get(), { maxBytes: 1 });
    assert.deepEqual(response.error, { domain: 'HTTP', code: 404, message: 'none' });
    for await (const piece of body) assert.fail(`${piece.length} bytes`);
    await asking.shutDown();
  });

  it('may be an answer that was not made as a stream, an empty one too', async () => {
    const { asking } = await channels((request, channel) =>
      channel.respond(request, { properties: {}, body: request.body }),
    );
    for (const size of [0, 1, 300_000]) {
      const { body } = await asking.requestStream({ ...get(), body: new Uint8Array(size) }, { maxBytes: size });
      let received = 0;
      for await (const piece of body) received += piece.length;
      assert.equal(received, size);
    }
    await asking.shutDown();
  });

  it('ends the connection if it is longer than it may be', async () => {
    const { asking } = await channels((request, channel) => {
      channel.respondStream(request, { properties: {} }, new Source(100 * MIB)).catch(() => undefined);
    });
    const { body } = await asking.requestStream(get(), { maxBytes: 100_000 });
    body.discard();
    const reason = await asking.ended;
    assert.deepEqual([reason?.code, reason?.closeCode], ['BLIP_MESSAGE_TOO_LARGE', 1011]);
  });

  it('is read by one loop', async () => {
    const { asking } = await channels((request, channel) => {
      channel.respondStream(request, { properties: {} }, never()).catch(() => undefined);
    });
    const { body } = await asking.requestStream(get(), { maxBytes: 10 });
    assert.equal((await body.next()).done, false);
    const waiting = body.next();
    await assert.rejects(body.next(), { code: 'ARGUMENT_INVALID' });
    body.discard();
    assert.equal((await waiting).done, true);
    await asking.shutDown();
  });

  it('stops the reading where little on the wire is much in memory', async () => {
    const medium = new Medium();
    const channel = new MessageChannel({ connection: medium, logger: memoryLogger(), onRequest: () => undefined });
    await channel.open();
    const asked = channel.requestStream(get(), { maxBytes: 100 * MIB });
    await until(() => medium.sent.length > 0);
    const peer = new RawSender();
    const zeros = new Uint8Array(600_000);
    assert.equal(channel.receive(peer.frame(1, RPY | COMPRESSED | MORE, payload({}, zeros))), undefined);
    const gate = channel.receive(peer.frame(1, RPY | COMPRESSED | MORE, zeros));
    assert.ok(gate instanceof Promise);
    let isOpen = false;
    void gate.then(() => (isOpen = true));
    const { body } = await asked;
    await body.next();
    await setImmediate();
    assert.equal(isOpen, false);
    await body.next();
    await setImmediate();
    assert.equal(isOpen, false, 'the second piece is still in hand');
    const third = body.next();
    await gate;
    assert.equal(channel.receive(peer.frame(1, RPY, Buffer.alloc(0))), undefined);
    assert.equal((await third).done, true);
    await channel.shutDown();
  });
});

describe('the end of a connection', LIMIT, () => {
  it('ends the waiting for a stream, its loop, and its source', async () => {
    const source = new Source(50 * MIB);
    const sends: Promise<void>[] = [];
    const { asking, cut } = await channels((request, channel) => {
      if (request.properties.get('Profile') === 'get')
        sends.push(channel.respondStream(request, { properties: {} }, source));
    });
    const unanswered = asking.requestStream(get('unanswered'), { maxBytes: 1 });
    const { body } = await asking.requestStream(get(), { maxBytes: 50 * MIB });
    const sending = assert.rejects(Promise.all(sends), { code: 'BLIP_CLOSED' });
    const reading = assert.rejects(
      async () => {
        for await (const piece of body) if (source.taken > MIB && piece.length > 0) cut();
      },
      { code: 'BLIP_CLOSED' },
    );
    await Promise.all([sending, reading, assert.rejects(unanswered, { code: 'BLIP_CLOSED' })]);
    assert.equal(source.isClosed, true);
    await assert.rejects(asking.requestStream(get(), { maxBytes: 1 }), { code: 'BLIP_CLOSED' });
  });

  it('is no harm to what came whole before it', async () => {
    const { asking, cut } = await channels((request, channel) => {
      channel.respondStream(request, { properties: {} }, new Source(1_000)).catch(() => undefined);
    });
    const { body } = await asking.requestStream(get(), { maxBytes: 1_000 });
    await until(() => asking.traffic.received > 1_000);
    await setImmediate();
    cut();
    await asking.ended;
    let received = 0;
    for await (const piece of body) received += piece.length;
    assert.equal(received, 1_000);
  });
});

describe('a connection that ends at any point', LIMIT, () => {
  const content = seededRandom(2).bytes(10_000);
  const message = payload({ a: 'b' }, content);

  it('gives the whole body or an error, never less', async () => {
    const sizes = [1, 3, 2, 0, 5_000, 1, 4_000];
    for (let delivered = 0; delivered <= sizes.length + 1; delivered++) {
      const medium = new Medium();
      const channel = new MessageChannel({ connection: medium, logger: memoryLogger(), onRequest: () => undefined });
      await channel.open();
      const read = channel.requestStream(get(), { maxBytes: 10_000 }).then(async ({ body }) => {
        const pieces: Uint8Array[] = [];
        for await (const piece of body) pieces.push(piece);
        return Buffer.concat(pieces);
      });
      const settled = Promise.allSettled([read]);
      await until(() => medium.sent.length > 0);
      // A properties length of one byte has to be in the first frame.
      for (const frame of new RawSender().frames(1, RPY, message, sizes).slice(0, delivered))
        void channel.receive(frame);
      channel.close();
      const [outcome] = await settled;
      if (outcome.status === 'fulfilled') {
        assert.equal(delivered, sizes.length + 1);
        assert.ok(outcome.value.equals(content));
      } else {
        assert.ok(delivered <= sizes.length, `after ${delivered} frames`);
        assert.equal(outcome.reason.code, 'BLIP_CLOSED');
      }
    }
  });

  it('ends the sending, and lets go of the source', async () => {
    for (let taken = 0; taken < 20; taken++) {
      const medium = new Medium();
      const source = new Source(200_000, { piece: 30_000 });
      let sending: Promise<void> | undefined;
      const channel: MessageChannel = new MessageChannel({
        connection: medium,
        logger: memoryLogger(),
        onRequest: (request) => {
          sending = channel.respondStream(request, { properties: {} }, source);
        },
      });
      await channel.open();
      void channel.receive(new RawSender().frame(1, MSG, payload({})));
      // Without acknowledgements there are eight large frames, and some smaller ones.
      for (let turn = 0; medium.sent.length < taken && turn < 50; turn++) await setImmediate();
      channel.close();
      await assert.rejects(sending ?? Promise.resolve(), { code: 'BLIP_CLOSED' });
      assert.deepEqual([source.isClosed || source.taken === 0, channel.queuedMessages], [true, 0]);
    }
  });
});

describe('a source that fails', LIMIT, () => {
  it('before its first piece leaves the request to be answered', async () => {
    const { asking } = await channels((request, channel) => {
      channel.respondStream(request, { properties: {} }, new Source(10, { failsAt: 0 })).catch((error: Error) => {
        channel.respond(request, { error: { domain: 'POSIX', code: 5, message: error.message } });
      });
    });
    const { response } = await asking.requestStream(get(), { maxBytes: 10 });
    assert.deepEqual(response.error, { domain: 'POSIX', code: 5, message: 'the disk failed' });
    await asking.shutDown();
  });

  it('later ends the connection, so that nobody takes a part for the whole', async () => {
    const source = new Source(MIB, { failsAt: 300_000 });
    const sends: Promise<void>[] = [];
    const { asking, answering } = await channels((request, channel) =>
      sends.push(channel.respondStream(request, { properties: {} }, source)),
    );
    const { body } = await asking.requestStream(get(), { maxBytes: MIB });
    const failed = assert.rejects(Promise.all(sends), /the disk failed/);
    await assert.rejects(hashOf(body), { code: 'BLIP_CLOSED' });
    await failed;
    const reason = await answering.ended;
    assert.deepEqual(
      [reason?.code, reason?.recoverable, reason?.closeCode, source.isClosed],
      ['CONNECTION_INTERRUPTED', true, 4001, true],
    );
  });

  it('is not even begun where no answer is wanted', async () => {
    const source = new Source(10);
    const { asking, answering } = await channels((request, channel) => {
      void channel.respondStream(request, { properties: {} }, source).then(() => channel.shutDown());
    });
    asking.notify(get());
    await answering.ended;
    assert.equal(source.taken, 0);
  });
});

describe('a peer that asks and reads no answer', LIMIT, () => {
  for (const [what, count, size] of [
    ['messages', 20_001, 0],
    ['bytes', 130, 512 * 1024],
  ] as const) {
    it(`is given up after so many ${what}`, async () => {
      const medium = new Medium();
      const body = new Uint8Array(size);
      const channel = new MessageChannel({
        connection: medium,
        logger: memoryLogger(),
        onRequest: (request) => channel.respond(request, { properties: { answer: 'yes' }, body }),
      });
      await channel.open();
      medium.isStuck = true;
      const peer = new BlipConnection();
      let asked = 0;
      for (; asked < count + 10 && !channel.isEnded; asked++) {
        peer.sendRequest({ properties: { Profile: 'x' } });
        void channel.receive(peer.pollFrame() as Uint8Array);
      }
      assert.ok(asked >= count - 2 && asked <= count + 2, `after ${asked}`);
      const reason = await channel.ended;
      assert.deepEqual([reason?.code, reason?.closeCode, channel.queuedMessages], ['BLIP_BUFFER_FULL', 1011, 0]);
    });
  }
});

it('a stream goes out while the peer acknowledges it, and not a byte further', LIMIT, async () => {
  const medium = new Medium();
  const source = new Source(MIB);
  const channel: MessageChannel = new MessageChannel({
    connection: medium,
    logger: memoryLogger(),
    onRequest: (request) => void channel.respondStream(request, { properties: {} }, source),
  });
  await channel.open();
  void channel.receive(new RawSender().frame(1, MSG, payload({})));
  const receiver = new RawReceiver();
  let total = 0;
  let content = 0;
  for (let isLast = false; !isLast;) {
    await until(() => medium.sent.length > 0 || channel.queuedBytes >= 64 * 1024);
    for (const frame of medium.sent.splice(0).map((message) => receiver.read(message))) {
      total += frame.wireLength;
      content += frame.content.length;
      isLast = !frame.more;
    }
    assert.ok(source.taken - content <= 128 * 1024 + 1);
    void channel.receive(ack(ACKRPY, 1, total));
  }
  assert.equal(content, MIB + 1);
  await channel.shutDown();
});

/** A medium that takes everything, or nothing. */
class Medium implements MessageEndpointConnection {
  readonly sent: Message[] = [];
  isStuck = false;

  open(): Promise<void> {
    return Promise.resolve();
  }

  send(message: Message): Promise<void> {
    this.sent.push(message);
    return this.isStuck ? deferred().promise : Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

async function* never(): AsyncGenerator<Uint8Array> {
  yield Uint8Array.of(1);
  await deferred().promise;
}
