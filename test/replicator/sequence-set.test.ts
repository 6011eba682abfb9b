import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../src/base/index.js';
import { SequenceSet } from '../../src/replicator/sequence-set.js';

describe('SequenceSet', () => {
  it('refuses lists that are no done-set', () => {
    for (const list of [undefined, [], [1, 2], [0], [0, 0], [0, -1], [0, 1.5], ['0', 1], [0, 5, 7]]) {
      assert.equal(SequenceSet.fromList(list), undefined, JSON.stringify(list));
    }
  });

  it('refuses a list whose ranges do not ascend, which a peer could make expensive', () => {
    for (const list of [
      [0, 5, 3, 1],
      [0, 1, 9, 1, 5, 1],
      [0, 1, 5, 2, 6, 1],
    ]) {
      assert.equal(SequenceSet.fromList(list), undefined, JSON.stringify(list));
    }
    const descending = Array.from({ length: 200_000 }, (_, index) => [1_000_000 - 2 * index, 1]).flat();
    assert.equal(SequenceSet.fromList([0, 1, ...descending]), undefined);
  });

  it('of very many ranges is met with another without a wait', () => {
    const ranges = (step: number) => Array.from({ length: 100_000 }, (_, index) => [index * step, 1]).flat();
    const [a, b] = [SequenceSet.fromList(ranges(2)), SequenceSet.fromList(ranges(3))];
    assert.ok(a && b);
    assert.equal(a.intersection(b).rangeCount, 33_334);
  });

  it('reads and writes the list of the specification (4.1): 0–10 and 12–14', () => {
    const set = SequenceSet.fromList([0, 11, 12, 3]);
    assert.deepEqual(set?.toList(), [0, 11, 12, 3]);
    assert.equal(set?.firstMissing, 11);
    assert.equal(set?.has(11), false);
    assert.equal(set?.has(14), true);
  });

  it('holds 0 from the beginning and cannot lose it', () => {
    const set = new SequenceSet();
    assert.equal(set.firstMissing, 1);
    set.remove(0);
    assert.equal(set.has(0), true);
  });

  it('joins ranges that come to touch', () => {
    const set = SequenceSet.upTo(4);
    set.addRange(6, 8);
    set.add(5);
    assert.deepEqual(set.toList(), [0, 8]);
  });

  it('behaves like a plain set for random additions, removals, unions and intersections', () => {
    const seed = 7;
    const random = seededRandom(seed);
    const number = (below: number): number => Math.floor(random.next() * below);
    const fill = (): [SequenceSet, Set<number>] => {
      const set = new SequenceSet();
      const model = new Set([0]);
      for (let step = 0; step < 60; step++) {
        const start = number(100);
        const length = number(6);
        if (random.next() < 0.7) {
          set.addRange(start, start + length);
          for (let value = start; value < start + length; value++) model.add(value);
        } else if (start > 0) {
          set.remove(start);
          model.delete(start);
        }
      }
      return [set, model];
    };
    for (let round = 0; round < 300; round++) {
      const [a, modelA] = fill();
      const [b, modelB] = fill();
      const both = a.intersection(b);
      const either = SequenceSet.fromList(a.toList()) as SequenceSet;
      either.addAll(b);
      for (let value = 0; value < 120; value++) {
        const where = `seed ${seed}, round ${round}, sequence ${value}`;
        assert.equal(a.has(value), modelA.has(value), where);
        assert.equal(both.has(value), modelA.has(value) && modelB.has(value), where);
        assert.equal(either.has(value), modelA.has(value) || modelB.has(value), where);
      }
      assert.equal(a.equals(SequenceSet.fromList(a.toList()) as SequenceSet), true);
    }
  });
});
