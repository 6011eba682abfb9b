import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Blob, ReplicationStore } from '../../src/database/index.js';
import { openDatabase } from './fixtures.js';

test('the replicator reads the blobs of the database, checked or not', async (context) => {
  const database = await openDatabase(context);
  const collection = await database.createCollection('pictures');
  const content = Buffer.alloc(200_000, 'picture');
  await collection.save('one', { blob: new Blob('image/png', content) });
  const { blobs } = new ReplicationStore(database.collection<never>('pictures'));
  const blob = (await collection.get('one'))?.body['blob'] as { digest: string };
  assert.equal(await blobs.length(blob.digest), 200_000);
  const read = async (pieces: AsyncIterable<Uint8Array>): Promise<Buffer> => {
    const all: Uint8Array[] = [];
    for await (const piece of pieces) all.push(piece);
    return Buffer.concat(all);
  };
  assert.ok((await read(blobs.stream(blob.digest))).equals(content));
  assert.ok((await read(blobs.streamUnchecked(blob.digest))).equals(content));

  const name = Buffer.from(blob.digest.slice('sha1-'.length), 'base64').toString('hex');
  await writeFile(join(database.path ?? '', 'blobs', name), 'damaged');
  await assert.rejects(read(blobs.stream(blob.digest)), { code: 'BLOB_CORRUPT' });
  assert.equal((await read(blobs.streamUnchecked(blob.digest))).toString(), 'damaged');

  const missing = 'sha1-qcgXXMNSbE//Bs9x/PluyaWbs2Y=';
  assert.equal(await blobs.length(missing), undefined);
  await assert.rejects(read(blobs.streamUnchecked(missing)), { code: 'BLOB_NOT_FOUND' });
});
