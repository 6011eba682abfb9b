/** Compaction deletes the blobs that nothing refers to, and never one that somebody needs, whatever goes on beside it. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { deferred, seededRandom } from '../../src/base/index.js';
import { BlobLeases } from '../../src/database/blob-leases.js';
import {
  Blob,
  ReplicationStore,
  type BlobDictionary,
  type Collection,
  type Database,
} from '../../src/database/index.js';
import { isHawserError } from '../../src/errors.js';
import { BlobStore } from '../../src/storage/index.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { openAt, openDatabase, refuses, turnOfEventLoop } from './fixtures.js';

type Photo = { photo?: Blob | BlobDictionary | undefined };

function blobOf(text: string): Blob {
  return new Blob('text/plain', Buffer.from(text));
}

function digestOf(text: string): string {
  return `sha1-${createHash('sha1').update(text).digest('base64')}`;
}

/** The texts whose contents are stored. */
async function stored(database: Database, texts: readonly string[]): Promise<string[]> {
  const names = new Set(await readdir(`${database.path}/blobs`));
  const kept = texts.filter((text) => names.has(createHash('sha1').update(text).digest('hex')));
  assert.equal(names.size, kept.length, 'nothing else lies there');
  return kept;
}

function storeOf(collection: Collection<Photo>): ReplicationStore {
  return new ReplicationStore(collection as unknown as Collection<never>);
}

/** A stream that yields its text when the test lets it. */
function slowBlob(text: string): { readonly blob: Blob; readonly started: Promise<void>; readonly finish: () => void } {
  const [started, finish] = [deferred(), deferred()];
  async function* pieces(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(text);
    started.resolve();
    await finish.promise;
  }
  return { blob: new Blob('text/plain', pieces()), started: started.promise, finish: () => finish.resolve() };
}

describe('compact deletes the blobs', () => {
  test('of changed, deleted and purged documents and of deleted collections, and no others', async (context) => {
    const database = await openDatabase(context);
    const photos = database.collection<Photo>('photos');
    const other = database.collection<Photo>('other', { scope: 'yard' });
    const texts = ['kept', 'changed', 'deleted', 'purged', 'saved alone', 'dropped', 'shared'];
    for (const text of ['kept', 'changed', 'deleted', 'purged', 'shared']) {
      await photos.save(text, { photo: blobOf(text) });
    }
    await other.save('dropped', { photo: blobOf('dropped') });
    await other.save('shared', { photo: blobOf('shared') });
    await database.saveBlob(blobOf('saved alone'));
    assert.deepEqual(await stored(database, texts), texts);
    await database.compact();
    assert.deepEqual(await stored(database, texts), ['kept', 'changed', 'deleted', 'purged', 'dropped', 'shared']);
    await photos.save('changed', {});
    await photos.delete('deleted');
    await photos.purge('purged');
    await photos.purge('shared');
    await database.compact();
    assert.deepEqual(await stored(database, texts), ['kept', 'dropped', 'shared']);
    await database.deleteCollection('other', { scope: 'yard' });
    await database.compact();
    assert.deepEqual(await stored(database, texts), ['kept']);
    const blob = await database.getBlob((await photos.get('kept'))?.body.photo);
    assert.equal(Buffer.from((await blob?.content()) ?? []).toString(), 'kept');
    await database.compact();
    assert.deepEqual(await stored(database, texts), ['kept']);
  });

  test('but not those of a conflict that waits, nor of bodies that a peer wrote in its own way', async (context) => {
    const database = await openDatabase(context);
    const photos = database.collection<Photo>('photos');
    const store = storeOf(photos);
    await photos.save('a', { photo: blobOf('local') });
    const texts = ['local', 'theirs', 'escaped', 'tombstone'];
    const insert = async (id: string, text: string, body: string, deleted = false): Promise<void> => {
      const lease = store.blobLease();
      await lease.put(Buffer.from(text), { digest: digestOf(text) });
      const revision = { id, revisionID: `1-${'ab'.repeat(20)}`, history: [], deleted, body, hasBlobs: true };
      await store.insert(revision, { remote: 1 });
      lease.release();
    };
    await insert('a', 'theirs', `{"photo":{"@type":"blob","digest":"${digestOf('theirs')}"}}`);
    const unusual = digestOf('escaped').replaceAll('/', '\\/').replace('sha1', '\\u0073ha1');
    await insert('b', 'escaped', `{ "photo" : { "digest" : "${unusual}", "@type" : "blob" } }`);
    await insert('c', 'tombstone', `{"photo":{"@type":"blob","digest":"${digestOf('tombstone')}"}}`, true);
    assert.deepEqual(await store.conflicted(), ['a']);
    await database.compact();
    assert.deepEqual(await stored(database, texts), texts);
    await store.resolveConflicts('a');
    const { photo } = (await photos.get('a'))!.body;
    await database.compact();
    const winner = texts.find((text) => digestOf(text) === (photo as BlobDictionary).digest);
    assert.ok((await stored(database, texts)).includes(winner ?? ''));
  });

  test('after which a Blob object that was stored says so, or is stored again', async (context) => {
    const database = await openDatabase(context);
    const other = await openDatabase(context);
    const photos = database.collection<Photo>('photos');
    const blob = blobOf('one');
    await photos.save('a', { photo: blob });
    await photos.purge('a');
    await database.compact();
    await refuses(blob.content(), 'BLOB_NOT_FOUND', digestOf('one'));
    await refuses(photos.save('a', { photo: blob }), 'BLOB_NOT_FOUND', digestOf('one'));
    assert.equal(await photos.get('a'), undefined);
    await photos.save('a', { photo: blobOf('one') });
    await photos.save('b', { photo: blob }); // it is there once more
    await other.collection<Photo>('photos').save('a', { photo: blob });
    await photos.purge('a');
    await photos.purge('b');
    await database.compact();
    await photos.save('a', { photo: blob }); // from the other database
    assert.equal(Buffer.from(await blob.content()).toString(), 'one');
    assert.deepEqual(await stored(database, ['one']), ['one']);
  });
});

describe('compact spares the blob', () => {
  test('that is being stored, and whose document is saved only after it has ended', async (context) => {
    const database = await openDatabase(context);
    const photos = database.collection<Photo & { first?: Blob }>('photos');
    const { blob, started, finish } = slowBlob('slow');
    const saved = photos.save('a', { first: blobOf('first'), photo: blob });
    await started;
    await database.compact();
    finish();
    await saved;
    assert.deepEqual(await stored(database, ['first', 'slow']), ['first', 'slow']);
  });

  test('of a batch that is running, and of one that runs while it works', async (context) => {
    const database = await openDatabase(context);
    const photos = database.collection<Photo>('photos');
    const [inside, leave] = [deferred(), deferred()];
    const batch = database.inBatch(async (edits) => {
      await edits.collection<Photo>('photos').save('a', { photo: blobOf('in a batch') });
      inside.resolve();
      await leave.promise;
    });
    await inside.promise;
    const compacted = database.compact();
    const after = photos.save('b', { photo: blobOf('behind it') });
    leave.resolve();
    await Promise.all([batch, compacted, after]);
    const texts = ['in a batch', 'behind it'];
    assert.deepEqual(await stored(database, texts), texts);
  });

  test('on which somebody holds a lease, until it is released', async (context) => {
    const database = await openDatabase(context);
    const store = storeOf(database.collection<Photo>('photos'));
    const [one, two] = [store.blobLease(), store.blobLease()];
    await one.put(Buffer.from('a'));
    assert.equal(await two.keep(digestOf('a')), true);
    assert.equal(await two.keep(digestOf('never')), false);
    await refuses(two.keep('sha1-x'), 'BLOB_INVALID', 'sha1-x');
    one.release();
    one.release();
    await database.compact();
    assert.deepEqual(await stored(database, ['a']), ['a']);
    two.release();
    await database.compact();
    assert.deepEqual(await stored(database, ['a']), []);
  });

  test('that is wanted again at the moment of its deletion', async (context) => {
    const store = await BlobStore.open(`${await temporaryDirectory(context)}/blobs`);
    const leases = new BlobLeases(store);
    await store.put(Buffer.from('a'));
    const [begun, goOn] = [deferred(), deferred()];
    const remove = store.delete.bind(store);
    store.delete = async (digest) => {
      begun.resolve();
      await goOn.promise;
      return remove(digest);
    };
    const collected = leases.collect(() => leases.remove(digestOf('a')));
    await begun.promise;
    const lease = leases.lease();
    const put = lease.put(Buffer.from('a'));
    for (let turn = 0; turn < 50; turn++) await turnOfEventLoop();
    goOn.resolve();
    await Promise.all([collected, put]);
    assert.equal(await store.has(digestOf('a')), true);
  });

  test('that a document passes on to another, in whatever order documents are read', async (context) => {
    const database = await openDatabase(context);
    const [one, two] = [database.collection<Photo>('one'), database.collection<Photo>('two')];
    await one.save('first', {});
    await two.save('holder', { photo: blobOf('ball') });
    await database.saveBlob(blobOf('garbage'));
    let holder = { collection: two, id: 'holder' };
    for (let round = 0; round < 60; round++) {
      const compacted = database.compact();
      const body = (await holder.collection.get(holder.id))!.body;
      const next = { collection: round % 2 === 0 ? one : two, id: `doc-${round % 7}` };
      if (next.id !== holder.id || next.collection !== holder.collection) {
        await database.inBatch(async (batch) => {
          await batch.collection<Photo>(next.collection.name).save(next.id, body);
          await batch.collection<Photo>(holder.collection.name).save(holder.id, {});
        });
        holder = next;
      }
      await compacted;
      assert.deepEqual(await stored(database, ['ball', 'garbage']), ['ball'], `round ${round}`);
    }
  });
});

test('whatever is saved, pulled, changed, purged and compacted at once, no document loses a blob', async (context) => {
  const seed = 20261124;
  const random = seededRandom(seed);
  const database = await openDatabase(context);
  const photos = database.collection<Photo>('photos');
  const store = storeOf(photos);
  const texts = Array.from({ length: 12 }, (_, n) => `content ${n}`);
  const objects = texts.map(blobOf); // used again and again, stale ones too
  const pick = (limit: number): number => Math.floor(random.next() * limit);
  const id = (): string => `doc-${pick(15)}`;
  let generation = 1;

  const actions: (() => Promise<unknown>)[] = [
    () => photos.save(id(), { photo: blobOf(texts[pick(12)]!) }),
    () => photos.save(id(), { photo: objects[pick(12)]! }),
    () => photos.save(id(), {}),
    () => photos.purge(id()),
    async () => {
      // As the replicator does: the content, then the revision.
      const text = texts[pick(12)]!;
      const lease = store.blobLease();
      try {
        if (!(await lease.keep(digestOf(text)))) await lease.put(Buffer.from(text), { digest: digestOf(text) });
        await store.insert(
          {
            id: id(),
            revisionID: `${++generation}-${'cd'.repeat(20)}`,
            history: [],
            deleted: false,
            body: `{"photo":{"digest":"${digestOf(text)}","@type":"blob"}}`,
            hasBlobs: true,
          },
          { remote: 1 },
        );
      } finally {
        lease.release();
      }
    },
    () =>
      database.inBatch(async (batch) => {
        const inside = batch.collection<Photo>('photos');
        await inside.save(id(), { photo: blobOf(texts[pick(12)]!) });
        await inside.save(id(), { photo: blobOf(texts[pick(12)]!) });
        if (pick(3) === 0) throw new Error('undone');
      }),
    () => database.compact(),
  ];
  // What may happen: a document that is not there, a Blob object whose content was collected, a batch that is undone.
  const expected = new Set(['DOCUMENT_NOT_FOUND', 'BLOB_NOT_FOUND', 'undone']);
  async function worker(): Promise<void> {
    for (let round = 0; round < 60; round++) {
      try {
        await actions[pick(actions.length)]!();
      } catch (error) {
        const name = isHawserError(error) ? error.code : (error as Error).message;
        assert.ok(expected.has(name), `seed ${seed}: ${String(error)}`);
      }
    }
  }
  await Promise.all(Array.from({ length: 8 }, worker));
  await database.compact();

  const referred = new Set<string>();
  for (let since = 0; ;) {
    const [document] = await store.feed({ since, limit: 1 });
    if (document === undefined) break;
    since = document.sequence;
    for (const text of texts) {
      if (document.body.includes(digestOf(text)) || document.conflicts?.includes(digestOf(text)) === true) {
        referred.add(text);
      }
    }
  }
  assert.deepEqual(
    await stored(database, texts),
    texts.filter((text) => referred.has(text)),
    `seed ${seed}`,
  );
  assert.deepEqual(await database.integrityCheck(), []);
});

test('compact is refused inside a batch, is waited for when the database closes, and makes the file smaller', async (context) => {
  const database = await openDatabase(context);
  const photos = database.collection<Photo & { text?: string }>('photos');
  for (let n = 0; n < 300; n++) void photos.save(`doc-${n}`, { text: 'x'.repeat(10_000) });
  await photos.save('last', { photo: blobOf('a') });
  await database.inBatch(async () => refuses(database.compact(), 'DATABASE_IN_BATCH', 'compact'));
  await refuses(() => database.inBatch(async () => database.checkNotInBatch('Replicator.start')), 'DATABASE_IN_BATCH');
  await database.compact();
  const { size } = await stat(`${database.path}/db.sqlite3`);
  for (let n = 0; n < 300; n++) void photos.purge(`doc-${n}`);
  await photos.purge('last');
  const compacted = database.compact();
  await database.close();
  await compacted;
  assert.deepEqual(await stored(database, ['a']), []);
  assert.ok((await stat(`${database.path}/db.sqlite3`)).size < size / 2);
  const again = await openAt(context, database.path);
  assert.equal(await again.collection('photos').count(), 0);
});
