import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MessageProperties } from '../../src/blip/index.js';
import { sentRevision, type SentRevision } from '../../src/replicator/incoming-rev.js';
import { RequestedRevisions } from '../../src/replicator/requested-revisions.js';

function rev(properties: Record<string, string>): SentRevision {
  return sentRevision({
    number: 1,
    properties: new MessageProperties(Object.entries(properties).flat()),
    body: new Uint8Array(),
    noReply: false,
    urgent: false,
  });
}

function requested(...revisions: readonly (readonly [sequence: string, id: string, revisionID: string])[]) {
  const all = new RequestedRevisions();
  for (const [sequence, id, revisionID] of revisions) all.add({ sequence, id, revisionID, isWholeWanted: false });
  return all;
}

describe('the revisions that were asked for', () => {
  it('are found by their sequence, each once', () => {
    const all = requested(['1', 'a', '1-aa'], ['2', 'b', '1-bb']);
    assert.equal(all.take(rev({ id: 'b', rev: '1-bb', sequence: '2' }))?.sequence, '2');
    assert.equal(all.take(rev({ id: 'b', rev: '1-bb', sequence: '2' })), undefined);
    assert.equal(all.take(rev({ id: 'a', rev: '1-aa', sequence: '1' }))?.sequence, '1');
  });

  it('are found by document and revision where the sequence is wrong or missing', () => {
    const all = requested(['1', 'a', '1-aa'], ['2', 'b', '1-bb']);
    assert.equal(all.take(rev({ id: 'b', rev: '1-bb', sequence: '9' }))?.sequence, '2');
    assert.equal(all.take(rev({ id: 'a', rev: '1-aa' }))?.sequence, '1');
    assert.equal(all.take(rev({ id: 'a', rev: '1-aa' })), undefined);
  });

  it('are found by what they were replaced with', () => {
    const all = requested(['1', 'a', '1-aa'], ['1', 'b', '1-bb']);
    const replacement = { id: 'b', rev: '3-cc', replacedRev: '1-bb' };
    assert.equal(all.take(rev({ ...replacement, sequence: '1' }))?.id, 'b');
    all.add({ sequence: '2', id: 'b', revisionID: '1-bb', isWholeWanted: false });
    assert.equal(all.take(rev({ ...replacement, sequence: 'x' }))?.sequence, '2');
  });

  it('may share a sequence', () => {
    const all = requested(['1', 'a', '1-aa'], ['1', 'b', '1-bb']);
    assert.equal(all.take(rev({ id: 'b', rev: '1-bb', sequence: '1' }))?.id, 'b');
    assert.equal(all.take(rev({ id: 'x', rev: '7-77', sequence: '1' }))?.id, 'a');
  });
});
