/**
 * The storage on SQLite: one connection that writes, in turns, and one or two that read beside it (WAL mode). It does not
 * lock the folder against other processes: `lockDirectory` does.
 */
import { HawserError } from '../../errors.js';
import type { Storage, StorageTransaction } from '../storage.js';
import type { Connection } from './connection.js';
import type { Row, SqlValue } from './driver.js';
import type { ReadPool } from './read-pool.js';
import { textOf } from './row-values.js';
import { type Query, SqliteReader } from './sqlite-reader.js';
import { SqliteTransaction } from './sqlite-transaction.js';
import type { Statements } from './statements.js';
import { WriteQueue } from './write-queue.js';

export interface SqliteStorageParts {
  readonly driver: string;
  readonly statements: Statements;
  readonly writer: Connection;
  readonly readers: ReadPool;
  /** Keys of the collections in the file. */
  readonly keys: ReadonlySet<number>;
}

export class SqliteStorage extends SqliteReader implements Storage {
  readonly driver: string;
  readonly #statements: Statements;
  readonly #writer: Connection;
  readonly #readers: ReadPool;
  readonly #queue = new WriteQueue();
  /** Keys of the collections as last committed. */
  #keys: ReadonlySet<number>;
  /** Set when a roll-back failed: the connection may still be inside that transaction. */
  #stuck = false;
  #closing: Promise<void> | undefined;

  constructor({ driver, statements, writer, readers, keys }: SqliteStorageParts) {
    super(statements);
    this.driver = driver;
    this.#statements = statements;
    this.#writer = writer;
    this.#readers = readers;
    this.#keys = keys;
  }

  async transaction<T>(work: (transaction: StorageTransaction) => Promise<T>): Promise<T> {
    this.#checkOpen();
    return this.#queue.run(async () => {
      if (this.#stuck) {
        await this.#writer.rollback();
        this.#stuck = false;
      }
      const transaction = new SqliteTransaction(this.#writer, this.#statements, this.#keys);
      try {
        const result = await work(transaction);
        const keys = await transaction.commit();
        for (const key of this.#keys) if (!keys.has(key)) this.#statements.forget(key);
        this.#keys = keys;
        return result;
      } catch (error) {
        await transaction.rollback().catch(() => (this.#stuck = true));
        throw error;
      }
    });
  }

  async integrityCheck(): Promise<string[]> {
    this.#checkOpen();
    try {
      const rows = await this.#readers.use((connection) => connection.all('PRAGMA integrity_check'));
      return rows.map((row) => textOf(row, 'integrity_check')).filter((line) => line !== 'ok');
    } catch (error) {
      // Damaged so badly that the check itself cannot go on.
      if (error instanceof HawserError && error.code === 'DATABASE_CORRUPT') return [error.message];
      throw error;
    }
  }

  async compact(): Promise<void> {
    this.#checkOpen();
    await this.#queue.run(async () => {
      await this.#writer.exec('PRAGMA incremental_vacuum');
      // A reader in the middle of a statement would hold the log open.
      await this.#readers.pause(() => this.#writer.exec('PRAGMA wal_checkpoint(TRUNCATE)'));
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  protected override async query(sql: string, parameters: readonly SqlValue[]): Promise<readonly Row[]> {
    this.#checkOpen();
    return this.#readers.use((connection) => connection.all(sql, parameters));
  }

  protected override async snapshot<T>(work: (query: Query) => Promise<T>): Promise<T> {
    this.#checkOpen();
    return this.#readers.use(async (connection) => {
      await connection.run('BEGIN');
      try {
        return await work((sql, parameters) => connection.all(sql, parameters));
      } finally {
        await connection.rollback();
      }
    });
  }

  protected override exists(collection: number): boolean {
    this.#checkOpen();
    return this.#keys.has(collection);
  }

  async #close(): Promise<void> {
    await this.#queue.idle();
    // The writer last: whoever closes last moves the write-ahead log into the database, and a reader may not.
    await this.#readers.close();
    await this.#writer.close();
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new HawserError('DATABASE_CLOSED', 'the database is closed');
  }
}
