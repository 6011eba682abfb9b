/** inBatch: all or nothing, seen by nobody before, in turn with the writes of others, and never waiting for itself. */
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { stat } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { deferred } from '../../src/base/index.js';
import { Blob, type Batch, type BatchCollection, type Collection, type Database } from '../../src/database/index.js';
import { openAt, openDatabase, refuses, turnOfEventLoop } from './fixtures.js';

type Counter = { n: number };

async function setUp(context: Parameters<typeof openDatabase>[0]): Promise<{
  database: Database;
  metrics: Collection<Counter>;
  events: string[][];
}> {
  const database = await openDatabase(context);
  const metrics = database.collection<Counter>('metrics');
  await metrics.save('a', { n: 1 });
  const events: string[][] = [];
  metrics.on('change', ({ documentIDs }) => events.push([...documentIDs]));
  return { database, metrics, events };
}

describe('a batch', () => {
  test('commits everything together, with one event after it, and resolves to what its function does', async (context) => {
    const { database, events } = await setUp(context);
    const other = (await openAt(context, database.path)).collection<Counter>('metrics');
    const result = await database.inBatch(async (batch) => {
      const inside = batch.collection<Counter>('metrics');
      const saved = await inside.save('b', { n: 2 });
      assert.equal(saved.sequence, 2);
      await inside.save('a', { n: 3 });
      await inside.save('c', { n: 4 });
      await inside.delete('b');
      await inside.purge('c');
      // It sees its own work, nobody else does.
      assert.deepEqual((await inside.get('a'))?.body, { n: 3 });
      assert.deepEqual(
        (await inside.getMany(['a', 'b', 'c', 'a'])).map((document) => document?.body.n),
        [3, undefined, undefined, 3],
      );
      assert.deepEqual((await other.get('a'))?.body, { n: 1 });
      assert.equal(await other.count(), 1);
      assert.deepEqual(events, []);
      return 'done';
    });
    assert.equal(result, 'done');
    assert.deepEqual((await other.get('a'))?.body, { n: 3 });
    assert.equal(events.length, 1);
    assert.deepEqual(events[0]?.sort(), ['a', 'b', 'c']);
  });

  test('that throws leaves everything as it was, fires no event, and rejects with just that', async (context) => {
    const { database, metrics, events } = await setUp(context);
    const before = await metrics.get('a');
    const failure = new Error('no');
    for (const fail of [
      () => Promise.reject(failure),
      () => {
        throw failure;
      },
    ]) {
      const attempt = database.inBatch(async (batch) => {
        const inside = batch.collection<Counter>('metrics');
        await inside.save('a', { n: 2 });
        await inside.save('b', { n: 2 });
        await inside.purge('a');
        await batch.collection('new').save('x', {});
        await fail();
      });
      await assert.rejects(attempt, failure);
    }
    const after = await metrics.get('a');
    assert.deepEqual(
      [after?.revisionID, after?.sequence, after?.body],
      [before?.revisionID, before?.sequence, { n: 1 }],
    );
    assert.equal(await metrics.count(), 1);
    assert.deepEqual(events, []);
    assert.ok(!database.collections().some(({ name }) => name === 'new'));
    const next = await metrics.save('b', { n: 5 });
    assert.match(next.revisionID, /^1-/);
  });

  test('that is larger than memory would like is written in parts, and still all or nothing', async (context) => {
    const { database, metrics, events } = await setUp(context);
    const fill = async (batch: Batch): Promise<void> => {
      const inside = batch.collection<Counter>('metrics');
      for (let n = 0; n < 2_500; n++) {
        if (n % 10 === 0) await inside.get(`read-${n}`);
        await inside.save(`doc-${n}`, { n });
      }
      assert.equal((await inside.get('doc-3'))?.body.n, 3);
      await inside.save('doc-3', { n: -3 });
      await inside.delete('doc-4');
    };
    await assert.rejects(
      database.inBatch(async (batch) => {
        await fill(batch);
        throw new Error('too bad');
      }),
      /too bad/,
    );
    assert.equal(await metrics.count(), 1);
    assert.equal(events.length, 0);
    await database.inBatch(fill);
    assert.equal(await metrics.count(), 2_500);
    assert.equal((await metrics.get('doc-3'))?.body.n, -3);
    assert.match((await metrics.get('doc-3'))?.revisionID ?? '', /^2-/);
    assert.deepEqual(
      events.map((documentIDs) => documentIDs.length),
      [2_500],
    );
    const sequences = (await metrics.getMany(Array.from({ length: 2_500 }, (_, n) => `doc-${n}`))).map(
      (d) => d?.sequence,
    );
    assert.equal(new Set(sequences).size, 2_500);
    assert.deepEqual(await database.integrityCheck(), []);
  });

  test('hands its work to the transaction as it goes on: neither documents nor bodies pile up in memory', async (context) => {
    const { database } = await setUp(context);
    const log = `${database.path}/db.sqlite3-wal`;
    for (const [count, size] of [
      [80, 200_000],
      [8_000, 2_000],
    ] as const) {
      const before = (await stat(log)).size;
      await database
        .inBatch(async (batch) => {
          const inside = batch.collection('texts');
          for (let n = 0; n < count; n++) await inside.save(`doc-${n}`, { text: 'x'.repeat(size) });
          // What does not fit SQLite's cache of 2 MiB spills into its log long before the commit.
          assert.ok((await stat(log)).size - before > 5_000_000, `${count} documents of ${size}`);
          throw new Error('enough');
        })
        .catch((error: Error) => assert.equal(error.message, 'enough'));
    }
    assert.equal(await database.collection('texts').count(), 0);
  });

  test('works on several collections, with one event each', async (context) => {
    const { database } = await setUp(context);
    const heard: string[] = [];
    for (const name of ['one', 'two', 'three']) {
      database
        .collection(name)
        .on('change', ({ collection, documentIDs }) => heard.push(`${collection.name}: ${documentIDs.join()}`));
    }
    await database.inBatch(async (batch) => {
      await batch.collection('one').save('a', {});
      await batch.collection('two', {}).save('b', {});
      await batch.collection('one').save('c', {});
    });
    assert.deepEqual(heard.sort(), ['one: a,c', 'two: b']);
  });

  test('without work, or with reading alone, commits nothing and fires nothing', async (context) => {
    const { database, events } = await setUp(context);
    assert.equal(await database.inBatch(async () => 5), 5);
    assert.equal((await database.inBatch((batch) => batch.collection<Counter>('metrics').get('a')))?.body.n, 1);
    assert.deepEqual(events, []);
  });

  test('survives a write inside that is refused, if its function does', async (context) => {
    const { database, metrics, events } = await setUp(context);
    await database.inBatch(async (batch) => {
      const inside = batch.collection<Counter>('metrics');
      await inside.save('b', { n: 2 });
      await refuses(inside.save('b', { n: 3 }, { ifRevision: null }), 'DOCUMENT_CONFLICT');
      await refuses(inside.delete('x'), 'DOCUMENT_NOT_FOUND');
      await refuses(inside.save('c', { n: NaN }), 'DOCUMENT_NUMBER_INVALID');
    });
    assert.equal((await metrics.get('b'))?.body.n, 2);
    assert.deepEqual(events, [['b']]);
  });

  test('merges conflicts as outside', async (context) => {
    const { database, metrics } = await setUp(context);
    await database.inBatch(async (batch) => {
      const inside = batch.collection<Counter>('metrics');
      const onConflict = ({ body, current }: { body: Counter; current: { body: Counter } | undefined }): Counter => ({
        n: body.n + (current?.body.n ?? 0),
      });
      await inside.save('a', { n: 10 }, { onConflict });
      await inside.save('a', { n: 100 }, { onConflict });
    });
    assert.deepEqual((await metrics.get('a'))?.body, { n: 111 });
  });

  test('keeps the AsyncLocalStorage of the one who asked for it', async (context) => {
    const { database, metrics } = await setUp(context);
    const requests = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const ask = (name: string): Promise<void> =>
      requests.run(name, () =>
        database.inBatch(async (batch) => {
          seen.push(requests.getStore());
          await batch.collection<Counter>('metrics').save(name, { n: 1 });
          seen.push(requests.getStore());
        }),
      );
    await Promise.all([metrics.save('x', { n: 1 }), ask('first'), ask('second')]);
    assert.deepEqual(seen, ['first', 'first', 'second', 'second']);
  });
});

describe('nesting', () => {
  test('joins: there is one commit, at the end of the outermost', async (context) => {
    const { database, metrics, events } = await setUp(context);
    const other = await openAt(context, database.path);
    await database.inBatch(async (batch) => {
      await batch.collection<Counter>('metrics').save('b', { n: 1 });
      await batch.inBatch(async (inner) => {
        await inner.collection<Counter>('metrics').save('c', { n: 1 });
        await database.inBatch((third) => third.collection<Counter>('metrics').save('d', { n: 1 }));
        await other.inBatch((fourth) => fourth.collection<Counter>('metrics').save('e', { n: 1 }));
      });
      assert.equal(await metrics.count(), 1);
      assert.deepEqual(events, []);
    });
    assert.equal(await metrics.count(), 5);
    assert.deepEqual(events, [['b', 'c', 'd', 'e']]);
  });

  test('that fails fails the whole batch, even if its error is caught: a part cannot be undone alone', async (context) => {
    const { database, metrics, events } = await setUp(context);
    const failure = new Error('inner');
    const joins: ((batch: Batch, work: (inner: Batch) => Promise<void>) => Promise<void>)[] = [
      (batch, work) => batch.inBatch(work),
      (_, work) => database.inBatch(work),
    ];
    for (const join of joins) {
      const outer = database.inBatch(async (batch) => {
        const inner = join(batch, async (part) => {
          await part.collection<Counter>('metrics').save('b', { n: 1 });
          throw failure;
        });
        await assert.rejects(inner, failure);
        await batch.collection<Counter>('metrics').save('c', { n: 1 });
      });
      await assert.rejects(outer, failure);
    }
    assert.equal(await metrics.count(), 1);
    assert.deepEqual(events, []);
  });
});

describe('beside a batch', () => {
  test('the writes of others wait for it, and come in the order they were asked for', async (context) => {
    const { database, metrics, events } = await setUp(context);
    const gate = deferred();
    const before = metrics.save('a', { n: 2 });
    const batch = database.inBatch(async (inner) => {
      assert.equal((await inner.collection<Counter>('metrics').get('a'))?.body.n, 2);
      await inner.collection<Counter>('metrics').save('a', { n: 3 });
      await gate.promise;
    });
    let isSaved = false;
    const after = metrics.save('a', { n: 4 }).then((saved) => {
      isSaved = true;
      return saved;
    });
    const second = database.inBatch((inner) => inner.collection<Counter>('metrics').get('a'));
    await before;
    await turnOfEventLoop();
    assert.equal((await metrics.get('a'))?.body.n, 2, 'readers do not wait, and see what is committed');
    assert.equal(isSaved, false);
    gate.resolve();
    await batch;
    assert.match((await after).revisionID, /^4-/);
    assert.equal((await second)?.body.n, 4);
    assert.deepEqual(events, [['a'], ['a'], ['a']]);
  });

  test('many batches at once run one by one', async (context) => {
    const { database, metrics } = await setUp(context);
    await Promise.all(
      Array.from({ length: 30 }, () =>
        database.inBatch(async (batch) => {
          const inside = batch.collection<Counter>('metrics');
          const { n } = (await inside.get('a'))?.body ?? { n: 0 };
          await turnOfEventLoop();
          await inside.save('a', { n: n + 1 });
        }),
      ),
    );
    assert.deepEqual((await metrics.get('a'))?.body, { n: 31 });
  });
});

describe('inside a batch, what would wait for its end is refused with DATABASE_IN_BATCH', () => {
  test('whatever it is, and the batch goes on', async (context) => {
    const { database, metrics } = await setUp(context);
    const other = await openAt(context, database.path);
    await other.createCollection('exists');
    const calls: Record<string, () => Promise<unknown>> = {
      save: () => metrics.save('a', { n: 2 }),
      delete: () => metrics.delete('a'),
      purge: () => metrics.purge('a'),
      'save of another Database object': () => other.collection('metrics').save('a', {}),
      createCollection: () => database.createCollection('new'),
      deleteCollection: () => database.deleteCollection('exists'),
      compact: () => database.compact(),
      close: () => database.close(),
      'close of another Database object': () => other.close(),
      'Database.delete': () => database.delete(),
    };
    await database.inBatch(async (batch) => {
      for (const [name, call] of Object.entries(calls)) {
        await refuses(call, 'DATABASE_IN_BATCH', 'inside inBatch').catch((error: Error) =>
          assert.fail(`${name}: ${error.message}`),
        );
      }
      await batch.collection<Counter>('metrics').save('b', { n: 2 });
    });
    assert.deepEqual([(await metrics.get('a'))?.body.n, (await metrics.get('b'))?.body.n], [1, 2]);
    for (const [name, call] of Object.entries(calls)) {
      if (name.startsWith('close') || name.startsWith('Database')) continue;
      await call().catch((error: { code: string }) => assert.notEqual(error.code, 'DATABASE_IN_BATCH', name));
    }
  });

  test('but not reading, which sees what is committed, nor storing a blob, nor the check', async (context) => {
    const { database, metrics } = await setUp(context);
    await database.inBatch(async (batch) => {
      await batch.collection<Counter>('metrics').save('a', { n: 2 });
      assert.equal((await metrics.get('a'))?.body.n, 1);
      assert.equal(await metrics.count(), 1);
      await database.createCollection('metrics');
      await database.saveBlob(new Blob('text/plain', Buffer.from('x')));
      assert.deepEqual(await database.integrityCheck(), []);
    });
  });

  test('through a batch on another database in between as well', async (context) => {
    const { database, metrics } = await setUp(context);
    const second = await openDatabase(context);
    await database.inBatch(async (batch) => {
      await batch.collection<Counter>('metrics').save('a', { n: 2 });
      await second.collection('notes').save('outside', {}); // another database: waits for nobody here
      await second.inBatch(async (inner) => {
        await refuses(metrics.save('a', { n: 3 }), 'DATABASE_IN_BATCH');
        await refuses(second.collection('notes').save('a', {}), 'DATABASE_IN_BATCH');
        await database.inBatch((joined) => joined.collection<Counter>('metrics').save('b', { n: 3 }));
        await inner.collection('notes').save('inside', {});
      });
    });
    assert.equal(await metrics.count(), 2);
    assert.equal(await second.collection('notes').count(), 2);
  });
});

describe('after its end, a batch', () => {
  test('refuses work through it with DATABASE_IN_BATCH, committed or not, and stores no blob', async (context) => {
    const { database, metrics } = await setUp(context);
    const kept: BatchCollection<Counter>[] = [];
    await database.inBatch(async (batch) => kept.push(batch.collection<Counter>('metrics')));
    await database
      .inBatch(async (batch) => {
        kept.push(batch.collection<Counter>('metrics'));
        throw new Error('no');
      })
      .catch(() => undefined);
    assert.equal(kept.length, 2);
    const blob = new Blob('text/plain', Buffer.from('x'));
    for (const inside of kept) {
      const calls = [
        () => inside.save('a', { n: 2 }),
        () => inside.save('a', { n: 2, blob } as Counter),
        () => inside.get('a'),
        () => inside.getMany(['a']),
        () => inside.delete('a'),
        () => inside.purge('a'),
      ];
      for (const call of calls) await refuses(call, 'DATABASE_IN_BATCH', 'has ended');
    }
    assert.equal((await metrics.get('a'))?.body.n, 1);
    assert.equal(blob.digest, undefined);
  });

  test('surrounds nobody: what was started inside it works as anything else', async (context) => {
    const { database, metrics } = await setUp(context);
    const go = deferred();
    const started: Promise<unknown>[] = [];
    await database.inBatch(async (batch) => {
      await batch.collection<Counter>('metrics').save('a', { n: 2 });
      started.push(go.promise.then(() => metrics.save('b', { n: 1 })));
      started.push(
        go.promise.then(() => database.inBatch((later) => later.collection<Counter>('metrics').save('c', { n: 1 }))),
      );
      started.push(go.promise.then(() => database.createCollection('later')));
    });
    // A batch on another database inside it may outlive it.
    const second = await openDatabase(context);
    await database.inBatch(async () => {
      const inner = second.inBatch(async () => {
        await go.promise;
        await metrics.save('d', { n: 1 });
      });
      started.push(inner);
    });
    // Another batch runs meanwhile, so that contexts are carried again.
    await database.inBatch(async () => {
      go.resolve();
      await turnOfEventLoop();
    });
    await Promise.all(started);
    assert.equal(await metrics.count(), 4);
    assert.ok(database.collections().some(({ name }) => name === 'later'));
  });
});

describe('work in a batch that its function does not await', () => {
  test('is part of it, if it was asked for before the function ended', async (context) => {
    const { database, metrics, events } = await setUp(context);
    const results: Promise<unknown>[] = [];
    await database.inBatch(async (batch) => {
      for (let n = 0; n < 50; n++) results.push(batch.collection<Counter>('metrics').save(`doc-${n}`, { n }));
    });
    assert.equal(await metrics.count(), 51);
    assert.equal(events.length, 1);
    await Promise.all(results);
  });

  test('is rolled back with it, and causes no stray rejection', async (context) => {
    const { database, metrics, events } = await setUp(context);
    const stray: unknown[] = [];
    const listen = (error: unknown): void => void stray.push(error);
    process.on('unhandledRejection', listen);
    context.after(() => process.off('unhandledRejection', listen));
    const failing = database.inBatch(async (batch) => {
      for (let n = 0; n < 50; n++) void batch.collection<Counter>('metrics').save(`doc-${n}`, { n });
      throw new Error('no');
    });
    await assert.rejects(failing, /no/);
    await turnOfEventLoop();
    assert.equal(await metrics.count(), 1);
    assert.deepEqual([events, stray], [[], []]);
  });
});

describe('events', () => {
  test('of a batch let a listener write at once', async (context) => {
    const { database, metrics } = await setUp(context);
    const written: Promise<unknown>[] = [];
    const unsubscribe = metrics.on('change', () => {
      unsubscribe();
      written.push(metrics.save('echo', { n: 1 }));
      written.push(database.inBatch((batch) => batch.collection<Counter>('metrics').save('batch', { n: 1 })));
    });
    await database.inBatch((batch) => batch.collection<Counter>('metrics').save('b', { n: 1 }));
    await Promise.all(written);
    assert.equal(written.length, 2);
    assert.equal(await metrics.count(), 4);
  });

  test('of another database, caused inside a batch, let a listener write to the first when the batch has ended', async (context) => {
    const { database, metrics } = await setUp(context);
    const second = await openDatabase(context);
    const copies: Promise<unknown>[] = [];
    second.collection('notes').on('change', () => copies.push(metrics.save('copy', { n: 1 })));
    await database.inBatch(async (batch) => {
      await second.collection('notes').save('note', {});
      await batch.collection<Counter>('metrics').save('b', { n: 1 });
    });
    await Promise.all(copies);
    assert.equal(copies.length, 1);
    assert.equal(await metrics.count(), 3);
  });
});
