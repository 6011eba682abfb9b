/** Conflicts by the default rule of generation 3: a deletion wins, then the higher generation, then the higher revision ID. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { contents, openPeer, sync, link, type Peer } from '../support/peers.js';

const LIMIT = { timeout: 30_000 };

/** Two peers with one document in common. */
async function peersWithDocument(context: TestContext): Promise<{ a: Peer; b: Peer }> {
  const a = await openPeer(context, 'a');
  const b = await openPeer(context, 'b');
  await a.metrics.save('pump', { base: true });
  await sync(a, b);
  return { a, b };
}

async function edit(peer: Peer, times: number, from: string): Promise<void> {
  for (let round = 1; round <= times; round++) await peer.metrics.save('pump', { from, round });
}

async function assertEqual(a: Peer, b: Peer): Promise<void> {
  assert.deepEqual(await contents(b.metrics), await contents(a.metrics));
}

describe('a conflict', LIMIT, () => {
  it('goes to the local side where that has more edits, and is pushed in the same run', async (context) => {
    const { a, b } = await peersWithDocument(context);
    await edit(a, 3, 'a');
    await edit(b, 1, 'b');
    await sync(a, b);
    assert.deepEqual((await b.metrics.get('pump'))?.body, { from: 'a', round: 3 });
    await assertEqual(a, b);
  });

  it('goes to the remote side where that has more edits, and nothing is pushed', async (context) => {
    const { a, b } = await peersWithDocument(context);
    await edit(a, 1, 'a');
    await edit(b, 3, 'b');
    const before = await b.metrics.get('pump');
    await sync(a, b);
    const after = await b.metrics.get('pump');
    assert.equal(after?.sequence, before?.sequence);
    assert.deepEqual((await a.metrics.get('pump'))?.body, { from: 'b', round: 3 });
    await assertEqual(a, b);
  });

  it('between equally many edits goes to the higher revision ID, whichever side pulls', async (context) => {
    for (const pulling of ['a', 'b'] as const) {
      const { a, b } = await peersWithDocument(context);
      await edit(a, 1, 'a');
      await edit(b, 1, 'b');
      const [editedA, editedB] = [await a.metrics.get('pump'), await b.metrics.get('pump')];
      assert.ok(editedA && editedB);
      const expected = editedA.revisionID > editedB.revisionID ? editedA.body : editedB.body;
      await (pulling === 'a' ? sync(a, b) : sync(b, a));
      assert.deepEqual((await a.metrics.get('pump'))?.body, expected, `${pulling} pulls`);
      await assertEqual(a, b);
    }
  });

  it('goes to the deletion, on whichever side and against however many edits', async (context) => {
    for (const deleting of ['a', 'b'] as const) {
      const { a, b } = await peersWithDocument(context);
      const [deleter, editor] = deleting === 'a' ? [a, b] : [b, a];
      await deleter.metrics.delete('pump');
      await edit(editor, 4, 'other');
      await sync(a, b);
      assert.equal(await a.metrics.get('pump'), undefined, `${deleting} deletes`);
      assert.equal(await b.metrics.get('pump'), undefined, `${deleting} deletes`);
    }
  });

  it('between two deletions changes nothing that can be seen', async (context) => {
    const { a, b } = await peersWithDocument(context);
    await edit(a, 1, 'a');
    await a.metrics.delete('pump');
    await b.metrics.delete('pump');
    await sync(a, b);
    assert.equal(await a.metrics.get('pump'), undefined);
    assert.equal(await b.metrics.get('pump'), undefined);
  });

  it('between documents of the same ID without a common ancestor is settled too', async (context) => {
    const a = await openPeer(context, 'a');
    const b = await openPeer(context, 'b');
    await a.metrics.save('pump', { from: 'a' });
    await b.metrics.save('pump', { from: 'b' });
    await sync(a, b);
    await assertEqual(a, b);
  });

  it('does not arise where both sides made the same edit', async (context) => {
    const { a, b } = await peersWithDocument(context);
    await edit(a, 2, 'same');
    await edit(b, 2, 'same');
    const { replicator } = await sync(a, b);
    assert.equal((await a.metrics.get('pump'))?.revisionID, (await b.metrics.get('pump'))?.revisionID);
    assert.equal(replicator.status.progress.completed <= 1, true);
  });

  it('is reported for the document, and for nothing else, by a push that does not pull', async (context) => {
    const { a, b } = await peersWithDocument(context);
    await edit(a, 1, 'a');
    await edit(b, 2, 'b');
    await a.metrics.save('other', {});
    const { replicator } = link(a, b, { type: 'push' });
    const problems: string[] = [];
    replicator.on('document-problem', ({ documentID, isPush, error }) =>
      problems.push(`${documentID} ${isPush} ${error.code} ${error.number}`),
    );
    replicator.start();
    assert.equal(await replicator.stopped(), undefined);
    assert.deepEqual(problems, ['pump true DOCUMENT_CONFLICT 10409']);
    assert.deepEqual((await b.metrics.get('pump'))?.body, { from: 'b', round: 2 });
    assert.ok(await b.metrics.get('other'));
  });
});
