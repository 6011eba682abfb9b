/**
 * Puts revisions that came from a peer into the tree of a document (specification 5.5). Synchronous and without I/O: it
 * runs inside a write.
 */
import { HawserError } from '../errors.js';
import { generationOf, insertRevision, prune, winner } from '../revision/index.js';
import type { StoredDocument } from '../storage/index.js';
import { afterConflict, resolveByDefault } from './conflicts.js';
import type { CollectionEdits, DocumentContent } from './document-edits.js';
import {
  currentBranch,
  isOnRemote,
  readConflicts,
  remoteRevision,
  withRemoteRevision,
  writeConflicts,
  type ConflictBranch,
} from './revisions.js';

/** A revision as a peer sent it, checked: its body is a JSON object without reserved keys. */
export interface IncomingRevision {
  readonly id: string;
  readonly revisionID: string;
  /** Ancestors, newest first. */
  readonly history: readonly string[];
  readonly deleted: boolean;
  readonly body: string;
  readonly hasBlobs: boolean;
}

export interface IncomingOptions {
  /** The number of the remote it was pulled from: then conflicts are kept for resolution. Without it they are refused. */
  readonly remote?: number;
  /** Resolve conflicts by the default rule in the same write. @default false */
  readonly resolve?: boolean;
}

/**
 * `inserted`: it is here now, as the current revision unless a conflict was resolved otherwise. `present`: it was known.
 * `conflict`: kept on a branch of its own until it is resolved. `refused`: it conflicts and conflicts are not taken; nothing
 * changed. `rebased`: its body is the document's now, as a revision on top of the deletion that was here; the peer has to
 * hear of that one.
 */
export type IncomingOutcome = 'inserted' | 'present' | 'conflict' | 'refused' | 'rebased';

export interface IncomingResult {
  readonly outcome: IncomingOutcome;
  /** Where the document stands in the feed of this database now; 0 if it does not. */
  readonly sequence: number;
}

/** Why a revision cannot be stored: its generation is so high that the document could hardly be edited any more. */
export function incomingProblem({ id, revisionID }: IncomingRevision): HawserError | undefined {
  if (generationOf(revisionID) <= MAX_RECEIVED_GENERATION) return undefined;
  const message = `revision ${revisionID} of document "${id}" claims more edits than can have been made`;
  return new HawserError('REVISION_ID_INVALID', message);
}

/** @throws HawserError what {@link incomingProblem} finds */
export function insertIncoming(
  edits: CollectionEdits,
  revision: IncomingRevision,
  options: IncomingOptions,
): IncomingResult {
  const problem = incomingProblem(revision);
  if (problem !== undefined) throw problem;
  const outcome = insert(edits, revision, options);
  return { outcome, sequence: edits.get(revision.id)?.sequence ?? 0 };
}

function insert(edits: CollectionEdits, revision: IncomingRevision, options: IncomingOptions): IncomingOutcome {
  const current = edits.get(revision.id);
  if (current === undefined) {
    edits.put(asCurrent(undefined, revision, prune(revision.history), options.remote));
    return 'inserted';
  }
  const conflicts = readConflicts(current);
  const outcome = insertRevision(currentBranch(current), conflicts, revision, isOnRemote(current.remotes));
  if (outcome.kind === 'present') {
    noteRemote(edits, current, options.remote, revision.revisionID);
    return 'present';
  }
  // A remote has one current revision: what it had before on a branch of its own is over.
  const others = conflicts.filter((branch) => branch.remote !== options.remote);
  if (outcome.kind === 'child') {
    const previous = { ...current, conflicts: writeConflicts(others) };
    edits.put(asCurrent(previous, revision, outcome.history, options.remote));
    return 'inserted';
  }
  const branch: ConflictBranch = {
    revisionID: revision.revisionID,
    deleted: revision.deleted,
    history: outcome.history,
    body: revision.body,
    hasBlobs: revision.hasBlobs,
    remote: options.remote ?? -1,
  };
  if (options.remote === undefined) {
    const isNewLife = current.deleted && !revision.deleted && outcome.commonAncestor === undefined;
    return isNewLife && conflicts.length === 0 ? revive(edits, current, branch) : 'refused';
  }
  // Follows a remote that has another branch than we got from it, where nothing was edited here and it is no step back.
  const isUnedited = remoteRevision(current, options.remote) === current.revisionID;
  const remotes = withRemoteRevision(current.remotes, options.remote, revision.revisionID);
  if (isUnedited && winner(currentBranch(current), branch) === branch) {
    edits.put(afterConflict({ ...current, conflicts: writeConflicts(others), remotes }, branch, 'remote'));
    return 'inserted';
  }
  const extended = outcome.extends === undefined ? undefined : conflicts[outcome.extends];
  const waiting = [...others.filter((other) => other !== extended), branch];
  edits.rewrite({ ...current, conflicts: writeConflicts(waiting), remotes });
  if (options.resolve !== true) return 'conflict';
  resolveByDefault(edits, current.id);
  return 'inserted';
}

/**
 * A document is made anew by a peer that knows nothing of its deletion here (specification 5.5, rule c of Sync Gateway). The
 * deletion is known elsewhere and would win against it, so the new document has to descend from the tombstone. That makes it
 * another revision, also where the generation would not: the peer has to be told, and one ID with two histories would stay so.
 */
function revive(edits: CollectionEdits, tombstone: StoredDocument, created: ConflictBranch): IncomingOutcome {
  const { body, hasBlobs } = created;
  edits.put(afterConflict(tombstone, created, { text: body, deleted: false, hasBlobs }));
  return 'rebased';
}

/** Half of what revision IDs can count to: leaves as much again for edits on top. */
const MAX_RECEIVED_GENERATION = 2 ** 31;

function asCurrent(
  previous: StoredDocument | undefined,
  revision: IncomingRevision,
  history: readonly string[],
  remote: number | undefined,
): DocumentContent {
  const remotes = previous?.remotes ?? null;
  return {
    id: revision.id,
    revisionID: revision.revisionID,
    deleted: revision.deleted,
    body: revision.body,
    hasBlobs: revision.hasBlobs,
    history: history.join(','),
    conflicts: previous?.conflicts ?? null,
    remotes: remote === undefined ? remotes : withRemoteRevision(remotes, remote, revision.revisionID),
    expiresAt: previous?.expiresAt ?? null,
  };
}

/** The remote has a revision that is here too: remember it, unless it is older than what is remembered. */
function noteRemote(
  edits: CollectionEdits,
  current: StoredDocument,
  remote: number | undefined,
  revisionID: string,
): void {
  if (remote === undefined) return;
  // While a conflict waits, an ancestor says nothing: what the remote has now may be on the other branch.
  const path = [current.revisionID, ...(current.conflicts === null ? currentBranch(current).history : [])];
  const position = path.indexOf(revisionID);
  if (position < 0) return;
  const recorded = remoteRevision(current, remote);
  const recordedPosition = recorded === undefined ? -1 : path.indexOf(recorded);
  if (recordedPosition >= 0 && recordedPosition <= position) return;
  edits.rewrite({ ...current, remotes: withRemoteRevision(current.remotes, remote, revisionID) });
}
