/** What was lost comes again, soon where that can be known and after a timeout where it cannot; what was not lost does not. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '../../src/base/index.js';
import { LATENCY_MS, LINK, losing, message, Pair, perfect, ROUND_TRIP_MS, type Post } from './pair.js';

const SEED = Number(process.env['FUZZ_SEED'] ?? 1);

describe('the data of a link', () => {
  test('cost exactly seven bytes a packet, and a length a message', () => {
    const pair = Pair.opened({ maxPacketSize: 1_007, window: 65_536 });
    const sizes = [0, 1, 127, 128, 1_000, 16_383, 16_384, 20_000];
    for (const size of sizes) pair.active.send(message(size));
    pair.runUntil(() => pair.heard.passive.length === sizes.length);
    const packets = pair.posts.filter(({ packet }) => packet.kind === 'data');
    const sent = packets.reduce((sum, { bytes }) => sum + bytes.length, 0);
    const stream = sizes.reduce((sum, size) => sum + (size < 128 ? 1 : size < 16_384 ? 2 : 3) + size, 0);
    assert.equal(sent - 7 * packets.length, stream);
    // Messages share packets: none but the last is not full.
    assert.equal(packets.length, Math.ceil(stream / 1_000));
    assert.equal(pair.active.statistics.sentBytes, stream);
    assert.equal(pair.made.statistics.receivedBytes, stream);
    assert.equal(pair.active.statistics.retransmissions, 0);
  });

  for (const [active, passive] of [
    [32, 65_536],
    [65_536, 32],
  ] as const) {
    test(`never exceed the smaller packet of both ends, ${active} and ${passive} bytes`, () => {
      const pair = Pair.opened({ maxPacketSize: active }, { maxPacketSize: passive });
      // Gaps of which an acknowledgement has no room to tell.
      const random = seededRandom(SEED);
      pair.medium = () => (random.next() < 0.2 ? [] : [LATENCY_MS]);
      pair.active.send(message(6_000, 1));
      pair.made.send(message(6_000, 2));
      pair.runUntil(() => pair.heard.active.length + pair.heard.passive.length === 2);
      pair.medium = perfect;
      pair.active.close(4000, 'a reason that is much longer than what fits into one packet of this size', false);
      pair.run(1_000);
      assert.ok(pair.posts.every(({ bytes }) => bytes.length <= 32));
      assert.ok(pair.posts.some(({ bytes, packet }) => bytes.length === 32 && packet.kind === 'data'));
      const { end } = pair.made;
      assert.ok(end?.kind === 'closed' && end.code === 4000 && end.reason.length === 26);
      assert.deepEqual([...pair.heard.active, ...pair.heard.passive], [message(6_000, 2), message(6_000, 1)]);
    });
  }
});

describe('what was lost', () => {
  test('comes again as soon as a later packet was acknowledged, where the medium keeps the order', () => {
    const pair = Pair.opened({ packetsPerAcknowledgement: 1 });
    pair.medium = losing(1, isData(3));
    const start = pair.now;
    pair.active.send(packets(10));
    pair.runUntil(() => pair.heard.passive.length === 1);
    assert.equal(pair.now - start, ROUND_TRIP_MS + LATENCY_MS);
    assert.equal(pair.active.statistics.retransmissions, 1);
    // Everything behind the gap was told and kept.
    assert.equal(pair.trace().filter((line) => line === 'active data 3').length, 2);
    assert.ok(pair.trace().includes('passive acknowledgement 3 +1..6'), pair.trace().join('\n'));
  });

  test('comes again when it is lost again, without a timeout, as long as later packets arrive', () => {
    const pair = Pair.opened();
    pair.medium = losing(3, isData(3));
    keepSending(pair, 30, 50);
    assert.equal(pair.active.statistics.retransmissions, 3);
    const times = pair.posts.filter(isData(3)).map(({ at }) => at);
    // Known a round trip after the next packet left, each time.
    assert.ok(
      times.slice(1).every((at, index) => at - (times[index] ?? 0) <= ROUND_TRIP_MS + 50),
      `it left at ${times.join()}`,
    );
  });

  for (const lost of [1, 5, 10]) {
    test(`is found by one probe if it is the tail, ${lost} of 10 packets`, () => {
      const pair = Pair.opened();
      settle(pair);
      const before = pair.posts.length;
      const numbers = Array.from({ length: lost }, (_, index) => 10 - 1 - index);
      const first = firstNumber(pair);
      pair.medium = losing(lost, ({ packet }) => packet.kind === 'data' && numbers.includes(packet.number - first));
      const start = pair.now;
      pair.active.send(packets(10));
      pair.runUntil(() => pair.heard.passive.length === SETTLING + 1);
      const { retransmissions } = pair.active.statistics;
      assert.equal(retransmissions, lost, pair.trace(before).join('\n'));
      // One timeout, then a round trip for the answer to the probe, then the rest.
      assert.ok(pair.now - start < TIMEOUT_MS + 2 * ROUND_TRIP_MS, `${pair.now - start} ms`);
    });
  }

  test('costs two timeouts if it is all that was ever sent', () => {
    const pair = Pair.opened();
    pair.medium = losing(10, ({ packet }) => packet.kind === 'data');
    const start = pair.now;
    pair.active.send(packets(10));
    pair.runUntil(() => pair.heard.passive.length === 1);
    assert.ok(pair.now - start < 3 * LINK.initialTimeoutMs + 4 * ROUND_TRIP_MS, `${pair.now - start} ms`);
  });

  test('is asked for ever less often while nothing comes back', () => {
    const pair = Pair.opened({ giveUpMs: 60_000 });
    pair.active.send(message(10));
    pair.medium = () => [];
    pair.run(40_000);
    const times = pair.posts.filter(({ packet }) => packet.kind === 'data').map(({ at }) => at);
    const pauses = times.slice(1).map((at, index) => at - (times[index] ?? 0));
    assert.deepEqual(pauses.slice(0, 4), [1_000, 2_000, 4_000, 4_000]);
    assert.ok(pauses.slice(4).every((pause) => pause === LINK.maxTimeoutMs));
  });
});

describe('what was not lost', () => {
  test('does not come again for being overtaken by as many packets as the medium is known to let', () => {
    for (const [overtakers, maxReordering, repeated] of [
      [3, 3, 0],
      [4, 3, 1],
      [1, 0, 1],
    ] as const) {
      const pair = Pair.opened({ maxReordering, packetsPerAcknowledgement: 1 });
      pair.medium = ({ packet }) => [packet.kind === 'data' && packet.number === 2 ? LATENCY_MS + 1 : LATENCY_MS];
      pair.active.send(packets(3 + overtakers));
      pair.run(5_000);
      assert.equal(pair.heard.passive.length, 1);
      assert.equal(pair.active.statistics.retransmissions, repeated, `${overtakers} overtakers`);
    }
  });

  test('comes again once for each timeout of a medium that falls asleep, and no more', () => {
    const pair = Pair.opened();
    settle(pair);
    const before = pair.posts.length;
    const wakesAt = pair.now + 3_000;
    pair.medium = ({ at }) => [Math.max(at, wakesAt) - at + LATENCY_MS];
    pair.active.send(packets(10));
    pair.runUntil(() => pair.heard.passive.length === SETTLING + 1);
    pair.medium = perfect;
    pair.run(5_000);
    const repeats = pair.posts.slice(before).filter(({ packet }) => packet.kind === 'data').length - 10;
    assert.ok(repeats >= 2 && repeats <= 5, `${repeats} probes`);
    assert.equal(pair.active.statistics.retransmissions, repeats);
    assert.equal(pair.active.end, undefined);
  });

  for (const count of [1, 10, 100]) {
    test(`comes again no more when a round trip that is longer than the first timeout is known, ${count} packets`, () => {
      const pair = Pair.opened();
      pair.medium = () => [1_500];
      for (let index = 0; index < 20; index++) {
        pair.active.send(packets(count, index));
        pair.run(9_000);
      }
      assert.ok(pair.active.statistics.retransmissions <= 2, `${pair.active.statistics.retransmissions} came again`);
      assert.ok((pair.active.statistics.roundTripMs ?? 0) >= 3_000);
    });
  }

  test('comes again no more a while after the round trip has become thirty times as long', () => {
    const pair = Pair.opened();
    settle(pair);
    pair.medium = () => [1_500];
    keepSending(pair, 60, 1_000);
    const { retransmissions, roundTripMs = 0 } = pair.active.statistics;
    assert.ok(roundTripMs > 2_900, `a round trip of ${roundTripMs} ms`);
    keepSending(pair, 60, 1_000);
    assert.equal(pair.active.statistics.retransmissions, retransmissions);
  });

  test('does not come again because its acknowledgement was lost, when a later one arrives', () => {
    const pair = Pair.opened({ packetsPerAcknowledgement: 1 });
    pair.medium = losing(4, ({ packet }) => packet.kind === 'acknowledgement');
    keepSending(pair, 5, 1);
    assert.equal(pair.active.statistics.retransmissions, 0);
  });

  test('does not make the round trip longer when it was repeated', () => {
    const pair = Pair.opened();
    settle(pair);
    const before = pair.active.statistics.roundTripMs ?? 0;
    for (let round = 0; round < 20; round++) {
      pair.medium = losing(1, ({ packet }) => packet.kind === 'data');
      pair.active.send(packets(1));
      pair.run(5_000);
    }
    assert.equal(pair.active.statistics.retransmissions, 20);
    assert.ok(Math.abs((pair.active.statistics.roundTripMs ?? 0) - before) < 1);
  });
});

test('the round trip is that of the medium, with the delay of acknowledgements', () => {
  const pair = Pair.opened();
  assert.equal(pair.active.statistics.roundTripMs, undefined);
  settle(pair);
  const { roundTripMs = 0 } = pair.active.statistics;
  assert.ok(roundTripMs >= ROUND_TRIP_MS && roundTripMs <= ROUND_TRIP_MS + LINK.acknowledgementDelayMs);
});

/** After {@link settle}, when the variation of the round trip is small. */
const TIMEOUT_MS = 250;
const SETTLING = 30;

/** Messages of one packet, until the timeout is short. */
function settle(pair: Pair): void {
  keepSending(pair, SETTLING, 200);
}

function keepSending(pair: Pair, count: number, everyMs: number): void {
  const before = pair.heard.passive.length;
  for (let index = 0; index < count; index++) {
    pair.active.send(packets(1, index));
    pair.run(everyMs);
  }
  pair.runUntil(() => pair.heard.passive.length === before + count && pair.active.queuedBytes === 0);
  pair.run(ROUND_TRIP_MS);
}

/** A message that fills so many packets, with its length. */
function packets(count: number, index = 0): Uint8Array {
  return message(count * 100 - (count > 1 ? 2 : 1), index);
}

function firstNumber(pair: Pair): number {
  return 1 + Math.max(-1, ...pair.posts.map(({ packet }) => (packet.kind === 'data' ? packet.number : -1)));
}

function isData(number: number): (post: Post) => boolean {
  return ({ packet }) => packet.kind === 'data' && packet.number === number;
}
