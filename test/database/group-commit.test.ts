/** Many writers share commits: their order, their errors, and the limit on how many may wait. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '../../src/base/index.js';
import { isHawserError } from '../../src/errors.js';
import { openAt, openDatabase, refuses } from './fixtures.js';

type Counter = { n: number };

describe('writers at the same time', () => {
  test('share a commit, in the order they came', async (context) => {
    const database = await openDatabase(context);
    const collection = database.collection<Counter>('metrics');
    const commits: number[] = [];
    collection.on('change', ({ documentIDs }) => commits.push(documentIDs.length));
    const saved = await Promise.all(Array.from({ length: 800 }, (_, n) => collection.save(`doc-${n}`, { n })));
    assert.deepEqual(commits, [800]);
    assert.deepEqual(
      saved.map(({ sequence }) => sequence),
      saved.map((_, index) => index + 1),
    );
  });

  test('that come while a commit is under way form the next one, of a thousand documents at the most', async (context) => {
    const database = await openDatabase(context);
    const collection = database.collection<Counter>('metrics');
    const commits: number[] = [];
    collection.on('change', ({ documentIDs }) => commits.push(documentIDs.length));
    const first = collection.save('first', { n: 0 });
    await Promise.resolve();
    await Promise.resolve();
    const rest = Array.from({ length: 2_500 }, (_, n) => collection.save(`doc-${n}`, { n }));
    await Promise.all([first, ...rest]);
    assert.deepEqual(commits, [1, 1_000, 1_000, 500]);
  });

  test('learn of their document when it is committed, not before', async (context) => {
    const database = await openDatabase(context);
    const other = (await openAt(context, database.path)).collection<Counter>('metrics');
    const collection = database.collection<Counter>('metrics');
    await Promise.all(
      Array.from({ length: 40 }, async (_, writer) => {
        for (let n = 0; n < 10; n++) {
          const { revisionID } = await collection.save(`doc-${writer}`, { n });
          assert.equal((await other.get(`doc-${writer}`))?.revisionID, revisionID);
        }
      }),
    );
  });

  test('of one document are served in their order', async (context) => {
    const database = await openDatabase(context);
    const collection = database.collection<Counter>('metrics');
    const order: number[] = [];
    const saved = await Promise.all(
      Array.from({ length: 2_000 }, async (_, n) => {
        const document = await collection.save('hot', { n });
        order.push(n);
        return document;
      }),
    );
    assert.ok(order.every((n, index) => n === index));
    assert.ok(saved.every(({ revisionID }, index) => revisionID.startsWith(`${index + 1}-`)));
    assert.deepEqual((await collection.get('hot'))?.body, { n: 1_999 });
    assert.deepEqual(await database.integrityCheck(), []);
  });

  test('of several collections share a commit too', async (context) => {
    const database = await openDatabase(context);
    const order: string[] = [];
    for (const name of ['one', 'two']) database.collection(name).on('change', () => order.push(name));
    await Promise.all([
      database
        .collection('one')
        .save('a', {})
        .then(() => order.push('saved one')),
      database
        .collection('two')
        .save('a', {})
        .then(() => order.push('saved two')),
    ]);
    assert.deepEqual(order, ['one', 'two', 'saved one', 'saved two']);
  });

  test('that fail do not disturb the others', async (context) => {
    const seed = 169;
    const random = seededRandom(seed);
    const collection = (await openDatabase(context)).collection<Counter>('metrics');
    const taken = await collection.save('taken', { n: 0 });
    const expected: string[] = [];
    const outcomes = await Promise.allSettled(
      Array.from({ length: 400 }, (_, n) => {
        const choice = Math.floor(random.next() * 6);
        const [code, work] = (
          [
            ['DOCUMENT_CONFLICT', () => collection.save('taken', { n }, { ifRevision: null })],
            ['DOCUMENT_NOT_FOUND', () => collection.delete(`never-${n}`)],
            ['DOCUMENT_NOT_FOUND', () => collection.purge(`never-${n}`)],
            ['DOCUMENT_NUMBER_INVALID', () => collection.save(`doc-${n}`, { n: NaN })],
            ['saved', () => collection.save(`doc-${n}`, { n })],
            ['saved', () => collection.save(`doc-${n}`, { n }, { ifRevision: null })],
          ] as const
        )[choice] ?? ['', () => Promise.resolve()];
        expected.push(code);
        return work();
      }),
    );
    const found = outcomes.map((outcome) =>
      outcome.status === 'fulfilled'
        ? 'saved'
        : isHawserError(outcome.reason)
          ? outcome.reason.code
          : String(outcome.reason),
    );
    assert.deepEqual(found, expected, `seed ${seed}`);
    assert.equal(await collection.count(), expected.filter((code) => code === 'saved').length + 1);
    assert.equal((await collection.get('taken'))?.revisionID, taken.revisionID);
    const sequences = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value?.sequence] : []));
    assert.deepEqual(
      sequences,
      sequences.map((_, index) => index + 2),
      'refused writes leave no gap',
    );
  });
});

describe('the queue', () => {
  test('that is full refuses the next write with WRITE_QUEUE_FULL; those that wait are written, and so is what comes later', async (context) => {
    const database = await openDatabase(context, { maxQueuedWrites: 10 });
    const collection = database.collection<Counter>('metrics');
    const waiting = Array.from({ length: 10 }, (_, n) => collection.save(`doc-${n}`, { n }));
    const [error] = await Promise.all([
      refuses(collection.save('more', { n: 1 }), 'WRITE_QUEUE_FULL', '10'),
      refuses(collection.delete('doc-0'), 'WRITE_QUEUE_FULL'),
      refuses(collection.purge('doc-0'), 'WRITE_QUEUE_FULL'),
    ]);
    assert.equal(error.retryable, true);
    await Promise.all(waiting);
    assert.equal(await collection.count(), 10);
    await collection.save('more', { n: 1 });
    assert.equal(await collection.count(), 11);
  });

  test('that is full counts a write again only once it has gone', async (context) => {
    const database = await openDatabase(context, { maxQueuedWrites: 5 });
    const collection = database.collection<Counter>('metrics');
    let refused = 0;
    for (let round = 0; round < 20; round++) {
      const outcomes = await Promise.allSettled(
        Array.from({ length: 8 }, (_, n) => collection.save(`${round}-${n}`, { n })),
      );
      refused += outcomes.filter(({ status }) => status === 'rejected').length;
    }
    assert.equal(refused, 20 * 3);
    assert.equal(await collection.count(), 20 * 5);
  });

  test('of one takes one at a time, and a batch of many', async (context) => {
    const database = await openDatabase(context, { maxQueuedWrites: 1 });
    const collection = database.collection<Counter>('metrics');
    await collection.save('a', { n: 1 });
    await database.inBatch(async (batch) => {
      for (let n = 0; n < 50; n++) await batch.collection<Counter>('metrics').save(`doc-${n}`, { n });
    });
    assert.equal(await collection.count(), 51);
  });
});
