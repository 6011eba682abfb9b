/** What the function of `inBatch` works with: everything done through it becomes visible together, or not at all. */
import { checkOptions } from '../base/index.js';
import type { Database } from './database.js';
import { DocumentAccess, type DeleteOptions, type SaveOptions } from './document-access.js';
import type { Document, DocumentBody } from './document.js';
import type { EngineBatch } from './engine-batch.js';
import type { DatabaseEngine } from './engine.js';
import { checkCollection, DEFAULT_NAME } from './names.js';

export class Batch {
  readonly #database: Database;
  readonly #engine: DatabaseEngine;
  readonly #batch: EngineBatch;

  /** @internal */
  constructor(database: Database, engine: DatabaseEngine, batch: EngineBatch) {
    this.#database = database;
    this.#engine = engine;
    this.#batch = batch;
  }

  /** The collection as this batch sees it. */
  collection<T extends DocumentBody = Record<string, unknown>>(
    name: string = DEFAULT_NAME,
    options: { readonly scope?: string } = {},
  ): BatchCollection<T> {
    checkOptions('collection', options, ['scope']);
    const known = checkCollection(options.scope ?? DEFAULT_NAME, name);
    const state = this.#engine.collectionState(known.scope, known.name);
    const access = new DocumentAccess(this.#engine, state, {
      check: () => this.#batch.check(),
      edit: (ids, work, length) => this.#batch.edit(state, ids, work, length),
      read: (ids) => this.#batch.edit(state, ids, (edits) => ids.map((id) => edits.get(id))),
    });
    return new BatchCollection<T>(access);
  }

  /** Joins this batch: there is one commit, at the end of the outermost. */
  inBatch<R>(work: (batch: Batch) => Promise<R>): Promise<R> {
    return this.#batch.join(async () => work(this));
  }

  get database(): Database {
    return this.#database;
  }
}

/** The document operations of a collection, inside a batch. */
export class BatchCollection<T extends DocumentBody> {
  readonly #access: DocumentAccess;

  /** @internal */
  constructor(access: DocumentAccess) {
    this.#access = access;
  }

  /** As `Collection.save`. */
  save(id: string, body: T, options?: SaveOptions<T>): Promise<Document<T>> {
    return this.#access.save(id, body, options);
  }

  /** As `Collection.get`; sees what the batch has written. */
  get(id: string): Promise<Document<T> | undefined> {
    return this.#access.get<T>(id);
  }

  /** As `Collection.getMany`; sees what the batch has written. */
  getMany(ids: readonly string[]): Promise<(Document<T> | undefined)[]> {
    return this.#access.getMany<T>(ids);
  }

  /** As `Collection.delete`. */
  delete(id: string, options?: DeleteOptions): Promise<void> {
    return this.#access.delete(id, options);
  }

  /** As `Collection.purge`. */
  purge(id: string): Promise<void> {
    return this.#access.purge(id);
  }

  /** As `Collection.setDocumentExpiration`; counts from the end of the batch. */
  setDocumentExpiration(id: string, expiration: Date | null): Promise<void> {
    return this.#access.setExpiration(id, expiration);
  }

  /** As `Collection.getDocumentExpiration`; sees what the batch has written. */
  getDocumentExpiration(id: string): Promise<Date | undefined> {
    return this.#access.getExpiration(id);
  }
}
