/**
 * One connection of an active peer to us, from its first message to its end (specification 3, 9.7, D.5). It answers; it
 * starts nothing but the feeds it is asked for, and it never reconnects.
 */
import { fromUtf8, utf8 } from '../base/index.js';
import type { IncomingRequest } from '../blip/index.js';
import { ReplicationStore, type Collection } from '../database/index.js';
import { MessagingError } from '../endpoint/index.js';
import { isHawserError } from '../errors.js';
import type { PassivePuller } from './passive-puller.js';
import { PassivePusher } from './passive-pusher.js';
import { errorToReply, NO_HANDLER, reply } from './remote-errors.js';
import { mayReplicate, ServedCollections, type CollectionAccess, type ServedCollection } from './served-collections.js';
import { feedError } from './session-end.js';
import type { DocumentOutcome, SessionObserver } from './session-events.js';
import { SessionLink, type SessionLinkOptions } from './session-link.js';
import { parseSubChanges } from './sub-changes.js';
import { COMPRESSOR_REST_MS, OPEN_LIMIT_MS } from './tuning.js';

export interface PassiveSessionOptions extends SessionLinkOptions {
  /** All that the listener offers, to whomever. */
  readonly collections: readonly Collection<never>[];
  /** What this peer may do; for it nothing else exists. */
  readonly access: readonly CollectionAccess[];
  /** Take and send deltas (specification 7.1). */
  readonly enableDeltaSync: boolean;
  /** After each change of what `isBusy` or `progress` say. */
  readonly onChange?: () => void;
  readonly onDocument?: (outcome: DocumentOutcome) => void;
  /** Trouble on our side, such as a full disk. */
  readonly onError?: (error: unknown) => void;
}

export class PassiveSession implements SessionObserver {
  readonly #options: PassiveSessionOptions;
  readonly #link: SessionLink;
  /** Of the disk, told and not over since. */
  #diskFailure: string | undefined;
  readonly #collections: ServedCollections;
  #progress = { completed: 0, total: 0 };

  constructor(options: PassiveSessionOptions) {
    this.#options = options;
    this.#link = new SessionLink(options, {
      store: new ReplicationStore(options.collections[0] as Collection<never>),
      deltas: options.enableDeltaSync,
      batches: true,
      observer: this,
      onRequest: (request) => this.#handle(request),
      isExpecting: () => false, // a client may be idle for as long as it likes
      onSilent: (error) => void this.close(error),
      restMs: COMPRESSOR_REST_MS,
    });
    this.#collections = new ServedCollections(this.#link.services, options.access);
  }

  /** Opens the connection and serves it; resolves when it is over, to the reason if there is one. Never rejects. */
  async run(): Promise<MessagingError | undefined> {
    const { channel } = this.#link;
    const timer = this.#options.clock.setTimer(OPEN_LIMIT_MS, () => void this.close(notOpenedError()));
    try {
      await this.#link.open();
    } catch {
      // `ended` tells the reason.
    } finally {
      timer.cancel();
    }
    const reason = await channel.ended;
    for (const { pusher } of this.#collections.all) pusher?.close();
    await channel.shutDown(reason); // resolves when the medium has let go too
    await Promise.all(this.#collections.all.map(async ({ puller }) => puller?.settled()));
    await this.#link.release();
    return reason;
  }

  /** Ends the connection. Resolves when nothing is left open. */
  close(error?: MessagingError): Promise<void> {
    return this.#link.channel.shutDown(error);
  }

  get isBusy(): boolean {
    return this.#collections.all.some(({ puller, pusher }) => !((puller?.isIdle ?? true) && (pusher?.isIdle ?? true)));
  }

  /** Documents handled and known of so far. */
  get progress(): { readonly completed: number; readonly total: number } {
    return this.#progress;
  }

  // What the parts tell.

  found(count: number): void {
    this.#progress = { ...this.#progress, total: this.#progress.total + count };
    this.#options.onChange?.();
  }

  finished(count: number): void {
    this.#progress = { ...this.#progress, completed: this.#progress.completed + count };
  }

  document(outcome: DocumentOutcome): void {
    if (!outcome.isPush && outcome.error === undefined) this.#diskFailure = undefined;
    this.#options.onDocument?.(outcome);
  }

  progressed(): void {
    this.#options.onChange?.();
  }

  failed(error: unknown): void {
    if (this.#link.channel.isEnded) return;
    // A disk that is full fails each of the documents that are on their way: one word says it, until something is stored again.
    if (isHawserError(error) && error.code.startsWith('STORAGE_')) {
      if (error.code === this.#diskFailure) return;
      this.#diskFailure = error.code;
    }
    this.#options.onError?.(error);
  }

  // Messages.

  #handle(request: IncomingRequest): void {
    const { channel } = this.#link;
    switch (request.properties.get('Profile')) {
      case 'getCollections':
        return this.#run(request, () => this.#collections.open(request));
      case 'getCheckpoint':
        return this.#run(request, () => this.#getCheckpoint(request));
      case 'setCheckpoint':
        return this.#run(request, () => this.#setCheckpoint(request));
      case 'subChanges':
        return this.#subChanges(request);
      case 'proposeChanges':
        return this.#withPuller(request, (puller) => puller.handleProposals(request));
      case 'changes':
        return this.#withPuller(request, (puller) => puller.handleChanges(request));
      case 'rev':
        return this.#withPuller(request, (puller) => puller.handleRev(request));
      case 'hawserRevs':
        return this.#withPuller(request, (puller) => puller.handleBatch(request));
      case 'norev':
        return channel.respond(request);
      default:
        channel.respond(request, { error: NO_HANDLER });
    }
  }

  /** Rights are looked at after the collection is known: what the peer may not see is no more refused than what is not there. */
  #withPuller(request: IncomingRequest, work: (puller: PassivePuller) => void): void {
    const served = this.#collections.resolve(request);
    if (served?.puller !== undefined) work(served.puller);
    else if (served !== undefined) this.#deny(request, 'Attempting to push to a read-only listener');
  }

  #deny(request: IncomingRequest, message: string): void {
    this.#link.channel.respond(request, { error: reply.http(403, message) });
  }

  #run(request: IncomingRequest, work: () => Promise<void>): void {
    const { backlog, channel } = this.#link.services;
    const bytes = request.body.length;
    backlog.add(bytes); // however many are sent at once
    void work()
      .catch((error: unknown) => {
        channel.respond(request, { error: errorToReply(error) });
        this.failed(error);
      })
      .finally(() => backlog.remove(bytes));
  }

  /** The collection of a checkpoint. One who may neither push nor pull has none, and is to leave nothing here. */
  #replicated(request: IncomingRequest): ServedCollection | undefined {
    const served = this.#collections.resolve(request);
    if (served === undefined || mayReplicate(served)) return served;
    this.#deny(request, 'Attempting to replicate a collection without the right to');
    return undefined;
  }

  async #getCheckpoint(request: IncomingRequest): Promise<void> {
    const served = this.#replicated(request);
    if (served === undefined) return;
    const { channel } = this.#link;
    const id = request.properties.text('client');
    if (id === undefined) {
      channel.respond(request, { error: reply.blip(400, 'missing checkpoint ID') });
      return;
    }
    const checkpoint = await served.store.peerCheckpoint(id);
    if (checkpoint === undefined) channel.respond(request, { error: reply.http(404, '') });
    else channel.respond(request, { properties: { rev: checkpoint.revision }, body: utf8(checkpoint.text) });
  }

  async #setCheckpoint(request: IncomingRequest): Promise<void> {
    const served = this.#replicated(request);
    if (served === undefined) return;
    const { channel } = this.#link;
    const id = request.properties.text('client');
    const text = fromUtf8(request.body);
    if (id === undefined || id.length > MAX_CHECKPOINT_ID) {
      channel.respond(request, { error: reply.blip(400, 'missing checkpoint ID') });
    } else if (text === undefined || text.length > MAX_CHECKPOINT_LENGTH) {
      channel.respond(request, { error: reply.blip(400, 'a checkpoint is text of 1 MiB at most') });
    } else {
      const revision = await served.store.putPeerCheckpoint(id, text, request.properties.text('rev'));
      this.#diskFailure = undefined;
      if (revision === undefined) channel.respond(request, { error: reply.http(409, 'revision ID mismatch') });
      else channel.respond(request, { properties: { rev: revision } });
    }
  }

  // Feeds.

  #subChanges(request: IncomingRequest): void {
    const served = this.#collections.resolve(request);
    if (served === undefined) return;
    if (!served.mayPull) return this.#deny(request, 'Attempting to pull from a push-only listener');
    const { channel, services } = this.#link;
    const terms = parseSubChanges(request);
    if ('domain' in terms) {
      channel.respond(request, { error: terms });
      return;
    }
    channel.respond(request);
    if (served.pusher !== undefined) return; // one feed a collection, as in a Couchbase Lite core (0.4.12)
    const { store, index: collection, fromPeer } = served;
    served.pusher = new PassivePusher({ ...services, ...terms, store, collection, fromPeer });
    void served.pusher.run().catch((error: unknown) => this.#endFeed(error));
  }

  /** A feed that cannot go on would leave the peer waiting for ever: it is told to come back. */
  #endFeed(error: unknown): void {
    if (this.#link.channel.isEnded) return;
    this.failed(error);
    void this.close(feedError(error));
  }
}

function notOpenedError(): MessagingError {
  const message = `the connection was not open after ${OPEN_LIMIT_MS / 1_000} s`;
  return new MessagingError('CONNECTION_TIMEOUT', message, { recoverable: true });
}

const MAX_CHECKPOINT_LENGTH = 1024 * 1024;
const MAX_CHECKPOINT_ID = 1024;
