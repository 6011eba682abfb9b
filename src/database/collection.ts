/**
 * A collection of documents: what applications work with. A handle is cheap, holds nothing open, and may exist before
 * its collection does: the first write makes it.
 */
import { checkOptions, type Unsubscribe } from '../base/index.js';
import { HawserError } from '../errors.js';
import { changeFeed, checkSignal, throwIfAborted, type ChangesOptions, type DocumentChange } from './change-feed.js';
import type { CollectionState } from './collection-state.js';
import type { Database } from './database.js';
import { DocumentAccess, type DeleteOptions, type ReadThrough, type SaveOptions } from './document-access.js';
import type { Document, DocumentBody } from './document.js';
import type { DatabaseEngine } from './engine.js';
import { checkDocumentID, fullName } from './names.js';

/** After a commit: which documents of the collection were saved, deleted, purged or expired, by whomever in this process. */
export interface CollectionChange<T extends DocumentBody = Record<string, unknown>> {
  readonly collection: Collection<T>;
  readonly documentIDs: readonly string[];
}

export class Collection<T extends DocumentBody = Record<string, unknown>> {
  readonly database: Database;
  readonly name: string;
  readonly scope: string;
  readonly #engine: DatabaseEngine;
  readonly #state: CollectionState;
  readonly #documents: DocumentAccess;

  /** @internal Collections come from a database. */
  constructor(database: Database, engine: DatabaseEngine, state: CollectionState) {
    this.database = database;
    this.name = state.name;
    this.scope = state.scope;
    this.#engine = engine;
    this.#state = state;
    this.#documents = new DocumentAccess(engine, state, {
      check: () => this.#check(),
      edit: (ids, work, length) => engine.edit(state, ids, work, length),
      read: (ids) => this.#read(ids),
    });
  }

  /** `scope.name`, or the name alone in the default scope. */
  get fullName(): string {
    return fullName(this.scope, this.name);
  }

  /**
   * Saves a document, new or changed, and resolves to it as committed.
   *
   * Without options the last writer wins. `{ ifRevision: document.revisionID }` saves only if that is still the current
   * revision (`null`: only if there is no live document), otherwise rejects with `DOCUMENT_CONFLICT`. With `onConflict`
   * the conflict goes to that function, which returns the merged body to save or `undefined` to give up.
   * Rejects with a `DOCUMENT_…` error that names what is wrong; nothing is written then.
   */
  save(id: string, body: T, options?: SaveOptions<T>): Promise<Document<T>> {
    return this.#documents.save(id, body, options);
  }

  /** The document, or undefined if there is none or it was deleted. */
  get(id: string): Promise<Document<T> | undefined> {
    return this.#documents.get<T>(id);
  }

  /** The documents in the order of `ids`, undefined for each that is not there. One read, however many. */
  getMany(ids: readonly string[]): Promise<(Document<T> | undefined)[]> {
    return this.#documents.getMany<T>(ids);
  }

  /**
   * Deletes a document: what remains is a tombstone that syncs to peers. Rejects with `DOCUMENT_NOT_FOUND` if there is no
   * live document, and with `DOCUMENT_CONFLICT` if `ifRevision` is not its current revision.
   */
  delete(id: string, options?: DeleteOptions): Promise<void> {
    return this.#documents.delete(id, options);
  }

  /** Removes a document here, without trace and without telling peers. Rejects with `DOCUMENT_NOT_FOUND`. */
  purge(id: string): Promise<void> {
    return this.#documents.purge(id);
  }

  /**
   * Lets a document be purged at that time, to the millisecond, by the device's clock; `null`: never. A time that has
   * passed purges it at once. It belongs to the document here: later revisions keep it, peers do not learn of it, and after
   * the purge nothing tells them. Until it is carried out the document is there as before. Tombstones can have one too.
   *
   * Due documents are purged while the database is open, those that became due while it was closed right after it is
   * opened. When the clock is set, that is noticed within an hour. Rejects with `DOCUMENT_NOT_FOUND`, and with
   * `ARGUMENT_INVALID` for what is no valid date.
   */
  setDocumentExpiration(id: string, expiration: Date | null): Promise<void> {
    return this.#documents.setExpiration(id, expiration);
  }

  /** When the document will be purged, tombstones included; undefined if never, or if there is no document. */
  getDocumentExpiration(id: string): Promise<Date | undefined> {
    return this.#documents.getExpiration(id);
  }

  /** How many documents there are, tombstones not counted. */
  async count(): Promise<number> {
    this.#check();
    return this.#state.key < 0 ? 0 : this.#engine.storage.count(this.#state.key);
  }

  /**
   * All documents by ID (order of their UTF-8 bytes), read in pages: documents saved meanwhile may or may not appear. Throws
   * `ABORTED` when `signal` fires.
   */
  documents(options: { readonly signal?: AbortSignal } = {}): AsyncGenerator<Document<T>, void, undefined> {
    checkOptions('documents', options, ['signal']);
    this.#check();
    return this.#walk(checkSignal('documents', options.signal));
  }

  /** Calls `listener` after each commit that changed the collection, until the returned function is called. */
  on(event: 'change', listener: (change: CollectionChange<T>) => void): Unsubscribe {
    if (event !== 'change') throw new HawserError('ARGUMENT_INVALID', `a collection has no event "${String(event)}"`);
    checkListener(listener);
    this.#check();
    const unsubscribe = this.#engine.events.on('committed', (change) => {
      if (change.collection === this.#state) listener({ collection: this, documentIDs: change.documentIDs });
    });
    return this.database.whileOpen(unsubscribe);
  }

  /** Calls `listener` after each commit that changed this document. */
  onDocumentChange(
    id: string,
    listener: (change: { readonly collection: Collection<T>; readonly documentID: string }) => void,
  ): Unsubscribe {
    checkDocumentID(id);
    checkListener(listener);
    return this.on('change', ({ documentIDs }) => {
      if (documentIDs.includes(id)) listener({ collection: this, documentID: id });
    });
  }

  /**
   * The feed of changes as a loop without end: first what changed after `since`, then each change as it is committed.
   * It reads from disk at the reader's own pace, so a slow reader costs no memory; of several changes to one document in
   * between it sees the last. Purges do not appear. Ends when the database closes or the collection is deleted, throws
   * `ABORTED` when `signal` fires.
   */
  changes(options: ChangesOptions = {}): AsyncGenerator<DocumentChange, void, undefined> {
    this.#check();
    return changeFeed(this.#engine, this.#state, options, () => this.database.isClosed);
  }

  async *#walk(signal: AbortSignal | undefined): AsyncGenerator<Document<T>, void, undefined> {
    let size = 1; // unknown yet how large they are
    for (let after = ''; ;) {
      this.#check();
      if (this.#state.key < 0) return;
      const ids = await this.#engine.storage.ids(this.#state.key, after, PAGE);
      for (let start = 0; start < ids.length;) {
        const page = await this.getMany(ids.slice(start, start + size));
        start += size;
        let length = 0;
        for (const document of page) {
          throwIfAborted(signal);
          if (document === undefined) continue;
          length += document.toJSONText().length;
          yield document;
        }
        size = Math.max(1, Math.min(PAGE, 2 * size, Math.floor((PAGE_LENGTH * page.length) / (length + 1))));
      }
      const last = ids.at(-1);
      if (last === undefined || ids.length < PAGE) return;
      after = last;
    }
  }

  async #read(ids: readonly string[]): ReturnType<ReadThrough['read']> {
    this.#check();
    if (this.#state.key < 0) return ids.map(() => undefined);
    return this.#engine.storage.documents(this.#state.key, ids);
  }

  #check(): void {
    if (this.database.isClosed) throw new HawserError('DATABASE_CLOSED', `database ${this.database.name} is closed`);
    if (this.#state.deleted) throw new HawserError('COLLECTION_DELETED', `collection ${this.fullName} was deleted`);
  }

  /** @internal What the replicator works with. */
  static internals(collection: Collection<never>): { engine: DatabaseEngine; state: CollectionState } {
    return { engine: collection.#engine, state: collection.#state };
  }
}

/** IDs read at once. */
const PAGE = 200;
/** Bodies read at once, in characters, if they are like those before: bounds the memory that a loop takes. */
const PAGE_LENGTH = 1024 * 1024;

function checkListener(listener: unknown): void {
  if (typeof listener !== 'function') throw new HawserError('ARGUMENT_INVALID', 'a listener must be a function');
}
