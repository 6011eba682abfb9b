/**
 * Deletes the contents of blobs that nothing in the database refers to any more.
 *
 * Nobody has to wait for it, because of three things. What is referred to after it began is remembered by the leases. What
 * was asked for before has been committed when the first document is read. And a document that is written while they are
 * read moves to the end of the feed, where it is still met; so a reference that was there all the time is never missed.
 */
import type { Storage } from '../storage/index.js';
import type { BlobLeases } from './blob-leases.js';
import { blobDigestsIn } from './blob-references.js';
import type { CollectionState } from './collection-state.js';

export interface CollectedDatabase {
  readonly storage: Storage;
  readonly blobLeases: BlobLeases;
  /** Collections that exist. */
  readonly collections: readonly CollectionState[];
}

/**
 * @param settled resolves when everything that was queued for writing before the call has been committed
 */
export function collectBlobs(database: CollectedDatabase, settled: () => Promise<void>): Promise<void> {
  const { blobLeases } = database;
  return blobLeases.collect(async () => {
    await settled();
    let unneeded = new Set<string>();
    for await (const digest of blobLeases.store.list()) {
      unneeded.add(digest);
      if (unneeded.size < MAX_DIGESTS) continue;
      await sweep(database, unneeded);
      unneeded = new Set();
    }
    if (unneeded.size > 0) await sweep(database, unneeded);
  });
}

/** Deletes those of `candidates` that no document refers to. Reads every document. */
async function sweep(database: CollectedDatabase, candidates: Set<string>): Promise<void> {
  const { storage, blobLeases } = database;
  for (const collection of database.collections) {
    try {
      await findReferences(storage, collection.key, candidates);
    } catch (error) {
      if (!collection.deleted) throw error; // if it was, while it was read, its references are gone too
    }
  }
  if (candidates.size === 0) return;
  // What the documents say now must survive a power cut: one that brought an older revision back would find its blobs gone.
  await storage.compact();
  for (const digest of candidates) await blobLeases.remove(digest);
}

/** Takes everything that the documents of a collection refer to out of `candidates`. */
async function findReferences(storage: Storage, collection: number, candidates: Set<string>): Promise<void> {
  for (let since = 0; ;) {
    const page = await storage.feed({ collection, since, limit: PAGE, maxBytes: PAGE_BYTES });
    for (const document of page) {
      // Any text of the row: revisions that wait for a resolution hold bodies too.
      for (const value of Object.values(document)) {
        if (typeof value === 'string') for (const digest of blobDigestsIn(value)) candidates.delete(digest);
      }
    }
    const last = page.at(-1);
    if (last === undefined) return;
    since = last.sequence;
  }
}

/** Digests looked for at once: 100 bytes of memory each. A database with more blobs is read more than once. */
const MAX_DIGESTS = 100_000;
const PAGE = 200;
const PAGE_BYTES = 1024 * 1024;
