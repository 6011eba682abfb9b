/** What of a collection is replicated, and how its conflicts are settled (Couchbase Lite's `CollectionConfiguration`). */
import type { Collection, ConflictResolver, Document, DocumentBody } from '../database/index.js';

/** What is special about a revision that a filter sees or an event tells of. */
export interface DocumentFlags {
  /** It is a tombstone. */
  readonly deleted: boolean;
  /** The user lost access to it on the server. */
  readonly accessRemoved: boolean;
}

/**
 * Whether a revision is transferred. Called once for each; what it refuses counts as handled and is offered again only when
 * the document changes, or after a reset. If it fails, the document is reported with that error and the others go on.
 */
export type ReplicationFilter<T extends DocumentBody = DocumentBody> = (
  document: Document<T>,
  flags: DocumentFlags,
) => boolean | Promise<boolean>;

export interface CollectionConfiguration<T extends DocumentBody = DocumentBody> {
  readonly collection: Collection<T>;
  /** @default a deletion wins, then the higher generation, then the higher revision ID */
  readonly conflictResolver?: ConflictResolver<T>;
  /** Asked before a document is pushed. @default everything */
  readonly pushFilter?: ReplicationFilter<T>;
  /** Asked before a document that was pulled is stored. @default everything */
  readonly pullFilter?: ReplicationFilter<T>;
  /** Pull only what is in these channels of a Sync Gateway; other peers refuse it. @default all */
  readonly channels?: readonly string[];
  /** Replicate only these documents, in both directions. @default all */
  readonly documentIDs?: readonly string[];
}

/** A {@link CollectionConfiguration} as the parts of a session use it. */
export interface CollectionRules {
  readonly conflictResolver: ConflictResolver | undefined;
  readonly pushFilter: ReplicationFilter | undefined;
  readonly pullFilter: ReplicationFilter | undefined;
  readonly channels: readonly string[] | undefined;
  readonly documentIDs: ReadonlySet<string> | undefined;
}

/** Everything, and the default resolver: also what holds for a passive peer. */
export const NO_RULES: CollectionRules = {
  conflictResolver: undefined,
  pushFilter: undefined,
  pullFilter: undefined,
  channels: undefined,
  documentIDs: undefined,
};
