/**
 * Makes whole bodies of received deltas (specification 7.2). A delta of some bytes may stand for a document of many, so what
 * is made is bounded by itself, and not only by what came over the connection.
 */
import { applyDelta } from '../delta/index.js';
import { bodyOf, type ReplicationStore } from '../database/index.js';
import { HawserError } from '../errors.js';
import { generationOf } from '../revision/index.js';
import type { Holding } from './holding.js';
import { MAX_RECEIVED_DEPTH, type RevHeader } from './incoming-rev.js';
import { withLegacyAttachments } from './legacy-attachments.js';
import { MAX_DELTAS_APPLIED } from './tuning.js';
import { Window } from './window.js';

export class DeltaReceiver {
  readonly #store: ReplicationStore;
  readonly #applying = new Window(MAX_DELTAS_APPLIED);
  /** Bodies made that are not stored yet. */
  readonly #made: Window;

  constructor(store: ReplicationStore) {
    this.#store = store;
    this.#made = new Window(Number.POSITIVE_INFINITY, store.sizes.maxInsertBacklog);
  }

  /**
   * The body that `delta` makes of the revision `source`; it counts until `holding` is released. Rejects with
   * `DELTA_BASE_UNKNOWN` or `DELTA_INVALID`: then the peer has to send the whole.
   */
  async whole(header: RevHeader, source: string, delta: string, holding: Holding): Promise<string> {
    // A server sends a tombstone as a delta that says nothing; a core, which keeps bodies in tombstones, sends a true one.
    if (header.deleted && delta.trim() === '{}') return '{}';
    await this.#applying.enter();
    try {
      const [document] = await this.#store.documents([header.id]);
      const base = document === undefined ? undefined : bodyOf(document, source);
      if (base === undefined) {
        const message = `the revision ${source.slice(0, 80)} of document "${header.id}" is not stored here`;
        throw new HawserError('DELTA_BASE_UNKNOWN', message);
      }
      // Towards a peer that repeats blobs in `_attachments` the base has them as well.
      const old = delta.includes('_attachments') ? withLegacyAttachments(base, generationOf(source)) : base;
      const body = applyDelta(old, delta, { maxDepth: MAX_RECEIVED_DEPTH });
      await this.#made.enter(body.length);
      holding.add(() => this.#made.leave(body.length));
      return body;
    } finally {
      this.#applying.leave();
    }
  }
}
