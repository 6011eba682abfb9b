/**
 * Proposes revisions to a passive peer and sends those it accepts (specification 3.8, 3.9, 5.7): from the moment that a
 * revision is to be pushed to the moment that its outcome is known. It keeps no account of sequences.
 */
import { utf8 } from '../base/index.js';
import type { IncomingResponse, RemoteError } from '../blip/index.js';
import type { ReplicationStore } from '../database/index.js';
import { isHawserError, type HawserError } from '../errors.js';
import type { StoredDocument } from '../storage/index.js';
import { parseProposalReply, type ProposalAnswer } from './change-entries.js';
import { collectionProperty, type CollectionIndex } from './collection-index.js';
import type { LocalFeed } from './local-feed.js';
import { OfferPolicy } from './offer-policy.js';
import { ProposalQueue } from './proposal-queue.js';
import { conflictWithRemote, decideConflict } from './push-conflicts.js';
import { ReceiverTerms, type RevTerms } from './receiver-terms.js';
import { isError, isTransientReply, isTransientStatus, remoteErrorToHawser } from './remote-errors.js';
import { TAKES_BATCHES, type RevAnswer } from './rev-batch.js';
import type { Offer, Packed, PackedOffers } from './rev-sender.js';
import type { SessionServices } from './session-services.js';
import { CHANGES_BATCH, FEED_PAGE } from './tuning.js';
import { Window } from './window.js';

/** A revision under way. */
export interface Push {
  readonly document: StoredDocument;
  /** How many commits there were when the document was read. */
  readonly asOf: number;
  /** What the remote is believed to have. */
  readonly parentID: string | undefined;
  /** Proposals of this revision so far: what goes on after three will go on for ever. */
  readonly attempt: number;
}

/**
 * `sent`: the remote has it now. `present`: it had it already. `superseded`: it changed or was purged meanwhile.
 * `conflict`: the remote has another branch. `refused`: for good. `postponed`: the remote cannot take it now.
 */
export type PushOutcome =
  | { readonly kind: 'sent' | 'present' | 'superseded' | 'conflict' }
  | { readonly kind: 'refused' | 'postponed'; readonly error: HawserError };

export interface ProposerOptions extends SessionServices {
  readonly store: ReplicationStore;
  readonly collection: CollectionIndex;
  readonly feed: LocalFeed;
  /** What the remote is known to have of a document. */
  readonly remoteRevision: (document: StoredDocument) => string | undefined;
  /** Called once for each revision, unless the connection ends before. */
  readonly settled: (push: Push, outcome: PushOutcome) => void;
}

export class Proposer {
  readonly #options: ProposerOptions;
  readonly #proposals = new ProposalQueue<Push>(
    CHANGES_BATCH,
    (pushes) => this.#propose(pushes),
    () => this.#options.observer.progressed(),
  );
  /** What is sent without having been proposed. */
  readonly #unasked = new ProposalQueue<Push>(
    FEED_PAGE,
    (pushes) => this.#sendUnasked(pushes),
    () => this.#options.observer.progressed(),
  );
  readonly #revs = new Window(Number.POSITIVE_INFINITY);
  readonly #terms: ReceiverTerms;
  readonly #policy = new OfferPolicy();

  constructor(options: ProposerOptions) {
    this.#options = options;
    this.#terms = new ReceiverTerms(options.deltas);
  }

  /** How many are under way. */
  get size(): number {
    return this.#proposals.size + this.#unasked.size + this.#revs.size;
  }

  add(push: Push): void {
    const isUnasked = this.#terms.takesBatches && this.#policy.isUnasked && push.attempt === 1;
    (isUnasked ? this.#unasked : this.#proposals).add(push);
  }

  /** Resolves when there is room for another page: no proposal waits, and few accepted revisions do. */
  async room(count: number, bytes: number): Promise<void> {
    await this.#revs.below(count, bytes);
    await this.#proposals.taken();
    await this.#unasked.taken();
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    // Either may begin anew what the other has finished.
    while (this.size > 0) {
      await this.#proposals.idle();
      await this.#unasked.idle();
      await this.#revs.idle();
    }
  }

  async #propose(pushes: readonly Push[]): Promise<void> {
    const { channel, collection, observer, batches } = this.#options;
    const list = pushes.map(({ document, parentID }) => [
      document.id,
      document.revisionID,
      parentID ?? '',
      document.body.length,
    ]);
    try {
      const reply = await channel.request({
        properties: {
          Profile: 'proposeChanges',
          ...collectionProperty(collection),
          conflictIncludesRev: 'true',
          ...(batches && this.#terms.latest === undefined ? { [TAKES_BATCHES]: '1' } : {}),
        },
        body: utf8(JSON.stringify(list)),
        compressed: true,
        urgent: true,
      });
      if (reply.error !== undefined) throw remoteErrorToHawser('proposeChanges', reply.error);
      await this.#handleReply(pushes, reply);
    } catch (error) {
      observer.failed(error);
    }
  }

  async #handleReply(pushes: readonly Push[], reply: IncomingResponse): Promise<void> {
    const terms = this.#terms.learn(reply.properties);
    const answers = parseProposalReply(reply.body, pushes.length);
    this.#proposals.answered(this.#revs.size === 0);
    this.#policy.answered(answers.every(({ status }) => status === 0));
    const rows = await this.#rowsNow(pushes, answers);
    const accepted: Push[] = [];
    pushes.forEach((push, index) => {
      if (this.#handle(push, answers[index] as ProposalAnswer, rows[index])) accepted.push(push);
    });
    this.#send(accepted, terms);
  }

  /** Resolves when all of them are on their way, or proposed after all. Never rejects. */
  async #sendUnasked(pushes: readonly Push[]): Promise<void> {
    const { feed, store, settled, observer } = this.#options;
    const terms = this.#terms.latest as RevTerms; // it has said that it takes batches
    try {
      const documents = pushes.map(({ document }) => document);
      const rows = await feed.refresh(documents, Math.min(...pushes.map(({ asOf }) => asOf)));
      const there = pushes.filter((push, index) => {
        const current = rows[index];
        if (current !== undefined && !store.isDue(current)) return true;
        settled(push, { kind: 'superseded' });
        return false;
      });
      const { batches, others } = this.#pack(there, terms);
      for (const { push } of others) this.#proposals.add(push);
      await Promise.all(batches.map((batch) => this.#sendBatch(batch, terms)));
    } catch (error) {
      observer.failed(error);
    }
  }

  /** The documents as they are now; read again where they may have changed. */
  #rowsNow(
    pushes: readonly Push[],
    answers: readonly ProposalAnswer[],
  ): Promise<readonly (StoredDocument | undefined)[]> {
    const { feed, store } = this.#options;
    const documents = pushes.map(({ document }) => document);
    // What a puller has noted of a document since counts for a conflict, and is no change of the document.
    if (answers.some(({ status }) => status === 409)) return store.documents(documents.map(({ id }) => id));
    return feed.refresh(documents, Math.min(...pushes.map(({ asOf }) => asOf)));
  }

  /** True if it is to be sent. */
  #handle(push: Push, answer: ProposalAnswer, current: StoredDocument | undefined): boolean {
    const { store, sender, collection, settled } = this.#options;
    const { document } = push;
    const { status } = answer;
    if (status === 0) {
      if (current !== undefined && !store.isDue(current)) return true;
      sender.withdraw(document.id, { collection }, document, 404);
      settled(push, { kind: 'superseded' });
    } else if (status === 304) {
      settled(push, { kind: 'present' });
    } else if (status === 409) {
      this.#handleConflict(push, answer.revisionID, current);
    } else {
      const error: RemoteError = { domain: 'HTTP', code: status, message: 'rejected by the peer' };
      settled(push, {
        kind: isTransientStatus(status) ? 'postponed' : 'refused',
        error: remoteErrorToHawser(nameOf(document), error),
      });
    }
    return false;
  }

  /** Sends what the remote wants: small revisions together where it takes them so. */
  #send(pushes: readonly Push[], terms: RevTerms): void {
    if (!this.#terms.takesBatches) {
      for (const push of pushes) void this.#sendAlone(push, terms);
      return;
    }
    const { batches, others } = this.#pack(pushes, terms);
    for (const { push } of others) void this.#sendAlone(push, terms);
    for (const batch of batches) void this.#sendBatch(batch, terms);
  }

  #pack(pushes: readonly Push[], terms: RevTerms): PackedOffers<PushOffer> {
    const offers = pushes.map((push): PushOffer => ({ document: push.document, known: knownOf(push), push }));
    return this.#options.sender.pack(offers, { terms, noConflicts: true });
  }

  /** The remote has another revision (specification 5.7). */
  #handleConflict(push: Push, remoteID: string | undefined, current: StoredDocument | undefined): void {
    const { document, parentID, attempt } = push;
    const recorded = current === undefined ? undefined : this.#options.remoteRevision(current);
    const decision = decideConflict({ revisionID: document.revisionID, parentID, remoteID }, current, recorded);
    if (decision.kind !== 'propose') this.#options.settled(push, decision);
    else if (attempt >= MAX_ATTEMPTS) this.#options.settled(push, { kind: 'conflict' });
    else this.add({ ...push, parentID: decision.parentID, attempt: attempt + 1 });
  }

  /** Never rejects. */
  async #sendBatch(batch: readonly Packed<PushOffer>[], terms: RevTerms): Promise<void> {
    const { sender, collection, observer } = this.#options;
    const bytes = batch.reduce((sum, { document }) => sum + document.body.length, 0);
    void this.#revs.enter(bytes, batch.length);
    try {
      const answers = await sender.sendBatch(batch, { collection, terms, noConflicts: true });
      await this.#handleAnswers(
        batch.map(({ offer }) => offer.push),
        answers,
      );
    } catch (error) {
      observer.failed(error);
    } finally {
      this.#revs.leave(bytes, batch.length);
      observer.progressed();
    }
  }

  async #handleAnswers(pushes: readonly Push[], answers: readonly RevAnswer[]): Promise<void> {
    const { settled, store } = this.#options;
    const conflicts: { readonly push: Push; readonly remoteID: string | undefined }[] = [];
    pushes.forEach((push, index) => {
      const answer = answers[index] as RevAnswer;
      if (answer === 'sent') return settled(push, SENT);
      this.#policy.doubt();
      if (answer === 'present') return settled(push, { kind: 'present' });
      const { error, current } = answer;
      if (isError(error, 'HTTP', 409)) conflicts.push({ push, remoteID: current });
      else this.#handleAnswer(push, error);
    });
    if (conflicts.length === 0) return;
    const rows = await store.documents(conflicts.map(({ push }) => push.document.id));
    conflicts.forEach(({ push, remoteID }, index) => this.#handleConflict(push, remoteID, rows[index]));
  }

  /** Never rejects. */
  async #sendAlone(push: Push, terms: RevTerms): Promise<void> {
    const { sender, collection, settled, observer } = this.#options;
    const { document } = push;
    const bytes = document.body.length;
    const known = knownOf(push);
    void this.#revs.enter(bytes);
    try {
      let reply: IncomingResponse;
      try {
        reply = await sender.send(document, { collection, known, terms, noConflicts: true });
      } catch (error) {
        if (!isHawserError(error) || error.code === 'BLIP_CLOSED') throw error;
        settled(push, { kind: 'refused', error }); // it cannot be made, however often it is tried
        return;
      }
      this.#handleAnswer(push, reply.error);
    } catch (error) {
      observer.failed(error);
    } finally {
      this.#revs.leave(bytes);
      observer.progressed();
    }
  }

  /** @param error the remote's, to a revision that it was sent */
  #handleAnswer(push: Push, error: RemoteError | undefined): void {
    const { settled } = this.#options;
    const { document, attempt } = push;
    if (error === undefined) settled(push, SENT);
    else if (isError(error, 'HTTP', 409) || isError(error, 'LiteCore', 8))
      settled(push, { kind: 'refused', error: conflictWithRemote(document.id) });
    else if (isError(error, 'HTTP', 403) && attempt === 1) this.add({ ...push, attempt: 2 });
    else {
      const kind = isTransientReply(error) ? 'postponed' : 'refused';
      settled(push, { kind, error: remoteErrorToHawser(nameOf(document), error) });
    }
  }
}

/** A push in a batch. */
type PushOffer = Offer & { readonly push: Push };

function knownOf({ parentID }: Push): readonly string[] {
  return parentID === undefined ? [] : [parentID];
}

const SENT: PushOutcome = { kind: 'sent' };
const MAX_ATTEMPTS = 3;

function nameOf({ id }: StoredDocument): string {
  return `the revision of "${id}"`;
}
