/** Chooses the SQLite library, loading it at that moment. What does not load is said in the error, with what to do. */
import type { Logger } from '../../base/index.js';
import { HawserError } from '../../errors.js';
import type { StorageOptions } from '../storage.js';
import { loadNodeSqliteDriver } from './driver-node-sqlite.js';
import { loadSqlite3Driver } from './driver-sqlite3.js';
import type { SqliteDriver } from './driver.js';

/** Rejects with `STORAGE_DRIVER_MISSING`. */
export async function loadDriver(choice: StorageOptions['driver'], logger?: Logger): Promise<SqliteDriver> {
  if (choice === 'node:sqlite') return loadNodeSqliteDriver() ?? missing(NO_BUILTIN, undefined);
  try {
    return await loadSqlite3Driver();
  } catch (error) {
    const reason = whatFailed(error);
    if (choice === 'sqlite3') return missing(reason, error);
    const builtin = loadNodeSqliteDriver() ?? missing(`${reason}, and ${NO_BUILTIN}`, error);
    logger?.log('info', 'database', `${reason}: using node:sqlite, which works on the event loop`);
    return builtin;
  }
}

const NO_BUILTIN = `Node ${process.versions.node} has no node:sqlite`;

function missing(message: string, cause: unknown): never {
  throw new HawserError('STORAGE_DRIVER_MISSING', `${message}: npx hawser doctor says what this machine lacks`, {
    cause,
  });
}

/** In words that say what to mend: those of Node and of the package name files of theirs. */
function whatFailed(error: unknown): string {
  const text = (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? '';
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ERR_MODULE_NOT_FOUND' && text.includes("'sqlite3'")) return 'the package sqlite3 is not installed';
  if (text.startsWith('Could not locate the bindings file')) return 'the package sqlite3 is there but was never built';
  return `the package sqlite3 cannot be loaded (${text})`;
}
