/** How long the write-ahead log may get: whatever is written and read, and however long each takes, it comes back to its bound. */
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { DEFAULT_STORAGE_SIZES, type Storage } from '../../src/storage/index.js';
import { document, opened, put, type OpenStorage } from './storage-fixtures.js';

const LOG = 256 * 1024;
const BODY = JSON.stringify({ text: 'x'.repeat(4_000) });

export function logCases(openAny: OpenStorage): void {
  const open: OpenStorage = (directory) => openAny(directory, { sizes: { ...DEFAULT_STORAGE_SIZES, logBytes: LOG } });
  const lengthIn = (directory: string): number => statSync(join(directory, 'db.sqlite3-wal')).size;
  /** What was committed before has been looked at when this resolves. */
  const turn = (storage: Storage): Promise<void> => storage.transaction(() => Promise.resolve());

  test('many transactions, each of them small', async (context) => {
    const { storage, directory, collection } = await opened(context, open);
    let longest = 0;
    for (let sequence = 1; sequence <= 400; sequence++) {
      await put(storage, collection, [document(sequence, { body: BODY })]);
      longest = Math.max(longest, lengthIn(directory));
    }
    assert.ok(longest > LOG / 2, `the test has written too little: ${longest}`);
    assert.ok(longest <= 2 * LOG, String(longest));
  });

  test('a transaction of many times its length is given back without another write', async (context) => {
    const { storage, directory, collection } = await opened(context, open);
    const many = Array.from({ length: 500 }, (_, index) => document(index + 1, { body: BODY }));
    await storage.transaction(async (transaction) => {
      await transaction.putDocuments(many.map((each) => ({ collection, document: each })));
      await transaction.count(collection); // has them written
    });
    const during = lengthIn(directory);
    await turn(storage);
    assert.equal(await storage.count(collection), many.length);
    assert.ok(lengthIn(directory) <= LOG, `${during}, then ${lengthIn(directory)}`);
  });

  test('readers who follow each other without a gap', async (context) => {
    const { storage, directory, collection } = await opened(context, open);
    await put(
      storage,
      collection,
      Array.from({ length: 200 }, (_, index) => document(index + 1, { body: BODY })),
    );
    let isOver = false;
    let reads = 0;
    const readers = Array.from({ length: 4 }, async () => {
      while (!isOver) {
        assert.ok((await storage.feed({ collection, since: 0, limit: 200 })).length >= 200);
        reads++;
      }
    });
    let longest = 0;
    for (let sequence = 201; sequence <= 500; sequence++) {
      await put(storage, collection, [document(sequence, { body: BODY })]);
      longest = Math.max(longest, lengthIn(directory));
    }
    isOver = true;
    await Promise.all(readers);
    await turn(storage);
    assert.ok(reads > 0);
    // Twice, and what is written between a look and the turn that it leads to.
    assert.ok(longest <= 3 * LOG, String(longest));
    assert.ok(lengthIn(directory) <= 2 * LOG, String(lengthIn(directory)));
  });

  test('a check of the whole file that goes on meanwhile', async (context) => {
    const { storage, directory, collection } = await opened(context, open);
    for (let round = 0; round < 5; round++) {
      const first = round * 100 + 1;
      const many = Array.from({ length: 100 }, (_, index) => document(first + index, { body: BODY }));
      const [problems] = await Promise.all([
        storage.integrityCheck(),
        ...many.map((each) => put(storage, collection, [each])),
      ]);
      assert.deepEqual(problems, []);
    }
    await turn(storage);
    assert.ok(lengthIn(directory) <= 2 * LOG, String(lengthIn(directory)));
  });
}
