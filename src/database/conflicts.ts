/**
 * What a document becomes when a conflict is resolved (specification 5.8), by the default rule or by somebody's decision.
 * Synchronous and without I/O: it runs inside a write.
 *
 * Peers that sync in any order end with the same revision, because nothing made here depends on which side is local: a
 * side that wins stays the revision it is, and is offered to the remote as a descendant of the remote's own; only where that
 * is impossible, as its generation is not the higher one, or where the outcome is neither side, is there a new revision, and
 * its ID depends on its generation and body alone. So whoever resolves the same conflict alike makes the same revision.
 */
import { canonicalJson } from '../base/index.js';
import { createRevisionID, generationOf, prune, winner, type Branch } from '../revision/index.js';
import type { StoredDocument } from '../storage/index.js';
import type { CollectionEdits, DocumentContent } from './document-edits.js';
import {
  currentBranch,
  isOnRemote,
  readConflicts,
  remoteRevision,
  writeConflicts,
  type ConflictBranch,
  type NewBody,
} from './revisions.js';

/** One of the two sides as it is, or something else. */
export type Resolution = 'local' | 'remote' | NewBody;

/**
 * Resolves every conflict of a document by the default rule: a deletion wins, then the higher generation, then the higher
 * revision ID. Returns whether there was anything to resolve.
 */
export function resolveByDefault(edits: CollectionEdits, id: string): boolean {
  const document = edits.get(id);
  if (document === undefined || document.conflicts === null) return false;
  let current: DocumentContent = document;
  for (const branch of readConflicts(document)) {
    if (!isOver(current, branch)) current = afterConflict(current, branch, defaultResolution(current, branch));
  }
  edits.put({ ...current, conflicts: null }); // at the end of the feed, so that a push comes by
  return true;
}

export function defaultResolution(current: DocumentContent, branch: ConflictBranch): 'local' | 'remote' {
  return winner(currentBranch(current), branch) === branch ? 'remote' : 'local';
}

/**
 * Nobody needs to be asked where both sides are deletions, or the same document: then the default rule decides. Nor where the
 * remote has got our revision meanwhile, perhaps by resolving the same conflict itself.
 */
export function isSettledAlone(current: DocumentContent, branch: ConflictBranch): boolean {
  if (isOver(current, branch)) return true;
  if (current.deleted !== branch.deleted) return false;
  return current.deleted || canonicalJson(current.body) === canonicalJson(branch.body);
}

/** `gone`: the document was purged. `moved`: it is not what was decided about any more. */
export type SettleOutcome = 'settled' | 'moved' | 'gone';

/** Carries out a decision about a document and one of its conflicts, unless either has changed. */
export function settleConflict(
  edits: CollectionEdits,
  document: StoredDocument,
  branch: ConflictBranch,
  resolution: Resolution,
): SettleOutcome {
  const current = edits.get(document.id);
  if (current === undefined) return 'gone';
  const conflicts = readConflicts(current);
  const isSame = ({ revisionID, remote }: ConflictBranch): boolean =>
    revisionID === branch.revisionID && remote === branch.remote;
  if (current.revisionID !== document.revisionID || !conflicts.some(isSame)) return 'moved';
  const rest = writeConflicts(conflicts.filter((other) => !isSame(other)));
  const content = isOver(current, branch) ? current : afterConflict(current, branch, resolution);
  edits.put({ ...content, conflicts: rest }); // at the end of the feed, so that a push comes by
  return 'settled';
}

/** The remote does not have that revision any more. */
function isOver(current: DocumentContent, { remote, revisionID }: ConflictBranch): boolean {
  return remoteRevision(current, remote) !== revisionID;
}

/** The document with one conflict resolved. It ranks above both sides, unless the remote's revision was chosen. */
export function afterConflict(
  current: DocumentContent,
  branch: ConflictBranch,
  resolution: Resolution,
): DocumentContent {
  const local = currentBranch(current);
  if (resolution === 'remote' && !isBehindOthers(current, branch)) {
    const { revisionID, deleted, body, hasBlobs } = branch;
    return { ...current, revisionID, deleted, body, hasBlobs, history: joined(revisionID, branch, local, current) };
  }
  const [ours, theirs] = [generationOf(local.revisionID), generationOf(branch.revisionID)];
  if (resolution === 'local' && ours > theirs) {
    return { ...current, history: joined(local.revisionID, local, branch, current) };
  }
  const { text: body, deleted, hasBlobs } = contentOf(resolution, current, branch);
  const digest = createRevisionID(undefined, deleted, canonicalJson(body)).slice(1); // "1-…"
  const revisionID = `${Math.max(ours, theirs) + 1}${digest}`;
  return { ...current, revisionID, deleted, body, hasBlobs, history: joined(revisionID, branch, local, current) };
}

function contentOf(resolution: Resolution, current: DocumentContent, branch: ConflictBranch): NewBody {
  if (resolution !== 'local' && resolution !== 'remote') return resolution;
  const { body: text, deleted, hasBlobs } = resolution === 'local' ? current : branch;
  return { text, deleted, hasBlobs };
}

/**
 * Whether another remote has a revision to which that of `branch` could not be pushed as a descendant. Taken as it is, it
 * would be undone from there. What waits on a branch of its own is resolved in its turn.
 */
function isBehindOthers(current: DocumentContent, { revisionID }: ConflictBranch): boolean {
  if (current.remotes === null) return false;
  const waiting = new Set(readConflicts(current).map((branch) => branch.revisionID));
  const noted = Object.values(JSON.parse(current.remotes) as Record<string, string>);
  return noted.some((id) => id !== revisionID && !waiting.has(id) && generationOf(id) >= generationOf(revisionID));
}

/**
 * The ancestors of a revision that came of two branches, as one path: each generation once, the leaves before all others, so
 * that whoever still has one of them sees that it is superseded. Of two leaves of one generation there is room for the first.
 */
function joined(revisionID: string, first: Branch, second: Branch, { remotes }: DocumentContent): string {
  const byGeneration = new Map<number, string>();
  for (const id of [first.revisionID, second.revisionID, ...first.history, ...second.history]) {
    const generation = generationOf(id);
    if (generation < generationOf(revisionID) && !byGeneration.has(generation)) byGeneration.set(generation, id);
  }
  const path = [...byGeneration].sort(([a], [b]) => b - a).map(([, id]) => id);
  return prune(path, isOnRemote(remotes)).join(',');
}
