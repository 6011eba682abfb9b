import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '../../src/base/index.js';
import {
  faulty,
  loopbackPair,
  MessagingError,
  type FaultOptions,
  type LoopbackPair,
  type MessageEndpointConnection,
} from '../../src/endpoint/index.js';
import { ConnectionRecorder } from '../conformance/index.js';
import { VirtualClock } from '../support/virtual-clock.js';

const SEED = 77;

interface Bench {
  readonly clock: VirtualClock;
  readonly near: MessageEndpointConnection;
  readonly atNear: ConnectionRecorder;
  readonly far: MessageEndpointConnection;
  readonly atFar: ConnectionRecorder;
  readonly pair: LoopbackPair;
}

async function bench(faults: Partial<FaultOptions>): Promise<Bench> {
  const clock = new VirtualClock();
  const pair = loopbackPair({ clock, highWaterMark: 1_000_000 });
  const near = faulty(pair.a, { random: seededRandom(SEED), clock, ...faults });
  const [atNear, atFar] = [new ConnectionRecorder(), new ConnectionRecorder()];
  await Promise.all([atNear.open(near), atFar.open(pair.b)]);
  return { clock, near, atNear, far: pair.b, atFar, pair };
}

/** Sends 1,000 numbered messages of 20 bytes and returns the numbers as they arrive. */
async function sendNumbered({ near, atFar, clock }: Bench, count = 1_000): Promise<number[]> {
  for (let number = 0; number < count; number++) {
    const message = new Uint8Array(20);
    new DataView(message.buffer).setUint32(0, number);
    await clock.runUntil(near.send(message));
  }
  await clock.runUntilIdle();
  return atFar.messages.map((message) => new DataView(message.buffer, message.byteOffset).getUint32(0));
}

const inOrder = (numbers: readonly number[]): boolean =>
  numbers.every((number, index) => index === 0 || number >= (numbers[index - 1] ?? 0));

describe('faulty: misuse', () => {
  for (const faults of [
    { drop: 2 },
    { corrupt: -0.1 },
    { duplicate: NaN },
    { delay: { chance: 1, minMs: 5, maxMs: 4 } },
  ]) {
    test(`refuses ${JSON.stringify(faults)}`, async () => {
      await assert.rejects(bench(faults), { code: 'ARGUMENT_INVALID' });
    });
  }

  test('refuses an unknown fault by name', async () => {
    await assert.rejects(bench({ explode: 1 } as never), { code: 'OPTION_UNKNOWN', message: /explode/ });
  });
});

describe(`faulty (seed ${SEED})`, () => {
  test('drops as often as asked', async () => {
    const numbers = await sendNumbered(await bench({ drop: 0.2 }));
    assert.ok(numbers.length > 740 && numbers.length < 860, `${numbers.length} arrived`);
    assert.ok(inOrder(numbers));
  });

  test('repeats the same run for the same seed', async () => {
    const faults = { drop: 0.1, duplicate: 0.1, corrupt: 0.1, truncate: 0.1 };
    const runs = [await bench(faults), await bench(faults)];
    for (const run of runs) {
      for (let number = 0; number < 200; number++) await run.near.send(new Uint8Array(20).fill(number));
      await run.clock.advance(0);
    }
    assert.deepEqual(runs[0]?.atFar.messages, runs[1]?.atFar.messages);
  });

  test('duplicates, and the copies are apart in memory', async () => {
    const run = await bench({ duplicate: 1 });
    await run.near.send(Uint8Array.of(1));
    await run.atFar.untilMessages(2);
    run.atFar.messages[0]?.fill(9);
    assert.deepEqual(run.atFar.messages[1], Uint8Array.of(1));
  });

  test('flips one bit of a message, in a copy', async () => {
    const run = await bench({ corrupt: 1 });
    const message = Buffer.alloc(50);
    await run.near.send(message);
    await run.atFar.untilMessages(1);
    const bits = [...(run.atFar.messages[0] ?? [])].reduce(
      (sum, byte) => sum + byte.toString(2).replaceAll('0', '').length,
      0,
    );
    assert.equal(bits, 1);
    assert.ok(message.every((byte) => byte === 0));
  });

  test('truncates', async () => {
    const run = await bench({ truncate: 1 });
    await run.near.send(new Uint8Array(50));
    await run.atFar.untilMessages(1);
    assert.ok((run.atFar.messages[0]?.length ?? 50) < 50);
  });

  test('delays without changing the order', async () => {
    const run = await bench({ delay: { chance: 0.3, minMs: 10, maxMs: 50 } });
    const numbers = await sendNumbered(run, 100);
    assert.deepEqual(
      numbers,
      Array.from({ length: 100 }, (_, index) => index),
    );
    assert.ok(run.clock.monotonic() > 300);
  });

  test('re-orders and loses nothing', async () => {
    const run = await bench({ reorder: { chance: 0.3, minMs: 10, maxMs: 50 } });
    const numbers = await sendNumbered(run, 100);
    assert.equal(numbers.length, 100);
    assert.equal(inOrder(numbers), false);
    assert.equal(new Set(numbers).size, 100);
  });

  test('spoils only the direction it is told to', async () => {
    for (const [direction, atFar, atNear] of [
      ['send', 0, 1],
      ['receive', 1, 0],
      ['both', 0, 0],
    ] as const) {
      const run = await bench({ drop: 1, direction });
      await run.near.send(Uint8Array.of(1));
      await run.far.send(Uint8Array.of(2));
      await run.clock.advance(0);
      assert.deepEqual([run.atFar.messages.length, run.atNear.messages.length], [atFar, atNear], direction);
    }
  });

  test('cuts the link after the messages it was told, and says so once', async () => {
    const run = await bench({ cutAfter: 3 });
    for (let count = 0; count < 3; count++) await run.near.send(Uint8Array.of(count));
    await assert.rejects(run.near.send(Uint8Array.of(3)), { code: 'CONNECTION_LOST', recoverable: true });
    await assert.rejects(run.near.send(Uint8Array.of(4)), { code: 'CONNECTION_LOST' });
    await run.clock.advance(0);
    assert.deepEqual(
      run.atNear.closes.map((error) => error?.code),
      ['CONNECTION_LOST'],
    );
    assert.equal(run.atFar.closes.length, 1);
    await run.near.close();
    assert.equal(run.atNear.closes.length, 1);
  });

  test('cuts on the way in with the error it was given', async () => {
    const error = new MessagingError('CONNECTION_FAILED', 'bad radio', { recoverable: false });
    const run = await bench({ cutAfter: 1, cutWith: error, direction: 'receive' });
    await run.near.send(Uint8Array.of(1));
    await run.far.send(Uint8Array.of(1));
    await run.far.send(Uint8Array.of(2));
    assert.equal(await run.atNear.untilClosed(), error);
    assert.equal(run.atNear.messages.length, 1);
  });

  test('fails open with the error it was given, and connects nothing', async () => {
    const error = new MessagingError('CONNECTION_INTERRUPTED', 'not yet', { recoverable: true });
    const { a } = loopbackPair();
    const recorder = new ConnectionRecorder();
    const near = faulty(a, { random: seededRandom(SEED), failOpen: error });
    await assert.rejects(recorder.open(near), (thrown) => thrown === error);
    await near.close();
    assert.deepEqual(recorder.closes, []);
  });

  test('fails the send it was told, and only that', async () => {
    const error = new MessagingError('CONNECTION_INTERRUPTED', 'hiccup', { recoverable: true });
    const run = await bench({ failSend: { after: 1, error } });
    await run.near.send(Uint8Array.of(1));
    await assert.rejects(run.near.send(Uint8Array.of(2)), (thrown) => thrown === error);
    await run.near.send(Uint8Array.of(3));
    await run.atFar.untilMessages(2);
    assert.deepEqual(run.atFar.messages, [Uint8Array.of(1), Uint8Array.of(3)]);
  });

  test('delivers what it delays before an orderly end, and drops it with an error', async () => {
    for (const [error, arrived] of [
      [undefined, 1],
      [new MessagingError('CONNECTION_FAILED', 'stop', { recoverable: false }), 0],
    ] as const) {
      const run = await bench({ delay: { chance: 1, minMs: 1_000, maxMs: 1_000 } });
      const outcome = run.near.send(Uint8Array.of(1)).then(
        () => 'sent',
        (thrown: MessagingError) => thrown.code,
      );
      await run.clock.runUntil(run.near.close(error));
      await assert.rejects(run.near.send(Uint8Array.of(2)), { code: 'CONNECTION_NOT_OPEN' });
      assert.equal(await outcome, error === undefined ? 'sent' : 'CONNECTION_NOT_OPEN');
      await run.atFar.untilClosed();
      assert.equal(run.atFar.messages.length, arrived);
      assert.equal(run.clock.pendingTimers, 0);
    }
  });
});
