/**
 * Who needs which content while no row in the database says so: a blob is stored before the document that refers to it,
 * and what collects garbage must not come in between.
 *
 * Invariant: from the moment somebody was told that a content is here (`keep`, `put`), it stays until that one's lease is
 * released; and what is referred to while garbage is being collected is not garbage until the next time.
 */
import type { BlobSource, BlobStore, ExpectedBlob, StoredBlob } from '../storage/index.js';
import { blobDigestsIn } from './blob-references.js';

export class BlobLeases {
  readonly store: BlobStore;
  /** How many leases hold each content. */
  readonly #held = new Map<string, number>();
  /** Contents whose file is being deleted at this moment. */
  readonly #removing = new Map<string, Promise<unknown>>();
  /** What was held or referred to since the present collection of garbage began; undefined while there is none. */
  #referred: Set<string> | undefined;
  #collections = 0;
  /** The collection of garbage before the next one; never rejects. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(store: BlobStore) {
    this.store = store;
  }

  /** Grows each time garbage is collected: what was here before may be gone. */
  get epoch(): number {
    return this.#collections;
  }

  /** To be held from before a blob is looked for or stored until the row that refers to it is committed, or given up. */
  lease(): BlobLease {
    return new BlobLease(this, this.#held);
  }

  /** A text with references is about to be queued for writing. To be called before, without waiting in between. */
  refer(text: string): void {
    if (this.#referred !== undefined) for (const digest of blobDigestsIn(text)) this.#referred.add(digest);
  }

  /** Runs `work`, which finds out what nobody refers to and calls `remove` for it. One at a time, in the order asked for. */
  async collect<T>(work: () => Promise<T>): Promise<T> {
    const collection = this.#last.then(async () => {
      this.#collections++;
      this.#referred = new Set(this.#held.keys());
      try {
        return await work();
      } finally {
        this.#referred = undefined;
      }
    });
    this.#last = collection.catch(() => undefined);
    return collection;
  }

  /** Deletes a content that no row refers to, unless somebody needs it nevertheless. */
  async remove(digest: string): Promise<void> {
    if (this.#referred === undefined || this.#referred.has(digest)) return;
    const removal = this.store.delete(digest);
    this.#removing.set(digest, removal);
    try {
      await removal;
    } finally {
      this.#removing.delete(digest);
    }
  }

  /** @internal A lease takes hold of a content. Resolves when no deletion of it is under way: now it is here or it is not. */
  async hold(digest: string): Promise<void> {
    this.#referred?.add(digest);
    await this.#removing.get(digest)?.catch(() => undefined); // told to the one who collects
  }
}

export class BlobLease {
  readonly #leases: BlobLeases;
  readonly #held: Map<string, number>;
  readonly #digests = new Set<string>();

  /** @internal Leases come from {@link BlobLeases}. */
  constructor(leases: BlobLeases, held: Map<string, number>) {
    this.#leases = leases;
    this.#held = held;
  }

  /** Whether the content is here. If so it stays until the release. Rejects with `BLOB_INVALID` for what is no digest. */
  async keep(digest: string): Promise<boolean> {
    await this.#hold(digest);
    return this.#leases.store.has(digest);
  }

  /** As `BlobStore.put`; the content stays until the release. */
  put(source: BlobSource, expected?: ExpectedBlob): Promise<StoredBlob> {
    return this.#leases.store.put(source, expected, (digest) => this.#hold(digest));
  }

  /** Keeps what a text refers to, as far as it is here. */
  async keepAllOf(text: string): Promise<void> {
    await Promise.all(blobDigestsIn(text).map((digest) => this.#hold(digest)));
  }

  /** Idempotent. */
  release(): void {
    for (const digest of this.#digests) {
      const others = (this.#held.get(digest) ?? 1) - 1;
      if (others === 0) this.#held.delete(digest);
      else this.#held.set(digest, others);
    }
    this.#digests.clear();
  }

  /** Takes hold at the call, before anything is waited for. */
  #hold(digest: string): Promise<void> {
    if (!this.#digests.has(digest)) {
      this.#digests.add(digest);
      this.#held.set(digest, (this.#held.get(digest) ?? 0) + 1);
    }
    return this.#leases.hold(digest);
  }
}
