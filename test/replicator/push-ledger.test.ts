import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PushLedger } from '../../src/replicator/push-ledger.js';
import { SequenceSet } from '../../src/replicator/sequence-set.js';

describe('PushLedger', () => {
  it('counts as done what was read, but for what was begun and not finished', () => {
    const ledger = new PushLedger(new SequenceSet());
    for (const sequence of [1, 2, 3, 4]) ledger.advance(sequence);
    for (const sequence of [2, 3]) ledger.begin(sequence);
    ledger.finish(3);
    assert.deepEqual(ledger.done.toList(), [0, 2, 3, 2]);
    ledger.finish(2);
    assert.equal(ledger.done.firstMissing, 5);
  });

  it('begins where the last one ended, with its gaps', () => {
    const before = SequenceSet.upTo(3);
    before.addRange(6, 8);
    const ledger = new PushLedger(before);
    assert.equal(ledger.position, 3);
    assert.deepEqual([ledger.has(3), ledger.has(5), ledger.has(7)], [true, false, true]);
    ledger.advance(5);
    ledger.begin(5);
    assert.deepEqual(ledger.done.toList(), [0, 5, 6, 2]);
  });

  it('keeps account of what is left for the next session, and of a bounded number of them', () => {
    const ledger = new PushLedger(new SequenceSet());
    for (let sequence = 1; sequence <= 10_000; sequence++) {
      ledger.advance(sequence);
      ledger.begin(sequence);
      if (sequence % 2 === 0) ledger.leave(sequence);
      else ledger.finish(sequence);
    }
    const { done } = ledger;
    assert.deepEqual([done.has(1), done.has(2), done.has(1_999), done.has(2_000)], [true, false, true, false]);
    // Behind the thousandth nothing is kept, and nothing counts as done.
    assert.deepEqual([done.has(2_001), done.has(2_002), done.has(2_003), done.has(9_999)], [true, false, false, false]);
    assert.ok(done.rangeCount <= 1_001, String(done.rangeCount));
  });
});
