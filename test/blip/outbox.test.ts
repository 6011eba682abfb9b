import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '../../src/base/index.js';
import { BlipConnection } from '../../src/blip/index.js';
import { drain, exchange, onlyRequest } from './drive.js';
import {
  COMPRESSED,
  MORE,
  MSG,
  NOREPLY,
  payload,
  type RawFrame,
  RawReceiver,
  RawSender,
  RPY,
  URGENT,
} from './raw-peer.js';

/** A connection to queue messages in by name, and a reader of what it sends. */
class Line {
  readonly connection: BlipConnection;
  readonly #receiver = new RawReceiver();
  readonly #names: string[] = [];
  readonly #sizes = new Map<string, number>();

  constructor(connection = new BlipConnection({ compressionLevel: 0 })) {
    this.connection = connection;
  }

  /** A message whose encoded size is `size`. */
  add(name: string, size: number, urgent = false): void {
    this.#sizes.set(name, size);
    const frame = payload({ name });
    this.connection.sendRequest({
      properties: { name },
      body: new Uint8Array(size - frame.length),
      urgent,
      noReply: true,
    });
  }

  next(): RawFrame | undefined {
    const frame = this.connection.pollFrame();
    return frame === undefined ? undefined : this.#receiver.read(frame);
  }

  /** The name of the message that sends the next frame: found by the number that its first frame gave it. */
  nextName(): string {
    const frame = this.next();
    assert(frame, 'a frame is there');
    if (frame.number > this.#names.length) {
      assert.equal(frame.number, this.#names.length + 1, 'numbers have no gap');
      const end = frame.content.indexOf(0, 6);
      this.#names.push(frame.content.subarray(6, end).toString());
    }
    return this.#names[frame.number - 1] ?? '';
  }

  names(count: number): string {
    return Array.from({ length: count }, () => this.nextName()).join(' ');
  }
}

const FRAME = 16_384;
/** What a plain frame of a message with a number below 128 carries. */
const PIECE = FRAME - 2 - 4;
const SMALL_PIECE = 4_096 - 2 - 4;

describe('frames', () => {
  test('are at most 16,384 bytes in all, and filled', () => {
    const line = new Line();
    line.add('a', 2 * PIECE + 1);
    const frames = [line.next(), line.next(), line.next()];
    assert.deepEqual(
      frames.map((frame) => frame?.length),
      [FRAME, FRAME, 7],
    );
    assert.deepEqual(
      frames.map((frame) => frame?.more),
      [true, true, false],
    );
    assert.equal(line.next(), undefined);
  });

  test('of a message that ends exactly with a frame are not followed by an empty one', () => {
    const line = new Line();
    line.add('a', 2 * PIECE);
    assert.deepEqual(
      [line.next(), line.next(), line.next()].map((frame) => frame?.more),
      [true, false, undefined],
    );
  });

  test('stay below the limit with long numbers too', () => {
    const connection = new BlipConnection({ compressionLevel: 0 });
    for (let number = 1; number < 16_400; number++) {
      connection.sendRequest({ properties: {}, noReply: true });
      connection.pollFrame();
    }
    connection.sendRequest({ properties: {}, body: new Uint8Array(20_000) });
    const [first, second] = drain(connection);
    assert.equal(first?.length, FRAME);
    assert(second && second.length < FRAME);
  });

  test('repeat type, urgency and "no reply"; compression is told by each for itself', () => {
    const connection = new BlipConnection();
    const receiver = new RawReceiver();
    const noise = seededRandom(5).bytes(40_000);
    connection.sendRequest({ properties: {}, body: noise, compressed: true, urgent: true, noReply: true });
    const frames = drain(connection).map((frame) => receiver.read(frame));
    const common = MSG | COMPRESSED | URGENT | NOREPLY;
    assert.deepEqual(
      frames.map(({ flags }) => flags),
      [common | MORE, common | MORE, common],
    );
    assert(frames.every(({ length }) => length <= FRAME));
    assert.deepEqual(Buffer.concat(frames.map(({ content }) => content)), payload({}, noise));
  });

  test('are memory of their own', () => {
    const connection = new BlipConnection();
    const body = Buffer.from('compressed and more than sixteen bytes');
    for (const compressed of [true, false]) connection.sendRequest({ properties: {}, body, compressed });
    const frames = drain(connection);
    const copies = frames.map((frame) => Buffer.from(frame));
    for (const frame of frames) frame.fill(0xee);
    connection.sendRequest({ properties: {}, body, compressed: true });
    const receiver = new RawReceiver();
    for (const frame of [...copies, connection.pollFrame()]) {
      assert.deepEqual(receiver.read(frame).content, payload({}, body));
    }
  });
});

describe('compression', () => {
  test('is left out where it cannot make anything smaller', () => {
    const connection = new BlipConnection();
    connection.sendRequest({ properties: {}, body: Buffer.from('tiny'), compressed: true });
    connection.sendRequest({ properties: {}, body: Buffer.from('as long as it has to be'), compressed: true });
    const flags = drain(connection).map((frame) => frame[1]);
    assert.deepEqual(flags, [MSG, MSG | COMPRESSED]);
  });

  test('never happens at level 0, nor to messages that did not ask for it', () => {
    for (const [compressionLevel, compressed] of [
      [0, true],
      [6, false],
    ] as const) {
      const connection = new BlipConnection({ compressionLevel });
      connection.sendRequest({ properties: {}, body: Buffer.alloc(1_000), compressed });
      const [frame] = drain(connection);
      assert.equal(frame?.[1], MSG);
      assert.equal(frame?.length, 2 + 1_001 + 4);
    }
  });

  test('works with every window, even where nothing gets smaller', () => {
    for (const windowBits of [9, 11, 13, 15]) {
      const [a, b] = [new BlipConnection({ windowBits, compressionLevel: 9 }), new BlipConnection()];
      const body = Buffer.concat([seededRandom(windowBits).bytes(50_000), Buffer.alloc(50_000, 'hawser ')]);
      a.sendRequest({ properties: {}, body, compressed: true });
      a.sendRequest({ properties: {}, body, compressed: true, urgent: true });
      const received = exchange(a, b).b;
      assert.equal(received.length, 2);
      for (const event of received) assert(event.type === 'request' && Buffer.from(event.request.body).equals(body));
    }
  });
});

describe('the order of frames', () => {
  test('gives normal messages turns', () => {
    const line = new Line();
    for (const name of ['a', 'b', 'c']) line.add(name, 3 * PIECE);
    assert.equal(line.names(9), 'a b c a b c a b c');
  });

  test('lets a new urgent message go before frames of a begun one, the next of which is small', () => {
    const line = new Line();
    line.add('big', 3 * PIECE);
    assert.equal(line.nextName(), 'big');
    line.add('urgent', 50, true);
    const frame = line.next();
    assert.deepEqual([frame?.number, frame?.length], [1, 4_096]);
    assert.equal(line.names(2), 'urgent big');
    assert.equal(line.next()?.content.length, 2 * PIECE - SMALL_PIECE - PIECE);
    assert.equal(line.next(), undefined);
  });

  test('does not let a new urgent message overtake one that has not begun', () => {
    const line = new Line();
    line.add('begun', 2 * PIECE);
    assert.equal(line.nextName(), 'begun');
    for (const name of ['a', 'b']) line.add(name, 50);
    line.add('urgent', 50, true);
    line.add('c', 50);
    assert.equal(line.names(5), 'begun a b urgent c');
  });

  test('puts one normal frame between urgent ones', () => {
    const line = new Line();
    for (const name of ['a', 'b', 'c']) line.add(name, 2 * PIECE);
    assert.equal(line.names(3), 'a b c');
    for (const name of ['u', 'v']) line.add(name, 50, true);
    assert.equal(line.names(5), 'a u b v c');
  });

  test('gives a long urgent message every other frame, the ones between being small', () => {
    const line = new Line();
    line.add('urgent', 3 * PIECE, true);
    line.add('normal', 2 * SMALL_PIECE + PIECE);
    assert.equal(line.nextName(), 'urgent');
    assert.equal(line.next()?.length, 4_096, 'the first frame of the normal one');
    assert.equal(line.next()?.number, 1);
    assert.equal(line.next()?.length, 4_096);
    assert.equal(line.next()?.more, false, 'the last of the urgent one');
    assert.equal(line.next()?.length, FRAME);
    assert.equal(line.next(), undefined);
  });

  test('numbers requests by their first frames, responses not at all', () => {
    const connection = new BlipConnection({ compressionLevel: 0 });
    const asked = onlyRequest(connection.receive(new RawSender().frame(1, MSG, payload({}))));
    const line = new Line(connection);
    line.add('one', 50);
    connection.sendResponse(asked);
    line.add('two', 50);
    const frames = [line.next(), line.next(), line.next()].map((frame) => [frame?.type, frame?.number]);
    assert.deepEqual(frames, [
      [MSG, 1],
      [RPY, 1],
      [MSG, 2],
    ]);
  });

  test('survives long queues', () => {
    const line = new Line();
    const names = Array.from({ length: 5_000 }, (_, index) => `m${index}`);
    for (const name of names) line.add(name, 50);
    assert.equal(line.names(3_000), names.slice(0, 3_000).join(' '));
    line.add('last', 50);
    assert.equal(line.names(2_001), [...names.slice(3_000), 'last'].join(' '));
    assert.equal(line.next(), undefined);
  });
});

describe('queuedBytes', () => {
  test('counts what is in no frame yet, before compression', () => {
    const connection = new BlipConnection();
    assert.equal(connection.queuedBytes, 0);
    connection.sendRequest({ properties: { a: 'b' }, body: Buffer.alloc(20_000), compressed: true });
    assert.equal(connection.queuedBytes, 5 + 20_000);
    connection.sendRequest({ properties: {} });
    assert.equal(connection.queuedBytes, 5 + 20_000 + 1);
    drain(connection);
    assert.equal(connection.queuedBytes, 0);
  });

  test('falls with every frame', () => {
    const line = new Line();
    line.add('a', 3 * PIECE);
    for (const left of [2, 1, 0]) {
      line.next();
      assert.equal(line.connection.queuedBytes, left * PIECE);
    }
  });
});
