/** Documents by their IDs: what is read is what was written, in batches of any size. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareUtf8, seededRandom } from '../../src/base/index.js';
import type { StoredDocument } from '../../src/storage/index.js';
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

export function documentCases(open: OpenStorage): void {
  test('refuses a sequence that another document has, and keeps what was there', async (context) => {
    const { storage, collection } = await opened(context, open);
    await put(storage, collection, documents(1, 3));
    await rejects(put(storage, collection, [document(4), document(2, { id: 'thief' })]), 'STORAGE_FAILED');
    assert.deepEqual(await everything(storage, collection), documents(1, 3));
  });

  test('refuses to move a document to a lower sequence', async (context) => {
    const { storage, collection } = await opened(context, open);
    await put(storage, collection, [document(5)]);
    await rejects(put(storage, collection, [document(4, { id: 'doc-5' })]), 'STORAGE_FAILED');
    assert.deepEqual(await everything(storage, collection), [document(5)]);
  });

  test('refuses the one character that its bookkeeping cannot hold, and says nothing of the values', async (context) => {
    const { storage, collection } = await opened(context, open);
    for (const field of ['revisionID', 'history', 'remotes', 'conflicts', 'bases'] as const) {
      const error = await put(storage, collection, [document(1), document(2, { [field]: 'secret\x02' })]).catch(
        (reason: unknown) => reason,
      );
      assert.ok(error instanceof Error && !error.message.includes('secret'), String(error));
      await rejects(put(storage, collection, [document(2, { [field]: 'secret\x02' })]), 'ARGUMENT_INVALID', field);
    }
    assert.deepEqual(await everything(storage, collection), []);
  });

  test('keeps every field', async (context) => {
    const { storage, collection } = await opened(context, open);
    const list = [
      document(1),
      document(2, { deleted: true, body: '{}' }),
      document(3, { hasBlobs: true }),
      document(4, { deleted: true, hasBlobs: true }),
      document(5, { history: '3-c,2-b,1-a' }),
      document(6, { conflicts: '[{"revisionID":"2-x"}]' }),
      document(7, { remotes: '{"1":"1-a","2":"1-b"}' }),
      document(8, { expiresAt: 1_764_000_000_000 }),
      document(9, { expiresAt: 0 }),
      document(10, { revisionID: `12345-${'f'.repeat(64)}` }),
      document(11, { bases: '[{"revisionID":"1-a","body":"{}"}]' }),
      document(Number.MAX_SAFE_INTEGER, { expiresAt: Number.MAX_SAFE_INTEGER }),
    ];
    await put(storage, collection, list);
    assert.deepEqual(
      await storage.documents(
        collection,
        list.map((entry) => entry.id),
      ),
      list,
    );
    assert.deepEqual(await everything(storage, collection), list);
    const last = await storage.feed({ collection, since: Number.MAX_SAFE_INTEGER - 1, limit: 10 });
    assert.deepEqual(last, list.slice(-1));
    assert.equal((await storage.collections())[0]?.lastSequence, Number.MAX_SAFE_INTEGER);
  });

  test('answers in the order of the question, with undefined for strangers, and repeats what is asked twice', async (context) => {
    const { storage, collection } = await opened(context, open);
    await put(storage, collection, documents(1, 5));
    const answer = await storage.documents(collection, ['doc-4', 'x', 'doc-1', 'doc-4', 'DOC-1', '', 'doc-5']);
    assert.deepEqual(answer, [document(4), undefined, document(1), document(4), undefined, undefined, document(5)]);
  });

  for (const size of [0, 1, 2, 1_000]) {
    test(`works on batches of ${size}`, async (context) => {
      const { storage, collection } = await opened(context, open);
      const list = documents(1, size);
      const ids = list.map((entry) => entry.id);
      await put(storage, collection, list);
      assert.deepEqual(await storage.documents(collection, ids), list);
      assert.equal(await storage.count(collection), size);
      await storage.transaction((transaction) =>
        transaction.setRemoteRevisions(
          collection,
          1,
          list.map(({ id, revisionID }) => ({ id, revisionID })),
        ),
      );
      assert.ok(
        (await everything(storage, collection)).every((entry) => entry.remotes === `{"1":"${entry.revisionID}"}`),
      );
      await put(
        storage,
        collection,
        list.map((entry) => ({ ...entry, sequence: entry.sequence + size, body: '{}' })),
      );
      assert.deepEqual(
        (await everything(storage, collection)).map((entry) => entry.sequence),
        list.map((entry) => entry.sequence + size),
      );
      await storage.transaction((transaction) => transaction.purgeDocuments(collection, ids));
      assert.deepEqual(await everything(storage, collection), []);
    });
  }

  test('replaces a document whole and moves it in the feed; the same sequence replaces it where it is', async (context) => {
    const { storage, collection } = await opened(context, open);
    await put(storage, collection, [
      document(1, { conflicts: '[]', remotes: '{}', bases: '[]', expiresAt: 5, hasBlobs: true }),
      document(2),
    ]);
    const moved = document(3, { id: 'doc-1', revisionID: '2-a', history: '1-b' });
    await put(storage, collection, [moved]);
    assert.deepEqual(await everything(storage, collection), [document(2), moved]);
    const rewritten = { ...moved, expiresAt: 77 };
    await put(storage, collection, [rewritten]);
    assert.deepEqual(await everything(storage, collection), [document(2), rewritten]);
    assert.equal(await storage.nextExpiry(collection), 77);
  });

  test('the last of several writes of one document in a batch stays', async (context) => {
    const { storage, collection } = await opened(context, open);
    await put(storage, collection, [document(1, { id: 'a' }), document(2, { id: 'b' }), document(3, { id: 'a' })]);
    assert.deepEqual(await everything(storage, collection), [document(2, { id: 'b' }), document(3, { id: 'a' })]);
  });

  test('keeps IDs of any Unicode, and takes none for another', async (context) => {
    const { storage, collection } = await opened(context, open);
    const ids = [
      'a',
      'A',
      'ä',
      'a\u0308',
      'é',
      '😀',
      '\u{10ffff}',
      '\uffff',
      '\ue000',
      '1',
      '1.0',
      '01',
      'true',
      'null',
      ' ',
      '  ',
      '\0',
      'a\0',
      'a\0b',
      '\0a',
      '\x01',
      '\x02',
      'a\x02b',
      '\x02\x02',
      '\x1f',
      '\u007f',
      '\t\n\r',
      '"',
      '\\',
      "'",
      "''",
      '%',
      '_',
      '$."1"',
      '[1]',
      '{"a":1}',
      'x'.repeat(240),
      '中'.repeat(80),
      '\u200d',
      '\u202e',
    ];
    const list = ids.map((id, index) => document(index + 1, { id }));
    await put(storage, collection, list);
    assert.deepEqual(await storage.documents(collection, ids), list);
    assert.deepEqual(await everything(storage, collection), list);
    assert.deepEqual(await storage.ids(collection, '', 1_000), [...ids].sort(compareUtf8));
    await storage.transaction((transaction) =>
      transaction.setRemoteRevisions(
        collection,
        9,
        list.map(({ id, revisionID }) => ({ id, revisionID })),
      ),
    );
    const noted = await storage.documents(collection, ids);
    assert.deepEqual(
      noted,
      list.map((entry) => ({ ...entry, remotes: `{"9":"${entry.revisionID}"}` })),
    );
    await storage.transaction((transaction) => transaction.purgeDocuments(collection, ids.slice(1)));
    assert.deepEqual(await storage.ids(collection, '', 1_000), ['a']);
  });

  test('keeps bodies character for character', async (context) => {
    const { storage, collection } = await opened(context, open);
    const bodies = [
      '{}',
      '{"i":9223372036854775807,"u":18446744073709551615,"n":-9223372036854775808,"big":123456789012345678901234567890}',
      '{"d":[1.0,1e0,1E+400,-0,-0.0,0.1,0.30000000000000004,5e-324,1.7976931348623157e308,1e21,100000000000000000000]}',
      '{ "space" : [ 1 , 2 ] ,\n\t"b":1 }\r\n',
      '{"a":"\\u0041\\u00e9\\ud83d\\ude00\\u0000\\/\\b\\"\\\\"}',
      '{"é":"😀\u2028\u2029\ufeff","\u007f":"中"}',
      '{"a":1,"a":2,"":3}',
      '{"quote":"it\'s; DROP TABLE docs_1; --"}',
      'no JSON at all: \0 \x01 \x02 \x1f',
      '',
    ];
    const list = bodies.map((body, index) => document(index + 1, { body }));
    await put(storage, collection, list);
    assert.deepEqual(await everything(storage, collection), list);
    assert.deepEqual(
      await storage.documents(
        collection,
        list.map((entry) => entry.id),
      ),
      list,
    );
    assert.deepEqual(await storage.feed({ collection, since: 0, limit: 100, maxBytes: 1e6 }), list);
  });

  test('keeps random text, alone and in batches', async (context) => {
    const seed = 20_260_101;
    const random = seededRandom(seed);
    const alphabet = [
      'a',
      '0',
      '"',
      '\\',
      '\0',
      '\x01',
      '\x02',
      '\x1f',
      '\n',
      'é',
      '\u2028',
      '中',
      '\uffff',
      '😀',
      '\u{10fffd}',
      ',',
      '{',
      '}',
    ];
    const text = (length: number): string =>
      Array.from({ length }, () => alphabet[Math.floor(random.next() * alphabet.length)]).join('');
    const { storage, collection } = await opened(context, open);
    const list = Array.from({ length: 600 }, (_, index) =>
      document(index + 1, { id: `${text(8)}${index}`, body: text(Math.floor(random.next() ** 4 * 2_000)) }),
    );
    await put(storage, collection, list.slice(0, 1));
    await put(storage, collection, list.slice(1));
    assert.deepEqual(await everything(storage, collection), list, `seed ${seed}`);
    assert.deepEqual(
      await storage.documents(
        collection,
        list.map((entry) => entry.id),
      ),
      list,
      `seed ${seed}`,
    );
  });

  test('keeps large bodies: one of 1 MiB, and a batch of 24 MiB', async (context) => {
    const { storage, collection } = await opened(context, open);
    const large = (sequence: number, unit: string): StoredDocument =>
      document(sequence, { body: `{"n":${sequence},"text":"${unit.repeat(1024 * 1024)}"}` });
    await put(storage, collection, [large(1, 'x')]);
    await put(
      storage,
      collection,
      Array.from({ length: 24 }, (_, index) => large(index + 2, index === 5 ? 'é' : 'y')),
    );
    assert.equal(await storage.count(collection), 25);
    for (const sequence of [1, 7, 25]) {
      const [found] = await storage.documents(collection, [`doc-${sequence}`]);
      assert.ok(
        found?.body === large(sequence, sequence === 1 ? 'x' : sequence === 7 ? 'é' : 'y').body,
        `document ${sequence}`,
      );
    }
  });

  test('counts and lists the IDs of documents that are not tombstones, in the order of their bytes', async (context) => {
    const { storage, collection } = await opened(context, open);
    const live = ['b', 'a', 'é', 'z', '😀', '\uffff', 'Z'];
    await put(storage, collection, [
      ...live.map((id, index) => document(index + 1, { id })),
      document(20, { id: 'c', deleted: true }),
      document(21, { id: 'gone', deleted: true }),
    ]);
    assert.equal(await storage.count(collection), 7);
    assert.deepEqual(await storage.ids(collection, '', 100), ['Z', 'a', 'b', 'z', 'é', '\uffff', '😀']);
    assert.deepEqual(await storage.ids(collection, 'b', 2), ['z', 'é']);
    assert.deepEqual(await storage.ids(collection, 'bb', 1), ['z']);
    assert.deepEqual(await storage.ids(collection, '😀', 5), []);
    assert.deepEqual(await storage.ids(collection, '', 0), []);
    await put(storage, collection, [document(22, { id: 'a', deleted: true }), document(23, { id: 'c' })]);
    assert.equal(await storage.count(collection), 7);
  });

  test('knows the earliest expiry and what has expired, tombstones included', async (context) => {
    const { storage, collection } = await opened(context, open);
    assert.equal(await storage.nextExpiry(collection), null);
    await put(storage, collection, [
      document(1),
      document(2, { expiresAt: 3_000_000_000_000 }),
      document(3, { expiresAt: 2_000_000_000_000, deleted: true }),
      document(4, { expiresAt: 1_000 }),
    ]);
    assert.equal(await storage.nextExpiry(collection), 1_000);
    assert.deepEqual(await storage.expired(collection, 999, 10), []);
    assert.deepEqual(await storage.expired(collection, 1_000, 10), ['doc-4']);
    assert.deepEqual(await storage.expired(collection, 3_000_000_000_000, 10), ['doc-4', 'doc-3', 'doc-2']);
    assert.deepEqual(await storage.expired(collection, 3_000_000_000_000, 1), ['doc-4']);
    await storage.transaction((transaction) => transaction.purgeDocuments(collection, ['doc-4']));
    await put(storage, collection, [document(5, { id: 'doc-3' })]);
    assert.equal(await storage.nextExpiry(collection), 3_000_000_000_000);
  });

  test('notes the revision a remote has, unless the document moved on', async (context) => {
    const { storage, collection } = await opened(context, open);
    const line = { revisionID: '3-c', history: '2-b,1-a' };
    await put(storage, collection, [
      document(1, { id: 'current', ...line }),
      document(2, { id: 'ancestor', ...line, bases: '[1]' }),
      document(3, { id: 'forward', ...line, remotes: '{"1":"1-a","2":"9-z"}' }),
      document(4, { id: 'backward', ...line, remotes: '{"1":"3-c"}' }),
      document(5, { id: 'pruned', ...line, remotes: '{"1":"0-z"}' }),
      document(6, { id: 'forgotten', ...line }),
      document(7, { id: 'sibling', ...line }),
      document(8, { id: 'waiting', ...line, conflicts: '[]', remotes: '{"1":"3-x"}' }),
      document(9, { id: 'settled', ...line, conflicts: '[]', remotes: '{"1":"3-x"}' }),
      document(10, { id: 'deleted', ...line, deleted: true }),
    ]);
    const note = (id: string, revisionID: string): { id: string; revisionID: string } => ({ id, revisionID });
    await storage.transaction((transaction) =>
      transaction.setRemoteRevisions(collection, 1, [
        note('current', '3-c'),
        note('ancestor', '2-b'),
        note('forward', '2-b'),
        note('backward', '2-b'),
        note('pruned', '2-b'),
        note('forgotten', '2-x'),
        note('sibling', '3-z'),
        note('waiting', '2-b'),
        note('settled', '3-c'),
        note('deleted', '3-c'),
        note('nobody', '3-c'),
      ]),
    );
    const found = await everything(storage, collection);
    assert.deepEqual(
      found.map((entry) => [entry.id, entry.sequence, entry.remotes]),
      [
        ['current', 1, '{"1":"3-c"}'],
        ['ancestor', 2, '{"1":"2-b"}'],
        ['forward', 3, '{"1":"2-b","2":"9-z"}'],
        ['backward', 4, '{"1":"3-c"}'],
        ['pruned', 5, '{"1":"2-b"}'],
        ['forgotten', 6, '{"1":"2-x"}'],
        ['sibling', 7, null],
        ['waiting', 8, '{"1":"3-x"}'],
        ['settled', 9, '{"1":"3-c"}'],
        ['deleted', 10, '{"1":"3-c"}'],
      ],
    );
    assert.deepEqual(
      found.map(({ bases }) => bases),
      found.map(({ id }) => (id === 'ancestor' ? '[1]' : null)),
    );
    assert.deepEqual(
      found.map(({ id, body, history }) => ({ id, body, history })),
      found.map(({ id, sequence }) => ({ id, body: document(sequence).body, history: '2-b,1-a' })),
    );
  });

  test('writes to many collections in one call', async (context) => {
    const { storage } = await opened(context, open);
    await storage.transaction(async (transaction) => {
      const keys: number[] = [];
      for (let index = 0; index < 40; index++) keys.push((await transaction.createCollection('s', `c${index}`)).key);
      await transaction.putDocuments(
        documents(1, 200).flatMap((entry) => ({ collection: keys[entry.sequence % 40] ?? -1, document: entry })),
      );
      for (const key of keys) assert.equal(await transaction.count(key), 5);
      await transaction.purgeDocuments(keys[0] ?? -1, ['doc-40']);
      await putInto(transaction, keys[0] ?? -1, [document(201)]);
    });
    const records = await storage.collections();
    assert.deepEqual(
      records.slice(1, 4).map((record) => record.lastSequence),
      [201, 161, 162],
    );
  });
}
