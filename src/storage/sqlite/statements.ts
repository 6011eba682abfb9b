/**
 * The text of every statement on documents. Each works on a batch, given as one JSON parameter, because a call to the
 * driver costs more than most of what it does. Collections have a table each, so texts are made per collection, once.
 */
import { DOCUMENT_COLUMNS, DOCUMENT_RESULT, FLAG_DELETED } from './document-rows.js';

export interface CollectionStatements {
  /** ?1 JSON array of IDs. Rows with `position` in that array, `meta` and `body`. */
  readonly documents: string;
  /** ?1 JSON array of documents as `encodeDocuments` makes them. */
  readonly putDocuments: string;
  /** ?1 JSON array of IDs. */
  readonly purgeDocuments: string;
  /** Keeps the highest sequence before a purge may take its row away. No parameters. */
  readonly keepLastSequence: string;
  /** ?1 remote as text, ?2 JSON array of [id, revision]. */
  readonly setRemoteRevisions: string;
  readonly count: string;
  /** ?1 the ID before the first, ?2 limit. */
  readonly ids: string;
  readonly nextExpiry: string;
  /** ?1 now, ?2 limit. */
  readonly expired: string;
  readonly lastSequence: string;
  /** ?1 since, ?2 limit, ?3 bytes of bodies (only if `bounded`). */
  readonly feed: (filter: FeedFilter) => string;
}

export interface FeedFilter {
  readonly activeOnly: boolean;
  readonly conflictedOnly: boolean;
  readonly bounded: boolean;
}

export class Statements {
  /** `jsonb_each` spares SQLite printing and parsing each element again; SQLite has it since 3.51. */
  readonly #each: string;
  readonly #collections = new Map<number, CollectionStatements>();

  constructor(sqliteVersion: readonly number[]) {
    const [major = 0, minor = 0] = sqliteVersion;
    this.#each = major > 3 || minor >= 51 ? 'jsonb_each' : 'json_each';
  }

  for(collection: number): CollectionStatements {
    const known = this.#collections.get(collection);
    if (known !== undefined) return known;
    const made = statementsOf(collection, this.#each);
    this.#collections.set(collection, made);
    return made;
  }

  forget(collection: number): void {
    this.#collections.delete(collection);
  }
}

export const RECORD = 'SELECT value FROM records WHERE kind = ?1 AND key = ?2';
export const PUT_RECORD = 'INSERT OR REPLACE INTO records(kind, key, value) VALUES (?1, ?2, ?3)';
export const DELETE_RECORD = 'DELETE FROM records WHERE kind = ?1 AND key = ?2';
/** ?1 kind, ?2 prefix. */
export const DELETE_RECORDS = 'DELETE FROM records WHERE kind = ?1 AND substr(key, 1, length(?2)) = ?2';
/** ?1 kind, ?2 count, ?3 bytes. */
export const TRIM_RECORDS = `DELETE FROM records WHERE kind = ?1 AND key IN (
    SELECT key FROM (SELECT key, row_number() OVER newest AS position, sum(octet_length(value)) OVER newest AS total
      FROM records WHERE kind = ?1
      WINDOW newest AS (ORDER BY CAST(value AS INTEGER) DESC ROWS UNBOUNDED PRECEDING))
    WHERE position > ?2 OR total > ?3)`;

export const COLLECTIONS = 'SELECT key, scope, name, last_sequence AS lastSequence FROM collections ORDER BY key';
export const ADD_COLLECTION = 'INSERT INTO collections(scope, name, last_sequence) VALUES (?1, ?2, 0) RETURNING key';
export const DELETE_COLLECTION = 'DELETE FROM collections WHERE key = ?1';

const LIVE = `(flags & ${FLAG_DELETED}) = 0`;

function statementsOf(key: number, each: string): CollectionStatements {
  const table = `docs_${key}`;
  const feeds: string[] = [];
  return {
    documents: `SELECT j.key AS position, ${DOCUMENT_RESULT} FROM json_each(?1) AS j JOIN ${table} AS d ON d.id = j.value`,
    putDocuments: putDocuments(table, each),
    purgeDocuments: `DELETE FROM ${table} WHERE id IN (SELECT value FROM json_each(?1))`,
    keepLastSequence: `UPDATE collections SET last_sequence = max(last_sequence,
      (SELECT ifnull(max(sequence), 0) FROM ${table})) WHERE key = ${key}`,
    setRemoteRevisions: setRemoteRevisions(table, each),
    // Both counts walk an index, never the documents.
    count: `SELECT (SELECT count(*) FROM ${table}) - (SELECT count(*) FROM ${table} WHERE flags & ${FLAG_DELETED}) AS count`,
    ids: `SELECT id FROM ${table} WHERE id > ?1 AND ${LIVE} ORDER BY id LIMIT ?2`,
    nextExpiry: `SELECT min(expires_at) AS expiry FROM ${table} WHERE expires_at IS NOT NULL`,
    expired: `SELECT id FROM ${table} WHERE expires_at IS NOT NULL AND expires_at <= ?1 ORDER BY expires_at LIMIT ?2`,
    lastSequence: `SELECT ifnull(max(sequence), 0) AS sequence FROM ${table}`,
    feed(filter) {
      const index = (filter.activeOnly ? 1 : 0) + (filter.conflictedOnly ? 2 : 0) + (filter.bounded ? 4 : 0);
      return (feeds[index] ??= feed(table, filter));
    },
  };
}

/**
 * A document that exists moves to its new sequence. A sequence that another document has, or that is lower than its own,
 * is refused: so the highest of the table never falls but by a purge, and needs no bookkeeping of its own.
 */
function putDocuments(table: string, each: string): string {
  const values = DOCUMENT_COLUMNS.split(', ').map((_, index) => `value ->> ${index}`);
  const changes = DOCUMENT_COLUMNS.split(', ')
    .filter((column) => column !== 'id' && column !== 'sequence')
    .map((column) => `${column} = excluded.${column}`);
  return `INSERT INTO ${table}(${DOCUMENT_COLUMNS}) SELECT ${values.join(', ')} FROM ${each}(?1) WHERE true
    ON CONFLICT(id) DO UPDATE SET
    sequence = CASE WHEN excluded.sequence >= ${table}.sequence THEN excluded.sequence END, ${changes.join(', ')}`;
}

/**
 * Noted is the current revision, or one of a lower generation unless a later one is noted already: it was the document's
 * once, so what is here now supersedes it, even if its ID was pruned from the history. While a conflict waits only the
 * current one counts: then what the remote has may be on the other branch.
 */
function setRemoteRevisions(table: string, each: string): string {
  const known = `json_extract(d.remotes, '$."' || ?1 || '"')`;
  const generation = (revision: string): string => `CAST(${revision} AS INTEGER)`; // the digits that it begins with
  return `UPDATE ${table} AS d SET remotes = json_set(ifnull(d.remotes, '{}'), '$."' || ?1 || '"', j.revision)
    FROM (SELECT value ->> 0 AS id, value ->> 1 AS revision FROM ${each}(?2)) AS j
    WHERE d.id = j.id AND (j.revision = d.revision OR (d.conflicts IS NULL
      AND ${generation('j.revision')} < ${generation('d.revision')}
      AND (${known} IS NULL OR ${generation(known)} < ${generation('j.revision')})))`;
}

/**
 * With a bound, the sizes are summed up first, from the headers of the rows alone, so that a page of large documents never
 * comes into memory to be thrown away. The rows then come in any order: sorting them here would copy the bodies.
 */
function feed(table: string, { activeOnly, conflictedOnly, bounded }: FeedFilter): string {
  const conditions = ['d.sequence > ?1'];
  if (activeOnly) conditions.push(LIVE);
  if (conflictedOnly) conditions.push('d.conflicts IS NOT NULL');
  const source = `FROM ${table} AS d WHERE ${conditions.join(' AND ')} ORDER BY d.sequence LIMIT ?2`;
  if (!bounded) return `SELECT ${DOCUMENT_RESULT} ${source}`;
  return `SELECT ${DOCUMENT_RESULT} FROM (
      SELECT position, size, sum(size) OVER (ORDER BY position ROWS UNBOUNDED PRECEDING) AS total
      FROM (SELECT d.sequence AS position, octet_length(d.body)
        + ifnull(octet_length(d.conflicts), 0) + ifnull(octet_length(d.bases), 0) AS size ${source})
    ) AS page CROSS JOIN ${table} AS d ON d.sequence = page.position WHERE page.total <= ?3 OR page.total = page.size`;
}
