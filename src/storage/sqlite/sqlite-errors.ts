/**
 * What SQLite reports, as the coded errors of hawser. The messages say which file and what SQLite found, never a value:
 * bodies, IDs and records stay out of logs.
 */
import { HawserError, type ErrorCode } from '../../errors.js';
import { diskFailure, reasonOfFailure } from '../files.js';
import { SqliteFailure } from './driver.js';

/** The coded error for what a driver rejected with, about `file`. Coded errors pass through. */
export async function storageError(error: unknown, file: string): Promise<unknown> {
  if (!(error instanceof SqliteFailure)) return error;
  const code = CODE_OF[primaryCode(error)] ?? 'STORAGE_FAILED';
  if (code === 'DATABASE_CANNOT_OPEN' || code === 'STORAGE_IO_ERROR') {
    // SQLite says no more than that: the operating system knows why.
    const reason = await reasonOfFailure(file);
    if (reason !== undefined) return reason;
  }
  if (code === 'DATABASE_CORRUPT') {
    const reason = await diskFailure(file);
    if (reason !== undefined) return reason;
  }
  const options = { cause: error, ...(code === 'STORAGE_FAILED' ? { number: primaryCode(error) } : {}) };
  return new HawserError(code, `${file}: ${error.message}`, options);
}

/** SQLite's primary result code of a failure. */
export function primaryCode(error: SqliteFailure): number {
  return error.resultCode & 0xff;
}

/** `SQLITE_ERROR`: among others, a ROLLBACK where SQLite has rolled back by itself already. */
export const SQLITE_ERROR = 1;

const CODE_OF: Readonly<Record<number, ErrorCode>> = {
  5: 'DATABASE_BUSY', // SQLITE_BUSY
  6: 'DATABASE_BUSY', // SQLITE_LOCKED
  8: 'STORAGE_READ_ONLY', // SQLITE_READONLY
  10: 'STORAGE_IO_ERROR', // SQLITE_IOERR
  11: 'DATABASE_CORRUPT', // SQLITE_CORRUPT
  13: 'STORAGE_FULL', // SQLITE_FULL
  14: 'DATABASE_CANNOT_OPEN', // SQLITE_CANTOPEN
  26: 'DATABASE_CORRUPT', // SQLITE_NOTADB
};
