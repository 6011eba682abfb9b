/**
 * Feeds a collection to an active peer that pulls (specification 3.6, 3.7, 9.7, D.5): announces changes after the peer's
 * position and sends what it asks for. It keeps no account: that is the puller's.
 */
import { utf8 } from '../base/index.js';
import type { IncomingResponse, RemoteError } from '../blip/index.js';
import type { ReplicationStore } from '../database/index.js';
import { isHawserError, type HawserError } from '../errors.js';
import type { StoredDocument } from '../storage/index.js';
import { parseChangesReply } from './change-entries.js';
import { collectionProperty, type CollectionIndex } from './collection-index.js';
import { ListWindow } from './list-window.js';
import { LocalFeed } from './local-feed.js';
import { OfferPolicy } from './offer-policy.js';
import { ReceiverTerms, type RevTerms } from './receiver-terms.js';
import { remoteErrorToHawser } from './remote-errors.js';
import type { RevAnswer } from './rev-batch.js';
import type { Offer, Packed } from './rev-sender.js';
import type { SequenceSet } from './sequence-set.js';
import { DELETED, NO_FLAGS } from './session-events.js';
import type { SessionServices } from './session-services.js';
import { CHANGES_BATCH, MAX_UNTOLD_ECHOES } from './tuning.js';
import { Window } from './window.js';

export interface PassivePusherOptions extends SessionServices {
  readonly store: ReplicationStore;
  readonly collection: CollectionIndex;
  readonly since: number;
  readonly continuous: boolean;
  /** Leave tombstones out of the backlog. Live changes include them. */
  readonly activeOnly: boolean;
  /** Only these documents; undefined for all. */
  readonly documentIDs: ReadonlySet<string> | undefined;
  /** Sequences that this very peer has written: it is not told of them. */
  readonly fromPeer: SequenceSet;
  /** The peer takes the current revision where the one it asked for is gone (specification 3.9.4). */
  readonly sendReplacementRevs: boolean;
  /** It takes many small revisions in one message. */
  readonly takesBatches: boolean;
}

/** What the peer wants of a list, and on which terms. */
interface Request extends Offer {
  readonly terms: RevTerms;
}

export class PassivePusher {
  readonly #options: PassivePusherOptions;
  readonly #feed: LocalFeed;
  readonly #lists = new ListWindow();
  readonly #revs = new Window(Number.POSITIVE_INFINITY);
  /** Those of them that were sent without having been announced. */
  readonly #unasked = new Window(Number.POSITIVE_INFINITY);
  readonly #terms: ReceiverTerms;
  readonly #policy = new OfferPolicy();
  /**
   * Up to here tombstones are left out. Later ones are told, also while the backlog is being sent: the peer may have been
   * sent the live document before.
   */
  #activeOnlyUpTo = 0;
  #backlog = true;
  /** What the peer wrote since the last sequence that it was told of. */
  #untold = 0;

  constructor(options: PassivePusherOptions) {
    this.#options = options;
    this.#feed = new LocalFeed(options.store, options.since);
    this.#terms = new ReceiverTerms(options.deltas, options.batches && options.takesBatches);
  }

  get isIdle(): boolean {
    return !this.#backlog && this.#lists.size === 0 && this.#revs.size === 0;
  }

  /** Ends with the backlog, or with the connection where the feed is continuous. */
  async run(): Promise<void> {
    const { channel, continuous, collection, activeOnly, store } = this.#options;
    const { maxQueuedRevs, maxQueuedRevBytes } = store.sizes;
    // One-shot: what is saved after that is for the next time, or a busy writer would keep it from ending.
    const end = continuous ? Number.POSITIVE_INFINITY : store.lastSequence;
    try {
      if (activeOnly) await this.#settleTombstones();
      while (!channel.isEnded) {
        await this.#revs.below(maxQueuedRevs, maxQueuedRevBytes);
        const asOf = this.#feed.commits;
        const page = this.#feed.position >= end ? [] : await this.#feed.next();
        if (page.length > 0) {
          const wanted = page.filter((document) => this.#isWanted(document));
          const echoes = page.filter(({ sequence }) => this.#options.fromPeer.has(sequence));
          // Nobody asks for what lies behind: so the set stays small however long the session is.
          this.#options.fromPeer.addRange(0, this.#feed.position + 1);
          if (wanted.length > 0) await this.#offer(wanted, asOf);
          await this.#moveOn(echoes, wanted.length > 0, asOf);
          continue;
        }
        if (this.#backlog) {
          await this.#unasked.idle(); // the peer knows nothing of it, and would not wait once it is told that this was all
          if (channel.isEnded) return;
          this.#backlog = false;
          const properties = { Profile: 'changes', ...collectionProperty(collection) };
          channel.notify({ properties, body: utf8('[]'), urgent: true });
        }
        this.#options.observer.progressed();
        if (!continuous) return await this.#lists.idle(); // the feed knows whether what it gave is still so
        await this.#feed.changed();
      }
    } finally {
      this.#feed.close();
    }
  }

  close(): void {
    this.#feed.close();
  }

  /** A tombstone that is just being written has its sequence already, and the live document before it can still be read. */
  async #settleTombstones(): Promise<void> {
    const { store } = this.#options;
    const last = store.lastSequence;
    await store.settled();
    this.#activeOnlyUpTo = last;
  }

  #isWanted(document: StoredDocument): boolean {
    const { documentIDs, fromPeer, store } = this.#options;
    if (document.deleted && document.sequence <= this.#activeOnlyUpTo) return false;
    if (fromPeer.has(document.sequence) || store.isDue(document)) return false;
    return documentIDs === undefined || documentIDs.has(document.id);
  }

  /**
   * The position of the peer depends on the order: what is sent unasked follows what was announced, and the other way round.
   */
  async #offer(documents: readonly StoredDocument[], asOf: number): Promise<void> {
    const { sender, observer, store } = this.#options;
    await this.#lists.below(this.#policy.isUnasked ? 1 : Number.POSITIVE_INFINITY);
    const terms = this.#terms.latest;
    if (terms !== undefined && this.#terms.takesBatches && this.#policy.isUnasked && !this.#mayBeDeltas(documents)) {
      const rows = await this.#feed.refresh(documents, asOf).catch(() => documents);
      const there = documents.filter((_, index) => {
        const current = rows[index];
        return current !== undefined && !store.isDue(current);
      });
      const offers = there.map((document): Offer => ({ document, known: [] }));
      const { batches, others } = sender.pack(offers, { terms, noConflicts: false });
      // Of a history that is not told whole the peer may have what is left out: its answer to an announcement says so.
      const isWhole = batches.every((batch) => batch.every(({ document, history }) => history === document.history));
      if (others.length === 0 && isWhole) {
        observer.found(there.length);
        for (const batch of batches) void this.#sendBatch(batch, terms, this.#unasked);
        return;
      }
    }
    await this.#unasked.idle();
    for (let first = 0; first < documents.length; first += CHANGES_BATCH)
      await this.#announce(documents.slice(first, first + CHANGES_BATCH), asOf);
  }

  /**
   * Nothing but announcements moves the peer's position, and of what it wrote itself it is not told. So it is told of one in so many:
   * else all that it writes on a connection, however long, would be announced to it on the next one, and sent to it where it has
   * purged it meanwhile.
   */
  async #moveOn(echoes: readonly StoredDocument[], isTold: boolean, asOf: number): Promise<void> {
    this.#untold = isTold ? 0 : this.#untold + echoes.length;
    const last = echoes.at(-1);
    if (last === undefined || this.#untold < MAX_UNTOLD_ECHOES) return;
    this.#untold = 0;
    await this.#unasked.idle();
    await this.#announce([last], asOf, true);
  }

  /** The peer's answer to an announcement says which bases of deltas it has. */
  #mayBeDeltas(documents: readonly StoredDocument[]): boolean {
    return this.#terms.latest?.deltas === true && documents.some(({ bases }) => bases !== null);
  }

  /** @param isEcho the peer wrote it itself, and is only told of it */
  async #announce(documents: readonly StoredDocument[], asOf: number, isEcho = false): Promise<void> {
    await this.#lists.enter();
    const { channel, collection, observer } = this.#options;
    observer.found(documents.length);
    const list = documents.map(({ sequence, id, revisionID, deleted, body }) => [
      sequence,
      id,
      revisionID,
      deleted ? 1 : 0,
      body.length,
    ]);
    const answered = channel.request({
      properties: { Profile: 'changes', ...collectionProperty(collection) },
      body: utf8(JSON.stringify(list)),
      compressed: true,
      urgent: true,
    });
    void answered
      .then((reply) => this.#handleReply(documents, reply, asOf, isEcho))
      .catch((error: unknown) => {
        observer.finished(documents.length); // the puller gets nothing of it
        observer.failed(error);
      })
      .finally(() => {
        this.#lists.leave();
        observer.progressed();
      });
  }

  async #handleReply(
    documents: readonly StoredDocument[],
    reply: IncomingResponse,
    asOf: number,
    isEcho: boolean,
  ): Promise<void> {
    if (reply.error !== undefined) throw remoteErrorToHawser('changes', reply.error);
    const terms = this.#terms.learn(reply.properties);
    const answers = parseChangesReply(reply.body, documents.length);
    if (isEcho) return this.#keepEchoes(documents, answers);
    this.#lists.answered(this.#revs.size === 0);
    const requests = documents.flatMap((document, index) => {
      const known = answers[index];
      return known === undefined ? [] : [{ document, known, terms }];
    });
    const wanted = requests.map(({ document }) => document);
    // Where the database cannot be read, what was read before is sent; the feed then fails by itself.
    const rows = await this.#feed.refresh(wanted, asOf).catch(() => wanted);
    this.#options.observer.finished(documents.length - requests.length);
    this.#policy.answered(requests.length === documents.length);
    const asRead = requests.filter((request, index) => this.#answer(request, rows[index]));
    if (!this.#terms.takesBatches) {
      for (const request of asRead) void this.#send(request);
      return;
    }
    const { batches, others } = this.#options.sender.pack(asRead, { terms, noConflicts: false });
    for (const request of others) void this.#send(request);
    for (const batch of batches) void this.#sendBatch(batch, terms);
  }

  /** One that it asks for it has purged since. */
  #keepEchoes(documents: readonly StoredDocument[], answers: readonly unknown[]): void {
    const { sender, collection, observer } = this.#options;
    documents.forEach((document, index) => {
      if (answers[index] !== undefined) sender.withdraw(document.id, { collection }, document, 410);
    });
    observer.finished(documents.length);
  }

  /**
   * What was announced is sent as it was read: its body is still in memory, and a document that changes all the time would
   * otherwise never arrive. A peer that takes the newer revision in its place gets that one. True if it is still to be sent.
   */
  #answer(request: Request, current: StoredDocument | undefined): boolean {
    const { sender, collection, observer, store, sendReplacementRevs } = this.#options;
    const { document } = request;
    if (current === undefined || store.isDue(current)) {
      sender.withdraw(document.id, { collection }, document, 404);
      observer.finished(1);
    } else if (sendReplacementRevs && current.revisionID !== document.revisionID) {
      void this.#send({ ...request, document: current }, document);
    } else {
      return true;
    }
    return false;
  }

  /** @param unasked where it is counted too, if nothing of it was announced */
  async #sendBatch<T extends Offer>(batch: readonly Packed<T>[], terms: RevTerms, unasked?: Window): Promise<void> {
    const { sender, collection, observer } = this.#options;
    const bytes = batch.reduce((sum, { document }) => sum + document.body.length, 0);
    void this.#revs.enter(bytes, batch.length);
    void unasked?.enter();
    try {
      const answers = await sender.sendBatch(batch, { collection, terms, noConflicts: false });
      batch.forEach(({ document }, index) => this.#handleAnswer(document, answers[index] as RevAnswer));
    } catch (error) {
      observer.failed(error);
    } finally {
      observer.finished(batch.length);
      this.#revs.leave(bytes, batch.length);
      unasked?.leave();
      observer.progressed();
    }
  }

  #handleAnswer(document: StoredDocument, answer: RevAnswer): void {
    if (answer !== 'sent') this.#policy.doubt();
    if (answer === 'present') return;
    this.#tell(document, answer === 'sent' ? undefined : this.#refusal(document, answer.error));
  }

  /** @param replaced what the peer asked for, if it gets another revision */
  async #send({ document, known, terms }: Request, replaced?: StoredDocument): Promise<void> {
    const { sender, collection, observer } = this.#options;
    const bytes = document.body.length;
    void this.#revs.enter(bytes);
    try {
      const options = { collection, known, terms, noConflicts: false };
      const reply = await sender.send(document, replaced === undefined ? options : { ...options, replaced });
      // The puller keeps account of what it could not take; nothing is sent again on our own.
      this.#tell(document, reply.error === undefined ? undefined : this.#refusal(document, reply.error));
    } catch (error) {
      if (isHawserError(error) && error.code !== 'BLIP_CLOSED') this.#tell(document, error);
      else observer.failed(error); // of no consequence where the connection ended
    } finally {
      observer.finished(1);
      this.#revs.leave(bytes);
      observer.progressed();
    }
  }

  #refusal({ id }: StoredDocument, error: RemoteError): HawserError {
    return remoteErrorToHawser(`the revision of "${id}"`, error);
  }

  #tell({ id, deleted }: StoredDocument, error: HawserError | undefined): void {
    const { observer, store } = this.#options;
    const flags = deleted ? DELETED : NO_FLAGS;
    observer.document({ collection: store.name, documentID: id, isPush: true, flags, error });
  }
}
