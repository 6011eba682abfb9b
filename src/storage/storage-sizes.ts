/** What a storage takes of memory and disk beside the documents. The database chooses, by its profile. */
export interface StorageSizes {
  /** Connections that read beside the writer, where the driver can work on several at a time; otherwise there is one. */
  readonly readers: number;
  /** Pages that the writer keeps. In bytes. */
  readonly writerCacheBytes: number;
  /** Pages that each reader keeps. In bytes. */
  readonly readerCacheBytes: number;
  /**
   * How long the write-ahead log may become before it is moved into the database, and of what it grew beyond that for the sake
   * of a large transaction or a long read, everything is given back. In bytes, a whole number of pages of 4 KiB.
   */
  readonly logBytes: number;
}

export const DEFAULT_STORAGE_SIZES: StorageSizes = {
  // More gain nothing on two cores, and a statement each occupies a thread of libuv's four.
  readers: 2,
  // What SQLite takes by itself.
  writerCacheBytes: 2_000 * 1024,
  readerCacheBytes: 2_000 * 1024,
  // Each checkpoint writes a page once, however often it changed since the one before.
  logBytes: 16 * 1024 * 1024,
};
