/** Saving, reading, deleting and purging documents: revisions, sequences, conflicts. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { parseJson } from '../../src/base/index.js';
import type { Document, SaveConflict, SaveOptions } from '../../src/database/index.js';
import { sharedData, skipWithout } from '../support/shared-data.js';
import { openAt, openDatabase, refuses } from './fixtures.js';

type Counter = { n: number; by?: string };

describe('save', () => {
  test('resolves to the document as committed', async (context) => {
    const database = await openDatabase(context);
    const collection = database.collection<Counter>('metrics');
    const saved = await collection.save('a', { n: 1 });
    assert.deepEqual([saved.id, saved.sequence, saved.deleted, saved.body], ['a', 1, false, { n: 1 }]);
    const found = await collection.get('a');
    assert.deepEqual([found?.revisionID, found?.sequence, found?.body], [saved.revisionID, 1, { n: 1 }]);
    assert.equal(found?.toJSONText(), '{"n":1}');
    assert.equal(found.body, found.body);
  });

  test('takes the body as it is at the call, and a document read is a copy', async (context) => {
    const collection = (await openDatabase(context)).collection<Counter>('metrics');
    const body = { n: 1 };
    const saving = collection.save('a', body);
    body.n = 2;
    assert.deepEqual((await saving).body, { n: 1 });
    const first = await collection.get('a');
    assert.ok(first !== undefined);
    first.body.n = 99;
    assert.deepEqual((await collection.get('a'))?.body, { n: 1 });
  });

  test('makes the revision IDs of Couchbase Lite', async (context) => {
    const collection = (await openDatabase(context)).collection('metrics');
    const first = await collection.save('a', { name: 'Fred' });
    assert.equal(first.revisionID, '1-d1dc992e156a4424081ece7390d7533d57a1d403');
    const second = await collection.save('a', { name: 'Fred', age: 5 });
    assert.equal(second.revisionID, '2-e320b30b1468b44f9042de3001554760630fc64d');
    await collection.delete('a');
    const third = await collection.save('a', { name: 'Fred' });
    const parent = '3-941fc3290c43e7a6f6b9abe0357c2f394ffb690c'; // the tombstone
    const digest = createHash('sha1').update(`\x2a${parent}\0{"name":"Fred"}`).digest('hex');
    assert.equal(third.revisionID, `4-${digest}`);
  });

  test(
    'makes the recorded revision ID of every body of the capture',
    skipWithout('captures/revision-digests.json'),
    async (context) => {
      const collection = (await openDatabase(context)).collection('metrics');
      const { vectors } = JSON.parse(readFileSync(sharedData('captures/revision-digests.json') ?? '', 'utf8')) as {
        vectors: { input: string; canonical: string; revisionID: string }[];
      };
      let exact = 0;
      for (const [index, { input, canonical, revisionID }] of vectors.entries()) {
        const saved = await collection.save(`doc-${index}`, parseJson(input) as Record<string, unknown>);
        // 1.0 is the integer 1 to JavaScript: those bodies are another text, and only those.
        if (saved.toJSONText() !== canonical) {
          assert.match(canonical, /\.0\}$/, input);
          continue;
        }
        assert.equal(saved.revisionID, revisionID, input);
        exact++;
      }
      assert.ok(exact >= 18, `${exact} of ${vectors.length}`);
    },
  );

  test('lets the last writer win, whoever read what before', async (context) => {
    const database = await openDatabase(context);
    const collection = database.collection<Counter>('metrics');
    const other = (await openAt(context, database.path)).collection<Counter>('metrics');
    await collection.save('a', { n: 1 });
    const stale = await other.get('a');
    await collection.save('a', { n: 2 });
    const last = await other.save('a', { n: (stale?.body.n ?? 0) + 10 });
    assert.match(last.revisionID, /^3-/);
    assert.deepEqual((await collection.get('a'))?.body, { n: 11 });
  });

  test('continues the tree of a deleted document, and begins anew after a purge', async (context) => {
    const collection = (await openDatabase(context)).collection<Counter>('metrics');
    const first = await collection.save('a', { n: 1 });
    await collection.delete('a');
    assert.match((await collection.save('a', { n: 2 })).revisionID, /^3-/);
    await collection.purge('a');
    assert.equal((await collection.save('a', { n: 1 })).revisionID, first.revisionID);
  });
});

describe('sequences', () => {
  test('grow with every change of the collection, deletions too, and are never used twice', async (context) => {
    const database = await openDatabase(context);
    const collection = database.collection('metrics');
    assert.equal((await collection.save('a', {})).sequence, 1);
    assert.equal((await collection.save('b', {})).sequence, 2);
    await collection.delete('a');
    assert.equal((await collection.save('a', {})).sequence, 4);
    await refuses(collection.save('a', {}, { ifRevision: null }), 'DOCUMENT_CONFLICT');
    assert.equal((await collection.save('c', {})).sequence, 5);
    await collection.purge('c');
    assert.equal((await collection.save('c', {})).sequence, 6);
    assert.equal((await database.collection('other').save('a', {})).sequence, 1);
    await collection.purge('c');
    await database.close();
    const again = await openAt(context, database.path);
    assert.equal((await again.collection('metrics').save('d', {})).sequence, 7);
  });
});

describe('save with ifRevision', () => {
  test('saves on top of that revision only', async (context) => {
    const collection = (await openDatabase(context)).collection<Counter>('metrics');
    const first = await collection.save('a', { n: 1 });
    const second = await collection.save('a', { n: 2 }, { ifRevision: first.revisionID });
    const error = await refuses(
      collection.save('a', { n: 3 }, { ifRevision: first.revisionID }),
      'DOCUMENT_CONFLICT',
      '"a"',
    );
    assert.ok(error.message.includes(second.revisionID) && error.message.includes(first.revisionID), error.message);
    assert.deepEqual([error.domain, error.number], ['CouchbaseLite', 8]);
    assert.deepEqual((await collection.get('a'))?.body, { n: 2 });
    await refuses(collection.save('b', { n: 3 }, { ifRevision: first.revisionID }), 'DOCUMENT_CONFLICT', 'absent');
    assert.equal(await collection.get('b'), undefined);
    await collection.delete('a');
    await refuses(collection.save('a', { n: 3 }, { ifRevision: second.revisionID }), 'DOCUMENT_CONFLICT', 'deleted');
  });

  test('of null saves only where there is no live document', async (context) => {
    const collection = (await openDatabase(context)).collection<Counter>('metrics');
    await collection.save('a', { n: 1 }, { ifRevision: null });
    await refuses(collection.save('a', { n: 2 }, { ifRevision: null }), 'DOCUMENT_CONFLICT', 'not absent');
    await collection.delete('a');
    assert.match((await collection.save('a', { n: 3 }, { ifRevision: null })).revisionID, /^3-/);
  });

  test('lets one of many win that start from the same revision', async (context) => {
    const collection = (await openDatabase(context)).collection<Counter>('metrics');
    const { revisionID } = await collection.save('a', { n: 0 });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 50 }, (_, n) => collection.save('a', { n: n + 1 }, { ifRevision: revisionID })),
    );
    const won = outcomes.filter((outcome) => outcome.status === 'fulfilled');
    assert.equal(won.length, 1);
    assert.deepEqual((await collection.get('a'))?.body, { n: 1 });
    assert.match((await collection.get('a'))?.revisionID ?? '', /^2-/);
  });

  test('refuses what cannot be a revision ID', async (context) => {
    const collection = (await openDatabase(context)).collection<Counter>('metrics');
    for (const wrong of [5, '', {}, true, []]) {
      const options = { ifRevision: wrong } as unknown as { ifRevision: string };
      await refuses(collection.save('a', { n: 1 }, options), 'ARGUMENT_INVALID', 'ifRevision');
      await refuses(collection.delete('a', options), 'ARGUMENT_INVALID', 'ifRevision');
    }
    await refuses(collection.delete('a', { ifRevision: null } as object), 'ARGUMENT_INVALID', 'ifRevision');
    assert.equal(await collection.get('a'), undefined);
  });
});

describe('save with onConflict', () => {
  function recording(decide: (conflict: SaveConflict<Counter>) => Counter | undefined | Promise<Counter | undefined>): {
    options: SaveOptions<Counter>;
    seen: string[];
  } {
    const seen: string[] = [];
    const onConflict = (conflict: SaveConflict<Counter>): Counter | undefined | Promise<Counter | undefined> => {
      seen.push(`${conflict.id}: ${JSON.stringify(conflict.body)} on ${JSON.stringify(conflict.current?.body)}`);
      return decide(conflict);
    };
    return { options: { onConflict }, seen };
  }

  test('asks for a merge, and saves it on top of what is there', async (context) => {
    const collection = (await openDatabase(context)).collection<Counter>('metrics');
    const first = await collection.save('a', { n: 1 });
    const second = await collection.save('a', { n: 5 });
    const { options, seen } = recording(async ({ body, current }) => ({
      n: body.n + (current?.body.n ?? 0),
      by: 'merge',
    }));
    const saved = await collection.save('a', { n: 2 }, { ...options, ifRevision: first.revisionID });
    assert.deepEqual(seen, ['a: {"n":2} on {"n":5}']);
    assert.deepEqual(saved.body, { n: 7, by: 'merge' });
    assert.equal(saved.revisionID.slice(0, 2), '3-');
    assert.notEqual(second.revisionID, saved.revisionID);
  });

  test('is not asked where there is no conflict', async (context) => {
    const collection = (await openDatabase(context)).collection<Counter>('metrics');
    const { options, seen } = recording(() => assert.fail('not asked'));
    const first = await collection.save('a', { n: 1 }, options);
    await collection.save('a', { n: 2 }, { ...options, ifRevision: first.revisionID });
    assert.deepEqual(seen, []);
  });

  test('is asked without ifRevision whenever there is a document already', async (context) => {
    const collection = (await openDatabase(context)).collection<Counter>('metrics');
    await collection.save('a', { n: 1 });
    const { options, seen } = recording(({ body }) => body);
    await collection.save('a', { n: 2 }, options);
    assert.deepEqual(seen, ['a: {"n":2} on {"n":1}']);
    assert.deepEqual((await collection.get('a'))?.body, { n: 2 });
  });

  test('hears undefined for a document that is gone', async (context) => {
    const collection = (await openDatabase(context)).collection<Counter>('metrics');
    const first = await collection.save('a', { n: 1 });
    await collection.delete('a');
    const { options, seen } = recording(({ body }) => ({ ...body, by: 'again' }));
    const saved = await collection.save('a', { n: 2 }, { ...options, ifRevision: first.revisionID });
    assert.deepEqual(seen, ['a: {"n":2} on undefined']);
    assert.match(saved.revisionID, /^3-/);
    assert.deepEqual(saved.body, { n: 2, by: 'again' });
  });

  test('gives up with undefined: DOCUMENT_CONFLICT, and nothing changed', async (context) => {
    const collection = (await openDatabase(context)).collection<Counter>('metrics');
    const first = await collection.save('a', { n: 1 });
    const { options } = recording(() => undefined);
    await refuses(collection.save('a', { n: 2 }, options), 'DOCUMENT_CONFLICT', '"a"');
    assert.equal((await collection.get('a'))?.revisionID, first.revisionID);
  });

  test('may throw: the save rejects with just that, and nothing changed', async (context) => {
    const collection = (await openDatabase(context)).collection<Counter>('metrics');
    const first = await collection.save('a', { n: 1 });
    const failure = new Error('cannot merge');
    for (const onConflict of [
      () => {
        throw failure;
      },
      () => Promise.reject(failure),
    ]) {
      await assert.rejects(collection.save('a', { n: 2 }, { onConflict }), failure);
    }
    assert.equal((await collection.get('a'))?.revisionID, first.revisionID);
  });

  test('is asked again if the document changes once more meanwhile', async (context) => {
    const collection = (await openDatabase(context)).collection<Counter>('metrics');
    await collection.save('a', { n: 1 });
    let rounds = 0;
    const { options, seen } = recording(async ({ body, current }) => {
      rounds++;
      if (rounds === 1) await collection.save('a', { n: 100 });
      if (rounds === 2) await collection.delete('a');
      return { n: body.n + (current?.body.n ?? 0) };
    });
    const saved = await collection.save('a', { n: 2 }, options);
    assert.deepEqual(seen, ['a: {"n":2} on {"n":1}', 'a: {"n":3} on {"n":100}', 'a: {"n":103} on undefined']);
    assert.deepEqual(saved.body, { n: 103 });
  });

  test('counts right with many writers who add to one document', async (context) => {
    const collection = (await openDatabase(context)).collection<Counter>('metrics');
    await Promise.all(
      Array.from({ length: 40 }, () =>
        collection.save('sum', { n: 1 }, { onConflict: ({ current }) => ({ n: (current?.body.n ?? 0) + 1 }) }),
      ),
    );
    assert.deepEqual((await collection.get('sum'))?.body, { n: 40 });
  });

  test('may return what cannot be stored: the error names it, and nothing changed', async (context) => {
    const collection = (await openDatabase(context)).collection<Counter>('metrics');
    const first = await collection.save('a', { n: 1 });
    await refuses(collection.save('a', { n: 2 }, { onConflict: () => ({ n: NaN }) }), 'DOCUMENT_NUMBER_INVALID', '/n');
    await refuses(
      collection.save('a', { n: 2 }, { onConflict: 'merge' } as unknown as SaveOptions<Counter>),
      'ARGUMENT_INVALID',
      'onConflict',
    );
    assert.equal((await collection.get('a'))?.revisionID, first.revisionID);
  });
});

describe('get and getMany', () => {
  test('give documents in the order asked for, undefined for those that are not there, repeats too', async (context) => {
    const collection = (await openDatabase(context)).collection<Counter>('metrics');
    for (const [n, id] of ['a', 'b', 'c'].entries()) await collection.save(id, { n });
    await collection.delete('b');
    const shown = (list: (Document<Counter> | undefined)[]): unknown[] => list.map((document) => document?.body.n);
    assert.deepEqual(shown(await collection.getMany(['c', 'x', 'b', 'a', 'c'])), [2, undefined, undefined, 0, 2]);
    assert.deepEqual(await collection.getMany([]), []);
    assert.equal(await collection.get('b'), undefined);
    assert.equal(await collection.get('x'), undefined);
  });

  test('refuse what is no ID, and what is no array', async (context) => {
    const collection = (await openDatabase(context)).collection('metrics');
    await refuses(collection.get('_x'), 'DOCUMENT_ID_INVALID', '"_x"');
    await refuses(collection.getMany(['a', '']), 'DOCUMENT_ID_INVALID', 'empty');
    await refuses(collection.getMany('a' as unknown as string[]), 'ARGUMENT_INVALID', 'array');
  });

  test('read ten thousand documents at once', async (context) => {
    const database = await openDatabase(context);
    const ids = Array.from({ length: 10_000 }, (_, index) => `doc-${index}`);
    const collection = database.collection<Counter>('metrics');
    await Promise.all(ids.map((id, n) => collection.save(id, { n })));
    const found = await collection.getMany(ids);
    assert.ok(found.every((document, n) => document?.body.n === n));
  });
});

describe('delete', () => {
  test('leaves a tombstone that is nowhere but in the feed', async (context) => {
    const collection = (await openDatabase(context)).collection('metrics');
    await collection.save('a', { n: 1 });
    await collection.delete('a');
    assert.equal(await collection.get('a'), undefined);
    const feed = collection.changes();
    const { value } = await feed.next();
    await feed.return();
    assert.deepEqual([value?.documentID, value?.deleted, value?.sequence], ['a', true, 2]);
    assert.match(value?.revisionID ?? '', /^2-/);
  });

  test('of what is not there is DOCUMENT_NOT_FOUND', async (context) => {
    const collection = (await openDatabase(context)).collection('metrics');
    await refuses(collection.delete('a'), 'DOCUMENT_NOT_FOUND', '"a"');
    await collection.save('a', {});
    await collection.delete('a');
    await refuses(collection.delete('a'), 'DOCUMENT_NOT_FOUND', '"a"');
    await collection.purge('a');
    await refuses(collection.delete('a'), 'DOCUMENT_NOT_FOUND', '"a"');
  });

  test('with ifRevision deletes that revision only', async (context) => {
    const collection = (await openDatabase(context)).collection('metrics');
    const first = await collection.save('a', { n: 1 });
    const second = await collection.save('a', { n: 2 });
    await refuses(collection.delete('a', { ifRevision: first.revisionID }), 'DOCUMENT_CONFLICT', second.revisionID);
    await collection.delete('a', { ifRevision: second.revisionID });
    assert.equal(await collection.count(), 0);
  });
});

describe('purge', () => {
  test('leaves nothing, not even of a tombstone', async (context) => {
    const collection = (await openDatabase(context)).collection('metrics');
    await collection.save('a', {});
    await collection.save('b', {});
    await collection.delete('b');
    await collection.purge('a');
    await collection.purge('b');
    await refuses(collection.purge('a'), 'DOCUMENT_NOT_FOUND', '"a"');
    await refuses(collection.purge('b'), 'DOCUMENT_NOT_FOUND', '"b"');
    await refuses(collection.purge('never'), 'DOCUMENT_NOT_FOUND', '"never"');
    const controller = new AbortController();
    const feed = collection.changes({ signal: controller.signal });
    const next = feed.next();
    await collection.save('c', {});
    assert.equal((await next).value?.documentID, 'c');
    await feed.return();
  });
});

describe('writes that nobody awaits in between', () => {
  test('happen in the order they were asked for', async (context) => {
    const collection = (await openDatabase(context)).collection<Counter>('metrics');
    const order = [
      collection.save('a', { n: 1 }),
      collection.delete('a'),
      collection.save('a', { n: 2 }),
      collection.purge('a'),
      collection.save('a', { n: 3 }),
      collection.save('a', { n: 4 }),
    ];
    const done = await Promise.all(order);
    assert.deepEqual(
      done.map((document) => (document === undefined ? undefined : document.revisionID.slice(0, 2))),
      ['1-', undefined, '3-', undefined, '1-', '2-'],
    );
    assert.deepEqual((await collection.get('a'))?.body, { n: 4 });
  });
});
