/**
 * How far the reader of a streamed response has come, in bytes of its frames on the wire: only what was read is acknowledged,
 * so a reader that is slow stops its sender and nobody else (specification 2.8).
 */
import { ACKNOWLEDGE_EVERY } from './incoming-transfer.js';

export class Consumption {
  /** What the reader has not taken yet: of each frame, bytes of the body that are left, and what it counts on the wire. */
  #frames: { content: number; wire: number }[] = [];
  #unread = 0;
  #total = 0;
  #taken = 0;
  #acknowledged = 0;

  /** Bytes that the reader was given in all. */
  get total(): number {
    return this.#total;
  }

  /** Bytes that the reader was given and has not taken. */
  get unread(): number {
    return this.#unread;
  }

  /** What the unread bytes may take in memory: a piece of one byte takes more than that. */
  get cost(): number {
    return this.#unread + this.#frames.length * FRAME_COST;
  }

  /** A frame came with `content` bytes for the reader. */
  add(content: number, wire: number): void {
    this.#total += content;
    this.#unread += content;
    const last = this.#frames.at(-1);
    if (content > 0) this.#frames.push({ content, wire });
    else if (last === undefined) this.#taken += wire;
    else last.wire += wire;
  }

  /** The reader has taken `bytes` more, of which there are that many. */
  take(bytes: number): void {
    this.#unread -= bytes;
    let left = bytes;
    let whole = 0;
    for (const frame of this.#frames) {
      if (frame.content > left) {
        frame.content -= left;
        break;
      }
      left -= frame.content;
      this.#taken += frame.wire;
      whole++;
    }
    this.#frames.splice(0, whole);
  }

  /** How many bytes to acknowledge; `undefined` while that can wait. */
  toAcknowledge(): number | undefined {
    if (this.#taken - this.#acknowledged < ACKNOWLEDGE_EVERY) return undefined;
    this.#acknowledged = this.#taken;
    return this.#taken;
  }
}

/** Bytes that a piece takes beside its content, roughly. */
const FRAME_COST = 256;
