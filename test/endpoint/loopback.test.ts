import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '../../src/base/index.js';
import {
  loopbackByteStreamPair,
  loopbackPair,
  type LoopbackOptions,
  type LoopbackPair,
} from '../../src/endpoint/index.js';
import { ConnectionRecorder } from '../conformance/index.js';
import { VirtualClock } from '../support/virtual-clock.js';

async function open(
  { a, b }: LoopbackPair,
  clock?: VirtualClock,
): Promise<{ atA: ConnectionRecorder; atB: ConnectionRecorder }> {
  const atA = new ConnectionRecorder();
  const atB = new ConnectionRecorder();
  const opening = Promise.all([atA.open(a), atB.open(b)]);
  await (clock === undefined ? opening : clock.runUntil(opening));
  return { atA, atB };
}

describe('loopbackPair: misuse', () => {
  for (const options of [{ latencyMs: -1 }, { maxMessageSize: 0 }, { highWaterMark: -1 }, { latencyMs: 0.5 }]) {
    test(`refuses ${JSON.stringify(options)}`, () => {
      assert.throws(() => loopbackPair(options), { code: 'ARGUMENT_INVALID' });
    });
  }

  test('refuses an unknown option by name', () => {
    assert.throws(() => loopbackPair({ latency: 5 } as LoopbackOptions), {
      code: 'OPTION_UNKNOWN',
      message: /latency/,
    });
    assert.throws(() => loopbackByteStreamPair({ random: seededRandom(1), chunk: 5 } as never), {
      code: 'OPTION_UNKNOWN',
    });
    assert.throws(() => loopbackByteStreamPair({ random: seededRandom(1), maxChunkSize: 0 }), {
      code: 'ARGUMENT_INVALID',
    });
  });
});

describe('loopbackPair', () => {
  test('never delivers inside the call that sends', async () => {
    const pair = loopbackPair();
    const { atB } = await open(pair);
    const sent = pair.a.send(Uint8Array.of(1));
    assert.equal(atB.messages.length, 0);
    await sent;
    await atB.untilMessages(1);
  });

  test('shares no memory between its ends, whatever kind of bytes is sent', async () => {
    const pair = loopbackPair();
    const { atB } = await open(pair);
    const message = Buffer.from('keep me');
    await pair.a.send(message);
    await atB.untilMessages(1);
    atB.messages[0]?.fill(0);
    assert.equal(message.toString(), 'keep me');
  });

  test('takes its latency for opening, for each message and for the goodbye', async () => {
    const clock = new VirtualClock();
    const pair = loopbackPair({ clock, latencyMs: 40 });
    const { atB } = await open(pair, clock);
    assert.equal(clock.monotonic(), 40);
    await pair.a.send(Uint8Array.of(1));
    await clock.advance(10);
    await pair.a.send(Uint8Array.of(2));
    await clock.advance(29);
    assert.equal(atB.messages.length, 0);
    await clock.advance(1);
    assert.equal(atB.messages.length, 1);
    const closing = pair.a.close();
    await clock.advance(10);
    assert.equal(atB.messages.length, 2);
    await clock.advance(29);
    assert.equal(atB.closes.length, 0);
    await clock.advance(1);
    assert.equal(atB.closes.length, 1);
    await closing;
    assert.equal(clock.pendingTimers, 0);
  });

  test('waits for every message with a high-water mark of 0', async () => {
    const clock = new VirtualClock();
    const pair = loopbackPair({ clock, highWaterMark: 0 });
    const { atB } = await open(pair);
    atB.pause();
    let isSent = false;
    const sending = pair.a.send(Uint8Array.of(1)).then(() => (isSent = true));
    await clock.advance(1_000);
    assert.equal(isSent, false);
    atB.resume();
    await sending;
  });

  test('bounds what is on its way by the high-water mark and one message', async () => {
    const clock = new VirtualClock();
    const pair = loopbackPair({ clock, highWaterMark: 1_000 });
    const { atB } = await open(pair);
    atB.pause();
    let sent = 0;
    const sends = Array.from({ length: 50 }, () => pair.a.send(new Uint8Array(36)).then(() => sent++)); // 100 with its cost
    await clock.advance(1_000);
    assert.equal(sent, 10);
    atB.resume();
    await Promise.all(sends);
    await atB.untilMessages(50);
  });

  test('gives up an orderly end after five seconds when the other end takes nothing', async () => {
    const clock = new VirtualClock();
    const pair = loopbackPair({ clock, highWaterMark: 0 });
    const { atB } = await open(pair);
    atB.pause();
    const send = assert.rejects(pair.a.send(Uint8Array.of(1)), { code: 'CONNECTION_NOT_OPEN' });
    await clock.runUntil(pair.a.close());
    await send;
    assert.equal(clock.monotonic(), 5_000);
    atB.resume();
    assert.equal((await atB.untilClosed())?.code, 'CONNECTION_LOST');
  });

  test('reports CONNECTION_LOST at both ends when it is cut', async () => {
    const pair = loopbackPair();
    const { atA, atB } = await open(pair);
    pair.cut();
    for (const recorder of [atA, atB]) assert.equal((await recorder.untilClosed())?.code, 'CONNECTION_LOST');
  });

  test('refuses to be opened twice', async () => {
    const pair = loopbackPair();
    await open(pair);
    await assert.rejects(new ConnectionRecorder().open(pair.a), { code: 'CONNECTION_NOT_OPEN' });
    await pair.a.close();
  });

  test('refuses a message that is no Uint8Array', async () => {
    const pair = loopbackPair();
    await open(pair);
    await assert.rejects(pair.a.send('text' as never), { code: 'ARGUMENT_INVALID' });
    await pair.a.close();
  });
});

describe('loopbackByteStreamPair', () => {
  test('delivers the same bytes in other pieces, the same for the same seed', async () => {
    const run = async (seed: number): Promise<{ sizes: number[]; whole: Buffer }> => {
      const pair = loopbackByteStreamPair({ random: seededRandom(seed), maxChunkSize: 40 });
      const { atB } = await open(pair);
      for (let size = 1; size <= 60; size++) await pair.a.send(new Uint8Array(size).fill(size));
      await pair.a.close();
      await atB.untilClosed();
      return { sizes: atB.messages.map((chunk) => chunk.length), whole: Buffer.concat(atB.messages) };
    };
    const expected = Buffer.concat(Array.from({ length: 60 }, (_, index) => Buffer.alloc(index + 1, index + 1)));
    const first = await run(1);
    assert.ok(first.whole.equals(expected));
    assert.ok(first.sizes.every((size) => size <= 40));
    assert.ok(new Set(first.sizes).size > 10, `sizes ${first.sizes.join(' ')}`);
    assert.deepEqual((await run(1)).sizes, first.sizes);
    assert.notDeepEqual((await run(2)).sizes, first.sizes);
  });

  test('joins what comes in the same turn', async () => {
    const pair = loopbackByteStreamPair({ random: { next: () => 0.999, bytes: () => new Uint8Array(0) } });
    const { atB } = await open(pair);
    await Promise.all([1, 2, 3].map((byte) => pair.a.send(Uint8Array.of(byte))));
    await atB.until('three bytes', () => atB.receivedBytes === 3);
    assert.ok(atB.messages.length < 3, `${atB.messages.length} chunks`);
  });
});
