/** What the replicator may do with the contents of blobs, beside holding leases on them. */
import type { BlobStore } from '../storage/index.js';

export class ReplicationBlobs {
  readonly #store: BlobStore;

  constructor(store: BlobStore) {
    this.#store = store;
  }

  /** Bytes, or undefined for a content that is not here. Rejects with `BLOB_INVALID` for what is no digest. */
  length(digest: string): Promise<number | undefined> {
    return this.#store.length(digest);
  }

  /** In pieces. Throws `BLOB_NOT_FOUND`, and `BLOB_CORRUPT` after the last piece if the file was damaged. */
  stream(digest: string): AsyncGenerator<Uint8Array, void, undefined> {
    return this.#store.stream(digest);
  }

  /** As {@link stream}, for one who checks the digest by himself: a peer can be told nothing after the last piece. */
  streamUnchecked(digest: string): AsyncGenerator<Uint8Array, void, undefined> {
    return this.#store.stream(digest, { end: Number.MAX_SAFE_INTEGER });
  }
}
