/**
 * Feeds a collection to an active peer that pulls (specification 3.6, 3.7, 9.7, D.5): announces changes after the peer's
 * position and sends what it asks for. It keeps no account: that is the puller's.
 */
import { utf8 } from '../base/index.js';
import type { ReplicationStore } from '../database/index.js';
import type { StoredDocument } from '../storage/index.js';
import { parseChangesReply } from './change-entries.js';
import { collectionProperty, type CollectionIndex } from './collection-index.js';
import { LocalFeed } from './local-feed.js';
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

export class PassivePusher {
  readonly #options: PassivePusherOptions;
  readonly #feed: LocalFeed;
  readonly #lists = new Window(MAX_UNANSWERED_LISTS);
  readonly #revs = new Window(Number.POSITIVE_INFINITY);
  /**
   * Up to here tombstones are left out. Later ones are told, also while the backlog is being sent: the peer may have been
   * sent the live document before.
   */
  readonly #activeOnlyUpTo: number;
  #backlog = true;

  constructor(options: PassivePusherOptions) {
    this.#options = options;
    this.#activeOnlyUpTo = options.activeOnly ? options.store.lastSequence : 0;
    this.#feed = new LocalFeed(options.store, options.since);
  }

  get isIdle(): boolean {
    return !this.#backlog && this.#lists.size === 0 && this.#revs.size === 0;
  }

  /** Ends with the backlog, or with the connection where the feed is continuous. */
  async run(): Promise<void> {
    const { channel, continuous, collection, store } = this.#options;
    // One-shot: what is saved after that is for the next time, or a busy writer would keep it from ending.
    const end = continuous ? Number.POSITIVE_INFINITY : store.lastSequence;
    try {
      while (!channel.isEnded) {
        await this.#revs.below(MAX_QUEUED_REVS, MAX_QUEUED_REV_BYTES);
        const page = this.#feed.position >= end ? [] : await this.#feed.next();
        if (page.length > 0) {
          const wanted = page.filter((document) => this.#isWanted(document));
          // Nobody asks for what lies behind: so the set stays small however long the session is.
          this.#options.fromPeer.addRange(0, this.#feed.position + 1);
          if (wanted.length > 0) await this.#announce(wanted);
          continue;
        }
        if (this.#backlog) {
          this.#backlog = false;
          const properties = { Profile: 'changes', ...collectionProperty(collection) };
          channel.notify({ properties, body: utf8('[]'), urgent: true });
        }
        this.#options.observer.progressed();
        if (!continuous) return;
        await this.#feed.changed();
      }
    } finally {
      this.#feed.close();
    }
  }

  close(): void {
    this.#feed.close();
  }

  #isWanted(document: StoredDocument): boolean {
    const { documentIDs, fromPeer } = this.#options;
    if (document.deleted && document.sequence <= this.#activeOnlyUpTo) return false;
    return !fromPeer.has(document.sequence) && (documentIDs === undefined || documentIDs.has(document.id));
  }

  async #announce(documents: readonly StoredDocument[]): Promise<void> {
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
      .then((reply) => {
        if (reply.error !== undefined) throw remoteErrorToHawser('changes', reply.error);
        const maxHistory = reply.properties.integer('maxHistory');
        parseChangesReply(reply.body, documents.length).forEach((known, index) => {
          if (known === undefined) observer.finished(1);
          else void this.#send(documents[index] as StoredDocument, known, maxHistory);
        });
      })
      .catch((error: unknown) => {
        observer.finished(documents.length); // the puller wants nothing of it
        observer.failed(error);
      })
      .finally(() => {
        this.#lists.leave();
        observer.progressed();
      });
  }

  async #send(document: StoredDocument, known: readonly string[], maxHistory: number | undefined): Promise<void> {
    const { sender, collection, observer, store } = this.#options;
    const bytes = document.body.length;
    void this.#revs.enter(bytes);
    try {
      const reply = await sender.send(document, { collection, known, maxHistory, noConflicts: false });
      if (reply.error !== undefined) {
        // The puller keeps account of what it could not take; nothing is sent again on our own.
        const error = remoteErrorToHawser(`the revision of "${document.id}"`, reply.error);
        const flags = document.deleted ? DELETED : NO_FLAGS;
        observer.document({ collection: store.name, documentID: document.id, isPush: true, flags, error });
      }
    } catch (error) {
      observer.failed(error); // of no consequence where the connection ended
    } finally {
      observer.finished(1);
      this.#revs.leave(bytes);
      observer.progressed();
    }
  }
}
