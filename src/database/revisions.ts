/**
 * Turns stored rows into branches of revisions and back, and makes the rows that a local edit writes. Synchronous and
 * without I/O: it runs inside a write.
 */
import { createRevisionID, prune, type Branch } from '../revision/index.js';
import type { StoredDocument } from '../storage/index.js';
import type { DocumentContent } from './document-edits.js';

/** A revision on another branch that waits for a resolution. */
export interface ConflictBranch extends Branch {
  readonly body: string;
  readonly hasBlobs: boolean;
  /** The number of the remote it came from. */
  readonly remote: number;
}

export interface NewBody {
  readonly text: string;
  readonly deleted: boolean;
  readonly hasBlobs: boolean;
}

/** The body of every tombstone. */
export const TOMBSTONE: NewBody = { text: '{}', deleted: true, hasBlobs: false };

export function currentBranch(document: Pick<StoredDocument, 'revisionID' | 'deleted' | 'history'>): Branch {
  return { revisionID: document.revisionID, deleted: document.deleted, history: splitHistory(document.history) };
}

export function splitHistory(text: string): string[] {
  return text === '' ? [] : text.split(',');
}

/** The row of a new local revision of `id` on top of `parent`. `text` must be canonical: it is what the digest covers. */
export function childOf(parent: StoredDocument | undefined, id: string, body: NewBody): DocumentContent {
  const path = parent === undefined ? [] : [parent.revisionID, ...splitHistory(parent.history)];
  const history = prune(path, isOnRemote(parent?.remotes));
  return {
    id,
    revisionID: createRevisionID(parent?.revisionID, body.deleted, body.text),
    deleted: body.deleted,
    body: body.text,
    hasBlobs: body.hasBlobs,
    history: history.join(','),
    conflicts: parent?.conflicts ?? null,
    remotes: parent?.remotes ?? null,
    expiresAt: parent?.expiresAt ?? null,
  };
}

/** What a remote has stays in the history however old it is: the next push builds on it. */
export function isOnRemote(remotes: string | null | undefined): (revisionID: string) => boolean {
  return (revisionID) => remotes?.includes(`"${revisionID}"`) ?? false;
}

export function readConflicts(document: Pick<StoredDocument, 'conflicts'>): ConflictBranch[] {
  if (document.conflicts === null) return [];
  return (JSON.parse(document.conflicts) as (Omit<ConflictBranch, 'history'> & { history: string })[]).map(
    (branch) => ({
      ...branch,
      history: splitHistory(branch.history),
    }),
  );
}

export function writeConflicts(branches: readonly ConflictBranch[]): string | null {
  if (branches.length === 0) return null;
  return JSON.stringify(branches.map((branch) => ({ ...branch, history: branch.history.join(',') })));
}

/** The revision that a remote is known to have, or undefined. */
export function remoteRevision(document: Pick<StoredDocument, 'remotes'>, remote: number): string | undefined {
  if (document.remotes === null) return undefined;
  return (JSON.parse(document.remotes) as Record<string, string>)[remote];
}

export function withRemoteRevision(remotes: string | null, remote: number, revisionID: string): string {
  const known = remotes === null ? {} : (JSON.parse(remotes) as Record<string, string>);
  return known[remote] === revisionID && remotes !== null
    ? remotes
    : JSON.stringify({ ...known, [remote]: revisionID });
}
