/**
 * Feeds a collection to an active peer that pulls (specification 3.6, 3.7, 9.7, D.5): announces changes after the peer's
 * position and sends what it asks for. It keeps no account: that is the puller's.
 */
import { utf8 } from '../base/index.js';
import type { IncomingResponse } from '../blip/index.js';
import type { ReplicationStore } from '../database/index.js';
import { isHawserError, type HawserError } from '../errors.js';
import type { StoredDocument } from '../storage/index.js';
import { parseChangesReply } from './change-entries.js';
import { collectionProperty, type CollectionIndex } from './collection-index.js';
import { LocalFeed } from './local-feed.js';
import { ReceiverTerms, type RevTerms } from './receiver-terms.js';
import { remoteErrorToHawser } from './remote-errors.js';
import type { SequenceSet } from './sequence-set.js';
import { DELETED, NO_FLAGS } from './session-events.js';
import type { SessionServices } from './session-services.js';
import { MAX_QUEUED_REV_BYTES, MAX_QUEUED_REVS, MAX_UNANSWERED_LISTS } from './tuning.js';
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
}

/** What the peer wants of a list, and on which terms. */
interface Request {
  readonly document: StoredDocument;
  /** Revisions of it that the peer has. */
  readonly known: readonly string[];
  readonly terms: RevTerms;
}

export class PassivePusher {
  readonly #options: PassivePusherOptions;
  readonly #feed: LocalFeed;
  readonly #lists = new Window(MAX_UNANSWERED_LISTS);
  readonly #revs = new Window(Number.POSITIVE_INFINITY);
  readonly #terms: ReceiverTerms;
  /**
   * Up to here tombstones are left out. Later ones are told, also while the backlog is being sent: the peer may have been
   * sent the live document before.
   */
  #activeOnlyUpTo = 0;
  #backlog = true;

  constructor(options: PassivePusherOptions) {
    this.#options = options;
    this.#feed = new LocalFeed(options.store, options.since);
    this.#terms = new ReceiverTerms(options.deltas);
  }

  get isIdle(): boolean {
    return !this.#backlog && this.#lists.size === 0 && this.#revs.size === 0;
  }

  /** Ends with the backlog, or with the connection where the feed is continuous. */
  async run(): Promise<void> {
    const { channel, continuous, collection, activeOnly, store } = this.#options;
    // One-shot: what is saved after that is for the next time, or a busy writer would keep it from ending.
    const end = continuous ? Number.POSITIVE_INFINITY : store.lastSequence;
    try {
      if (activeOnly) await this.#settleTombstones();
      while (!channel.isEnded) {
        await this.#revs.below(MAX_QUEUED_REVS, MAX_QUEUED_REV_BYTES);
        const asOf = this.#feed.commits;
        const page = this.#feed.position >= end ? [] : await this.#feed.next();
        if (page.length > 0) {
          const wanted = page.filter((document) => this.#isWanted(document));
          // Nobody asks for what lies behind: so the set stays small however long the session is.
          this.#options.fromPeer.addRange(0, this.#feed.position + 1);
          if (wanted.length > 0) await this.#announce(wanted, asOf);
          continue;
        }
        if (this.#backlog) {
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

  async #announce(documents: readonly StoredDocument[], asOf: number): Promise<void> {
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
      .then((reply) => this.#handleReply(documents, reply, asOf))
      .catch((error: unknown) => {
        observer.finished(documents.length); // the puller gets nothing of it
        observer.failed(error);
      })
      .finally(() => {
        this.#lists.leave();
        observer.progressed();
      });
  }

  async #handleReply(documents: readonly StoredDocument[], reply: IncomingResponse, asOf: number): Promise<void> {
    if (reply.error !== undefined) throw remoteErrorToHawser('changes', reply.error);
    const terms = this.#terms.learn(reply.properties);
    const answers = parseChangesReply(reply.body, documents.length);
    const requests = documents.flatMap((document, index) => {
      const known = answers[index];
      return known === undefined ? [] : [{ document, known, terms }];
    });
    const wanted = requests.map(({ document }) => document);
    // Where the database cannot be read, what was read before is sent; the feed then fails by itself.
    const rows = await this.#feed.refresh(wanted, asOf).catch(() => wanted);
    this.#options.observer.finished(documents.length - requests.length);
    requests.forEach((request, index) => this.#answer(request, rows[index]));
  }

  /**
   * What was announced is sent as it was read: its body is still in memory, and a document that changes all the time would
   * otherwise never arrive. A peer that takes the newer revision in its place gets that one.
   */
  #answer(request: Request, current: StoredDocument | undefined): void {
    const { sender, collection, observer, store, sendReplacementRevs } = this.#options;
    const { document } = request;
    if (current === undefined || store.isDue(current)) {
      sender.withdraw(document.id, { collection }, document, 404);
      observer.finished(1);
    } else if (sendReplacementRevs && current.revisionID !== document.revisionID) {
      void this.#send({ ...request, document: current }, document);
    } else {
      void this.#send(request);
    }
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
      this.#tell(
        document,
        reply.error === undefined ? undefined : remoteErrorToHawser(`the revision of "${document.id}"`, reply.error),
      );
    } catch (error) {
      if (isHawserError(error) && error.code !== 'BLIP_CLOSED') this.#tell(document, error);
      else observer.failed(error); // of no consequence where the connection ended
    } finally {
      observer.finished(1);
      this.#revs.leave(bytes);
      observer.progressed();
    }
  }

  #tell({ id, deleted }: StoredDocument, error: HawserError | undefined): void {
    const { observer, store } = this.#options;
    const flags = deleted ? DELETED : NO_FLAGS;
    observer.document({ collection: store.name, documentID: id, isPush: true, flags, error });
  }
}
