/** A full disk and damaged files: one coded error, nothing half-written, nothing lost that was there. */
import assert from 'node:assert/strict';
import { open, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { describe, test, type TestContext } from 'node:test';
import { seededRandom, silentLogger } from '../../src/base/index.js';
import { Blob, Database, type Collection } from '../../src/database/index.js';
import { isHawserError } from '../../src/errors.js';
import { smallDirectory } from '../support/file-systems.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { openAt, refuses } from './fixtures.js';

const KiB = 1024;

describe('a full disk', () => {
  /** A database on a disk of 3 MiB, of which a third is ballast that can be dropped. */
  async function onSmallDisk(
    context: TestContext,
  ): Promise<{ database: Database; drop: () => Promise<void> } | undefined> {
    const made = smallDirectory(context, 3 * KiB);
    if (made.reason !== undefined) {
      context.skip(made.reason);
      return undefined;
    }
    await writeFile(`${made.path}/ballast`, Buffer.alloc(KiB * KiB));
    const database = await openAt(context, `${made.path}/vessel`);
    return { database, drop: () => rm(`${made.path}/ballast`) };
  }

  async function fill(collection: Collection): Promise<string[]> {
    const saved: string[] = [];
    const text = 'x'.repeat(8 * KiB);
    const full = async (): Promise<void> => {
      for (let n = 0; n < 2_000; n++) {
        const ids = [`${n}-a`, `${n}-b`, `${n}-c`];
        await Promise.all(ids.map((id) => collection.save(id, { text })));
        saved.push(...ids);
      }
    };
    await refuses(full, 'STORAGE_FULL');
    return saved;
  }

  async function idsOf(collection: Collection): Promise<string[]> {
    const ids: string[] = [];
    for await (const { id } of collection.documents()) ids.push(id);
    return ids.sort();
  }

  test('is STORAGE_FULL for every writer of the group; what was acknowledged stays, the rest can be read and written later', async (context) => {
    const small = await onSmallDisk(context);
    if (small === undefined) return;
    const { database, drop } = small;
    const collection = database.collection('metrics');
    const saved = await fill(collection);
    assert.ok(saved.length > 10, `${saved.length} documents`);
    assert.deepEqual(await idsOf(collection), [...saved].sort());

    let events = 0;
    collection.on('change', () => events++);
    const text = 'x'.repeat(60 * KiB);
    const outcomes = await Promise.allSettled(['x', 'y', 'z'].map((id) => collection.save(id, { text })));
    for (const outcome of outcomes) {
      assert.equal(outcome.status, 'rejected');
      assert.ok(isHawserError(outcome.reason) && outcome.reason.code === 'STORAGE_FULL' && outcome.reason.retryable);
    }
    const batch = database.inBatch(async (inner) => {
      for (let n = 0; n < 1_500; n++) await inner.collection('metrics').save(`batch-${n}`, { text: 'x'.repeat(500) });
    });
    await refuses(batch, 'STORAGE_FULL');
    const unknown = database.inBatch(async (inner) => {
      await inner.collection('new').save('a', { text });
    });
    await refuses(unknown, 'STORAGE_FULL');
    assert.deepEqual(await idsOf(collection), [...saved].sort());
    assert.equal(await collection.get('x'), undefined);
    assert.equal(events, 0);
    assert.ok(!database.collections().some(({ name }) => name === 'new'));

    await drop();
    await Promise.all(['x', 'y', 'z'].map((id) => collection.save(id, { text })));
    await database.collection('new').save('a', {});
    assert.deepEqual(await idsOf(collection), [...saved, 'x', 'y', 'z'].sort());
    assert.deepEqual(await database.integrityCheck(), []);
    await database.close();
    const again = await openAt(context, database.path);
    assert.equal(await again.collection('metrics').count(), saved.length + 3);
    assert.deepEqual(await again.integrityCheck(), []);
  });

  test('keeps nothing of a blob or of its document, which can be saved once there is space', async (context) => {
    const small = await onSmallDisk(context);
    if (small === undefined) return;
    const { database, drop } = small;
    const collection = database.collection('photos');
    await collection.save('a', { n: 1 });
    const content = Buffer.from(seededRandom(1).bytes(2 * KiB * KiB));
    const blob = new Blob('image/png', content);
    await refuses(collection.save('a', { blob }), 'STORAGE_FULL');
    assert.deepEqual(await readdir(`${database.path}/blobs`), []);
    assert.deepEqual((await collection.get('a'))?.body, { n: 1 });
    async function* streamed(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < content.length; at += 64 * KiB) yield content.subarray(at, at + 64 * KiB);
    }
    const film = new Blob('video/mp4', streamed());
    await refuses(database.saveBlob(film), 'STORAGE_FULL');
    await drop();
    await refuses(database.saveBlob(film), 'BLOB_INVALID', 'failed before');
    const saved = await collection.save('a', { blob });
    const found = await database.getBlob(saved.body['blob']);
    assert.ok(content.equals((await found?.content()) ?? Buffer.alloc(0)));
  });

  test('when opening is STORAGE_FULL too', async (context) => {
    const made = smallDirectory(context, 64);
    if (made.reason !== undefined) return context.skip(made.reason);
    await writeFile(`${made.path}/ballast`, Buffer.alloc(60 * KiB));
    await refuses(Database.open(`${made.path}/vessel`, { logger: silentLogger }), 'STORAGE_FULL');
  });
});

describe('a damaged file', () => {
  async function filled(context: TestContext): Promise<string> {
    const path = `${await temporaryDirectory(context)}/vessel`;
    const database = await openAt(context, path);
    for (let round = 0; round < 4; round++) {
      const saves = Array.from({ length: 200 }, (_, n) =>
        database.collection('metrics').save(`doc-${round}-${n}`, { text: 'x'.repeat(300) }),
      );
      await Promise.all(saves);
    }
    await database.close();
    return path;
  }

  async function patch(path: string, offset: number, bytes: Uint8Array): Promise<void> {
    const file = await open(`${path}/db.sqlite3`, 'r+');
    await file.write(bytes, 0, bytes.length, offset).finally(() => file.close());
  }

  test('whose header is garbled is DATABASE_CORRUPT at opening, twice, and does not lock the folder', async (context) => {
    const path = await filled(context);
    await patch(path, 0, Buffer.alloc(100, 0xa5));
    const error = await refuses(Database.open(path, { logger: silentLogger }), 'DATABASE_CORRUPT', 'db.sqlite3');
    assert.match(error.hint, /restore/);
    await refuses(Database.open(path, { logger: silentLogger }), 'DATABASE_CORRUPT');
    assert.equal(await Database.delete(path), true);
  });

  test('that is cut short is DATABASE_CORRUPT at opening or where it is read, and the check says so', async (context) => {
    const path = await filled(context);
    const { size } = await stat(`${path}/db.sqlite3`);
    await truncate(`${path}/db.sqlite3`, Math.floor(size / 2 / 4096) * 4096);
    const use = async (): Promise<void> => {
      const database = await openAt(context, path);
      assert.notDeepEqual(await database.integrityCheck(), []);
      for await (const document of database.collection('metrics').documents()) assert.ok(document.body);
    };
    await refuses(use, 'DATABASE_CORRUPT');
  });

  test('with a page overwritten is found by the integrity check', async (context) => {
    const path = await filled(context);
    const { size } = await stat(`${path}/db.sqlite3`);
    await patch(path, Math.floor(size / 2 / 4096) * 4096, Buffer.alloc(4096, 0xff));
    const database = await openAt(context, path);
    assert.notDeepEqual(await database.integrityCheck(), []);
  });
});
