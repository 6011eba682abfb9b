/**
 * The layout of the file and the way to it from every older one. Version 0 is an empty file. A released step is never
 * changed: a new one is added after it.
 */
import { HawserError } from '../../errors.js';
import type { Connection } from './connection.js';
import { firstOf, numberOf } from './row-values.js';

/** Tells our files from other SQLite files: "hwsr". */
export const APPLICATION_ID = 0x68777372;

/** Each step brings a file from the version that is its index to the next. They run in one transaction. */
const MIGRATIONS: readonly ((writer: Connection) => Promise<void>)[] = [createTables];

export const SCHEMA_VERSION = MIGRATIONS.length;

/**
 * Sees that the file is ours, or empty, and not newer than this code. Changes nothing. Returns its version.
 * Rejects with `DATABASE_CORRUPT` or `DATABASE_TOO_NEW`.
 */
export async function checkSchema(writer: Connection, file: string): Promise<number> {
  const version = await pragma(writer, 'user_version');
  const application = await pragma(writer, 'application_id');
  if (application === APPLICATION_ID) {
    if (version < 1) throw new HawserError('DATABASE_CORRUPT', `${file} has no schema version`);
    if (version > SCHEMA_VERSION) {
      throw new HawserError(
        'DATABASE_TOO_NEW',
        `${file} has schema version ${version}, this release knows ${SCHEMA_VERSION}`,
      );
    }
    return version;
  }
  const tables = numberOf(firstOf(await writer.all('SELECT count(*) AS count FROM sqlite_schema')), 'count');
  if (application !== 0 || version !== 0 || tables !== 0) {
    throw new HawserError('DATABASE_CORRUPT', `${file} is an SQLite database of another application`);
  }
  return 0;
}

/** Brings the file from `version` to {@link SCHEMA_VERSION}, entirely or not at all. */
export async function migrate(writer: Connection, version: number): Promise<void> {
  if (version === SCHEMA_VERSION) return;
  await writer.exec('BEGIN IMMEDIATE');
  try {
    for (const step of MIGRATIONS.slice(version)) await step(writer);
    await writer.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`);
  } catch (error) {
    await writer.rollback().catch(() => undefined);
    throw error;
  }
}

/** Makes the table of a new collection. Small columns come before the large ones: SQLite reads a row from its front. */
export function createCollectionTable(key: number): string {
  const table = `docs_${key}`;
  return `CREATE TABLE ${table}(
      sequence INTEGER PRIMARY KEY,
      id TEXT NOT NULL UNIQUE,
      flags INTEGER NOT NULL,
      expires_at INTEGER,
      revision TEXT NOT NULL,
      history TEXT NOT NULL,
      remotes TEXT,
      conflicts TEXT,
      bases TEXT,
      body TEXT NOT NULL
    );
    CREATE INDEX ${table}_expiry ON ${table}(expires_at) WHERE expires_at IS NOT NULL;
    CREATE INDEX ${table}_conflicts ON ${table}(sequence) WHERE conflicts IS NOT NULL;
    CREATE INDEX ${table}_tombstones ON ${table}(sequence) WHERE flags & 1;`;
}

async function createTables(writer: Connection): Promise<void> {
  await writer.exec(`
    CREATE TABLE collections(
      key INTEGER PRIMARY KEY AUTOINCREMENT,
      scope TEXT NOT NULL,
      name TEXT NOT NULL,
      last_sequence INTEGER NOT NULL,
      UNIQUE(scope, name)
    );
    CREATE TABLE records(
      kind TEXT NOT NULL,
      key TEXT NOT NULL,
      value TEXT NOT NULL,
      PRIMARY KEY(kind, key)
    ) WITHOUT ROWID;`);
}

async function pragma(writer: Connection, name: string): Promise<number> {
  return numberOf(firstOf(await writer.all(`PRAGMA ${name}`)), name);
}
