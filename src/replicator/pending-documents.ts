/**
 * Which documents have a revision that a remote has not got yet (Couchbase Lite's `pendingDocumentIDs`). Answered from the
 * database alone: before the first connection, while offline, and while a session is running.
 */
import { remoteRevision, type ReplicationStore } from '../database/index.js';
import { isHawserError } from '../errors.js';
import type { StoredDocument } from '../storage/index.js';
import type { CollectionRules } from './collection-configuration.js';
import { passes } from './document-filter.js';
import { RemoteTrust } from './remote-trust.js';
import type { SequenceSet } from './sequence-set.js';
import { DELETED, NO_FLAGS } from './session-events.js';

export interface PendingQuery {
  readonly store: ReplicationStore;
  readonly rules: CollectionRules;
  readonly remoteID: string;
  /** What the replication has done: as the running pusher says, otherwise as our copy of the checkpoint does. */
  readonly done: SequenceSet;
}

/**
 * IDs of the documents that wait to be pushed, deleted ones included. A document in conflict waits too: its resolution will
 * be pushed. Only IDs are kept in memory, the documents are read page by page.
 */
export async function pendingDocumentIDs(query: PendingQuery): Promise<Set<string>> {
  const isPending = await predicate(query);
  const ids = new Set<string>();
  const { store, done } = query;
  const { feedPage, maxPageBytes } = store.sizes;
  // What is done can only be pending again where a conflict came to it.
  for (const conflictedOnly of [true, false]) {
    for (let since = conflictedOnly ? 0 : done.firstMissing - 1; ;) {
      const page = await store.feed({ since, limit: feedPage, maxBytes: maxPageBytes, conflictedOnly });
      const answers = await Promise.all(page.map(isPending));
      page.forEach(({ id }, index) => void (answers[index] === true && ids.add(id)));
      const last = page.at(-1);
      if (last === undefined) break;
      since = last.sequence;
    }
  }
  return ids;
}

/** Whether {@link pendingDocumentIDs} holds the document; false for one that does not exist. */
export async function isDocumentPending(query: PendingQuery, documentID: string): Promise<boolean> {
  const [document] = await query.store.documents([documentID]);
  return document !== undefined && (await predicate(query))(document);
}

async function predicate(query: PendingQuery): Promise<(document: StoredDocument) => Promise<boolean>> {
  const { store, rules, remoteID, done } = query;
  const remote = await store.knownRemoteNumber(remoteID);
  const trustedAfter = await RemoteTrust.peek(store, remoteID);
  return async (document) => {
    const { id, sequence, revisionID, deleted, conflicts } = document;
    if (rules.documentIDs?.has(id) === false || store.isDue(document)) return false;
    if (conflicts === null) {
      const isNoted = remote !== undefined && sequence > trustedAfter;
      if (done.has(sequence) || (isNoted && remoteRevision(document, remote) === revisionID)) return false;
    }
    try {
      return await passes(rules.pushFilter, document, deleted ? DELETED : NO_FLAGS);
    } catch (error) {
      if (isHawserError(error)) return true; // it stays open until the filter can tell
      throw error;
    }
  };
}
