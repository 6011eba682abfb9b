/** What the parts of a session tell the whole. */
import type { HawserError } from '../errors.js';

export interface DocumentProblem {
  /** Name of the collection. */
  readonly collection: string;
  readonly documentID: string;
  readonly isPush: boolean;
  readonly error: HawserError;
}

export interface SessionObserver {
  /** Documents were found that may have to be transferred. */
  found(count: number): void;
  /** Documents were transferred, or need not be. */
  finished(count: number): void;
  /** A document could not be transferred; the replication goes on. */
  problem(problem: DocumentProblem): void;
  /** A part became busy or idle, or the checkpoint can be advanced. */
  progressed(): void;
  /** The session cannot go on. */
  failed(error: unknown): void;
}
