/**
 * The checkpoints that this database keeps for its peers (specification 4.1): opaque texts, named by the peer.
 *
 * Peers choose the names, so there would be no end to them: those saved least recently are dropped. A peer whose
 * checkpoint is gone compares anew the next time, and loses nothing.
 */
import type { StorageTransaction } from '../storage/index.js';

export interface PeerCheckpoint {
  readonly revision: string;
  readonly text: string;
}

export interface PeerCheckpointLimits {
  /** @default 10,000 */
  readonly maxCount?: number;
  /** @default 64 MiB */
  readonly maxBytes?: number;
}

/** One for all collections of a database: the limits are for the whole. */
export class PeerCheckpoints {
  readonly #maxCount: number;
  readonly #maxBytes: number;
  /** What was saved since the limits were last looked at. At the beginning, who knows. */
  #savedCount = Infinity;
  #savedLength = 0;

  constructor({ maxCount = 10_000, maxBytes = 64 * 1024 * 1024 }: PeerCheckpointLimits = {}) {
    this.#maxCount = maxCount;
    this.#maxBytes = maxBytes;
  }

  /**
   * Stores a checkpoint under a key if `revision` is the one stored (undefined: none); resolves to its new revision, or to
   * undefined if it is not.
   */
  async put(
    transaction: StorageTransaction,
    key: string,
    text: string,
    revision: string | undefined,
  ): Promise<string | undefined> {
    const stored = readPeerCheckpoint(await transaction.record(PEER_CHECKPOINT, key));
    if (stored?.revision !== revision) return undefined;
    const generation = stored === undefined ? 1 : Number.parseInt(stored.revision, 10) + 1;
    const next = `${generation}-cc`;
    const turn = Number((await transaction.record('counter', PEER_CHECKPOINT)) ?? '0') + 1;
    await transaction.putRecord('counter', PEER_CHECKPOINT, String(turn));
    await transaction.putRecord(PEER_CHECKPOINT, key, `${turn} ${next} ${text}`);
    await this.#trim(transaction, text.length);
    return next;
  }

  /** Looks at all of them, so not each time: the limits may be exceeded by a tenth meanwhile. */
  async #trim(transaction: StorageTransaction, length: number): Promise<void> {
    this.#savedCount++;
    this.#savedLength += length;
    if (this.#savedCount * 10 < this.#maxCount && this.#savedLength * 10 < this.#maxBytes) return;
    await transaction.trimRecords(PEER_CHECKPOINT, this.#maxCount, this.#maxBytes);
    [this.#savedCount, this.#savedLength] = [0, 0];
  }
}

/** The kind of their records: `<when it was saved, as a number that grows> <revision> <text>`. */
export const PEER_CHECKPOINT = 'peer-checkpoint';

export function readPeerCheckpoint(record: string | undefined): PeerCheckpoint | undefined {
  const [whole, revision, text] = /^\d+ (\S+) (.*)$/s.exec(record ?? '') ?? [];
  return whole === undefined || revision === undefined || text === undefined ? undefined : { revision, text };
}
