/** What the replicator keeps beside the documents: checkpoints, numbers of remotes, what remotes have. */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { deferred } from '../../src/base/index.js';
import { remoteRevision, ReplicationStore, type Database } from '../../src/database/index.js';
import { openAt, openDatabase, refuses } from './fixtures.js';

function storeOf(database: Database, name = 'metrics'): ReplicationStore {
  return new ReplicationStore(database.collection<never>(name));
}

async function open(context: TestContext): Promise<{ database: Database; store: ReplicationStore }> {
  const database = await openDatabase(context);
  return { database, store: storeOf(database) };
}

describe('the identities of a database', () => {
  test('stay, and are its own', async (context) => {
    const { database, store } = await open(context);
    const ids = [store.privateUUID, store.publicUUID];
    assert.match(ids.join(' '), /^[0-9a-f-]{36} [0-9a-f-]{36}$/);
    assert.notEqual(ids[0], ids[1]);
    await database.close();
    const again = storeOf(await openAt(context, database.path));
    assert.deepEqual([again.privateUUID, again.publicUUID], ids);
    assert.notEqual((await open(context)).store.privateUUID, ids[0]);
  });
});

describe('the number of a remote', () => {
  test('is the same for the same remote, also when asked at the same time, and after reopening', async (context) => {
    const { database, store } = await open(context);
    const numbers = await Promise.all(['a', 'b', 'a', 'c', 'b', 'a'].map((remote) => store.remoteNumber(remote)));
    assert.deepEqual([numbers[0], numbers[1]], [numbers[2], numbers[4]]);
    assert.equal(new Set(numbers).size, 3);
    assert.equal(await storeOf(database, 'other').remoteNumber('a'), numbers[0]);
    await database.close();
    const again = storeOf(await openAt(context, database.path));
    assert.equal(await again.remoteNumber('b'), numbers[1]);
    assert.equal(numbers.includes(await again.remoteNumber('d')), false);
  });
});

describe('a local checkpoint', () => {
  test('is kept with the documents, and comes after the edits that were asked for before it', async (context) => {
    const { database, store } = await open(context);
    assert.equal(await store.localCheckpoint('cp'), undefined);
    let saved = 0;
    const gate = deferred();
    const batch = database.inBatch(async () => gate.promise);
    for (let n = 0; n < 3_000; n++)
      void database
        .collection('metrics')
        .save(`doc-${n}`, {})
        .then(() => saved++);
    const checkpoint = store.putLocalCheckpoint('cp', '{"local":3000}').then(() => saved);
    gate.resolve();
    await batch;
    assert.equal(await checkpoint, 3_000);
    await database.close();
    assert.equal(await storeOf(await openAt(context, database.path)).localCheckpoint('cp'), '{"local":3000}');
  });
});

describe('a checkpoint kept for a peer', () => {
  test('is replaced only on top of its revision', async (context) => {
    const { store } = await open(context);
    assert.equal(await store.peerCheckpoint('cp'), undefined);
    assert.equal(await store.putPeerCheckpoint('cp', '{"a":1}', '1-cc'), undefined);
    assert.equal(await store.putPeerCheckpoint('cp', '{"a":1}', undefined), '1-cc');
    assert.equal(await store.putPeerCheckpoint('cp', '{"a":2}', undefined), undefined);
    assert.equal(await store.putPeerCheckpoint('cp', '{"a": 2}', '1-cc'), '2-cc');
    assert.deepEqual(await store.peerCheckpoint('cp'), { revision: '2-cc', text: '{"a": 2}' });
    const raced = await Promise.all([1, 2, 3].map((n) => store.putPeerCheckpoint('cp', `{"n":${n}}`, '2-cc')));
    assert.deepEqual(
      raced.filter((revision) => revision !== undefined),
      ['3-cc'],
    );
  });
});

describe('what a remote has', () => {
  test('is noted without an event, a new sequence or a lost edit', async (context) => {
    const { database, store } = await open(context);
    const collection = database.collection('metrics');
    const first = await collection.save('a', { n: 1 });
    let events = 0;
    store.onCommit(() => events++);
    const notes = store.noteRemoteRevisions(1, [
      { id: 'a', revisionID: first.revisionID },
      { id: 'gone', revisionID: '1-aa' },
    ]);
    const [second] = await Promise.all([collection.save('a', { n: 2 }), notes]);
    const [document] = await store.documents(['a']);
    assert.ok(document !== undefined);
    assert.equal(document.revisionID, second.revisionID);
    assert.equal(remoteRevision(document, 1), first.revisionID);
    assert.equal(document.sequence, 2);
    assert.equal(events, 1);
  });
});

describe('a store', () => {
  test('of a collection that does not exist yet is empty, and makes it when asked', async (context) => {
    const { database, store } = await open(context);
    assert.deepEqual(
      [await store.feed({ since: 0, limit: 5 }), await store.documents(['a']), await store.isEmpty()],
      [[], [undefined], true],
    );
    assert.deepEqual(await store.conflicted(), []);
    await store.noteRemoteRevisions(1, [{ id: 'a', revisionID: '1-aa' }]);
    assert.equal(store.lastSequence, 0);
    await store.create();
    assert.ok(database.collections().some(({ name }) => name === 'metrics'));
    await database.collection('metrics').save('a', {});
    await database.collection('metrics').delete('a');
    assert.equal(await store.isEmpty(), false);
    assert.equal(store.lastSequence, 2);
    assert.deepEqual([store.name, store.scope, store.collectionName], ['metrics', '_default', 'metrics']);
  });

  test('lists thousands of conflicts without holding their documents', async (context) => {
    const { store } = await open(context);
    const ids = Array.from({ length: 1_200 }, (_, index) => `doc-${index}`);
    const revision = (id: string, name: string): Parameters<ReplicationStore['insert']>[0] => ({
      ...{
        id,
        revisionID: `1-${name}`,
        history: [],
        deleted: false,
        body: `{"text":"${'x'.repeat(2_000)}"}`,
        hasBlobs: false,
      },
    });
    await Promise.all(ids.map((id) => store.insert(revision(id, 'aa'), {})));
    await Promise.all(ids.map((id) => store.insert(revision(id, 'bb'), { remote: 1 })));
    assert.deepEqual((await store.conflicted()).sort(), [...ids].sort());
    await Promise.all(ids.map((id) => store.resolveConflicts(id)));
    assert.deepEqual(await store.conflicted(), []);
  });

  test('rejects with DATABASE_CLOSED or COLLECTION_DELETED when that is so', async (context) => {
    const { database, store } = await open(context);
    await store.create();
    const other = storeOf(database, 'other');
    await other.create();
    await database.deleteCollection('metrics');
    const revision = { id: 'a', revisionID: '1-aa', history: [], deleted: false, body: '{}', hasBlobs: false };
    await refuses(store.insert(revision, {}), 'COLLECTION_DELETED');
    await refuses(store.documents(['a']), 'COLLECTION_DELETED');
    await refuses(store.feed({ since: 0, limit: 1 }), 'COLLECTION_DELETED');
    await database.close();
    await refuses(other.insert(revision, {}), 'DATABASE_CLOSED');
    await refuses(other.documents(['a']), 'DATABASE_CLOSED');
    await refuses(other.putLocalCheckpoint('cp', '{}'), 'DATABASE_CLOSED');
  });
});
