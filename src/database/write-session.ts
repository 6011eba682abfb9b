/** Carries out edits inside one storage transaction, for a group commit and for `inBatch` alike. */
import { HawserError } from '../errors.js';
import type { StorageTransaction } from '../storage/index.js';
import type { CollectionState } from './collection-state.js';
import { DocumentEdits } from './document-edits.js';
import type { EditJob, Outcome } from './edit-queue.js';

/** What a commit changed in one collection. */
export interface CommittedChange {
  readonly collection: CollectionState;
  readonly documentIDs: readonly string[];
}

export class WriteSession {
  readonly #transaction: StorageTransaction;
  readonly #edits = new Map<CollectionState, DocumentEdits>();
  /** Collections made in this transaction. */
  readonly #made = new Map<CollectionState, number>();
  readonly #changedIDs = new Map<CollectionState, Set<string>>();

  constructor(transaction: StorageTransaction) {
    this.#transaction = transaction;
  }

  /** Runs jobs in order. One that throws changes nothing and does not disturb the others. */
  async run(jobs: readonly EditJob[]): Promise<Outcome[]> {
    await this.#load(jobs);
    return jobs.map((job) => {
      try {
        if (job.collection.deleted) throw collectionDeleted(job.collection);
        return { value: this.#editsOf(job.collection).attempt(job.work) };
      } catch (error) {
        return { error };
      }
    });
  }

  /** Writes what has been edited so far, and forgets what has been read. */
  async flush(): Promise<void> {
    for (const [collection, edits] of this.#edits) {
      const { puts, purges, changedIDs } = edits.writes();
      if (puts.length > 0) {
        const key = await this.create(collection);
        await this.#transaction.putDocuments(puts.map((document) => ({ collection: key, document })));
      }
      const key = this.#keyOf(collection);
      if (purges.length > 0 && key !== undefined) await this.#transaction.purgeDocuments(key, purges);
      if (changedIDs.length > 0) {
        const all = this.#changedIDs.get(collection) ?? new Set();
        for (const id of changedIDs) all.add(id);
        this.#changedIDs.set(collection, all);
      }
      // Raised before the commit and never lowered: a gap in the sequences of a failed write harms nobody, a repeat would.
      collection.lastSequence = Math.max(collection.lastSequence, edits.lastSequence);
      edits.settle();
    }
  }

  /** What is held in memory until the next flush: documents, and characters of their bodies. */
  get held(): { readonly documents: number; readonly length: number } {
    let [documents, length] = [0, 0];
    for (const edits of this.#edits.values()) {
      documents += edits.size;
      length += edits.length;
    }
    return { documents, length };
  }

  /** Makes a collection, unless it exists. Resolves to its key. */
  async create(collection: CollectionState): Promise<number> {
    const known = this.#keyOf(collection);
    if (known !== undefined) return known;
    const { key } = await this.#transaction.createCollection(collection.scope, collection.name);
    this.#made.set(collection, key);
    return key;
  }

  /** To be called once the transaction has committed: makes new collections known and tells what changed. */
  committed(): CommittedChange[] {
    for (const [collection, key] of this.#made) collection.key = key;
    return [...this.#changedIDs].map(([collection, ids]) => ({ collection, documentIDs: [...ids] }));
  }

  /** Undefined while the collection does not exist: reading finds nothing in it then, and does not make it. */
  #keyOf(collection: CollectionState): number | undefined {
    return collection.key >= 0 ? collection.key : this.#made.get(collection);
  }

  #editsOf(collection: CollectionState): DocumentEdits {
    let edits = this.#edits.get(collection);
    if (edits === undefined) {
      edits = new DocumentEdits(collection);
      this.#edits.set(collection, edits);
    }
    return edits;
  }

  /** One read a collection for all the documents that the jobs need. */
  async #load(jobs: readonly EditJob[]): Promise<void> {
    const wanted = new Map<CollectionState, Set<string>>();
    for (const { collection, ids } of jobs) {
      if (collection.deleted) continue;
      const edits = this.#editsOf(collection);
      const set = wanted.get(collection) ?? new Set();
      wanted.set(collection, set);
      for (const id of ids) if (!edits.knows(id)) set.add(id);
    }
    for (const [collection, set] of wanted) {
      if (set.size === 0) continue;
      const ids = [...set];
      const edits = this.#editsOf(collection);
      const key = this.#keyOf(collection);
      const documents = key === undefined ? [] : await this.#transaction.documents(key, ids);
      ids.forEach((id, index) => edits.load(id, documents[index]));
    }
  }
}

export function collectionDeleted({ scope, name }: CollectionState): HawserError {
  return new HawserError('COLLECTION_DELETED', `collection ${scope}.${name} was deleted`);
}
