/** How an application hears of changes: as events after commits, and as a loop that can be resumed. */
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, test } from 'node:test';
import { deferred, seededRandom } from '../../src/base/index.js';
import type { ChangesOptions, Collection, DocumentChange } from '../../src/database/index.js';
import { openAt, openDatabase, refuses, turnOfEventLoop } from './fixtures.js';

describe('change events', () => {
  test('come once per commit, after it and before its writers know, with all documents of it', async (context) => {
    const database = await openDatabase(context);
    const collection = database.collection('metrics');
    const other = (await openAt(context, database.path)).collection('metrics');
    const order: string[] = [];
    collection.on('change', (change) => {
      assert.equal(change.collection, collection);
      order.push(`heard ${change.documentIDs.join()}`);
    });
    other.on('change', (change) => {
      assert.equal(change.collection, other);
      order.push(`other heard ${change.documentIDs.join()}`);
    });
    await Promise.all(['a', 'b', 'c'].map(async (id) => (await collection.save(id, {})) && order.push(`saved ${id}`)));
    assert.deepEqual(order, ['heard a,b,c', 'other heard a,b,c', 'saved a', 'saved b', 'saved c']);
    order.length = 0;
    await other.delete('a');
    await other.purge('b');
    await collection.purge('a');
    assert.deepEqual(
      order.filter((entry) => entry.startsWith('heard')),
      ['heard a', 'heard b', 'heard a'],
    );
  });

  test('find the document changed when the listener reads it', async (context) => {
    const collection = (await openDatabase(context)).collection('metrics');
    const found: Promise<unknown>[] = [];
    collection.on('change', ({ documentIDs }) => {
      found.push(collection.getMany(documentIDs).then((documents) => documents.map((document) => document?.body['n'])));
    });
    await Promise.all([collection.save('a', { n: 1 }), collection.save('b', { n: 2 })]);
    assert.deepEqual(await Promise.all(found), [[1, 2]]);
  });

  test('do not come for writes that fail, nor from other collections', async (context) => {
    const database = await openDatabase(context);
    const collection = database.collection('metrics');
    collection.on('change', () => assert.fail('nothing changed'));
    await refuses(collection.delete('a'), 'DOCUMENT_NOT_FOUND');
    await refuses(collection.save('a', {}, { ifRevision: '1-00' }), 'DOCUMENT_CONFLICT');
    await database.collection('other').save('a', {});
    await database.collection('metrics', { scope: 'engine' }).save('a', {});
  });

  test('stop with the returned function, which may be called twice and from within', async (context) => {
    const collection = (await openDatabase(context)).collection('metrics');
    const heard: string[] = [];
    const stopFirst = collection.on('change', () => heard.push('first'));
    const stopSecond = collection.on('change', () => {
      heard.push('second');
      stopSecond();
      stopThird();
    });
    const stopThird = collection.on('change', () => heard.push('third'));
    await collection.save('a', {});
    stopFirst();
    stopFirst();
    await collection.save('a', {});
    assert.deepEqual(heard, ['first', 'second']);
  });

  test('reach the others when one listener throws; its error is an uncaught one', async (context) => {
    const collection = (await openDatabase(context)).collection('metrics');
    const failure = new Error('a listener that throws');
    const uncaught: unknown[] = [];
    process.setUncaughtExceptionCaptureCallback((error) => uncaught.push(error));
    context.after(() => process.setUncaughtExceptionCaptureCallback(null));
    const heard: string[] = [];
    collection.on('change', () => {
      throw failure;
    });
    collection.on('change', ({ documentIDs }) => heard.push(documentIDs.join()));
    await collection.save('a', {});
    await collection.save('b', {});
    await turnOfEventLoop();
    assert.deepEqual(heard, ['a', 'b']);
    assert.deepEqual(uncaught, [failure, failure]);
  });

  test('of one document come for that document only', async (context) => {
    const collection = (await openDatabase(context)).collection('metrics');
    let count = 0;
    const stop = collection.onDocumentChange('b', (change) => {
      assert.deepEqual([change.documentID, change.collection], ['b', collection]);
      count++;
    });
    await collection.save('a', {});
    await Promise.all([collection.save('b', {}), collection.save('b', {}), collection.save('c', {})]);
    await collection.delete('b');
    assert.equal(count, 2);
    stop();
    await collection.purge('b');
    assert.equal(count, 2);
  });
});

/** Reads until `enough`, then leaves the loop. */
async function read(
  collection: Collection,
  options: ChangesOptions,
  enough: (changes: DocumentChange[]) => boolean,
): Promise<DocumentChange[]> {
  const changes: DocumentChange[] = [];
  for await (const change of collection.changes(options)) {
    changes.push(change);
    if (enough(changes)) break;
  }
  return changes;
}

describe('the loop over changes', () => {
  test('gives what is there by sequence, then what comes', async (context) => {
    const collection = (await openDatabase(context)).collection('metrics');
    await collection.save('a', {});
    await collection.save('b', {});
    await collection.save('a', { n: 2 });
    const reading = read(collection, {}, (changes) => changes.at(-1)?.sequence === 5);
    await collection.delete('b');
    await collection.save('c', {});
    const shown = (await reading).map(
      ({ documentID, sequence, deleted }) => `${sequence} ${documentID}${deleted ? ' -' : ''}`,
    );
    // Whether b was read before its deletion is a matter of luck.
    assert.deepEqual(
      shown.filter((entry) => entry !== '2 b'),
      ['3 a', '4 b -', '5 c'],
    );
  });

  test('resumes after a sequence', async (context) => {
    const collection = (await openDatabase(context)).collection('metrics');
    for (const id of ['a', 'b', 'c']) await collection.save(id, {});
    const resumed = await read(collection, { since: 2 }, () => true);
    assert.deepEqual([resumed[0]?.documentID, resumed[0]?.sequence], ['c', 3]);
    assert.match(resumed[0]?.revisionID ?? '', /^1-[0-9a-f]{40}$/);
    const later = read(collection, { since: 1_000 }, () => true);
    for (let n = 0; n < 1_000; n++) void collection.save('d', { n });
    assert.equal((await later)[0]?.documentID, 'd');
  });

  test('begins before its collection exists', async (context) => {
    const collection = (await openDatabase(context)).collection('metrics');
    const reading = read(collection, {}, () => true);
    await turnOfEventLoop();
    await collection.save('first', {});
    assert.equal((await reading)[0]?.documentID, 'first');
  });

  test('refuses bad options when it is made', async (context) => {
    const collection = (await openDatabase(context)).collection('metrics');
    await refuses(() => collection.changes({ since: -1 }), 'ARGUMENT_INVALID', 'since');
    await refuses(() => collection.changes({ since: '5' } as object), 'ARGUMENT_INVALID', 'since');
    await refuses(() => collection.changes({ since: null } as object), 'ARGUMENT_INVALID', 'since');
    await refuses(() => collection.changes({ signal: {} as AbortSignal }), 'ARGUMENT_INVALID', 'signal');
    await refuses(() => collection.changes({ limit: 1 } as object), 'OPTION_UNKNOWN', '"limit"');
  });

  test('ends when the database closes, waiting or not', async (context) => {
    const database = await openDatabase(context);
    const collection = database.collection('metrics');
    await Promise.all(Array.from({ length: 100 }, (_, n) => collection.save(`doc-${n}`, {})));
    const waiting = read(collection, { since: 100 }, () => false);
    const busy = collection.changes();
    await busy.next();
    await turnOfEventLoop();
    await database.close();
    assert.deepEqual(await waiting, []);
    assert.equal((await busy.next()).done, true);
  });

  test('goes on when another Database object on the path closes', async (context) => {
    const database = await openDatabase(context);
    const other = await openAt(context, database.path);
    const reading = read(database.collection('metrics'), {}, () => true);
    await turnOfEventLoop();
    await other.close();
    await database.collection('metrics').save('a', {});
    assert.equal((await reading)[0]?.documentID, 'a');
  });

  test('ends when its collection is deleted, waiting or not', async (context) => {
    const database = await openDatabase(context);
    for (const name of ['exists', 'never']) {
      const collection = database.collection(name);
      if (name === 'exists') for (const id of ['a', 'b']) await collection.save(id, {});
      const waiting = read(collection, { since: 2 }, () => false);
      const busy = collection.changes();
      if (name === 'exists') await busy.next();
      await turnOfEventLoop();
      await database.deleteCollection(name);
      assert.deepEqual(await waiting, []);
      assert.equal((await busy.next()).done, true);
    }
  });

  test('throws ABORTED at once when the signal fires, waiting or in the middle of much', async (context) => {
    const collection = (await openDatabase(context)).collection('metrics');
    await Promise.all(Array.from({ length: 100 }, (_, n) => collection.save(`doc-${n}`, {})));
    for (const stopAt of [10, 100]) {
      const controller = new AbortController();
      let seen = 0;
      const loop = async (): Promise<void> => {
        for await (const change of collection.changes({ signal: controller.signal })) {
          seen = change.sequence;
          if (seen === 10 && stopAt === 10) controller.abort(new Error('enough'));
          if (seen === 100) setImmediate(() => controller.abort(new Error('enough')));
        }
      };
      const error = await refuses(loop, 'ABORTED');
      assert.equal((error.cause as Error).message, 'enough');
      assert.equal(seen, stopAt);
    }
    await refuses(() => collection.changes({ signal: AbortSignal.abort() }).next(), 'ABORTED');
  });

  test('can be left while it waits', async (context) => {
    const collection = (await openDatabase(context)).collection('metrics');
    await collection.save('a', {});
    const changes = collection.changes();
    assert.equal((await changes.next()).value?.documentID, 'a');
    const pending = changes.next();
    await turnOfEventLoop();
    assert.equal((await changes.return()).done, true);
    assert.equal((await pending).done, true);
    assert.equal((await changes.next()).done, true);
    const unstarted = collection.changes();
    await unstarted.return();
    assert.equal((await unstarted.next()).done, true);
  });

  test('leaves nothing behind on its signal', async (context) => {
    const collection = (await openDatabase(context)).collection('metrics');
    await collection.save('a', {});
    const controller = new AbortController();
    for (let n = 0; n < 3; n++) await read(collection, { signal: controller.signal }, () => true);
    assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
  });

  test('holds little in memory, however large the documents are', async (context) => {
    const database = await openDatabase(context);
    const collection = database.collection('metrics');
    const text = 'x'.repeat(1_500_000);
    for (let n = 0; n < 60; n++) await collection.save(`doc-${n}`, { n, text });
    const start = process.memoryUsage().rss;
    let most = 0;
    const changes = await read(collection, {}, (seen) => {
      most = Math.max(most, process.memoryUsage().rss - start);
      return seen.length === 60;
    });
    assert.equal(changes.at(-1)?.documentID, 'doc-59');
    assert.ok(most < 60e6, `${most / 1e6} MB of 90 MB`);
  });

  test('costs a slow reader no memory, and gives it the last of several changes', async (context) => {
    const database = await openDatabase(context);
    const collection = database.collection('metrics');
    const text = 'x'.repeat(500_000);
    for (let n = 0; n < 20; n++) await collection.save(`large-${n}`, { text });
    const changes = collection.changes();
    assert.equal((await changes.next()).value?.sequence, 1);
    for (let n = 0; n < 300; n++) await collection.save('hot', { n });
    const rest: DocumentChange[] = [];
    while (rest.at(-1)?.documentID !== 'hot') {
      const { value } = await changes.next();
      assert.ok(value !== undefined);
      rest.push(value);
    }
    await changes.return();
    assert.equal(rest.length, 20, '19 large ones, then one for 300 changes of the hot one');
    assert.equal(rest.at(-1)?.sequence, 320);
  });

  test('misses no document under writers that never stop', async (context) => {
    const seed = 168;
    const random = seededRandom(seed);
    const database = await openDatabase(context);
    const other = await openAt(context, database.path);
    const collection = database.collection('metrics');
    const latest = new Map<string, number>();
    const seen = new Map<string, number>();
    const finished = deferred<number>();
    let reads = 0;
    const reader = (async () => {
      let last = 0;
      let target: number | undefined;
      void finished.promise.then((sequence) => (target = sequence));
      for await (const change of collection.changes()) {
        assert.ok(change.sequence > last, `seed ${seed}: ${change.sequence} after ${last}`);
        last = change.sequence;
        seen.set(change.documentID, change.sequence);
        if (++reads % 97 === 0) await turnOfEventLoop();
        if (target !== undefined && last >= target) return;
      }
    })();
    await Promise.all(
      Array.from({ length: 8 }, async (_, writer) => {
        for (let n = 0; n < 150; n++) {
          const from = writer % 2 === 0 ? collection : other.collection('metrics');
          const id = `doc-${Math.floor(random.next() * 60)}`;
          const saved = await from.save(id, { writer, n });
          latest.set(id, Math.max(latest.get(id) ?? 0, saved.sequence));
        }
      }),
    );
    const { sequence } = await collection.save('last', {});
    latest.set('last', sequence);
    finished.resolve(sequence);
    await collection.save('wake', {}); // for a reader that has seen the last one already
    await reader;
    for (const [id, at] of latest)
      assert.ok((seen.get(id) ?? 0) >= at, `seed ${seed}: ${id} was last seen at ${seen.get(id)}, not ${at}`);
  });
});
