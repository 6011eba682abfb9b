/** The feed of a local collection for a pusher: pages from disk, and a way to wait for more without missing any. */
import { deferred } from '../base/index.js';
import type { ReplicationStore } from '../database/index.js';
import type { StoredDocument } from '../storage/index.js';

export class LocalFeed {
  readonly #store: ReplicationStore;
  readonly #unsubscribe: () => void;
  #since: number;
  #commits = 0;
  #mayHaveMore = true;
  #isClosed = false;
  #wake = deferred();

  constructor(store: ReplicationStore, since: number) {
    this.#store = store;
    this.#since = since;
    this.#unsubscribe = store.onCommit(() => {
      this.#commits++;
      this.#mayHaveMore = true;
      this.#wake.resolve();
    });
  }

  /** The sequence up to which `next` has read. */
  get position(): number {
    return this.#since;
  }

  /** Whether `next` may have something: true from the very commit on. */
  get hasNews(): boolean {
    return this.#mayHaveMore;
  }

  /** How many commits there were: what was read is still so as long as this stays the same. */
  get commits(): number {
    return this.#commits;
  }

  /**
   * Documents as they are now, undefined for those that were purged. Costs nothing where nothing was committed since.
   * @param asOf what `commits` was before they were read
   */
  async refresh(documents: readonly StoredDocument[], asOf: number): Promise<readonly (StoredDocument | undefined)[]> {
    if (this.#commits === asOf) return documents;
    return this.#store.documents(documents.map(({ id }) => id));
  }

  /** The next page in the order of sequences; empty when there is nothing more for now. */
  async next(): Promise<StoredDocument[]> {
    if (!this.#mayHaveMore) return [];
    this.#mayHaveMore = false; // before the read: a commit during it counts as news
    const { feedPage, maxPageBytes } = this.#store.sizes;
    const page = await this.#store.feed({ since: this.#since, limit: feedPage, maxBytes: maxPageBytes });
    const last = page.at(-1);
    if (last !== undefined) {
      this.#since = last.sequence;
      this.#mayHaveMore = true;
    }
    return page;
  }

  /** Resolves when `next` may have something again, and when the feed is closed. */
  async changed(): Promise<void> {
    if (this.#mayHaveMore || this.#isClosed) return;
    this.#wake = deferred();
    await this.#wake.promise;
  }

  close(): void {
    this.#isClosed = true;
    this.#unsubscribe();
    this.#wake.resolve();
  }
}
