import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../src/base/index.js';
import { MAX_HISTORY, insertRevision, type Branch } from '../../src/revision/index.js';
import { randomHistory } from './random-branch.js';

const branch = (revisionID: string, ...history: string[]): Branch => ({ revisionID, deleted: false, history });
const incoming = (revisionID: string, ...history: string[]) => ({ revisionID, history });

const current = branch('4-d1', '3-c1', '2-b1', '1-a1');
const conflict = branch('3-c2', '2-b2', '1-a1');

test('begins a document with the whole history that came along', () => {
  assert.deepEqual(insertRevision(undefined, [], incoming('2-b1', '1-a1')), { kind: 'child', history: ['1-a1'] });
  assert.deepEqual(insertRevision(undefined, [], incoming('1-a1')), { kind: 'child', history: [] });
});

test('finds a revision that is there as a leaf or an ancestor of any branch', () => {
  for (const id of ['4-d1', '2-b1', '1-a1', '3-c2', '2-b2']) {
    assert.deepEqual(insertRevision(current, [conflict], incoming(id)), { kind: 'present' }, id);
  }
});

test('extends the current leaf and keeps the older history that the sender left out', () => {
  assert.deepEqual(insertRevision(current, [conflict], incoming('5-e1', '4-d1')), {
    kind: 'child',
    history: ['4-d1', '3-c1', '2-b1', '1-a1'],
  });
  assert.deepEqual(insertRevision(current, [], incoming('7-f1', '6-f0', '5-e1', '4-d1', '3-c1')), {
    kind: 'child',
    history: ['6-f0', '5-e1', '4-d1', '3-c1', '2-b1', '1-a1'],
  });
});

test('extends the current leaf across a gap', () => {
  assert.deepEqual(insertRevision(current, [], incoming('9-f1', '8-f0', '4-d1')), {
    kind: 'child',
    history: ['8-f0', '4-d1', '3-c1', '2-b1', '1-a1'],
  });
});

test('tells a conflict that branches off the current path, with the newest common ancestor', () => {
  assert.deepEqual(insertRevision(current, [], incoming('4-d2', '3-c2', '2-b1', '1-a1')), {
    kind: 'conflict',
    history: ['3-c2', '2-b1', '1-a1'],
    commonAncestor: '2-b1',
    extends: undefined,
  });
  assert.deepEqual(insertRevision(current, [], incoming('4-d2', '3-c1')), {
    kind: 'conflict',
    history: ['3-c1', '2-b1', '1-a1'],
    commonAncestor: '3-c1',
    extends: undefined,
  });
});

test('tells a conflict that shares nothing', () => {
  for (const revision of [incoming('1-ff'), incoming('5-ff'), incoming('9-ff', '8-ff')]) {
    assert.deepEqual(insertRevision(current, [conflict], revision), {
      kind: 'conflict',
      history: revision.history,
      commonAncestor: undefined,
      extends: undefined,
    });
  }
});

test('tells which conflict is extended', () => {
  const other = branch('2-b3', '1-a1');
  assert.deepEqual(insertRevision(current, [other, conflict], incoming('5-e2', '4-d2', '3-c2')), {
    kind: 'conflict',
    history: ['4-d2', '3-c2', '2-b2', '1-a1'],
    commonAncestor: '1-a1',
    extends: 1,
  });
});

test('opens a new conflict where another one is left half-way', () => {
  assert.deepEqual(insertRevision(current, [conflict], incoming('3-c3', '2-b2')), {
    kind: 'conflict',
    history: ['2-b2', '1-a1'],
    commonAncestor: '1-a1',
    extends: undefined,
  });
});

test('prunes the merged history, keeping what a remote stands on', () => {
  const long = randomHistory(seededRandom(4), 80, 79);
  const leaf = branch('80-aa', ...long);
  const outcome = insertRevision(leaf, [], incoming('81-bb', '80-aa'));
  assert.deepEqual(outcome, { kind: 'child', history: ['80-aa', ...long.slice(0, MAX_HISTORY - 1)] });
  const remote = long[70] ?? '';
  const kept = insertRevision(leaf, [], incoming('81-bb', '80-aa'), (id) => id === remote);
  assert.deepEqual(kept, { kind: 'child', history: ['80-aa', ...long.slice(0, MAX_HISTORY - 1), remote] });
});

test('finds the common ancestor before pruning hides it', () => {
  const long = randomHistory(seededRandom(5), 120, 60);
  const other = insertRevision(branch('3-ff', '2-bb'), [], incoming('120-aa', ...long, '2-bb'));
  assert.equal(other.kind === 'conflict' && other.commonAncestor, '2-bb');
});

test('changes nothing of what it is given', () => {
  const frozen = Object.freeze({ ...current, history: Object.freeze([...current.history]) });
  insertRevision(
    frozen,
    Object.freeze([conflict]),
    Object.freeze({ revisionID: '5-e1', history: Object.freeze(['4-d1']) }),
  );
  assert.deepEqual(frozen, current);
});
