/**
 * Proposes revisions to a passive peer and has those sent that it accepts (specification 3.8, 5.7), or all without asking
 * where the peer wants everything (`offer-policy.ts`): from the moment that a revision is to be pushed to the moment that its
 * outcome is known. It keeps no account of sequences.
 */
import { utf8 } from '../base/index.js';
import type { IncomingResponse, RemoteError } from '../blip/index.js';
import type { ReplicationStore } from '../database/index.js';
import type { StoredDocument } from '../storage/index.js';
import { parseProposalReply, type ProposalAnswer } from './change-entries.js';
import { collectionProperty, type CollectionIndex } from './collection-index.js';
import type { LocalFeed } from './local-feed.js';
import { OfferPolicy } from './offer-policy.js';
import { ProposalQueue } from './proposal-queue.js';
import { nameOf, type Push, type PushOutcome } from './push.js';
import { decideConflict } from './push-conflicts.js';
import { PushDelivery } from './push-delivery.js';
import { ReceiverTerms, type RevTerms } from './receiver-terms.js';
import { isTransientStatus, remoteErrorToHawser } from './remote-errors.js';
import { TAKES_BATCHES } from './rev-batch.js';
import type { SessionServices } from './session-services.js';
import { CHANGES_BATCH } from './tuning.js';

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
  readonly #unasked: ProposalQueue<Push>;
  readonly #delivery: PushDelivery;
  readonly #terms: ReceiverTerms;
  readonly #policy = new OfferPolicy();

  constructor(options: ProposerOptions) {
    this.#options = options;
    this.#unasked = new ProposalQueue<Push>(
      options.store.sizes.feedPage,
      (pushes) => this.#delivery.sendUnasked(pushes, this.#terms.latest as RevTerms), // it has said that it takes batches
      () => options.observer.progressed(),
    );
    this.#terms = new ReceiverTerms(options.deltas);
    this.#delivery = new PushDelivery({
      ...options,
      policy: this.#policy,
      propose: (push) => this.#proposals.add(push),
      conflicted: (push, remoteID, current) => this.#handleConflict(push, remoteID, current),
    });
  }

  /** How many are under way. */
  get size(): number {
    return this.#proposals.size + this.#unasked.size + this.#delivery.size;
  }

  add(push: Push): void {
    const isUnasked = this.#takesBatches && this.#policy.isUnasked && push.attempt === 1;
    (isUnasked ? this.#unasked : this.#proposals).add(push);
  }

  /** Resolves when there is room for another page: no proposal waits, and few accepted revisions do. */
  async room(count: number, bytes: number): Promise<void> {
    await this.#delivery.below(count, bytes);
    await this.#proposals.taken();
    await this.#unasked.taken();
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    // Either may begin anew what the other has finished.
    while (this.size > 0) {
      await this.#proposals.idle();
      await this.#unasked.idle();
      await this.#delivery.idle();
    }
  }

  /** Only a peer that was told so has reason to say so; but it may. */
  get #takesBatches(): boolean {
    return this.#options.batches && this.#terms.takesBatches;
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
    this.#proposals.answered(this.#delivery.size === 0);
    this.#policy.answered(answers.every(({ status }) => status === 0));
    const rows = await this.#rowsNow(pushes, answers);
    const accepted: Push[] = [];
    pushes.forEach((push, index) => {
      if (this.#handle(push, answers[index] as ProposalAnswer, rows[index])) accepted.push(push);
    });
    this.#delivery.send(accepted, terms, this.#takesBatches);
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
        error: remoteErrorToHawser(nameOf(push), error),
      });
    }
    return false;
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
}

const MAX_ATTEMPTS = 3;
