/** Opening, closing, opening again: what is kept, and what each method does when it comes too late. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { test } from 'node:test';
import { deferred } from '../../src/base/index.js';
import type { Storage, StorageTransaction } from '../../src/storage/index.js';
import { cleanup } from '../support/cleanup.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import {
  document,
  documents,
  everything,
  opened,
  put,
  putInto,
  rejects,
  type OpenStorage,
} from './storage-fixtures.js';

type Methods<T> = {
  readonly [Name in keyof T as T[Name] extends (...args: never[]) => unknown ? Name : never]: (
    target: T,
  ) => Promise<unknown>;
};

/** A call of every method, so that none can be forgotten. `key` is a collection that exists. */
function readerCalls(key: number): Methods<Omit<StorageTransaction, keyof Writes>> {
  return {
    collections: (target) => target.collections(),
    documents: (target) => target.documents(key, ['doc-1']),
    feed: (target) => target.feed({ collection: key, since: 0, limit: 1 }),
    count: (target) => target.count(key),
    ids: (target) => target.ids(key, '', 1),
    nextExpiry: (target) => target.nextExpiry(key),
    expired: (target) => target.expired(key, 0, 1),
    record: (target) => target.record('kind', 'key'),
  };
}

type Writes = Omit<StorageTransaction, keyof Storage>;

function writerCalls(key: number): Methods<Writes> {
  return {
    createCollection: (target) => target.createCollection('_default', 'late'),
    deleteCollection: (target) => target.deleteCollection(key),
    putDocuments: (target) => target.putDocuments([{ collection: key, document: document(99) }]),
    purgeDocuments: (target) => target.purgeDocuments(key, ['doc-1']),
    setRemoteRevisions: (target) => target.setRemoteRevisions(key, 1, [{ id: 'doc-1', revisionID: '1-a' }]),
    putRecord: (target) => target.putRecord('kind', 'key', 'late'),
    deleteRecords: (target) => target.deleteRecords('kind', 'k'),
    trimRecords: (target) => target.trimRecords('kind', 0, 0),
  };
}

function storageCalls(key: number): Methods<Omit<Storage, 'close'>> {
  return {
    ...readerCalls(key),
    transaction: (target) => target.transaction(async () => assert.fail('the work was started')),
    integrityCheck: (target) => target.integrityCheck(),
    compact: (target) => target.compact(),
  };
}

export function lifecycleCases(open: OpenStorage): void {
  test('every method rejects with DATABASE_CLOSED once it is closed', async (context) => {
    const { storage, collection } = await opened(context, open);
    await storage.close();
    for (const [name, call] of Object.entries(storageCalls(collection))) {
      await rejects(call(storage), 'DATABASE_CLOSED', name);
    }
  });

  test('closing twice, and at the same time, closes once', async (context) => {
    const { storage } = await opened(context, open);
    await Promise.all([storage.close(), storage.close()]);
    await storage.close();
  });

  test('a transaction cannot be used after it has ended, committed or not', async (context) => {
    const { storage, collection } = await opened(context, open);
    await put(storage, collection, [document(1)]);
    let kept: StorageTransaction | undefined;
    await storage.transaction(async (transaction) => {
      kept = transaction;
    });
    let dropped: StorageTransaction | undefined;
    const failure = new Error('no');
    const failing = storage.transaction(async (transaction) => {
      dropped = transaction;
      throw failure;
    });
    await assert.rejects(failing, failure);
    for (const transaction of [kept, dropped]) {
      assert.ok(transaction !== undefined);
      for (const [name, call] of Object.entries({ ...readerCalls(collection), ...writerCalls(collection) })) {
        await rejects(call(transaction), 'ARGUMENT_INVALID', name);
      }
    }
    assert.deepEqual(await everything(storage, collection), [document(1)]);
    assert.deepEqual(
      (await storage.collections()).map((record) => record.name),
      ['things'],
    );
    assert.equal(await storage.record('kind', 'key'), undefined);
  });

  test('close waits for the transactions and the reads that were asked for before', async (context) => {
    const { directory, storage, collection } = await opened(context, open);
    const gate = deferred();
    const first = storage.transaction(async (transaction) => {
      await gate.promise;
      await putInto(transaction, collection, [document(1)]);
    });
    const second = put(storage, collection, [document(2)]);
    const reads = Array.from({ length: 20 }, () => storage.documents(collection, ['doc-0']));
    const closing = storage.close();
    gate.resolve();
    await Promise.all([first, second, closing, ...reads]);
    const again = await open(directory);
    cleanup(context, () => again.close());
    assert.deepEqual(await everything(again, collection), [document(1), document(2)]);
  });

  test('opening again finds everything', async (context) => {
    const { directory, storage, collection } = await opened(context, open);
    const list = [
      ...documents(1, 50),
      document(51, { deleted: true, body: '{}' }),
      document(52, {
        hasBlobs: true,
        history: '1-b,1-c',
        conflicts: '[{"a":1}]',
        remotes: '{"3":"2-d"}',
        bases: '[{"b":2}]',
        expiresAt: 1e12,
      }),
    ];
    await put(storage, collection, list);
    await storage.transaction((transaction) => transaction.putRecord('checkpoint', 'cp-1', '{"local":52}'));
    const before = await storage.collections();
    for (let round = 0; round < 3; round++) {
      await storage.close();
      const again = await open(directory);
      try {
        assert.deepEqual(await again.collections(), before);
        assert.deepEqual(await everything(again, collection), list);
        assert.equal(await again.record('checkpoint', 'cp-1'), '{"local":52}');
        assert.deepEqual(await again.integrityCheck(), []);
      } finally {
        await again.close();
      }
    }
  });

  test('closing leaves one file of documents, without a log beside it', async (context) => {
    const { directory, storage, collection } = await opened(context, open);
    await put(storage, collection, documents(1, 100));
    await storage.close();
    assert.deepEqual(await readdir(directory), ['db.sqlite3']);
  });

  test('makes the folder, and only the last part of its path', async (context) => {
    const parent = await temporaryDirectory(context);
    const storage = await open(`${parent}/new`);
    await storage.close();
    await rejects(open(`${parent}/missing/new`), 'DATABASE_CANNOT_OPEN');
    assert.deepEqual(await readdir(parent), ['new']);
  });

  test('works with fullSync, and a file may change between the two', async (context) => {
    const directory = await temporaryDirectory(context);
    for (const [round, fullSync] of [true, false, true].entries()) {
      const storage = await open(directory, { fullSync });
      const { key } = await storage.transaction((transaction) => transaction.createCollection('_default', 'things'));
      await put(storage, key, [document(round + 1)]);
      assert.equal(await storage.count(key), round + 1);
      await storage.close();
    }
  });
}
