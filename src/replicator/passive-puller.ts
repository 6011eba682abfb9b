/**
 * Takes revisions that an active peer pushes to a collection (specification 3.7, 3.8, 3.9, 9.7, D.5). It refuses what
 * conflicts: settling conflicts is the active peer's business.
 *
 * Invariant: a revision is acknowledged only after it is committed.
 */
import { utf8 } from '../base/index.js';
import type { IncomingRequest } from '../blip/index.js';
import type { ReplicationStore } from '../database/index.js';
import { choose, conflicts, judge } from './change-decisions.js';
import { parseChanges, parseJsonBody, parseProposals } from './change-entries.js';
import type { CollectionIndex } from './collection-index.js';
import type { SentRevision } from './incoming-rev.js';
import { batchEntry } from './reception.js';
import { errorToReply, reply } from './remote-errors.js';
import { batchAnswer, readBatch } from './rev-batch.js';
import { RevisionReceiver } from './revision-receiver.js';
import type { SequenceSet } from './sequence-set.js';
import type { SessionServices } from './session-services.js';
import { MAX_HISTORY_ON_WIRE } from './tuning.js';
import { Window } from './window.js';

export interface PassivePullerOptions extends SessionServices {
  readonly store: ReplicationStore;
  readonly collection: CollectionIndex;
  /** Gets the sequences that the peer's revisions take here. */
  readonly fromPeer: SequenceSet;
}

export class PassivePuller {
  readonly #options: PassivePullerOptions;
  readonly #receiver: RevisionReceiver;
  readonly #inserts = new Window(Number.POSITIVE_INFINITY);

  constructor(options: PassivePullerOptions) {
    this.#options = options;
    const onStored = (sequence: number): void => this.#remember(sequence);
    this.#receiver = new RevisionReceiver({ ...options, pull: undefined, onStored });
  }

  get isIdle(): boolean {
    return this.#inserts.size === 0;
  }

  /** Resolves when nothing is being stored any more. */
  settled(): Promise<void> {
    return this.#inserts.idle();
  }

  handleProposals(request: IncomingRequest): void {
    void this.#answerList(request, parseProposals, async (proposals) => {
      const documents = await this.#options.store.documents(proposals.map((proposal) => proposal.id));
      const includeRevision = request.properties.boolean('conflictIncludesRev');
      const answers = proposals.map((proposal, index) => judge(proposal, documents[index], includeRevision));
      while (answers.at(-1) === 0) answers.pop(); // zeros at the end are understood
      return answers;
    });
  }

  /** Unproposed changes: a Couchbase Lite core takes them too (0.4.19). */
  handleChanges(request: IncomingRequest): void {
    void this.#answerList(request, parseChanges, async (changes) => {
      const documents = await this.#options.store.documents(changes.map((change) => change.id));
      return changes.map((change, index) => {
        const current = documents[index];
        const choice = choose(change, current, this.#options.deltas);
        if (choice === 'present') return 0;
        return conflicts(change, current) ? 409 : choice.ancestors;
      });
    });
  }

  handleRev(request: IncomingRequest): void {
    void this.#inserts.enter();
    this.#options.observer.found(1);
    void this.#receive(request);
  }

  /** Many revisions in one message. What conflicts is refused as a proposal would be: the peer may not have asked before. */
  handleBatch(request: IncomingRequest): void {
    let revisions: SentRevision[];
    try {
      revisions = readBatch(request.body);
    } catch (error) {
      this.#options.channel.respond(request, { error: reply.blip(400, error instanceof Error ? error.message : '') });
      return;
    }
    void this.#inserts.enter(0, revisions.length);
    this.#options.observer.found(revisions.length);
    void this.#receiveBatch(request, revisions);
  }

  async #receiveBatch(request: IncomingRequest, revisions: readonly SentRevision[]): Promise<void> {
    const { channel, observer } = this.#options;
    try {
      const receptions = await this.#receiver.receiveBatch(revisions);
      const body = batchAnswer(receptions.map(batchEntry));
      channel.respond(request, body === undefined ? undefined : { properties: {}, body, compressed: true });
    } finally {
      this.#inserts.leave(0, revisions.length);
      observer.finished(revisions.length);
      observer.progressed();
    }
  }

  async #receive(request: IncomingRequest): Promise<void> {
    const { channel, observer } = this.#options;
    try {
      const { answer } = await this.#receiver.receive(request);
      channel.respond(request, answer);
    } finally {
      this.#inserts.leave();
      observer.finished(1);
      observer.progressed();
    }
  }

  /** What it has written, the peer is not told of. */
  #remember(sequence: number): void {
    const { fromPeer } = this.#options;
    // A peer that asks for no feed has nothing that would tidy the set up; telling it of its own revisions is harmless.
    if (fromPeer.rangeCount < MAX_ECHO_RANGES) fromPeer.add(sequence);
  }

  /** Parses a list, answers it, and turns every failure into one error reply. */
  async #answerList<T>(
    request: IncomingRequest,
    parse: (list: NonNullable<ReturnType<typeof parseJsonBody>> | null) => T[],
    answer: (entries: T[]) => Promise<unknown[]>,
  ): Promise<void> {
    const { backlog, channel, observer } = this.#options;
    const list = parseJsonBody(request.body);
    if (list === undefined) {
      channel.respond(request, { error: reply.blip(400, 'Invalid JSON body') });
      return;
    }
    let entries: T[];
    try {
      entries = parse(list);
    } catch (error) {
      channel.respond(request, { error: reply.liteCore(26, error instanceof Error ? error.message : 'invalid list') });
      return;
    }
    if (entries.length === 0) {
      channel.respond(request);
      return;
    }
    backlog.add(request.body.length);
    try {
      const answers = await answer(entries);
      const maxHistory = String(MAX_HISTORY_ON_WIRE);
      const properties = { maxHistory, blobs: 'true', ...this.#receiver.announcement(request) };
      channel.respond(request, { properties, body: utf8(JSON.stringify(answers)), compressed: true });
    } catch (error) {
      channel.respond(request, { error: errorToReply(error) });
      observer.failed(error);
    } finally {
      backlog.remove(request.body.length);
    }
  }
}

const MAX_ECHO_RANGES = 1_000;
