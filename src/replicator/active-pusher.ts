/**
 * Pushes a collection to a passive peer (specification 3.8, 5.7, 9.5, D.4): chooses what changed after the checkpoint, has
 * it proposed and sent, and keeps account of what is done.
 *
 * Invariant: at most one revision of a document is under way. Invariant: a sequence is done only if the remote has the
 * revision, has refused it for good, or never needs it.
 */
import { remoteRevision, splitHistory, type ReplicationStore } from '../database/index.js';
import { isHawserError, type HawserError } from '../errors.js';
import type { StoredDocument } from '../storage/index.js';
import type { CollectionRules, DocumentFlags, ReplicationFilter } from './collection-configuration.js';
import type { CollectionIndex } from './collection-index.js';
import { FilterCalls } from './filter-calls.js';
import { LocalFeed } from './local-feed.js';
import { Proposer } from './proposer.js';
import type { Push, PushOutcome } from './push.js';
import { conflictWithRemote, ParkedConflicts } from './push-conflicts.js';
import { PushLedger } from './push-ledger.js';
import { RemoteNotes } from './remote-notes.js';
import type { SequenceSet } from './sequence-set.js';
import { DELETED, NO_FLAGS } from './session-events.js';
import type { SessionServices } from './session-services.js';
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
  /** At these sequences stands what came from the remote before the checkpoint. */
  readonly received: SequenceSet;
  /** What was done before. */
  readonly done: SequenceSet;
}

/** A document of the feed. */
type Read = Pick<Push, 'document' | 'asOf'>;

export class ActivePusher {
  readonly #options: ActivePusherOptions;
  readonly #feed: LocalFeed;
  readonly #ledger: PushLedger;
  readonly #notes: RemoteNotes;
  readonly #proposer: Proposer;
  readonly #filterCalls: FilterCalls;
  /** Filters that are being asked, and what else is under way beside proposals. */
  readonly #asking = new Window(Number.POSITIVE_INFINITY);
  /**
   * The last local sequence when the session began. That the remote has what lies between the checkpoint and this is noted
   * of an earlier session: since then its power may have failed, and taken back what it had acknowledged without flushing.
   */
  readonly #begunAt: number;
  /** IDs under way, with the newest revision that waits for each, if any. */
  readonly #underWay = new Map<string, Read | undefined>();
  readonly #parked = new ParkedConflicts();
  readonly #unsubscribe: () => void;
  #exhausted = false;
  /** Set when a one-shot push has read what it has to. */
  #isEnough = false;
  #transientFailure: HawserError | undefined;
  #hasPushed = false;

  constructor(options: ActivePusherOptions) {
    this.#options = options;
    this.#begunAt = options.store.lastSequence;
    this.#ledger = new PushLedger(options.done);
    this.#feed = new LocalFeed(options.store, this.#ledger.position);
    this.#notes = new RemoteNotes(options.store, options.remote);
    this.#proposer = new Proposer({
      ...options,
      feed: this.#feed,
      remoteRevision: (document) => this.#remoteRevision(document),
      settled: (push, outcome) => this.#settle(push.document, outcome),
    });
    this.#filterCalls = new FilterCalls(options);
    // At once, so that whoever has saved and asks whether all is synced is not told of the time before.
    this.#unsubscribe = options.store.onCommit(() => options.observer.progressed());
  }

  /** What may go into the checkpoint: everything that was read, but for what is not done. */
  get done(): SequenceSet {
    return this.#ledger.done;
  }

  /** Whether the remote has confirmed a revision in this session. */
  get hasPushed(): boolean {
    return this.#hasPushed;
  }

  /** Everything found is transferred, and there is nothing more for now. */
  get isIdle(): boolean {
    const hasAll = this.#isEnough || (this.#exhausted && !this.#feed.hasNews);
    return hasAll && this.#proposer.size === 0 && this.#asking.size === 0;
  }

  /**
   * One-shot: resolves when everything is pushed; rejects with a retryable error if the remote could not take some of it
   * now. Continuous: goes on until the connection ends.
   */
  async run(): Promise<void> {
    const { channel, continuous, pulled, store } = this.#options;
    try {
      // One-shot: what is saved after that is for the next time, or a busy writer would keep it from ending.
      let end = continuous ? Number.POSITIVE_INFINITY : store.lastSequence;
      await this.#pushUntil(() => this.#ledger.position >= end);
      if (continuous || channel.isEnded) return;
      await Promise.race([pulled, channel.ended]);
      end = store.lastSequence;
      if (pulled !== undefined) await this.#pushUntil(() => this.#ledger.position >= end);
      this.#isEnough = true;
      // Either may begin anew what the other has finished.
      while (this.#proposer.size > 0 || this.#asking.size > 0) {
        await this.#proposer.idle();
        await this.#asking.idle();
      }
      await this.#notes.flush();
      if (this.#transientFailure !== undefined) throw this.#transientFailure;
    } finally {
      this.close();
      await this.#notes.flush();
    }
  }

  /** The session is over, or all is pushed. Idempotent. */
  close(): void {
    this.#unsubscribe();
    this.#feed.close();
    for (const [id, { deleted }] of this.#parked.takeAll()) this.#tell({ id, deleted }, conflictWithRemote(id));
  }

  /** The puller has learned which revision the remote has of a document, one that is here too (specification 5.7). */
  remoteHas(documentID: string, revisionID: string): void {
    if (!this.#parked.has(documentID) || this.#underWay.has(documentID)) return;
    this.#start(this.#retryParked(documentID, revisionID));
  }

  /** Reads the feed and pushes what it holds, to its end for now; a continuous push goes on when there is more. */
  async #pushUntil(isEnough: () => boolean): Promise<void> {
    const { channel, continuous, observer, store } = this.#options;
    const { maxQueuedRevs, maxQueuedRevBytes } = store.sizes;
    while (!channel.isEnded && !isEnough()) {
      await this.#asking.below(maxQueuedRevs, maxQueuedRevBytes);
      await this.#proposer.room(maxQueuedRevs, maxQueuedRevBytes);
      await this.#notes.room();
      const asOf = this.#feed.commits;
      const page = await this.#feed.next();
      this.#exhausted = page.length === 0;
      let found = 0;
      for (const document of page) if (this.#select(document, asOf)) found++;
      if (found > 0) observer.found(found);
      observer.progressed();
      if (!this.#exhausted) continue;
      if (!continuous) return;
      await this.#feed.changed();
    }
  }

  /** Begins with a document of the feed if it has to be pushed; otherwise it is done. */
  #select(document: StoredDocument, asOf: number): boolean {
    const { received, rules, store } = this.#options;
    const { id, sequence } = document;
    this.#ledger.advance(sequence);
    this.#parked.delete(id); // this is newer
    if (this.#ledger.has(sequence) || rules.documentIDs?.has(id) === false || store.isDue(document)) return false;
    if (this.#underWay.has(id)) {
      this.#wait({ document, asOf });
      return false;
    }
    const noted = this.#noted(document);
    const isNoted = noted === document.revisionID;
    // A document in conflict is not pushed: its resolution will be a change of its own.
    const isSure = sequence > this.#begunAt || received.has(sequence);
    if ((isNoted && isSure) || document.conflicts !== null) return false;
    this.#begin({ document, asOf, parentID: isNoted ? undefined : noted, attempt: 1 });
    return true;
  }

  /** Keeps the newest revision of a document whose earlier one is under way. */
  #wait(read: Read): void {
    const { id, sequence } = read.document;
    const waiting = this.#underWay.get(id);
    if (waiting !== undefined) this.#ledger.finish(waiting.document.sequence);
    this.#ledger.begin(sequence);
    this.#underWay.set(id, read);
  }

  #begin(push: Push): void {
    const { document } = push;
    this.#underWay.set(document.id, undefined);
    this.#ledger.begin(document.sequence);
    const { pushFilter } = this.#options.rules;
    if (pushFilter === undefined) this.#proposer.add(push);
    else this.#start(this.#filter(push, pushFilter), document.body.length);
  }

  async #filter(push: Push, filter: ReplicationFilter): Promise<void> {
    const { document } = push;
    try {
      if (await this.#filterCalls.ask(filter, document, flagsOf(document))) this.#proposer.add(push);
      else this.#finish(document);
    } catch (error) {
      if (!isHawserError(error) || error.code === 'BLIP_CLOSED') throw error;
      this.#tell(document, error);
      this.#ledger.leave(document.sequence); // asked again in the next session
      this.#next(document);
    }
  }

  async #retryParked(documentID: string, parentID: string): Promise<void> {
    const asOf = this.#feed.commits;
    const [document] = await this.#options.store.documents([documentID]);
    if (document === undefined || document.conflicts !== null || this.#underWay.has(documentID)) return;
    const isAncestor = splitHistory(document.history).includes(parentID);
    if (!this.#parked.has(documentID, document.revisionID) || !isAncestor) return;
    this.#parked.delete(documentID);
    this.#underWay.set(documentID, undefined);
    this.#options.observer.found(1);
    this.#proposer.add({ document, asOf, parentID, attempt: 1 });
  }

  /** @param bytes held in memory by the work */
  #start(work: Promise<void>, bytes = 0): void {
    void this.#asking.enter(bytes);
    void work
      .catch((error: unknown) => this.#options.observer.failed(error))
      .finally(() => {
        this.#asking.leave(bytes);
        this.#options.observer.progressed();
      });
  }

  /** What the remote is known to have of a document. */
  #remoteRevision(document: StoredDocument): string | undefined {
    return this.#notes.unwritten(document.id) ?? remoteRevision(document, this.#options.remote);
  }

  /** The same, where that bookkeeping may be believed. */
  #noted(document: StoredDocument): string | undefined {
    return document.sequence > this.#options.trustedAfter ? this.#remoteRevision(document) : undefined;
  }

  #settle(document: StoredDocument, outcome: PushOutcome): void {
    switch (outcome.kind) {
      case 'sent':
      case 'present':
        if (outcome.kind === 'sent') this.#tell(document, undefined);
        this.#hasPushed = true;
        this.#notes.add(document.id, document.revisionID);
        return this.#finish(document, document.revisionID);
      case 'superseded':
        return this.#finish(document);
      case 'postponed':
        return this.#postpone(document, outcome.error);
      case 'refused':
        this.#tell(document, outcome.error);
        return this.#finish(document); // not tried again until the document changes
      case 'conflict':
        // It had this one, and has gone on since.
        if (this.#options.pulled === undefined && this.#noted(document) === document.revisionID)
          return this.#finish(document);
        // The pull brings the other branch. What becomes of it is a change of its own, or `remoteHas` tells of it: the
        // sequence need not stay open for that (5.7.5).
        if (this.#options.pulled === undefined || !this.#parked.add(document))
          this.#tell(document, conflictWithRemote(document.id));
        return this.#finish(document);
    }
  }

  /** The remote cannot take it now: its sequence stays open. */
  #postpone(document: StoredDocument, error: HawserError): void {
    this.#transientFailure ??= error;
    this.#ledger.leave(document.sequence);
    this.#underWay.delete(document.id);
    // A continuous push ends the connection here, so that the back-off of the replicator decides when it is tried again.
    if (this.#options.continuous) this.#options.observer.failed(error);
  }

  #tell({ id, deleted }: Pick<StoredDocument, 'id' | 'deleted'>, error: HawserError | undefined): void {
    const { observer, store } = this.#options;
    observer.document({ collection: store.name, documentID: id, isPush: true, flags: flagsOf({ deleted }), error });
  }

  /** @param remoteID what the remote is known to have now */
  #finish(document: StoredDocument, remoteID?: string): void {
    this.#ledger.finish(document.sequence);
    this.#next(document, remoteID);
  }

  /** Goes on with the newer revision of a document, if one waits. */
  #next({ id }: StoredDocument, remoteID?: string): void {
    const waiting = this.#underWay.get(id);
    this.#underWay.delete(id);
    this.#options.observer.finished(1);
    if (waiting === undefined) return;
    const { document } = waiting;
    if (document.conflicts !== null || document.revisionID === remoteID || this.#options.store.isDue(document)) {
      this.#ledger.finish(document.sequence); // as in #select
      return;
    }
    this.#options.observer.found(1);
    this.#begin({ ...waiting, parentID: remoteID ?? this.#remoteRevision(document), attempt: 1 });
  }
}

function flagsOf({ deleted }: Pick<StoredDocument, 'deleted'>): DocumentFlags {
  return deleted ? DELETED : NO_FLAGS;
}
