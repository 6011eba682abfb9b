/**
 * One connection of ours to a passive peer, from opening it to its end (specification 3.2, 9.1, 9.2). It never
 * reconnects: the Replicator makes a new session for a new connection.
 *
 * Order at the end of a one-shot session: everything committed and answered, then the checkpoints saved on both sides,
 * then the connection closed.
 */
import { deferred } from '../base/index.js';
import type { IncomingRequest } from '../blip/index.js';
import type { ReplicationStore } from '../database/index.js';
import { MessagingError } from '../endpoint/index.js';
import { isHawserError, type HawserError } from '../errors.js';
import { ActiveCollection, type ActiveTerms } from './active-collection.js';
import { CheckpointSaver } from './checkpoint-saver.js';
import { agreeOnCollections } from './collection-agreement.js';
import type { CollectionRules } from './collection-configuration.js';
import { readCollectionIndex } from './collection-index.js';
import { NO_HANDLER, reply } from './remote-errors.js';
import type { SequenceSet } from './sequence-set.js';
import { closedByPeerError, closingError } from './session-end.js';
import type { DocumentOutcome, SessionObserver } from './session-events.js';
import { SessionLink, type SessionLinkOptions } from './session-link.js';

export interface ActiveSessionOptions extends SessionLinkOptions, ActiveTerms {
  readonly collections: readonly { readonly store: ReplicationStore; readonly rules: CollectionRules }[];
  /** Send and take many small revisions in one message, where the peer does too. */
  readonly batches: boolean;
  /** How long opening the connection may take, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** The connection is open and the peer has answered: an attempt that got this far has succeeded. */
  readonly onConnected: () => void;
  /** After each change of what `isBusy` or `progress` say. */
  readonly onChange: () => void;
  readonly onDocument: (outcome: DocumentOutcome) => void;
}

export class ActiveSession implements SessionObserver {
  readonly #options: ActiveSessionOptions;
  readonly #link: SessionLink;
  readonly #collections: readonly ActiveCollection[];
  readonly #saver: CheckpointSaver;
  readonly #failure = deferred<never>();
  readonly #finished = deferred();
  #hasFailed = false;
  #isStopping = false;
  #started = false;
  #progress = { completed: 0, total: 0 };

  constructor(options: ActiveSessionOptions) {
    this.#options = options;
    this.#failure.promise.catch(() => undefined); // whether anybody waits for it or not
    const { collections, clock, ...terms } = options;
    this.#link = new SessionLink(options, {
      store: (collections[0] as (typeof collections)[0]).store,
      deltas: true,
      batches: options.batches,
      observer: this,
      onRequest: (request) => this.#handle(request),
      isExpecting: () => this.#collections.some((collection) => collection.isExpecting),
      onSilent: (error) => this.failed(error),
    });
    const { services } = this.#link;
    this.#collections = collections.map((collection) => new ActiveCollection({ ...terms, ...collection, services }));
    this.#saver = new CheckpointSaver({
      clock,
      saveAll: () => this.#saveAll(),
      onFailed: (error) => this.failed(error),
    });
  }

  /**
   * Replicates. One-shot: resolves when everything is done and saved. Resolves also after `stop`. Rejects with the reason
   * when the connection or the replication fails. Nothing is left open when it settles.
   */
  async run(): Promise<void> {
    const { channel } = this.#link;
    try {
      await this.#whileConnected(this.#open());
      await this.#whileConnected(this.#shakeHands());
      this.#options.onConnected();
      await this.#whileConnected(this.#start());
      await this.#whileConnected(this.#finished.promise);
      await channel.shutDown();
    } catch (error) {
      // Where the connection has ended it can tell the peer nothing any more.
      await channel.shutDown(channel.isEnded ? undefined : closingError(error));
      if (!this.#isStopping) throw error;
    } finally {
      this.#saver.close();
      // Whoever stopped us may look at the collections now: nothing comes into them any more.
      await Promise.all(this.#collections.map((collection) => collection.close()));
      await this.#link.release();
    }
  }

  /** Saves the checkpoints, if the peer still answers, and ends the connection; `run` then resolves. Idempotent. */
  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#saver.close();
    const { channel } = this.#link;
    if (this.#started && !channel.isEnded) await this.#saver.saveBriefly(channel.ended);
    this.#finished.resolve();
    await channel.shutDown();
  }

  /** Something is being transferred, or was put off: a session that leaves something to the next one is never idle. */
  get isBusy(): boolean {
    return !this.#isSettled || this.#putOff !== undefined;
  }

  /** Documents handled, and known of so far. */
  get progress(): { readonly completed: number; readonly total: number } {
    return this.#progress;
  }

  /** The local sequences of a collection that the remote has, or never needs; undefined before that is settled. */
  done(store: ReplicationStore): SequenceSet | undefined {
    return this.#started ? this.#collections.find((collection) => collection.store === store)?.done : undefined;
  }

  // What the parts tell.

  found(count: number): void {
    this.#progress = { ...this.#progress, total: this.#progress.total + count };
    this.#options.onChange();
  }

  finished(count: number): void {
    this.#progress = { ...this.#progress, completed: this.#progress.completed + count };
  }

  document(outcome: DocumentOutcome): void {
    this.#options.onDocument(outcome);
  }

  progressed(): void {
    for (const collection of this.#collections) collection.progressed();
    this.#options.onChange();
    if (this.#isStopping) return;
    for (const collection of this.#collections) if (collection.takeIntroduction()) this.#saver.saveSoon();
    if (!this.#started) return;
    this.#saver.schedule(this.#progress.completed);
    this.#maybeFinish();
  }

  failed(error: unknown): void {
    if (this.#hasFailed || (isHawserError(error) && error.code === 'BLIP_CLOSED')) return;
    this.#hasFailed = true;
    this.#failure.reject(error);
  }

  // Beginning.

  /** A medium that neither opens nor fails is given up. */
  async #open(): Promise<void> {
    const { clock, connectTimeoutMs } = this.#options;
    const timer = clock.setTimer(connectTimeoutMs + OPEN_GRACE_MS, () => {
      const message = `the connection was not open after ${connectTimeoutMs / 1000} s`;
      this.failed(new MessagingError('CONNECTION_TIMEOUT', message, { recoverable: true }));
    });
    try {
      await this.#link.open();
    } finally {
      timer.cancel();
    }
  }

  /** Settles how messages name collections, and where each one starts. */
  async #shakeHands(): Promise<void> {
    const agreed = await agreeOnCollections(this.#link.channel, this.#collections);
    for (const [position, collection] of this.#collections.entries()) {
      await collection.begin(agreed[position]?.index, agreed[position]?.checkpoint);
    }
  }

  async #start(): Promise<void> {
    for (const collection of this.#collections) await collection.start();
    this.#started = true;
    this.progressed();
  }

  // Messages of the passive peer.

  #handle(request: IncomingRequest): void {
    if (this.#hasFailed) return; // the connection is about to end, and tells the peer why
    const { channel } = this.#link;
    const profile = request.properties.get('Profile');
    if (profile !== 'changes' && profile !== 'rev' && profile !== 'norev' && profile !== 'hawserRevs') {
      channel.respond(request, { error: NO_HANDLER });
      return;
    }
    const index = readCollectionIndex(request.properties);
    const collection = this.#collections.find((candidate) => candidate.index === index);
    if (collection !== undefined) collection.handle(profile, request);
    else channel.respond(request, { error: reply.http(400, 'inappropriate use of the collection property.') });
  }

  // The end.

  /** Everything that can be done in this session is done for now. */
  get #isSettled(): boolean {
    return this.#started && this.#collections.every((collection) => collection.isIdle);
  }

  /** Why something was left to the next session, if anything was. */
  get #putOff(): HawserError | undefined {
    return this.#collections.find(({ putOff }) => putOff !== undefined)?.putOff;
  }

  #maybeFinish(): void {
    if (!this.#isSettled) return;
    const { continuous } = this.#options;
    if (continuous && this.#putOff === undefined) return this.#saver.settled();
    if (!continuous && this.#collections.some((collection) => collection.isPushing)) return;
    void this.#saver
      .save()
      .then(() => {
        if (!this.#isSettled) return;
        const putOff = this.#putOff;
        // It is asked for again in a new session, when the replicator says so.
        if (putOff !== undefined) this.failed(putOff);
        else if (!continuous) this.#finished.resolve();
      })
      .catch((error: unknown) => this.failed(error));
  }

  async #saveAll(): Promise<void> {
    if (this.#link.channel.isEnded) return;
    for (const collection of this.#collections) await collection.save();
  }

  async #whileConnected(work: Promise<void>): Promise<void> {
    const { channel } = this.#link;
    const ended = channel.ended.then((reason) => {
      throw reason ?? closedByPeerError();
    });
    ended.catch(() => undefined);
    try {
      await Promise.race([work, ended, this.#failure.promise]);
    } catch (error) {
      // A request that was cut off knows less than the connection, and may be told first.
      if (channel.isEnded && isHawserError(error) && error.code === 'BLIP_CLOSED') await ended;
      throw error;
    }
  }
}

/** A transport that keeps the limit itself can say better what it waited for. */
const OPEN_GRACE_MS = 1_000;
