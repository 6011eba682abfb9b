/**
 * The driver on the npm package sqlite3: its work runs on libuv's thread pool, so a slow flash never stalls the event loop.
 * The package is loaded when the first database is opened, not before.
 */
import type { Database, Statement } from 'sqlite3';
import { loadPackage } from '../../base/index.js';
import {
  type DriverConnection,
  type DriverStatement,
  type Row,
  type SqliteDriver,
  SqliteFailure,
  type SqlValue,
} from './driver.js';

/** Rejects where the package is not installed or its native part does not load. */
export async function loadSqlite3Driver(): Promise<SqliteDriver> {
  const sqlite3 = await loadPackage('sqlite3', async () => (await import('sqlite3')).default);
  const mode = sqlite3.OPEN_READWRITE | sqlite3.OPEN_CREATE | sqlite3.OPEN_FULLMUTEX;
  return {
    name: 'sqlite3',
    parallel: true,
    async open(file) {
      let database: Database | undefined;
      await settled((done) => {
        database = new sqlite3.Database(file, mode, done);
      });
      return new Sqlite3Connection(database as Database);
    },
  };
}

class Sqlite3Connection implements DriverConnection {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  exec(sql: string): Promise<void> {
    return settled((done) => this.#database.exec(sql, done));
  }

  async prepare(sql: string): Promise<DriverStatement> {
    let statement: Statement | undefined;
    await settled((done) => {
      statement = this.#database.prepare(sql, done);
    });
    return new Sqlite3Statement(statement as Statement);
  }

  close(): Promise<void> {
    return settled((done) => this.#database.close(done));
  }
}

class Sqlite3Statement implements DriverStatement {
  readonly #statement: Statement;

  constructor(statement: Statement) {
    this.#statement = statement;
  }

  all(parameters: readonly SqlValue[]): Promise<readonly Row[]> {
    return new Promise((resolve, reject) => {
      this.#statement.all<Row>(parameters, (error, rows) => {
        if (error === null) resolve(rows);
        else this.#fail(error, reject);
      });
    });
  }

  run(parameters: readonly SqlValue[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#statement.run(parameters, (error) => {
        if (error === null) resolve();
        else this.#fail(error, reject);
      });
    });
  }

  /**
   * The library leaves a failed statement as it stands. One that met a lock would be neither over nor rolled back, and
   * what is written after it would seem to succeed and not be committed.
   */
  #fail(error: Error, reject: (reason: SqliteFailure) => void): void {
    this.#statement.reset(() => reject(asFailure(error)));
  }

  finalize(): Promise<void> {
    return new Promise((resolve) => {
      this.#statement.finalize(() => resolve());
    });
  }
}

function settled(start: (done: (error: Error | null) => void) => unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => {
      if (error === null) resolve();
      else reject(asFailure(error));
    });
  });
}

function asFailure(error: Error): SqliteFailure {
  const number = (error as { errno?: unknown }).errno;
  return new SqliteFailure(typeof number === 'number' ? number : 1, error.message, error);
}
