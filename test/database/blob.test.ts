/** Blobs: stored once under their digest, in documents as dictionaries, read whole or in pieces. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { deferred, seededRandom } from '../../src/base/index.js';
import { Blob, isBlobDictionary, type BlobDictionary, type Database } from '../../src/database/index.js';
import { openAt, openDatabase, refuses } from './fixtures.js';

const HELLO = Buffer.from('Hello, Couchbase blob!');
const HELLO_DIGEST = 'sha1-qcgXXMNSbE//Bs9x/PluyaWbs2Y=';

function digestOf(bytes: Uint8Array): string {
  return `sha1-${createHash('sha1').update(bytes).digest('base64')}`;
}

async function* pieces(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

function stored(database: Database): Promise<string[]> {
  return readdir(`${database.path}/blobs`);
}

async function text(blob: Blob | undefined): Promise<string> {
  return Buffer.from((await blob?.content()) ?? []).toString();
}

describe('a blob is refused', () => {
  test('that is made of anything but bytes or a stream of bytes, when it is made', async () => {
    for (const wrong of ['text', 5, null, undefined, {}, [1, 2], new ArrayBuffer(4), new globalThis.Blob(['x'])]) {
      await refuses(() => new Blob('text/plain', wrong as Uint8Array), 'BLOB_INVALID', 'bytes');
    }
    for (const wrong of [5, null, undefined, 'x\ud800']) {
      await refuses(() => new Blob(wrong as string, HELLO), 'BLOB_INVALID', 'content type');
    }
  });

  test('whose stream yields something else, or fails; nothing of it is kept', async (context) => {
    const database = await openDatabase(context);
    const collection = database.collection('photos');
    const failure = new Error('the camera is gone');
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield HELLO;
      throw failure;
    }
    const strings = Readable.from(['a', 'b']) as AsyncIterable<unknown> as AsyncIterable<Uint8Array>;
    await refuses(collection.save('a', { photo: new Blob('a/b', strings) }), 'BLOB_INVALID', 'bytes');
    await assert.rejects(collection.save('a', { photo: new Blob('a/b', failing()) }), failure);
    assert.equal(await collection.get('a'), undefined);
    assert.deepEqual(await stored(database), []);
  });

  test('whose stream has failed before: what is left of it is not the content', async (context) => {
    const database = await openDatabase(context);
    const failure = new Error('the camera is gone');
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield HELLO;
      throw failure;
    }
    const blob = new Blob('a/b', failing());
    await assert.rejects(database.saveBlob(blob), failure);
    const error = await refuses(database.saveBlob(blob), 'BLOB_INVALID', 'failed before');
    assert.equal(error.cause, failure);
    await refuses(database.collection().save('a', { blob }), 'BLOB_INVALID', 'failed before');
    assert.deepEqual(await stored(database), []);
  });

  test('before it is stored, by those who read it', async (context) => {
    const database = await openDatabase(context);
    const blob = new Blob('text/plain', HELLO);
    assert.deepEqual([blob.digest, blob.length], [undefined, undefined]);
    await refuses(blob.content(), 'BLOB_NOT_FOUND', 'not been stored');
    await refuses(() => blob.stream(), 'BLOB_NOT_FOUND', 'not been stored');
    await refuses(() => database.saveBlob({} as Blob), 'BLOB_INVALID', 'Blob');
    for (const wrong of [null, undefined, 5, 'sha1-x', {}, { digest: HELLO_DIGEST }, { '@type': 'blob' }, blob]) {
      await refuses(() => database.getBlob(wrong), 'BLOB_INVALID', 'dictionary');
    }
    for (const digest of [
      '',
      'sha1-',
      'md5-qcgXXMNSbE//Bs9x/PluyaWbs2Y=',
      'sha1-../../../../etc/passwd',
      `${HELLO_DIGEST}=`,
    ]) {
      await refuses(() => database.getBlob({ '@type': 'blob', digest }), 'BLOB_INVALID', 'digest');
    }
  });
});

describe('a blob of a document', () => {
  test('becomes its dictionary, and the content a file', async (context) => {
    const database = await openDatabase(context);
    const collection = database.collection('photos');
    const blob = new Blob('text/plain', HELLO);
    const saved = await collection.save('a', { photo: blob, list: [{ deep: blob }] });
    const dictionary = { '@type': 'blob', content_type: 'text/plain', digest: HELLO_DIGEST, length: 22 };
    assert.deepEqual(saved.body, { photo: dictionary, list: [{ deep: dictionary }] });
    assert.ok(
      saved
        .toJSONText()
        .endsWith(`"photo":{"@type":"blob","content_type":"text/plain","digest":"${HELLO_DIGEST}","length":22}}`),
    );
    assert.deepEqual([blob.digest, blob.length, blob.contentType], [HELLO_DIGEST, 22, 'text/plain']);
    assert.equal(await text(blob), 'Hello, Couchbase blob!');
    assert.ok(isBlobDictionary(saved.body['photo']));
    assert.deepEqual(await stored(database), ['a9c8175cc3526c4fff06cf71fcf96ec9a59bb366']);
  });

  test('comes from bytes, from Node streams, web streams and generators alike', async (context) => {
    const database = await openDatabase(context);
    const sources = [
      Buffer.from('one two'),
      new Uint8Array(Buffer.from('one two')),
      pieces('one', ' ', '', 'two'),
      Readable.from([Buffer.from('one '), Buffer.from('two')]),
      new globalThis.Blob(['one two']).stream(),
    ];
    for (const [index, source] of sources.entries()) {
      const { body } = await database.collection().save(`doc-${index}`, { blob: new Blob('text/plain', source) });
      assert.equal((body['blob'] as BlobDictionary).digest, digestOf(Buffer.from('one two')));
      assert.equal(await text(await database.getBlob(body['blob'])), 'one two');
    }
    assert.equal((await stored(database)).length, 1);
  });

  test('may be empty', async (context) => {
    const database = await openDatabase(context);
    for (const blob of [new Blob('a/b', new Uint8Array(0)), new Blob('a/b', pieces())]) {
      assert.deepEqual((await database.saveBlob(blob)).length, 0);
      assert.equal((await blob.content()).length, 0);
    }
  });

  test('with the same content is stored once, whoever saves it and when', async (context) => {
    const database = await openDatabase(context);
    const other = await openAt(context, database.path);
    await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        (index % 2 === 0 ? database : other).collection().save(`doc-${index}`, {
          photo: new Blob(`image/${index}`, index % 3 === 0 ? pieces('same', ' content') : Buffer.from('same content')),
        }),
      ),
    );
    assert.equal((await stored(database)).length, 1);
    assert.equal(await database.collection().count(), 20);
  });

  test('saved by many at the same time is read once from its stream', async (context) => {
    const database = await openDatabase(context);
    const collection = database.collection('photos');
    const blob = new Blob('text/plain', pieces('read ', 'once'));
    const saved = await Promise.all([1, 2, 3, 4].map((n) => collection.save(`doc-${n}`, { blob })));
    for (const document of saved) assert.equal(await text(await database.getBlob(document.body['blob'])), 'read once');
    assert.equal((await stored(database)).length, 1);
  });

  test('of another database is copied, also while it is still being stored there', async (context) => {
    const databases = [await openDatabase(context), await openDatabase(context), await openDatabase(context)];
    const blob = new Blob('text/plain', pieces('read ', 'once'));
    const saved = await Promise.all(databases.map((database) => database.collection().save('a', { blob })));
    for (const [index, database] of databases.entries()) {
      const dictionary = saved[index]?.body['blob'];
      assert.ok(isBlobDictionary(dictionary), `database ${index} holds ${JSON.stringify(saved[index]?.body)}`);
      assert.equal(await text(await database.getBlob(dictionary)), 'read once');
    }
    const [first, second] = databases;
    const found = await first?.getBlob((await first.collection().get('a'))?.body['blob']);
    await second?.collection().save('b', { found });
    assert.equal(await text(await second?.getBlob((await second.collection().get('b'))?.body['found'])), 'read once');
  });

  test('whose file is damaged in the other database is not copied', async (context) => {
    const [from, to] = [await openDatabase(context), await openDatabase(context)];
    const blob = new Blob('text/plain', HELLO);
    await from.saveBlob(blob);
    await writeFile(`${from.path}/blobs/a9c8175cc3526c4fff06cf71fcf96ec9a59bb366`, 'Hello, Couchbase BLOB!');
    await refuses(to.collection().save('a', { blob }), 'BLOB_CORRUPT', HELLO_DIGEST);
    assert.equal(await to.collection().get('a'), undefined);
    assert.deepEqual(await stored(to), []);
  });

  test('takes the rest of the body as it was when save was called', async (context) => {
    const database = await openDatabase(context);
    const gate = deferred();
    async function* slowly(): AsyncGenerator<Uint8Array> {
      await gate.promise;
      yield HELLO;
    }
    const body: Record<string, unknown> = { blob: new Blob('a/b', slowly()), n: 1 };
    const saving = database.collection().save('a', body);
    body['n'] = NaN;
    body['blob'] = 'gone';
    gate.resolve();
    const saved = await saving;
    assert.equal(saved.body['n'], 1);
    assert.ok(isBlobDictionary(saved.body['blob']));
  });

  test('may be one of many, beside text that looks like theirs', async (context) => {
    const database = await openDatabase(context);
    const lookalike = `"digest":"${'0'.repeat(36)}","length":${Number.MAX_SAFE_INTEGER}`;
    const blobs = Array.from(
      { length: 60 },
      (_, index) => new Blob('text/plain', Buffer.from(`content ${index % 30}`)),
    );
    const saved = await database.collection().save('a', {
      blobs,
      lookalike,
      object: { '@type': 'x', digest: '00000000-0000-0000-0000-000000000000', length: Number.MAX_SAFE_INTEGER },
    });
    const list = saved.body['blobs'] as BlobDictionary[];
    for (const [index, dictionary] of list.entries()) {
      assert.equal(await text(await database.getBlob(dictionary)), `content ${index % 30}`);
    }
    assert.equal(saved.body['lookalike'], lookalike);
    assert.deepEqual(saved.body['object'], {
      '@type': 'x',
      digest: '00000000-0000-0000-0000-000000000000',
      length: Number.MAX_SAFE_INTEGER,
    });
    assert.equal((await stored(database)).length, 30);
  });

  test('is there after an inBatch, and is not a document after one that failed', async (context) => {
    const database = await openDatabase(context);
    await database.inBatch(async (batch) => {
      await batch.collection().save('a', { blob: new Blob('text/plain', HELLO) });
    });
    assert.equal(
      await text(await database.getBlob((await database.collection().get('a'))?.body['blob'])),
      HELLO.toString(),
    );
  });
});

describe('the dictionary of a blob', () => {
  test('goes round: read, found, saved again, and is the same', async (context) => {
    const database = await openDatabase(context);
    const collection = database.collection('photos');
    const first = await collection.save('a', { photo: new Blob('text/plain', HELLO) });
    const read = await collection.get('a');
    const again = await collection.save('b', { photo: read?.body['photo'] });
    assert.equal(again.toJSONText(), first.toJSONText());
    const blob = await database.getBlob(read?.body['photo']);
    assert.deepEqual([blob?.digest, blob?.length, blob?.contentType], [HELLO_DIGEST, 22, 'text/plain']);
    assert.equal((await collection.save('c', { photo: blob })).toJSONText(), first.toJSONText());
    assert.equal(
      (await collection.save('a', { photo: blob }, { ifRevision: first.revisionID })).toJSONText(),
      first.toJSONText(),
    );
  });

  test('stays without a content type where it has none', async (context) => {
    const database = await openDatabase(context);
    await database.saveBlob(new Blob('text/plain', HELLO));
    const body = { photo: { '@type': 'blob', digest: HELLO_DIGEST, length: 22 } };
    const saved = await database.collection().save('a', body);
    assert.deepEqual(saved.body, body);
    const blob = await database.getBlob(saved.body['photo']);
    assert.equal(blob?.contentType, '');
    assert.deepEqual((await database.collection().save('b', { photo: blob })).body, body);
  });

  test('comes from saveBlob before any document refers to it', async (context) => {
    const database = await openDatabase(context);
    const dictionary = await database.saveBlob(new Blob('text/plain', pieces('Hello, Couchbase', ' blob!')));
    assert.deepEqual(dictionary, { '@type': 'blob', content_type: 'text/plain', digest: HELLO_DIGEST, length: 22 });
    await database.collection().save('a', { photo: dictionary });
    await database.close();
    const again = await openAt(context, database.path);
    assert.equal(await text(await again.getBlob((await again.collection().get('a'))?.body['photo'])), HELLO.toString());
  });

  test('of content that is not here finds nothing', async (context) => {
    const database = await openDatabase(context);
    const dictionary = { '@type': 'blob', digest: HELLO_DIGEST, length: 22 };
    assert.equal(await database.getBlob(dictionary), undefined);
    assert.deepEqual((await database.collection().save('a', { photo: dictionary })).body, { photo: dictionary });
  });
});

describe('reading a blob', () => {
  test('notices a file that was damaged, whole and in pieces', async (context) => {
    const database = await openDatabase(context);
    const blob = new Blob('text/plain', HELLO);
    await database.saveBlob(blob);
    const file = `${database.path}/blobs/a9c8175cc3526c4fff06cf71fcf96ec9a59bb366`;
    assert.deepEqual(await readFile(file), HELLO);
    await writeFile(file, 'Hello, Couchbase BLOB!');
    await refuses(blob.content(), 'BLOB_CORRUPT', HELLO_DIGEST);
    const streamed = async (): Promise<void> => {
      for await (const piece of blob.stream()) assert.ok(piece.length > 0);
    };
    await refuses(streamed, 'BLOB_CORRUPT', HELLO_DIGEST);
  });

  test('in pieces takes constant memory, and so does storing it', async (context) => {
    const database = await openDatabase(context);
    const MiB = 1024 * 1024;
    const size = 192 * MiB;
    const random = seededRandom(8);
    const block = Buffer.from(random.bytes(MiB));
    let most = 0;
    const start = process.memoryUsage().rss;
    const look = (): void => {
      most = Math.max(most, process.memoryUsage().rss - start);
    };
    async function* large(): AsyncGenerator<Uint8Array> {
      for (let count = 0; count < size / MiB; count++) {
        block.writeUInt32LE(count);
        look();
        yield block;
      }
    }
    const saved = await database.collection().save('a', { film: new Blob('video/mp4', large()) });
    const blob = await database.getBlob(saved.body['film']);
    assert.equal(blob?.length, size);
    let length = 0;
    for await (const piece of blob.stream()) {
      length += piece.length;
      look();
    }
    assert.equal(length, size);
    assert.ok(most < size / 2, `${Math.round(most / MiB)} MiB more than before`);
  });

  test('may be left early, and several may read at once', async (context) => {
    const database = await openDatabase(context);
    const bytes = seededRandom(9).bytes(1_000_000);
    const blob = new Blob('a/b', bytes);
    await database.saveBlob(blob);
    for await (const piece of blob.stream()) {
      assert.ok(piece.length < bytes.length);
      break;
    }
    const whole = await Promise.all([blob.content(), blob.content(), blob.content()]);
    for (const content of whole) assert.ok(Buffer.from(content).equals(bytes));
    await database.delete();
    await refuses(blob.content(), 'BLOB_NOT_FOUND', blob.digest ?? '');
  });
});
