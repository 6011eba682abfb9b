/** Collections and their keys, and the small records. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cleanup } from '../support/cleanup.js';
import {
  addCollection,
  document,
  documents,
  everything,
  opened,
  put,
  putInto,
  rejects,
  type OpenStorage,
} from './storage-fixtures.js';

export function collectionCases(open: OpenStorage): void {
  test('a collection that does not exist is COLLECTION_DELETED for each method', async (context) => {
    const { storage, collection } = await opened(context, open);
    const gone = await addCollection(storage, 'gone');
    await storage.transaction((transaction) => transaction.deleteCollection(gone));
    for (const key of [gone, 777, -1, 0.5, NaN]) {
      await rejects(storage.documents(key, ['a']), 'COLLECTION_DELETED');
      await rejects(storage.documents(key, []), 'COLLECTION_DELETED');
      await rejects(storage.feed({ collection: key, since: 0, limit: 1 }), 'COLLECTION_DELETED');
      await rejects(storage.count(key), 'COLLECTION_DELETED');
      await rejects(storage.ids(key, '', 1), 'COLLECTION_DELETED');
      await rejects(storage.nextExpiry(key), 'COLLECTION_DELETED');
      await rejects(storage.expired(key, 1, 1), 'COLLECTION_DELETED');
      await storage.transaction(async (transaction) => {
        await rejects(transaction.deleteCollection(key), 'COLLECTION_DELETED');
        await rejects(putInto(transaction, key, [document(1)]), 'COLLECTION_DELETED');
        await rejects(transaction.purgeDocuments(key, ['a']), 'COLLECTION_DELETED');
        await rejects(transaction.setRemoteRevisions(key, 1, []), 'COLLECTION_DELETED');
        // None of them costs the transaction.
        await putInto(transaction, collection, [document(1)]);
      });
    }
    assert.equal(await storage.count(collection), 1);
  });

  test('lists collections with their names as they were given', async (context) => {
    const { storage } = await opened(context, open);
    const names = ['Things', 'THINGS', 'a%b_c-d', 'x'.repeat(251)];
    const keys = await storage.transaction(async (transaction) => {
      const made: number[] = [];
      for (const name of names) made.push((await transaction.createCollection('_default', name)).key);
      made.push((await transaction.createCollection('other', 'things')).key);
      return made;
    });
    const records = await storage.collections();
    assert.deepEqual(
      records.map(({ scope, name, lastSequence }) => [scope, name, lastSequence]),
      [['_default', 'things', 0], ...names.map((name) => ['_default', name, 0]), ['other', 'things', 0]],
    );
    assert.equal(new Set(records.map((record) => record.key)).size, 6);
    assert.deepEqual(
      records.slice(1).map((record) => record.key),
      keys,
    );
  });

  test('creating a collection that exists yields the one there is', async (context) => {
    const { storage, collection } = await opened(context, open);
    await put(storage, collection, [document(7)]);
    const again = await storage.transaction((transaction) => transaction.createCollection('_default', 'things'));
    assert.deepEqual(again, { key: collection, scope: '_default', name: 'things', lastSequence: 7 });
    assert.equal((await storage.collections()).length, 1);
  });

  test('collections are strangers to each other', async (context) => {
    const { storage, collection } = await opened(context, open);
    const other = await addCollection(storage, 'other');
    await storage.transaction((transaction) =>
      transaction.putDocuments([
        { collection, document: document(1, { id: 'same', body: '{"in":1}' }) },
        { collection: other, document: document(9, { id: 'same', body: '{"in":2}' }) },
        { collection, document: document(2) },
      ]),
    );
    assert.deepEqual(
      (await storage.documents(collection, ['same'])).map((entry) => entry?.body),
      ['{"in":1}'],
    );
    assert.deepEqual(
      (await storage.documents(other, ['same'])).map((entry) => entry?.sequence),
      [9],
    );
    assert.deepEqual(
      (await storage.collections()).map((record) => record.lastSequence),
      [2, 9],
    );
  });

  test('deleting a collection deletes its documents, and its key is never used again', async (context) => {
    const { directory, storage, collection } = await opened(context, open);
    let highest = collection;
    let current = storage;
    for (let round = 0; round < 4; round++) {
      const key = await addCollection(current, 'again');
      assert.ok(key > highest, `key ${key} is above ${highest}`);
      highest = key;
      assert.deepEqual(await everything(current, key), []);
      await put(current, key, documents(1, 10));
      await current.transaction((transaction) => transaction.deleteCollection(key));
      if (round === 1) {
        await current.close();
        current = await open(directory);
        const reopened = current;
        cleanup(context, () => reopened.close());
      }
    }
    assert.deepEqual(
      (await current.collections()).map((record) => record.name),
      ['things'],
    );
  });

  test('a collection can be made, filled, read and deleted within one transaction', async (context) => {
    const { storage } = await opened(context, open);
    await storage.transaction(async (transaction) => {
      const { key } = await transaction.createCollection('_default', 'brief');
      await putInto(transaction, key, documents(1, 3));
      assert.equal(await transaction.count(key), 3);
      await transaction.deleteCollection(key);
      await rejects(transaction.count(key), 'COLLECTION_DELETED');
    });
    assert.deepEqual(
      (await storage.collections()).map((record) => record.name),
      ['things'],
    );
  });

  test('the last sequence survives purging what had it, and opening again', async (context) => {
    const { directory, storage, collection } = await opened(context, open);
    await put(storage, collection, documents(1, 10));
    await storage.transaction((transaction) => transaction.purgeDocuments(collection, ['doc-10', 'doc-9', 'nobody']));
    assert.equal((await storage.collections())[0]?.lastSequence, 10);
    await storage.transaction(async (transaction) => {
      await putInto(transaction, collection, [document(11)]);
      await transaction.purgeDocuments(collection, ['doc-11']);
    });
    await storage.close();
    const again = await open(directory);
    cleanup(context, () => again.close());
    assert.equal((await again.collections())[0]?.lastSequence, 11);
    assert.equal(await again.count(collection), 8);
  });

  test('records are kept by kind and key, replaced and deleted', async (context) => {
    const { storage } = await opened(context, open);
    const text = 'NUL \0, quote \' ", line\n, \x02, é, 😀';
    await storage.transaction(async (transaction) => {
      await transaction.putRecord('a', 'k', '1');
      await transaction.putRecord('b', 'k', '2');
      await transaction.putRecord(text, text, text);
      await transaction.putRecord('a', 'k', '3');
      assert.equal(await transaction.record('a', 'k'), '3');
    });
    assert.equal(await storage.record('a', 'k'), '3');
    assert.equal(await storage.record('b', 'k'), '2');
    assert.equal(await storage.record(text, text), text);
    assert.equal(await storage.record('a', 'K'), undefined);
    await storage.transaction((transaction) => transaction.putRecord('a', 'k', undefined));
    await storage.transaction((transaction) => transaction.putRecord('a', 'never', undefined));
    assert.equal(await storage.record('a', 'k'), undefined);
    await storage.transaction((transaction) => transaction.putRecord('a', 'k', ''));
    assert.equal(await storage.record('a', 'k'), '');
  });

  test('records are deleted by what their keys begin with', async (context) => {
    const { storage } = await opened(context, open);
    const keys = ['1 a', '1 b', '12 a', '1%', '1', 'a 1 a'];
    await storage.transaction(async (transaction) => {
      for (const key of keys) await transaction.putRecord('kind', key, 'x');
      await transaction.putRecord('other', '1 a', 'x');
      await transaction.deleteRecords('kind', '1 ');
      assert.equal(await transaction.record('kind', '1 a'), undefined);
    });
    const left = await Promise.all(keys.map((key) => storage.record('kind', key)));
    assert.deepEqual(left, [undefined, undefined, 'x', 'x', 'x', 'x']);
    assert.equal(await storage.record('other', '1 a'), 'x');
    await storage.transaction((transaction) => transaction.deleteRecords('kind', '_%'));
    assert.equal(await storage.record('kind', '12 a'), 'x');
  });

  test('of records too many, or too large together, those with the highest numbers are kept', async (context) => {
    const { storage } = await opened(context, open);
    const numbers = [3, 200, 10, 9, 1_000_000_000_000];
    await storage.transaction(async (transaction) => {
      for (const number of numbers) await transaction.putRecord('kind', `key ${number}`, `${number} é`);
      await transaction.putRecord('kind', 'none', 'no number counts as 0');
      await transaction.putRecord('other', 'key', '1');
    });
    const kept = async (maxCount: number, maxBytes: number): Promise<number[]> => {
      await storage.transaction((transaction) => transaction.trimRecords('kind', maxCount, maxBytes));
      const values = await Promise.all(numbers.map((number) => storage.record('kind', `key ${number}`)));
      return numbers.filter((_, index) => values[index] !== undefined);
    };
    assert.deepEqual(await kept(6, 1_000), numbers);
    assert.equal(await storage.record('kind', 'none'), 'no number counts as 0');
    assert.deepEqual(await kept(4, 1_000), [200, 10, 9, 1_000_000_000_000]);
    assert.equal(await storage.record('kind', 'none'), undefined);
    assert.deepEqual(await kept(4, '1000000000000 é'.length + 1 + '200 é'.length + 1), [200, 1_000_000_000_000]);
    assert.deepEqual(await kept(4, 2), []);
    assert.equal(await storage.record('other', 'key'), '1');
  });
}
