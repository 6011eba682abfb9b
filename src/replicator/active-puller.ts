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
import { HawserError, isHawserError } from '../errors.js';
import { generationOf, possibleAncestors } from '../revision/index.js';
import { branchesOf } from './known-branches.js';
import { parseChanges, parseJsonBody, type AnnouncedChange } from './change-entries.js';
import type { CollectionRules } from './collection-configuration.js';
import { collectionProperty, type CollectionIndex } from './collection-index.js';
import { DELTA_REFUSED, errorToReply, isTransientStatus, remoteErrorToHawser, reply } from './remote-errors.js';
import { RemoteSequences } from './remote-sequences.js';
import { isDelta, isFaultOfRevision, readRevision, refuseBlobs, sequenceOf } from './rev-message.js';
import { NO_FLAGS } from './session-events.js';
import type { SessionServices } from './session-services.js';
import { CHANGES_BATCH, MAX_HISTORY_ON_WIRE, MAX_OUTSTANDING_REVS, MAX_UNANSWERED_CHANGES } from './tuning.js';
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
}

export class ActivePuller {
  readonly #options: ActivePullerOptions;
  readonly #sequences: RemoteSequences;
  /** Revisions asked for and not yet received, by sequence; several where one was announced more than once. */
  readonly #requested = new Map<string, RequestedRevision[]>();
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
  }

  /** What may go into the checkpoint. */
  get position(): string | undefined {
    return this.#sequences.position;
  }

  /** Everything announced has been handled, and the remote has nothing more for now. */
  get isIdle(): boolean {
    return this.#caughtUp && this.#unanswered === 0 && this.#inserts.size === 0 && this.#sequences.unfinished === 0;
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
    const { channel, collection, continuous, since, store } = this.#options;
    const properties: Record<string, string> = {
      Profile: 'subChanges',
      ...collectionProperty(collection),
      batch: String(CHANGES_BATCH),
      versioning: 'rev-trees',
      revocations: 'true',
    };
    if (since !== undefined) properties['since'] = since;
    if (continuous) properties['continuous'] = 'true';
    if (since === undefined && (await store.isEmpty())) properties['activeOnly'] = 'true';
    const answer = await channel.request({ properties });
    if (answer.error !== undefined) throw remoteErrorToHawser('subChanges', answer.error);
  }

  handleChanges(request: IncomingRequest): void {
    const list = parseJsonBody(request.body);
    let changes: AnnouncedChange[];
    try {
      if (list === undefined) throw new HawserError('REPLICATION_PROTOCOL_ERROR', 'Invalid JSON body');
      changes = parseChanges(list);
      if (this.#unanswered > 0 && this.#unansweredChanges + changes.length > MAX_UNANSWERED_CHANGES)
        throw new HawserError('REPLICATION_PROTOCOL_ERROR', 'the peer does not wait for the answers to its changes');
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
    this.#unanswered++;
    this.#unansweredChanges += changes.length;
    this.#answering = this.#answering
      .then(() => this.#roomToAsk())
      .then(() => this.#answer(request, changes))
      .catch((error: unknown) => this.#options.observer.failed(error))
      .finally(() => {
        this.#unanswered--;
        this.#unansweredChanges -= changes.length;
        this.#options.observer.progressed();
      });
  }

  handleRev(request: IncomingRequest): void {
    const { backlog, channel, observer } = this.#options;
    if (isDelta(request)) {
      channel.respond(request, { error: DELTA_REFUSED }); // the same revision in full follows, without an announcement
      return;
    }
    const requested = this.#take(request) ?? this.#unannounced(request);
    const bytes = request.body.length;
    backlog.add(bytes);
    void this.#inserts.enter();
    void this.#insert(request, requested).finally(() => {
      this.#inserts.leave();
      backlog.remove(bytes);
      observer.finished(1);
      this.#makeRoom();
      observer.progressed();
    });
  }

  /** The promised revision will not come (specification 3.10). */
  handleNorev(request: IncomingRequest): void {
    const { channel, observer } = this.#options;
    channel.respond(request);
    const requested = this.#take(request);
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

  async #insert(request: IncomingRequest, { id: documentID, sequence, ancestors }: RequestedRevision): Promise<void> {
    const { channel, store, remote, observer } = this.#options;
    if (sequenceOf(request) === undefined) {
      const message = "received 'rev' message with missing 'sequence'";
      channel.respond(request, { error: reply.http(400, message) });
      this.#sequences.putOff(sequence);
      this.#problem(documentID, new HawserError('REPLICATION_PROTOCOL_ERROR', message));
      return;
    }
    try {
      const revision = readRevision(request, (id) => ancestors.includes(id));
      refuseBlobs(revision);
      const { outcome } = await store.insert(revision, { remote });
      if (outcome === 'conflict') await store.resolveConflicts(revision.id);
      channel.respond(request, outcome === 'present' ? { properties: { noop: 'true' } } : undefined);
      this.#sequences.finish(sequence);
    } catch (error) {
      channel.respond(request, { error: errorToReply(error) });
      if (isHawserError(error) && isFaultOfRevision(error)) {
        if (error.code === 'REPLICATION_BLOBS_UNSUPPORTED') this.#sequences.putOff(sequence);
        else this.#sequences.finish(sequence);
        this.#problem(documentID, error);
      } else {
        observer.failed(error);
      }
    }
  }

  /**
   * Which request a message fulfils, now no longer waited for: that of its sequence, or else of its document, for a peer
   * that confuses sequences would have us wait for ever.
   */
  #take(request: IncomingRequest): RequestedRevision | undefined {
    const { properties } = request;
    const isMeant = ({ id, revisionID }: RequestedRevision): boolean =>
      id === properties.get('id') && revisionID === properties.get('rev');
    const sequence = sequenceOf(request);
    let list = sequence === undefined ? undefined : this.#requested.get(sequence);
    list ??= [...this.#requested.values()].find((candidates) => candidates.some(isMeant));
    if (list === undefined) return undefined;
    const index = Math.max(0, list.findIndex(isMeant));
    const [requested] = list.splice(index, 1);
    if (requested !== undefined && list.length === 0) this.#requested.delete(requested.sequence);
    return requested;
  }

  /** A revision that nobody asked for is stored, and moves nothing. */
  #unannounced(request: IncomingRequest): RequestedRevision {
    this.#options.observer.found(1);
    const { properties } = request;
    return { sequence: '', id: properties.get('id') ?? '', revisionID: properties.get('rev') ?? '', ancestors: [] };
  }

  /** Waits until few enough revisions are outstanding (specification 3.7.3). */
  #roomToAsk(): Promise<void> | void {
    if (this.#sequences.unfinished <= MAX_OUTSTANDING_REVS || this.#options.channel.isEnded) return;
    return new Promise((resolve) => {
      this.#roomForMore = resolve;
    });
  }

  #makeRoom(): void {
    if (this.#sequences.unfinished > MAX_OUTSTANDING_REVS) return;
    this.#roomForMore?.();
    this.#roomForMore = undefined;
  }

  async #answer(request: IncomingRequest, changes: readonly AnnouncedChange[]): Promise<void> {
    const { channel, store, observer } = this.#options;
    const documents = await store.documents(changes.map((change) => change.id));
    const answers: (readonly string[] | 0)[] = [];
    let wanted = 0;
    changes.forEach((change, index) => {
      const ancestors = this.#decide(change, branchesOf(documents[index]));
      // Expected before the answer is sent: the revision may follow at once.
      if (ancestors === undefined) {
        this.#sequences.skip(change.sequence);
      } else {
        wanted++;
        this.#sequences.begin(change.sequence);
        this.#request({ ...change, ancestors });
      }
      answers.push(ancestors ?? 0);
    });
    observer.found(wanted);
    channel.respond(request, {
      properties: { maxHistory: String(MAX_HISTORY_ON_WIRE), blobs: 'true' },
      body: utf8(JSON.stringify(answers)),
      compressed: true,
    });
  }

  #request(revision: RequestedRevision): void {
    const list = this.#requested.get(revision.sequence);
    if (list === undefined) this.#requested.set(revision.sequence, [revision]);
    else list.push(revision);
  }

  /** Which revisions we have that the announced one may descend from; undefined if it is not wanted (specification 3.7.2). */
  #decide(change: AnnouncedChange, branches: ReturnType<typeof branchesOf>): readonly string[] | undefined {
    // Access was lost or the document left the channels: nothing will be sent for it.
    if (change.flags !== 0 && change.flags !== 1 && change.flags !== 5) return undefined;
    if (
      branches.some((branch) => branch.revisionID === change.revisionID || branch.history.includes(change.revisionID))
    ) {
      return undefined;
    }
    return possibleAncestors(branches, generationOf(change.revisionID));
  }

  #problem(documentID: string, error: HawserError): void {
    const { observer, store } = this.#options;
    observer.document({ collection: store.name, documentID, isPush: false, flags: NO_FLAGS, error });
  }
}

/** What was announced and is wanted. */
interface RequestedRevision {
  readonly sequence: string;
  readonly id: string;
  readonly revisionID: string;
  /** What we said we have. */
  readonly ancestors: readonly string[];
}
