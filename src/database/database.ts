/**
 * A database: a folder on disk, open in this process. Several Database objects may share one folder within a process;
 * a second process is refused.
 */
import { basename, resolve } from 'node:path';
import {
  checkInteger,
  checkOptions,
  consoleLogger,
  oneLineLogger,
  systemClock,
  type Clock,
  type Logger,
  type Unsubscribe,
} from '../base/index.js';
import { HawserError } from '../errors.js';
import { isDatabaseDirectory } from '../storage/index.js';
import { Batch } from './batch.js';
import { Blob, isBlobDictionary, type BlobDictionary } from './blob.js';
import { Collection } from './collection.js';
import type { DocumentBody } from './document.js';
import type { DatabaseEngine } from './engine.js';
import { checkPath } from './folder.js';
import { checkCollection, DEFAULT_NAME, shown } from './names.js';
import { acquireEngine, destroyFolder } from './open-engines.js';
import { checkProfile, type ProfileName, type ReplicationSizes } from './profile.js';

export interface DatabaseOptions {
  /** The name peers use in URLs. @default the last part of the path */
  readonly name?: string;
  /** Flush every commit to disk (SQLite FULL): survives power loss, writes more slowly. @default false */
  readonly fullSync?: boolean;
  /**
   * `'small'` for a device with little memory and slow flash: smaller caches, windows and queues, one reader, a log of 4 MiB,
   * here and in the replicators and listeners of this database. Explicit options of theirs and of this object go before it.
   * @default 'default'
   */
  readonly profile?: ProfileName;
  /** The SQLite driver. @default 'auto': sqlite3, or node:sqlite where that is not installed */
  readonly driver?: 'auto' | 'sqlite3' | 'node:sqlite';
  /**
   * Documents that may wait to be written before a save is refused with `WRITE_QUEUE_FULL`; so it is when the bodies that
   * wait have more than 64 Mi characters together (8 Mi with the small profile). @default 100,000, or 10,000 with the small profile
   */
  readonly maxQueuedWrites?: number;
  /** @default warnings and errors go to standard error */
  readonly logger?: Logger;
  /** Decides among other things when documents expire: that of the Database object which opens the folder first. @default the clock of the machine */
  readonly clock?: Clock;
}

/** Something that works on a database and ends with it: a replicator or a listener. */
export interface DatabaseUser {
  stop(): Promise<void>;
}

export class Database {
  /** The folder, as an absolute path. */
  readonly path: string;
  readonly name: string;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly #engine: DatabaseEngine;
  readonly #users = new Set<DatabaseUser>();
  readonly #listeners = new Set<Unsubscribe>();
  readonly #handles = new Map<string, Collection<never>>();
  #closing: Promise<void> | undefined;

  /**
   * Opens the database in the folder `path`, which is made if it does not exist. Rejects with `DATABASE_BUSY` if another
   * process has it open, `DATABASE_CORRUPT`, `DATABASE_TOO_NEW`, `DATABASE_CANNOT_OPEN`, `STORAGE_…`; and with
   * `ARGUMENT_INVALID` or `OPTION_UNKNOWN`.
   */
  static async open(path: string, options: DatabaseOptions = {}): Promise<Database> {
    checkPath(path);
    checkOptions('Database.open', options, KNOWN_OPTIONS);
    const { driver, fullSync, maxQueuedWrites, profile } = options;
    checkProfile(profile);
    if (driver !== undefined && !['auto', 'sqlite3', 'node:sqlite'].includes(driver)) {
      throw new HawserError('ARGUMENT_INVALID', `driver must be auto, sqlite3 or node:sqlite, not ${shown(driver)}`);
    }
    if (fullSync !== undefined && typeof fullSync !== 'boolean') {
      throw new HawserError('ARGUMENT_INVALID', `fullSync must be true or false, not ${shown(fullSync)}`);
    }
    if (maxQueuedWrites !== undefined) checkInteger('maxQueuedWrites', maxQueuedWrites, 1);
    const name = options.name ?? basename(resolve(path));
    if (typeof name !== 'string' || name === '' || name.includes('/') || name.startsWith('_')) {
      throw new HawserError(
        'ARGUMENT_INVALID',
        `the name ${shown(name)} of a database must not be empty, begin with "_" or hold "/"`,
      );
    }
    const logger = options.logger ?? consoleLogger();
    const clock = options.clock ?? systemClock;
    const engine = await acquireEngine(
      path,
      { driver, fullSync, maxQueuedWrites, profile },
      { clock, logger: oneLineLogger(logger) },
    );
    return new Database(engine, name, logger, clock);
  }

  /** Whether there is a database in the folder `path`. */
  static async exists(path: string): Promise<boolean> {
    return isDatabaseDirectory(checkPath(path));
  }

  /** Deletes the database in the folder `path` and everything in that folder. False if there is none; `DATABASE_BUSY` if anybody has it open. */
  static async delete(path: string): Promise<boolean> {
    return destroyFolder(checkPath(path));
  }

  private constructor(engine: DatabaseEngine, name: string, logger: Logger, clock: Clock) {
    this.path = engine.path;
    this.name = name;
    this.logger = logger;
    this.clock = clock;
    this.#engine = engine;
  }

  get isClosed(): boolean {
    return this.#closing !== undefined;
  }

  /** Which SQLite driver is in use. */
  get driver(): string {
    return this.#engine.storage.driver;
  }

  /** A handle to a collection, which need not exist yet. The same object for the same name. */
  collection<T extends DocumentBody = Record<string, unknown>>(
    name: string = DEFAULT_NAME,
    options: { readonly scope?: string } = {},
  ): Collection<T> {
    this.#check();
    checkOptions('collection', options, ['scope']);
    const { scope } = checkCollection(options.scope ?? DEFAULT_NAME, name);
    const state = this.#engine.collectionState(scope, name);
    const key = `${scope}.${name}`;
    const known = this.#handles.get(key);
    if (known !== undefined && Collection.internals(known).state === state) return known as unknown as Collection<T>;
    const handle = new Collection<T>(this, this.#engine, state);
    this.#handles.set(key, handle as unknown as Collection<never>);
    return handle;
  }

  /** Makes a collection, if it does not exist, and resolves to its handle. Not possible inside `inBatch`, whose writes make it. */
  async createCollection<T extends DocumentBody = Record<string, unknown>>(
    name: string,
    options: { readonly scope?: string } = {},
  ): Promise<Collection<T>> {
    const handle = this.collection<T>(name, options);
    await this.#engine.createCollection(Collection.internals(handle as unknown as Collection<never>).state);
    return handle;
  }

  /** Deletes a collection with its documents; its handles reject with `COLLECTION_DELETED` from then on. */
  async deleteCollection(name: string, options: { readonly scope?: string } = {}): Promise<void> {
    const handle = this.collection<never>(name, options);
    await this.#engine.deleteCollection(Collection.internals(handle).state);
  }

  /** The collections that exist, the default one included. */
  collections(): Collection[] {
    this.#check();
    const names = this.#engine.collections.map((state) => [state.name, state.scope] as const);
    if (!names.some(([name, scope]) => name === DEFAULT_NAME && scope === DEFAULT_NAME))
      names.unshift([DEFAULT_NAME, DEFAULT_NAME]);
    return names.map(([name, scope]) => this.collection(name, { scope }));
  }

  /**
   * Runs `work` as one transaction: what it does through its argument is committed together when it resolves, and undone
   * when it rejects. Others' writes wait meanwhile; inside, what would wait for its end is refused with `DATABASE_IN_BATCH`.
   * A batch inside a batch joins it: if it rejects, the whole does.
   */
  async inBatch<R>(work: (batch: Batch) => Promise<R>): Promise<R> {
    if (typeof work !== 'function') throw new HawserError('ARGUMENT_INVALID', 'inBatch needs a function');
    this.#check();
    return this.#engine.batch(async (batch) => work(new Batch(this, this.#engine, batch)));
  }

  /** Stores a blob before any document refers to it, which should be soon: `compact` removes it until then. Resolves to its dictionary. */
  async saveBlob(blob: Blob): Promise<BlobDictionary> {
    this.#check();
    if (!(blob instanceof Blob)) throw new HawserError('BLOB_INVALID', 'saveBlob needs a Blob of hawser');
    const lease = this.#engine.blobLeases.lease();
    try {
      return blob.dictionaryOf(await this.#engine.preparing(blob.storeIn(this.#engine.blobLeases, lease)));
    } finally {
      lease.release();
    }
  }

  /** The blob that a dictionary in a body stands for, or undefined if its content is not here. */
  async getBlob(dictionary: unknown): Promise<Blob | undefined> {
    this.#check();
    if (!isBlobDictionary(dictionary)) throw new HawserError('BLOB_INVALID', 'this is not the dictionary of a blob');
    const { blobs, blobLeases } = this.#engine;
    const { digest, content_type: contentType = '' } = dictionary;
    const { epoch } = blobLeases;
    const length = await blobs.length(digest);
    return length === undefined ? undefined : Blob.stored(contentType, blobLeases, epoch, { digest, length });
  }

  /** Checks the whole file; resolves to the problems found, none for a sound database. Slow. */
  async integrityCheck(): Promise<string[]> {
    this.#check();
    return this.#engine.storage.integrityCheck();
  }

  /**
   * Deletes blobs that no document refers to, those of conflicts that wait included, and gives free space back to the file
   * system. Others may read and write meanwhile. Slow: if there are blobs it reads every document, and a database of more
   * than 100,000 blobs several times.
   */
  async compact(): Promise<void> {
    this.#check();
    await this.#engine.compact();
  }

  /** Stops the replicators and listeners of this database, finishes the writes asked for, and closes. Idempotent. */
  async close(): Promise<void> {
    this.#engine.checkNotInBatch('close');
    this.#closing ??= this.#close();
    await this.#closing;
  }

  /** Closes the database and deletes its folder. Rejects with `DATABASE_BUSY` if another Database object has it open. */
  async delete(): Promise<void> {
    this.#check();
    this.#engine.checkNotInBatch('delete');
    if (this.#engine.users > 1)
      throw new HawserError('DATABASE_BUSY', `${this.path} is open by another Database object`);
    await this.close();
    await Database.delete(this.path);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @internal Registers what must stop before the database closes; returns how to take it back. */
  addUser(user: DatabaseUser): () => void {
    this.#check();
    this.#users.add(user);
    return () => this.#users.delete(user);
  }

  /** @internal What shapes the sessions of its replicators and listeners. */
  get replicationSizes(): ReplicationSizes {
    return this.#engine.profile.replication;
  }

  /** @internal Throws `DATABASE_IN_BATCH` where `what` would wait for the batch on this database that it is called from. */
  checkNotInBatch(what: string): void {
    this.#engine.checkNotInBatch(what);
  }

  /** @internal Calls `unsubscribe` at the latest when the database has closed: what comes after is another Database object's. */
  whileOpen(unsubscribe: Unsubscribe): Unsubscribe {
    const remove = (): void => {
      this.#listeners.delete(remove);
      unsubscribe();
    };
    this.#listeners.add(remove);
    return remove;
  }

  async #close(): Promise<void> {
    const stops = await Promise.allSettled([...this.#users].map(async (user) => user.stop()));
    this.#engine.events.emit('closing', undefined);
    try {
      await this.#engine.release();
    } finally {
      for (const unsubscribe of this.#listeners) unsubscribe();
    }
    for (const stop of stops) if (stop.status === 'rejected') throw stop.reason;
  }

  #check(): void {
    if (this.isClosed) throw new HawserError('DATABASE_CLOSED', `database ${this.name} is closed`);
  }
}

const KNOWN_OPTIONS = ['name', 'profile', 'fullSync', 'driver', 'maxQueuedWrites', 'logger', 'clock'];
