/** The feed of a collection by sequence, with its bounds and filters. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom, utf8Length } from '../../src/base/index.js';
import type { FeedQuery, StoredDocument } from '../../src/storage/index.js';
import { document, documents, everything, opened, put, type OpenStorage } from './storage-fixtures.js';

export function feedCases(open: OpenStorage): void {
  test('yields documents by ascending sequence after since, at most limit', async (context) => {
    const { storage, collection } = await opened(context, open);
    await put(storage, collection, [document(30), document(10), document(20)]);
    await put(storage, collection, [document(25)]);
    const sequences = async (since: number, limit: number): Promise<number[]> =>
      (await storage.feed({ collection, since, limit })).map((entry) => entry.sequence);
    assert.deepEqual(await sequences(0, 10), [10, 20, 25, 30]);
    assert.deepEqual(await sequences(10, 2), [20, 25]);
    assert.deepEqual(await sequences(9.5, 1), [10]);
    assert.deepEqual(await sequences(30, 10), []);
    assert.deepEqual(await sequences(0, 0), []);
    assert.deepEqual(await sequences(0, Number.MAX_SAFE_INTEGER), [10, 20, 25, 30]);
  });

  test('pages of any size come to the same', async (context) => {
    const { storage, collection } = await opened(context, open);
    await put(storage, collection, documents(1, 500));
    for (const limit of [1, 7, 200, 499, 500, 501]) {
      const seen: StoredDocument[] = [];
      for (;;) {
        const page = await storage.feed({ collection, since: seen.at(-1)?.sequence ?? 0, limit });
        if (page.length === 0) break;
        assert.ok(page.length <= limit);
        seen.push(...page);
      }
      assert.deepEqual(seen, documents(1, 500));
    }
  });

  test('maxBytes bounds the bodies of a page, in UTF-8, but never keeps the first document back', async (context) => {
    const { storage, collection } = await opened(context, open);
    await put(storage, collection, [
      document(1, { body: 'x'.repeat(100) }),
      document(2, { body: 'é'.repeat(100) }),
      document(3, { body: 'x'.repeat(50) }),
      document(4, { body: 'x'.repeat(5_000) }),
      document(5, { body: '' }),
    ]);
    const page = async (since: number, maxBytes: number): Promise<number[]> =>
      (await storage.feed({ collection, since, limit: 100, maxBytes })).map((entry) => entry.sequence);
    assert.deepEqual(await page(0, 0), [1]);
    assert.deepEqual(await page(0, 299), [1]);
    assert.deepEqual(await page(0, 300), [1, 2]);
    assert.deepEqual(await page(0, 349), [1, 2]);
    assert.deepEqual(await page(0, 350), [1, 2, 3]);
    assert.deepEqual(await page(3, 10), [4]);
    assert.deepEqual(await page(0, 1e9), [1, 2, 3, 4, 5]);
    assert.deepEqual((await storage.feed({ collection, since: 0, limit: 2, maxBytes: 1e9 })).length, 2);
  });

  test('filters tombstones and documents without conflict, as a plain filter of everything would', async (context) => {
    const seed = 7_141;
    const random = seededRandom(seed);
    const { storage, collection } = await opened(context, open);
    const all = Array.from({ length: 400 }, (_, index) =>
      document(index * 2 + 1, {
        deleted: random.next() < 0.3,
        conflicts: random.next() < 0.2 ? '[]' : null,
        bases: random.next() < 0.2 ? 'é'.repeat(40) : null,
        body: 'b'.repeat(1 + Math.floor(random.next() * 300)),
      }),
    );
    await put(storage, collection, all);
    for (let round = 0; round < 60; round++) {
      const query: FeedQuery = {
        collection,
        since: Math.floor(random.next() * 850),
        limit: 1 + Math.floor(random.next() * 100),
        ...(random.next() < 0.5 ? { activeOnly: random.next() < 0.7 } : {}),
        ...(random.next() < 0.5 ? { conflictedOnly: random.next() < 0.7 } : {}),
        ...(random.next() < 0.5 ? { maxBytes: Math.floor(random.next() * 5_000) } : {}),
      };
      assert.deepEqual(await storage.feed(query), expected(all, query), `seed ${seed}, ${JSON.stringify(query)}`);
    }
  });

  test('a purge leaves no trace in the feed', async (context) => {
    const { storage, collection } = await opened(context, open);
    await put(storage, collection, documents(1, 5));
    await storage.transaction((transaction) =>
      transaction.purgeDocuments(collection, ['doc-2', 'doc-2', 'nobody', 'doc-5']),
    );
    assert.deepEqual(await everything(storage, collection), [document(1), document(3), document(4)]);
  });
}

function expected(all: readonly StoredDocument[], query: FeedQuery): StoredDocument[] {
  const page: StoredDocument[] = [];
  let bytes = 0;
  for (const entry of all) {
    if (entry.sequence <= query.since || (query.activeOnly === true && entry.deleted)) continue;
    if (query.conflictedOnly === true && entry.conflicts === null) continue;
    bytes += utf8Length(entry.body) + utf8Length(entry.conflicts ?? '') + utf8Length(entry.bases ?? '');
    if (page.length === query.limit || (page.length > 0 && bytes > (query.maxBytes ?? Infinity))) break;
    page.push(entry);
  }
  return page;
}
