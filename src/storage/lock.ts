/**
 * One process at a time in a database folder. The lock is an open transaction on a small SQLite file beside the database:
 * the operating system frees it with the process, however that ends, and no process number is ever compared.
 *
 * It keeps processes apart. Within one process it also refuses a second lock, as long as one SQLite library is used.
 */
import { join } from 'node:path';
import { HawserError } from '../errors.js';
import { Connection } from './sqlite/connection.js';
import { loadDriver } from './sqlite/load-driver.js';
import type { StorageOptions } from './storage.js';

/**
 * Takes the lock of a folder, which must exist, and resolves to the function that releases it (idempotent). Rejects at
 * once with `DATABASE_BUSY` if somebody has it, and with `DATABASE_CANNOT_OPEN`, `STORAGE_READ_ONLY`, `STORAGE_FULL`,
 * `STORAGE_DRIVER_MISSING`.
 */
export async function lockDirectory(
  directory: string,
  driver: StorageOptions['driver'] = 'auto',
): Promise<() => Promise<void>> {
  const sqlite = await loadDriver(driver);
  try {
    const holder = await Connection.open(sqlite, join(directory, LOCK_FILE), TAKE_LOCK);
    let released: Promise<void> | undefined;
    return () => (released ??= holder.rollback().finally(() => holder.close()));
  } catch (error) {
    if (error instanceof HawserError && error.code === 'DATABASE_BUSY') {
      throw new HawserError('DATABASE_BUSY', `${directory} is open in another process`, { cause: error });
    }
    throw error;
  }
}

const LOCK_FILE = 'lock.sqlite3';

/**
 * Never committed, so nothing is written to the flash. The change is there because SQLite begins a transaction on a file
 * that it cannot write without complaint, and without a lock.
 */
const TAKE_LOCK = `PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE; PRAGMA user_version = 1`;
