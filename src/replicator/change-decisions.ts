/** What a puller wants of a revision that was announced or proposed to it, by what is here (specification 3.7.2, 3.8). Pure. */
import { remoteRevision, revisionsWithBody, splitHistory } from '../database/index.js';
import { contains, generationOf, possibleAncestors } from '../revision/index.js';
import type { StoredDocument } from '../storage/index.js';
import type { AnnouncedChange, ProposedChange } from './change-entries.js';
import { branchesOf } from './known-branches.js';

/** For an entry of `changes`: its revision is here, or here is what it may descend from. */
export type Choice = 'present' | { readonly ancestors: readonly string[] };

/** @param deltas only revisions that a delta could be applied to are named */
export function choose(change: AnnouncedChange, current: StoredDocument | undefined, deltas: boolean): Choice {
  const { revisionID } = change;
  const branches = branchesOf(current);
  if (branches.some((branch) => contains(branch, revisionID))) return 'present';
  const generation = generationOf(revisionID);
  if (!deltas || current === undefined) return { ancestors: possibleAncestors(branches, generation) };
  const bases = revisionsWithBody(current).filter((id) => generationOf(id) < generation);
  return { ancestors: bases.slice(0, MAX_ANCESTORS) };
}

/** A passive peer takes nothing that conflicts. */
export function conflicts(change: AnnouncedChange, current: StoredDocument | undefined): boolean {
  return current !== undefined && generationOf(current.revisionID) >= generationOf(change.revisionID);
}

/** 0: send it; 304: it is here; 409: it conflicts with what is here. */
export function judge(
  proposal: ProposedChange,
  current: StoredDocument | undefined,
  includeRevision: boolean,
): number | { readonly status: number; readonly rev: string } {
  if (current?.revisionID === proposal.revisionID) return 304;
  if (proposal.parentID === undefined) {
    if (current === undefined || current.deleted) return 0;
  } else if (current?.revisionID === proposal.parentID) {
    return 0;
  }
  return includeRevision ? { status: 409, rev: current?.revisionID ?? '' } : 409;
}

/** Whether it is news that a remote has `revisionID`, which is the current revision here or an ancestor of it. */
export function isNewsOfRemote(current: StoredDocument, remote: number, revisionID: string): boolean {
  // While a conflict waits, an ancestor says nothing: what the remote has now may be on the other branch.
  if (current.conflicts !== null && revisionID !== current.revisionID) return false;
  const path = [current.revisionID, ...splitHistory(current.history)];
  const position = path.indexOf(revisionID);
  const noted = remoteRevision(current, remote);
  const notedPosition = noted === undefined ? -1 : path.indexOf(noted);
  return position >= 0 && (notedPosition < 0 || notedPosition > position);
}

/** What became of a document on the remote, as index 3 of an entry of `changes` tells (specification 3.7). */
export function isAccessLost({ flags }: AnnouncedChange): boolean {
  // 1 alone is a tombstone, 5 one that was removed: both are sent as revisions. Other bits are not known to us.
  return flags !== 0 && flags !== 1 && flags !== 5;
}

const MAX_ANCESTORS = 10;
