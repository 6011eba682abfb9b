/**
 * The storage on SQLite: one connection that writes, in turns, and one or two that read beside it (WAL mode). It does not
 * lock the folder against other processes: `lockDirectory` does.
 */
import { HawserError } from '../../errors.js';
import type { Storage, StorageTransaction } from '../storage.js';
import type { Connection } from './connection.js';
import type { Row, SqlValue } from './driver.js';
import type { KeptLog } from './kept-log.js';
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
  readonly log: KeptLog;
  /** Keys of the collections in the file. */
  readonly keys: ReadonlySet<number>;
}

export class SqliteStorage extends SqliteReader implements Storage {
  readonly driver: string;
  readonly #statements: Statements;
  readonly #writer: Connection;
  readonly #readers: ReadPool;
  readonly #log: KeptLog;
  readonly #queue = new WriteQueue();
  /** Keys of the collections as last committed. */
  #keys: ReadonlySet<number>;
  /** Set when a roll-back failed: the connection may still be inside that transaction. */
  #stuck = false;
  /** Checks of the whole file that are under way. */
  #checks = 0;
  #closing: Promise<void> | undefined;

  constructor({ driver, statements, writer, readers, log, keys }: SqliteStorageParts) {
    super(statements);
    this.driver = driver;
    this.#statements = statements;
    this.#writer = writer;
    this.#readers = readers;
    this.#log = log;
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
        this.#lookAtLog();
        return result;
      } catch (error) {
        await transaction.rollback().catch(() => (this.#stuck = true));
        throw error;
      }
    });
  }

  async integrityCheck(): Promise<string[]> {
    this.#checkOpen();
    this.#checks++;
    try {
      const rows = await this.#readers.use((connection) => connection.all('PRAGMA integrity_check'));
      return rows.map((row) => textOf(row, 'integrity_check')).filter((line) => line !== 'ok');
    } catch (error) {
      // Damaged so badly that the check itself cannot go on.
      if (error instanceof HawserError && error.code === 'DATABASE_CORRUPT') return [error.message];
      throw error;
    } finally {
      this.#checks--;
      this.#lookAtLog();
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

  /**
   * In a turn of its own, so that nobody whose transaction is committed waits for it. Not during a check of the whole file, which
   * everybody would have to wait for: the log grows as long as that takes.
   */
  #lookAtLog(): void {
    if (this.#closing !== undefined || !this.#log.isTooLong) return;
    const shorten = async (): Promise<void> => {
      // A check may have begun meanwhile, and another turn may have done it.
      if (this.#checks === 0 && this.#log.isTooLong) await this.#log.shorten();
    };
    void this.#queue.run(shorten).catch(() => undefined); // a logger that throws
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
