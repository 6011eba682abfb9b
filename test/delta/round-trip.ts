/** The property that deltas are for: applied to the old body, one gives the new body. */
import assert from 'node:assert/strict';
import { canonicalJson, seededRandom } from '../../src/base/index.js';
import { applyDelta, createDelta } from '../../src/delta/index.js';
import { randomPair } from './documents.js';

/** Checks `pairs` random pairs; a failure names the seed and the texts. */
export function checkRoundTrips(seed: number, pairs: number): void {
  const random = seededRandom(seed);
  const seen = { edits: 0, equal: 0, remainders: 0 };
  for (let pair = 0; pair < pairs; pair++) {
    const [oldBody, newBody] = randomPair(random);
    let delta = '';
    let result: string;
    try {
      delta = createDelta(oldBody, newBody);
      result = canonicalJson(applyDelta(oldBody, delta));
    } catch (error) {
      throw new Error(`seed ${seed}, pair ${pair}: ${oldBody} -> ${newBody} by ${delta}`, { cause: error });
    }
    const expected = canonicalJson(newBody);
    if (result !== expected || (delta === '{}') !== (canonicalJson(oldBody) === expected)) {
      assert.fail(`seed ${seed}, pair ${pair}: ${oldBody} -> ${newBody} by ${delta} gives ${result}`);
    }
    if (delta === '{}') seen.equal++;
    if (delta.endsWith(',0,2]}')) seen.edits++;
    if (/"\d+-":\[/.test(delta)) seen.remainders++;
  }
  // The pairs are worth something only if every kind of delta is among them.
  for (const [what, count] of Object.entries(seen)) {
    assert.ok(count > pairs / 200, `seed ${seed}: ${count} of ${pairs} with ${what}`);
  }
}
