/**
 * What this room asks of an SQLite library. Two drivers implement it; nothing outside their own files knows a library's
 * shape. A driver neither queues nor caches: its callers make one call at a time on a connection.
 */

/** A value as SQLite knows it. Integers of our tables stay within 2^53 and are numbers. */
export type SqlValue = null | number | bigint | string | Uint8Array;

/** One row of a result: the value of each column under its name. */
export type Row = Readonly<Record<string, unknown>>;

export interface SqliteDriver {
  readonly name: 'sqlite3' | 'node:sqlite';
  /** Whether calls on several connections run at the same time, off the event loop; otherwise more connections gain nothing. */
  readonly parallel: boolean;
  /** Opens a file for reading and writing and makes it if it is missing. Rejects with a {@link SqliteFailure}. */
  open(file: string): Promise<DriverConnection>;
}

export interface DriverConnection {
  /** Runs statements without parameters and results. */
  exec(sql: string): Promise<void>;
  prepare(sql: string): Promise<DriverStatement>;
  /** Every statement has been finalized before. */
  close(): Promise<void>;
}

/**
 * A prepared statement with positional parameters (`?1`). Invariant: after each call, failed or not, it is reset, so that
 * it holds neither a lock nor a snapshot; there is no call that fetches only the first row, for in sqlite3 that one would
 * keep both.
 */
export interface DriverStatement {
  all(parameters: readonly SqlValue[]): Promise<readonly Row[]>;
  /** For statements that yield no rows. */
  run(parameters: readonly SqlValue[]): Promise<void>;
  finalize(): Promise<void>;
}

/** What SQLite reported, in the same shape from each driver. Its message never holds parameters. */
export class SqliteFailure extends Error {
  /** SQLite's result code, extended where the library gives it: the low eight bits are the primary one. */
  readonly resultCode: number;

  constructor(resultCode: number, message: string, cause: unknown) {
    super(message, { cause });
    this.name = 'SqliteFailure';
    this.resultCode = resultCode;
  }
}
