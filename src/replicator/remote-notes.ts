/**
 * Writes down which revisions the remote has, many in one statement, while the push goes on. Losing the last of them costs
 * nothing but an answer 304 or 409 the next time, so nobody waits for them but the end of a session.
 */
import type { ReplicationStore } from '../database/index.js';

export class RemoteNotes {
  readonly #store: ReplicationStore;
  readonly #remote: number;
  /** Revisions by document that are not written yet. */
  readonly #unwritten = new Map<string, string>();
  #writing: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(store: ReplicationStore, remote: number) {
    this.#store = store;
    this.#remote = remote;
  }

  add(id: string, revisionID: string): void {
    this.#unwritten.set(id, revisionID);
    this.#writing ??= this.#write();
  }

  /** What the remote has of a document, if that is not written yet. */
  unwritten(id: string): string | undefined {
    return this.#unwritten.get(id);
  }

  /** Resolves when there is room for more: a remote may confirm faster than a busy database can write it down. */
  async room(): Promise<void> {
    if (this.#unwritten.size >= MAX_UNWRITTEN) await this.#writing;
  }

  /** Resolves when everything added is written; rejects if that failed. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure.error;
  }

  async #write(): Promise<void> {
    await Promise.resolve(); // the answers that arrive together are written together
    while (this.#unwritten.size > 0) {
      const notes = [...this.#unwritten].map(([id, revisionID]) => ({ id, revisionID }));
      try {
        await this.#store.noteRemoteRevisions(this.#remote, notes);
      } catch (error) {
        this.#failure ??= { error };
      }
      for (const { id, revisionID } of notes) if (this.#unwritten.get(id) === revisionID) this.#unwritten.delete(id);
    }
    this.#writing = undefined;
  }
}

/** Some 100 bytes each. */
const MAX_UNWRITTEN = 5_000;
