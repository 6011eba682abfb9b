/**
 * What the replicator may do with a collection. Beside the public Collection, because these calls work on revisions and
 * rows, and go on while the database is being closed (a session still saves its checkpoint then).
 */
import type { Unsubscribe } from '../base/index.js';
import type { FeedQuery, StoredDocument } from '../storage/index.js';
import { Collection } from './collection.js';
import type { CollectionState } from './collection-state.js';
import type { DatabaseEngine } from './engine.js';
import {
  insertIncoming,
  resolveByDefault,
  type IncomingOptions,
  type IncomingResult,
  type IncomingRevision,
} from './incoming.js';
import { fullName } from './names.js';

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

  /** Identifies the database in its checkpoints. */
  get privateUUID(): string {
    return this.#engine.privateUUID;
  }

  get publicUUID(): string {
    return this.#engine.publicUUID;
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
    return this.#engine.edit(this.#state, [revision.id], (edits) => insertIncoming(edits, revision, options));
  }

  /** Resolves the conflicts of a document by the default rule. */
  resolveConflicts(id: string): Promise<boolean> {
    return this.#engine.edit(this.#state, [id], (edits) => resolveByDefault(edits, id));
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

  /** Calls back after each commit in this collection. */
  onCommit(listener: () => void): Unsubscribe {
    return this.#engine.events.on('committed', (change) => {
      if (change.collection === this.#state) listener();
    });
  }

  /** A small number that stands for a remote database in the documents' bookkeeping; the same for the same `remoteID`. */
  async remoteNumber(remoteID: string): Promise<number> {
    const known = await this.#engine.storage.record('remote', remoteID);
    if (known !== undefined) return Number(known);
    return this.#engine.storage.transaction(async (transaction) => {
      const raced = await transaction.record('remote', remoteID);
      if (raced !== undefined) return Number(raced);
      const number = Number((await transaction.record('counter', 'remote')) ?? '0') + 1;
      await transaction.putRecord('counter', 'remote', String(number));
      await transaction.putRecord('remote', remoteID, String(number));
      return number;
    });
  }

  /** The checkpoint this database keeps for its own replications, as JSON text. */
  localCheckpoint(id: string): Promise<string | undefined> {
    return this.#engine.storage.record('checkpoint', id);
  }

  putLocalCheckpoint(id: string, text: string): Promise<void> {
    return this.#engine.putRecord('checkpoint', id, text);
  }

  /** A checkpoint kept for a peer (specification 4.1): opaque text and its revision. */
  async peerCheckpoint(id: string): Promise<PeerCheckpoint | undefined> {
    return readPeerCheckpoint(await this.#engine.storage.record('peer-checkpoint', id));
  }

  /** Stores it if `revision` is the one stored (undefined: none); resolves to the new revision, or undefined if it is not. */
  putPeerCheckpoint(id: string, text: string, revision: string | undefined): Promise<string | undefined> {
    return this.#engine.storage.transaction(async (transaction) => {
      const stored = readPeerCheckpoint(await transaction.record('peer-checkpoint', id));
      if (stored?.revision !== revision) return undefined;
      const generation = stored === undefined ? 1 : Number.parseInt(stored.revision, 10) + 1;
      const next = `${generation}-cc`;
      await transaction.putRecord('peer-checkpoint', id, `${next} ${text}`);
      return next;
    });
  }
}

export interface PeerCheckpoint {
  readonly revision: string;
  readonly text: string;
}

function readPeerCheckpoint(record: string | undefined): PeerCheckpoint | undefined {
  if (record === undefined) return undefined;
  const space = record.indexOf(' ');
  return { revision: record.slice(0, space), text: record.slice(space + 1) };
}
