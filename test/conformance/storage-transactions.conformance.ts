/** Transactions: whole or not at all, one after the other, unseen until they are committed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deferred, seededRandom } from '../../src/base/index.js';
import type { StoredDocument } from '../../src/storage/index.js';
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

export function transactionCases(open: OpenStorage): void {
  test('a throw takes everything back and comes out as it was thrown', async (context) => {
    const { storage, collection } = await opened(context, open);
    await put(storage, collection, [document(1), document(2, { expiresAt: 5 })]);
    const before = { all: await everything(storage, collection), collections: await storage.collections() };
    for (const reason of [new Error('no'), undefined, 'text'] as Error[]) {
      const outcome = storage.transaction(async (transaction) => {
        await putInto(transaction, collection, [...documents(3, 10), document(11, { id: 'doc-1' })]);
        await transaction.purgeDocuments(collection, ['doc-2']);
        await transaction.setRemoteRevisions(collection, 1, [{ id: 'doc-1', revisionID: document(11).revisionID }]);
        await transaction.putRecord('a', 'b', 'c');
        const { key } = await transaction.createCollection('_default', 'new');
        await putInto(transaction, key, [document(1)]);
        await transaction.deleteCollection(collection);
        assert.deepEqual(
          (await transaction.collections()).map((record) => record.name),
          ['new'],
        );
        throw reason;
      });
      assert.deepEqual(
        await outcome.then(
          () => 'resolved',
          (error: unknown) => ({ error }),
        ),
        { error: reason },
      );
      assert.deepEqual(await everything(storage, collection), before.all);
      assert.deepEqual(await storage.collections(), before.collections);
      assert.equal(await storage.record('a', 'b'), undefined);
      assert.equal(await storage.nextExpiry(collection), 5);
    }
    await put(storage, collection, [document(3)]);
    assert.equal(await storage.count(collection), 3);
  });

  test('a single write that is followed by a throw is taken back', async (context) => {
    const { storage, collection } = await opened(context, open);
    const failing = storage.transaction(async (transaction) => {
      await putInto(transaction, collection, [document(1)]);
      throw new Error('no');
    });
    await assert.rejects(failing, /no/);
    assert.deepEqual(await everything(storage, collection), []);
  });

  test('reads inside see what was written before them; reads outside do not, and do not wait', async (context) => {
    const { storage, collection } = await opened(context, open);
    await put(storage, collection, documents(1, 3));
    await storage.transaction(async (transaction) => {
      await putInto(transaction, collection, [
        document(4),
        document(5, { id: 'doc-1', deleted: true, expiresAt: 9, conflicts: '[]' }),
      ]);
      await transaction.putRecord('a', 'b', 'c');
      assert.deepEqual(
        (await transaction.documents(collection, ['doc-4', 'doc-1'])).map((entry) => entry?.sequence),
        [4, 5],
      );
      assert.deepEqual(
        (await everything(transaction as never, collection)).map((entry) => entry.sequence),
        [2, 3, 4, 5],
      );
      assert.equal(await transaction.count(collection), 3);
      assert.deepEqual(await transaction.ids(collection, '', 9), ['doc-2', 'doc-3', 'doc-4']);
      assert.equal(await transaction.nextExpiry(collection), 9);
      assert.deepEqual(await transaction.expired(collection, 9, 9), ['doc-1']);
      assert.equal(await transaction.record('a', 'b'), 'c');
      assert.equal((await transaction.collections())[0]?.lastSequence, 5);
      assert.equal((await transaction.feed({ collection, since: 0, limit: 9, conflictedOnly: true })).length, 1);

      assert.deepEqual(await everything(storage, collection), documents(1, 3));
      assert.equal(await storage.count(collection), 3);
      assert.equal(await storage.nextExpiry(collection), null);
      assert.equal(await storage.record('a', 'b'), undefined);
      assert.equal((await storage.collections())[0]?.lastSequence, 3);
      await transaction.purgeDocuments(collection, ['doc-2']);
      assert.deepEqual(await transaction.documents(collection, ['doc-2']), [undefined]);
    });
    assert.deepEqual(
      (await everything(storage, collection)).map((entry) => entry.sequence),
      [3, 4, 5],
    );
  });

  test('every reader sees a commit that was reported before it asked', async (context) => {
    const { storage, collection } = await opened(context, open);
    for (let round = 1; round <= 100; round++) {
      await put(storage, collection, [document(round)]);
      const counts = await Promise.all(Array.from({ length: 4 }, () => storage.count(collection)));
      assert.deepEqual(counts, [round, round, round, round]);
    }
  });

  test('fifty at once run one after the other in the order they were asked for', async (context) => {
    const { storage, collection } = await opened(context, open);
    const order: number[] = [];
    let running = 0;
    const all = Array.from({ length: 50 }, (_, index) =>
      storage.transaction(async (transaction) => {
        assert.equal(++running, 1);
        order.push(index);
        const [counter] = await transaction.documents(collection, ['counter']);
        const value = counter === undefined ? 0 : Number(counter.body);
        await putInto(transaction, collection, [document(2 * index + 1, { id: 'counter', body: String(value + 1) })]);
        if (index % 3 === 0) await putInto(transaction, collection, [document(2 * index + 2)]);
        running--;
        if (index % 10 === 9) throw new Error(`no ${index}`);
      }),
    );
    const outcomes = await Promise.allSettled(all);
    assert.deepEqual(
      order,
      Array.from({ length: 50 }, (_, index) => index),
    );
    assert.equal(outcomes.filter((outcome) => outcome.status === 'rejected').length, 5);
    assert.deepEqual(
      (await storage.documents(collection, ['counter'])).map((entry) => entry?.body),
      ['45'],
    );
    assert.equal(await storage.count(collection), 1 + 17 - 2);
  });

  test('what is written without awaiting belongs to the transaction, in the order of the calls', async (context) => {
    const { storage, collection } = await opened(context, open);
    let count: Promise<number> | undefined;
    await storage.transaction(async (transaction) => {
      void putInto(transaction, collection, documents(1, 2));
      void transaction.purgeDocuments(collection, ['doc-1']);
      count = transaction.count(collection);
      void putInto(transaction, collection, [document(3)]);
    });
    assert.equal(await count, 1);
    assert.deepEqual(
      (await everything(storage, collection)).map((entry) => entry.sequence),
      [2, 3],
    );
  });

  test('a failed statement costs the transaction, even if its error is swallowed', async (context) => {
    const { storage, collection } = await opened(context, open);
    await put(storage, collection, [document(1)]);
    const swallowing = storage.transaction(async (transaction) => {
      await putInto(transaction, collection, [document(2)]);
      await putInto(transaction, collection, [document(1, { id: 'thief' })]).catch(() => undefined);
      await transaction.count(collection).catch(() => undefined);
      await putInto(transaction, collection, [document(3)]).catch(() => undefined);
      return 'fine';
    });
    await rejects(swallowing, 'STORAGE_FAILED');
    assert.deepEqual(await everything(storage, collection), [document(1)]);
    await put(storage, collection, [document(2)]);
    assert.equal(await storage.count(collection), 2);
  });

  test('one that fails does not hold up those after it', async (context) => {
    const { storage, collection } = await opened(context, open);
    const gate = deferred();
    const first = storage.transaction(async () => {
      await gate.promise;
      throw new Error('no');
    });
    const second = put(storage, collection, [document(1)]);
    gate.resolve();
    await assert.rejects(first, /no/);
    await second;
    assert.equal(await storage.count(collection), 1);
  });

  test('readers beside a writer always see whole transactions', async (context) => {
    const { storage, collection } = await opened(context, open);
    const other = await addCollection(storage, 'other');
    const work = { done: false };
    const writer = (async () => {
      for (let round = 1; round <= 60; round++) {
        const list = documents(20 * round - 19, 20 * round);
        await storage.transaction(async (transaction) => {
          await putInto(transaction, collection, list.slice(0, 10));
          await putInto(transaction, collection, list.slice(10));
          await putInto(transaction, other, list);
        });
      }
      work.done = true;
    })();
    let looks = 0;
    while (!work.done) {
      const counts = await Promise.all([
        storage.count(collection),
        storage.feed({ collection, since: 0, limit: 5_000 }),
      ]);
      for (const count of [counts[0], counts[1].length]) assert.equal(count % 20, 0);
      looks++;
    }
    await writer;
    assert.ok(looks > 0);
    const records = await storage.collections();
    assert.deepEqual(
      records.map((record) => record.lastSequence),
      [1_200, 1_200],
    );
  });

  test('a compaction in the middle of reading and writing loses nothing and gives space back', async (context) => {
    const { storage, collection } = await opened(context, open);
    const list = documents(1, 300).map((entry) => ({ ...entry, body: 'x'.repeat(4_000) }));
    await put(storage, collection, list);
    const work = [
      storage.transaction((transaction) =>
        transaction.purgeDocuments(
          collection,
          list.slice(10).map((entry) => entry.id),
        ),
      ),
      ...Array.from({ length: 10 }, () => everything(storage, collection)),
      storage.compact(),
      storage.compact(),
      put(storage, collection, [document(301)]),
      storage.compact(),
    ];
    await Promise.all(work);
    assert.equal(await storage.count(collection), 11);
    assert.deepEqual(await storage.integrityCheck(), []);
  });

  test('any mixture of transactions leaves what a plain map would hold', async (context) => {
    const seed = 90_210;
    const random = seededRandom(seed);
    const pick = (limit: number): number => Math.floor(random.next() * limit);
    const { directory, storage, collection } = await opened(context, open);
    let current = storage;
    let model = new Map<string, StoredDocument>();
    let sequence = 0;
    for (let round = 0; round < 150; round++) {
      const next = new Map(model);
      const fails = random.next() < 0.25;
      const outcome = current.transaction(async (transaction) => {
        for (let step = pick(5); step >= 0; step--) {
          if (random.next() < 0.6) {
            const batch = Array.from({ length: pick(30) }, () =>
              document(++sequence, { id: `doc-${pick(60)}`, deleted: random.next() < 0.2 }),
            );
            for (const entry of batch) next.set(entry.id, entry);
            await putInto(transaction, collection, batch);
          } else if (random.next() < 0.5) {
            const ids = Array.from({ length: pick(5) }, () => `doc-${pick(60)}`);
            for (const id of ids) next.delete(id);
            await transaction.purgeDocuments(collection, ids);
          } else {
            assert.equal(
              await transaction.count(collection),
              [...next.values()].filter((entry) => !entry.deleted).length,
            );
          }
        }
        if (fails) throw new Error('on purpose');
      });
      if (fails) await assert.rejects(outcome, /on purpose/, `seed ${seed}, round ${round}`);
      else {
        await outcome;
        model = next;
      }
      const expected = [...model.values()].sort((a, b) => a.sequence - b.sequence);
      assert.deepEqual(await everything(current, collection), expected, `seed ${seed}, round ${round}`);
      if (round % 50 === 49) {
        await current.close();
        const again = await open(directory);
        cleanup(context, () => again.close());
        current = again;
      }
    }
  });
}
