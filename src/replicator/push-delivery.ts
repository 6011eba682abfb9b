/**
 * Sends revisions to a passive peer (specification 3.9): one by one, or many in one message where it takes them so, and says
 * what became of each. Whether they were proposed before is not known here.
 */
import type { IncomingResponse, RemoteError } from '../blip/index.js';
import type { ReplicationStore } from '../database/index.js';
import { isHawserError } from '../errors.js';
import type { StoredDocument } from '../storage/index.js';
import type { CollectionIndex } from './collection-index.js';
import type { LocalFeed } from './local-feed.js';
import type { OfferPolicy } from './offer-policy.js';
import { nameOf, type Push, type PushOutcome } from './push.js';
import { conflictWithRemote } from './push-conflicts.js';
import type { RevTerms } from './receiver-terms.js';
import { isError, isTransientReply, remoteErrorToHawser } from './remote-errors.js';
import type { RevAnswer } from './rev-batch.js';
import type { Offer, Packed, PackedOffers } from './rev-sender.js';
import type { SessionServices } from './session-services.js';
import { Window } from './window.js';

export interface PushDeliveryOptions extends SessionServices {
  readonly store: ReplicationStore;
  readonly collection: CollectionIndex;
  readonly feed: LocalFeed;
  /** Told of what the remote did not need. */
  readonly policy: OfferPolicy;
  readonly settled: (push: Push, outcome: PushOutcome) => void;
  /** It has to be proposed before anything else. */
  readonly propose: (push: Push) => void;
  /** The remote has refused it because it has `remoteID`. @param current the document as it is now */
  readonly conflicted: (push: Push, remoteID: string | undefined, current: StoredDocument | undefined) => void;
}

export class PushDelivery {
  readonly #options: PushDeliveryOptions;
  readonly #revs = new Window(Number.POSITIVE_INFINITY);

  constructor(options: PushDeliveryOptions) {
    this.#options = options;
  }

  /** How many wait to be sent, or to be answered. */
  get size(): number {
    return this.#revs.size;
  }

  /** As {@link Window.below}. */
  below(count: number, bytes: number): Promise<void> {
    return this.#revs.below(count, bytes);
  }

  /** As {@link Window.idle}. */
  idle(): Promise<void> {
    return this.#revs.idle();
  }

  /** Sends what the remote wants: small revisions together where it takes them so. */
  send(pushes: readonly Push[], terms: RevTerms, takesBatches: boolean): void {
    if (!takesBatches) {
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

  /** Sends revisions that the remote was not asked about. Resolves when it has answered; what must be alone is proposed. Never rejects. */
  async sendUnasked(pushes: readonly Push[], terms: RevTerms): Promise<void> {
    const { feed, store, settled, observer, propose } = this.#options;
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
      for (const { push } of others) propose(push);
      await Promise.all(batches.map((batch) => this.#sendBatch(batch, terms)));
    } catch (error) {
      observer.failed(error);
    }
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
    const { settled, store, policy, conflicted } = this.#options;
    const conflicts: { readonly push: Push; readonly remoteID: string | undefined }[] = [];
    pushes.forEach((push, index) => {
      const answer = answers[index] as RevAnswer;
      if (answer === 'sent') return settled(push, SENT);
      policy.doubt();
      if (answer === 'present') return settled(push, { kind: 'present' });
      const { error, current } = answer;
      if (isError(error, 'HTTP', 409)) conflicts.push({ push, remoteID: current });
      else this.#handleAnswer(push, error);
    });
    if (conflicts.length === 0) return;
    const rows = await store.documents(conflicts.map(({ push }) => push.document.id));
    conflicts.forEach(({ push, remoteID }, index) => conflicted(push, remoteID, rows[index]));
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
    const { settled, propose } = this.#options;
    const { document, attempt } = push;
    if (error === undefined) settled(push, SENT);
    else if (isError(error, 'HTTP', 409) || isError(error, 'LiteCore', 8))
      settled(push, { kind: 'refused', error: conflictWithRemote(document.id) });
    else if (isError(error, 'HTTP', 403) && attempt === 1) propose({ ...push, attempt: 2 });
    else {
      const kind = isTransientReply(error) ? 'postponed' : 'refused';
      settled(push, { kind, error: remoteErrorToHawser(nameOf(push), error) });
    }
  }
}

/** A push in a batch. */
type PushOffer = Offer & { readonly push: Push };

function knownOf({ parentID }: Push): readonly string[] {
  return parentID === undefined ? [] : [parentID];
}

const SENT: PushOutcome = { kind: 'sent' };
