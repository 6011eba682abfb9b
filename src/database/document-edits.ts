/**
 * The documents that one group of writes reads and changes, in memory between one batched read and one batched write.
 * It gives out sequences, and can undo what a refused writer had begun. It does no I/O.
 */
import type { StoredDocument } from '../storage/index.js';
import type { CollectionState } from './collection-state.js';

/** A document without its sequence, which is given here. */
export type DocumentContent = Omit<StoredDocument, 'sequence'>;

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
  #lastSequence: number;
  #length = 0;
  #undo: { readonly lastSequence: number; readonly changes: Change[] } | undefined;

  constructor(collection: CollectionState) {
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
    this.#length += document?.body.length ?? 0;
  }

  /** Documents in memory, read or changed. */
  get size(): number {
    return this.#documents.size;
  }

  /** Characters of the bodies that were read or written, at least of those in memory. */
  get length(): number {
    return this.#length;
  }

  get(id: string): StoredDocument | undefined {
    if (!this.#documents.has(id)) throw new Error(`document ${id} was not loaded for this write`);
    return this.#documents.get(id);
  }

  put(content: DocumentContent): StoredDocument {
    const document: StoredDocument = { ...content, sequence: this.#lastSequence + 1 };
    this.#set(content.id, document, 'changed');
    this.#lastSequence = document.sequence;
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
    this.#length += document?.body.length ?? 0;
    this.#touched.set(id, before === 'changed' ? before : touch);
  }
}
