/** Damaged and foreign files, folders that cannot be written, a full disk: one coded error, and nothing lost that was there. */
import assert from 'node:assert/strict';
import { mkdir, open as openFile, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { test, type TestContext } from 'node:test';
import { seededRandom } from '../../src/base/index.js';
import { isHawserError } from '../../src/errors.js';
import { cleanup } from '../support/cleanup.js';
import { readOnlyDirectory, smallDirectory } from '../support/file-systems.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { addCollection, document, documents, everything, put, rejects, type OpenStorage } from './storage-fixtures.js';

const PAGE = 4_096;

export function faultCases(open: OpenStorage): void {
  test('a file that is no database is DATABASE_CORRUPT, and is left as it was', async (context) => {
    const contents = ['this is a text that somebody wrote here\n'.repeat(200), 'x'.repeat(100), '\0'.repeat(8_192)];
    for (const content of contents) {
      const directory = await temporaryDirectory(context);
      await writeFile(`${directory}/db.sqlite3`, content);
      await rejects(open(directory), 'DATABASE_CORRUPT');
      assert.equal(await readFile(`${directory}/db.sqlite3`, 'utf8'), content);
    }
  });

  test('an empty file is taken for a new database', async (context) => {
    const directory = await temporaryDirectory(context);
    await writeFile(`${directory}/db.sqlite3`, '');
    const storage = await open(directory);
    assert.deepEqual(await storage.collections(), []);
    await storage.close();
  });

  test('a garbled header is DATABASE_CORRUPT', async (context) => {
    const directory = await filled(context, open);
    await patch(directory, 0, Buffer.alloc(100, 0xa5));
    await rejects(open(directory), 'DATABASE_CORRUPT');
  });

  test('a database of another application is DATABASE_CORRUPT, and is left as it was', async (context) => {
    const directory = await filled(context, open);
    await patch(directory, 68, Buffer.from([0, 0, 0, 7])); // application_id
    const before = await readFile(`${directory}/db.sqlite3`);
    await rejects(open(directory), 'DATABASE_CORRUPT');
    assert.ok(before.equals(await readFile(`${directory}/db.sqlite3`)));
  });

  test('a newer schema is DATABASE_TOO_NEW, and is left as it was', async (context) => {
    const directory = await filled(context, open);
    await patch(directory, 60, Buffer.from([0, 0, 0, 99])); // user_version
    const before = await readFile(`${directory}/db.sqlite3`);
    await rejects(open(directory), 'DATABASE_TOO_NEW');
    assert.ok(before.equals(await readFile(`${directory}/db.sqlite3`)));
  });

  test('the integrity check finds nothing in a sound file and something in one with a page overwritten', async (context) => {
    const directory = await filled(context, open);
    const sound = await open(directory);
    assert.deepEqual(await sound.integrityCheck(), []);
    await sound.close();
    const { size } = await stat(`${directory}/db.sqlite3`);
    await patch(directory, Math.floor(size / PAGE / 2) * PAGE, Buffer.alloc(PAGE, 0xff));
    const damaged = await open(directory);
    cleanup(context, () => damaged.close());
    assert.notDeepEqual(await damaged.integrityCheck(), []);
  });

  test('a file cut short is DATABASE_CORRUPT, at once or where the missing part is read', async (context) => {
    const directory = await filled(context, open);
    const { size } = await stat(`${directory}/db.sqlite3`);
    await truncate(`${directory}/db.sqlite3`, Math.floor(size / PAGE / 2) * PAGE);
    const reading = async (): Promise<void> => {
      const storage = await open(directory);
      cleanup(context, () => storage.close());
      assert.notDeepEqual(await storage.integrityCheck(), []);
      for (const { key } of await storage.collections()) await everything(storage, key);
    };
    await rejects(reading(), 'DATABASE_CORRUPT');
  });

  test('damage anywhere in the file ends in an answer or a coded error', async (context) => {
    const seed = 5_150;
    const random = seededRandom(seed);
    const original = await readFile(`${await filled(context, open)}/db.sqlite3`);
    for (let round = 0; round < 40; round++) {
      const directory = await temporaryDirectory(context);
      const bytes = Buffer.from(original);
      for (let count = 1 + Math.floor(random.next() * 20); count > 0; count--) {
        // Half of the damage hits the first two pages, where all structure begins.
        const within = random.next() < 0.5 ? 2 * PAGE : bytes.length;
        bytes[Math.floor(random.next() * within)] = Math.floor(random.next() * 256);
      }
      await writeFile(`${directory}/db.sqlite3`, bytes);
      try {
        const storage = await open(directory);
        try {
          for (const { key } of await storage.collections()) {
            await everything(storage, key);
            await storage.ids(key, '', 1_000);
            await put(storage, key, [document(1_000_000)]);
          }
          await storage.integrityCheck();
        } finally {
          await storage.close();
        }
      } catch (error) {
        assert.ok(isHawserError(error), `seed ${seed}, round ${round}: ${String(error)}`);
      }
    }
  });

  test('a path whose folder cannot be used is DATABASE_CANNOT_OPEN', async (context) => {
    const directory = await temporaryDirectory(context);
    await writeFile(`${directory}/file`, '');
    await rejects(open(`${directory}/file`), 'DATABASE_CANNOT_OPEN');
    await rejects(open(`${directory}/file/below`), 'DATABASE_CANNOT_OPEN');
    await mkdir(`${directory}/taken/db.sqlite3`, { recursive: true });
    await rejects(open(`${directory}/taken`), 'DATABASE_CANNOT_OPEN');
  });

  test('a folder that cannot be written is STORAGE_READ_ONLY, with a database in it or without', async (context) => {
    const used = readOnlyDirectory(context, await filled(context, open));
    const empty = readOnlyDirectory(context, await temporaryDirectory(context));
    if (used.reason !== undefined) return context.skip(used.reason);
    if (empty.reason !== undefined) return context.skip(empty.reason);
    await rejects(open(used.path), 'STORAGE_READ_ONLY');
    await rejects(open(empty.path), 'STORAGE_READ_ONLY');
    await rejects(open(`${empty.path}/new`), 'STORAGE_READ_ONLY');
  });

  test('a full disk is STORAGE_FULL; what was committed stays, and writing goes on when there is space', async (context) => {
    const small = smallDirectory(context, 3 * 1_024);
    if (small.reason !== undefined) return context.skip(small.reason);
    const directory = small.path;
    await writeFile(`${directory}/ballast`, Buffer.alloc(1_024 * 1_024));
    const storage = await open(directory);
    cleanup(context, () => storage.close());
    const collection = await addCollection(storage, 'things');
    const page = (first: number): ReturnType<typeof documents> =>
      documents(first, first + 19).map((entry) => ({ ...entry, body: 'x'.repeat(1_000) }));
    let committed = 0;
    const fill = async (): Promise<void> => {
      for (;;) {
        const list = page(committed + 1);
        await storage.transaction(async (transaction) => {
          await transaction.putDocuments(list.slice(0, 10).map((entry) => ({ collection, document: entry })));
          await transaction.putDocuments(list.slice(10).map((entry) => ({ collection, document: entry })));
        });
        committed += 20;
        assert.ok(committed < 10_000, 'the disk never fills');
      }
    };
    await rejects(fill(), 'STORAGE_FULL');
    assert.ok(committed > 0);
    assert.equal((await everything(storage, collection)).length, committed);
    await rejects(put(storage, collection, page(committed + 1)), 'STORAGE_FULL');
    assert.equal((await everything(storage, collection)).length, committed);
    await rm(`${directory}/ballast`);
    await put(storage, collection, page(committed + 1));
    assert.equal((await everything(storage, collection)).length, committed + 20);
    assert.deepEqual(await storage.integrityCheck(), []);
    await storage.close();
    const again = await open(directory);
    cleanup(context, () => again.close());
    assert.equal(await again.count(collection), committed + 20);
  });

  test('a disk that is full from the start is STORAGE_FULL', async (context) => {
    for (const free of [0, 4, 16, 40]) {
      const small = smallDirectory(context, 256);
      if (small.reason !== undefined) return context.skip(small.reason);
      await writeFile(`${small.path}/ballast`, Buffer.alloc((256 - free) * 1_024));
      await rejects(open(small.path), 'STORAGE_FULL', `with ${free} KiB free`);
    }
  });
}

/** A closed database of some hundred pages. */
async function filled(context: TestContext, open: OpenStorage): Promise<string> {
  const directory = await temporaryDirectory(context);
  const storage = await open(directory);
  const collection = await addCollection(storage, 'things');
  await put(
    storage,
    collection,
    documents(1, 1_000).map((entry) => ({ ...entry, body: `{"text":"${'x'.repeat(200)}"}` })),
  );
  await storage.close();
  return directory;
}

async function patch(directory: string, offset: number, bytes: Uint8Array): Promise<void> {
  const file = await openFile(`${directory}/db.sqlite3`, 'r+');
  try {
    await file.write(bytes, 0, bytes.length, offset);
  } finally {
    await file.close();
  }
}
