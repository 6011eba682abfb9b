/**
 * A document's history is kept as paths, not as a tree: one {@link Branch} for the current revision and one for each
 * conflict that waits for its resolution. The questions "is this an ancestor of that" and "who wins" are answered here and
 * nowhere else, so that a second kind of revision can move in.
 */
import { compareRevisionIDs, generationOf } from './revision-id.js';

/** A leaf and the way to it. */
export interface Branch {
  readonly revisionID: string;
  /** Whether the leaf is a tombstone. */
  readonly deleted: boolean;
  /**
   * Ancestors of the leaf, newest first. Invariant: generations fall, by one except where revisions in between were never
   * received or have been pruned. May end before generation 1.
   */
  readonly history: readonly string[];
}

/** How many ancestors of a leaf are remembered, and how many revisions a peer is asked to name (specification 5.9). */
export const MAX_HISTORY = 50;

/**
 * The ancestors that are worth remembering.
 *
 * @param ancestors newest first
 * @param keep true for a revision that is remembered at any depth, because a remote has it as its current one: without it
 *   the next push could not say what it builds on
 */
export function prune(ancestors: readonly string[], keep?: (id: string) => boolean): string[] {
  if (ancestors.length <= MAX_HISTORY) return [...ancestors];
  const kept = ancestors.slice(0, MAX_HISTORY);
  if (keep !== undefined) kept.push(...ancestors.slice(MAX_HISTORY).filter(keep));
  return kept;
}

/** Whether the leaf of `branch` has `id` as an ancestor. A leaf is not its own ancestor. */
export function descendsFrom(branch: Branch, id: string): boolean {
  return branch.history.includes(id);
}

/** {@link descendsFrom} asked from the other end. */
export function isAncestorOf(id: string, branch: Branch): boolean {
  return descendsFrom(branch, id);
}

/** Whether `id` is the leaf of `branch` or one of its ancestors. */
export function contains(branch: Branch, id: string): boolean {
  return branch.revisionID === id || descendsFrom(branch, id);
}

/**
 * The default rule of protocol generation 3 (specification 5.8): a deletion wins, then the higher generation, then the
 * higher revision ID. Symmetric, so that every device decides alike; the clock has no say.
 */
export function winner(a: Branch, b: Branch): Branch {
  if (a.deleted !== b.deleted) return a.deleted ? a : b;
  return compareRevisionIDs(a.revisionID, b.revisionID) >= 0 ? a : b;
}

/**
 * Revisions from which one of `generation` may descend, for the reply to `changes` (specification 3.7.2): those of a lower
 * generation, branch by branch and newest first.
 *
 * @param branches the current one first
 */
export function possibleAncestors(branches: readonly Branch[], generation: number, limit = 10): string[] {
  const found = new Set<string>();
  for (const branch of branches) {
    for (const id of [branch.revisionID, ...branch.history]) {
      if (found.size >= limit) return [...found];
      if (generationOf(id) < generation) found.add(id);
    }
  }
  return [...found];
}
