/** What happens in a soak is decided by its seed. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '../../src/index.js';
import { choose, type Mishap } from './chaos.js';
import { EVENT_KINDS } from './record.js';

function choices(seed: number, withKills: boolean, busy: readonly string[] = []): (Mishap | undefined)[] {
  const random = seededRandom(seed);
  return Array.from({ length: 2_000 }, () => choose(random, new Set(busy), withKills));
}

describe('what happens next', () => {
  test('is the same for the same seed, and another for another', () => {
    assert.deepEqual(choices(1, true), choices(1, true));
    assert.notDeepEqual(choices(1, true), choices(2, true));
  });

  test('is everything in the end, but never the end of the navigation node', () => {
    const all = choices(1, true).filter((mishap) => mishap !== undefined);
    assert.deepEqual(new Set(all.map(({ kind }) => kind)), new Set(EVENT_KINDS));
    assert.ok(!all.some(({ kind, target }) => (kind === 'kill' || kind === 'restart') && target === 'navigation'));
    assert.ok(all.every(({ seconds }) => seconds >= 0 && seconds <= 20));
  });

  test('is no end of a process in the long stretch without', () => {
    assert.ok(!choices(1, false).some((mishap) => mishap?.kind === 'kill' || mishap?.kind === 'restart'));
  });

  test('does not happen to what something happens to already, either end of the line being the line', () => {
    const free = choices(1, true, ['line', 'bridge–shore']).filter((mishap) => mishap !== undefined);
    assert.ok(free.length > 0);
    assert.ok(!free.some(({ kind, target }) => target === 'line' || target === 'bridge–shore' || kind === 'unplug'));
  });
});
