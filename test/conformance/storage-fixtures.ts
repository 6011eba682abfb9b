/** Documents, folders and checks that the parts of the storage suite share. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { isHawserError, type ErrorCode } from '../../src/errors.js';
import type { Storage, StorageSizes, StorageTransaction, StoredDocument } from '../../src/storage/index.js';
import { cleanup } from '../support/cleanup.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

/** Opens the storage under test in a folder, which exists or whose parent does. */
export type OpenStorage = (
  directory: string,
  options?: { readonly fullSync?: boolean; readonly sizes?: StorageSizes },
) => Promise<Storage>;

export interface OpenedStorage {
  readonly directory: string;
  readonly storage: Storage;
  /** The key of a first, empty collection. */
  readonly collection: number;
}

/** A storage in a folder of its own with one collection; closed when the test ends. */
export async function opened(context: TestContext, open: OpenStorage): Promise<OpenedStorage> {
  const directory = await temporaryDirectory(context);
  const storage = await open(directory);
  cleanup(context, () => storage.close());
  return { directory, storage, collection: await addCollection(storage, 'things') };
}

export async function addCollection(storage: Storage, name: string): Promise<number> {
  return (await storage.transaction((transaction) => transaction.createCollection('_default', name))).key;
}

export function document(sequence: number, changes: Partial<StoredDocument> = {}): StoredDocument {
  return {
    id: `doc-${sequence}`,
    sequence,
    revisionID: `1-${sequence.toString(16).padStart(40, '0')}`,
    deleted: false,
    body: `{"n":${sequence}}`,
    hasBlobs: false,
    history: '',
    conflicts: null,
    remotes: null,
    bases: null,
    expiresAt: null,
    ...changes,
  };
}

/** Documents with the sequences from `first` to `last`. */
export function documents(first: number, last: number): StoredDocument[] {
  return Array.from({ length: last - first + 1 }, (_, index) => document(first + index));
}

/** Puts documents into one collection, in a transaction of their own. */
export function put(storage: Storage, collection: number, list: readonly StoredDocument[]): Promise<void> {
  return storage.transaction((transaction) => putInto(transaction, collection, list));
}

export function putInto(
  transaction: StorageTransaction,
  collection: number,
  list: readonly StoredDocument[],
): Promise<void> {
  return transaction.putDocuments(list.map((entry) => ({ collection, document: entry })));
}

/** Everything in a collection, by sequence. */
export function everything(storage: Pick<Storage, 'feed'>, collection: number): Promise<StoredDocument[]> {
  return storage.feed({ collection, since: 0, limit: 1_000_000 });
}

/** Passes if `promise` rejects with an error of that code. */
export async function rejects(promise: Promise<unknown>, code: ErrorCode, what = 'it'): Promise<void> {
  let outcome: unknown;
  try {
    outcome = await promise;
  } catch (error) {
    assert.ok(isHawserError(error), `${what} rejects with an error of hawser, not ${String(error)}`);
    assert.equal(error.code, code, `${what}: ${error.message}`);
    return;
  }
  assert.fail(`${what} does not reject with ${code} but resolves to ${JSON.stringify(outcome)}`);
}
