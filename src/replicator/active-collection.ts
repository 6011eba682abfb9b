/**
 * One collection on a connection of ours to a passive peer: where it starts, who pushes and pulls it, and how far that has
 * come. What it tells goes to the session as its observer.
 */
import { deferred, type JsonValue } from '../base/index.js';
import type { IncomingRequest } from '../blip/index.js';
import type { ReplicationStore } from '../database/index.js';
import type { HawserError } from '../errors.js';
import { ActivePuller } from './active-puller.js';
import { ActivePusher } from './active-pusher.js';
import { checkpointIDOf, type Checkpoint } from './checkpoint.js';
import { Checkpointer } from './checkpointer.js';
import type { CollectionRules } from './collection-configuration.js';
import type { CollectionIndex } from './collection-index.js';
import { ConflictResolutions } from './conflict-resolution.js';
import { reply } from './remote-errors.js';
import { RemoteTrust } from './remote-trust.js';
import { SequenceSet } from './sequence-set.js';
import { NO_FLAGS } from './session-events.js';
import type { SessionServices } from './session-services.js';

/** What holds for all collections of a session. */
export interface ActiveTerms {
  readonly push: boolean;
  readonly pull: boolean;
  readonly continuous: boolean;
  /** Purge documents to which the remote says that access was lost. */
  readonly autoPurge: boolean;
  readonly remoteID: string;
  /** Forget the checkpoints and compare everything anew. */
  readonly reset: boolean;
}

export interface ActiveCollectionOptions extends ActiveTerms {
  readonly services: SessionServices;
  readonly store: ReplicationStore;
  readonly rules: CollectionRules;
}

export class ActiveCollection {
  readonly store: ReplicationStore;
  readonly checkpointer: Checkpointer;
  readonly #options: ActiveCollectionOptions;
  readonly #resolutions: ConflictResolutions;
  /** Resolves when what comes in by the pull has come for the first time: a one-shot push then looks once more. */
  readonly #pulled = deferred();
  #index: CollectionIndex;
  #start: Checkpoint = { pushed: new SequenceSet(), pulled: undefined };
  #trust: RemoteTrust | undefined;
  #pusher: ActivePusher | undefined;
  #puller: ActivePuller | undefined;
  #isPushing = false;
  #oldConflicts: Promise<void> | undefined;
  /** Whether both sides have its checkpoint, or are about to. */
  /**
   * Local sequences at which a replication that only pulls has stored what the remote sent, before the checkpoint: a push that
   * begins later need not offer them. Sequences and not a position: between them lies what was saved here, and not pushed yet.
   */
  #received = new SequenceSet();
  #isIntroduced = false;

  constructor(options: ActiveCollectionOptions) {
    const { services, store, rules } = options;
    this.#options = options;
    this.store = store;
    this.checkpointer = new Checkpointer(checkpointIDOf(store, rules, options), store, services.clock);
    const { conflictResolver: resolver } = rules;
    this.#resolutions = new ConflictResolutions({ store, resolver, logger: services.logger });
  }

  get index(): CollectionIndex {
    return this.#index;
  }

  /** Everything that can be done in this session is done for now. */
  get isIdle(): boolean {
    return this.#oldConflicts === undefined && (this.#pusher?.isIdle ?? true) && (this.#puller?.isIdle ?? true);
  }

  /** A one-shot push has not ended yet: its last notes may still be being written. */
  get isPushing(): boolean {
    return this.#isPushing;
  }

  /** The peer has still to send something, and nothing of ours holds it up. */
  get isExpecting(): boolean {
    return this.#puller?.isExpecting ?? false;
  }

  /** Why the remote could not give something now. */
  get putOff(): HawserError | undefined {
    return this.#puller?.transientFailure;
  }

  /** The local sequences that the remote has, or never needs. */
  get done(): SequenceSet {
    return this.#pusher?.done ?? this.#start.pushed;
  }

  /** Settles where it starts, given how messages name it and the checkpoint that the peer keeps. */
  async begin(index: CollectionIndex, remoteCheckpoint: JsonValue | undefined): Promise<void> {
    const { store, push, pull, remoteID, reset } = this.#options;
    this.#index = index;
    const { checkpoint, agreed } = await this.checkpointer.start(remoteCheckpoint, reset);
    if (agreed) this.#received = await this.checkpointer.received();
    this.#start = checkpoint;
    this.#isIntroduced = agreed;
    this.#trust = await RemoteTrust.load(store, remoteID, agreed);
    const remote = await store.remoteNumber(remoteID);
    // Of a connection that has ended nobody would close what listens to commits.
    if (push && !this.#options.services.channel.isEnded) this.#makePusher(remote, this.#trust.after);
    if (pull) this.#makePuller(remote);
  }

  /** Begins to push and pull. Resolves when the peer has promised its feed; rejects if it refuses. */
  async start(): Promise<void> {
    if (this.#options.pull) {
      this.#oldConflicts = this.#resolveOldConflicts().finally(() => (this.#oldConflicts = undefined));
      this.#run(this.#oldConflicts);
    }
    if (this.#pusher !== undefined) {
      this.#isPushing = true;
      this.#run(this.#pusher.run().then(() => void (this.#isPushing = false)));
    }
    await this.#puller?.start();
  }

  /** A message about this collection. */
  handle(profile: 'changes' | 'rev' | 'hawserRevs' | 'norev', request: IncomingRequest): void {
    if (this.#puller === undefined) {
      const error = reply.http(403, 'Attempting to push to a pull-only replicator');
      this.#options.services.channel.respond(request, { error });
    } else if (profile === 'changes') {
      this.#puller.handleChanges(request);
    } else if (profile === 'rev') {
      this.#puller.handleRev(request);
    } else if (profile === 'hawserRevs') {
      this.#puller.handleBatch(request);
    } else {
      this.#puller.handleNorev(request);
    }
  }

  /** Something moved. */
  progressed(): void {
    if (this.#puller?.isIdle === true && this.#oldConflicts === undefined) this.#pulled.resolve();
  }

  /**
   * True once, when a replication that is new to both sides has pushed something. Its checkpoint is to be saved then at once:
   * from then on a later session can tell this remote from another one that has taken its place, and go on where this one is
   * cut off.
   */
  takeIntroduction(): boolean {
    if (this.#isIntroduced || this.#pusher?.hasPushed !== true) return false;
    this.#isIntroduced = true;
    return true;
  }

  /** Saves on both sides how far it has come. */
  async save(): Promise<void> {
    const { channel } = this.#options.services;
    const received = this.#received.toList();
    const checkpoint = {
      pushed: this.done,
      pulled: this.#puller === undefined ? this.#start.pulled : this.#puller.position,
    };
    const isSaved = await this.checkpointer.save(checkpoint, channel, this.#index);
    if (this.#options.push) await this.#trust?.settle(checkpoint.pushed);
    else if (isSaved) await this.checkpointer.putReceived(received);
  }

  /** The connection is over. Resolves when nothing comes into the collection any more. */
  async close(): Promise<void> {
    this.#pusher?.close();
    await this.#resolutions.close(); // first: what is being stored may wait for it
    await this.#puller?.settled();
    await this.#oldConflicts?.catch(() => undefined);
  }

  #makePusher(remote: number, trustedAfter: number): void {
    const { services, store, rules, pull, continuous } = this.#options;
    this.#pusher = new ActivePusher({
      ...services,
      store,
      rules,
      collection: this.#index,
      continuous,
      pulled: pull ? this.#pulled.promise : undefined,
      remote,
      trustedAfter,
      received: this.#received,
      done: this.#start.pushed,
    });
  }

  #makePuller(remote: number): void {
    const { services, store, rules, autoPurge, continuous } = this.#options;
    this.#puller = new ActivePuller({
      ...services,
      store,
      rules,
      autoPurge,
      collection: this.#index,
      continuous,
      since: this.#start.pulled,
      remote,
      resolutions: this.#resolutions,
      onStored: (sequence) => this.#remember(sequence),
      onRemoteRevision: (documentID, revisionID) => this.#pusher?.remoteHas(documentID, revisionID),
    });
  }

  /** Only where nothing is pushed: a push has "done" what was pulled as well. */
  #remember(sequence: number): void {
    if (!this.#options.push && this.#received.rangeCount < MAX_RECEIVED_RANGES) this.#received.add(sequence);
  }

  /** Conflicts that were stored but not resolved before the last session ended. */
  #resolveOldConflicts(): Promise<void> {
    const { observer } = this.#options.services;
    return this.#resolutions.resolveAll((documentID, error) =>
      observer.document({ collection: this.store.name, documentID, isPush: false, flags: NO_FLAGS, error }),
    );
  }

  #run(work: Promise<void>): void {
    const { observer } = this.#options.services;
    void work.then(() => observer.progressed()).catch((error: unknown) => observer.failed(error));
  }
}

/** What is in none of them is offered once more, and answered that it is there. */
const MAX_RECEIVED_RANGES = 1_000;
