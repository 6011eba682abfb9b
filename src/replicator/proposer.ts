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
import { ProposalQueue } from './proposal-queue.js';
import { conflictWithRemote, decideConflict } from './push-conflicts.js';
import { ReceiverTerms, type RevTerms } from './receiver-terms.js';
import { isError, isTransientReply, isTransientStatus, remoteErrorToHawser } from './remote-errors.js';
import type { SessionServices } from './session-services.js';
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
    (pushes) => this.#propose(pushes),
    () => this.#options.observer.progressed(),
  );
  readonly #revs = new Window(Number.POSITIVE_INFINITY);
  readonly #terms: ReceiverTerms;

  constructor(options: ProposerOptions) {
    this.#options = options;
    this.#terms = new ReceiverTerms(options.deltas);
  }

  /** How many are under way. */
  get size(): number {
    return this.#proposals.size + this.#revs.size;
  }

  add(push: Push): void {
    this.#proposals.add(push);
  }

  /** Resolves when there is room for another page: no proposal waits, and few accepted revisions do. */
  async room(count: number, bytes: number): Promise<void> {
    await this.#revs.below(count, bytes);
    await this.#proposals.taken();
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    // Either may begin anew what the other has finished.
    while (this.size > 0) {
      await this.#proposals.idle();
      await this.#revs.idle();
    }
  }

  async #propose(pushes: readonly Push[]): Promise<void> {
    const { channel, collection, observer } = this.#options;
    const list = pushes.map(({ document, parentID }) => [
      document.id,
      document.revisionID,
      parentID ?? '',
      document.body.length,
    ]);
    try {
      const reply = await channel.request({
        properties: { Profile: 'proposeChanges', ...collectionProperty(collection), conflictIncludesRev: 'true' },
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
    const rows = await this.#rowsNow(pushes, answers);
    pushes.forEach((push, index) => this.#handle(push, answers[index] as ProposalAnswer, rows[index], terms));
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

  #handle(push: Push, answer: ProposalAnswer, current: StoredDocument | undefined, terms: RevTerms): void {
    const { store, sender, collection, settled } = this.#options;
    const { document } = push;
    const { status } = answer;
    if (status === 0 && (current === undefined || store.isDue(current))) {
      sender.withdraw(document.id, { collection }, document, 404);
      settled(push, { kind: 'superseded' });
    } else if (status === 0) {
      void this.#send(push, terms);
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
  async #send(push: Push, terms: RevTerms): Promise<void> {
    const { sender, collection, settled, observer } = this.#options;
    const { document, parentID } = push;
    const bytes = document.body.length;
    const known = parentID === undefined ? [] : [parentID];
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

const SENT: PushOutcome = { kind: 'sent' };
const MAX_ATTEMPTS = 3;

function nameOf({ id }: StoredDocument): string {
  return `the revision of "${id}"`;
}
