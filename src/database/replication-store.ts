/**
 * What the replicator may do with a collection. Beside the public Collection, because these calls work on revisions and
 * rows, and go on while the database is being closed (a session still saves its checkpoint then).
 */
import type { Unsubscribe } from '../base/index.js';
import type { HawserError } from '../errors.js';
import type { FeedQuery, StoredDocument } from '../storage/index.js';
import { Collection } from './collection.js';
import { recordKey, type CollectionState } from './collection-state.js';
import type { CollectionEdits } from './document-edits.js';
import type { DatabaseEngine } from './engine.js';
import { ConflictResults, type OpenConflict } from './conflict-results.js';
import { resolveByDefault, type SettleOutcome } from './conflicts.js';
import {
  incomingProblem,
  insertIncoming,
  type IncomingOptions,
  type IncomingResult,
  type IncomingRevision,
} from './incoming.js';
import type { BlobLease } from './blob-leases.js';
import { isDue } from './expiration.js';
import { fullName } from './names.js';
import { PEER_CHECKPOINT, readPeerCheckpoint, type PeerCheckpoint } from './peer-checkpoints.js';
import type { ReplicationSizes } from './profile.js';
import { ReplicationBlobs } from './replication-blobs.js';

export class ReplicationStore {
  readonly #engine: DatabaseEngine;
  readonly #state: CollectionState;

  constructor(collection: Collection<never>) {
    const { engine, state } = Collection.internals(collection);
    this.#engine = engine;
    this.#state = state;
  }

  /** The name on the wire. */
  get name(): string {
    return fullName(this.#state.scope, this.#state.name);
  }

  get scope(): string {
    return this.#state.scope;
  }

  get collectionName(): string {
    return this.#state.name;
  }

  /** What shapes its sessions. */
  get sizes(): ReplicationSizes {
    return this.#engine.profile.replication;
  }

  /** Identifies the database in its checkpoints. */
  get privateUUID(): string {
    return this.#engine.privateUUID;
  }

  get publicUUID(): string {
    return this.#engine.publicUUID;
  }

  /** The contents of the blobs of the whole database. */
  get blobs(): ReplicationBlobs {
    return new ReplicationBlobs(this.#engine.blobs);
  }

  /** The highest sequence committed, or a little more: gaps are possible. */
  get lastSequence(): number {
    return this.#state.lastSequence;
  }

  /** Makes the collection, if it does not exist yet. */
  create(): Promise<void> {
    return this.#engine.createCollection(this.#state);
  }

  feed(query: Omit<FeedQuery, 'collection'>): Promise<StoredDocument[]> {
    if (this.#state.key < 0) return Promise.resolve([]);
    return this.#engine.storage.feed({ ...query, collection: this.#state.key });
  }

  documents(ids: readonly string[]): Promise<(StoredDocument | undefined)[]> {
    if (this.#state.key < 0) return Promise.resolve(ids.map(() => undefined));
    return this.#engine.storage.documents(this.#state.key, ids);
  }

  /** Whether the collection holds anything at all, tombstones included. */
  async isEmpty(): Promise<boolean> {
    return (await this.feed({ since: 0, limit: 1 })).length === 0;
  }

  /** Inserts a revision from a peer in the next group commit, and resolves after it. */
  insert(revision: IncomingRevision, options: IncomingOptions): Promise<IncomingResult> {
    if (revision.hasBlobs) this.#engine.blobLeases.refer(revision.body);
    const work = (edits: CollectionEdits): IncomingResult => insertIncoming(edits, revision, options);
    return this.#engine.edit(this.#state, [revision.id], work, revision.body.length);
  }

  /**
   * Inserts revisions without blobs in the next group commit, all in one job, and resolves after it: to the result of each,
   * or to the error of one that cannot be stored.
   */
  insertAll(
    revisions: readonly IncomingRevision[],
    options: IncomingOptions,
  ): Promise<readonly (IncomingResult | HawserError)[]> {
    if (revisions.length === 0) return Promise.resolve([]);
    const ids = revisions.map(({ id }) => id);
    const length = revisions.reduce((sum, { body }) => sum + body.length, 0);
    const work = (edits: CollectionEdits): (IncomingResult | HawserError)[] =>
      revisions.map((revision) => incomingProblem(revision) ?? insertIncoming(edits, revision, options));
    return this.#engine.edit(this.#state, ids, work, length);
  }

  /** Removes a document and all its history from this database, and only here. */
  purge(id: string): Promise<void> {
    return this.#engine.edit(this.#state, [id], (edits) => {
      if (edits.get(id) !== undefined) edits.purge(id);
    });
  }

  /** To be held from before the first blob of a revision is looked for or stored until `insert` has settled. */
  blobLease(): BlobLease {
    return this.#engine.blobLeases.lease();
  }

  /** The document has expired and only waits to be purged: it is not to be sent any more. */
  isDue(document: StoredDocument): boolean {
    return isDue(document, this.#engine.clock.now());
  }

  /** Resolves the conflicts of a document by the default rule. */
  resolveConflicts(id: string): Promise<boolean> {
    return this.#engine.edit(this.#state, [id], (edits) => resolveByDefault(edits, id));
  }

  /** A conflict of a document that waits, as it is now; undefined if there is none. */
  async openConflict(id: string): Promise<OpenConflict | undefined> {
    const [document] = await this.documents([id]);
    return document === undefined ? undefined : ConflictResults.open(document, this.#state);
  }

  /**
   * Stores what a resolver has returned; without a result the default rule decides. Rejects with `CONFLICT_RESOLVER_FAILED`
   * where the result is of no use, and nothing is changed then.
   */
  settleConflict(open: OpenConflict, result?: { readonly value: unknown }): Promise<SettleOutcome> {
    return new ConflictResults(this.#engine, this.#state).settle(open, result);
  }

  /** IDs of documents that wait for a resolution. */
  async conflicted(): Promise<string[]> {
    const ids: string[] = [];
    for (let since = 0; ;) {
      const page = await this.feed({ since, limit: 200, maxBytes: 1024 * 1024, conflictedOnly: true });
      for (const document of page) ids.push(document.id);
      const last = page.at(-1);
      if (last === undefined) return ids;
      since = last.sequence;
    }
  }

  /** Notes which revisions a remote has, in one statement for all. The documents keep their place in the feed. */
  async noteRemoteRevisions(
    remote: number,
    revisions: readonly { readonly id: string; readonly revisionID: string }[],
  ): Promise<void> {
    if (revisions.length === 0 || this.#state.key < 0) return;
    const key = this.#state.key;
    await this.#engine.storage.transaction((transaction) => transaction.setRemoteRevisions(key, remote, revisions));
  }

  /**
   * From now on the bodies of former revisions are kept when documents change, as bases of deltas, also of those that no
   * remote is known to have. Until the returned function is called.
   */
  keepBodies(): () => void {
    const state = this.#state;
    let isKept = true;
    state.bodyKeepers++;
    return () => {
      if (isKept) state.bodyKeepers--;
      isKept = false;
    };
  }

  /** Resolves when every write that was given a sequence before the call is committed, or undone. */
  settled(): Promise<void> {
    return this.#engine.storage.transaction(() => Promise.resolve());
  }

  /** Calls back after each commit in this collection. */
  onCommit(listener: () => void): Unsubscribe {
    return this.#engine.events.on('committed', (change) => {
      if (change.collection === this.#state) listener();
    });
  }

  /** As {@link remoteNumber}, but undefined for a remote that was never replicated with. */
  async knownRemoteNumber(remoteID: string): Promise<number | undefined> {
    const known = await this.#engine.storage.record('remote', remoteID);
    return known === undefined ? undefined : Number(known);
  }

  /** A small number that stands for a remote database in the documents' bookkeeping; the same for the same `remoteID`. */
  async remoteNumber(remoteID: string): Promise<number> {
    const known = await this.knownRemoteNumber(remoteID);
    if (known !== undefined) return known;
    return this.#engine.storage.transaction(async (transaction) => {
      const raced = await transaction.record('remote', remoteID);
      if (raced !== undefined) return Number(raced);
      const number = Number((await transaction.record('counter', 'remote')) ?? '0') + 1;
      await transaction.putRecord('counter', 'remote', String(number));
      await transaction.putRecord('remote', remoteID, String(number));
      return number;
    });
  }

  /** The checkpoint this database keeps for its own replications of this collection, as JSON text. */
  localCheckpoint(id: string): Promise<string | undefined> {
    return this.#engine.storage.record('checkpoint', recordKey(this.#state, id));
  }

  putLocalCheckpoint(id: string, text: string): Promise<void> {
    return this.#engine.keepRecords(this.#state, (transaction) =>
      transaction.putRecord('checkpoint', recordKey(this.#state, id), text),
    );
  }

  /** A checkpoint kept for a peer (specification 4.1): opaque text and its revision. */
  async peerCheckpoint(id: string): Promise<PeerCheckpoint | undefined> {
    return readPeerCheckpoint(await this.#engine.storage.record(PEER_CHECKPOINT, recordKey(this.#state, id)));
  }

  /** Stores it if `revision` is the one stored (undefined: none); resolves to the new revision, or undefined if it is not. */
  putPeerCheckpoint(id: string, text: string, revision: string | undefined): Promise<string | undefined> {
    return this.#engine.keepRecords(this.#state, (transaction) =>
      this.#engine.peerCheckpoints.put(transaction, recordKey(this.#state, id), text, revision),
    );
  }
}
