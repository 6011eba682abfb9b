/**
 * Pulls a collection from a passive peer (specification 3.6, 3.7, 3.9, 9.6, D.3): asks for the feed after the checkpoint,
 * chooses what is new, stores it, and keeps account of what is done.
 *
 * Invariant: a revision is acknowledged, and its sequence passed by the checkpoint, only after it is committed. A failure
 * of our own storage leaves the sequence open and ends the session: the document is offered again next time.
 */
import { utf8 } from '../base/index.js';
import type { IncomingRequest } from '../blip/index.js';
import type { ReplicationStore } from '../database/index.js';
import { HawserError } from '../errors.js';
import type { StoredDocument } from '../storage/index.js';
import { choose, isAccessLost, isNewsOfRemote } from './change-decisions.js';
import { readChanges, type AnnouncedChange } from './change-entries.js';
import type { CollectionRules } from './collection-configuration.js';
import type { CollectionIndex } from './collection-index.js';
import { sentRevision, sequenceOf, type SentRevision } from './incoming-rev.js';
import { batchEntry, type Reception } from './reception.js';
import { isTransientStatus, remoteErrorToHawser, reply } from './remote-errors.js';
import { RemoteSequences } from './remote-sequences.js';
import { RequestedRevisions, type RequestedRevision } from './requested-revisions.js';
import { batchAnswer, readBatch, type RevAnswer } from './rev-batch.js';
import { RevisionReceiver, type Resolutions } from './revision-receiver.js';
import { NO_FLAGS } from './session-events.js';
import type { SessionServices } from './session-services.js';
import { subChangesMessage } from './sub-changes.js';
import { MAX_HISTORY_ON_WIRE, MAX_UNANSWERED_CHANGES, WAITING_REV_COST } from './tuning.js';
import { Window } from './window.js';

export interface ActivePullerOptions extends SessionServices {
  readonly store: ReplicationStore;
  readonly rules: CollectionRules;
  /** Purge documents to which the remote says that access was lost. */
  readonly autoPurge: boolean;
  readonly collection: CollectionIndex;
  readonly continuous: boolean;
  /** The position of the checkpoint, as JSON text. */
  readonly since: string | undefined;
  readonly remote: number;
  readonly resolutions: Resolutions;
  /** Called as soon as a revision is committed, with the place of its document in our feed. */
  readonly onStored?: (sequence: number) => void;
  /** The remote was heard to have a revision that is the current one here or an ancestor of it. */
  readonly onRemoteRevision?: (documentID: string, revisionID: string) => void;
}

export class ActivePuller {
  readonly #options: ActivePullerOptions;
  readonly #sequences: RemoteSequences;
  readonly #receiver: RevisionReceiver;
  readonly #requested = new RequestedRevisions();
  /** Lists of changes that wait for their answer, in order, and how many changes are in them. */
  #answering: Promise<void> = Promise.resolve();
  #unanswered = 0;
  #unansweredChanges = 0;
  readonly #inserts = new Window(Number.POSITIVE_INFINITY);
  #caughtUp = false;
  #transientFailure: HawserError | undefined;
  #roomForMore: (() => void) | undefined;

  constructor(options: ActivePullerOptions) {
    this.#options = options;
    this.#sequences = new RemoteSequences(options.since);
    const { rules, remote, resolutions } = options;
    // One that replicates some documents only cannot tell a lost access from a document that it never wanted.
    const autoPurge = options.autoPurge && rules.documentIDs === undefined;
    this.#receiver = new RevisionReceiver({
      ...options,
      pull: { remote, filter: rules.pullFilter, autoPurge, resolutions },
    });
  }

  /** What may go into the checkpoint. */
  get position(): string | undefined {
    return this.#sequences.position;
  }

  /** Everything announced has been handled, and the remote has nothing more for now. */
  get isIdle(): boolean {
    const isUnderWay = this.#unanswered > 0 || this.#inserts.size > 0 || this.#sequences.unfinished > 0;
    return this.#caughtUp && !isUnderWay && this.#receiver.isIdle;
  }

  /** The remote has still to send something, and does not wait for us to take what it has sent. */
  get isExpecting(): boolean {
    const isBusy = this.#unanswered > 0 || this.#inserts.size > 0;
    return !isBusy && (!this.#caughtUp || this.#sequences.unfinished > 0);
  }

  /** Why something that was announced could not be pulled now; it is announced again in the next session. */
  get transientFailure(): HawserError | undefined {
    return this.#transientFailure;
  }

  /** Resolves when nothing is being stored any more. */
  settled(): Promise<void> {
    return this.#inserts.idle();
  }

  /** Asks for the feed. Rejects with the peer's refusal. */
  async start(): Promise<void> {
    const { channel, since, store } = this.#options;
    const activeOnly = since === undefined && (await store.isEmpty());
    const answer = await channel.request(
      subChangesMessage({ ...this.#options, activeOnly, feedPage: store.sizes.feedPage }),
    );
    if (answer.error !== undefined) throw remoteErrorToHawser('subChanges', answer.error);
  }

  handleChanges(request: IncomingRequest): void {
    let changes: AnnouncedChange[];
    try {
      changes = readChanges(request.body);
      this.#checkUnanswered(changes.length);
    } catch (error) {
      // Its documents would be lost silently if we went on: the peer's feed cannot be trusted (0.4.14).
      this.#options.channel.respond(request, { error: reply.blip(400, error instanceof Error ? error.message : '') });
      this.#options.observer.failed(error);
      return;
    }
    if (changes.length === 0) {
      // Lists before it may still wait for their answers: they count by themselves.
      this.#caughtUp = true;
      this.#options.channel.respond(request);
      this.#options.observer.progressed();
      return;
    }
    if (request.noReply) return; // nobody would hear what we want of it
    this.#inTurn(changes.length, async () => {
      await this.#roomToAsk();
      await this.#answer(request, changes);
    });
  }

  /** Many revisions in one message: those asked for, and those that the peer sends without asking first. */
  handleBatch(request: IncomingRequest): void {
    let revisions: SentRevision[];
    let changes: number;
    try {
      revisions = readBatch(request.body);
      changes = weight(revisions, request);
      this.#checkUnanswered(changes);
    } catch (error) {
      // As with a list of changes.
      this.#options.channel.respond(request, { error: reply.blip(400, error instanceof Error ? error.message : '') });
      this.#options.observer.failed(error);
      return;
    }
    // What was asked for may be what a list waits for; what nobody has asked for is counted after what was announced before.
    const requests = revisions.map((revision) => this.#requested.take(revision));
    const receive = (): void => this.#start(this.#receiveBatch(request, revisions, requests));
    if (requests.every((requested) => requested !== undefined)) receive();
    else this.#inTurn(changes, receive);
  }

  handleRev(request: IncomingRequest): void {
    const requested = this.#requested.take(sentRevision(request)) ?? this.#unannounced(request);
    if (requested !== undefined) this.#start(this.#receive(request, requested));
  }

  /** The promised revision will not come (specification 3.10). */
  handleNorev(request: IncomingRequest): void {
    const { channel, observer } = this.#options;
    channel.respond(request);
    const requested = this.#requested.take(sentRevision(request));
    if (requested === undefined) return;
    const code = request.properties.integer('error') ?? 404;
    const error = remoteErrorToHawser(`"${requested.id}"`, reply.http(code, 'the peer cannot send it'));
    const isPassing = isTransientStatus(code);
    if (isPassing) this.#transientFailure ??= error;
    // A real core passes it in either case and loses the revision (0.4.6).
    if (isPassing || sequenceOf(request) === undefined) this.#sequences.putOff(requested.sequence);
    else this.#sequences.finish(requested.sequence);
    // Obsolete ones are followed by a newer announcement; only the others are worth a word.
    if (code !== 410) this.#problem(requested.id, error);
    if (!isPassing) observer.finished(1);
    this.#makeRoom();
    observer.progressed();
  }

  /** Throws `REPLICATION_PROTOCOL_ERROR` where more waits than any honest peer sends. */
  #checkUnanswered(changes: number): void {
    if (this.#unanswered > 0 && this.#unansweredChanges + changes > MAX_UNANSWERED_CHANGES)
      throw new HawserError('REPLICATION_PROTOCOL_ERROR', 'the peer does not wait for the answers to its changes');
  }

  /** Works through lists and batches in the order in which they came. */
  #inTurn(changes: number, work: () => void | Promise<void>): void {
    this.#unanswered++;
    this.#unansweredChanges += changes;
    this.#answering = this.#answering
      .then(work)
      .catch((error: unknown) => this.#options.observer.failed(error))
      .finally(() => {
        this.#unanswered--;
        this.#unansweredChanges -= changes;
        this.#options.observer.progressed();
      });
  }

  /** @param requests which of them were asked for, as far as that was known when they came */
  async #receiveBatch(
    request: IncomingRequest,
    revisions: readonly SentRevision[],
    requests: readonly (RequestedRevision | undefined)[],
  ): Promise<void> {
    const { channel, observer, onRemoteRevision } = this.#options;
    const answers = new Map<SentRevision, RevAnswer>();
    const wanted: { readonly revision: SentRevision; readonly requested: RequestedRevision }[] = [];
    for (const [index, revision] of revisions.entries()) {
      const requested = requests[index] ?? this.#requested.take(revision) ?? this.#unasked(revision);
      if (requested === undefined) answers.set(revision, NOT_OURS);
      else wanted.push({ revision, requested });
    }
    const receptions = await this.#receiver.receiveBatch(wanted.map(({ revision }) => revision));
    let finished = 0;
    wanted.forEach(({ revision, requested }, index) => {
      const reception = receptions[index] as Reception;
      if (reception.fate === 'whole' && !requested.isWholeWanted && !request.noReply) {
        this.#requested.add({ ...requested, isWholeWanted: true }); // before the answer: it follows without an announcement
      } else {
        finished++;
        this.#account(requested, reception);
      }
      // As in a list of changes: what could not be pushed before may build on it.
      if (reception.inBatch === 'present') onRemoteRevision?.(revision.id, revision.revisionID);
      answers.set(revision, batchEntry(reception));
    });
    const body = batchAnswer(revisions.map((revision) => answers.get(revision) as RevAnswer));
    channel.respond(request, body === undefined ? undefined : { properties: {}, body, compressed: true });
    observer.finished(finished);
  }

  /** It counts as one that was announced and asked for; undefined where it is none of those to be replicated. */
  #unasked({ id, revisionID, sequence = '' }: SentRevision): RequestedRevision | undefined {
    if (!this.#concernsUs(id)) {
      this.#sequences.skip(sequence);
      return undefined;
    }
    this.#sequences.begin(sequence);
    this.#options.observer.found(1);
    return { sequence, id, revisionID, isWholeWanted: false };
  }

  async #receive(request: IncomingRequest, requested: RequestedRevision): Promise<void> {
    const { channel, observer } = this.#options;
    const { sequence, isWholeWanted } = requested;
    if (sequenceOf(request) === undefined) {
      this.#sequences.putOff(sequence);
      this.#refuse(request, requested, "received 'rev' message with missing 'sequence'");
    } else if (isWholeWanted && request.properties.text('deltaSrc') !== undefined) {
      // Asking for the whole once more could go on for ever.
      this.#sequences.finish(sequence);
      this.#refuse(request, requested, 'received another delta where the whole revision was asked for');
    } else {
      const reception = await this.#receiver.receive(request);
      if (reception.fate === 'whole' && sequence !== '' && !request.noReply) {
        this.#requested.add({ ...requested, isWholeWanted: true }); // before the answer: it follows without an announcement
        channel.respond(request, reception.answer);
        return;
      }
      channel.respond(request, reception.answer);
      this.#account(requested, reception);
    }
    observer.finished(1);
  }

  async #revoke(change: AnnouncedChange): Promise<void> {
    this.#account(change, await this.#receiver.revoke(change.id, (change.flags & 1) !== 0));
    this.#options.observer.finished(1);
  }

  #account({ id, sequence }: { readonly id: string; readonly sequence: string }, { fate, error }: Reception): void {
    if (fate === 'broken') return; // the session ends, and the sequence stays open
    if (fate === 'later') this.#sequences.putOff(sequence);
    else this.#sequences.finish(sequence);
    if (fate === 'later' && error?.retryable === true) this.#transientFailure ??= error;
    if (fate === 'whole' && error !== undefined) this.#problem(id, error); // nobody can be asked for the whole
  }

  /** @param work counts what it has handled by itself; never rejects */
  #start(work: Promise<void>): void {
    void this.#inserts.enter();
    void work.finally(() => {
      this.#inserts.leave();
      this.#makeRoom();
      this.#options.observer.progressed();
    });
  }

  #refuse(request: IncomingRequest, { id }: RequestedRevision, message: string): void {
    this.#options.channel.respond(request, { error: reply.http(400, message) });
    this.#problem(id, new HawserError('REPLICATION_PROTOCOL_ERROR', message));
  }

  /** A revision that nobody asked for is stored, and moves nothing; unless the documents to be replicated are listed. */
  #unannounced(request: IncomingRequest): RequestedRevision | undefined {
    const { channel, observer } = this.#options;
    const id = request.properties.get('id') ?? '';
    if (!this.#concernsUs(id)) {
      channel.respond(request, { error: reply.http(403, 'this document was not asked for') });
      return undefined;
    }
    observer.found(1);
    return { sequence: '', id, revisionID: request.properties.get('rev') ?? '', isWholeWanted: false };
  }

  /** Waits until few enough revisions are outstanding (specification 3.7.3). */
  #roomToAsk(): Promise<void> | void {
    if (this.#sequences.unfinished <= this.#options.store.sizes.maxOutstandingRevs || this.#options.channel.isEnded)
      return;
    return new Promise((resolve) => {
      this.#roomForMore = resolve;
    });
  }

  #makeRoom(): void {
    if (this.#sequences.unfinished > this.#options.store.sizes.maxOutstandingRevs) return;
    this.#roomForMore?.();
    this.#roomForMore = undefined;
  }

  async #answer(request: IncomingRequest, changes: readonly AnnouncedChange[]): Promise<void> {
    const { channel, store, observer } = this.#options;
    const documents = await store.documents(changes.map((change) => change.id));
    await this.#noteRemote(changes, documents);
    let wanted = 0;
    // Expected before the answer is sent: the revision may follow at once.
    const answers = changes.map((change, index): readonly string[] | 0 => {
      const { id, revisionID, sequence } = change;
      const ancestors = this.#wanted(change, documents[index]);
      const isHere = documents[index] !== undefined || this.#receiver.isReceiving(id);
      const isRevoked = isHere && isAccessLost(change) && this.#concernsUs(id);
      if (ancestors === undefined && !isRevoked) {
        this.#sequences.skip(sequence);
        return 0;
      }
      wanted++;
      this.#sequences.begin(sequence);
      if (ancestors !== undefined) this.#requested.add({ id, revisionID, sequence, isWholeWanted: false });
      else this.#start(this.#revoke(change));
      return ancestors ?? 0;
    });
    observer.found(wanted);
    channel.respond(request, {
      properties: { maxHistory: String(MAX_HISTORY_ON_WIRE), blobs: 'true', ...this.#receiver.announcement(request) },
      body: utf8(JSON.stringify(answers)),
      compressed: true,
    });
  }

  /** Which revisions we have that the announced one may descend from; undefined where nothing is to be sent for it. */
  #wanted(change: AnnouncedChange, document: StoredDocument | undefined): readonly string[] | undefined {
    if (isAccessLost(change) || !this.#concernsUs(change.id)) return undefined;
    const choice = choose(change, document, this.#options.deltas);
    return choice === 'present' ? undefined : choice.ancestors;
  }

  /** Also a peer that was given the list of documents may ignore it. */
  #concernsUs(documentID: string): boolean {
    return this.#options.rules.documentIDs?.has(documentID) !== false;
  }

  /** What the remote has of ours need not be pushed, and what builds on it can be (specification 5.7). */
  async #noteRemote(
    changes: readonly AnnouncedChange[],
    documents: readonly (StoredDocument | undefined)[],
  ): Promise<void> {
    const { store, remote, onRemoteRevision } = this.#options;
    const news = changes.filter((change, index) => {
      const document = documents[index];
      return document !== undefined && !isAccessLost(change) && isNewsOfRemote(document, remote, change.revisionID);
    });
    await store.noteRemoteRevisions(remote, news);
    for (const { id, revisionID } of news) onRemoteRevision?.(id, revisionID);
  }

  #problem(documentID: string, error: HawserError): void {
    const { observer, store } = this.#options;
    observer.document({ collection: store.name, documentID, isPush: false, flags: NO_FLAGS, error });
  }
}

/** What a batch that waits for its turn counts as: so many changes in a list take as much memory. */
function weight(revisions: readonly SentRevision[], { body }: IncomingRequest): number {
  return revisions.length + Math.ceil(body.length / WAITING_REV_COST);
}

const NOT_OURS: RevAnswer = { error: reply.http(403, 'this document was not asked for'), current: undefined };
