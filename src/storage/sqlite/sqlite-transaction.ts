/**
 * One transaction on the writing connection, which it has to itself until it ends. Calls run one after the other in the
 * order they were made, awaited or not.
 *
 * A call to the driver costs more than most statements, so this spares what it can: reading before the first write needs
 * no BEGIN, for nobody else writes; and a write is held back until the next call, so that a transaction of one statement
 * is that statement alone, which SQLite commits by itself.
 *
 * Invariant: after a statement has failed nothing more is carried out, and the transaction can only roll back. (SQLite rolls
 * back by itself when the disk is full: what came later would be committed statement by statement.)
 */
import { HawserError } from '../../errors.js';
import type { CollectionRecord, DocumentWrite, StorageTransaction, StoredDocument } from '../storage.js';
import type { Connection } from './connection.js';
import { encodeDocuments } from './document-rows.js';
import type { Row, SqlValue } from './driver.js';
import { firstOf, numberOf } from './row-values.js';
import { createCollectionTable } from './schema.js';
import { type Query, SqliteReader } from './sqlite-reader.js';
import {
  ADD_COLLECTION,
  DELETE_COLLECTION,
  DELETE_RECORD,
  DELETE_RECORDS,
  PUT_RECORD,
  TRIM_RECORDS,
  type Statements,
} from './statements.js';

export class SqliteTransaction extends SqliteReader implements StorageTransaction {
  readonly #writer: Connection;
  /** Keys of the collections that exist for this transaction. */
  readonly #keys: Set<number>;
  /** The call before the next one; never rejects. */
  #last: Promise<unknown> = Promise.resolve();
  #held: { readonly sql: string; readonly parameters: readonly SqlValue[] } | undefined;
  #begun = false;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(writer: Connection, statements: Statements, keys: ReadonlySet<number>) {
    super(statements);
    this.#writer = writer;
    this.#keys = new Set(keys);
  }

  async createCollection(scope: string, name: string): Promise<CollectionRecord> {
    const known = (await this.collections()).find((record) => record.scope === scope && record.name === name);
    if (known !== undefined) return known;
    return this.#inTurn(async () => {
      await this.#flush();
      await this.#begin();
      const key = numberOf(firstOf(await this.#writer.all(ADD_COLLECTION, [scope, name])), 'key');
      await this.#writer.exec(createCollectionTable(key));
      this.#keys.add(key);
      return { key, scope, name, lastSequence: 0 };
    });
  }

  async deleteCollection(key: number): Promise<void> {
    this.statementsOf(key);
    this.#keys.delete(key);
    await this.#inTurn(async () => {
      await this.#flush();
      await this.#begin();
      await this.#writer.exec(`DROP TABLE docs_${key}`);
      await this.#writer.run(DELETE_COLLECTION, [key]);
    });
  }

  async putDocuments(writes: readonly DocumentWrite[]): Promise<void> {
    const byCollection = new Map<number, StoredDocument[]>();
    for (const { collection, document } of writes) {
      const documents = byCollection.get(collection);
      if (documents === undefined) byCollection.set(collection, [document]);
      else documents.push(document);
    }
    const calls = [...byCollection].flatMap(([collection, documents]) => {
      const sql = this.statementsOf(collection).putDocuments;
      return encodeDocuments(documents).map((chunk) => ({ sql, parameters: [chunk] }));
    });
    await this.#write(calls);
  }

  async purgeDocuments(collection: number, ids: readonly string[]): Promise<void> {
    const { keepLastSequence, purgeDocuments } = this.statementsOf(collection);
    if (ids.length === 0) return;
    await this.#write([
      { sql: keepLastSequence, parameters: [] },
      { sql: purgeDocuments, parameters: [JSON.stringify(ids)] },
    ]);
  }

  async setRemoteRevisions(
    collection: number,
    remote: number,
    revisions: readonly { readonly id: string; readonly revisionID: string }[],
  ): Promise<void> {
    const sql = this.statementsOf(collection).setRemoteRevisions;
    if (revisions.length === 0) return;
    const pairs = JSON.stringify(revisions.map(({ id, revisionID }) => [id, revisionID]));
    await this.#write([{ sql, parameters: [String(remote), pairs] }]);
  }

  async putRecord(kind: string, key: string, value: string | undefined): Promise<void> {
    if (value === undefined) await this.#write([{ sql: DELETE_RECORD, parameters: [kind, key] }]);
    else await this.#write([{ sql: PUT_RECORD, parameters: [kind, key, value] }]);
  }

  async deleteRecords(kind: string, prefix: string): Promise<void> {
    await this.#write([{ sql: DELETE_RECORDS, parameters: [kind, prefix] }]);
  }

  async trimRecords(kind: string, maxCount: number, maxBytes: number): Promise<void> {
    await this.#write([{ sql: TRIM_RECORDS, parameters: [kind, maxCount, maxBytes] }]);
  }

  /** Ends it, after every call made so far, with what was written kept. Resolves to the keys that exist then. */
  async commit(): Promise<ReadonlySet<number>> {
    await this.#inTurn(async () => {
      this.#ended = true;
      if (this.#begun) {
        await this.#flush();
        await this.#writer.run('COMMIT');
      } else if (this.#held !== undefined) {
        await this.#writer.run(this.#held.sql, this.#held.parameters);
      }
    });
    return this.#keys;
  }

  /** Ends it, after every call made so far, with nothing kept. */
  rollback(): Promise<void> {
    return this.#last.then(async () => {
      this.#ended = true;
      this.#held = undefined;
      if (this.#begun) await this.#writer.rollback();
    });
  }

  protected override query(sql: string, parameters: readonly SqlValue[]): Promise<readonly Row[]> {
    return this.#inTurn(() => this.#read(sql, parameters));
  }

  protected override snapshot<T>(work: (query: Query) => Promise<T>): Promise<T> {
    return this.#inTurn(() => work((sql, parameters = []) => this.#read(sql, parameters)));
  }

  protected override exists(collection: number): boolean {
    this.#checkUsable();
    return this.#keys.has(collection);
  }

  async #read(sql: string, parameters: readonly SqlValue[]): Promise<readonly Row[]> {
    await this.#flush();
    return this.#writer.all(sql, parameters);
  }

  async #write(calls: readonly { readonly sql: string; readonly parameters: readonly SqlValue[] }[]): Promise<void> {
    await this.#inTurn(async () => {
      for (const call of calls) {
        await this.#flush();
        this.#held = call;
      }
    });
  }

  /** Carries out the write that is held back. */
  async #flush(): Promise<void> {
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    await this.#begin();
    await this.#writer.run(held.sql, held.parameters);
  }

  async #begin(): Promise<void> {
    if (this.#begun) return;
    await this.#writer.run('BEGIN IMMEDIATE');
    this.#begun = true;
  }

  /** Runs `call` after the calls before it, unless one of them failed. */
  #inTurn<T>(call: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(async () => {
      if (this.#failure !== undefined) throw this.#failure.error;
      this.#checkUsable();
      try {
        return await call();
      } catch (error) {
        this.#failure = { error };
        throw error;
      }
    });
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  #checkUsable(): void {
    if (this.#ended) throw new HawserError('ARGUMENT_INVALID', 'this transaction has ended', { hint: ENDED_HINT });
  }
}

const ENDED_HINT = 'Use a transaction only inside the function it was given to, and await what is done with it there.';
