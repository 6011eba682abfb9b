/** What follows when the remote refuses a proposal because it has another revision (specification 5.7). */
import { splitHistory } from '../database/index.js';
import { HawserError } from '../errors.js';
import type { StoredDocument } from '../storage/index.js';

/**
 * `propose`: again, on top of `parentID`. `superseded`: the feed brings something newer. `conflict`: the remote's revision
 * is on another branch.
 */
export type ConflictDecision =
  | { readonly kind: 'propose'; readonly parentID: string | undefined }
  | { readonly kind: 'superseded' }
  | { readonly kind: 'conflict' };

export interface RefusedProposal {
  readonly revisionID: string;
  /** What it was proposed on top of. */
  readonly parentID: string | undefined;
  /** What the remote says it has; undefined where it has no such document, or does not say. */
  readonly remoteID: string | undefined;
}

/**
 * Pure.
 * @param current the document as it is now; undefined if it was purged
 * @param recorded what the remote was known to have before it answered
 */
export function decideConflict(
  proposal: RefusedProposal,
  current: StoredDocument | undefined,
  recorded: string | undefined,
): ConflictDecision {
  // Changed, or a conflict that waits: the edit, or the resolution, is a change of its own further on in the feed.
  if (current?.revisionID !== proposal.revisionID || current.conflicts !== null) return { kind: 'superseded' };
  const { revisionID, parentID, remoteID } = proposal;
  const ancestors = splitHistory(current.history);
  // What is recorded of the remote is an ancestor, even where the history has been pruned. Without a revision in the
  // answer the remote has no such document (any more): then it takes the whole history.
  const descends = remoteID === undefined || ancestors.includes(remoteID) || recorded === remoteID;
  if (descends && remoteID !== parentID && remoteID !== revisionID) return { kind: 'propose', parentID: remoteID };
  // The puller may have learned meanwhile of a newer revision that we descend from.
  if (recorded !== undefined && recorded !== parentID && ancestors.includes(recorded))
    return { kind: 'propose', parentID: recorded };
  return { kind: 'conflict' };
}

/** What users are told of a revision that the remote refuses because of another one. */
export function conflictWithRemote(documentID: string): HawserError {
  const options = { domain: 'WebSocket', number: 10_409 } as const;
  return new HawserError('DOCUMENT_CONFLICT', `the peer has another revision of "${documentID}"`, options);
}

/** A revision that conflicts with the remote's while the collection is also pulled. */
export interface ParkedRevision {
  readonly revisionID: string;
  readonly deleted: boolean;
}

/**
 * Revisions that wait until the puller has learned more of what the remote has. Bounded: what finds no place is to be
 * reported at once.
 */
export class ParkedConflicts {
  readonly #revisions = new Map<string, ParkedRevision>();

  /** False if there is no room. */
  add(document: StoredDocument): boolean {
    if (this.#revisions.size >= MAX_PARKED) return false;
    this.#revisions.set(document.id, { revisionID: document.revisionID, deleted: document.deleted });
    return true;
  }

  /** @param revisionID whether it is this revision. @default any */
  has(documentID: string, revisionID?: string): boolean {
    const parked = this.#revisions.get(documentID);
    return parked !== undefined && (revisionID === undefined || parked.revisionID === revisionID);
  }

  /** It is pushed after all, or something newer is. */
  delete(documentID: string): void {
    this.#revisions.delete(documentID);
  }

  /** Takes all that is left. */
  takeAll(): [documentID: string, revision: ParkedRevision][] {
    const left = [...this.#revisions];
    this.#revisions.clear();
    return left;
  }
}

/** Some 100 bytes each. */
const MAX_PARKED = 10_000;
