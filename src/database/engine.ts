/**
 * One open database: the storage, the blobs, the write queue and the feed of commits, shared by every Database object
 * on the same path in this process. It knows documents and transactions, and nothing of revisions' meaning.
 *
 * Invariant: what `edit` and `batch` resolve to has been committed before they resolve.
 */
import { join } from 'node:path';
import { deferred, Emitter, type Clock } from '../base/index.js';
import { HawserError } from '../errors.js';
import { BlobStore, lockDirectory, openStorage, type Storage, type StorageTransaction } from '../storage/index.js';
import { collectBlobs } from './blob-collector.js';
import { BlobLeases } from './blob-leases.js';
import { recordKey, type CollectionState } from './collection-state.js';
import type { CollectionEdits } from './document-edits.js';
import { EditQueue, settleJobs, type EditJob } from './edit-queue.js';
import { batchAround, MAX_GROUP, outsideBatches, runBatch, type EngineBatch } from './engine-batch.js';
import {
  checkSame,
  withDefaults,
  type EngineOptions,
  type EngineSettings,
  type EngineTools,
} from './engine-options.js';
import { Expiration } from './expiration.js';
import { identities, type Identities } from './identities.js';
import { DEFAULT_NAME } from './names.js';
import { profileOf, type Profile } from './profile.js';
import { PEER_CHECKPOINT, PeerCheckpoints } from './peer-checkpoints.js';
import { collectionDeleted, WriteSession, type CommittedChange } from './write-session.js';

interface EngineEvents {
  /** After a commit, before its writers are told. */
  committed: CommittedChange;
  /** A Database object that shares the engine is being closed. */
  closing: undefined;
  /** For good: a collection of the same name is another one. */
  collectionDeleted: CollectionState;
}

export class DatabaseEngine {
  readonly path: string;
  readonly storage: Storage;
  /** For reading. What is stored goes through a lease. */
  readonly blobs: BlobStore;
  readonly blobLeases: BlobLeases;
  readonly peerCheckpoints = new PeerCheckpoints();
  readonly expiration: Expiration;
  /** Decides what has expired: that of the Database object which opened the folder first. */
  readonly clock: Clock;
  readonly options: EngineSettings;
  /** What this folder, and whoever replicates it, takes of memory and flash. */
  readonly profile: Profile;
  readonly events = new Emitter<EngineEvents>();
  /** Identifies this database in its checkpoints; never leaves the device. */
  readonly privateUUID: string;
  /** Identifies this database to peers. */
  readonly publicUUID: string;
  readonly #free: () => Promise<void>;
  readonly #collections = new Map<string, CollectionState>();
  readonly #queue: EditQueue;
  /** Edits that are not in the queue yet: the blobs of their documents are being stored. */
  readonly #preparing = new Set<Promise<unknown>>();
  #users = 1;
  #closing: Promise<void> | undefined;

  /** Opens the folder `directory` for one Database object. `onClosed` is called when it is free again. */
  static async open(
    directory: string,
    given: EngineOptions,
    tools: EngineTools,
    onClosed: () => void,
  ): Promise<DatabaseEngine> {
    const options = withDefaults(given);
    const { fullSync, driver, profile } = options;
    const unlock = await lockDirectory(directory, driver);
    let storage: Storage | undefined;
    try {
      storage = await openStorage({ directory, fullSync, driver, sizes: profileOf(profile).storage }, tools.logger);
      const blobs = await BlobStore.open(join(directory, 'blobs'));
      const uuids = await identities(storage);
      const free = (): Promise<void> => unlock().finally(onClosed);
      const engine = new DatabaseEngine(directory, storage, blobs, options, tools, free, uuids);
      for (const record of await storage.collections()) {
        engine.#collections.set(`${record.scope}.${record.name}`, { ...record, deleted: false, bodyKeepers: 0 });
      }
      await engine.expiration.start();
      return engine;
    } catch (error) {
      await storage?.close().catch(() => undefined);
      await unlock();
      throw error;
    }
  }

  private constructor(
    path: string,
    storage: Storage,
    blobs: BlobStore,
    options: EngineSettings,
    tools: EngineTools,
    free: () => Promise<void>,
    uuids: Identities,
  ) {
    this.path = path;
    this.storage = storage;
    this.blobs = blobs;
    this.blobLeases = new BlobLeases(blobs);
    this.clock = tools.clock;
    this.options = options;
    this.profile = profileOf(options.profile);
    this.#free = free;
    this.privateUUID = uuids.private;
    this.publicUUID = uuids.public;
    this.#queue = new EditQueue((group) => this.#commit(group), {
      maxGroup: MAX_GROUP,
      maxWaiting: options.maxQueuedWrites,
      maxWaitingLength: this.profile.maxQueuedLength,
    });
    this.expiration = new Expiration(this, tools.logger, {
      turn: (work) => this.#queue.turn(work),
      purge: (collection, ids) => this.#purge(collection, ids),
    });
  }

  /** Lets one more Database object in. False if it is too late: the folder has become free then. */
  async share(options: EngineOptions): Promise<boolean> {
    if (this.#closing !== undefined) {
      await this.#closing.catch(() => undefined); // told to those who closed it
      return false;
    }
    checkSame(this.path, options, { ...this.options, driver: this.storage.driver });
    this.#users++;
    return true;
  }

  /** The number of Database objects that share this engine. */
  get users(): number {
    return this.#users;
  }

  /** Lets go of the engine after what was asked for before; the last one out closes the files. */
  async release(): Promise<void> {
    await Promise.allSettled([...this.#preparing]);
    await this.#queue.turn(async () => undefined);
    this.#users--;
    if (this.#users > 0) return;
    this.#closing ??= this.#close();
    await this.#closing;
  }

  /** The shared state of a collection that may not exist yet. */
  collectionState(scope: string, name: string): CollectionState {
    const found = this.#collections.get(`${scope}.${name}`);
    if (found !== undefined) return found;
    const state: CollectionState = { key: -1, scope, name, lastSequence: 0, deleted: false, bodyKeepers: 0 };
    this.#collections.set(`${scope}.${name}`, state);
    return state;
  }

  /** Collections that exist. */
  get collections(): CollectionState[] {
    return [...this.#collections.values()].filter((state) => state.key >= 0);
  }

  async createCollection(state: CollectionState): Promise<void> {
    if (state.key >= 0) return;
    this.checkNotInBatch('createCollection');
    await this.#queue.turn(async () => {
      if (state.deleted) throw collectionDeleted(state);
      await this.#transaction((session) => session.create(state));
    });
  }

  async deleteCollection(state: CollectionState): Promise<void> {
    if (state.scope === DEFAULT_NAME && state.name === DEFAULT_NAME) {
      throw new HawserError('COLLECTION_DEFAULT_REQUIRED', 'the default collection cannot be deleted');
    }
    this.checkNotInBatch('deleteCollection');
    await this.#queue.turn(async () => {
      if (state.deleted) return;
      if (state.key >= 0) {
        await this.storage.transaction(async (transaction) => {
          await transaction.deleteCollection(state.key);
          for (const kind of ['checkpoint', PEER_CHECKPOINT])
            await transaction.deleteRecords(kind, recordKey(state, ''));
        });
      }
      state.deleted = true;
      this.#collections.delete(`${state.scope}.${state.name}`);
      outsideBatches(() => this.events.emit('collectionDeleted', state));
    });
  }

  /**
   * Runs one writer's edit in the next group commit. Rejects with what `work` throws, or with why the commit failed.
   * @param length characters of the bodies that wait with it
   */
  async edit<T>(
    collection: CollectionState,
    ids: readonly string[],
    work: (edits: CollectionEdits) => T,
    length = 0,
  ): Promise<T> {
    this.checkNotInBatch('writing past the batch');
    return this.#queue.add(collection, ids, work, length);
  }

  /** Lets `work`, which ends in an edit, finish before the engine is let go of by those who asked for it. */
  async preparing<T>(work: Promise<T>): Promise<T> {
    this.#preparing.add(work);
    try {
      return await work;
    } finally {
      this.#preparing.delete(work);
    }
  }

  /** Runs `work` in a transaction of its own. Called inside a running batch of the same engine it joins that one. */
  async batch<T>(work: (batch: EngineBatch) => Promise<T>): Promise<T> {
    const around = batchAround(this);
    if (around !== undefined) return around.join(() => work(around));
    return this.#queue.turn(() => this.#transaction((session) => runBatch(this, session, work)));
  }

  /** A change of a collection's records, which makes the collection. Keeps its order with the edits asked for before it. */
  async keepRecords<T>(state: CollectionState, work: (transaction: StorageTransaction) => Promise<T>): Promise<T> {
    if (state.key < 0) await this.createCollection(state);
    return this.#queue.turn(async () => {
      if (state.deleted) throw collectionDeleted(state);
      return this.storage.transaction(work);
    });
  }

  /** Deletes blobs that nothing refers to, and gives free space back to the file system. */
  async compact(): Promise<void> {
    this.checkNotInBatch('compact');
    await this.preparing(this.#compact());
  }

  /** Throws `DATABASE_IN_BATCH` where `what` would wait for the batch that it is called from. */
  checkNotInBatch(what: string): void {
    if (batchAround(this) === undefined) return;
    const message = `${what} is not possible inside inBatch, where only work through the argument of its function is`;
    throw new HawserError('DATABASE_IN_BATCH', message);
  }

  /** To be called in turn: what it commits is known to the next one. */
  async #transaction<T>(work: (session: WriteSession) => Promise<T>): Promise<T> {
    const { session, result } = await this.storage.transaction(async (transaction) => {
      const session = new WriteSession(transaction);
      return { session, result: await work(session) };
    });
    const changes = session.committed();
    if (changes.length > 0) {
      outsideBatches(() => {
        for (const change of changes) this.events.emit('committed', change);
      });
    }
    return result;
  }

  async #commit(group: readonly EditJob[]): Promise<void> {
    try {
      const outcomes = await this.#transaction(async (session) => {
        const results = await session.run(group);
        await session.flush();
        return results;
      });
      settleJobs(group, outcomes);
    } catch (error) {
      for (const job of group) job.done.reject(error);
    }
  }

  async #compact(): Promise<void> {
    await collectBlobs(this, () => this.#queue.turn(async () => undefined));
    await this.storage.compact();
  }

  /** In turn. Nothing is read, however large the documents are. */
  async #purge(collection: CollectionState, ids: readonly string[]): Promise<void> {
    await this.#transaction(async (session) => {
      const work = (edits: CollectionEdits): void => ids.forEach((id) => edits.purge(id));
      await session.run([{ collection, ids: [], length: 0, work, done: deferred() }]);
      await session.flush();
    });
  }

  async #close(): Promise<void> {
    try {
      await this.expiration.stop();
      await this.#queue.idle();
      await this.storage.close();
    } finally {
      await this.#free();
    }
  }
}
