/**
 * Keeps the checkpoint of one collection on both sides (specification 4).
 * Invariant: the remote's copy is saved first, so the local one is never ahead of it.
 */
import { fromUtf8, parseJson, utf8, type Clock, type JsonValue } from '../base/index.js';
import type { ReplicationStore } from '../database/index.js';
import {
  checkpointFromJson,
  compareCheckpoints,
  formatCheckpoint,
  parseCheckpoint,
  type Checkpoint,
  type CheckpointComparison,
} from './checkpoint.js';
import { collectionProperty, type CollectionIndex } from './collection-index.js';
import type { MessageChannel } from './message-channel.js';
import { isError, remoteErrorToHawser } from './remote-errors.js';
import { SequenceSet } from './sequence-set.js';

export class Checkpointer {
  readonly id: string;
  readonly #store: ReplicationStore;
  readonly #clock: Clock;
  #remoteRevision = '';
  #saved = '';

  constructor(id: string, store: ReplicationStore, clock: Clock) {
    this.id = id;
    this.#store = store;
    this.#clock = clock;
  }

  /**
   * Where to start, given what the remote returned for this checkpoint: the JSON with its revision beside it, as
   * `getCollections` has it (`rev`, or `_rev` from Sync Gateway); undefined if it has none.
   * @param reset whether to forget how far the replication has come
   */
  async start(remote: JsonValue | undefined, reset: boolean): Promise<CheckpointComparison> {
    if (typeof remote === 'object' && remote !== null && !Array.isArray(remote)) {
      const revision = remote['rev'] ?? remote['_rev'];
      if (typeof revision === 'string') this.#remoteRevision = revision;
    }
    if (reset) await this.#forget();
    const local = reset ? undefined : parseCheckpoint(await this.#store.localCheckpoint(this.id));
    const comparison = compareCheckpoints(local, remote === undefined ? undefined : checkpointFromJson(remote));
    if (comparison.agreed || local === undefined) this.#saved = fingerprint(comparison.checkpoint);
    return { ...comparison, agreed: comparison.agreed && !reset };
  }

  /** The set that {@link putReceived} kept. Of use where the checkpoints agree. */
  async received(): Promise<SequenceSet> {
    const text = await this.#store.localCheckpoint(this.#receivedKey);
    return SequenceSet.fromList(text === undefined ? undefined : parseJson(text)) ?? new SequenceSet();
  }

  /** Of this side alone, and after the checkpoint that stands for it. */
  putReceived(sequences: readonly number[]): Promise<void> {
    return this.#store.putLocalCheckpoint(this.#receivedKey, JSON.stringify(sequences));
  }

  get #receivedKey(): string {
    return `received ${this.id}`;
  }

  /** For good, not only for this session: it may end before anything is saved. */
  async #forget(): Promise<void> {
    if ((await this.#store.localCheckpoint(this.id)) === undefined) return;
    await this.#store.putLocalCheckpoint(this.id, formatCheckpoint(EMPTY, 0));
  }

  /** The remote's copy, asked for by itself; undefined if it has none. */
  async fetch(channel: MessageChannel, collection: CollectionIndex): Promise<JsonValue | undefined> {
    const properties = { Profile: 'getCheckpoint', ...collectionProperty(collection), client: this.id };
    const answer = await channel.request({ properties });
    if (isError(answer.error, 'HTTP', 404)) {
      this.#remoteRevision = '';
      return undefined;
    }
    if (answer.error !== undefined) throw remoteErrorToHawser('getCheckpoint', answer.error);
    this.#remoteRevision = answer.properties.get('rev') ?? '';
    try {
      return parseJson(fromUtf8(answer.body) ?? '');
    } catch {
      return undefined; // whoever wrote this, it is no checkpoint
    }
  }

  /** Saves on both sides, if it changed since the last time. True if it did, and both have it now. */
  async save(checkpoint: Checkpoint, channel: MessageChannel, collection: CollectionIndex): Promise<boolean> {
    const print = fingerprint(checkpoint);
    if (print === this.#saved) return false;
    const text = formatCheckpoint(checkpoint, Math.floor(this.#clock.now() / 1000));
    for (let attempt = 1; ; attempt++) {
      const answer = await channel.request({
        properties: {
          Profile: 'setCheckpoint',
          ...collectionProperty(collection),
          client: this.id,
          rev: this.#remoteRevision,
        },
        body: utf8(text),
      });
      if (answer.error === undefined) {
        this.#remoteRevision = answer.properties.get('rev') ?? '';
        break;
      }
      // Somebody else saved under this name, or the remote lost its copy: learn its revision and overwrite.
      const stale = isError(answer.error, 'HTTP', 409) || isError(answer.error, 'HTTP', 404);
      // Where others save under this name all the time, the next run takes longer: no reason to end this one.
      if (attempt >= MAX_ATTEMPTS && isError(answer.error, 'HTTP', 409)) return false;
      if (!stale || attempt >= MAX_ATTEMPTS) throw remoteErrorToHawser('setCheckpoint', answer.error);
      await this.fetch(channel, collection);
    }
    await this.#store.putLocalCheckpoint(this.id, text);
    this.#saved = print;
    return true;
  }
}

const MAX_ATTEMPTS = 5;
const EMPTY: Checkpoint = { pushed: new SequenceSet(), pulled: undefined };

/** Equal for checkpoints that say the same. */
function fingerprint(checkpoint: Checkpoint): string {
  return formatCheckpoint(checkpoint, 0);
}
