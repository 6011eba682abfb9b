/** A link on a line that is as slow as its packets are long: nothing is sent twice, and what matters more goes first. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SharedRate, type LinkOptions } from '../../transports/link/index.js';
import { message, Pair, type End, type Medium } from './pair.js';

const OVERHEAD = 7;

/** What a transport makes of a line of that speed. */
function lineOptions(bytesPerSecond: number, packetSize: number): Partial<LinkOptions> {
  const packetMs = (1_000 * packetSize) / bytesPerSecond;
  return {
    maxPacketSize: packetSize,
    packetOverhead: OVERHEAD,
    initialTimeoutMs: 500 + 4 * packetMs,
    minTimeoutMs: 100 + 2 * packetMs,
    maxTimeoutMs: 5_000 + 4 * packetMs,
    packetsPerAcknowledgement: 4,
  };
}

/** Packets leave one after the other, each as long as it takes. */
function lineOf(bytesPerSecond: number): Medium {
  const freeAt: Record<End, number> = { active: 0, passive: 0 };
  return ({ from, at, bytes }) => {
    freeAt[from] = Math.max(freeAt[from], at) + (1_000 * (bytes.length + OVERHEAD)) / bytesPerSecond;
    return [freeAt[from] - at + 2];
  };
}

function pairOn(bytesPerSecond: number, packetSize: number): Pair {
  const options = lineOptions(bytesPerSecond, packetSize);
  const rate = (): Partial<LinkOptions> => ({ ...options, rate: new SharedRate({ bytesPerSecond }).share() });
  const pair = new Pair(rate(), rate());
  pair.medium = lineOf(bytesPerSecond);
  pair.runUntil(() => pair.passive?.state === 'open' && pair.active.state === 'open');
  return pair;
}

for (const [bytesPerSecond, packetSize] of [
  [120, 64],
  [940, 118],
  [960, 256],
  [11_300, 256],
] as const) {
  describe(`a line of ${bytesPerSecond} bytes a second, with packets of ${packetSize}`, () => {
    const size = Math.min(65_536, bytesPerSecond * 6);

    test('carries as many bytes as fit beside the headers, one way, and none twice', () => {
      const pair = pairOn(bytesPerSecond, packetSize);
      const start = pair.now;
      for (let count = 0; count < 10; count++) pair.active.send(message(size));
      pair.runUntil(() => pair.heard.passive.length === 10);
      const used = (10 * size * 1_000) / (pair.now - start) / bytesPerSecond;
      const share = (packetSize - 7) / (packetSize + OVERHEAD);
      assert.ok(used > 0.98 * share, `${used} of the line, not ${share}`);
      assert.equal(pair.active.statistics.retransmissions, 0);
    });

    test('carries both ways at a time, and nothing twice', () => {
      const pair = pairOn(bytesPerSecond, packetSize);
      const start = pair.now;
      for (let count = 0; count < 5; count++) {
        pair.active.send(message(size));
        pair.made.send(message(size));
      }
      pair.runUntil(() => pair.heard.passive.length === 5 && pair.heard.active.length === 5);
      const used = (5 * size * 1_000) / (pair.now - start) / bytesPerSecond;
      // At worst each packet is acknowledged by itself.
      const share = (packetSize - 7) / (packetSize + 11 + 2 * OVERHEAD);
      assert.ok(used > 0.98 * share, `${used} of the line, not ${share}`);
      assert.equal(pair.active.statistics.retransmissions + pair.made.statistics.retransmissions, 0);
    });
  });
}

test('what both links of a shared line have to say goes by their priority', () => {
  const bytesPerSecond = 960;
  const line = new SharedRate({ bytesPerSecond });
  const options = lineOptions(bytesPerSecond, 107);
  const pairs = (['low', 'high'] as const).map((priority) => {
    const pair = new Pair({ ...options, rate: line.share(priority) }, options);
    pair.medium = () => [5];
    return pair;
  });
  /** One clock for both, in steps of a millisecond. */
  const run = (ms: number): void => {
    for (let step = 0; step < ms; step++) for (const pair of pairs) pair.run(1);
  };
  run(1_000);
  for (const pair of pairs) pair.active.send(message(20_000));
  run(10_000);
  const [low = 0, high = 0] = pairs.map((pair) => pair.made.statistics.receivedBytes);
  assert.ok(high > 4 * low && low > 500, `low has ${low} bytes, high ${high}`);
});
