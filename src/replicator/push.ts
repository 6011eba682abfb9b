/** A revision on its way to a passive peer, and what may become of it. */
import type { HawserError } from '../errors.js';
import type { StoredDocument } from '../storage/index.js';

/** A revision under way. */
export interface Push {
  readonly document: StoredDocument;
  /** How many commits there were when the document was read. */
  readonly asOf: number;
  /** What the remote is believed to have. */
  readonly parentID: string | undefined;
  /** Proposals of this revision so far: what goes on after three will go on for ever. */
  readonly attempt: number;
}

/**
 * `sent`: the remote has it now. `present`: it had it already. `superseded`: it changed or was purged meanwhile.
 * `conflict`: the remote has another branch. `refused`: for good. `postponed`: the remote cannot take it now.
 */
export type PushOutcome =
  | { readonly kind: 'sent' | 'present' | 'superseded' | 'conflict' }
  | { readonly kind: 'refused' | 'postponed'; readonly error: HawserError };

/** Names it in errors. */
export function nameOf({ document: { id } }: Push): string {
  return `the revision of "${id}"`;
}
