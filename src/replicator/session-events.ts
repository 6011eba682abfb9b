/** What the parts of a session tell the whole. */
import type { HawserError } from '../errors.js';
import type { DocumentFlags } from './collection-configuration.js';

/** What became of one document: it was transferred, or it could not be. */
export interface DocumentOutcome {
  /** Name of the collection: `scope.name`, or the name alone in the default scope. */
  readonly collection: string;
  readonly documentID: string;
  readonly isPush: boolean;
  readonly flags: DocumentFlags;
  /** Why it could not be transferred; the replication goes on. Undefined where it was. */
  readonly error: HawserError | undefined;
}

/** A document that could not be transferred. */
export type DocumentProblem = DocumentOutcome & { readonly error: HawserError };

export const NO_FLAGS: DocumentFlags = { deleted: false, accessRemoved: false };
export const DELETED: DocumentFlags = { deleted: true, accessRemoved: false };

export interface SessionObserver {
  /** Documents were found that may have to be transferred. */
  found(count: number): void;
  /** Documents were transferred, or need not be. */
  finished(count: number): void;
  /** A document was transferred, or could not be. Not for those that needed no transfer. */
  document(outcome: DocumentOutcome): void;
  /** A part became busy or idle, or the checkpoint can be advanced. */
  progressed(): void;
  /** The session cannot go on. */
  failed(error: unknown): void;
}
