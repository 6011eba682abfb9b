import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { choose, conflicts, isAccessLost, isNewsOfRemote, judge } from '../../src/replicator/change-decisions.js';
import type { StoredDocument } from '../../src/storage/index.js';
import { revisionID } from '../support/hostile.js';

const [A1, A2, A3, A4] = [revisionID(1), revisionID(2), revisionID(3), revisionID(4)];
const B4 = revisionID(4, 'b');

function stored(content: Partial<StoredDocument> = {}): StoredDocument {
  return {
    id: 'd',
    sequence: 7,
    revisionID: A3,
    deleted: false,
    body: '{}',
    hasBlobs: false,
    history: `${A2},${A1}`,
    conflicts: null,
    remotes: null,
    bases: null,
    expiresAt: null,
    ...content,
  };
}

const announced = (revision: string, flags = 0) => ({ sequence: '1', id: 'd', revisionID: revision, flags });

describe('an announced revision', () => {
  it('is not wanted where it is here, or an ancestor of what is', () => {
    for (const revision of [A3, A2, A1]) assert.equal(choose(announced(revision), stored(), true), 'present');
  });

  it('is wanted with the ancestors it may have', () => {
    assert.deepEqual(choose(announced(A4), undefined, true), { ancestors: [] });
    assert.deepEqual(choose(announced(A4), stored(), false), { ancestors: [A3, A2, A1] });
    assert.deepEqual(choose(announced(revisionID(3, 'b')), stored(), false), { ancestors: [A2, A1] });
  });

  it('is wanted with those only that a delta can build on, where deltas are taken', () => {
    assert.deepEqual(choose(announced(A4), stored(), true), { ancestors: [A3] });
    assert.deepEqual(choose(announced(revisionID(3, 'b')), stored(), true), { ancestors: [] });
    assert.deepEqual(choose(announced(A4), stored({ deleted: true }), true), { ancestors: [] });
  });

  it('conflicts where it could not be a descendant', () => {
    assert.equal(conflicts(announced(A4), stored()), false);
    assert.equal(conflicts(announced(revisionID(3, 'b')), stored()), true);
    assert.equal(conflicts(announced(A1), undefined), false);
  });

  it('stands for a lost access by its flags', () => {
    const lost = [0, 1, 2, 3, 4, 5, 6, 7].filter((flags) => isAccessLost(announced(A1, flags)));
    assert.deepEqual(lost, [2, 3, 4, 6, 7]);
  });
});

describe('a proposed revision', () => {
  const judged = (revision: string, parentID: string | undefined, current?: StoredDocument, include = false) =>
    judge({ id: 'd', revisionID: revision, parentID }, current, include);

  it('is taken on top of what is here, and refused beside it', () => {
    assert.equal(judged(A4, A3, stored()), 0);
    assert.equal(judged(A3, A2, stored()), 304);
    assert.equal(judged(B4, A2, stored()), 409);
    assert.deepEqual(judged(B4, A2, stored(), true), { status: 409, rev: A3 });
    assert.deepEqual(judged(B4, A2, undefined, true), { status: 409, rev: '' });
  });

  it('may be new where there is nothing, or a tombstone', () => {
    assert.equal(judged(A1, undefined), 0);
    assert.equal(judged(B4, undefined, stored({ deleted: true })), 0);
    assert.equal(judged(B4, undefined, stored()), 409);
  });
});

describe('that a remote has a revision', () => {
  const noted = (revision: string): string => JSON.stringify({ 1: revision });

  it('is news where nothing newer is noted of it', () => {
    assert.equal(isNewsOfRemote(stored(), 1, A2), true);
    assert.equal(isNewsOfRemote(stored({ remotes: noted(A1) }), 1, A2), true);
    assert.equal(isNewsOfRemote(stored({ remotes: noted(B4) }), 1, A3), true);
    assert.equal(isNewsOfRemote(stored({ remotes: noted(A2) }), 1, A2), false);
    assert.equal(isNewsOfRemote(stored({ remotes: noted(A3) }), 1, A2), false);
    assert.equal(isNewsOfRemote(stored({ remotes: noted(A3) }), 2, A2), true);
  });

  it('is none where the revision is not here, nor of an ancestor while a conflict waits for its resolution', () => {
    assert.equal(isNewsOfRemote(stored(), 1, B4), false);
    assert.equal(isNewsOfRemote(stored({ conflicts: '[]' }), 1, A2), false);
    assert.equal(isNewsOfRemote(stored({ conflicts: '[]' }), 1, A3), true);
  });
});
