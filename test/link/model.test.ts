/** The reliable link against ten thousand courses of events: it delivers whole, once and in order, or ends and says why. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../src/base/index.js';
import { World, type WorldOptions } from './world.js';

const FIRST_SEED = Number(process.env['FUZZ_SEED'] ?? 20_261_128);
const SEEDS = Number(process.env['LINK_SEEDS'] ?? 10_000);
const BATCHES = 10;

/** A different medium, application and misfortune for each seed. */
function worldOf(seed: number): WorldOptions {
  const random = seededRandom(seed ^ 0x5eed);
  const upTo = (most: number): number => Math.floor(random.next() * most);
  const sometimes = (most: number): number => (random.next() < 0.5 ? 0 : random.next() * most);
  const maxPacketSize = 32 + upTo(random.next() < 0.5 ? 100 : 1_500);
  const reordersLittle = random.next() < 0.3;
  return {
    latencyMs: upTo(200),
    faults: {
      loss: sometimes(0.5),
      duplication: sometimes(0.5),
      corruption: sometimes(0.3),
      jitterMs: reordersLittle ? 0 : upTo(600),
    },
    link: {
      maxPacketSize,
      packetOverhead: 6,
      maxMessageSize: 4_096,
      window: 200 + upTo(8_000),
      maxReordering: upTo(4),
      congestionControl: random.next() < 0.5,
      initialTimeoutMs: 500,
      minTimeoutMs: 50,
      maxTimeoutMs: 5_000,
      packetsPerAcknowledgement: 1 + upTo(3),
      acknowledgementDelayMs: upTo(50),
      keepAliveMs: 10_000,
      giveUpMs: 20_000,
    },
    messages: { active: upTo(12) + (random.next() < 0.9 ? 1 : 0), passive: upTo(12) },
    maxMessageSize: random.next() < 0.7 ? 300 : 3_000,
    idleMs: sometimes(2_000),
    reboots: random.next() < 0.5 ? 0 : upTo(5),
    calmFromMs: upTo(20_000),
  };
}

for (let batch = 0; batch < BATCHES; batch++) {
  const first = FIRST_SEED + (batch * SEEDS) / BATCHES;
  const last = FIRST_SEED + ((batch + 1) * SEEDS) / BATCHES - 1;
  test(`loss, repetition, re-ordering, damage and restarts, seeds ${first} to ${last}`, () => {
    for (let seed = first; seed <= last; seed++) {
      const world = new World(seed, worldOf(seed));
      try {
        world.run();
      } catch (cause) {
        assert.fail(new Error(`seed ${seed}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause }));
      }
    }
  });
}
