/** Opens the database file of a folder: chooses the driver, sees that the file is ours, brings it up to date, connects. */
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { silentLogger, type Logger } from '../../base/index.js';
import { HawserError } from '../../errors.js';
import { errnoOf, fileError, syncDirectory } from '../files.js';
import type { Storage, StorageOptions } from '../storage.js';
import { DEFAULT_STORAGE_SIZES, type StorageSizes } from '../storage-sizes.js';
import { Connection } from './connection.js';
import type { SqliteDriver } from './driver.js';
import { loadDriver } from './load-driver.js';
import { ReadPool } from './read-pool.js';
import { KeptLog } from './kept-log.js';
import { firstOf, numberOf, textOf } from './row-values.js';
import { checkSchema, migrate } from './schema.js';
import { SqliteStorage } from './sqlite-storage.js';
import { COLLECTIONS, Statements } from './statements.js';

/** The database file in its folder. */
export const DATABASE_FILE = 'db.sqlite3';

/** Opens a database whose folder the caller has locked. A folder that does not exist is made; its parent must exist. */
export async function openStorage(options: StorageOptions, logger: Logger = silentLogger): Promise<Storage> {
  const { sizes = DEFAULT_STORAGE_SIZES } = options;
  const driver = await loadDriver(options.driver, logger);
  await makeDirectory(options.directory);
  const file = join(options.directory, DATABASE_FILE);
  const opened: Connection[] = [];
  try {
    const writer = await Connection.open(driver, file, setup(sizes.writerCacheBytes));
    opened.push(writer);
    const version = await sqliteVersion(writer, driver);
    await prepareFile(writer, file, options.fullSync, sizes);
    const readers: Connection[] = [];
    for (let count = driver.parallel ? sizes.readers : 1; count > 0; count--) {
      const reader = await Connection.open(driver, file, `${setup(sizes.readerCacheBytes)}; PRAGMA query_only = ON`);
      opened.unshift(reader);
      readers.push(reader);
    }
    const pool = new ReadPool(readers);
    const keys = new Set((await writer.all(COLLECTIONS)).map((row) => numberOf(row, 'key')));
    logger.log('verbose', 'database', `opened ${file} with ${driver.name}, SQLite ${version.join('.')}`);
    return new SqliteStorage({
      driver: driver.name,
      statements: new Statements(version),
      writer,
      readers: pool,
      log: new KeptLog(`${file}-wal`, sizes.logBytes, writer, pool, logger),
      keys,
    });
  } catch (error) {
    for (const connection of opened) await connection.close().catch(() => undefined);
    throw error;
  }
}

/** Whether the folder holds a database. */
export async function isDatabaseDirectory(directory: string): Promise<boolean> {
  const file = join(directory, DATABASE_FILE);
  try {
    return (await stat(file)).isFile();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return false;
    throw fileError(error, file);
  }
}

/** Nobody but this process writes, so a lock that does not yield soon is a fault, not a queue. */
const BUSY_TIMEOUT_MS = 250;

/** A negative number is one of KiB. */
function setup(cacheBytes: number): string {
  const cache = `PRAGMA cache_size = ${-Math.ceil(cacheBytes / 1024)}`;
  return `PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}; PRAGMA temp_store = MEMORY; ${cache}`;
}

/** Of the log: a page with a header. A fiftieth is left for the transaction that crosses the line, so that the file keeps its length. */
const FRAME_BYTES = 4_096 + 24;

async function prepareFile(
  writer: Connection,
  file: string,
  fullSync: boolean,
  { logBytes }: StorageSizes,
): Promise<void> {
  const version = await checkSchema(writer, file);
  // Has an effect on an empty file only.
  if (version === 0) await writer.exec('PRAGMA auto_vacuum = INCREMENTAL');
  const mode = textOf(firstOf(await writer.all('PRAGMA journal_mode = WAL')), 'journal_mode');
  if (mode !== 'wal') {
    throw new HawserError(
      'DATABASE_CANNOT_OPEN',
      `${file}: the file system has no shared memory for a write-ahead log`,
    );
  }
  await writer.exec(`PRAGMA synchronous = ${fullSync ? 'FULL' : 'NORMAL'};
    PRAGMA wal_autocheckpoint = ${Math.floor((0.98 * logBytes) / FRAME_BYTES)}; PRAGMA journal_size_limit = ${logBytes}`);
  await migrate(writer, version);
}

/** The statements use what SQLite can do since {@link OLDEST_SQLITE}. */
async function sqliteVersion(connection: Connection, driver: SqliteDriver): Promise<number[]> {
  const text = textOf(firstOf(await connection.all('SELECT sqlite_version() AS version')), 'version');
  const version = text.split('.').map(Number);
  const [major = 0, minor = 0] = version;
  if (major * 1_000 + minor < OLDEST_SQLITE[0] * 1_000 + OLDEST_SQLITE[1]) {
    const oldest = OLDEST_SQLITE.join('.');
    throw new HawserError(
      'STORAGE_DRIVER_MISSING',
      `${driver.name} was built with SQLite ${text}; ${oldest} or later is needed`,
    );
  }
  return version;
}

const OLDEST_SQLITE = [3, 44] as const;

async function makeDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory);
    await syncDirectory(join(directory, '..'));
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw fileError(error, directory);
    if (!(await stat(directory)).isDirectory()) {
      throw new HawserError('DATABASE_CANNOT_OPEN', `${directory} is a file, not a folder`);
    }
  }
}
