/** One connection: its errors, and the statements it keeps. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { isHawserError } from '../../../src/errors.js';
import { openStorage } from '../../../src/storage/index.js';
import { Connection } from '../../../src/storage/sqlite/connection.js';
import { SqliteFailure } from '../../../src/storage/sqlite/driver.js';
import { loadDriver } from '../../../src/storage/sqlite/load-driver.js';
import { storageError } from '../../../src/storage/sqlite/sqlite-errors.js';
import { document, put, rejects } from '../../conformance/storage-fixtures.js';
import { cleanup } from '../../support/cleanup.js';
import { temporaryDirectory } from '../../support/temporary-directory.js';

async function connect(context: TestContext, file: string, setup = ''): Promise<Connection> {
  const connection = await Connection.open(await loadDriver('auto'), file, setup);
  cleanup(context, () => connection.close());
  return connection;
}

test('what SQLite reports has a code of hawser', async (context) => {
  const file = `${await temporaryDirectory(context)}/db.sqlite3`;
  const table = {
    5: 'DATABASE_BUSY',
    6: 'DATABASE_BUSY',
    8: 'STORAGE_READ_ONLY',
    10: 'STORAGE_IO_ERROR',
    11: 'DATABASE_CORRUPT',
    13: 'STORAGE_FULL',
    14: 'DATABASE_CANNOT_OPEN',
    26: 'DATABASE_CORRUPT',
    1: 'STORAGE_FAILED',
    19: 'STORAGE_FAILED',
    21: 'STORAGE_FAILED',
    266: 'STORAGE_IO_ERROR', // an extended code: SQLITE_IOERR_READ
  };
  for (const [number, code] of Object.entries(table)) {
    const failure = new SqliteFailure(Number(number), 'what SQLite said', undefined);
    const error = await storageError(failure, file);
    assert.ok(isHawserError(error));
    assert.equal(error.code, code, number);
    assert.equal(error.cause, failure);
    assert.match(error.message, /db\.sqlite3: what SQLite said$/);
  }
  const other = new TypeError('not from SQLite');
  assert.equal(await storageError(other, file), other);
});

test('errors never tell a value', async (context) => {
  const connection = await connect(
    context,
    `${await temporaryDirectory(context)}/a`,
    `CREATE TABLE t(a TEXT UNIQUE, b INTEGER NOT NULL, c TEXT CHECK(length(c) < 6))`,
  );
  await connection.run('INSERT INTO t VALUES (?1, 1, 1)', ['secret']);
  const wrong: [string, (string | null)[]][] = [
    ['INSERT INTO t VALUES (?1, 1, 1)', ['secret']],
    ['INSERT INTO t VALUES (1, ?1, 1)', [null]],
    ['INSERT INTO t VALUES (2, 1, ?1)', ['secret']],
    ['SELECT * FROM json_each(?1)', ['{"secret']],
    ['INSERT INTO t(rowid, a) VALUES (?1, 1)', ['secret']],
  ];
  for (const [sql, parameters] of wrong) {
    const error: unknown = await connection.run(sql, parameters).catch((reason: unknown) => reason);
    assert.ok(isHawserError(error), sql);
    assert.equal(error.code, 'STORAGE_FAILED');
    assert.doesNotMatch(`${error.message} ${String(error.cause)} ${JSON.stringify(error)}`, /secret/, sql);
  }
});

test('SQLite at its own limit of pages is STORAGE_FULL, and nothing of the write is kept', async (context) => {
  const connection = await connect(
    context,
    `${await temporaryDirectory(context)}/a`,
    'CREATE TABLE t(a); PRAGMA max_page_count = 10',
  );
  await connection.run('INSERT INTO t VALUES (?1)', ['small']);
  await rejects(connection.run('INSERT INTO t VALUES (?1)', ['x'.repeat(100_000)]), 'STORAGE_FULL');
  assert.equal((await connection.all('SELECT a FROM t')).length, 1);
});

test('rolling back what SQLite has rolled back already is no error', async (context) => {
  const connection = await connect(context, `${await temporaryDirectory(context)}/a`);
  await connection.rollback();
  await connection.exec('BEGIN');
  await connection.rollback();
  await connection.exec('BEGIN; COMMIT');
});

test('keeps working when it has seen more statements than it keeps', async (context) => {
  const connection = await connect(context, `${await temporaryDirectory(context)}/a`);
  for (let round = 0; round < 2; round++) {
    for (let number = 0; number < 450; number++) {
      assert.deepEqual(
        { ...(await connection.all(`SELECT ${number} AS n, ?1 AS p`, ['p']))[0] },
        { n: number, p: 'p' },
      );
    }
  }
});

test('a writer that is locked out by another program is DATABASE_BUSY, and goes on when that has ended', async (context) => {
  const directory = await temporaryDirectory(context);
  const storage = await openStorage({ directory, fullSync: false, driver: 'auto' });
  cleanup(context, () => storage.close());
  const { key } = await storage.transaction((transaction) => transaction.createCollection('_default', 'things'));
  const intruder = await connect(context, `${directory}/db.sqlite3`, 'BEGIN IMMEDIATE');
  await rejects(put(storage, key, [document(1)]), 'DATABASE_BUSY');
  await rejects(
    storage.transaction((transaction) => transaction.createCollection('_default', 'b')),
    'DATABASE_BUSY',
  );
  await intruder.rollback();
  await put(storage, key, [document(1)]);
  assert.equal(await storage.count(key), 1);
});
