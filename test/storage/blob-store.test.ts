/** Contents as files under their digests. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { test, type TestContext } from 'node:test';
import { seededRandom } from '../../src/base/index.js';
import { BlobStore, type BlobSource } from '../../src/storage/index.js';
import { rejects } from '../conformance/storage-fixtures.js';
import { startChild } from '../support/child-process.js';
import { readOnlyDirectory, smallDirectory } from '../support/file-systems.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

async function openStore(context: TestContext): Promise<{ store: BlobStore; directory: string }> {
  const directory = `${await temporaryDirectory(context)}/blobs`;
  return { store: await BlobStore.open(directory), directory };
}

function digestOf(bytes: Uint8Array): string {
  return `sha1-${createHash('sha1').update(bytes).digest('base64')}`;
}

function fileOf(bytes: Uint8Array): string {
  return createHash('sha1').update(bytes).digest('hex');
}

async function* pieces(...parts: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

const TEXT = Buffer.from('I am a blob');

test('refuses digests that are none, so that no path can be made of them', async (context) => {
  const { store } = await openStore(context);
  const wrong = [
    '',
    'sha1-',
    'sha1-../../../../etc/passwd',
    'sha1-AAAAAAAAAAAAAAAAAAAAAAAAAAA',
    'sha1-AAAAAAAAAAAAAAAAAAAAAAAAAAB=',
    'sha1-AAAAAAAAAAAAAAAAAAAAAAAAAAA=\n',
    'SHA1-AAAAAAAAAAAAAAAAAAAAAAAAAAA=',
    'sha1-AAAAAAAAAAAAAAAAAAAAAAAAA-A=',
    'sha1-AAAAAAAAAAAAAAAAAAAAAAAAAAA==',
    'md5-AAAAAAAAAAAAAAAAAAAAAAAAAAA=',
    ' sha1-AAAAAAAAAAAAAAAAAAAAAAAAAAA=',
  ];
  for (const digest of [...wrong, undefined, null, 7, {}] as string[]) {
    await rejects(store.has(digest), 'BLOB_INVALID', digest);
    await rejects(store.length(digest), 'BLOB_INVALID');
    await rejects(store.read(digest), 'BLOB_INVALID');
    await rejects(collect(store.stream(digest)), 'BLOB_INVALID');
    await rejects(store.delete(digest), 'BLOB_INVALID');
    if (digest !== undefined) await rejects(store.put(TEXT, { digest }), 'BLOB_INVALID');
  }
});

test('refuses a content that is no bytes, and leaves nothing', async (context) => {
  const { store, directory } = await openStore(context);
  for (const source of ['text', 7, null, undefined, {}, [1, 2], pieces(TEXT, 'text' as never)] as BlobSource[]) {
    await rejects(store.put(source), 'BLOB_INVALID');
  }
  assert.deepEqual(await readdir(directory), []);
});

test('refuses a content that is not what was announced, and leaves nothing', async (context) => {
  const { store, directory } = await openStore(context);
  const other = digestOf(Buffer.from('another'));
  for (const source of [() => TEXT, () => pieces(TEXT)]) {
    await rejects(store.put(source(), { digest: other }), 'BLOB_CORRUPT');
    await rejects(store.put(source(), { length: 10 }), 'BLOB_CORRUPT');
    await rejects(store.put(source(), { length: 12 }), 'BLOB_CORRUPT');
  }
  let asked = 0;
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) {
      asked++;
      yield TEXT;
    }
  }
  await rejects(store.put(endless(), { length: 100 }), 'BLOB_CORRUPT');
  assert.equal(asked, 10);
  assert.deepEqual(await readdir(directory), []);
  const blob = await store.put(pieces(TEXT), { digest: digestOf(TEXT), length: 11 });
  assert.deepEqual(blob, { digest: digestOf(TEXT), length: 11 });
});

test('what a source fails with comes out, and nothing is left', async (context) => {
  const { store, directory } = await openStore(context);
  const failure = new Error('the camera was unplugged');
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield TEXT;
    throw failure;
  }
  await assert.rejects(store.put(failing()), failure);
  assert.deepEqual(await readdir(directory), []);
});

test('a content that is not there is BLOB_NOT_FOUND, or absent', async (context) => {
  const { store } = await openStore(context);
  const digest = digestOf(TEXT);
  assert.equal(await store.has(digest), false);
  assert.equal(await store.length(digest), undefined);
  assert.equal(await store.delete(digest), false);
  await rejects(store.read(digest), 'BLOB_NOT_FOUND');
  await rejects(collect(store.stream(digest)), 'BLOB_NOT_FOUND');
  await rejects(collect(store.stream(digest, { start: 3 })), 'BLOB_NOT_FOUND');
});

test('keeps bytes, streams of the language and streams of the web, each once', async (context) => {
  const { store, directory } = await openStore(context);
  const sources: BlobSource[] = [
    TEXT,
    new Uint8Array(TEXT),
    pieces(TEXT.subarray(0, 4), TEXT.subarray(4, 4), TEXT.subarray(4)),
    new Response(TEXT).body as unknown as BlobSource,
    TEXT,
  ];
  for (const source of sources) {
    assert.deepEqual(await store.put(source), { digest: digestOf(TEXT), length: 11 });
    assert.deepEqual(await readdir(directory), [fileOf(TEXT)]);
  }
  assert.equal(await store.has(digestOf(TEXT)), true);
  assert.equal(await store.length(digestOf(TEXT)), 11);
  assert.deepEqual(Buffer.from(await store.read(digestOf(TEXT))), TEXT);
  assert.deepEqual(await collect(store.stream(digestOf(TEXT))), TEXT);
});

test('keeps the empty content', async (context) => {
  const { store } = await openStore(context);
  for (const source of [new Uint8Array(0), pieces()]) {
    assert.deepEqual(await store.put(source), { digest: 'sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=', length: 0 });
  }
  assert.equal(await store.length('sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk='), 0);
  assert.deepEqual(await collect(store.stream('sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=')), Buffer.alloc(0));
});

test('streams ranges, and closes what a reader leaves early', async (context) => {
  const { store } = await openStore(context);
  const seed = 31;
  const bytes = Buffer.from(seededRandom(seed).bytes(300_000));
  const { digest } = await store.put(bytes);
  for (const [start, end] of [
    [0, 300_000],
    [0, 1],
    [299_999, 300_000],
    [65_535, 65_537],
    [100_000, 250_000],
    [5, 5],
    [7, 3],
  ] as const) {
    assert.deepEqual(
      await collect(store.stream(digest, { start, end })),
      bytes.subarray(start, Math.max(start, end)),
      `seed ${seed}`,
    );
  }
  assert.deepEqual(await collect(store.stream(digest, { start: 299_000 })), bytes.subarray(299_000));
  assert.deepEqual(await collect(store.stream(digest, { start: 299_990, end: 1e9 })), bytes.subarray(299_990));
  assert.deepEqual(await collect(store.stream(digest, { start: 400_000 })), Buffer.alloc(0));
  for (const range of [{ start: -1 }, { end: -1 }, { start: 0.5 }, { start: NaN }, { end: '3' as never }]) {
    await rejects(collect(store.stream(digest, range)), 'ARGUMENT_INVALID', JSON.stringify(range));
  }
  const before = (await readdir('/proc/self/fd')).length;
  for (let round = 0; round < 20; round++) {
    for await (const piece of store.stream(digest)) {
      assert.ok(piece.length > 0);
      break;
    }
    store.stream(digest);
  }
  assert.equal((await readdir('/proc/self/fd')).length, before);
});

test('stores a large stream piece by piece, and many at the same time', async (context) => {
  const { store, directory } = await openStore(context);
  async function* large(fill: number): AsyncGenerator<Uint8Array> {
    for (let count = 0; count < 64; count++) yield Buffer.alloc(64 * 1024, fill);
  }
  const blobs = await Promise.all([1, 2, 3, 1, 2, 3].map((fill) => store.put(large(fill))));
  assert.equal(new Set(blobs.map((blob) => blob.digest)).size, 3);
  assert.equal((await readdir(directory)).length, 3);
  for (const [index, blob] of blobs.entries()) {
    assert.equal(blob.length, 4 * 1024 * 1024);
    assert.equal(blob.digest, digestOf(await collect(large((index % 3) + 1))));
  }
});

test('lists and deletes', async (context) => {
  const { store, directory } = await openStore(context);
  const contents = Array.from({ length: 30 }, (_, index) => Buffer.from(`content ${index}`));
  for (const content of contents) await store.put(content);
  await writeFile(`${directory}/README`, 'a stranger');
  const listed: string[] = [];
  for await (const digest of store.list()) listed.push(digest);
  assert.deepEqual(listed.sort(), contents.map(digestOf).sort());
  for (const digest of listed.slice(1)) assert.equal(await store.delete(digest), true);
  assert.deepEqual((await readdir(directory)).length, 2);
  assert.equal(await store.has(listed[0] ?? ''), true);
});

test('a damaged file is BLOB_CORRUPT when it is read whole', async (context) => {
  const { store, directory } = await openStore(context);
  const { digest } = await store.put(TEXT);
  await writeFile(`${directory}/${fileOf(TEXT)}`, 'I am a blab');
  await rejects(store.read(digest), 'BLOB_CORRUPT');
  await rejects(collect(store.stream(digest)), 'BLOB_CORRUPT');
  await writeFile(`${directory}/${fileOf(TEXT)}`, 'I am');
  await store.put(TEXT);
  assert.deepEqual(Buffer.from(await store.read(digest)), TEXT, 'a content cut short is healed by putting it again');
});

test('opening removes what unfinished puts left, and nothing else', async (context) => {
  const { store, directory } = await openStore(context);
  await store.put(TEXT);
  await writeFile(`${directory}/0123456789abcdef01234567.part`, 'half of some');
  await writeFile(`${directory}/README`, 'a stranger');
  await BlobStore.open(directory);
  assert.deepEqual((await readdir(directory)).sort(), [fileOf(TEXT), 'README'].sort());
});

test('a process killed in the middle of a put leaves no blob, and its leftover goes at the next opening', async (context) => {
  const { store, directory } = await openStore(context);
  await store.put(TEXT);
  const child = startChild(context, 'storage-child.ts', ['put-blob', directory]);
  for (let lines = 0; lines < 5; lines++) assert.equal(await child.line(), 'writing', child.errors());
  await child.kill();
  const left = await readdir(directory);
  assert.equal(left.length, 2);
  assert.ok(
    (await readFile(`${directory}/${left.find((name) => name !== fileOf(TEXT)) ?? ''}`)).length >= 4 * 1024 * 1024,
  );
  const digests: string[] = [];
  for await (const digest of store.list()) digests.push(digest);
  assert.deepEqual(digests, [digestOf(TEXT)]);
  await BlobStore.open(directory);
  assert.deepEqual(await readdir(directory), [fileOf(TEXT)]);
});

test('a full disk is STORAGE_FULL, and leaves no leftover', async (context) => {
  const small = smallDirectory(context, 256);
  if (small.reason !== undefined) return context.skip(small.reason);
  const directory = `${small.path}/blobs`;
  const store = await BlobStore.open(directory);
  await store.put(TEXT);
  await rejects(store.put(Buffer.alloc(1024 * 1024)), 'STORAGE_FULL');
  await rejects(store.put(pieces(...Array.from({ length: 100 }, () => Buffer.alloc(10_000)))), 'STORAGE_FULL');
  assert.deepEqual(await readdir(directory), [fileOf(TEXT)]);
  assert.equal((await store.put(Buffer.alloc(100_000))).length, 100_000);
});

test('a folder that cannot be used is said so', async (context) => {
  const directory = await temporaryDirectory(context);
  await rejects(BlobStore.open(`${directory}/missing/blobs`), 'DATABASE_CANNOT_OPEN');
  await writeFile(`${directory}/file`, '');
  await rejects(BlobStore.open(`${directory}/file`), 'DATABASE_CANNOT_OPEN');
  const made = readOnlyDirectory(context, directory);
  if (made.reason !== undefined) return context.skip(made.reason);
  await rejects(BlobStore.open(`${made.path}/blobs`), 'STORAGE_READ_ONLY');
  await rejects((await BlobStore.open(made.path)).put(TEXT), 'STORAGE_READ_ONLY');
});
