/** Collections and scopes: their names, how they come and go, and the loop over all documents. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '../../src/base/index.js';
import type { Database } from '../../src/database/index.js';
import type { Collection } from '../../src/database/index.js';
import { openAt, openDatabase, refuses } from './fixtures.js';

function names(database: Database): string[] {
  return database.collections().map((collection) => collection.fullName);
}

async function idsOf(collection: Collection): Promise<string[]> {
  const ids: string[] = [];
  for await (const document of collection.documents()) ids.push(document.id);
  return ids;
}

describe('names of collections and scopes', () => {
  const invalid = [
    '',
    '_',
    '_x',
    '%',
    '%x',
    'a b',
    'a.b',
    'a/b',
    'é',
    'a\0',
    'a\n',
    '😀',
    'x'.repeat(252),
    5,
    null,
    {},
  ];

  test('beyond the limits are refused by all that takes one, and name what is wrong', async (context) => {
    const database = await openDatabase(context);
    for (const wrong of invalid) {
      const name = wrong as string;
      await refuses(() => database.collection(name), 'COLLECTION_NAME_INVALID', 'collection name');
      await refuses(() => database.createCollection(name), 'COLLECTION_NAME_INVALID', 'collection name');
      await refuses(() => database.deleteCollection(name), 'COLLECTION_NAME_INVALID', 'collection name');
      if (name !== null) {
        await refuses(() => database.collection('a', { scope: name }), 'COLLECTION_NAME_INVALID', 'scope name');
      }
      await database.inBatch(async (batch) => {
        await refuses(() => batch.collection(name), 'COLLECTION_NAME_INVALID', 'collection name');
      });
    }
    // The default collection is in the default scope only.
    await refuses(() => database.collection('_default', { scope: 'engine' }), 'COLLECTION_NAME_INVALID', '"_default"');
    await refuses(() => database.collection('_DEFAULT'), 'COLLECTION_NAME_INVALID', '"_DEFAULT"');
    assert.deepEqual(names(database), ['_default']);
  });

  test('within the limits are taken, and kept by case', async (context) => {
    const database = await openDatabase(context);
    const valid = ['a', 'A', '0', '-', '-x', 'a_', 'a%', 'a-b_c%d', 'x'.repeat(251)];
    for (const name of valid) {
      await database.createCollection(name);
      await (await database.createCollection(name, { scope: name })).save('doc', { in: name });
    }
    const expected = ['_default', ...valid.flatMap((name) => [name, `${name}.${name}`])];
    assert.deepEqual(names(database).sort(), expected.sort());
    await database.close();
    const again = await openAt(context, database.path);
    assert.deepEqual(names(again).sort(), expected.sort());
    for (const name of valid) {
      const collection = again.collection(name, { scope: name });
      assert.deepEqual((await collection.get('doc'))?.body, { in: name });
      assert.deepEqual([collection.name, collection.scope, collection.database], [name, name, again]);
      assert.equal(await again.collection(name).count(), 0);
    }
  });

  test('come with an option that is checked', async (context) => {
    const database = await openDatabase(context);
    await refuses(() => database.collection('a', { scop: 'b' } as object), 'OPTION_UNKNOWN', '"scop"');
    await refuses(() => database.createCollection('a', { scop: 'b' } as object), 'OPTION_UNKNOWN', '"scop"');
    await database.inBatch(async (batch) => {
      await refuses(() => batch.collection('a', { scop: 'b' } as object), 'OPTION_UNKNOWN', '"scop"');
    });
  });
});

describe('a handle', () => {
  test('is the same object for the same name, and exists before its collection does', async (context) => {
    const database = await openDatabase(context);
    const handle = database.collection('metrics');
    assert.equal(database.collection('metrics'), handle);
    assert.notEqual(database.collection('metrics', { scope: 'engine' }), handle);
    assert.equal(await handle.count(), 0);
    assert.equal(await handle.get('a'), undefined);
    assert.deepEqual(await handle.getMany(['a', 'b']), [undefined, undefined]);
    assert.deepEqual(await idsOf(handle), []);
    assert.deepEqual(names(database), ['_default']);
    await handle.save('a', { n: 1 });
    assert.deepEqual(names(database), ['_default', 'metrics']);
    assert.deepEqual((await handle.get('a'))?.body, { n: 1 });
  });

  test('makes its collection with the first document, not with a write that fails or finds nothing', async (context) => {
    const database = await openDatabase(context);
    const handle = database.collection('metrics');
    await refuses(handle.delete('a'), 'DOCUMENT_NOT_FOUND');
    await refuses(handle.purge('a'), 'DOCUMENT_NOT_FOUND');
    await refuses(handle.save('a', {}, { ifRevision: '1-00' }), 'DOCUMENT_CONFLICT');
    await refuses(handle.save('a', { n: NaN }), 'DOCUMENT_NUMBER_INVALID');
    await database.inBatch(async (batch) => {
      assert.equal(await batch.collection('metrics').get('a'), undefined);
      await refuses(batch.collection('metrics').delete('a'), 'DOCUMENT_NOT_FOUND');
    });
    await assert.rejects(
      database.inBatch(async (batch) => {
        await batch.collection('metrics').save('a', {});
        throw new Error('roll back');
      }),
      /roll back/,
    );
    assert.deepEqual(names(database), ['_default']);
    await database.close();
    assert.deepEqual(names(await openAt(context, database.path)), ['_default']);
  });

  test('made by many at the same time makes one collection', async (context) => {
    const database = await openDatabase(context);
    const other = await openAt(context, database.path);
    await Promise.all([
      database.createCollection('metrics'),
      other.createCollection('metrics'),
      database.collection('metrics').save('a', {}),
      other.collection('metrics').save('b', {}),
      other.inBatch((batch) => batch.collection('metrics').save('c', {})),
      database.createCollection('metrics'),
    ]);
    assert.deepEqual(await idsOf(other.collection('metrics')), ['a', 'b', 'c']);
    await database.close();
    await other.close();
    const again = await openAt(context, database.path);
    assert.deepEqual(names(again), ['_default', 'metrics']);
    assert.equal(await again.collection('metrics').count(), 3);
  });
});

describe('the default collection', () => {
  test('is always there and cannot be deleted', async (context) => {
    const database = await openDatabase(context);
    assert.deepEqual(names(database), ['_default']);
    assert.equal(database.collection(), database.collection('_default', { scope: '_default' }));
    await refuses(database.deleteCollection('_default'), 'COLLECTION_DEFAULT_REQUIRED', 'default');
    await database.collection().save('a', {});
    await refuses(database.deleteCollection('_default'), 'COLLECTION_DEFAULT_REQUIRED', 'default');
    await database.inBatch((batch) => batch.collection().save('b', {}));
    assert.equal(await database.collection().count(), 2);
    assert.deepEqual(names(database), ['_default']);
  });
});

describe('deleting a collection', () => {
  test('makes every use of its handles reject with COLLECTION_DELETED, those of other Database objects too', async (context) => {
    const database = await openDatabase(context);
    const other = await openAt(context, database.path);
    const handles = [database.collection('metrics'), other.collection('metrics')];
    await database.collection('metrics').save('a', {});
    await other.deleteCollection('metrics');
    for (const handle of handles) {
      const calls: (() => unknown)[] = [
        () => handle.save('a', {}),
        () => handle.get('a'),
        () => handle.getMany(['a']),
        () => handle.getMany([]),
        () => handle.delete('a'),
        () => handle.purge('a'),
        () => handle.count(),
        () => handle.documents(),
        () => handle.changes(),
        () => handle.on('change', () => undefined),
      ];
      for (const call of calls) await refuses(call, 'COLLECTION_DELETED', 'metrics');
    }
    assert.deepEqual(names(database), ['_default']);
  });

  test('and making it again gives a new, empty one, while the old handles stay invalid', async (context) => {
    const database = await openDatabase(context);
    const old = database.collection('metrics');
    for (let n = 0; n < 5; n++) await old.save('a', { n });
    await database.deleteCollection('metrics');
    const fresh = database.collection('metrics');
    assert.notEqual(fresh, old);
    assert.equal(await fresh.get('a'), undefined);
    assert.equal((await fresh.save('a', { n: 'new' })).sequence, 1);
    await refuses(old.get('a'), 'COLLECTION_DELETED');
    await refuses(old.save('a', {}), 'COLLECTION_DELETED');
    await database.close();
    const again = await openAt(context, database.path);
    assert.deepEqual((await again.collection('metrics').get('a'))?.body, { n: 'new' });
    assert.deepEqual(await again.integrityCheck(), []);
  });

  test('that does not exist does nothing, and twice at the same time deletes one', async (context) => {
    const database = await openDatabase(context);
    await database.deleteCollection('never');
    await database.collection('metrics').save('a', {});
    await Promise.all([database.deleteCollection('metrics'), database.deleteCollection('metrics')]);
    await database.collection('metrics').save('b', {});
    assert.deepEqual(await idsOf(database.collection('metrics')), ['b']);
  });

  test('and making it right behind the deletion leaves no collection that nobody can reach', async (context) => {
    const database = await openDatabase(context);
    const deletion = database.deleteCollection('metrics');
    await refuses(database.createCollection('metrics'), 'COLLECTION_DELETED', 'metrics');
    await deletion;
    assert.deepEqual(names(database), ['_default']);
    await database.close();
    assert.deepEqual(names(await openAt(context, database.path)), ['_default']);
  });

  test('right behind the first save, which made it, deletes that document too', async (context) => {
    const database = await openDatabase(context);
    for (const turns of [0, 1, 2, 3, 5, 8, 13]) {
      const saved = database.collection('metrics').save('ghost', {});
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      const deleted = database.deleteCollection('metrics');
      await Promise.all([saved, deleted]);
      assert.deepEqual(names(database), ['_default']);
      await database.collection('metrics').save('new', {});
      assert.deepEqual(await idsOf(database.collection('metrics')), ['new'], `after ${turns} turns`);
      await database.deleteCollection('metrics');
    }
  });

  test('fails only the writes to it, not those that wait beside them', async (context) => {
    const database = await openDatabase(context);
    await database.collection('doomed').save('a', {});
    const doomed = database.collection('doomed');
    const metrics = database.collection('metrics');
    const before = [metrics.save('before', {}), doomed.save('before', {})];
    const deletion = database.deleteCollection('doomed');
    const after = [metrics.save('m1', {}), doomed.save('d1', {}), doomed.delete('a'), metrics.save('m2', {})];
    await Promise.all([...before, deletion]);
    const outcomes = await Promise.allSettled(after);
    assert.deepEqual(
      outcomes.map((outcome) => (outcome.status === 'fulfilled' ? 'saved' : (outcome.reason as { code: string }).code)),
      ['saved', 'COLLECTION_DELETED', 'COLLECTION_DELETED', 'saved'],
    );
    assert.deepEqual(await idsOf(metrics), ['before', 'm1', 'm2']);
    assert.deepEqual(names(database), ['_default', 'metrics']);
  });
});

describe('count', () => {
  test('counts documents, not tombstones', async (context) => {
    const collection = (await openDatabase(context)).collection('metrics');
    for (const id of ['a', 'b', 'c', 'd']) await collection.save(id, {});
    await collection.delete('b');
    assert.equal(await collection.count(), 3);
    await collection.purge('c');
    assert.equal(await collection.count(), 2);
    await collection.purge('b');
    assert.equal(await collection.count(), 2);
  });
});

describe('documents', () => {
  test('gives every live document once, in the order of the UTF-8 bytes of the IDs', async (context) => {
    const database = await openDatabase(context);
    const collection = database.collection('metrics');
    const random = seededRandom(240);
    const ids = ['~', 'Z', 'a', 'é', '\uff5e', '😀', '\ue000', '10', '9', 'a/b', "it's", '"'];
    for (let index = 0; index < 700; index++) ids.push(`doc-${Math.floor(random.next() * 1e9)}`);
    await database.inBatch(async (batch) => {
      for (const id of ids) await batch.collection('metrics').save(id, { text: 'x'.repeat(random.next() * 3_000) });
    });
    await collection.save('deleted', {});
    await collection.delete('deleted');
    const expected = [...new Set(ids)].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    assert.deepEqual(await idsOf(collection), expected);
  });

  test('takes pages that fit the size of the documents', async (context) => {
    const collection = (await openDatabase(context)).collection('metrics');
    const text = 'x'.repeat(1_500_000);
    for (let index = 0; index < 60; index++) await collection.save(`large-${index}`, { text });
    for (let index = 0; index < 300; index++) void collection.save(`small-${index}`, {});
    const start = process.memoryUsage().rss;
    let most = 0;
    let count = 0;
    for await (const document of collection.documents()) {
      if (document.id.startsWith('large')) count++;
      most = Math.max(most, process.memoryUsage().rss - start);
    }
    assert.equal(count, 60);
    assert.ok(most < 60e6, `${most / 1e6} MB of 90 MB`);
    assert.equal((await idsOf(collection)).length, 360);
  });

  test('refuses unknown options and what is no signal before the loop begins', async (context) => {
    const collection = (await openDatabase(context)).collection('metrics');
    await refuses(() => collection.documents({ limit: 5 } as object), 'OPTION_UNKNOWN', '"limit"');
    await refuses(() => collection.documents({ signal: {} as AbortSignal }), 'ARGUMENT_INVALID', 'signal');
  });

  test('ends with ABORTED as soon as the signal fires', async (context) => {
    const database = await openDatabase(context);
    const collection = database.collection('metrics');
    await Promise.all(Array.from({ length: 50 }, (_, index) => collection.save(`doc-${index}`, {})));
    const controller = new AbortController();
    const seen: string[] = [];
    const loop = async (): Promise<void> => {
      for await (const { id } of collection.documents({ signal: controller.signal })) {
        seen.push(id);
        if (seen.length === 20) controller.abort(new Error('enough'));
      }
    };
    const error = await refuses(loop, 'ABORTED');
    assert.equal((error.cause as Error).message, 'enough');
    assert.equal(seen.length, 20);
    await refuses(() => collection.documents({ signal: AbortSignal.abort() }).next(), 'ABORTED');
  });

  test('goes on while documents are saved, deleted and purged, and misses none that stays', async (context) => {
    const database = await openDatabase(context);
    const collection = database.collection('metrics');
    const stays = Array.from({ length: 500 }, (_, index) => `doc-${String(index).padStart(4, '0')}`);
    await Promise.all(stays.map((id) => collection.save(id, { n: 0 })));
    await Promise.all(stays.map((id) => collection.save(`${id}-x`, { n: 0 })));
    const seen: string[] = [];
    for await (const { id } of collection.documents()) {
      seen.push(id);
      if (seen.length % 7 === 0) await collection.save(id, { n: 1 });
      if (seen.length % 11 === 0)
        await collection.delete(`${stays[seen.length] ?? 'doc-0001'}-x`).catch(() => undefined);
      if (seen.length % 13 === 0)
        await collection.purge(`${stays[seen.length + 5] ?? 'doc-0002'}-x`).catch(() => undefined);
    }
    assert.deepEqual(
      seen.filter((id) => !id.endsWith('-x')),
      stays,
    );
    assert.equal(new Set(seen).size, seen.length);
  });
});
