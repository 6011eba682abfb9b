/**
 * What becomes of a received revision, for both kinds of puller (specification 3.9, 5.5, 7.2, 8.2, 9.6): delta to body, checks,
 * filter, blobs, insertion, and the answer. What was expected and how far the pull has come is the pullers' business.
 *
 * Invariant: an answer that is no error is given only after the revision and its blobs are durable.
 */
import type { IncomingRequest } from '../blip/index.js';
import {
  blobReferences,
  type IncomingOptions,
  type IncomingResult,
  type IncomingRevision,
  type ReplicationStore,
} from '../database/index.js';
import { HawserError, isHawserError } from '../errors.js';
import { contains } from '../revision/index.js';
import type { DocumentFlags, ReplicationFilter } from './collection-configuration.js';
import type { CollectionIndex } from './collection-index.js';
import { DeltaReceiver } from './delta-receiver.js';
import type { FilteredRevision } from './document-filter.js';
import { FilterCalls } from './filter-calls.js';
import { Holding } from './holding.js';
import {
  isFaultOfRevision,
  isPassing,
  readBody,
  readHeader,
  readText,
  sentRevision,
  type ReceivedBody,
  type RevHeader,
  type SentRevision,
} from './incoming-rev.js';
import { branchesOf } from './known-branches.js';
import { CONFLICT, conflictWith, DONE, EMPTY, FILTERED, PRESENT, type Reception } from './reception.js';
import { DELTA_REFUSED, errorToReply } from './remote-errors.js';
import { TAKES_BATCHES } from './rev-batch.js';
import { DELETED, NO_FLAGS } from './session-events.js';
import type { SessionServices } from './session-services.js';

export interface RevisionReceiverOptions extends SessionServices {
  readonly store: ReplicationStore;
  readonly collection: CollectionIndex;
  /** Undefined where an active peer pushes to us: then nothing is filtered or purged, and conflicts are refused. */
  readonly pull: PullOptions | undefined;
  /** Called as soon as a revision is committed, with the place of its document in our feed. */
  readonly onStored?: (sequence: number) => void;
}

export interface PullOptions {
  /** The number of the remote. */
  readonly remote: number;
  readonly filter: ReplicationFilter | undefined;
  /** Purge documents to which access was lost. */
  readonly autoPurge: boolean;
  readonly resolutions: Resolutions;
}

/** Settles conflicts that were pulled. */
export interface Resolutions {
  /** Conflicts are to be kept until `resolve` settles them; otherwise the default rule does so in the write that stores them. */
  readonly keepsConflicts: boolean;
  /** A promise while too many conflicts wait for one more. */
  room(): Promise<void> | undefined;
  /** Resolves when it is settled, to why it stays pending if it does; rejects only if our own storage fails. */
  resolve(documentID: string): Promise<HawserError | undefined>;
}

export class RevisionReceiver {
  readonly #options: RevisionReceiverOptions;
  readonly #insertion: IncomingOptions;
  /** Its name. */
  readonly #collection: string;
  readonly #deltas: DeltaReceiver;
  readonly #filters: FilterCalls;
  /** The latest revision of each document that is being pulled. */
  readonly #receiving = new Map<string, Promise<unknown>>();
  #takesDeltas = false;
  #resolving = 0;

  constructor(options: RevisionReceiverOptions) {
    const { store, pull } = options;
    this.#options = options;
    this.#collection = store.name;
    this.#insertion = pull === undefined ? {} : { remote: pull.remote, resolve: !pull.resolutions.keepsConflicts };
    this.#deltas = new DeltaReceiver(store);
    this.#filters = new FilterCalls(options);
  }

  /** No conflict is being settled. */
  get isIdle(): boolean {
    return this.#resolving === 0;
  }

  /**
   * Goes into the answer to a list of changes: only the first one says that deltas are taken (specification 3.7.1). That
   * batches are, is said to a peer that has asked.
   */
  announcement(list: IncomingRequest): Record<string, string> {
    const batches = this.#options.batches && list.properties.boolean(TAKES_BATCHES) ? { [TAKES_BATCHES]: '1' } : {};
    if (this.#takesDeltas || !this.#options.deltas) return batches;
    this.#takesDeltas = true;
    return { deltas: 'true', ...batches };
  }

  /** Never rejects. Tells the observer of what became of the document, a conflict's after it is settled. */
  receive(request: IncomingRequest): Promise<Reception> {
    const revision = sentRevision(request);
    return this.#watched([revision], this.#receive(revision));
  }

  /** The same for many, those that need nothing else written together. One that conflicts is refused without being told of. */
  receiveBatch(revisions: readonly SentRevision[]): Promise<readonly Reception[]> {
    return this.#watched(revisions, this.#receiveBatch(revisions));
  }

  /** A pulled revision of the document has come and is not stored yet. */
  isReceiving(documentID: string): boolean {
    return this.#receiving.has(documentID);
  }

  /** The peer says that access to a document was lost. Never rejects. */
  async revoke(documentID: string, deleted: boolean): Promise<Reception> {
    const flags = { deleted, accessRemoved: true };
    await this.#receiving.get(documentID); // what came before and is stored after would stay for ever
    try {
      return await this.#remove(documentID, flags);
    } catch (error) {
      return this.#failed(documentID, flags, error);
    }
  }

  #watched<T>(revisions: readonly SentRevision[], work: Promise<T>): Promise<T> {
    if (this.#options.pull === undefined) return work;
    for (const { id } of revisions) this.#receiving.set(id, work);
    void work.then(() => {
      for (const { id } of revisions) if (this.#receiving.get(id) === work) this.#receiving.delete(id);
    });
    return work;
  }

  /** Runs for every revision: what only some need is waited for only there. */
  async #receive(revision: SentRevision, inBatch = false): Promise<Reception> {
    const { backlog, pull } = this.#options;
    const { id, deltaSrc: source } = revision;
    const flags = revision.deleted ? DELETED : NO_FLAGS;
    const holding = new Holding(backlog, revision.body.length);
    try {
      if (source !== undefined && !this.#takesDeltas) return { fate: 'whole', answer: { error: DELTA_REFUSED } };
      const read = this.#header(revision);
      const header = read instanceof Promise ? await read : read;
      const sent = readText(revision);
      const whole = source === undefined ? sent : await this.#deltas.whole(header, source, sent, holding);
      const body = readBody(header, whole);
      if (pull !== undefined && body.isRemoved) return await this.#remove(id, { ...flags, accessRemoved: true });
      if (pull?.filter !== undefined) {
        const isWanted = await this.#passes(pull.filter, { ...header, body: body.text }, flags);
        if (!isWanted) return FILTERED;
      }
      const result = await (body.blobs.length === 0
        ? this.#insert(header, body)
        : this.#insertWithBlobs(header, body, holding));
      if (!inBatch) return this.#stored(id, flags, result);
      return this.#storedInBatch(id, flags, result, result.outcome === 'refused' ? await this.#current(id) : undefined);
    } catch (error) {
      if (inBatch && pull === undefined && isHawserError(error) && error.code === 'DELTA_BASE_UNKNOWN') {
        // Proposed on top of that base it would have been refused: the whole of it would be too.
        const current = await this.#current(id).catch(() => undefined);
        if (current !== undefined && current !== source) return conflictWith(current);
      }
      return this.#failed(id, flags, error);
    } finally {
      holding.release();
    }
  }

  async #receiveBatch(revisions: readonly SentRevision[]): Promise<readonly Reception[]> {
    const plain: IncomingRevision[] = [];
    const others: Promise<Reception>[] = [];
    const isPlain = revisions.map((revision) => {
      const read = this.#plain(revision);
      if (read === undefined) others.push(this.#receive(revision, true));
      else plain.push(read);
      return read !== undefined;
    });
    const stored = await this.#insertAll(plain);
    const rest = await Promise.all(others);
    let [plainAt, otherAt] = [0, 0];
    return isPlain.map((plain) => (plain ? stored[plainAt++] : rest[otherAt++]) as Reception);
  }

  /** The revision if it needs nothing but to be written; undefined also for one with a fault, which is found once more. */
  #plain(revision: SentRevision): IncomingRevision | undefined {
    if (revision.deltaSrc !== undefined || this.#options.pull?.filter !== undefined) return undefined;
    try {
      const { id, revisionID, history, deleted } = readHeader(revision, () => false);
      const { text, blobs, isRemoved } = readBody({ deleted }, readText(revision));
      if (blobs.length > 0 || isRemoved) return undefined;
      return { id, revisionID, history, deleted, body: text, hasBlobs: false };
    } catch {
      return undefined;
    }
  }

  async #insertAll(revisions: readonly IncomingRevision[]): Promise<readonly Reception[]> {
    const { backlog, pull, store } = this.#options;
    const flagsOf = ({ deleted }: IncomingRevision): DocumentFlags => (deleted ? DELETED : NO_FLAGS);
    const size = revisions.reduce((sum, { body }) => sum + body.length, 0);
    backlog.add(size, revisions.length);
    try {
      await pull?.resolutions.room();
      const results = await store.insertAll(revisions, this.#insertion);
      const refused = revisions.filter((_, index) => isRefused(results[index])).map(({ id }) => id);
      // Only where there are any: our feed may come to the others before the answer.
      const rows = refused.length === 0 ? [] : await store.documents(refused);
      const current = new Map(rows.map((document) => [document?.id, document?.revisionID]));
      return revisions.map((revision, index) => {
        const result = results[index] as IncomingResult | HawserError;
        if (isHawserError(result)) return this.#failed(revision.id, flagsOf(revision), result);
        return this.#storedInBatch(revision.id, flagsOf(revision), result, current.get(revision.id));
      });
    } catch (error) {
      return revisions.map((revision) => this.#failed(revision.id, flagsOf(revision), error));
    } finally {
      backlog.remove(size, revisions.length);
    }
  }

  /** A gap just before a revision that we have is no fault (0.4.2), but what we have is looked up only where there is one. */
  #header(revision: SentRevision): RevHeader | Promise<RevHeader> {
    try {
      return readHeader(revision, () => false);
    } catch (error) {
      if (!isHawserError(error) || error.code !== 'REVISION_HISTORY_INVALID') throw error;
      return this.#headerWithGap(revision);
    }
  }

  async #headerWithGap(revision: SentRevision): Promise<RevHeader> {
    const [document] = await this.#options.store.documents([revision.id]);
    const branches = branchesOf(document);
    return readHeader(revision, (id) => branches.some((branch) => contains(branch, id)));
  }

  #passes(
    filter: ReplicationFilter,
    revision: Omit<FilteredRevision, 'sequence'>,
    flags: DocumentFlags,
  ): Promise<boolean> {
    return this.#filters.ask(filter, { ...revision, sequence: 0 }, flags);
  }

  /** Its blobs come over this connection, so a revision that waits for them must not stop the reading of it. */
  async #insertWithBlobs(header: RevHeader, body: ReceivedBody, holding: Holding): Promise<IncomingResult> {
    const { store, blobFetcher, collection, pull } = this.#options;
    const { text, blobs, listed } = body;
    const owned = pull === undefined ? (): Promise<ReadonlySet<string>> => this.#ownedBlobs(header.id) : undefined;
    const lease = store.blobLease();
    try {
      holding.release();
      await blobFetcher.fetchMissing(header.id, collection, blobs, { size: text.length, lease, listed, owned });
      holding.count(text.length);
      return await this.#insert(header, body);
    } finally {
      lease.release();
    }
  }

  /** What the document refers to as it is: whoever may have it may have these contents too. */
  async #ownedBlobs(id: string): Promise<ReadonlySet<string>> {
    const [document] = await this.#options.store.documents([id]);
    if (document === undefined || !document.hasBlobs) return new Set();
    return new Set(blobReferences(document.body).map(({ digest }) => digest));
  }

  #insert({ id, revisionID, history, deleted }: RevHeader, { text, blobs }: ReceivedBody): Promise<IncomingResult> {
    const { store, pull } = this.#options;
    const revision = { id, revisionID, history, deleted, body: text, hasBlobs: blobs.length > 0 };
    const room = pull?.resolutions.room();
    if (room === undefined) return store.insert(revision, this.#insertion);
    return room.then(() => store.insert(revision, this.#insertion));
  }

  /** Of what would not have been sent if it had been announced or proposed first, nobody is told. */
  #storedInBatch(id: string, flags: DocumentFlags, result: IncomingResult, current: string | undefined): Reception {
    if (result.outcome === 'present') return PRESENT;
    if (result.outcome !== 'refused') return this.#stored(id, flags, result);
    return conflictWith(current);
  }

  async #current(id: string): Promise<string | undefined> {
    return (await this.#options.store.documents([id]))[0]?.revisionID;
  }

  #stored(id: string, flags: DocumentFlags, { outcome, sequence }: IncomingResult): Reception {
    if (outcome === 'refused') {
      const message = `document "${id}" has another revision here`;
      this.#tell(id, flags, new HawserError('DOCUMENT_CONFLICT', message));
      return CONFLICT;
    }
    if (outcome === 'conflict') void this.#resolve(id, flags);
    else this.#tell(id, flags);
    if (outcome === 'present') return PRESENT;
    if (outcome === 'rebased') return DONE; // as another revision, which the peer has to hear of
    this.#options.onStored?.(sequence); // at once: our feed may come to it before the others of a batch are settled
    return { fate: 'done', answer: EMPTY };
  }

  /** The filter sees an empty body (specification 9.6). What was changed here and not pushed yet goes as well. */
  async #remove(id: string, flags: DocumentFlags): Promise<Reception> {
    const { store, pull } = this.#options;
    const [document] = await store.documents([id]);
    if (document === undefined) return DONE;
    const { revisionID, deleted } = document;
    if (pull?.filter !== undefined) {
      const isWanted = await this.#passes(pull.filter, { id, revisionID, deleted, body: '{}' }, flags);
      if (!isWanted) return FILTERED;
    }
    if (pull?.autoPurge === true) await store.purge(id);
    this.#tell(id, flags);
    return DONE;
  }

  /** The peer has its answer meanwhile: the conflict is stored, and settled again when a session begins if it has to be. */
  async #resolve(id: string, flags: DocumentFlags): Promise<void> {
    const { pull, observer } = this.#options;
    this.#resolving++;
    try {
      this.#tell(id, flags, await pull?.resolutions.resolve(id));
    } catch (error) {
      observer.failed(error);
    } finally {
      this.#resolving--;
      observer.progressed();
    }
  }

  #failed(id: string, flags: DocumentFlags, error: unknown): Reception {
    const answer = { error: errorToReply(error) };
    if (isHawserError(error)) {
      if (error.code === 'DELTA_INVALID' || error.code === 'DELTA_BASE_UNKNOWN')
        return { fate: 'whole', answer, error };
      if (isPassing(error) || isFaultOfRevision(error)) {
        this.#tell(id, flags, error);
        return { fate: isPassing(error) ? 'later' : 'done', answer, error };
      }
    }
    this.#options.observer.failed(error);
    return { fate: 'broken', answer };
  }

  #tell(documentID: string, flags: DocumentFlags, error?: HawserError): void {
    this.#options.observer.document({ collection: this.#collection, documentID, isPush: false, flags, error });
  }
}

function isRefused(result: IncomingResult | HawserError | undefined): boolean {
  return result !== undefined && 'outcome' in result && result.outcome === 'refused';
}
