/**
 * Puts revisions that came from a peer into the tree of a document (specification 5.5) and resolves conflicts (5.8).
 * Synchronous and without I/O: it runs inside a write.
 */
import { canonicalJson } from '../base/index.js';
import { createRevisionID, generationOf, insertRevision, prune, winner } from '../revision/index.js';
import type { StoredDocument } from '../storage/index.js';
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
}

/**
 * `inserted`: it is the current revision now. `present`: it was known. `conflict`: kept on a branch of its own until it is
 * resolved. `refused`: it conflicts and conflicts are not taken; nothing changed.
 */
export type IncomingOutcome = 'inserted' | 'present' | 'conflict' | 'refused';

export interface IncomingResult {
  readonly outcome: IncomingOutcome;
  /** Where the document stands in the feed of this database now; 0 if it does not. */
  readonly sequence: number;
}

export function insertIncoming(
  edits: CollectionEdits,
  revision: IncomingRevision,
  options: IncomingOptions,
): IncomingResult {
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
  if (options.remote === undefined) return 'refused';

  const branch: ConflictBranch = {
    revisionID: revision.revisionID,
    deleted: revision.deleted,
    history: outcome.history,
    body: revision.body,
    hasBlobs: revision.hasBlobs,
    remote: options.remote,
  };
  const extended = outcome.extends === undefined ? undefined : conflicts[outcome.extends];
  edits.rewrite({
    ...current,
    conflicts: writeConflicts([...others.filter((other) => other !== extended), branch]),
    remotes: withRemoteRevision(current.remotes, options.remote, revision.revisionID),
  });
  return 'conflict';
}

/**
 * Resolves every conflict of a document by the default rule: a deletion wins, then the higher generation, then the higher
 * revision ID. Returns whether there was anything to resolve.
 *
 * Peers that sync in any order end with the same revision, because nothing made here depends on which side is local: of
 * different generations the winner stays the revision it is, and is offered to the remote as a descendant of the remote's
 * own; only where the generations tie, or a deletion wins with the lower one, is there a new revision, and its ID depends
 * on its generation and body alone. So whoever resolves the same conflict makes the same revision, and each resolution
 * ranks above what it resolved.
 */
export function resolveByDefault(edits: CollectionEdits, id: string): boolean {
  const document = edits.get(id);
  if (document === undefined || document.conflicts === null) return false;
  let current: DocumentContent = document;
  for (const branch of readConflicts(document)) current = resolveBranch(current, branch);
  edits.put({ ...current, conflicts: null }); // at the end of the feed, so that a push comes by
  return true;
}

function resolveBranch(current: DocumentContent, branch: ConflictBranch): DocumentContent {
  const local = currentBranch({ ...current, sequence: 0 });
  if (winner(local, branch) === branch) {
    return {
      ...current,
      revisionID: branch.revisionID,
      deleted: branch.deleted,
      body: branch.body,
      hasBlobs: branch.hasBlobs,
      history: branch.history.join(','),
    };
  }
  const generation = generationOf(branch.revisionID);
  if (generationOf(current.revisionID) > generation) return current;
  const id = createRevisionID(undefined, current.deleted, canonicalJson(current.body));
  return {
    ...current,
    revisionID: `${generation + 1}${id.slice(id.indexOf('-'))}`,
    history: prune([branch.revisionID, ...branch.history], isOnRemote(current.remotes)).join(','),
  };
}

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
  const path = [current.revisionID, ...currentBranch(current).history];
  const position = path.indexOf(revisionID);
  if (position < 0) return;
  const recorded = remoteRevision(current, remote);
  const recordedPosition = recorded === undefined ? -1 : path.indexOf(recorded);
  if (recordedPosition >= 0 && recordedPosition <= position) return;
  edits.rewrite({ ...current, remotes: withRemoteRevision(current.remotes, remote, revisionID) });
}
