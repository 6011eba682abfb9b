/**
 * Where a received revision belongs among those a document has (specification 5.5). Decides only: storing it, and whether
 * a conflict is wanted at all, is up to the database.
 */
import { contains, prune, type Branch } from './branch.js';

export type InsertOutcome =
  /** It is there already, as a leaf or as an ancestor of one: nothing to do. */
  | { readonly kind: 'present' }
  /** It becomes the current revision, with these ancestors: it extends the current leaf, or there was no document. */
  | { readonly kind: 'child'; readonly history: string[] }
  | {
      readonly kind: 'conflict';
      readonly history: string[];
      /** The newest revision that its path and the current branch have both; the base of a three-way merge. */
      readonly commonAncestor: string | undefined;
      /** Which of the conflicts it extends and replaces, by index; `undefined` if it opens a new one. */
      readonly extends: number | undefined;
    };

/**
 * @param current undefined for a document that does not exist; it then has no conflicts either
 * @param conflicts the branches that wait for a resolution
 * @param incoming its history newest first, perhaps shorter than what is known here
 * @param keep as in {@link prune}
 */
export function insertRevision(
  current: Branch | undefined,
  conflicts: readonly Branch[],
  incoming: { readonly revisionID: string; readonly history: readonly string[] },
  keep?: (id: string) => boolean,
): InsertOutcome {
  const { revisionID, history } = incoming;
  if (current === undefined) return { kind: 'child', history: prune(history, keep) };
  const branches = [current, ...conflicts];
  if (branches.some((branch) => contains(branch, revisionID))) return { kind: 'present' };

  // Extending a leaf, the current one before all others, counts for more than touching another branch on the way.
  const leaf = branches.find((branch) => history.includes(branch.revisionID));
  const joint = leaf?.revisionID ?? history.find((id) => branches.some((branch) => contains(branch, id)));
  const below = leaf ?? branches.find((branch) => joint !== undefined && contains(branch, joint));
  const path = joint === undefined || below === undefined ? history : graft(history, below, joint);
  const merged = prune(path, keep);
  if (leaf === current) return { kind: 'child', history: merged };
  return {
    kind: 'conflict',
    history: merged,
    commonAncestor: path.find((id) => contains(current, id)),
    extends: leaf === undefined ? undefined : conflicts.indexOf(leaf),
  };
}

/** The part of `history` above `joint`, then `joint` and what `branch` knows to lie below it. */
function graft(history: readonly string[], branch: Branch, joint: string): string[] {
  const known = [branch.revisionID, ...branch.history];
  return [...history.slice(0, history.indexOf(joint)), ...known.slice(known.indexOf(joint))];
}
