/**
 * Pushes a collection to a passive peer (specification 3.8, 5.7, 9.5, D.4): proposes what changed after the checkpoint,
 * sends what is accepted, and keeps account of what is done.
 *
 * Invariant: at most one revision of a document is under way. Invariant: a sequence is in `done` only if the remote has
 * the revision, has refused it for good, or never needs it.
 */
import { utf8 } from '../base/index.js';
import type { RemoteError } from '../blip/index.js';
import { remoteRevision, splitHistory, type ReplicationStore } from '../database/index.js';
import { HawserError } from '../errors.js';
import type { StoredDocument } from '../storage/index.js';
import { parseProposalReply, type ProposalAnswer } from './change-entries.js';
import type { CollectionRules } from './collection-configuration.js';
import { collectionProperty, type CollectionIndex } from './collection-index.js';
import { LocalFeed } from './local-feed.js';
import { isError, isTransientReply, isTransientStatus, remoteErrorToHawser } from './remote-errors.js';
import { RemoteNotes } from './remote-notes.js';
import { SequenceSet } from './sequence-set.js';
import { DELETED, NO_FLAGS } from './session-events.js';
import type { SessionServices } from './session-services.js';
import { MAX_QUEUED_REV_BYTES, MAX_QUEUED_REVS, MAX_UNANSWERED_LISTS } from './tuning.js';
import { Window } from './window.js';

export interface ActivePusherOptions extends SessionServices {
  readonly store: ReplicationStore;
  readonly rules: CollectionRules;
  readonly collection: CollectionIndex;
  readonly continuous: boolean;
  /**
   * Set where this replication also pulls the collection, which settles conflicts. Resolves when a one-shot pull is done:
   * what it resolved is then pushed too.
   */
  readonly pulled: Promise<void> | undefined;
  /** The remote's number in the documents' bookkeeping. */
  readonly remote: number;
  /** That bookkeeping may be believed at documents beyond this sequence. */
  readonly trustedAfter: number;
  /** What was done before. */
  readonly done: SequenceSet;
}

/** A revision under way. */
interface Push {
  readonly document: StoredDocument;
  /** What the remote is believed to have. */
  readonly parentID: string | undefined;
  /** Proposals of this revision so far: what goes on after three will go on for ever. */
  readonly attempt: number;
}

export class ActivePusher {
  readonly #options: ActivePusherOptions;
  readonly #feed: LocalFeed;
  readonly #lists = new Window(MAX_UNANSWERED_LISTS);
  readonly #revs = new Window(Number.POSITIVE_INFINITY);
  readonly #notes: RemoteNotes;
  /** IDs under way, with the newest revision that waits for each, if any. */
  readonly #underWay = new Map<string, StoredDocument | undefined>();
  /** Sequences that were read and are not done: under way, waiting, or put off. */
  readonly #pending = new Set<number>();
  #position: number;
  #exhausted = false;
  /** Set when a one-shot push has read what it has to. */
  #isEnough = false;
  #maxHistory: number | undefined;
  #transientFailure: HawserError | undefined;
  #hasPushed = false;

  constructor(options: ActivePusherOptions) {
    this.#options = options;
    this.#position = options.done.firstMissing - 1;
    this.#feed = new LocalFeed(options.store, this.#position);
    this.#notes = new RemoteNotes(options.store, options.remote);
  }

  /** What may go into the checkpoint: everything that was read, but for what is not done. */
  get done(): SequenceSet {
    const done = SequenceSet.upTo(this.#position);
    done.addAll(this.#options.done);
    for (const sequence of this.#pending) done.remove(sequence);
    return done;
  }

  /** Whether the remote has confirmed a revision in this session. */
  get hasPushed(): boolean {
    return this.#hasPushed;
  }

  /** Everything found is transferred, and there is nothing more for now. */
  get isIdle(): boolean {
    const hasAll = this.#isEnough || (this.#exhausted && !this.#feed.hasNews);
    return hasAll && this.#lists.size === 0 && this.#revs.size === 0;
  }

  /**
   * One-shot: resolves when everything is pushed; rejects with a retryable error if the remote could not take some of it
   * now. Continuous: goes on until the connection ends.
   */
  async run(): Promise<void> {
    const { channel, continuous, pulled, store, observer } = this.#options;
    // At once, so that whoever has saved and asks whether all is synced is not told of the time before.
    const unsubscribe = store.onCommit(() => observer.progressed());
    try {
      // One-shot: what is saved after that is for the next time, or a busy writer would keep it from ending.
      let end = continuous ? Number.POSITIVE_INFINITY : store.lastSequence;
      await this.#pushUntil(() => this.#position >= end);
      if (continuous || channel.isEnded) return;
      await Promise.race([pulled, channel.ended]);
      end = store.lastSequence;
      if (pulled !== undefined) await this.#pushUntil(() => this.#position >= end);
      this.#isEnough = true;
      // Either may begin anew what the other has finished.
      while (this.#lists.size > 0 || this.#revs.size > 0) {
        await this.#lists.idle();
        await this.#revs.idle();
      }
      await this.#notes.flush();
      if (this.#transientFailure !== undefined) throw this.#transientFailure;
    } finally {
      unsubscribe();
      this.#feed.close();
      await this.#notes.flush();
    }
  }

  close(): void {
    this.#feed.close();
  }

  /** Reads the feed and proposes what it holds, to its end for now; a continuous push goes on when there is more. */
  async #pushUntil(isEnough: () => boolean): Promise<void> {
    const { channel, continuous, observer } = this.#options;
    while (!channel.isEnded && !isEnough()) {
      await this.#revs.below(MAX_QUEUED_REVS, MAX_QUEUED_REV_BYTES);
      const page = await this.#feed.next();
      this.#exhausted = page.length === 0;
      const pushes = this.#select(page);
      if (pushes.length > 0) await this.#propose(pushes);
      observer.progressed();
      if (!this.#exhausted) continue;
      if (!continuous) return;
      await this.#feed.changed();
    }
  }

  /** What of a page has to be proposed; all the rest is done. */
  #select(page: readonly StoredDocument[]): Push[] {
    const { done, trustedAfter, observer } = this.#options;
    const pushes: Push[] = [];
    for (const document of page) {
      this.#position = document.sequence;
      if (done.has(document.sequence)) continue;
      if (this.#underWay.has(document.id)) {
        this.#wait(document);
        continue;
      }
      const parentID = document.sequence > trustedAfter ? this.#remoteRevision(document) : undefined;
      // A document in conflict is not pushed: its resolution will be a change of its own.
      if (parentID === document.revisionID || document.conflicts !== null) continue;
      this.#underWay.set(document.id, undefined);
      this.#pending.add(document.sequence);
      pushes.push({ document, parentID, attempt: 1 });
    }
    if (pushes.length > 0) observer.found(pushes.length);
    return pushes;
  }

  /** Keeps the newest revision of a document whose earlier one is under way. */
  #wait(document: StoredDocument): void {
    const waiting = this.#underWay.get(document.id);
    if (waiting !== undefined) this.#pending.delete(waiting.sequence);
    this.#pending.add(document.sequence);
    this.#underWay.set(document.id, document);
  }

  async #propose(pushes: readonly Push[]): Promise<void> {
    await this.#lists.enter();
    const { channel, collection } = this.#options;
    const list = pushes.map(({ document, parentID }) => [
      document.id,
      document.revisionID,
      parentID ?? '',
      document.body.length,
    ]);
    const answered = channel.request({
      properties: { Profile: 'proposeChanges', ...collectionProperty(collection), conflictIncludesRev: 'true' },
      body: utf8(JSON.stringify(list)),
      compressed: true,
      urgent: true,
    });
    void answered
      .then((reply) => {
        if (reply.error !== undefined) throw remoteErrorToHawser('proposeChanges', reply.error);
        this.#maxHistory = reply.properties.integer('maxHistory');
        parseProposalReply(reply.body, pushes.length).forEach((answer, index) =>
          this.#handle(pushes[index] as Push, answer),
        );
      })
      .catch((error: unknown) => this.#options.observer.failed(error))
      .finally(() => {
        this.#lists.leave();
        this.#options.observer.progressed();
      });
  }

  #handle(push: Push, answer: ProposalAnswer): void {
    const { document } = push;
    if (answer.status === 0) this.#start(this.#send(push), document.body.length);
    else if (answer.status === 304) this.#synced(document);
    else if (answer.status === 409) this.#start(this.#handleConflict(push, answer.revisionID));
    else if (isTransientStatus(answer.status))
      this.#postpone(document, { domain: 'HTTP', code: answer.status, message: '' });
    else this.#refused(document, { domain: 'HTTP', code: answer.status, message: 'rejected by the peer' });
  }

  /** @param bytes held in memory by the work */
  #start(work: Promise<void>, bytes = 0): void {
    void this.#revs.enter(bytes);
    void work
      .catch((error: unknown) => this.#options.observer.failed(error))
      .finally(() => {
        this.#revs.leave(bytes);
        this.#options.observer.progressed();
      });
  }

  async #send(push: Push): Promise<void> {
    const { document } = push;
    const reply = await this.#options.sender.send(document, {
      collection: this.#options.collection,
      known: push.parentID === undefined ? [] : [push.parentID],
      maxHistory: this.#maxHistory,
      noConflicts: true,
    });
    const { error } = reply;
    if (error === undefined) this.#synced(document);
    else if (isTransientReply(error)) this.#postpone(document, error);
    else if (isError(error, 'HTTP', 403) && push.attempt === 1) await this.#propose([{ ...push, attempt: 2 }]);
    else this.#refused(document, error);
  }

  /** The remote has another revision (specification 5.7). */
  async #handleConflict(push: Push, remoteID: string | undefined): Promise<void> {
    const { document } = push;
    const [current] = await this.#options.store.documents([document.id]);
    if (current?.revisionID !== document.revisionID) {
      this.#finish(document); // it changed meanwhile: the feed brings the newer revision
      return;
    }
    const parentIsNew = remoteID !== push.parentID && remoteID !== document.revisionID;
    // What is recorded of the remote is an ancestor, even where the history has been pruned. Without a revision in the
    // answer the remote has no such document (any more): then it takes the whole history.
    // While a conflict waits for its resolution, what is recorded of the remote is the other branch.
    const descends =
      current.conflicts === null &&
      (remoteID === undefined ||
        splitHistory(document.history).includes(remoteID) ||
        this.#remoteRevision(current) === remoteID);
    if (parentIsNew && descends && push.attempt < MAX_ATTEMPTS) {
      await this.#propose([{ document, parentID: remoteID, attempt: push.attempt + 1 }]);
    } else if (this.#options.pulled !== undefined) {
      this.#finish(document); // the pull brings the other branch, and the resolution is pushed as a change of its own
    } else {
      this.#refused(document, { domain: 'HTTP', code: 409, message: 'conflicts with newer server revision' });
    }
  }

  /** What the remote is known to have of a document. */
  #remoteRevision(document: StoredDocument): string | undefined {
    return this.#notes.unwritten(document.id) ?? remoteRevision(document, this.#options.remote);
  }

  #synced(document: StoredDocument): void {
    this.#hasPushed = true;
    this.#notes.add(document.id, document.revisionID);
    this.#finish(document, document.revisionID);
  }

  /** Refused for good: not tried again until the document changes. */
  #refused(document: StoredDocument, error: RemoteError): void {
    const conflict = isError(error, 'HTTP', 409) || isError(error, 'LiteCore', 8);
    this.#options.observer.document({
      collection: this.#options.store.name,
      documentID: document.id,
      isPush: true,
      flags: document.deleted ? DELETED : NO_FLAGS,
      error: conflict
        ? new HawserError('DOCUMENT_CONFLICT', `the peer has another revision of "${document.id}"`, {
            domain: 'WebSocket',
            number: 10_409,
          })
        : remoteErrorToHawser(`the revision of "${document.id}"`, error),
    });
    this.#finish(document);
  }

  /** The remote cannot take it now: its sequence stays open. */
  #postpone(document: StoredDocument, error: RemoteError): void {
    this.#transientFailure ??= remoteErrorToHawser(`the revision of "${document.id}"`, error);
    this.#underWay.delete(document.id);
    // A continuous push ends the connection here, so that the back-off of the replicator decides when it is tried again.
    if (this.#options.continuous) this.#options.observer.failed(this.#transientFailure);
  }

  /** @param remoteID what the remote is known to have now */
  #finish(document: StoredDocument, remoteID?: string): void {
    this.#pending.delete(document.sequence);
    const waiting = this.#underWay.get(document.id);
    this.#underWay.delete(document.id);
    this.#options.observer.finished(1);
    if (waiting === undefined) return;
    if (waiting.conflicts !== null) {
      this.#pending.delete(waiting.sequence); // as in #select
      return;
    }
    this.#underWay.set(waiting.id, undefined);
    this.#options.observer.found(1);
    const parentID = remoteID ?? this.#remoteRevision(waiting);
    this.#start(this.#propose([{ document: waiting, parentID, attempt: 1 }]));
  }
}

const MAX_ATTEMPTS = 3;
