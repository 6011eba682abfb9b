import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom, systemRandom, type RandomSource } from '../../src/base/index.js';

const draw = (random: RandomSource, count: number): number[] => Array.from({ length: count }, () => random.next());

for (const [name, random] of [
  ['seeded', seededRandom(1)],
  ['system', systemRandom],
] as const) {
  test(`draws numbers from 0 to below 1, spread evenly (${name})`, () => {
    const tenths = new Array<number>(10).fill(0);
    for (const value of draw(random, 10_000)) {
      assert.ok(value >= 0 && value < 1);
      const tenth = Math.floor(value * 10);
      tenths[tenth] = (tenths[tenth] ?? 0) + 1;
    }
    for (const count of tenths)
      assert.ok(count > 800 && count < 1200, `a tenth of 10,000 draws is about 1,000: ${tenths.join(' ')}`);
  });

  test(`makes as many bytes as asked for (${name})`, () => {
    assert.equal(random.bytes(0).length, 0);
    const bytes = random.bytes(4096);
    assert.equal(bytes.length, 4096);
    assert.ok(new Set(bytes).size > 200);
  });
}

test('repeats itself for the same seed and differs for another', () => {
  assert.deepEqual(draw(seededRandom(5), 100), draw(seededRandom(5), 100));
  assert.notDeepEqual(draw(seededRandom(5), 100), draw(seededRandom(6), 100));
  assert.deepEqual(seededRandom(5).bytes(32), seededRandom(5).bytes(32));
});
