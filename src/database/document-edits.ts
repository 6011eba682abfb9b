/**
 * The documents that one group of writes reads and changes, in memory between one batched read and one batched write.
 * It gives out sequences, and can undo what a refused writer had begun. It does no I/O.
 */
import type { StoredDocument } from '../storage/index.js';
import { basesBeside } from './bases.js';
import type { CollectionState } from './collection-state.js';

/** A document without what is given here: its sequence, and the bodies that are kept of its former revisions. */
export type DocumentContent = Omit<StoredDocument, 'sequence' | 'bases'>;

/** What one writer sees of a collection and may do to it. */
export interface CollectionEdits {
  get(id: string): StoredDocument | undefined;
  /** A new revision: the document moves to the end of the feed. */
  put(content: DocumentContent): StoredDocument;
  /** The same revision with other bookkeeping: keeps its place in the feed. */
  rewrite(document: StoredDocument): void;
  purge(id: string): void;
}

interface Change {
  readonly id: string;
  readonly before: StoredDocument | undefined;
  readonly touch: Touch | undefined;
}

/** A `rewritten` document has other bookkeeping and nothing that a reader could see. */
type Touch = 'changed' | 'rewritten';

export class DocumentEdits implements CollectionEdits {
  readonly #documents = new Map<string, StoredDocument | undefined>();
  readonly #touched = new Map<string, Touch>();
  readonly #collection: CollectionState;
  #lastSequence: number;
  #length = 0;
  #undo: { readonly lastSequence: number; readonly changes: Change[] } | undefined;

  constructor(collection: CollectionState) {
    this.#collection = collection;
    this.#lastSequence = collection.lastSequence;
  }

  get lastSequence(): number {
    return this.#lastSequence;
  }

  knows(id: string): boolean {
    return this.#documents.has(id);
  }

  load(id: string, document: StoredDocument | undefined): void {
    this.#documents.set(id, document);
    this.#length += lengthOf(document);
  }

  /** Documents in memory, read or changed. */
  get size(): number {
    return this.#documents.size;
  }

  /** Characters of the bodies that were read or written, kept and conflicting ones included, at least of those in memory. */
  get length(): number {
    return this.#length;
  }

  get(id: string): StoredDocument | undefined {
    if (!this.#documents.has(id)) throw new Error(`document ${id} was not loaded for this write`);
    return this.#documents.get(id);
  }

  put(content: DocumentContent): StoredDocument {
    const { id, revisionID, deleted, body, hasBlobs, history, conflicts, remotes, expiresAt } = content;
    const bases = basesBeside(content, this.get(id), this.#collection.bodyKeepers > 0);
    const sequence = ++this.#lastSequence;
    // Named one by one: V8 makes a slower object with more memory of a spread that is added to.
    const document: StoredDocument = {
      id,
      sequence,
      revisionID,
      deleted,
      body,
      hasBlobs,
      history,
      conflicts,
      remotes,
      bases,
      expiresAt,
    };
    this.#set(id, document, 'changed');
    return document;
  }

  rewrite(document: StoredDocument): void {
    this.#set(document.id, document, 'rewritten');
  }

  purge(id: string): void {
    this.#set(id, undefined, 'changed');
  }

  /** Runs one writer's changes; if it throws, the changes are taken back and the error goes on. */
  attempt<T>(work: (edits: CollectionEdits) => T): T {
    const undo = { lastSequence: this.#lastSequence, changes: [] as Change[] };
    this.#undo = undo;
    try {
      return work(this);
    } catch (error) {
      for (const change of undo.changes.reverse()) {
        this.#documents.set(change.id, change.before);
        if (change.touch === undefined) this.#touched.delete(change.id);
        else this.#touched.set(change.id, change.touch);
      }
      this.#lastSequence = undo.lastSequence;
      throw error;
    } finally {
      this.#undo = undefined;
    }
  }

  /** What must reach the disk. */
  writes(): { puts: StoredDocument[]; purges: string[]; changedIDs: string[] } {
    const puts: StoredDocument[] = [];
    const purges: string[] = [];
    const changedIDs: string[] = [];
    for (const [id, touch] of this.#touched) {
      if (touch === 'changed') changedIDs.push(id);
      const document = this.#documents.get(id);
      if (document === undefined) purges.push(id);
      else puts.push(document);
    }
    return { puts, purges, changedIDs };
  }

  /** Forgets everything once it is written, for a batch that goes on in bounded memory. */
  settle(): void {
    this.#touched.clear();
    this.#documents.clear();
    this.#length = 0;
  }

  #set(id: string, document: StoredDocument | undefined, touch: Touch): void {
    const before = this.#touched.get(id);
    this.#undo?.changes.push({ id, before: this.#documents.get(id), touch: before });
    this.#documents.set(id, document);
    this.#length += lengthOf(document);
    this.#touched.set(id, before === 'changed' ? before : touch);
  }
}

function lengthOf(document: StoredDocument | undefined): number {
  if (document === undefined) return 0;
  return document.body.length + (document.conflicts?.length ?? 0) + (document.bases?.length ?? 0);
}
