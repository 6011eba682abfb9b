/** Conflicts by the default rule of generation 3: a deletion wins, then the higher generation, then the higher revision ID. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { documentProblems } from '../support/document-problems.js';
import { Database, systemClock, type Clock } from '../../src/index.js';
import { cleanup } from '../support/cleanup.js';
import { memoryLogger } from '../support/memory-logger.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { contents, openPeer, sync, link, type Peer } from '../support/peers.js';

const LIMIT = { timeout: 120_000 };

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
  it('143. goes to the local side where that has more edits, and is pushed in the same run', async (context) => {
    const { a, b } = await peersWithDocument(context);
    await edit(a, 3, 'a');
    await edit(b, 1, 'b');
    await sync(a, b);
    assert.deepEqual((await b.metrics.get('pump'))?.body, { from: 'a', round: 3 });
    await assertEqual(a, b);
  });

  it('144. goes to the remote side where that has more edits, and nothing is pushed', async (context) => {
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

  it('172. between equally many edits goes to the higher revision ID, whichever side pulls', async (context) => {
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

  it('146, 147. goes to the deletion, on whichever side and against however many edits', async (context) => {
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

  it('149. between documents of the same ID without a common ancestor is settled too', async (context) => {
    const a = await openPeer(context, 'a');
    const b = await openPeer(context, 'b');
    await a.metrics.save('pump', { from: 'a' });
    await b.metrics.save('pump', { from: 'b' });
    await sync(a, b);
    await assertEqual(a, b);
  });

  it('171. does not arise where both sides made the same edit', async (context) => {
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
    const problems = documentProblems(replicator);
    replicator.start();
    assert.equal(await replicator.stopped(), undefined);
    const told = problems.map(
      ({ documentID, isPush, error }) => `${documentID} ${isPush} ${error.code} ${error.number}`,
    );
    assert.deepEqual(told, ['pump true DOCUMENT_CONFLICT 10409']);
    assert.deepEqual((await b.metrics.get('pump'))?.body, { from: 'b', round: 2 });
    assert.ok(await b.metrics.get('other'));
  });

  it('145. goes to more edits even where fewer ones came later', async (context) => {
    const { a, b } = await peersWithDocument(context);
    await edit(b, 2, 'b');
    await edit(a, 1, 'a');
    await sync(a, b);
    assert.deepEqual((await a.metrics.get('pump'))?.body, { from: 'b', round: 2 });
    await assertEqual(a, b);
  });

  it('173. ends the same, and refuses nothing, where a clock is off by an hour or by 1,024 weeks', async (context) => {
    const outcomes: string[][] = [];
    for (const offset of [0, HOUR, -HOUR, WEEKS, -WEEKS]) {
      const [a, b] = [await openPeer(context, 'a'), await openPeerAt(context, offset)];
      await a.metrics.save('pump', { base: true });
      await b.metrics.save('valve', { base: true });
      await sync(a, b);
      await edit(a, 1, 'a');
      await edit(b, 2, 'b');
      await a.metrics.save('valve', { from: 'a' });
      await b.metrics.delete('valve');
      const { replicator } = link(a, b);
      const problems = documentProblems(replicator);
      replicator.start();
      assert.equal(await replicator.stopped(), undefined);
      assert.deepEqual(problems, [], `clock off by ${offset}`);
      await assertEqual(a, b);
      outcomes.push(await contents(a.metrics));
    }
    for (const outcome of outcomes) assert.deepEqual(outcome, outcomes[0]);
  });

  it('a document made anew where its deletion is not known lives on everywhere, and can be edited', async (context) => {
    const { a, b } = await peersWithDocument(context);
    await a.metrics.delete('pump');
    await sync(a, b);
    const fresh = await openPeer(context, 'fresh');
    await b.metrics.save('other', {});
    await sync(fresh, b); // tombstones are passed over by a first pull
    await fresh.metrics.save('pump', { fresh: true });
    await sync(fresh, b);
    await sync(a, b);
    for (const peer of [a, b]) assert.deepEqual((await peer.metrics.get('pump'))?.body, { fresh: true });
    await sync(fresh, b); // brings it as a descendant of the tombstone
    await edit(fresh, 1, 'fresh');
    await sync(fresh, b);
    await sync(a, b);
    for (const peer of [a, b, fresh]) {
      assert.deepEqual((await peer.metrics.get('pump'))?.body, { from: 'fresh', round: 1 }, peer.name);
      await assertEqual(peer, b);
    }
  });
});

describe('a save that conflicts', LIMIT, () => {
  it('168–170. overwrites, is refused, or is merged, as its options say', async (context) => {
    const { metrics } = await openPeer(context, 'a');
    const old = await metrics.save('pump', { n: 1 });
    await metrics.save('pump', { n: 2 });
    await metrics.save('pump', { n: 3 }); // the last write wins
    const ifRevision = old.revisionID;
    await assert.rejects(metrics.save('pump', { n: 4 }, { ifRevision }), { code: 'DOCUMENT_CONFLICT' });
    await assert.rejects(metrics.save('pump', { n: 4 }, { ifRevision, onConflict: () => undefined }), {
      code: 'DOCUMENT_CONFLICT',
    });
    const failing = (): never => {
      throw new Error('no');
    };
    await assert.rejects(metrics.save('pump', { n: 4 }, { ifRevision, onConflict: failing }), { message: 'no' });
    assert.deepEqual((await metrics.get('pump'))?.body, { n: 3 });
    const sum = {
      onConflict: ({ body, current }: { body: { n: number }; current?: { body: { n: number } } | undefined }) => ({
        n: body.n + (current?.body.n ?? 100),
      }),
    };
    assert.deepEqual((await metrics.save('pump', { n: 4 }, { ifRevision, ...sum })).body, { n: 7 });
    await metrics.delete('pump');
    assert.deepEqual((await metrics.save('pump', { n: 4 }, { ifRevision, ...sum })).body, { n: 104 });
  });
});

const HOUR = 3_600_000;
/** When a GPS receiver counts its weeks from zero again. */
const WEEKS = 1_024 * 7 * 24 * HOUR;

async function openPeerAt(context: TestContext, offset: number): Promise<Peer> {
  const clock: Clock = { ...systemClock, now: () => systemClock.now() + offset };
  const database = await Database.open(await temporaryDirectory(context), { clock, logger: memoryLogger() });
  cleanup(context, () => database.close());
  return { name: 'b', database, metrics: await database.createCollection('metrics') };
}
