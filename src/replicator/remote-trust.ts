/**
 * Which of the notes "this remote has that revision", which stand at the documents, may be believed. They were written for
 * a remote of that name; when it turns out to be another database (it was erased, or restored from a copy), those written
 * before say nothing, and a document that is passed over because of one would never reach it.
 *
 * Invariant: before anything is pushed past such a note, the doubt is on disk, and it stays there until all the documents
 * that it is about are settled, however many sessions that takes.
 */
import type { ReplicationStore } from '../database/index.js';
import type { SequenceSet } from './sequence-set.js';

export class RemoteTrust {
  readonly #store: ReplicationStore;
  readonly #key: string;
  #after: number;

  /** @param confirmed whether the checkpoints show that this is the remote of the last time */
  static async load(store: ReplicationStore, remoteID: string, confirmed: boolean): Promise<RemoteTrust> {
    const key = keyOf(store, remoteID);
    const kept = await store.localCheckpoint(key);
    const trust = new RemoteTrust(store, key, Number(kept ?? '0'));
    // Also where nothing is kept yet: a pull under another checkpoint may have written notes.
    if (!confirmed) await trust.#doubtUpTo(store.lastSequence);
    return trust;
  }

  /** What `after` was at the last time, for somebody who only looks. */
  static async peek(store: ReplicationStore, remoteID: string): Promise<number> {
    return Number((await store.localCheckpoint(keyOf(store, remoteID))) ?? '0');
  }

  private constructor(store: ReplicationStore, key: string, after: number) {
    this.#store = store;
    this.#key = key;
    this.#after = after;
  }

  /** Notes at documents beyond this local sequence may be believed. */
  get after(): number {
    return this.#after;
  }

  /** Ends the doubt once everything that it is about is done. To be called after `done` has been saved. */
  async settle(done: SequenceSet): Promise<void> {
    if (this.#after > 0 && done.firstMissing > this.#after) await this.#doubtUpTo(0);
  }

  async #doubtUpTo(sequence: number): Promise<void> {
    this.#after = sequence;
    await this.#store.putLocalCheckpoint(this.#key, String(sequence));
  }
}

function keyOf(store: ReplicationStore, remoteID: string): string {
  return `trust ${store.name} ${remoteID}`;
}
