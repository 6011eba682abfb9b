/**
 * The reading half of the contract, the same inside a transaction and outside; only where the statements run differs.
 */
import { HawserError } from '../../errors.js';
import type { CollectionRecord, FeedQuery, StorageReader, StoredDocument } from '../storage.js';
import { decodeDocument } from './document-rows.js';
import type { Row, SqlValue } from './driver.js';
import { firstOf, numberOf, numberOrNullOf, textOf } from './row-values.js';
import { COLLECTIONS, RECORD, type CollectionStatements, type Statements } from './statements.js';

/** Runs one statement and resolves to its rows. */
export type Query = (sql: string, parameters?: readonly SqlValue[]) => Promise<readonly Row[]>;

export abstract class SqliteReader implements StorageReader {
  readonly #statements: Statements;

  protected constructor(statements: Statements) {
    this.#statements = statements;
  }

  /** Runs one statement where this reader reads. */
  protected abstract query(sql: string, parameters: readonly SqlValue[]): Promise<readonly Row[]>;
  /** Runs several statements on one state of the database. */
  protected abstract snapshot<T>(work: (query: Query) => Promise<T>): Promise<T>;
  /** Whether the collection exists for this reader. */
  protected abstract exists(collection: number): boolean;

  collections(): Promise<CollectionRecord[]> {
    return this.snapshot(async (query) => {
      const records: CollectionRecord[] = [];
      for (const row of await query(COLLECTIONS)) {
        const key = numberOf(row, 'key');
        const highest = firstOf(await query(this.#statements.for(key).lastSequence));
        const lastSequence = Math.max(numberOf(row, 'lastSequence'), numberOf(highest, 'sequence'));
        records.push({ key, scope: textOf(row, 'scope'), name: textOf(row, 'name'), lastSequence });
      }
      return records;
    });
  }

  async documents(collection: number, ids: readonly string[]): Promise<(StoredDocument | undefined)[]> {
    const sql = this.statementsOf(collection).documents;
    const found = new Array<StoredDocument | undefined>(ids.length).fill(undefined);
    if (ids.length === 0) return found;
    for (const row of await this.#read(collection, sql, [JSON.stringify(ids)])) {
      found[numberOf(row, 'position')] = decodeDocument(row);
    }
    return found;
  }

  async feed(query: FeedQuery): Promise<StoredDocument[]> {
    const { collection, since, limit, maxBytes, activeOnly = false, conflictedOnly = false } = query;
    const statements = this.statementsOf(collection);
    if (limit <= 0) return [];
    const sql = statements.feed({ activeOnly, conflictedOnly, bounded: maxBytes !== undefined });
    const parameters = maxBytes === undefined ? [since, limit] : [since, limit, maxBytes];
    const documents = (await this.#read(collection, sql, parameters)).map(decodeDocument);
    return maxBytes === undefined ? documents : documents.sort((a, b) => a.sequence - b.sequence);
  }

  async count(collection: number): Promise<number> {
    return numberOf(firstOf(await this.#read(collection, this.statementsOf(collection).count, [])), 'count');
  }

  async ids(collection: number, after: string, limit: number): Promise<string[]> {
    const rows = await this.#read(collection, this.statementsOf(collection).ids, [after, Math.max(limit, 0)]);
    return rows.map((row) => textOf(row, 'id'));
  }

  async nextExpiry(collection: number): Promise<number | null> {
    return numberOrNullOf(
      firstOf(await this.#read(collection, this.statementsOf(collection).nextExpiry, [])),
      'expiry',
    );
  }

  async expired(collection: number, now: number, limit: number): Promise<string[]> {
    const rows = await this.#read(collection, this.statementsOf(collection).expired, [now, Math.max(limit, 0)]);
    return rows.map((row) => textOf(row, 'id'));
  }

  async record(kind: string, key: string): Promise<string | undefined> {
    const [row] = await this.query(RECORD, [kind, key]);
    return row === undefined ? undefined : textOf(row, 'value');
  }

  /** Throws `COLLECTION_DELETED` for a collection that does not exist. */
  protected statementsOf(collection: number): CollectionStatements {
    if (!this.exists(collection)) throw noSuchCollection(collection);
    return this.#statements.for(collection);
  }

  async #read(collection: number, sql: string, parameters: readonly SqlValue[]): Promise<readonly Row[]> {
    try {
      return await this.query(sql, parameters);
    } catch (error) {
      // Deleted between the check and the statement.
      throw this.exists(collection) ? error : noSuchCollection(collection);
    }
  }
}

function noSuchCollection(collection: number): HawserError {
  return new HawserError('COLLECTION_DELETED', `there is no collection with key ${collection}`);
}
