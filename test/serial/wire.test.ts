/** The pace, the damage and the collisions of a simulated line, on a clock that the test moves. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom, type Clock } from '../../src/index.js';
import { Wire, type WireOptions } from '../conformance/serial-line/wire.js';
import { VirtualClock } from '../support/virtual-clock.js';

/** Any seed must do. */
const SEED = Number(process.env['FUZZ_SEED'] ?? 20_261_203);
const NO_ERRORS = { bitErrorRate: 0, dropRate: 0, insertRate: 0 };

interface Setup {
  readonly wire: Wire;
  readonly clock: VirtualClock;
  readonly counts: WireOptions['counts'];
  /** What reached each end, with the time. */
  readonly arrivals: { readonly end: number; readonly at: number; readonly bytes: Buffer }[];
  readonly arrived: (end: number) => Buffer;
}

function setUp(options: Partial<WireOptions> = {}, clock = new VirtualClock(), wireClock: Clock = clock): Setup {
  const counts = {
    ...{ bytes: 0, flippedBits: 0, droppedBytes: 0, insertedBytes: 0 },
    ...{ collisions: 0, garbledBytes: 0, mutedBytes: 0 },
  };
  const arrivals: { readonly end: number; readonly at: number; readonly bytes: Buffer }[] = [];
  const wire = new Wire({
    ...{ ends: 2, baudRate: 9_600, shared: false, seed: SEED, clock: wireClock, counts },
    takesBytes: () => true,
    onArrival: (end, bytes) => arrivals.push({ end, at: clock.monotonic(), bytes: Buffer.from(bytes) }),
    onRoom: () => undefined,
    ...options,
  });
  wire.rates = NO_ERRORS;
  const arrived = (end: number): Buffer =>
    Buffer.concat(arrivals.filter((arrival) => arrival.end === end).map(({ bytes }) => bytes));
  return { wire, clock, counts, arrivals, arrived };
}

describe('the pace of a simulated line', () => {
  for (const baudRate of [300, 9_600, 115_200, 921_600]) {
    test(`${baudRate} baud carry ${baudRate / 10} bytes a second, each way`, async () => {
      const { wire, clock, arrived } = setUp({ baudRate });
      for (const end of [0, 1]) wire.send(end, new Uint8Array(baudRate));
      await clock.advance(2_000);
      for (const end of [0, 1])
        assert.ok(Math.abs(arrived(end).length - baudRate / 5) <= 1, String(arrived(end).length));
    });
  }

  test('no byte arrives before it has left: 16 at 9600 baud take 16.7 ms', async () => {
    const { wire, clock, arrivals, arrived } = setUp();
    wire.send(0, Buffer.from('0123456789abcdef'));
    await clock.runUntilIdle();
    assert.equal(arrived(1).toString(), '0123456789abcdef');
    assert.equal(arrivals[0]?.at, 2); // the first byte has left after 1.04 ms
    assert.equal(arrivals.at(-1)?.at, 17);
  });

  test('a pause is not made up for', async () => {
    const { wire, clock, arrived } = setUp();
    await clock.advance(10_000);
    wire.send(0, new Uint8Array(1_000));
    await clock.advance(100);
    assert.equal(arrived(1).length, 96);
  });

  test('timers that fire late cost nothing up to 8 ms, and what is missed beyond that is lost', async () => {
    for (const [lateMs, expected] of [
      [5, 960],
      [99, 80],
    ] as const) {
      const clock = new VirtualClock();
      const late: Clock = {
        now: () => clock.now(),
        monotonic: () => clock.monotonic(),
        setTimer: (delayMs, callback) => clock.setTimer(delayMs + lateMs, callback),
      };
      const { wire, arrivals, arrived } = setUp({}, clock, late);
      wire.send(0, new Uint8Array(5_000));
      await clock.advance(1_000);
      const { length } = arrived(1);
      assert.ok(length <= expected && length >= expected * 0.9, `${length} bytes with timers ${lateMs} ms late`);
      for (const { bytes } of arrivals) assert.ok(bytes.length <= 9, `a burst of ${bytes.length}`);
    }
  });

  test('an end that has said 1 KB is asked to wait, and told when there is room', async () => {
    const room: number[] = [];
    const { wire, clock } = setUp({ onRoom: (end) => room.push(end) });
    wire.send(0, new Uint8Array(1_023));
    assert.equal(wire.isFull(0), false);
    wire.send(0, new Uint8Array(1));
    assert.equal(wire.isFull(0), true);
    assert.equal(wire.isFull(1), false);
    await clock.advance(500);
    assert.ok(!room.includes(0));
    await clock.advance(100);
    assert.ok(room.includes(0));
    assert.equal(wire.isFull(0), false);
  });

  test('without a pace bytes arrive at once, and wait for an end that takes none', () => {
    let takes = true;
    const { wire, clock, arrived } = setUp({ baudRate: 0, takesBytes: () => takes });
    wire.send(0, Buffer.from('one'));
    assert.equal(arrived(1).toString(), 'one');
    takes = false;
    wire.send(0, Buffer.from('two'));
    assert.equal(arrived(1).toString(), 'one');
    takes = true;
    wire.run();
    assert.equal(arrived(1).toString(), 'onetwo');
    assert.equal(clock.pendingTimers, 0);
  });

  test('no timer is left when nothing is on the way, or when it is stopped', async () => {
    const { wire, clock, arrived } = setUp();
    wire.send(0, Buffer.from('abc'));
    assert.equal(clock.pendingTimers, 1);
    await clock.advance(5);
    assert.equal(clock.pendingTimers, 0);
    wire.send(0, Buffer.from('def'));
    wire.stop();
    assert.equal(clock.pendingTimers, 0);
    assert.equal(arrived(1).toString(), 'abc');
  });
});

describe(`the damage of a simulated line, seed ${SEED}`, () => {
  const rates = { bitErrorRate: 1e-3, dropRate: 2e-3, insertRate: 3e-3 };
  const sent = Buffer.from(seededRandom(SEED).bytes(100_000));

  function damaged(seed: number, cuts: () => number): { arrived: Buffer; counts: WireOptions['counts'] } {
    const { wire, arrived, counts } = setUp({ baudRate: 0, seed });
    wire.rates = rates;
    for (let at = 0; at < sent.length;) {
      const end = at + cuts();
      wire.send(0, Buffer.from(sent.subarray(at, end)));
      at = end;
    }
    return { arrived: arrived(1), counts };
  }

  test('is the same for the same seed, however the bytes are cut', () => {
    const random = seededRandom(SEED + 1);
    const whole = damaged(SEED, () => sent.length);
    const cut = damaged(SEED, () => 1 + Math.floor(random.next() * 700));
    assert.ok(whole.arrived.equals(cut.arrived));
    assert.deepEqual(whole.counts, cut.counts);
    assert.ok(!whole.arrived.equals(damaged(SEED + 1, () => sent.length).arrived));
  });

  test('comes as often as it is asked for', () => {
    const { arrived, counts } = damaged(SEED, () => sent.length);
    const near = (count: number, expected: number): void =>
      assert.ok(Math.abs(count - expected) < 6 * Math.sqrt(expected), `${count} instead of ${expected}`);
    near(counts.flippedBits, 800);
    near(counts.droppedBytes, 200);
    near(counts.insertedBytes, 300);
    assert.equal(counts.bytes, sent.length);
    assert.equal(arrived.length, sent.length - counts.droppedBytes + counts.insertedBytes);
  });

  test('flips the bits that it counts', () => {
    const { wire, arrived, counts } = setUp({ baudRate: 0 });
    wire.rates = { ...NO_ERRORS, bitErrorRate: 0.05 };
    wire.send(0, Buffer.from(sent));
    let flipped = 0;
    for (const [index, byte] of arrived(1).entries()) {
      for (let left = byte ^ (sent[index] as number); left !== 0; left &= left - 1) flipped++;
    }
    assert.equal(flipped, counts.flippedBits);
    assert.ok(Math.abs(flipped - 40_000) < 1_200, String(flipped));
  });

  test('is another one in each direction', () => {
    const { wire, arrived } = setUp({ baudRate: 0 });
    wire.rates = rates;
    for (const end of [0, 1]) wire.send(end, Buffer.from(sent));
    assert.ok(!arrived(0).equals(arrived(1)));
  });

  test('ends and begins when it is told to, and a muted line swallows everything', () => {
    const { wire, arrived, counts } = setUp({ baudRate: 0 });
    wire.rates = { ...NO_ERRORS, dropRate: 1 };
    wire.send(0, Buffer.from('lost'));
    wire.rates = NO_ERRORS;
    wire.send(0, Buffer.from('kept'));
    wire.muted = true;
    wire.send(0, Buffer.from('muted'));
    wire.muted = false;
    wire.send(0, Buffer.from('again'));
    assert.equal(arrived(1).toString(), 'keptagain');
    assert.equal(counts.droppedBytes, 4);
    assert.equal(counts.mutedBytes, 5);
    assert.equal(counts.bytes, 18);
  });
});

describe('a simulated bus', () => {
  test('all others hear what one says', async () => {
    const { wire, clock, arrived, counts } = setUp({ ends: 5, shared: true, baudRate: 115_200 });
    wire.send(2, Buffer.from('to whom it may concern'));
    await clock.runUntilIdle();
    assert.deepEqual(
      [0, 1, 2, 3, 4].map((end) => arrived(end).toString()),
      [0, 1, 2, 3, 4].map((end) => (end === 2 ? '' : 'to whom it may concern')),
    );
    assert.equal(counts.collisions, 0);
  });

  test('those who talk one after the other do not disturb each other', async () => {
    const { wire, clock, arrived, counts } = setUp({ ends: 3, shared: true });
    wire.send(0, Buffer.from('question'));
    await clock.runUntilIdle();
    wire.send(1, Buffer.from('answer'));
    await clock.runUntilIdle();
    assert.equal(arrived(2).toString(), 'questionanswer');
    assert.equal(counts.collisions, 0);
  });

  test('bytes that overlap are garbled for everybody, the others are not', async () => {
    const { wire, clock, arrived, counts } = setUp({ ends: 3, shared: true });
    wire.send(0, Buffer.from('0123456789'));
    await clock.advance(4); // bytes 0 to 2 have left, byte 3 has begun to
    wire.send(1, Buffer.from('ab'));
    await clock.runUntilIdle();
    const heard = arrived(1).toString('latin1');
    assert.equal(heard.length, 10);
    assert.equal(heard.slice(0, 3), '012');
    assert.ok(!heard.slice(3, 6).match(/[345]/), heard);
    assert.equal(heard.slice(6), '6789');
    assert.equal(arrived(2).length, 12);
    assert.equal(arrived(0).length, 2);
    assert.ok(!arrived(0).toString('latin1').match(/[ab]/));
    assert.equal(counts.collisions, 1);
    assert.equal(counts.garbledBytes, 5);
  });

  test('each time that two begin to talk at once is a collision', async () => {
    const { wire, clock, counts } = setUp({ ends: 3, shared: true });
    for (let round = 0; round < 3; round++) {
      for (const end of [0, 1, 2]) wire.send(end, Buffer.from('all at once'));
      await clock.runUntilIdle();
      await clock.advance(1);
    }
    assert.equal(counts.collisions, 3);
    assert.equal(counts.garbledBytes, 99);
  });

  test('with many ends small pieces are held back for 4 ms, but not the end of what was said', async () => {
    const { wire, clock, arrivals } = setUp({ ends: 33, shared: true, baudRate: 115_200 });
    wire.send(0, new Uint8Array(115)); // 10 ms
    await clock.runUntilIdle();
    const times = arrivals.filter(({ end }) => end === 1).map(({ at }) => at);
    assert.deepEqual(times, [5, 10]);
  });
});
