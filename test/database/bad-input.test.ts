/** What cannot be stored: each kind gets one coded error that names it, and nothing is written. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { describe, test, type TestContext } from 'node:test';
import { Blob, type BatchCollection, type Collection, type Database } from '../../src/database/index.js';
import type { ErrorCode } from '../../src/errors.js';
import { openDatabase, refuses } from './fixtures.js';

type Case = readonly [title: string, body: unknown, code: ErrorCode, named: string | RegExp];

function nested(depth: number): object {
  let value: object = {};
  for (let level = 1; level < depth; level++) value = level % 2 === 0 ? { a: value } : { list: [value] };
  return value;
}

function deep(depth: number): object {
  let value: object = {};
  for (let level = 1; level < depth; level++) value = { a: value };
  return value;
}

const cyclic: { self?: unknown } = {};
cyclic.self = { inside: [cyclic] };
class Reading {
  value = 5;
}

const cases: readonly Case[] = [
  ['a reserved property', { ok: 1, _id: 'x' }, 'DOCUMENT_PROPERTY_RESERVED', '/_id'],
  ['a reserved property of our own', { _: 1 }, 'DOCUMENT_PROPERTY_RESERVED', '/_'],
  ['an empty key', { a: { '': 1 } }, 'DOCUMENT_KEY_EMPTY', '/a/'],
  ['an empty key at the top', { '': 1 }, 'DOCUMENT_KEY_EMPTY', 'empty key'],
  ['a cyclic object', cyclic, 'DOCUMENT_CYCLIC', '/self/inside/0'],
  ['NaN', { a: [1, NaN] }, 'DOCUMENT_NUMBER_INVALID', /NaN at \/a\/1/],
  ['an infinity', { a: -Infinity }, 'DOCUMENT_NUMBER_INVALID', /-Infinity at \/a/],
  ['an integer beyond uint64', { a: 2n ** 64n }, 'DOCUMENT_NUMBER_INVALID', '/a'],
  ['an integer beyond int64', { a: -(2n ** 63n) - 1n }, 'DOCUMENT_NUMBER_INVALID', '/a'],
  ['half of a surrogate pair', { a: 'x\ud800y' }, 'DOCUMENT_STRING_INVALID', '/a'],
  ['half of a surrogate pair in a key', { 'x\udc00': 1 }, 'DOCUMENT_STRING_INVALID', 'surrogate'],
  ['more than 100 levels', deep(101), 'DOCUMENT_TOO_DEEP', '100'],
  ['more than 100 levels of arrays and objects', nested(80), 'DOCUMENT_TOO_DEEP', '100'],
  ['more than 20 MiB', { text: 'x'.repeat(20 * 1024 * 1024) }, 'DOCUMENT_TOO_LARGE', '/text'],
  ['more than 20 MiB of two-byte characters', { text: 'é'.repeat(11 * 1024 * 1024) }, 'DOCUMENT_TOO_LARGE', 'bytes'],
  ['a function', { f: () => 1 }, 'DOCUMENT_VALUE_UNSUPPORTED', /function at \/f/],
  ['a symbol', { s: Symbol('x') }, 'DOCUMENT_VALUE_UNSUPPORTED', /symbol at \/s/],
  ['undefined in an array', { a: [undefined] }, 'DOCUMENT_VALUE_UNSUPPORTED', /undefined at \/a\/0/],
  ['an invalid Date', { at: new Date(NaN) }, 'DOCUMENT_VALUE_UNSUPPORTED', '/at'],
  ['an object of a class', { r: new Reading() }, 'DOCUMENT_VALUE_UNSUPPORTED', 'Reading'],
  ['a Map', { m: new Map() }, 'DOCUMENT_VALUE_UNSUPPORTED', 'Map'],
  ['bytes', { b: new Uint8Array(4) }, 'DOCUMENT_VALUE_UNSUPPORTED', '/b'],
  ["the platform's Blob", { b: new globalThis.Blob(['x']) }, 'DOCUMENT_VALUE_UNSUPPORTED', '/b'],
  ['a promise', { p: Promise.resolve(1) }, 'DOCUMENT_VALUE_UNSUPPORTED', 'Promise'],
  ['an array as body', [1], 'DOCUMENT_VALUE_UNSUPPORTED', 'array'],
  ['a text as body', '{"a":1}', 'DOCUMENT_VALUE_UNSUPPORTED', 'string'],
  ['null as body', null, 'DOCUMENT_VALUE_UNSUPPORTED', 'null'],
  ['no body', undefined, 'DOCUMENT_VALUE_UNSUPPORTED', 'undefined'],
  ['a Blob as body', new Blob('a/b', new Uint8Array(1)), 'DOCUMENT_VALUE_UNSUPPORTED', 'Blob'],
];

/** The document that was there stays as it is; no other and no blob appears, and no event is fired. */
async function leavesAlone(
  context: TestContext,
  attempt: (collection: Collection | BatchCollection<Record<string, unknown>>, database: Database) => Promise<unknown>,
): Promise<void> {
  const database = await openDatabase(context);
  const collection = database.collection('metrics');
  const before = await collection.save('a', { n: 1 });
  let events = 0;
  collection.on('change', () => events++);
  await attempt(collection, database);
  await database.inBatch((batch) => attempt(batch.collection('metrics'), database));
  assert.equal(await collection.count(), 1);
  assert.equal((await collection.get('a'))?.revisionID, before.revisionID);
  assert.equal(events, 0);
  assert.deepEqual(await readdir(`${database.path}/blobs`), []);
  assert.equal((await collection.save('b', {})).sequence, 2);
}

describe('a body is refused for', () => {
  for (const [title, body, code, named] of cases) {
    test(title, async (context) => {
      await leavesAlone(context, async (collection) => {
        await refuses(collection.save('a', body as Record<string, unknown>), code, named);
        await refuses(collection.save('new', body as Record<string, unknown>), code, named);
      });
    });
  }
});

describe('no blob is stored for a body that is refused', () => {
  const blob = (): Blob => new Blob('text/plain', Buffer.from('content'));
  const large = 'x'.repeat(20 * 1024 * 1024 - 60);

  test('whatever comes after the blob, in the body or in the order of keys', async (context) => {
    await leavesAlone(context, async (collection) => {
      await refuses(collection.save('a', { blob: blob(), zzz: NaN }), 'DOCUMENT_NUMBER_INVALID', '/zzz');
      await refuses(collection.save('a', { _x: 1, blob: blob() }), 'DOCUMENT_PROPERTY_RESERVED', '/_x');
      await refuses(collection.save('_a', { blob: blob() }), 'DOCUMENT_ID_INVALID', '"_a"');
      await refuses(collection.save('a', { blob: blob() }, { if: 1 } as object), 'OPTION_UNKNOWN', '"if"');
    });
  });

  test('because the blob itself makes it too large', async (context) => {
    await leavesAlone(context, async (collection) => {
      await refuses(collection.save('a', { text: large, blob: blob() }), 'DOCUMENT_TOO_LARGE');
    });
  });

  test('because the blob is too deep', async (context) => {
    await leavesAlone(context, async (collection) => {
      let body: object = { blob: blob() };
      for (let level = 1; level < 100; level++) body = { a: body };
      await refuses(collection.save('a', body as Record<string, unknown>), 'DOCUMENT_TOO_DEEP');
    });
  });
});

describe('a document ID is refused', () => {
  const wrong: readonly [title: string, id: unknown, named: string][] = [
    ['when empty', '', 'empty'],
    ['when it begins with "_"', '_design', '"_design"'],
    ['when longer than 240 bytes', 'x'.repeat(241), '241 bytes'],
    ['when longer than 240 bytes in UTF-8', 'é'.repeat(121), '242 bytes'],
    ['with a control character', 'a\nb', 'control'],
    ['with a NUL', 'a\0b', 'control'],
    ['with half of a surrogate pair', 'a\ud83d', 'surrogate'],
    ['when it is a number', 5, 'number'],
    ['when it is null', null, 'null'],
    ['when it is undefined', undefined, 'undefined'],
    ['when it is an object', {}, 'object'],
    ['when it is an object without a prototype', Object.create(null), 'object'],
    ['when it is a symbol', Symbol('id'), 'symbol'],
  ];
  for (const [title, id, named] of wrong) {
    test(title, async (context) => {
      await leavesAlone(context, async (collection, database) => {
        const name = id as string;
        await refuses(collection.save(name, {}), 'DOCUMENT_ID_INVALID', named);
        await refuses(collection.get(name), 'DOCUMENT_ID_INVALID', named);
        await refuses(collection.getMany([name]), 'DOCUMENT_ID_INVALID', named);
        await refuses(collection.delete(name), 'DOCUMENT_ID_INVALID', named);
        await refuses(collection.purge(name), 'DOCUMENT_ID_INVALID', named);
        const watched = database.collection('metrics');
        await refuses(() => watched.onDocumentChange(name, () => undefined), 'DOCUMENT_ID_INVALID', named);
      });
    });
  }

  test('but not at the limit, nor for what only looks unusual', async (context) => {
    const collection = (await openDatabase(context)).collection('metrics');
    const ids = [
      'x'.repeat(240),
      'é'.repeat(120),
      '😀'.repeat(60),
      ' ',
      'a_',
      '-',
      '"',
      "'; DROP TABLE",
      '1',
      'null',
      '\u2028',
      'Å',
      'A\u030a',
    ];
    for (const id of ids) await collection.save(id, { id });
    const found = await collection.getMany(ids);
    assert.deepEqual(
      found.map((document) => document?.body['id']),
      ids,
    );
  });
});

describe('an option is refused', () => {
  test('that is not known, by its name', async (context) => {
    await leavesAlone(context, async (collection) => {
      await refuses(collection.save('a', {}, { ifRevison: '1-a' } as object), 'OPTION_UNKNOWN', '"ifRevison"');
      await refuses(collection.delete('a', { force: true } as object), 'OPTION_UNKNOWN', '"force"');
      await refuses(collection.save('a', {}, null as unknown as object), 'ARGUMENT_INVALID', 'options');
      await refuses(collection.save('a', {}, 'yes' as unknown as object), 'ARGUMENT_INVALID', 'options');
    });
  });

  test('that is no function where one is needed', async (context) => {
    const database = await openDatabase(context);
    const collection = database.collection('metrics');
    const wrong = 'listener' as unknown as () => void;
    await refuses(() => collection.on('change', wrong), 'ARGUMENT_INVALID', 'function');
    await refuses(() => collection.onDocumentChange('a', wrong), 'ARGUMENT_INVALID', 'function');
    await refuses(() => collection.on('changes' as 'change', () => undefined), 'ARGUMENT_INVALID', '"changes"');
    await refuses(database.inBatch(wrong as unknown as () => Promise<void>), 'ARGUMENT_INVALID', 'function');
  });
});
