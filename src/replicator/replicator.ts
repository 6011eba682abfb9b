/**
 * Replicates collections with a remote database: what applications start and stop, and ask how far it is. What it does
 * between a start and a stop is `replicator-run.ts`.
 */
import type { X509Certificate } from 'node:crypto';
import { checkOptions, Emitter, type Unsubscribe } from '../base/index.js';
import { Collection, ReplicationStore, type DocumentBody } from '../database/index.js';
import { HawserError } from '../errors.js';
import { checkpointIDOf, parseCheckpoint } from './checkpoint.js';
import { rulesOf, type CollectionRules } from './collection-configuration.js';
import { DocumentEvents, type DocumentReplication } from './document-events.js';
import { isDocumentPending, pendingDocumentIDs, type PendingQuery } from './pending-documents.js';
import { configure, type ReplicatorConfiguration, type ReplicatorOptions } from './replicator-options.js';
import { ReplicatorRun } from './replicator-run.js';
import { NO_PROGRESS, StatusBoard, type ReplicatorStatus } from './replicator-status.js';
import { SequenceSet } from './sequence-set.js';

export interface ReplicatorEvents {
  /** After each change of the activity or the error; at most five a second while only the progress changes. */
  status: ReplicatorStatus;
  /**
   * Documents were transferred, or could not be, in batches: at most every 200 ms, and before the status says that the
   * replicator is idle, offline or stopped. Each document comes once for each time it was transferred; one in conflict
   * after that is settled.
   */
  documents: DocumentReplication;
}

export class Replicator {
  readonly config: ReplicatorConfiguration;
  readonly #emitter = new Emitter<ReplicatorEvents>();
  readonly #collections: readonly { readonly store: ReplicationStore; readonly rules: CollectionRules }[];
  readonly #documents: DocumentEvents;
  readonly #status: StatusBoard;
  #run: { readonly run: ReplicatorRun; readonly done: Promise<void> } | undefined;
  #serverCertificate: X509Certificate | undefined;

  /** Throws `ARGUMENT_INVALID` or `OPTION_UNKNOWN`. Connects to nobody before `start`. */
  constructor(options: ReplicatorOptions) {
    this.config = configure(options);
    const { clock, collections } = this.config;
    this.#collections = collections.map((configuration) => ({
      store: new ReplicationStore(configuration.collection as unknown as Collection<never>),
      rules: rulesOf(configuration),
    }));
    this.#documents = new DocumentEvents({
      clock,
      isWanted: () => this.#emitter.has('documents'),
      tell: (event) => this.#emitter.emit('documents', event),
    });
    this.#status = new StatusBoard({
      clock,
      beforePause: () => this.#documents.flush(),
      tell: (status) => this.#emitter.emit('status', status),
    });
  }

  get status(): ReplicatorStatus {
    return this.#status.current;
  }

  /**
   * The certificate that the server has shown last, trusted or not: it stays after a failure and after a stop, so that one
   * can look at it and pin it. Undefined before the first, and without TLS.
   */
  get serverCertificate(): X509Certificate | undefined {
    return this.#serverCertificate;
  }

  /**
   * Starts replicating; does nothing if it is running. May be called again after it has stopped. Progress and errors
   * appear in `status`. Throws `DATABASE_CLOSED`, and `DATABASE_IN_BATCH` inside a batch of the database.
   * @param options.reset forget how far the replication has come and compare everything anew: documents that were purged
   *   here come back, those that are equal on both sides are not sent again
   */
  start(options: { readonly reset?: boolean } = {}): void {
    checkOptions('Replicator.start', options, ['reset']);
    this.#checkNotInBatch('start');
    if (this.#run !== undefined) return;
    const removeUser = this.config.database.addUser(this);
    const run = new ReplicatorRun({
      config: this.config,
      collections: this.#collections,
      reset: options.reset ?? false,
      status: this.#status,
      onDocument: (outcome) => this.#documents.add(outcome),
      onServerCertificate: (certificate) => (this.#serverCertificate = certificate),
    });
    // A listener may look at us, and stop us, at the first word.
    const begun = Promise.resolve().then(() => run.run());
    const done = begun.then((error) => {
      this.#run = undefined;
      this.#status.set({ activity: 'stopped', error });
    });
    this.#run = { run, done: done.finally(removeUser) };
    this.#status.set({ activity: 'connecting', progress: NO_PROGRESS, error: undefined });
  }

  /** Stops replicating; resolves when it has stopped and nothing is left open. Idempotent. Rejects with `DATABASE_IN_BATCH`. */
  async stop(): Promise<void> {
    this.#checkNotInBatch('stop');
    if (this.#run === undefined) return;
    const { run, done } = this.#run;
    await run.stop();
    await done;
  }

  /**
   * Disconnects, and stays offline without trying again until `resume`; nothing is lost. For a device that goes to sleep, or
   * a link that costs money. Without effect on a replicator that is not running: a stop ends a suspension too.
   */
  suspend(): void {
    this.#run?.run.suspend();
  }

  /** Connects again at once after `suspend`. */
  resume(): void {
    this.#run?.run.resume();
  }

  /**
   * Tells what is known of the network: with false a replicator that is offline waits instead of trying, with true it tries
   * at once and begins anew to count its attempts. Without effect on one that is connected or not running.
   */
  setHostReachable(reachable: boolean): void {
    this.#run?.run.setHostReachable(reachable);
  }

  /** Resolves when the replicator has stopped, to its last error, if any. At once if it is not running. Rejects with `DATABASE_IN_BATCH`. */
  async stopped(): Promise<HawserError | undefined> {
    this.#checkNotInBatch('stopped');
    await this.#run?.done;
    return this.#status.current.error;
  }

  /**
   * Resolves when everything known is synced: at the next moment the replicator is idle, or has stopped without an error.
   * Rejects with the error if it stops with one, with `REPLICATOR_STOPPED` if it was never started, and with
   * `DATABASE_IN_BATCH`.
   */
  async whenIdle(): Promise<void> {
    this.#checkNotInBatch('whenIdle');
    await this.#status.whenIdle(this.#run !== undefined);
  }

  /**
   * IDs of the documents with changes that the remote has not got yet, deletions included, as far as the configuration lets
   * them be pushed. Answered from the database: also before a start and while offline, so a remote that loses with its power what
   * it had acknowledged is not seen before the next connection. Rejects with
   * `REPLICATION_PULL_ONLY`, `ARGUMENT_INVALID` for a collection that is not replicated, `DATABASE_CLOSED`.
   */
  async pendingDocumentIDs<T extends DocumentBody>(collection: Collection<T>): Promise<Set<string>> {
    return pendingDocumentIDs(await this.#pendingQuery('pendingDocumentIDs', collection));
  }

  /** Whether {@link pendingDocumentIDs} would hold the document; false for one that does not exist. Rejects as that does. */
  async isDocumentPending<T extends DocumentBody>(documentID: string, collection: Collection<T>): Promise<boolean> {
    return isDocumentPending(await this.#pendingQuery('isDocumentPending', collection), documentID);
  }

  /** Calls `listener` for every later event until the returned function is called. */
  on<Name extends keyof ReplicatorEvents>(event: Name, listener: (event: ReplicatorEvents[Name]) => void): Unsubscribe {
    return this.#emitter.on(event, listener);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #pendingQuery(what: string, collection: unknown): Promise<PendingQuery> {
    const { database, collections, target, type } = this.config;
    if (type === 'pull') {
      throw new HawserError('REPLICATION_PULL_ONLY', `Replicator.${what}: this replicator does not push`);
    }
    const position = collections.findIndex((configuration) => isSame(configuration.collection as unknown, collection));
    const found = this.#collections[position];
    if (found === undefined) {
      throw new HawserError('ARGUMENT_INVALID', `Replicator.${what}: collection must be one of this replicator`);
    }
    if (database.isClosed) throw new HawserError('DATABASE_CLOSED', `database ${database.name} is closed`);
    const { store, rules } = found;
    const id = checkpointIDOf(store, rules, { push: true, pull: type !== 'push', remoteID: target.remoteID });
    const done = this.#run?.run.done(store) ?? parseCheckpoint(await store.localCheckpoint(id))?.pushed;
    return { store, rules, remoteID: target.remoteID, done: done ?? new SequenceSet() };
  }

  /** Whatever waits for the replicator waits for writes, which wait for the batch. */
  #checkNotInBatch(what: string): void {
    this.config.database.checkNotInBatch(`Replicator.${what}`);
  }
}

/** Any handle on a collection will do. */
function isSame(a: unknown, b: unknown): boolean {
  return a instanceof Collection && b instanceof Collection && a.database === b.database && a.fullName === b.fullName;
}
