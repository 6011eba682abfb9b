/** How an application settles a conflict (features of Couchbase Lite: `ConflictResolver`). */
import type { Document, DocumentBody } from './document.js';

/** Two versions of one document that were edited apart. */
export interface Conflict<T extends DocumentBody = DocumentBody> {
  readonly documentID: string;
  /** The version of this database; undefined where it was deleted here. */
  readonly localDocument: Document<T> | undefined;
  /** The version of the remote; undefined where it was deleted there. */
  readonly remoteDocument: Document<T> | undefined;
}

/**
 * Decides a conflict: one of the two documents, a merged body, or null for a deletion. It may take its time and use the
 * database; if the document is changed here meanwhile, it is called again with what it is then. If it fails, the conflict
 * stays, and is taken up again when a replicator starts.
 */
export type ConflictResolver<T extends DocumentBody = DocumentBody> = (
  conflict: Conflict<T>,
) => Document<T> | T | null | Promise<Document<T> | T | null>;
