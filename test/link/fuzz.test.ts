/**
 * Peers that keep to no rule: whatever they say, nothing is thrown, what is kept stays within its limits, each packet that
 * comes causes few that leave, and nobody is woken for nothing.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '../../src/base/index.js';
import { decodePacket, encodeAcknowledgement, startData } from '../../transports/link/machine/packet.js';
import { message } from './pair.js';
import { forge, OPTIONS, PEER_TAG, Victim } from './victim.js';

const FIRST_SEED = Number(process.env['FUZZ_SEED'] ?? 1);
const SEEDS = Number(process.env['LINK_SEEDS'] ?? 400);

for (const end of ['active', 'passive'] as const) {
  test(`a hostile peer of the ${end} end breaks nothing, seeds ${FIRST_SEED} to ${FIRST_SEED + SEEDS - 1}`, () => {
    const ends = new Set<string>();
    let states = 0;
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
      const random = seededRandom(seed);
      const victim = new Victim(end, { ...OPTIONS, congestionControl: random.next() < 0.5 });
      try {
        for (let step = 0; step < 100; step++) {
          const roll = random.next();
          if (roll < 0.8) victim.hear(forge(random, victim));
          else if (roll < 0.87) victim.take();
          else if (roll < 0.92) victim.pass(random.next() ** 3 * 30_000);
          else if (roll < 0.995) {
            if (victim.link?.state === 'open' && victim.link.queuedBytes < 5_000) victim.link.send(message(900));
            victim.poll();
          } else {
            victim.link?.close(1000, '', random.next() < 0.5);
            victim.poll();
          }
        }
        victim.pass(100_000);
      } catch (cause) {
        assert.fail(new Error(`seed ${seed}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause }));
      }
      for (const kind of victim.ends) ends.add(kind);
      states += victim.link?.state === 'open' ? 1 : 0;
    }
    // The fuzzer is worth something only if it gets everywhere.
    for (const kind of [
      'violation',
      'closed',
      'silent',
      'restarted',
      'done',
      ...(end === 'passive' ? ['replaced'] : []),
    ]) {
      assert.ok(ends.has(kind), `never ${kind}, only ${[...ends].join()}`);
    }
    assert.ok(states < SEEDS);
  });

  describe(`the ${end} end ends the link as a violation, and says so once, when its peer`, () => {
    const acknowledge = (victim: Victim, next: number): Uint8Array =>
      encodeAcknowledgement(victim.tag, { next, credit: 5_000, ahead: [], wantsAnswer: false }, 107);
    const breaches: readonly [string, (victim: Victim) => Uint8Array[]][] = [
      ['acknowledges what was never sent', (victim) => [acknowledge(victim, 1)]],
      ['acknowledges what is far from what was sent', (victim) => [acknowledge(victim, 2 ** 24 - 1)]],
      ['sends more than was granted in one packet', (victim) => [startData(victim.tag, 0, 2_001)]],
      [
        'sends more than was granted behind a gap',
        (victim) => Array.from({ length: 21 }, (_, index) => startData(victim.tag, index + 1, 100)),
      ],
      [
        'sends more than was granted while nothing is taken',
        (victim) => Array.from({ length: 21 }, (_, index) => startData(victim.tag, index, 100)),
      ],
      [
        'begins a message above the limit',
        (victim) => {
          const bytes = startData(victim.tag, 0, 2);
          bytes.set([0xe9, 0x07], 7);
          return [bytes];
        },
      ],
    ];
    for (const [what, packets] of breaches) {
      test(what, () => {
        const victim = new Victim(end);
        const link = victim.link;
        for (const bytes of packets(victim)) victim.hear(bytes);
        assert.equal(link?.end?.kind, 'violation');
        const close = decodePacket(victim.said.at(-1) ?? new Uint8Array(0));
        assert.ok(close?.kind === 'close' && close.code === 4001 && close.tag === PEER_TAG);
        victim.said.length = 0;
        victim.pass(1_000_000);
        assert.deepEqual(victim.said, []);
      });
    }
  });

  test(`the ${end} end keeps a bounded number of packets, however small they are and however they lie`, () => {
    const victim = new Victim(end, { ...OPTIONS, window: 1_000_000 });
    for (let number = 4_000; number > 0; number--) victim.hear(startData(victim.tag, number, 1));
    victim.hear(encodeAcknowledgement(victim.tag, { next: 0, credit: 0, ahead: [], wantsAnswer: true }, 107));
    assert.equal(victim.link?.state, 'open');
    victim.hear(startData(victim.tag, 0, 1));
    assert.equal(victim.link?.statistics.receivedBytes, 1_024);
  });

  test(`the ${end} end sends no more packets ahead than the other end may keep, whatever credit it has`, () => {
    const victim = new Victim(
      end,
      { ...OPTIONS, maxPacketSize: 32 },
      { credit: 2 ** 32 - 1, maxPacketSize: 2 ** 24 - 1 },
    );
    victim.link?.send(message(1_000_000));
    const packets = victim.poll();
    assert.equal(packets.filter((packet) => decodePacket(packet)?.kind === 'data').length, 1_024);
    // What it says it has got far beyond that is not believed, and what it has not got is not forgotten.
    const ahead = Array.from({ length: 12_000 }, () => [1, 255]).flat();
    const bare = encodeAcknowledgement(victim.tag, { next: 0, credit: 0, ahead: [], wantsAnswer: false }, 107);
    victim.hear(new Uint8Array([...bare, ...ahead]));
    victim.pass(5_000);
    assert.equal(victim.link?.state, 'open');
    assert.equal(victim.link?.statistics.sentBytes, 1_024 * 25);
  });
}
