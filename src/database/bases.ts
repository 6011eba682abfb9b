/**
 * Bodies of former revisions, kept in the row of their document because a delta can be made from them (specification 7.2).
 * Synchronous and without I/O: it runs inside a write.
 */
import type { StoredDocument } from '../storage/index.js';
import type { DocumentContent } from './document-edits.js';
import { isOnRemote, readConflicts } from './revisions.js';

interface Base {
  readonly revisionID: string;
  readonly body: string;
}

/** The body of a revision of `document`, if it is stored: the current one, one that waits or was kept. No tombstones. */
export function bodyOf(document: StoredDocument, revisionID: string): string | undefined {
  return bodiesOf(document).find((base) => base.revisionID === revisionID)?.body;
}

/** The revisions that {@link bodyOf} finds: the current one, then those of conflicts, then the kept ones, newest first. */
export function revisionsWithBody(document: StoredDocument): readonly string[] {
  return bodiesOf(document).map(({ revisionID }) => revisionID);
}

/**
 * What to keep of `previous` when `next` takes its place. A base is worth its space if a remote is known to have the
 * revision: the next push to it can be a delta. Where deltas are sent to whoever asks (`keepsNewest`) the newest ones are
 * kept too, for nobody knows what such a peer has.
 */
export function basesBeside(
  next: DocumentContent,
  previous: StoredDocument | undefined,
  keepsNewest: boolean,
): string | null {
  if (previous === undefined || next.deleted) return null;
  if (next.remotes === null && !keepsNewest) return null;
  const isRemotes = isOnRemote(next.remotes);
  const waiting = next.conflicts === null ? [] : readConflicts(next).map(({ revisionID }) => revisionID);
  const seen = new Set([next.revisionID, ...waiting]); // their bodies are in the row anyway
  const former = bodiesOf(previous).filter(({ revisionID, body }) => {
    if (seen.has(revisionID) || Buffer.byteLength(body) < MIN_BASE_BYTES) return false;
    seen.add(revisionID);
    return true;
  });
  const onRemotes = former.filter(({ revisionID }) => isRemotes(revisionID));
  const others = keepsNewest ? former.filter((base) => !onRemotes.includes(base)) : [];
  const kept = [...onRemotes, ...others].slice(0, MAX_BASES);
  return kept.length === 0 ? null : JSON.stringify(former.filter((base) => kept.includes(base)));
}

/** Below that a delta is not sent (specification 7.2). */
const MIN_BASE_BYTES = 200;
/** Bounds a row at some four times its body. */
const MAX_BASES = 3;

function bodiesOf(document: StoredDocument): Base[] {
  const { revisionID, body, deleted } = document;
  return [
    ...(deleted ? [] : [{ revisionID, body }]),
    ...readConflicts(document).filter((branch) => !branch.deleted),
    ...readBases(document),
  ];
}

function readBases({ bases }: StoredDocument): Base[] {
  return bases === null ? [] : (JSON.parse(bases) as Base[]);
}
