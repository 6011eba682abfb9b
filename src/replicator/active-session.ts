/**
 * One connection of ours to a passive peer, from opening it to its end (specification 3.2, 9.1, 9.2). It never
 * reconnects: the Replicator makes a new session for a new connection.
 *
 * Order at the end of a one-shot session: everything committed and answered, then the checkpoints saved on both sides,
 * then the connection closed.
 */
import { deferred, type Clock, type Deferred, type JsonValue, type Logger, type Timer } from '../base/index.js';
import type { BlipOptions, IncomingRequest } from '../blip/index.js';
import type { ReplicationStore } from '../database/index.js';
import { MessagingError, type MessageEndpointConnection } from '../endpoint/index.js';
import { isHawserError, type HawserError } from '../errors.js';
import { ActivePuller } from './active-puller.js';
import { ActivePusher } from './active-pusher.js';
import { agreeOnCollections } from './collection-agreement.js';
import type { CollectionRules } from './collection-configuration.js';
import { checkpointID, type Checkpoint } from './checkpoint.js';
import { Checkpointer } from './checkpointer.js';
import { readCollectionIndex, type CollectionIndex } from './collection-index.js';
import { InsertBacklog } from './insert-backlog.js';
import { MessageChannel } from './message-channel.js';
import { NO_HANDLER, reply } from './remote-errors.js';
import { RemoteTrust } from './remote-trust.js';
import { RevSender } from './rev-sender.js';
import { SequenceSet } from './sequence-set.js';
import type { ReplicatedDocument, SessionObserver } from './session-events.js';
import type { SessionServices } from './session-services.js';
import { CHECKPOINT_INTERVAL_MS } from './tuning.js';

export interface ActiveSessionOptions {
  readonly connection: MessageEndpointConnection;
  readonly collections: readonly { readonly store: ReplicationStore; readonly rules: CollectionRules }[];
  readonly push: boolean;
  readonly pull: boolean;
  readonly continuous: boolean;
  /** Purge documents to which the remote says that access was lost. */
  readonly autoPurge: boolean;
  readonly remoteID: string;
  /** How long opening the connection may take, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** Forget the checkpoints and compare everything anew. */
  readonly reset: boolean;
  readonly blip?: BlipOptions;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The connection is open and the peer has answered: an attempt that got this far has succeeded. */
  readonly onConnected: () => void;
  /** After each change of what `isBusy` or `progress` say. */
  readonly onChange: () => void;
  readonly onDocument: (outcome: ReplicatedDocument) => void;
}

/** A collection on this connection. */
interface ReplicatedCollection {
  readonly store: ReplicationStore;
  readonly rules: CollectionRules;
  readonly checkpointer: Checkpointer;
  index: CollectionIndex;
  start: Checkpoint;
  /** Where it is pushed. */
  trust: RemoteTrust | undefined;
  pusher: ActivePusher | undefined;
  puller: ActivePuller | undefined;
  /** Whether both sides have its checkpoint, or are about to. */
  isIntroduced: boolean;
  /** Resolves when the pull has caught up for the first time. */
  readonly pulled: Deferred<void>;
}

export class ActiveSession implements SessionObserver {
  readonly #options: ActiveSessionOptions;
  readonly #channel: MessageChannel;
  readonly #backlog = new InsertBacklog();
  readonly #services: SessionServices;
  readonly #collections: ReplicatedCollection[];
  readonly #failure = deferred<never>();
  readonly #finished = deferred();
  #hasFailed = false;
  #isStopping = false;
  #started = false;
  #pushesRunning = 0;
  #progress = { completed: 0, total: 0 };
  #saving: Promise<void> | undefined;
  /** The save that has not begun yet. */
  #queuedSave: Promise<void> | undefined;
  #saveTimer: Timer | undefined;

  constructor(options: ActiveSessionOptions) {
    this.#options = options;
    this.#failure.promise.catch(() => undefined); // whether anybody waits for it or not
    this.#channel = new MessageChannel({
      connection: options.connection,
      ...(options.blip === undefined ? {} : { blip: options.blip }),
      onRequest: (request) => this.#handle(request),
      readingGate: () => this.#backlog.gate(),
      logger: options.logger,
    });
    this.#services = {
      channel: this.#channel,
      backlog: this.#backlog,
      sender: new RevSender(this.#channel),
      observer: this,
      clock: options.clock,
      logger: options.logger,
      deltas: true,
    };
    this.#collections = options.collections.map(({ store, rules }) => ({
      store,
      rules,
      checkpointer: new Checkpointer(this.#checkpointID(store), store, options.clock),
      index: undefined,
      start: { pushed: new SequenceSet(), pulled: undefined },
      trust: undefined,
      isIntroduced: false,
      pusher: undefined,
      puller: undefined,
      pulled: deferred(),
    }));
  }

  /**
   * Replicates. One-shot: resolves when everything is done and saved. Resolves also after `stop`. Rejects with the reason
   * when the connection or the replication fails. Nothing is left open when it settles.
   */
  async run(): Promise<void> {
    try {
      await this.#whileConnected(this.#open());
      if (this.#options.pull) await this.#whileConnected(this.#resolveOldConflicts());
      await this.#whileConnected(this.#shakeHands());
      this.#options.onConnected();
      await this.#whileConnected(this.#start());
      await this.#whileConnected(this.#finished.promise);
      await this.#channel.shutDown();
    } catch (error) {
      await this.#shutDownBecause(error);
      if (!this.#isStopping) throw error;
    } finally {
      this.#saveTimer?.cancel();
      for (const { pusher } of this.#collections) pusher?.close();
      // Whoever stopped us may look at the collections now: nothing comes into them any more.
      await Promise.all(this.#collections.map(async ({ puller }) => puller?.settled()));
    }
  }

  /** Saves the checkpoints, if the peer still answers, and ends the connection; `run` then resolves. Idempotent. */
  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    if (this.#started && !this.#channel.isEnded) await this.#saveBriefly();
    this.#finished.resolve();
    await this.#channel.shutDown();
  }

  /** Something is being transferred, or was put off: a session that leaves something to the next one is never idle. */
  get isBusy(): boolean {
    return !this.#isSettled || this.#putOff !== undefined;
  }

  /** Documents handled, and known of so far. */
  get progress(): { readonly completed: number; readonly total: number } {
    return this.#progress;
  }

  // What the parts tell.

  found(count: number): void {
    this.#progress = { ...this.#progress, total: this.#progress.total + count };
    this.#options.onChange();
  }

  finished(count: number): void {
    this.#progress = { ...this.#progress, completed: this.#progress.completed + count };
  }

  document(outcome: ReplicatedDocument): void {
    this.#options.onDocument(outcome);
  }

  progressed(): void {
    for (const { puller, pulled } of this.#collections) if (puller?.isIdle === true) pulled.resolve();
    this.#options.onChange();
    this.#introduce();
    this.#scheduleSave();
    this.#maybeFinish();
  }

  failed(error: unknown): void {
    if (this.#hasFailed || (isHawserError(error) && error.code === 'BLIP_CLOSED')) return;
    this.#hasFailed = true;
    this.#failure.reject(error);
  }

  // Beginning.

  #checkpointID(store: ReplicationStore): string {
    const { push, pull, remoteID } = this.#options;
    const { privateUUID, scope, collectionName } = store;
    return checkpointID({ privateUUID, scope, collection: collectionName, push, pull, remoteID });
  }

  /** A medium that neither opens nor fails is given up. */
  async #open(): Promise<void> {
    const { clock, connectTimeoutMs } = this.#options;
    const timer = clock.setTimer(connectTimeoutMs + OPEN_GRACE_MS, () => {
      const message = `the connection was not open after ${connectTimeoutMs / 1000} s`;
      this.failed(new MessagingError('CONNECTION_TIMEOUT', message, { recoverable: true }));
    });
    try {
      await this.#channel.open();
    } finally {
      timer.cancel();
    }
  }

  /** Settles how messages name collections, and where each one starts. */
  async #shakeHands(): Promise<void> {
    const agreed = await agreeOnCollections(this.#channel, this.#collections);
    for (const [position, collection] of this.#collections.entries()) {
      collection.index = agreed[position]?.index;
      await this.#compare(collection, agreed[position]?.checkpoint);
    }
  }

  async #compare(collection: ReplicatedCollection, remote: JsonValue | undefined): Promise<void> {
    const { checkpoint, agreed } = await collection.checkpointer.start(remote, this.#options.reset);
    collection.start = checkpoint;
    collection.isIntroduced = agreed;
    if (this.#options.push) {
      collection.trust = await RemoteTrust.load(collection.store, this.#options.remoteID, agreed);
      await this.#makePusher(collection, collection.trust.after);
    }
    if (this.#options.pull) await this.#makePuller(collection);
  }

  async #makePusher(collection: ReplicatedCollection, trustedAfter: number): Promise<void> {
    const { store, rules, index, start } = collection;
    const remote = await store.remoteNumber(this.#options.remoteID);
    if (this.#channel.isEnded) return; // nobody would close what listens to commits
    collection.pusher = new ActivePusher({
      ...this.#services,
      store,
      rules,
      collection: index,
      continuous: this.#options.continuous,
      pulled: this.#options.pull ? collection.pulled.promise : undefined,
      remote,
      trustedAfter,
      done: start.pushed,
    });
  }

  async #makePuller(collection: ReplicatedCollection): Promise<void> {
    const { store, rules, index, start } = collection;
    collection.puller = new ActivePuller({
      ...this.#services,
      store,
      rules,
      autoPurge: this.#options.autoPurge,
      collection: index,
      continuous: this.#options.continuous,
      since: start.pulled,
      remote: await store.remoteNumber(this.#options.remoteID),
    });
  }

  async #start(): Promise<void> {
    for (const { pusher, puller } of this.#collections) {
      if (pusher !== undefined) this.#runPusher(pusher);
      if (puller !== undefined) await puller.start();
    }
    this.#started = true;
    this.progressed();
  }

  /** Conflicts that were stored but not resolved before the process ended. */
  async #resolveOldConflicts(): Promise<void> {
    for (const { store } of this.#collections) {
      for (const id of await store.conflicted()) {
        if (this.#channel.isEnded) return;
        await store.resolveConflicts(id);
      }
    }
  }

  #runPusher(pusher: ActivePusher): void {
    this.#pushesRunning++;
    void pusher
      .run()
      .then(() => this.#pushesRunning--)
      .then(() => this.progressed())
      .catch((error: unknown) => this.failed(error));
  }

  // Messages of the passive peer.

  #handle(request: IncomingRequest): void {
    const profile = request.properties.get('Profile');
    if (profile !== 'changes' && profile !== 'rev' && profile !== 'norev') {
      this.#channel.respond(request, { error: NO_HANDLER });
      return;
    }
    const index = readCollectionIndex(request.properties);
    const collection = this.#collections.find((candidate) => candidate.index === index);
    if (collection === undefined) {
      this.#channel.respond(request, { error: reply.http(400, 'inappropriate use of the collection property.') });
    } else if (collection.puller === undefined) {
      this.#channel.respond(request, { error: reply.http(403, 'Attempting to push to a pull-only replicator') });
    } else if (profile === 'changes') {
      collection.puller.handleChanges(request);
    } else if (profile === 'rev') {
      collection.puller.handleRev(request);
    } else {
      collection.puller.handleNorev(request);
    }
  }

  // Checkpoints and the end.

  /** Everything that can be done in this session is done for now. */
  get #isSettled(): boolean {
    return (
      this.#started &&
      this.#collections.every(({ pusher, puller }) => (pusher?.isIdle ?? true) && (puller?.isIdle ?? true))
    );
  }

  /** Why the remote could not give something now. */
  get #putOff(): HawserError | undefined {
    return this.#collections.find(({ puller }) => puller?.transientFailure !== undefined)?.puller?.transientFailure;
  }

  #maybeFinish(): void {
    if (!this.#isSettled || this.#isStopping) return;
    if (!this.#options.continuous && this.#pushesRunning > 0) return; // their last notes are being written
    void this.#save()
      .then(() => {
        if (!this.#isSettled) return;
        // It is asked for again in a new session, when the replicator says so.
        if (this.#putOff !== undefined) this.failed(this.#putOff);
        else if (!this.#options.continuous) this.#finished.resolve();
      })
      .catch((error: unknown) => this.failed(error));
  }

  /**
   * The first save of a replication that is new to both sides comes at once: from then on a later session can tell this
   * remote from another one that has taken its place, and go on where this one is cut off.
   */
  #introduce(): void {
    for (const collection of this.#collections) {
      if (collection.isIntroduced || collection.pusher?.hasPushed !== true || this.#isStopping) continue;
      collection.isIntroduced = true;
      this.#save().catch((error: unknown) => this.failed(error));
    }
  }

  #scheduleSave(): void {
    if (this.#saveTimer !== undefined || !this.#started || this.#isStopping) return;
    this.#saveTimer = this.#options.clock.setTimer(CHECKPOINT_INTERVAL_MS, () => {
      this.#saveTimer = undefined;
      if (!this.#channel.isEnded) this.#save().catch((error: unknown) => this.failed(error));
    });
  }

  /** Saves what changed. Calls during a save share one more save after it, however long it takes. */
  #save(): Promise<void> {
    if (this.#queuedSave !== undefined) return this.#queuedSave;
    const before = this.#saving ?? Promise.resolve();
    const next = before.then(() => {
      this.#queuedSave = undefined;
      return this.#saveAll();
    });
    this.#queuedSave = next;
    this.#saving = next.catch(() => undefined);
    return next;
  }

  async #saveAll(): Promise<void> {
    for (const { checkpointer, pusher, puller, start, trust, index } of this.#collections) {
      const checkpoint = {
        pushed: pusher?.done ?? start.pushed,
        pulled: puller === undefined ? start.pulled : puller.position,
      };
      await checkpointer.save(checkpoint, this.#channel, index);
      await trust?.settle(checkpoint.pushed);
    }
  }

  async #saveBriefly(): Promise<void> {
    const limit = deferred();
    const timer = this.#options.clock.setTimer(SAVE_BEFORE_STOP_MS, () => limit.resolve());
    await Promise.race([this.#save().catch(() => undefined), limit.promise, this.#channel.ended]);
    timer.cancel();
  }

  async #whileConnected(work: Promise<void>): Promise<void> {
    const ended = this.#channel.ended.then((reason) => {
      throw (
        reason ??
        new MessagingError('CONNECTION_CLOSED_BY_PEER', 'the peer closed the connection', {
          recoverable: true,
          closeCode: 1000,
        })
      );
    });
    ended.catch(() => undefined);
    try {
      await Promise.race([work, ended, this.#failure.promise]);
    } catch (error) {
      // A request that was cut off knows less than the connection, and may be told first.
      if (this.#channel.isEnded && isHawserError(error) && error.code === 'BLIP_CLOSED') await ended;
      throw error;
    }
  }

  /** Tells the peer why, in the way a Couchbase Lite core does (specification 9.4). */
  async #shutDownBecause(error: unknown): Promise<void> {
    if (this.#channel.isEnded) {
      await this.#channel.shutDown();
      return;
    }
    const recoverable = isHawserError(error) && error.retryable;
    const code = isHawserError(error) ? error.code : 'REPLICATION_PROTOCOL_ERROR';
    const message = error instanceof Error ? error.message : String(error);
    await this.#channel.shutDown(new MessagingError(code, message, { recoverable, closeCode: closeCodeFor(error) }));
  }
}

/** 4001: I will be back. 1000: you said no, as you may. 4002: one of us is at fault. */
function closeCodeFor(error: unknown): number {
  if (!isHawserError(error)) return 4002;
  if (error.retryable) return 4001;
  // Of the refusals, which have HTTP statuses, only 400 and 403 count as faults.
  const status = error.domain === 'WebSocket' ? error.number - 10_000 : 0;
  return status > 400 && status < 600 && status !== 403 ? 1000 : 4002;
}

const SAVE_BEFORE_STOP_MS = 2_000;
/** A transport that keeps the limit itself can say better what it waited for. */
const OPEN_GRACE_MS = 1_000;
