/**
 * Takes revisions that an active peer pushes to a collection (specification 3.7, 3.8, 3.9, 9.7, D.5). It refuses what
 * conflicts: settling conflicts is the active peer's business.
 *
 * Invariant: a revision is acknowledged only after it is committed.
 */
import { utf8 } from '../base/index.js';
import type { IncomingRequest, OutgoingMessage, RemoteError } from '../blip/index.js';
import type { IncomingRevision, ReplicationStore } from '../database/index.js';
import { isHawserError } from '../errors.js';
import { contains, generationOf, possibleAncestors } from '../revision/index.js';
import type { StoredDocument } from '../storage/index.js';
import {
  parseChanges,
  parseJsonBody,
  parseProposals,
  type AnnouncedChange,
  type ProposedChange,
} from './change-entries.js';
import type { CollectionIndex } from './collection-index.js';
import { branchesOf } from './known-branches.js';
import { DELTA_REFUSED, errorToReply, reply } from './remote-errors.js';
import { isDelta, isFaultOfRevision, readRevision, refuseBlobs } from './rev-message.js';
import type { SequenceSet } from './sequence-set.js';
import { NO_FLAGS } from './session-events.js';
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
  readonly #inserts = new Window(Number.POSITIVE_INFINITY);

  constructor(options: PassivePullerOptions) {
    this.#options = options;
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
      return changes.map((change, index) => choose(change, documents[index]));
    });
  }

  handleRev(request: IncomingRequest): void {
    const { backlog, channel, observer } = this.#options;
    if (isDelta(request)) {
      channel.respond(request, { error: DELTA_REFUSED });
      return;
    }
    const bytes = request.body.length;
    backlog.add(bytes);
    void this.#inserts.enter();
    observer.found(1);
    void this.#insert(request)
      .then((answer) => channel.respond(request, answer))
      .finally(() => {
        this.#inserts.leave();
        backlog.remove(bytes);
        observer.finished(1);
        observer.progressed();
      });
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
      const properties = { maxHistory: String(MAX_HISTORY_ON_WIRE), blobs: 'true' };
      channel.respond(request, { properties, body: utf8(JSON.stringify(answers)), compressed: true });
    } catch (error) {
      channel.respond(request, { error: errorToReply(error) });
      observer.failed(error);
    } finally {
      backlog.remove(request.body.length);
    }
  }

  /** A gap just before a revision that we have is no fault (0.4.2), but what we have is looked up only where there is one. */
  async #read(request: IncomingRequest, documentID: string): Promise<IncomingRevision> {
    try {
      return readRevision(request, () => false);
    } catch (error) {
      if (!isHawserError(error) || error.code !== 'REVISION_HISTORY_INVALID') throw error;
      const branches = branchesOf((await this.#options.store.documents([documentID]))[0]);
      return readRevision(request, (id) => branches.some((branch) => contains(branch, id)));
    }
  }

  async #insert(request: IncomingRequest): Promise<OutgoingMessage | { readonly error: RemoteError } | undefined> {
    const { store, fromPeer, observer } = this.#options;
    const documentID = request.properties.get('id') ?? '';
    try {
      const revision = await this.#read(request, documentID);
      refuseBlobs(revision);
      const { outcome, sequence } = await store.insert(revision, {});
      if (outcome === 'refused') return { error: reply.http(409, 'conflict') };
      if (outcome === 'present') return { properties: { noop: 'true' } };
      // A peer that asks for no feed has nothing that would tidy the set up; telling it of its own revisions is harmless.
      if (fromPeer.rangeCount < MAX_ECHO_RANGES) fromPeer.add(sequence);
      return undefined;
    } catch (error) {
      if (isHawserError(error) && isFaultOfRevision(error)) {
        observer.document({ collection: store.name, documentID, isPush: false, flags: NO_FLAGS, error });
      } else {
        observer.failed(error);
      }
      return { error: errorToReply(error) };
    }
  }
}

const MAX_ECHO_RANGES = 1_000;

/** 0: send it; 304: it is here; 409: it conflicts with what is here (specification 3.8). */
function judge(
  proposal: ProposedChange,
  current: StoredDocument | undefined,
  includeRevision: boolean,
): number | { readonly status: number; readonly rev: string } {
  if (current?.revisionID === proposal.revisionID) return 304;
  if (proposal.parentID === undefined) {
    if (current === undefined || current.deleted) return 0;
  } else if (current?.revisionID === proposal.parentID) {
    return 0;
  }
  return includeRevision ? { status: 409, rev: current?.revisionID ?? '' } : 409;
}

/** For a `changes` entry: the ancestors we have, 0 if it is here, 409 if it conflicts (specification 3.7.2). */
function choose(change: AnnouncedChange, current: StoredDocument | undefined): readonly string[] | number {
  const branches = branchesOf(current);
  if (branches.some((branch) => branch.revisionID === change.revisionID || branch.history.includes(change.revisionID)))
    return 0;
  const generation = generationOf(change.revisionID);
  if (current !== undefined && generationOf(current.revisionID) >= generation) return 409;
  return possibleAncestors(branches, generation);
}
