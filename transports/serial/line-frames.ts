/**
 * Packets as frames for a line with two ends. The first one after a pause begins with a zero byte: what the line has made up
 * meanwhile would be taken for its beginning otherwise. Where one frame follows the other it would be wasted: the zero at
 * the end of the one before is there already, and hardly ever what is damaged.
 */
import type { Clock } from '../../src/index.js';
import { encodeFrame } from './framing.js';

export class LineFrames {
  readonly #clock: Clock;
  readonly #bytesPerSecond: number;
  /** When all that was encoded so far will have left. */
  #leftAt = -Infinity;

  constructor({ clock, bytesPerSecond }: { readonly clock: Clock; readonly bytesPerSecond: number }) {
    this.#clock = clock;
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** To be written now. */
  encode(packet: Uint8Array): Uint8Array {
    const now = this.#clock.monotonic();
    const frame = encodeFrame(packet, now > this.#leftAt + PAUSE_MS);
    this.#leftAt = Math.max(this.#leftAt, now) + (1_000 * frame.length) / this.#bytesPerSecond;
    return frame;
  }
}

/** Longer than a timer is late in a stream of frames. */
const PAUSE_MS = 20;
