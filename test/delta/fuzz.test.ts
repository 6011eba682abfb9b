/** Deltas spoilt at random: whatever a peer sends, the answer is a body or DELTA_INVALID. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom, utf8Length, type RandomSource } from '../../src/base/index.js';
import { applyDelta, createDelta } from '../../src/delta/index.js';
import { isHawserError } from '../../src/errors.js';
import { effort } from '../support/effort.js';
import { Mutator } from '../support/mutate.js';
import { pick, randomInteger } from '../base/random-json.js';
import { randomPair } from './documents.js';

const ROUNDS = effort(20_000);
const SEED = Number(process.env['FUZZ_SEED'] ?? 20_240_802);

test(`takes or refuses ${ROUNDS} spoilt deltas, with one error only`, () => {
  const random = seededRandom(SEED);
  const mutator = new Mutator(random);
  let taken = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const [oldBody, newBody] = randomPair(random);
    const delta = createDelta(oldBody, newBody);
    const spoilt = random.next() < 0.5 ? nudged(delta, random) : String(mutator.body(delta));
    const limits = { maxBytes: 4 * utf8Length(oldBody) + 1000, maxDepth: 8 };
    try {
      const result = applyDelta(oldBody, spoilt, limits);
      assert.ok(utf8Length(result) <= limits.maxBytes);
      JSON.parse(result);
      taken++;
    } catch (error) {
      if (!isHawserError(error) || error.code !== 'DELTA_INVALID') {
        throw new Error(`seed ${SEED}, round ${round}: ${oldBody} by ${spoilt}`, { cause: error });
      }
    }
  }
  assert.ok(taken > ROUNDS / 20 && taken < (ROUNDS * 19) / 20, `seed ${SEED}: ${taken} were taken`);
});

/** Changes numbers, instructions and keys of a delta that stays JSON most of the time. */
function nudged(delta: string, random: RandomSource): string {
  const places = [...delta.matchAll(/\d+|[=+|-]|\[\]|\{\}/g)];
  const place = places[randomInteger(random, places.length)];
  if (place === undefined) return delta;
  const other = pick(random, ['0', '1', '2', '3', '9999999999', '01', '=', '-', '+', '|', '[]', '{}', '[1,2,0]', '']);
  return delta.slice(0, place.index) + other + delta.slice(place.index + place[0].length);
}
