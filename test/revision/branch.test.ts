import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../src/base/index.js';
import {
  MAX_HISTORY,
  compareRevisionIDs,
  contains,
  descendsFrom,
  isAncestorOf,
  possibleAncestors,
  prune,
  winner,
  type Branch,
} from '../../src/revision/index.js';
import { randomBranch, randomHistory } from './random-branch.js';

const branch = (revisionID: string, history: string[] = [], deleted = false): Branch => ({
  revisionID,
  deleted,
  history,
});

test('lets a deletion win over any live revision', () => {
  const tombstone = branch('2-00', ['1-aa'], true);
  assert.equal(winner(tombstone, branch('9-ff')), tombstone);
  assert.equal(winner(branch('9-ff'), tombstone), tombstone);
});

test('lets the higher generation win, as a number, then the higher revision ID', () => {
  const ten = branch('10-00');
  assert.equal(winner(ten, branch('9-ff')), ten);
  const higher = branch('3-ab');
  assert.equal(winner(branch('3-aaff'), higher), higher);
  const deleted = branch('4-aa', [], true);
  assert.equal(winner(branch('3-ff', [], true), deleted), deleted);
});

test('names the same winner whichever side asks', () => {
  const random = seededRandom(11);
  for (let round = 0; round < 5000; round++) {
    const [a, b, c] = [randomBranch(random), randomBranch(random), randomBranch(random)];
    const where = `seed 11, round ${round}`;
    assert.equal(winner(a, b).revisionID, winner(b, a).revisionID, where);
    // With three devices the order of resolving does not matter either.
    assert.equal(winner(winner(a, b), c).revisionID, winner(a, winner(b, c)).revisionID, where);
    if (a.deleted === b.deleted) assert.ok(compareRevisionIDs(winner(a, b).revisionID, a.revisionID) >= 0, where);
  }
});

test('knows ancestors from strangers, and a leaf is not its own ancestor', () => {
  const line = branch('3-cc', ['2-bb', '1-aa']);
  assert.ok(descendsFrom(line, '1-aa') && isAncestorOf('1-aa', line) && contains(line, '1-aa'));
  assert.ok(!descendsFrom(line, '3-cc') && !isAncestorOf('3-cc', line) && contains(line, '3-cc'));
  assert.ok(!descendsFrom(line, '2-ff') && !isAncestorOf('2-ff', line) && !contains(line, '2-ff'));
});

test('keeps fifty ancestors, and older ones only where a remote stands on them', () => {
  const history = randomHistory(seededRandom(1), 80, 79);
  assert.equal(MAX_HISTORY, 50);
  assert.deepEqual(prune(history), history.slice(0, 50));
  assert.deepEqual(prune(history.slice(0, 50)), history.slice(0, 50));
  const known = new Set([history[3], history[60], history[78]]);
  assert.deepEqual(
    prune(history, (id) => known.has(id)),
    [...history.slice(0, 50), history[60], history[78]],
  );
  assert.equal(history.length, 79, 'leaves what it is given as it is');
});

test('offers revisions of a lower generation, the current branch first and each once', () => {
  const current = branch('5-ee', ['4-dd', '3-cc', '2-bb', '1-aa']);
  const other = branch('4-ff', ['3-f3', '2-bb', '1-aa']);
  assert.deepEqual(possibleAncestors([current, other], 4), ['3-cc', '2-bb', '1-aa', '3-f3']);
  assert.deepEqual(possibleAncestors([current, other], 9, 3), ['5-ee', '4-dd', '3-cc']);
  assert.deepEqual(possibleAncestors([current, other], 1), []);
  assert.deepEqual(possibleAncestors([current, other], 9, 0), []);
  assert.deepEqual(possibleAncestors([], 9), []);
  assert.equal(possibleAncestors([branch('40-aa', randomHistory(seededRandom(2), 40, 39))], 41).length, 10);
});
