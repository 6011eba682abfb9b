/** What a profile of a database sets, what goes before it, and that all who share a folder agree on it. */
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, it, test, type TestContext } from 'node:test';
import { Database, type ProfileName } from '../../src/database/index.js';
import { profileOf } from '../../src/database/profile.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { openAt, openDatabase, refuses } from './fixtures.js';

type Ask = (pragma: string) => Promise<number>;

/** Every connection that is made to a database file from now on, as something that can be asked. By the driver's own objects. */
function watchConnections(context: TestContext, driver: 'sqlite3' | 'node:sqlite'): Ask[] {
  const asks: Ask[] = [];
  const isDatabase = (file: unknown): boolean => String(file).endsWith('db.sqlite3');
  if (driver === 'sqlite3') {
    const library = createRequire(import.meta.url)('sqlite3') as {
      Database: new (...given: unknown[]) => {
        get(sql: string, done: (error: Error | null, row: object) => void): void;
      };
    };
    const Original = library.Database;
    context.after(() => (library.Database = Original));
    library.Database = class extends Original {
      constructor(...given: unknown[]) {
        super(...given);
        if (!isDatabase(given[0])) return;
        asks.push(
          (pragma) =>
            new Promise((resolve, reject) => {
              this.get(`PRAGMA ${pragma}`, (error, row) =>
                error === null ? resolve(Number(Object.values(row)[0])) : reject(error),
              );
            }),
        );
      }
    };
    return asks;
  }
  const library = process.getBuiltinModule(driver) as unknown as {
    DatabaseSync: new (file: string) => { prepare(sql: string): { get(): object } };
  };
  const Original = library.DatabaseSync;
  context.after(() => (library.DatabaseSync = Original));
  library.DatabaseSync = class extends Original {
    constructor(file: string) {
      super(file);
      if (!isDatabase(file)) return;
      asks.push((pragma) => Promise.resolve(Number(Object.values(this.prepare(`PRAGMA ${pragma}`).get())[0])));
    }
  };
  return asks;
}

for (const driver of ['sqlite3', 'node:sqlite'] as const) {
  describe(`on ${driver} a profile`, () => {
    const expected = {
      default: { readers: driver === 'sqlite3' ? 2 : 1, writer: -2_000, reader: -2_000, log: 16 * 1024 * 1024 },
      small: { readers: 1, writer: -1_024, reader: -256, log: 4 * 1024 * 1024 },
    };
    for (const profile of [undefined, 'default', 'small'] as const) {
      it(`${profile ?? '(none)'} is what the connections say they have`, async (context) => {
        if (driver === 'node:sqlite' && process.getBuiltinModule(driver) === undefined) {
          return context.skip(`Node ${process.version} has no node:sqlite`);
        }
        const asks = watchConnections(context, driver);
        await openDatabase(context, { driver, ...(profile === undefined ? {} : { profile }) });
        const { readers, writer, reader, log } = expected[profile ?? 'default'];
        const [ofWriter, ...ofReaders] = asks as [Ask, ...Ask[]];
        assert.equal(ofReaders.length, readers);
        assert.equal(await ofWriter('cache_size'), writer);
        for (const ask of ofReaders) assert.equal(await ask('cache_size'), reader);
        for (const ask of ofReaders) assert.equal(await ask('query_only'), 1);
        assert.equal(await ofWriter('journal_size_limit'), log);
        const checkpointBytes = (await ofWriter('wal_autocheckpoint')) * (4_096 + 24);
        assert.ok(checkpointBytes < log && checkpointBytes > 0.95 * log, String(checkpointBytes));
      });
    }
  });
}

test('the small profile lets 10,000 documents wait, an explicit maxQueuedWrites as many as it says', async (context) => {
  for (const [options, limit] of [
    [{ profile: 'small' }, 10_000],
    [{ profile: 'small', maxQueuedWrites: 12_000 }, 12_000],
    [{ profile: 'default', maxQueuedWrites: 50 }, 50],
  ] as const) {
    const database = await openDatabase(context, options);
    const collection = database.collection<{ n: number }>('metrics');
    const saves = Array.from({ length: limit + 5 }, (_, n) => collection.save(`doc-${n}`, { n }));
    const outcomes = await Promise.allSettled(saves);
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, limit);
    assert.equal(await collection.count(), limit);
  }
});

test('the small profile lets 8 Mi characters of bodies wait', async (context) => {
  const database = await openDatabase(context, { profile: 'small' });
  const collection = database.collection<{ text: string }>('metrics');
  const text = 'x'.repeat(1024 * 1024 - 11); // with its {"text":""} exactly 1 MiB
  const outcomes = await Promise.allSettled(
    Array.from({ length: 10 }, (_, n) => collection.save(`doc-${n}`, { text })),
  );
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 8);
});

test('an unknown profile is refused by name', async (context) => {
  const path = await temporaryDirectory(context);
  for (const profile of ['tiny', '', 'toString', 7, null]) {
    const opening = Database.open(path, { profile: profile as ProfileName });
    await refuses(opening, 'ARGUMENT_INVALID', /^profile must be default or small, not /);
  }
});

test('all who share a folder have one profile; one that says nothing takes it', async (context) => {
  const path = await temporaryDirectory(context);
  const first = await openAt(context, path, { profile: 'small' });
  await refuses(Database.open(path, { profile: 'default' }), 'ARGUMENT_INVALID', 'with another profile');
  const second = await openAt(context, path);
  assert.equal(second.replicationSizes, profileOf('small').replication);
  await openAt(context, path, { profile: 'small' });
  await refuses(Database.open(path, { maxQueuedWrites: 7 }), 'ARGUMENT_INVALID', 'with another maxQueuedWrites');
  assert.equal(first.replicationSizes, second.replicationSizes);
});

test('a slow loop over documents, and one over changes, do not hold the log', async (context) => {
  const path = `${await temporaryDirectory(context)}/vessel`;
  const database = await openAt(context, path, { profile: 'small' });
  const collection = database.collection<{ n: number; text: string }>('metrics');
  const { logBytes } = profileOf('small').storage;
  const text = 'x'.repeat(8_000);
  const save = (first: number): Promise<unknown> =>
    Promise.all(Array.from({ length: 100 }, (_, n) => collection.save(`doc-${first + n}`, { n, text })));
  await save(0);
  const documents = collection.documents()[Symbol.asyncIterator]();
  const changes = collection.changes()[Symbol.asyncIterator]();
  await Promise.all([documents.next(), changes.next()]);
  let written = 0;
  while (written < 4 * logBytes) {
    for (let round = 0; round < 5; round++) await save(round * 100);
    written += 5 * 100 * text.length;
    await Promise.all([documents.next(), changes.next()]); // both go on, slowly
  }
  await collection.save('last', { n: 0, text });
  await collection.save('after it', { n: 0, text }); // what the one before led to has been done
  assert.ok(statSync(`${path}/db.sqlite3-wal`).size <= 2 * logBytes);
  await Promise.all([documents.return?.(undefined), changes.return?.(undefined)]);
});
