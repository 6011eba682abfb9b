/**
 * One connection to a file: prepared statements kept by their text, and errors with hawser's codes. It does not queue:
 * whoever owns it makes one call at a time.
 */
import type { DriverConnection, DriverStatement, Row, SqliteDriver, SqlValue } from './driver.js';
import { SqliteFailure } from './driver.js';
import { primaryCode, SQLITE_ERROR, storageError } from './sqlite-errors.js';

export class Connection {
  readonly #driver: DriverConnection;
  /** Names the file in errors. */
  readonly #file: string;
  /** By text, the longest unused first. */
  readonly #statements = new Map<string, DriverStatement>();

  /** Opens `file` and runs `setup` on it; if that fails nothing stays open. */
  static async open(driver: SqliteDriver, file: string, setup: string): Promise<Connection> {
    let opened: DriverConnection;
    try {
      opened = await driver.open(file);
    } catch (error) {
      throw await storageError(error, file);
    }
    const connection = new Connection(opened, file);
    try {
      await connection.exec(setup);
      return connection;
    } catch (error) {
      await connection.close().catch(() => undefined);
      throw error;
    }
  }

  private constructor(driver: DriverConnection, file: string) {
    this.#driver = driver;
    this.#file = file;
  }

  async all(sql: string, parameters: readonly SqlValue[] = []): Promise<readonly Row[]> {
    try {
      return await (this.#cached(sql) ?? (await this.#prepare(sql))).all(parameters);
    } catch (error) {
      throw await storageError(error, this.#file);
    }
  }

  async run(sql: string, parameters: readonly SqlValue[] = []): Promise<void> {
    try {
      await (this.#cached(sql) ?? (await this.#prepare(sql))).run(parameters);
    } catch (error) {
      throw await storageError(error, this.#file);
    }
  }

  /** Runs statements that are not worth keeping. */
  async exec(sql: string): Promise<void> {
    try {
      await this.#driver.exec(sql);
    } catch (error) {
      throw await storageError(error, this.#file);
    }
  }

  /** Rolls back; no error where SQLite has done so by itself, as it does when the disk is full. */
  async rollback(): Promise<void> {
    try {
      await this.#driver.exec('ROLLBACK');
    } catch (error) {
      if (error instanceof SqliteFailure && primaryCode(error) === SQLITE_ERROR) return;
      throw await storageError(error, this.#file);
    }
  }

  async close(): Promise<void> {
    const statements = [...this.#statements.values()];
    this.#statements.clear();
    for (const statement of statements) await statement.finalize();
    try {
      await this.#driver.close();
    } catch (error) {
      throw await storageError(error, this.#file);
    }
  }

  #cached(sql: string): DriverStatement | undefined {
    const statement = this.#statements.get(sql);
    if (statement === undefined) return undefined;
    this.#statements.delete(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  async #prepare(sql: string): Promise<DriverStatement> {
    const statement = await this.#driver.prepare(sql);
    this.#statements.set(sql, statement);
    if (this.#statements.size > MAX_STATEMENTS) {
      const [oldest] = this.#statements;
      if (oldest !== undefined) {
        this.#statements.delete(oldest[0]);
        await oldest[1].finalize();
      }
    }
    return statement;
  }
}

/** A dozen texts a collection: enough for the collections in use at a time, at a few KiB each. */
const MAX_STATEMENTS = 200;
