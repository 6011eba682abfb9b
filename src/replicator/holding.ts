/**
 * What a revision that is being received takes up until it is given back all at once: its bytes in the backlog, which counts
 * every revision, and what a rare one takes beside them.
 */
import type { InsertBacklog } from './insert-backlog.js';

export class Holding {
  readonly #backlog: InsertBacklog;
  /** Bytes in the backlog; undefined while it does not count this revision. */
  #bytes: number | undefined;
  #others: (() => void)[] | undefined;

  constructor(backlog: InsertBacklog, bytes: number) {
    this.#backlog = backlog;
    this.count(bytes);
  }

  /** Counts bytes in the backlog: at the beginning, and again after a release. */
  count(bytes: number): void {
    this.#bytes = bytes;
    this.#backlog.add(bytes);
  }

  /** @param release gives something else back; called once */
  add(release: () => void): void {
    (this.#others ??= []).push(release);
  }

  release(): void {
    if (this.#bytes !== undefined) this.#backlog.remove(this.#bytes);
    this.#bytes = undefined;
    for (const release of this.#others ?? []) release();
    this.#others = undefined;
  }
}
