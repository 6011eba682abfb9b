/** The sending end of one direction by itself: credit, how far it goes ahead, and how much is on the way. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Congestion } from '../../transports/link/machine/congestion.js';
import { decodePacket, type NumberRange } from '../../transports/link/machine/packet.js';
import { RoundTrip } from '../../transports/link/machine/round-trip.js';
import { MAX_AHEAD, Sender, type SenderOptions } from '../../transports/link/machine/sender.js';
import { LINK, message } from './pair.js';

const SIZE = 107;
const PAYLOAD = 100;

function newSender(options: Partial<SenderOptions> = {}): Sender {
  const roundTrip = new RoundTrip(LINK);
  const sender = new Sender({
    tag: 7,
    maxPacketSize: SIZE,
    credit: 1_000_000,
    maxReordering: 0,
    congestionControl: false,
    roundTrip,
    ...options,
  });
  sender.add(message(900_000));
  return sender;
}

/** The numbers of all packets that leave now. */
function drain(sender: Sender, now = 0): number[] {
  const numbers: number[] = [];
  for (let bytes = sender.next(now); bytes !== undefined; bytes = sender.next(now)) {
    const packet = decodePacket(bytes);
    assert.ok(packet?.kind === 'data');
    numbers.push(packet.number);
    assert.ok(numbers.length <= 2 * MAX_AHEAD, 'it does not stop');
  }
  return numbers;
}

/** Everything before `next` and in `ahead` has arrived. */
function acknowledge(sender: Sender, next: number, ahead: readonly NumberRange[] = [], now = 100): void {
  assert.ok(sender.acknowledged(next, ahead, sender.credit, now));
}

describe('a sender', () => {
  test('fills its packets, and sends no byte beyond the credit', () => {
    const sender = newSender({ credit: 1_030 });
    assert.deepEqual(drain(sender), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert.equal(sender.sentBytes, 1_030);
    assert.equal(sender.hasNext, false);
    assert.ok(sender.acknowledged(11, [], 1_031, 100));
    assert.deepEqual(drain(sender), [11]);
    assert.equal(sender.sentBytes, 1_031);
    // Granted is granted.
    assert.ok(sender.acknowledged(12, [], 5, 200));
    assert.equal(sender.credit, 1_031);
    assert.equal(sender.isBlocked, true);
  });

  test('goes no further than the receiver keeps, however much of that has arrived', () => {
    const sender = newSender();
    assert.equal(drain(sender).at(-1), MAX_AHEAD - 1);
    acknowledge(sender, 0, [{ from: 1, count: MAX_AHEAD - 1 }]);
    assert.deepEqual(drain(sender), [0], 'what is behind would be dropped');
    acknowledge(sender, MAX_AHEAD, [], 200);
    assert.equal(drain(sender).length, MAX_AHEAD);
  });

  test('does not accept that something arrived which was never sent', () => {
    const sender = newSender();
    drain(sender);
    assert.equal(sender.acknowledged(MAX_AHEAD + 1, [], 0, 100), false);
    assert.equal(sender.acknowledged(2 ** 24 - 1, [], 0, 100), false);
  });

  test('takes ranges beyond what was sent for what they have in them', () => {
    const sender = newSender({ credit: 1_000 });
    drain(sender);
    const far = Array.from({ length: 30_000 }, (_, index) => ({ from: 8 + 255 * index, count: 255 }));
    acknowledge(sender, 0, far);
    assert.deepEqual(drain(sender), [0, 1, 2, 3, 4, 5, 6, 7]);
  });

  test('takes acknowledgements that come late or twice for nothing new', () => {
    const sender = newSender({ credit: 1_000 });
    drain(sender);
    acknowledge(sender, 8, [{ from: 1, count: 1 }]);
    for (const next of [8, 5, 0]) acknowledge(sender, next, [{ from: 1, count: 1 }], 200);
    assert.deepEqual(drain(sender), [8]);
    acknowledge(sender, 10, [], 300);
    assert.equal(sender.isWaiting, false);
    assert.equal(sender.timeoutAt, Infinity);
  });

  test('counts the timeout from when a packet has left a slow medium', () => {
    const sender = newSender();
    sender.next(0);
    sender.leavesAt(700);
    assert.equal(sender.timeoutAt, 700 + LINK.initialTimeoutMs);
    acknowledge(sender, 1, [], 800);
    sender.next(800);
    assert.ok(sender.timeoutAt < 800 + 500, 'the round trip took 100 ms');
  });

  test('repeats the oldest packet alone after a timeout, and what else is missing when that is answered', () => {
    const sender = newSender({ credit: 1_100 });
    sender.next(0);
    acknowledge(sender, 1, [], 100); // a round trip of 100 ms
    drain(sender, 100);
    sender.timedOut(1_000);
    assert.deepEqual(drain(sender, 1_000), [1]);
    acknowledge(sender, 2, [], 1_100);
    assert.deepEqual(drain(sender, 1_100), [2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert.equal(sender.retransmissions, 10);
  });

  test('believes the answer to a repeated packet that is faster than any before to be one to the first', () => {
    const sender = newSender({ credit: 1_000 });
    sender.next(0);
    acknowledge(sender, 1, [], 100); // a round trip of 100 ms
    const others = drain(sender, 100);
    sender.timedOut(1_000);
    assert.deepEqual(drain(sender, 1_000), [1]);
    acknowledge(sender, 2, [], 1_010);
    assert.deepEqual(drain(sender, 1_010), [], 'the others are on their way as well');
    assert.equal(others.length, 9);
  });
});

describe('congestion control', () => {
  const window = (sender: Sender): number => Math.floor(flying(sender) / PAYLOAD);
  const acked = new Map<Sender, number>();
  /** Bytes of payload that neither have arrived nor count as lost, where everything before `acked` has. */
  const flying = (sender: Sender): number => sender.sentBytes - (acked.get(sender) ?? 0) * PAYLOAD;

  test('begins with ten packets, and doubles them each round trip', () => {
    const sender = newSender({ congestionControl: true });
    assert.equal(drain(sender).length, 10);
    acknowledge(sender, 10);
    acked.set(sender, 10);
    drain(sender);
    assert.ok(window(sender) >= 19 && window(sender) <= 21, `${window(sender)} packets`);
  });

  test('halves the window once for all that was lost of one flight', () => {
    const congestion = new Congestion(PAYLOAD);
    congestion.arrived(3_000);
    const before = congestion.window;
    for (let order = 5; order < 20; order++) congestion.lost(order, 40);
    assert.equal(congestion.window, before / 2);
    congestion.lost(40, 50);
    assert.equal(congestion.window, before / 2);
    congestion.lost(41, 50);
    assert.equal(congestion.window, before / 4);
  });

  test('grows by a packet a round trip after a loss', () => {
    const congestion = new Congestion(PAYLOAD);
    congestion.lost(0, 10);
    const before = congestion.window;
    for (let acknowledged = 0; acknowledged < before; acknowledged += PAYLOAD) congestion.arrived(PAYLOAD);
    assert.ok(Math.abs(congestion.window - before - PAYLOAD) < PAYLOAD * 0.15);
  });

  test('never goes below two packets, and never above 16 MiB', () => {
    const congestion = new Congestion(PAYLOAD);
    for (let order = 0; order < 20; order++) congestion.lost(order, order);
    assert.equal(congestion.window, 2 * PAYLOAD);
    const growing = new Congestion(PAYLOAD);
    for (let round = 0; round < 40; round++) growing.arrived(growing.window);
    assert.equal(growing.window, 16_777_216);
  });

  test('counts a timeout, and the losses that the answer to its probe shows, as one event', () => {
    const congestion = new Congestion(PAYLOAD);
    congestion.arrived(15_000);
    const before = congestion.window;
    congestion.timedOut(99);
    congestion.timedOut(100);
    congestion.arrived(PAYLOAD);
    for (let order = 50; order < 100; order++) congestion.lost(order, 101);
    assert.equal(congestion.window, 3 * PAYLOAD);
    // So it doubles each round trip until half of what it was.
    congestion.arrived(congestion.window);
    congestion.arrived(congestion.window);
    assert.equal(congestion.window, 12 * PAYLOAD);
    congestion.arrived(before);
    const half = congestion.window;
    congestion.arrived(PAYLOAD);
    assert.ok(half >= before / 2 && congestion.window - half < PAYLOAD / 10);
  });

  test('keeps repetitions within the window as well, but for one probe', () => {
    const sender = newSender({ congestionControl: true });
    drain(sender);
    for (let next = 1; next <= 40; next++) {
      acknowledge(sender, next);
      drain(sender, 100);
    }
    const count = sender.nextNumber - 40;
    assert.ok(count >= 45, `${count} packets are on the way`);
    // All of them are lost.
    sender.timedOut(2_000);
    assert.deepEqual(drain(sender, 2_000), [40]);
    const repeated: number[] = [];
    for (let next = 41, now = 2_100; repeated.length < count - 1; next++, now += 10) {
      acknowledge(sender, next, [], now);
      const burst = drain(sender, now);
      assert.ok(burst.length <= 4, `${burst.length} packets leave at once`);
      assert.ok(burst.length > 0 || next <= (repeated.at(-1) ?? 0), 'it stands still');
      repeated.push(...burst);
    }
    assert.deepEqual(
      repeated.slice(0, count - 1),
      Array.from({ length: count - 1 }, (_, index) => 41 + index),
    );
  });
});
