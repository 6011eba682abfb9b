/** Bodies of former revisions that stay because a delta can be made from them (specification 7.2). */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { bodyOf, ReplicationStore, revisionsWithBody, type Collection } from '../../src/database/index.js';
import type { StoredDocument } from '../../src/storage/index.js';
import { openDatabase } from './fixtures.js';

interface Site {
  readonly collection: Collection;
  readonly store: ReplicationStore;
}

async function site(context: TestContext): Promise<Site> {
  const collection = (await openDatabase(context)).collection('metrics');
  return { collection, store: new ReplicationStore(collection as unknown as Collection<never>) };
}

/** Long enough that a delta would be sent. */
function body(n: number): { n: number; text: string } {
  return { n, text: 'x'.repeat(200) };
}

async function save({ collection }: Site, n: number): Promise<string> {
  return (await collection.save('doc', body(n))).revisionID;
}

async function row({ store }: Site): Promise<StoredDocument> {
  const [document] = await store.documents(['doc']);
  assert.ok(document !== undefined);
  return document;
}

async function noted({ store }: Site, remote: number, revisionID: string): Promise<void> {
  await store.noteRemoteRevisions(remote, [{ id: 'doc', revisionID }]);
}

/** Makes a revision of the peer's on top of `parents`. */
async function receive({ store }: Site, revisionID: string, parents: string[], remote?: number): Promise<void> {
  const text = JSON.stringify({ ...body(0), revisionID });
  const options = remote === undefined ? {} : { remote };
  const revision = { id: 'doc', revisionID, history: parents, deleted: false, body: text, hasBlobs: false };
  await store.insert(revision, options);
}

test('nothing is kept of a document that nobody else is known to have', async (context) => {
  const made = await site(context);
  const first = await save(made, 1);
  const second = await save(made, 2);
  const document = await row(made);
  assert.equal(document.bases, null);
  assert.deepEqual(revisionsWithBody(document), [second]);
  assert.equal(bodyOf(document, first), undefined);
});

test('what a remote has is kept through local edits, until the remote has another one', async (context) => {
  const made = await site(context);
  const first = await save(made, 1);
  await noted(made, 1, first);
  const second = await save(made, 2);
  const third = await save(made, 3);
  assert.deepEqual(revisionsWithBody(await row(made)), [third, first]);
  assert.deepEqual(JSON.parse(bodyOf(await row(made), first) ?? ''), body(1));
  assert.equal(bodyOf(await row(made), second), undefined);
  await noted(made, 1, third);
  assert.deepEqual(revisionsWithBody(await row(made)), [third, first], 'a note rewrites nothing else');
  await made.collection.setDocumentExpiration('doc', new Date('2100-01-01'));
  assert.deepEqual(revisionsWithBody(await row(made)), [third, first]);
  const fourth = await save(made, 4);
  assert.deepEqual(revisionsWithBody(await row(made)), [fourth, third]);
});

test('a body below 200 bytes, a tombstone and a deleted document keep nothing', async (context) => {
  const made = await site(context);
  const small = (await made.collection.save('doc', { text: 'x'.repeat(188) })).revisionID; // 199 bytes
  await noted(made, 1, small);
  await save(made, 1);
  assert.equal((await row(made)).bases, null);
  const enough = (await made.collection.save('doc', { text: 'é'.repeat(95) })).revisionID; // 201 bytes, 106 characters
  await noted(made, 1, enough);
  await save(made, 2);
  assert.deepEqual(revisionsWithBody(await row(made)).slice(1), [enough]);
  await made.collection.delete('doc');
  const tombstone = await row(made);
  assert.deepEqual([tombstone.bases, revisionsWithBody(tombstone)], [null, []]);
  await noted(made, 1, tombstone.revisionID);
  const again = await save(made, 3);
  assert.deepEqual(revisionsWithBody(await row(made)), [again]);
  assert.equal(bodyOf(await row(made), tombstone.revisionID), undefined);
  await made.collection.purge('doc');
  await save(made, 4);
  assert.equal((await row(made)).bases, null);
});

test('of many remotes three revisions are kept', async (context) => {
  const made = await site(context);
  const revisions: string[] = [];
  for (let n = 1; n <= 5; n++) {
    const revisionID = await save(made, n);
    await noted(made, n, revisionID);
    revisions.unshift(revisionID);
  }
  const last = await save(made, 6);
  assert.deepEqual(revisionsWithBody(await row(made)), [last, ...revisions.slice(0, 3)]);
});

test('where deltas are served the newest are kept too, behind those of remotes, and dropped when that ends', async (context) => {
  const made = await site(context);
  const release = made.store.keepBodies();
  const also = made.store.keepBodies();
  const first = await save(made, 1);
  await noted(made, 1, first);
  const others: string[] = [];
  for (let n = 2; n <= 5; n++) others.unshift(await save(made, n));
  assert.deepEqual(revisionsWithBody(await row(made)), [...others.slice(0, 3), first]);
  also();
  also();
  await receive(made, '6-aa', [others[0] ?? '']);
  assert.deepEqual(revisionsWithBody(await row(made)), ['6-aa', ...others.slice(0, 2), first]);
  release();
  const last = await save(made, 7);
  assert.deepEqual(revisionsWithBody(await row(made)), [last, first]);
});

test('a revision that was pulled takes the place of the one before; a conflicting one is a base too', async (context) => {
  const made = await site(context);
  await receive(made, '1-aa', [], 1);
  await receive(made, '2-bb', ['1-aa'], 1);
  assert.deepEqual(revisionsWithBody(await row(made)), ['2-bb']);
  const third = await save(made, 3);
  const ours = await save(made, 4);
  await receive(made, '3-cc', ['2-bb'], 1);
  assert.deepEqual(revisionsWithBody(await row(made)).slice(0, 2), [ours, '3-cc']);
  assert.match(bodyOf(await row(made), '3-cc') ?? '', /"3-cc"/);
  assert.equal(bodyOf(await row(made), third), undefined);
  await made.store.resolveConflicts('doc');
  // Ours won; the push of it can build on what the remote has.
  assert.deepEqual(revisionsWithBody(await row(made)), [ours, '3-cc']);
});

test('no revision is kept twice', async (context) => {
  const made = await site(context);
  made.store.keepBodies();
  const first = await save(made, 1);
  for (const remote of [1, 2]) await noted(made, remote, first);
  const second = await save(made, 2);
  const third = await save(made, 3);
  assert.deepEqual(revisionsWithBody(await row(made)), [third, second, first]);
});
