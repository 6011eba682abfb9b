/** Revisions that come from peers: where they go, when they conflict, and who wins (specification 5.5, 5.8). */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { seededRandom, type RandomSource } from '../../src/base/index.js';
import {
  readConflicts,
  remoteRevision,
  ReplicationStore,
  splitHistory,
  type Collection,
  type IncomingRevision,
} from '../../src/database/index.js';
import { compareRevisionIDs } from '../../src/revision/index.js';
import type { StoredDocument } from '../../src/storage/index.js';
import { openDatabase, refuses } from './fixtures.js';

interface Site {
  readonly collection: Collection;
  readonly store: ReplicationStore;
  readonly events: string[];
}

async function site(context: TestContext): Promise<Site> {
  const collection = (await openDatabase(context)).collection('metrics');
  const events: string[] = [];
  collection.on('change', ({ documentIDs }) => events.push(documentIDs.join()));
  return { collection, store: new ReplicationStore(collection as unknown as Collection<never>), events };
}

/** `2-bb` for generation 2 and name b. */
function rev(generation: number, name: string): string {
  return `${generation}-${name}${name}`;
}

function revision(generation: number, names: string, changes: Partial<IncomingRevision> = {}): IncomingRevision {
  const path = [...names].map((name, index) => rev(generation - index, name));
  const [revisionID = '', ...history] = path;
  return {
    id: 'doc',
    revisionID,
    history,
    deleted: false,
    body: `{"rev":"${revisionID}"}`,
    hasBlobs: false,
    ...changes,
  };
}

const tombstone = { deleted: true, body: '{}' };

async function row(store: ReplicationStore): Promise<StoredDocument> {
  const [document] = await store.documents(['doc']);
  assert.ok(document !== undefined);
  return document;
}

function shown(document: StoredDocument): string {
  const conflicts = readConflicts(document).map((branch) => ` ≠ ${branch.revisionID}<${branch.history.join('<')}`);
  return `${document.revisionID}<${splitHistory(document.history).join('<')}${conflicts.join('')}`;
}

describe('an incoming revision', () => {
  test('of a document that is not here is stored as it came, text and history', async (context) => {
    const { collection, store, events } = await site(context);
    const body = '{ "b": 1.0,\n "a" : 12345678901234567890 , "c":1e2}';
    const result = await store.insert(revision(3, 'cba', { body, hasBlobs: true }), {});
    assert.deepEqual(result, { outcome: 'inserted', sequence: 1 });
    assert.equal(shown(await row(store)), '3-cc<2-bb<1-aa');
    assert.equal((await row(store)).hasBlobs, true);
    const document = await collection.get('doc');
    assert.equal(document?.toJSONText(), body);
    assert.deepEqual(document.body, { a: 12345678901234567890n, b: 1, c: 100 });
    assert.deepEqual(events, ['doc']);
  });

  test('that is known, as the current one or as an ancestor, changes nothing but what is known of the remote', async (context) => {
    const { store, events } = await site(context);
    await store.insert(revision(3, 'cba'), {});
    for (const options of [{}, { remote: 1 }]) {
      assert.deepEqual(await store.insert(revision(3, 'cba'), options), { outcome: 'present', sequence: 1 });
      assert.deepEqual(await store.insert(revision(2, 'ba'), options), { outcome: 'present', sequence: 1 });
    }
    assert.equal(shown(await row(store)), '3-cc<2-bb<1-aa');
    assert.equal(
      remoteRevision(await row(store), 1),
      '3-cc',
      'an older one that comes late is not what the remote has',
    );
    assert.deepEqual(events, ['doc'], 'what nobody can see is no event');
  });

  test('that descends from the current one becomes the current one, with the history known here', async (context) => {
    const { store } = await site(context);
    await store.insert(revision(3, 'cba'), {});
    assert.deepEqual(await store.insert(revision(5, 'edc'), { remote: 1 }), { outcome: 'inserted', sequence: 2 });
    assert.equal(shown(await row(store)), '5-ee<4-dd<3-cc<2-bb<1-aa');
    await store.insert(revision(6, 'fe', tombstone), {});
    assert.equal((await row(store)).deleted, true);
    await store.insert(revision(7, '0f'), {});
    assert.equal((await row(store)).deleted, false);
  });

  test('that conflicts is refused where nobody would resolve it, and nothing changes', async (context) => {
    const { store, events } = await site(context);
    await store.insert(revision(3, 'cba'), {});
    for (const conflicting of [
      revision(3, 'dba'),
      revision(4, 'ddba'),
      revision(9, 'd'),
      revision(3, 'dba', tombstone),
    ]) {
      assert.deepEqual(await store.insert(conflicting, {}), { outcome: 'refused', sequence: 1 });
    }
    assert.equal(shown(await row(store)), '3-cc<2-bb<1-aa');
    assert.deepEqual(await store.conflicted(), []);
    assert.deepEqual(events, ['doc']);
  });

  test('that conflicts with an edit of ours waits on a branch of its own, and our document stays', async (context) => {
    const { collection, store, events } = await site(context);
    await store.insert(revision(2, 'ba'), { remote: 1 });
    const ours = await collection.save('doc', { ours: true });
    const result = await store.insert(revision(3, 'dba'), { remote: 1 });
    assert.deepEqual(result, { outcome: 'conflict', sequence: 2 });
    assert.equal(shown(await row(store)), `${ours.revisionID}<2-bb<1-aa ≠ 3-dd<2-bb<1-aa`);
    assert.deepEqual((await collection.get('doc'))?.body, { ours: true });
    assert.deepEqual(await store.conflicted(), ['doc']);
    assert.deepEqual(events, ['doc', 'doc']);
    assert.equal(remoteRevision(await row(store), 1), '3-dd');
    const next = await collection.save('doc', { ours: 'again' });
    assert.equal(shown(await row(store)), `${next.revisionID}<${ours.revisionID}<2-bb<1-aa ≠ 3-dd<2-bb<1-aa`);
  });

  test('takes the place of what the same remote had on a branch before; other remotes keep theirs', async (context) => {
    const { collection, store } = await site(context);
    await store.insert(revision(1, 'a'), {});
    const ours = (await collection.save('doc', {})).revisionID;
    await store.insert(revision(2, 'ba'), { remote: 1 });
    await store.insert(revision(2, 'ca'), { remote: 2 });
    await store.insert(revision(3, 'dba'), { remote: 1 });
    assert.equal(shown(await row(store)), `${ours}<1-aa ≠ 2-cc<1-aa ≠ 3-dd<2-bb<1-aa`);
    await store.insert(revision(2, 'ea'), { remote: 1 });
    assert.equal(shown(await row(store)), `${ours}<1-aa ≠ 2-cc<1-aa ≠ 2-ee<1-aa`);
    // A third remote goes on from what the second has.
    await store.insert(revision(3, 'fca'), { remote: 3 });
    assert.equal(shown(await row(store)), `${ours}<1-aa ≠ 2-ee<1-aa ≠ 3-ff<2-cc<1-aa`);
  });

  test('on top of ours ends the branch that its remote had', async (context) => {
    const { collection, store } = await site(context);
    await store.insert(revision(1, 'a'), {});
    const ours = (await collection.save('doc', {})).revisionID;
    await store.insert(revision(2, 'ba'), { remote: 1 });
    await store.insert(revision(2, 'ca'), { remote: 2 });
    const next: IncomingRevision = { ...revision(3, 'd'), history: [ours, '1-aa'] };
    assert.equal((await store.insert(next, { remote: 1 })).outcome, 'inserted');
    assert.equal(shown(await row(store)), `3-dd<${ours}<1-aa ≠ 2-cc<1-aa`);
  });

  test('that makes anew what was deleted here lives on as a descendant of the deletion', async (context) => {
    const { collection, store, events } = await site(context);
    await collection.save('doc', { old: true });
    await collection.delete('doc');
    const deleted = (await row(store)).revisionID;
    assert.equal((await store.insert(revision(2, 'bb', tombstone), {})).outcome, 'refused');
    const body = '{ "new": 1.0 }';
    assert.deepEqual(await store.insert(revision(1, 'a', { body }), {}), { outcome: 'rebased', sequence: 3 });
    const made = await row(store);
    assert.match(shown(made), new RegExp(`^3-[0-9a-f]{40}<${deleted}<1-aa$`));
    assert.deepEqual([made.deleted, made.body, made.conflicts, made.remotes], [false, body, null, null]);
    assert.deepEqual(await store.insert(revision(1, 'a'), {}), { outcome: 'present', sequence: 3 });
    assert.equal((await store.insert(revision(1, 'b'), {})).outcome, 'refused', 'it is not deleted any more');
    assert.deepEqual(events, ['doc', 'doc', 'doc']);

    const other = await site(context);
    await other.collection.save('doc', {});
    await other.collection.delete('doc');
    assert.equal(
      (await other.store.insert(revision(5, 'edc'), {})).outcome,
      'rebased',
      'its history is another one here',
    );
    assert.match(shown(await row(other.store)), /^6-[0-9a-f]{40}<5-ee<4-dd<3-cc<2-[0-9a-f]{40}<1-[0-9a-f]{40}$/);
  });

  test('of a generation that leaves no room for edits is refused, and anything below can be edited', async (context) => {
    const { collection, store } = await site(context);
    await collection.save('doc', {});
    for (const generation of [2 ** 31 + 1, 2 ** 32 - 1]) {
      for (const options of [{}, { remote: 1 }, { remote: 1, resolve: true }]) {
        await refuses(store.insert(revision(generation, 'a'), options), 'REVISION_ID_INVALID', 'claims more edits');
      }
    }
    await collection.save('doc', { n: 1 });
    assert.equal((await store.insert(revision(2 ** 31, 'a', tombstone), { remote: 1 })).outcome, 'conflict');
    await collection.save('doc', { n: 2 });
    await store.resolveConflicts('doc');
    assert.equal((await collection.save('doc', { n: 3 })).revisionID.split('-')[0], String(2 ** 31 + 1));
  });

  test('of a remote that has switched branches is followed where nothing was edited here', async (context) => {
    const { collection, store } = await site(context);
    await store.insert(revision(2, 'ba'), { remote: 1 });
    assert.equal((await store.insert(revision(3, 'dca'), { remote: 1 })).outcome, 'inserted');
    assert.equal(shown(await row(store)), '3-dd<2-bb<1-aa', 'what it was is superseded');
    assert.deepEqual(await store.conflicted(), []);
    assert.equal(
      (await store.insert(revision(2, 'ea'), { remote: 1 })).outcome,
      'conflict',
      'that would be a step back',
    );
    await collection.save('doc', {});
    assert.equal((await store.insert(revision(9, 'fba'), { remote: 1 })).outcome, 'conflict');
  });

  test('remembers fifty ancestors, and older ones that a remote has', async (context) => {
    const { collection, store } = await site(context);
    const long = (generation: number, length: number): IncomingRevision => ({
      ...revision(generation, ''),
      revisionID: `${generation}-00`,
      history: Array.from({ length: length - 1 }, (_, index) => `${generation - 1 - index}-00`),
    });
    await store.insert(long(80, 80), {});
    const history = splitHistory((await row(store)).history);
    assert.deepEqual([history.length, history[0], history.at(-1)], [50, '79-00', '30-00']);
    await store.noteRemoteRevisions(7, [{ id: 'doc', revisionID: '31-00' }]);
    assert.equal(remoteRevision(await row(store), 7), '31-00');
    for (let n = 0; n < 10; n++) await collection.save('doc', { n });
    assert.deepEqual(splitHistory((await row(store)).history).slice(-2), ['40-00', '31-00']);
    const current = await row(store);
    const next = { ...revision(91, 'a'), history: [current.revisionID] };
    assert.equal((await store.insert(next, { remote: 1 })).outcome, 'inserted');
    assert.deepEqual(splitHistory((await row(store)).history).slice(-2), ['41-00', '31-00']);
  });
});

describe('a conflict', () => {
  async function conflict(
    context: TestContext,
    ours: IncomingRevision,
    theirs: IncomingRevision,
  ): Promise<Site & { readonly resolved: StoredDocument }> {
    const made = await site(context);
    await made.store.insert(ours, {});
    assert.equal((await made.store.insert(theirs, { remote: 1 })).outcome, 'conflict');
    assert.equal(await made.store.resolveConflicts('doc'), true);
    assert.equal(await made.store.resolveConflicts('doc'), false);
    assert.deepEqual(await made.store.conflicted(), []);
    assert.deepEqual(made.events, ['doc', 'doc']);
    const resolved = await row(made.store);
    assert.equal(resolved.sequence, 2);
    return { ...made, resolved };
  }

  const cases: readonly [title: string, ours: IncomingRevision, theirs: IncomingRevision, winner: 'ours' | 'theirs'][] =
    [
      ['the higher generation, theirs', revision(3, 'cba'), revision(5, 'fedba'), 'theirs'],
      ['the higher generation, ours', revision(5, 'fedba'), revision(3, 'cba'), 'ours'],
      ['the higher revision ID of equal generations, theirs', revision(2, 'ca'), revision(2, 'da'), 'theirs'],
      ['the higher revision ID of equal generations, ours', revision(2, 'da'), revision(2, 'ca'), 'ours'],
      ['a deletion of a lower generation, theirs', revision(5, 'fedba'), revision(3, 'cba', tombstone), 'theirs'],
      ['a deletion of a lower generation, ours', revision(3, 'cba', tombstone), revision(5, 'fedba'), 'ours'],
      ['a deletion of a higher generation, ours', revision(5, 'fedba', tombstone), revision(3, 'cba'), 'ours'],
      ['the higher of two deletions, ours', revision(5, 'fedba', tombstone), revision(3, 'cba', tombstone), 'ours'],
      ['the higher of two deletions, theirs', revision(3, 'cba', tombstone), revision(5, 'fedba', tombstone), 'theirs'],
    ];
  for (const [title, ours, theirs, winner] of cases) {
    test(`is won by ${title}`, async (context) => {
      const { collection, resolved } = await conflict(context, ours, theirs);
      const won = winner === 'ours' ? ours : theirs;
      assert.deepEqual([resolved.body, resolved.deleted], [won.body, won.deleted]);
      assert.deepEqual(readConflicts(resolved), []);
      assert.equal((await collection.get('doc'))?.revisionID, won.deleted ? undefined : resolved.revisionID);
      // It ranks above what it resolved, so that it also wins where it goes.
      if (winner === 'theirs') assert.equal(resolved.revisionID, theirs.revisionID);
      else assert.ok(compareRevisionIDs(resolved.revisionID, theirs.revisionID) > 0, shown(resolved));
      assert.equal(remoteRevision(resolved, 1), theirs.revisionID);
    });
  }

  test('with several remotes at once is resolved in one step', async (context) => {
    const { collection, store } = await site(context);
    await store.insert(revision(1, 'a'), {});
    await collection.save('doc', { ours: 1 });
    for (const [index, name] of ['b', 'c', 'd'].entries()) {
      await store.insert(revision(3, `${name}${name}a`), { remote: index + 1 });
    }
    assert.equal(readConflicts(await row(store)).length, 3);
    await store.resolveConflicts('doc');
    const resolved = await row(store);
    assert.deepEqual(readConflicts(resolved), []);
    assert.match(resolved.body, /"3-dd"/);
  });

  test('ends the same on both sides, however the edits were', async (context) => {
    const seed = 171;
    const random = seededRandom(seed);
    for (let round = 0; round < 25; round++) {
      const [a, b] = [await site(context), await site(context)];
      await a.collection.save('doc', { n: 0 });
      await copy(a.store, b.store, 1);
      await edit(a.collection, random);
      await edit(b.collection, random);
      // b pulls from a, then a pulls from b, until neither has news: at most one revision more, no ping-pong.
      let transfers = 0;
      for (
        let before = '';
        before !== (before = `${shown(await row(a.store))} ${shown(await row(b.store))}`);
        transfers++
      ) {
        await copy(a.store, b.store, 1);
        await copy(b.store, a.store, 1);
        assert.ok(transfers < 4, `seed ${seed}, round ${round}: no end`);
      }
      const [left, right] = [await row(a.store), await row(b.store)];
      assert.deepEqual(
        [left.revisionID, left.deleted, left.body],
        [right.revisionID, right.deleted, right.body],
        `seed ${seed}, round ${round}`,
      );
    }
  });

  async function edit(collection: Collection, random: RandomSource): Promise<void> {
    for (let count = Math.floor(random.next() * 4); count > 0; count--) {
      if (random.next() < 0.3) await collection.delete('doc').catch(() => undefined);
      else await collection.save('doc', { n: Math.floor(random.next() * 3) });
    }
  }

  /** What a pull does with one document. */
  async function copy(from: ReplicationStore, to: ReplicationStore, remote: number): Promise<void> {
    const { id, revisionID, history, deleted, body, hasBlobs } = await row(from);
    const { outcome } = await to.insert(
      { id, revisionID, history: splitHistory(history), deleted, body, hasBlobs },
      { remote },
    );
    if (outcome === 'conflict') await to.resolveConflicts(id);
  }
});
