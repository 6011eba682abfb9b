import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decideConflict, ParkedConflicts } from '../../src/replicator/push-conflicts.js';
import type { StoredDocument } from '../../src/storage/index.js';
import { revisionID } from '../support/hostile.js';

const [R1, R2, R3] = [revisionID(1), revisionID(2), revisionID(3)];

function stored(content: Partial<StoredDocument> = {}): StoredDocument {
  return {
    id: 'd',
    sequence: 7,
    revisionID: R3,
    deleted: false,
    body: '{}',
    hasBlobs: false,
    history: `${R2},${R1}`,
    conflicts: null,
    remotes: null,
    bases: null,
    expiresAt: null,
    ...content,
  };
}

describe('a proposal that the remote refuses because of another revision', () => {
  const refused = { revisionID: R3, parentID: undefined, remoteID: R1 };

  it('is dropped where the document has changed, is gone, or waits for a resolution', () => {
    assert.deepEqual(decideConflict(refused, stored({ revisionID: revisionID(4) }), undefined), { kind: 'superseded' });
    assert.deepEqual(decideConflict(refused, undefined, undefined), { kind: 'superseded' });
    assert.deepEqual(decideConflict(refused, stored({ conflicts: '[]' }), undefined), { kind: 'superseded' });
  });

  it('is made again on top of the remote revision that it descends from', () => {
    assert.deepEqual(decideConflict(refused, stored(), undefined), { kind: 'propose', parentID: R1 });
    // Also where it is only recorded, because the history was pruned.
    const other = revisionID(1, 'f');
    assert.deepEqual(decideConflict({ ...refused, remoteID: other }, stored(), other), {
      kind: 'propose',
      parentID: other,
    });
  });

  it('is made again on top of nothing where the remote has no such document', () => {
    assert.deepEqual(decideConflict({ ...refused, parentID: R2, remoteID: undefined }, stored(), R2), {
      kind: 'propose',
      parentID: undefined,
    });
  });

  it('is made again on top of what the puller has learned meanwhile', () => {
    const unrelated = revisionID(2, 'f');
    assert.deepEqual(decideConflict({ ...refused, parentID: R1, remoteID: unrelated }, stored(), R2), {
      kind: 'propose',
      parentID: R2,
    });
  });

  it('conflicts where the remote has another branch, and where it refuses what it has itself named', () => {
    const conflict = { kind: 'conflict' };
    const unrelated = revisionID(2, 'f');
    assert.deepEqual(decideConflict({ ...refused, remoteID: unrelated }, stored(), undefined), conflict);
    assert.deepEqual(decideConflict({ ...refused, remoteID: unrelated, parentID: R1 }, stored(), R1), conflict);
    assert.deepEqual(decideConflict({ ...refused, parentID: R1 }, stored(), R1), conflict);
    assert.deepEqual(decideConflict({ ...refused, remoteID: undefined }, stored(), undefined), conflict);
  });
});

describe('ParkedConflicts', () => {
  it('holds the revisions that wait, and so many at the most', () => {
    const parked = new ParkedConflicts();
    assert.equal(parked.add(stored()), true);
    assert.deepEqual(
      [parked.has('d'), parked.has('d', R3), parked.has('d', R2), parked.has('e')],
      [true, true, false, false],
    );
    for (let index = 1; index < 10_000; index++) assert.equal(parked.add(stored({ id: `d${index}` })), true);
    assert.equal(parked.add(stored({ id: 'more' })), false);
    parked.delete('d');
    assert.equal(parked.takeAll().length, 9_999);
    assert.deepEqual(parked.takeAll(), []);
  });
});
