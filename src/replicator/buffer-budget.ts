/**
 * What all peers of a listener together may have us hold: messages of theirs that are not complete, and answers that they do not
 * read. Each connection has limits of its own; many that stay just below them could still fill the memory.
 *
 * Whoever holds most has to go, so that one who holds little is not the one that happens to come last. Those of one address
 * count as one: a hundred connections that hold little each do not push out somebody who is alone.
 */
import { HawserError } from '../errors.js';

export interface BufferShare {
  /** What the connection holds now, in bytes. */
  set(bytes: number): void;
  /** The connection is over. Idempotent. */
  end(): void;
}

/** Takes part in a budget. @param giveUp called when the connection has to go, at most once; its share has ended then */
export type ShareBuffers = (giveUp: (error: HawserError) => void) => BufferShare;

interface Share {
  bytes: number;
  /** What counts together with it; the share itself where nobody else does. */
  readonly group: unknown;
  readonly giveUp: (error: HawserError) => void;
}

export class BufferBudget {
  readonly #maxBytes: number;
  readonly #shares = new Set<Share>();
  #total = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** What all hold together. */
  get total(): number {
    return this.#total;
  }

  /** @param group those of the same group count together; undefined: it counts alone */
  share(giveUp: (error: HawserError) => void, group?: string): BufferShare {
    const share: Share = { bytes: 0, group: group ?? {}, giveUp };
    this.#shares.add(share);
    return {
      set: (bytes) => {
        if (!this.#shares.has(share)) return;
        this.#total += bytes - share.bytes;
        share.bytes = bytes;
        if (this.#total > this.#maxBytes) this.#makeRoom();
      },
      end: () => this.#end(share),
    };
  }

  #makeRoom(): void {
    const groups = new Map<unknown, number>();
    for (const { group, bytes } of this.#shares) groups.set(group, (groups.get(group) ?? 0) + bytes);
    const most = Math.max(...groups.values());
    let largest: Share | undefined;
    for (const share of this.#shares) {
      if (groups.get(share.group) === most && share.bytes > (largest?.bytes ?? 0)) largest = share;
    }
    if (largest === undefined) return;
    const message = `all peers together hold more than ${this.#maxBytes} bytes, and those of this address most: ${most}`;
    this.#end(largest);
    largest.giveUp(new HawserError('BLIP_BUFFER_FULL', message));
  }

  #end(share: Share): void {
    if (!this.#shares.delete(share)) return;
    this.#total -= share.bytes;
  }
}
