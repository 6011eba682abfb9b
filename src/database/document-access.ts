/** The operations on documents, the same inside a batch and outside: only where they read and write differs. */
import { checkOptions } from '../base/index.js';
import { HawserError } from '../errors.js';
import type { StoredDocument } from '../storage/index.js';
import type { BlobLease } from './blob-leases.js';
import { prepareBody } from './body.js';
import type { CollectionState } from './collection-state.js';
import type { CollectionEdits } from './document-edits.js';
import { Document, type DocumentBody } from './document.js';
import type { DatabaseEngine } from './engine.js';
import { checkExpiration, isDue } from './expiration.js';
import { checkDocumentID, fullName, shown } from './names.js';
import { childOf, TOMBSTONE, type NewBody } from './revisions.js';

export interface SaveOptions<T extends DocumentBody> {
  /** Save only on top of this revision; `null`: only if there is no live document. @default last write wins */
  readonly ifRevision?: string | null;
  /**
   * Called instead of rejecting with `DOCUMENT_CONFLICT`; `current` is undefined if the document is gone. Returns the
   * body to save instead, or undefined to give up. Called again if the document changes once more meanwhile.
   */
  readonly onConflict?: (conflict: SaveConflict<T>) => T | undefined | Promise<T | undefined>;
}

export interface SaveConflict<T extends DocumentBody> {
  readonly id: string;
  readonly body: T;
  readonly current: Document<T> | undefined;
}

export interface DeleteOptions {
  /** Delete only this revision. @default whichever is current */
  readonly ifRevision?: string;
}

/** Where documents are read and written: the database, or a batch. */
export interface ReadThrough {
  /** Throws if nothing can be written any more. Asked before anything is done, then work goes on to its end. */
  check(): void;
  read(ids: readonly string[]): Promise<(StoredDocument | undefined)[]>;
  /** @param length characters of the bodies that wait with it */
  edit<R>(ids: readonly string[], work: (edits: CollectionEdits) => R, length?: number): Promise<R>;
}

export class DocumentAccess {
  readonly #engine: DatabaseEngine;
  readonly #state: CollectionState;
  readonly #through: ReadThrough;

  constructor(engine: DatabaseEngine, state: CollectionState, through: ReadThrough) {
    this.#engine = engine;
    this.#state = state;
    this.#through = through;
  }

  async save<T extends DocumentBody>(id: string, body: T, options: SaveOptions<T> = {}): Promise<Document<T>> {
    checkDocumentID(id);
    checkOptions('save', options, ['ifRevision', 'onConflict']);
    const { onConflict } = options;
    if (options.ifRevision !== null) checkRevision('save', options.ifRevision);
    if (onConflict !== undefined && typeof onConflict !== 'function') {
      throw new HawserError('ARGUMENT_INVALID', 'save: onConflict must be a function');
    }
    let wanted = body;
    // Without `ifRevision` a merge handler compares with what is there now.
    let expected = options.ifRevision;
    if (onConflict !== undefined && expected === undefined) expected = null;
    for (;;) {
      this.#through.check();
      const prepared = prepareBody(wanted, this.#engine.blobLeases);
      // Without blobs to store there is no waiting here: writes reach the queue in the order they were asked for.
      const attempt = (ready: NewBody): Promise<SaveResult<T>> => this.#trySave<T>(id, ready, expected);
      const result = await (typeof prepared === 'function'
        ? this.#engine.preparing(this.#whileKept(prepared, attempt))
        : attempt(prepared));
      if (result.saved !== undefined) return result.saved;
      const current = result.current;
      if (onConflict === undefined) throw this.#conflict(id, expected, current);
      const merged = await onConflict({ id, body: wanted, current: live<T>(current, this.#state) });
      if (merged === undefined) throw this.#conflict(id, expected, current);
      wanted = merged;
      expected = current === undefined || current.deleted ? null : current.revisionID;
    }
  }

  async get<T extends DocumentBody>(id: string): Promise<Document<T> | undefined> {
    checkDocumentID(id);
    const [document] = await this.#through.read([id]);
    return live<T>(document, this.#state);
  }

  async getMany<T extends DocumentBody>(ids: readonly string[]): Promise<(Document<T> | undefined)[]> {
    if (!Array.isArray(ids)) throw new HawserError('ARGUMENT_INVALID', 'getMany needs an array of document IDs');
    for (const id of ids) checkDocumentID(id);
    return (await this.#through.read(ids as readonly string[])).map((document) => live<T>(document, this.#state));
  }

  async delete(id: string, options: DeleteOptions = {}): Promise<void> {
    checkDocumentID(id);
    checkOptions('delete', options, ['ifRevision']);
    checkRevision('delete', options.ifRevision);
    this.#through.check();
    await this.#through.edit([id], (edits) => {
      const current = edits.get(id);
      if (current === undefined || current.deleted) throw this.#notFound(id);
      if (options.ifRevision !== undefined && options.ifRevision !== current.revisionID) {
        throw this.#conflict(id, options.ifRevision, current);
      }
      edits.put(childOf(current, id, TOMBSTONE));
    });
  }

  async purge(id: string): Promise<void> {
    checkDocumentID(id);
    this.#through.check();
    await this.#through.edit([id], (edits) => {
      if (edits.get(id) === undefined) throw this.#notFound(id);
      edits.purge(id);
    });
  }

  async setExpiration(id: string, expiration: Date | null): Promise<void> {
    checkDocumentID(id);
    const expiresAt = checkExpiration(expiration);
    this.#through.check();
    const isLater = await this.#through.edit([id], (edits) => {
      const current = edits.get(id);
      if (current === undefined) throw this.#notFound(id);
      const now = this.#engine.clock.now();
      const next = { ...current, expiresAt };
      const isPast = isDue(next, now);
      if (isPast) edits.purge(id);
      // Pushers pass over what is due: one that is not any more comes by again at the end of the feed.
      else if (isDue(current, now)) edits.put(next);
      else edits.rewrite(next);
      return !isPast;
    });
    if (isLater && expiresAt !== null) this.#engine.expiration.consider(expiresAt);
  }

  async getExpiration(id: string): Promise<Date | undefined> {
    checkDocumentID(id);
    const [document] = await this.#through.read([id]);
    const expiresAt = document?.expiresAt ?? null;
    return expiresAt === null ? undefined : new Date(expiresAt);
  }

  /** Stores blobs, and keeps them until the document that refers to them is written, or is not. */
  async #whileKept<R>(
    store: (lease: BlobLease) => Promise<NewBody>,
    attempt: (body: NewBody) => Promise<R>,
  ): Promise<R> {
    const lease = this.#engine.blobLeases.lease();
    try {
      return await attempt(await store(lease));
    } finally {
      lease.release();
    }
  }

  async #trySave<T extends DocumentBody>(
    id: string,
    body: NewBody,
    expected: string | null | undefined,
  ): Promise<SaveResult<T>> {
    if (body.hasBlobs) this.#engine.blobLeases.refer(body.text);
    const work = (edits: CollectionEdits): SaveResult<T> => {
      const current = edits.get(id);
      if (expected !== undefined) {
        const found = current === undefined || current.deleted ? null : current.revisionID;
        if (found !== expected) return { current };
      }
      return { saved: new Document<T>(edits.put(childOf(current, id, body)), this.#state) };
    };
    return this.#through.edit([id], work, body.text.length);
  }

  #conflict(id: string, expected: string | null | undefined, current: StoredDocument | undefined): HawserError {
    const found = current === undefined ? 'absent' : current.deleted ? 'deleted' : `at revision ${current.revisionID}`;
    const wanted = expected === null || expected === undefined ? 'absent' : `at revision ${expected}`;
    return new HawserError('DOCUMENT_CONFLICT', `document "${id}" of ${this.#where()} is ${found}, not ${wanted}`);
  }

  #notFound(id: string): HawserError {
    return new HawserError('DOCUMENT_NOT_FOUND', `there is no document "${id}" in ${this.#where()}`);
  }

  #where(): string {
    return fullName(this.#state.scope, this.#state.name);
  }
}

type SaveResult<T extends DocumentBody> =
  { readonly saved: Document<T> } | { readonly saved?: undefined; readonly current: StoredDocument | undefined };

function checkRevision(where: string, ifRevision: unknown): void {
  if (ifRevision === undefined || (typeof ifRevision === 'string' && ifRevision !== '')) return;
  throw new HawserError(
    'ARGUMENT_INVALID',
    `${where}: ifRevision must be the ID of a revision, not ${shown(ifRevision)}`,
  );
}

function live<T extends DocumentBody>(stored: StoredDocument | undefined, home: object): Document<T> | undefined {
  return stored === undefined || stored.deleted ? undefined : new Document<T>(stored, home);
}
