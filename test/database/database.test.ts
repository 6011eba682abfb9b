/** Opening, sharing, closing and deleting a database; names and paths that cannot be one. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { deferred, silentLogger } from '../../src/base/index.js';
import { Blob, Database, type DatabaseOptions } from '../../src/database/index.js';
import { readOnlyDirectory } from '../support/file-systems.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { openAt, openDatabase, refuses, turnOfEventLoop } from './fixtures.js';

const quiet: DatabaseOptions = { logger: silentLogger };

describe('Database.open refuses', () => {
  test('what is no path', async () => {
    for (const path of ['', 'a\0b', 5, undefined, null, {}]) {
      await refuses(() => Database.open(path as string, quiet), 'ARGUMENT_INVALID', 'path');
      await refuses(() => Database.exists(path as string), 'ARGUMENT_INVALID', 'path');
      await refuses(() => Database.delete(path as string), 'ARGUMENT_INVALID', 'path');
    }
  });

  test('an unknown option, by its name', async (context) => {
    const path = await temporaryDirectory(context);
    await refuses(Database.open(path, { fullsync: true } as DatabaseOptions), 'OPTION_UNKNOWN', '"fullsync"');
    assert.deepEqual(await readdir(path), []);
  });

  test('options of the wrong kind, by their names', async (context) => {
    const path = await temporaryDirectory(context);
    const wrong: readonly [object, string][] = [
      [{ fullSync: 'yes' }, 'fullSync'],
      [{ driver: 'oracle' }, 'driver'],
      [{ maxQueuedWrites: 0 }, 'maxQueuedWrites'],
      [{ maxQueuedWrites: 1.5 }, 'maxQueuedWrites'],
      [{ maxQueuedWrites: '10' }, 'maxQueuedWrites'],
    ];
    for (const [options, name] of wrong) await refuses(Database.open(path, options), 'ARGUMENT_INVALID', name);
    await refuses(Database.open(path, null as unknown as DatabaseOptions), 'ARGUMENT_INVALID', 'options');
    assert.deepEqual(await readdir(path), []);
  });

  test('a name that cannot be in a URL or is reserved', async (context) => {
    const path = await temporaryDirectory(context);
    for (const name of ['', 'a/b', '_vessel', 5, {}]) {
      await refuses(Database.open(path, { ...quiet, name: name as string }), 'ARGUMENT_INVALID', 'name');
    }
    await refuses(Database.open(`${path}/_vessel`, quiet), 'ARGUMENT_INVALID', '"_vessel"');
    assert.deepEqual(await readdir(path), []);
  });

  test('a file where a folder should be', async (context) => {
    const path = await temporaryDirectory(context);
    await writeFile(`${path}/file`, 'text');
    await refuses(Database.open(`${path}/file`, quiet), 'DATABASE_CANNOT_OPEN', `${path}/file`);
    await refuses(Database.open(`${path}/file/below`, quiet), 'DATABASE_CANNOT_OPEN', `${path}/file/below`);
    assert.equal(await Database.exists(`${path}/file`), false);
    assert.equal(await Database.delete(`${path}/file`), false);
    assert.ok(existsSync(`${path}/file`));
  });

  test('a link that leads nowhere', async (context) => {
    const path = await temporaryDirectory(context);
    await symlink(`${path}/nowhere`, `${path}/link`);
    await refuses(Database.open(`${path}/link`, quiet), 'DATABASE_CANNOT_OPEN', `${path}/link`);
    await refuses(Database.open(`${path}/link/below`, quiet), 'DATABASE_CANNOT_OPEN', `${path}/link/below`);
  });

  test('a name longer than the file system allows', async (context) => {
    const path = `${await temporaryDirectory(context)}/${'x'.repeat(300)}`;
    await refuses(Database.open(path, quiet), 'DATABASE_CANNOT_OPEN', 'ENAMETOOLONG');
  });

  test('a folder that cannot be written', async (context) => {
    const made = readOnlyDirectory(context, await temporaryDirectory(context));
    if (made.reason !== undefined) return context.skip(made.reason);
    await refuses(Database.open(made.path, quiet), 'STORAGE_READ_ONLY', made.path);
    await refuses(Database.open(`${made.path}/new`, quiet), 'STORAGE_READ_ONLY', made.path);
    await refuses(Database.open(`${made.path}/deep/down`, quiet), 'STORAGE_READ_ONLY', made.path);
  });

  test('a damaged file, and can be opened again once that is gone', async (context) => {
    const path = await temporaryDirectory(context);
    await writeFile(`${path}/db.sqlite3`, 'this is not a database '.repeat(500));
    await refuses(Database.open(path, quiet), 'DATABASE_CORRUPT', 'db.sqlite3');
    await refuses(Database.open(path, quiet), 'DATABASE_CORRUPT', 'db.sqlite3');
    assert.equal(await Database.exists(path), true);
    assert.equal(await Database.delete(path), true);
    const database = await openAt(context, path);
    await database.collection().save('a', {});
    assert.deepEqual(await database.integrityCheck(), []);
  });
});

describe('opening', () => {
  test('makes the folder and those above it, and names the database after it', async (context) => {
    const directory = await temporaryDirectory(context);
    assert.equal(await Database.exists(`${directory}/deep/down/vessel`), false);
    const database = await openAt(context, `${directory}/deep/down/vessel`);
    assert.equal(database.name, 'vessel');
    assert.equal(database.path, `${directory}/deep/down/vessel`);
    assert.equal(await Database.exists(`${directory}/deep/down/vessel`), true);
  });

  test('takes a name with special characters and a path of any characters', async (context) => {
    const directory = await temporaryDirectory(context);
    const database = await openAt(context, `${directory}/Schiff & Söhne #1 %41 ?`, { name: 'a b.c%é 😀' });
    assert.equal(database.name, 'a b.c%é 😀');
    await database.collection().save('a', { n: 1 });
    await database.close();
    const again = await openAt(context, `${directory}/Schiff & Söhne #1 %41 ?`);
    assert.equal(again.name, 'Schiff & Söhne #1 %41 ?');
    assert.deepEqual((await again.collection().get('a'))?.body, { n: 1 });
  });

  test('keeps what was saved, also with fullSync', async (context) => {
    const directory = await temporaryDirectory(context);
    for (const fullSync of [false, true]) {
      const path = `${directory}/${fullSync}`;
      const database = await openAt(context, path, { fullSync });
      const saved = await database.collection('metrics', { scope: 'engine' }).save('a', { rpm: 1200 });
      await database.close();
      const again = await openAt(context, path, { fullSync });
      const found = await again.collection('metrics', { scope: 'engine' }).get('a');
      assert.deepEqual(
        [found?.id, found?.revisionID, found?.sequence, found?.body],
        ['a', saved.revisionID, 1, { rpm: 1200 }],
      );
      const next = await again.collection('metrics', { scope: 'engine' }).save('b', {});
      assert.equal(next.sequence, 2);
    }
  });
});

describe('two Database objects on one path', () => {
  test('see each other at once, through a link as well, and are closed one by one', async (context) => {
    const directory = await temporaryDirectory(context);
    await mkdir(`${directory}/real`);
    await symlink(`${directory}/real`, `${directory}/link`);
    const [first, second] = await Promise.all([
      openAt(context, `${directory}/real`),
      openAt(context, `${directory}/link`, { name: 'other' }),
    ]);
    assert.equal(second.path, first.path);
    assert.deepEqual([first.name, second.name], ['real', 'other']);
    await first.createCollection('metrics');
    assert.ok(second.collections().some((collection) => collection.name === 'metrics'));
    await first.collection('metrics').save('a', { n: 1 });
    assert.deepEqual((await second.collection('metrics').get('a'))?.body, { n: 1 });
    await first.close();
    await refuses(() => first.collection('metrics'), 'DATABASE_CLOSED');
    await second.collection('metrics').save('a', { n: 2 });
    await second.close();
    const third = await openAt(context, `${directory}/real`);
    assert.deepEqual((await third.collection('metrics').get('a'))?.body, { n: 2 });
  });

  test('must agree on fullSync, driver and maxQueuedWrites, where both say something', async (context) => {
    const path = await temporaryDirectory(context);
    const database = await openAt(context, path, { fullSync: true, maxQueuedWrites: 50 });
    await refuses(Database.open(path, { ...quiet, fullSync: false }), 'ARGUMENT_INVALID', 'fullSync');
    await refuses(Database.open(path, { ...quiet, maxQueuedWrites: 51 }), 'ARGUMENT_INVALID', 'maxQueuedWrites');
    const other = database.driver === 'sqlite3' ? 'node:sqlite' : 'sqlite3';
    await refuses(Database.open(path, { ...quiet, driver: other }), 'ARGUMENT_INVALID', 'driver');
    await openAt(context, path);
    await openAt(context, path, { fullSync: true, driver: 'auto', maxQueuedWrites: 50 });
    // Those that were refused hold nothing: closing the three lets others in with other options.
    await database.close();
  });

  test('leave the folder free for other options once all are closed', async (context) => {
    const path = await temporaryDirectory(context);
    const first = await openAt(context, path, { fullSync: true });
    await refuses(Database.open(path, { ...quiet, fullSync: false }), 'ARGUMENT_INVALID');
    await first.close();
    const second = await openAt(context, path, { fullSync: false });
    await second.collection().save('a', {});
  });

  test('survive being opened and closed all at the same time', async (context) => {
    const path = await temporaryDirectory(context);
    await Promise.all(
      Array.from({ length: 30 }, async (_, index) => {
        const database = await Database.open(path, quiet);
        await database.collection().save(`doc-${index}`, { index });
        await Promise.all([database.close(), database.close()]);
      }),
    );
    const database = await openAt(context, path);
    assert.equal(await database.collection().count(), 30);
    assert.deepEqual(await database.integrityCheck(), []);
  });

  test('close for themselves: the listeners of the closed one fall silent, the other goes on', async (context) => {
    const path = await temporaryDirectory(context);
    const first = await openAt(context, path);
    const second = await openAt(context, path);
    const heard: string[] = [];
    first.collection().on('change', ({ documentIDs }) => heard.push(`first ${documentIDs.join()}`));
    second.collection().on('change', ({ documentIDs }) => heard.push(`second ${documentIDs.join()}`));
    await second.collection().save('a', {});
    await first.close();
    await second.collection().save('b', {});
    assert.deepEqual(heard, ['first a', 'second a', 'second b']);
  });
});

describe('closing', () => {
  test('finishes the writes that were asked for before, with blobs and without', async (context) => {
    for (const isShared of [false, true]) {
      const path = `${await temporaryDirectory(context)}/vessel`;
      const database = await openAt(context, path);
      const other = isShared ? await openAt(context, path) : undefined;
      const collection = database.collection('metrics');
      const gate = deferred();
      async function* slowly(): AsyncGenerator<Uint8Array> {
        yield Buffer.from('one ');
        await gate.promise;
        yield Buffer.from('two');
      }
      const writes = [
        collection.save('a', { n: 1 }),
        collection.save('a', { n: 2 }),
        collection.delete('a'),
        collection.save('b', { n: 3 }),
        collection.save('c', { photo: new Blob('text/plain', slowly()) }),
        database.inBatch((batch) => batch.collection('metrics').save('d', { n: 4 })),
        database.createCollection('later'),
      ];
      let unfinished = writes.length;
      for (const write of writes) void Promise.resolve(write).then(() => unfinished--);
      const closing = database.close();
      gate.resolve();
      await closing;
      assert.equal(unfinished, 0);
      await Promise.all(writes);
      await other?.close();
      const again = await openAt(context, path);
      const found = await again.collection('metrics').getMany(['a', 'b', 'c', 'd']);
      assert.deepEqual(
        found.map((document) => document?.id),
        [undefined, 'b', 'c', 'd'],
      );
      const blob = await again.getBlob(found[2]?.body['photo']);
      assert.equal(Buffer.from((await blob?.content()) ?? []).toString(), 'one two');
      assert.ok(again.collections().some(({ name }) => name === 'later'));
      await again.close();
    }
  });

  test('finishes them also where another Database object keeps the folder open', async (context) => {
    const database = await openDatabase(context);
    const other = await openAt(context, database.path);
    let unfinished = 3_000;
    for (let n = 0; n < 3_000; n++)
      void database
        .collection()
        .save(`doc-${n}`, {})
        .then(() => unfinished--);
    await database.close();
    assert.equal(unfinished, 0);
    assert.equal(await other.collection().count(), 3_000);
  });

  test('twice, and at the same time, is closing once', async (context) => {
    const database = await openDatabase(context);
    await Promise.all([database.close(), database.close()]);
    await database.close();
    await database[Symbol.asyncDispose]();
    assert.equal(database.isClosed, true);
  });

  test('makes everything reject with DATABASE_CLOSED, and nothing is written', async (context) => {
    const database = await openDatabase(context);
    const collection = database.collection('metrics');
    const { revisionID } = await collection.save('a', { n: 1 });
    const blob = new Blob('text/plain', Buffer.from('content'));
    await database.close();
    const calls: Record<string, () => unknown> = {
      collection: () => database.collection('metrics'),
      createCollection: () => database.createCollection('new'),
      deleteCollection: () => database.deleteCollection('metrics'),
      collections: () => database.collections(),
      inBatch: () => database.inBatch(async () => undefined),
      saveBlob: () => database.saveBlob(blob),
      getBlob: () => database.getBlob({ '@type': 'blob', digest: 'sha1-qcgXXMNSbE//Bs9x/PluyaWbs2Y=' }),
      integrityCheck: () => database.integrityCheck(),
      compact: () => database.compact(),
      delete: () => database.delete(),
      addUser: () => database.addUser({ stop: async () => undefined }),
      'collection.save': () => collection.save('b', {}),
      'collection.save with a blob': () => collection.save('b', { blob }),
      'collection.get': () => collection.get('a'),
      'collection.getMany': () => collection.getMany(['a']),
      'collection.delete': () => collection.delete('a', { ifRevision: revisionID }),
      'collection.purge': () => collection.purge('a'),
      'collection.count': () => collection.count(),
      'collection.documents': () => collection.documents(),
      'collection.on': () => collection.on('change', () => undefined),
      'collection.onDocumentChange': () => collection.onDocumentChange('a', () => undefined),
      'collection.changes': () => collection.changes(),
    };
    for (const [name, call] of Object.entries(calls)) {
      await refuses(call, 'DATABASE_CLOSED', 'vessel').catch((error: Error) =>
        assert.fail(`${name}: ${error.message}`),
      );
    }
    assert.deepEqual(await readdir(`${database.path}/blobs`), []);
    assert.deepEqual([collection.name, collection.fullName, database.name], ['metrics', 'metrics', 'vessel']);
  });

  test('rejects promises, and never throws where a promise is promised', async (context) => {
    const database = await openDatabase(context);
    await database.close();
    for (const call of [() => database.integrityCheck(), () => database.compact(), () => database.delete()]) {
      let promise: Promise<unknown> | undefined;
      assert.doesNotThrow(() => (promise = call()));
      await refuses(promise ?? Promise.resolve(), 'DATABASE_CLOSED');
    }
  });

  test('stops those who use the database first, while they can still write, and one that fails keeps nothing open', async (context) => {
    const path = await temporaryDirectory(context);
    const database = await openAt(context, path);
    const other = await openAt(context, path);
    const order: string[] = [];
    database.addUser({
      stop: async () => {
        await other.collection().save('farewell', {});
        order.push('stopped');
      },
    });
    const remove = database.addUser({ stop: () => Promise.reject(new Error('never')) });
    remove();
    await database.close();
    assert.deepEqual(order, ['stopped']);

    const failure = new Error('cannot stop');
    const third = await Database.open(path, quiet);
    third.addUser({ stop: () => Promise.reject(failure) });
    await assert.rejects(third.close(), failure);
    await other.close();
    const again = await openAt(context, path, { fullSync: true }); // would be refused if the old engine were still there
    assert.equal(await again.collection().count(), 1);
  });
});

describe('deleting', () => {
  test('removes the folder with everything in it', async (context) => {
    const path = `${await temporaryDirectory(context)}/vessel`;
    const database = await openAt(context, path);
    await database.collection().save('a', { photo: new Blob('image/png', Buffer.from('png')) });
    await database.delete();
    assert.equal(existsSync(path), false);
    assert.equal(await Database.exists(path), false);
    await refuses(database.delete(), 'DATABASE_CLOSED');
    const again = await openAt(context, path);
    assert.equal(await again.collection().count(), 0);
  });

  test('is false where there is nothing to delete', async (context) => {
    const directory = await temporaryDirectory(context);
    assert.equal(await Database.delete(`${directory}/nothing`), false);
    assert.equal(await Database.delete(directory), false);
    assert.ok(existsSync(directory));
  });

  test('is DATABASE_BUSY while another Database object has it open, which notices nothing', async (context) => {
    const path = `${await temporaryDirectory(context)}/vessel`;
    const first = await openAt(context, path);
    const second = await openAt(context, path);
    await refuses(first.delete(), 'DATABASE_BUSY', path);
    await refuses(Database.delete(path), 'DATABASE_BUSY', path);
    await first.collection().save('a', {});
    await second.close();
    await refuses(Database.delete(path), 'DATABASE_BUSY', path);
    await first.delete();
    assert.equal(existsSync(path), false);
  });

  test('follows a link to the folder it names', async (context) => {
    const directory = await temporaryDirectory(context);
    await (await openAt(context, `${directory}/real`)).close();
    await symlink(`${directory}/real`, `${directory}/link`);
    assert.equal(await Database.delete(`${directory}/link`), true);
    assert.equal(existsSync(`${directory}/real`), false);
  });

  test('by several at the same time deletes once', async (context) => {
    const path = `${await temporaryDirectory(context)}/vessel`;
    await (await openAt(context, path)).close();
    const outcomes = await Promise.all([Database.delete(path), Database.delete(path), Database.delete(path)]);
    assert.deepEqual(outcomes.sort(), [false, false, true]);
  });

  test('and opening at the same time end in an empty database, or in DATABASE_BUSY for the deletion', async (context) => {
    const directory = await temporaryDirectory(context);
    for (let round = 0; round < 10; round++) {
      const path = `${directory}/${round}`;
      const old = await Database.open(path, quiet);
      await old.collection().save('old', {});
      await old.close();
      const deletion = Database.delete(path).catch((error: { code: string }) => error.code);
      if (round % 2 === 1) await turnOfEventLoop();
      const database = await openAt(context, path);
      const deleted = await deletion;
      assert.ok(deleted === true || deleted === 'DATABASE_BUSY', String(deleted));
      assert.equal(await database.collection().count(), deleted === true ? 0 : 1);
      await database.collection().save('new', {});
      assert.deepEqual(await database.integrityCheck(), []);
    }
  });
});
