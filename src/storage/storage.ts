/**
 * What the database needs from a storage engine: documents by key, a feed by sequence, and small records, read and
 * written in batches. It knows nothing of revisions beyond keeping what it is given. One implementation (`SqliteStorage`)
 * with two drivers; the suite in test/conformance runs on each.
 *
 * Every method rejects with `DATABASE_CLOSED` after `close`, with `COLLECTION_DELETED` for a collection that does not exist,
 * and with `DATABASE_CORRUPT`, `STORAGE_FULL`, `STORAGE_IO_ERROR` or `STORAGE_FAILED` when SQLite reports it. Text is
 * well-formed Unicode; any character may be in it, NUL included, where nothing else is said.
 */
import type { StorageSizes } from './storage-sizes.js';

/** One document as it lies on disk. A row is written whole or not at all. */
export interface StoredDocument {
  readonly id: string;
  /**
   * Position in the collection's feed: given by the database, unique in its collection, never used twice. A document never
   * goes back: it is written again with the sequence it has, or with a higher one.
   */
  readonly sequence: number;
  /** Text of the current revision's ID. Like the bookkeeping below it cannot hold the character U+0002. */
  readonly revisionID: string;
  readonly deleted: boolean;
  /** JSON text of the current body, exactly as it was given. */
  readonly body: string;
  /** Whether the body refers to blobs. */
  readonly hasBlobs: boolean;
  /** Ancestors of the current revision, newest first, separated by commas; empty when there are none. */
  readonly history: string;
  /** Revisions on other branches that wait for a resolution, as JSON text of the database's own; null without conflict. */
  readonly conflicts: string | null;
  /** The revision each remote is known to have, as the JSON text of one object `{"<remote>":"<revision>"}`; null when none is known. */
  readonly remotes: string | null;
  /** Bodies of former revisions, kept as bases of deltas, as JSON text of the database's own; null when none is kept. */
  readonly bases: string | null;
  /** When to purge it, in milliseconds since the Unix epoch; null for never. */
  readonly expiresAt: number | null;
}

export interface CollectionRecord {
  /** Names the collection's table; never used again after its deletion. */
  readonly key: number;
  readonly scope: string;
  readonly name: string;
  /** The highest sequence that a document of this collection ever had in a committed transaction, purged ones included. */
  readonly lastSequence: number;
}

export interface FeedQuery {
  readonly collection: number;
  /** Only sequences above this one. */
  readonly since: number;
  /** At most this many documents. */
  readonly limit: number;
  /**
   * At most this many bytes of bodies, conflicts and bases, as UTF-8; the first document is returned whatever its size.
   * @default no bound
   */
  readonly maxBytes?: number;
  /** Leave tombstones out. @default false */
  readonly activeOnly?: boolean;
  /** Only documents with conflicts. @default false */
  readonly conflictedOnly?: boolean;
}

export interface DocumentWrite {
  readonly collection: number;
  readonly document: StoredDocument;
}

/** The reading half. Sees everything committed before the call; each call sees one state of the database. */
export interface StorageReader {
  collections(): Promise<CollectionRecord[]>;
  /** The documents with these IDs, in the order of `ids`; `undefined` for each that does not exist. Tombstones included. */
  documents(collection: number, ids: readonly string[]): Promise<(StoredDocument | undefined)[]>;
  /** Documents by ascending sequence. Fewer than `limit` does not mean the end when `maxBytes` is given; none does. */
  feed(query: FeedQuery): Promise<StoredDocument[]>;
  /** How many documents are not tombstones. */
  count(collection: number): Promise<number>;
  /** IDs of documents that are not tombstones, ascending by UTF-8 bytes, after `after`. */
  ids(collection: number, after: string, limit: number): Promise<string[]>;
  /** The earliest expiry in the collection, or null. */
  nextExpiry(collection: number): Promise<number | null>;
  /** IDs whose expiry is at or before `now`, tombstones included. */
  expired(collection: number, now: number, limit: number): Promise<string[]>;
  /** A text kept by `putRecord`; undefined if there is none. */
  record(kind: string, key: string): Promise<string | undefined>;
}

/**
 * What can be done inside one transaction. Calls are carried out in the order they are made, awaited or not; reads see the
 * writes made before them. Only usable until it ends (`ARGUMENT_INVALID` after that).
 *
 * A write may be held back and carried out with the next call or with the commit, so its promise may resolve before SQLite
 * has seen it. Nothing is lost by that: once a statement has failed, every later call rejects with its error, and so does
 * the transaction, even if `work` caught it. An argument that is refused beforehand (`ARGUMENT_INVALID`,
 * `COLLECTION_DELETED`) does not cost the transaction.
 */
export interface StorageTransaction extends StorageReader {
  /** Makes a collection, or finds the one of that name. Names are told apart by case. */
  createCollection(scope: string, name: string): Promise<CollectionRecord>;
  /** Deletes a collection with its documents. */
  deleteCollection(key: number): Promise<void>;
  /**
   * Writes documents in the order given, replacing those with the same ID whole; each collection's `lastSequence` is then at
   * least the highest sequence given. All in one or a few statements: pass many at once. A sequence that another document
   * has, or that is lower than the document's own, costs the transaction (`STORAGE_FAILED`).
   */
  putDocuments(writes: readonly DocumentWrite[]): Promise<void>;
  /** Removes documents without trace; IDs that do not exist are skipped. */
  purgeDocuments(collection: number, ids: readonly string[]): Promise<void>;
  /**
   * Notes that `remote` has a revision of each document: `remotes` of the row with that ID gets key `remote` set to it. The
   * sequence does not change. `remote` must have got the revision from here: then what the document is now supersedes it.
   * A row is left as it is if it no longer exists, or if the note would be wrong:
   *
   * - the revision is not the current one, and not of a lower generation than the current one;
   * - it is of a lower generation, and one of the same or a higher is noted already;
   * - it is of a lower generation, and a conflict waits: what the remote has may be on the other branch.
   */
  setRemoteRevisions(
    collection: number,
    remote: number,
    revisions: readonly { readonly id: string; readonly revisionID: string }[],
  ): Promise<void>;
  /** Small named texts: checkpoints, identities, settings. `undefined` deletes. */
  putRecord(kind: string, key: string, value: string | undefined): Promise<void>;
  /** Deletes the records of a kind whose keys begin with `prefix`. */
  deleteRecords(kind: string, prefix: string): Promise<void>;
  /**
   * Keeps the records of a kind whose values begin with the highest numbers: at most `maxCount`, and at most `maxBytes` of
   * values as UTF-8. Reads them all.
   */
  trimRecords(kind: string, maxCount: number, maxBytes: number): Promise<void>;
}

export interface Storage extends StorageReader {
  /**
   * Runs `work` in a transaction of its own, after those asked for before it. Commits when `work` resolves and resolves
   * after the commit; rolls back when it rejects, and rejects with the same reason. `work` that awaits another transaction of
   * the same storage waits for ever.
   */
  transaction<T>(work: (transaction: StorageTransaction) => Promise<T>): Promise<T>;
  /** Checks the whole file, beside reads and writes; resolves to the problems found, none for a sound one. */
  integrityCheck(): Promise<string[]>;
  /** Gives free pages back to the file system and moves the write-ahead log into the database. */
  compact(): Promise<void>;
  /** Waits for the transactions and reads asked for before, then closes every connection. Idempotent. */
  close(): Promise<void>;
  /** The name of the driver in use, for diagnostics. */
  readonly driver: string;
}

export interface StorageOptions {
  /**
   * The folder; made if missing, with its parents' existence required. Whoever opens a storage holds the folder's lock
   * (`lockDirectory`) and opens it once: two storages on one folder would write past each other.
   */
  readonly directory: string;
  /** Survive power loss with every commit, at the cost of a flush to disk each (SQLite FULL instead of NORMAL). */
  readonly fullSync: boolean;
  /** Which driver to use. `auto` takes sqlite3, and node:sqlite where that is not installed. */
  readonly driver: 'auto' | 'sqlite3' | 'node:sqlite';
  /** What it takes of memory and disk. @default `DEFAULT_STORAGE_SIZES` */
  readonly sizes?: StorageSizes;
}
