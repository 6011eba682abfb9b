/**
 * How much may be on the way where a loss means that somebody in the middle had no room, as the queue of a broker: more until
 * something is lost, then half of it (RFC 5681). On a line of one's own, where losses are noise, none of this is used.
 */

export class Congestion {
  readonly #packetSize: number;
  #window: number;
  #slowStartUntil = Infinity;
  /** Losses of packets sent before this one count as the same event. */
  #recoveredFrom = 0;

  constructor(packetSize: number) {
    this.#packetSize = packetSize;
    this.#window = INITIAL_PACKETS * packetSize;
  }

  /** Bytes that may be on the way. */
  get window(): number {
    return this.#window;
  }

  arrived(bytes: number): void {
    const isSlowStart = this.#window < this.#slowStartUntil;
    this.#window += isSlowStart ? bytes : (bytes * this.#packetSize) / this.#window;
    this.#window = Math.min(this.#window, MAX_WINDOW);
  }

  /**
   * @param order which transmission was lost
   * @param newest the last transmission until now
   */
  lost(order: number, newest: number): void {
    if (order < this.#recoveredFrom) return;
    this.#recoveredFrom = newest + 1;
    this.#window = Math.max(this.#window / 2, MIN_PACKETS * this.#packetSize);
    this.#slowStartUntil = this.#window;
  }

  /**
   * Nothing came back at all.
   * @param newest the last transmission until now
   */
  timedOut(newest: number): void {
    const least = MIN_PACKETS * this.#packetSize;
    // Several in a row are one event, as are the losses which the answer to the probe will show.
    if (this.#window > least) this.#slowStartUntil = Math.max(this.#window / 2, least);
    this.#window = least;
    this.#recoveredFrom = newest + 1;
  }
}

const INITIAL_PACKETS = 10;
const MIN_PACKETS = 2;
const MAX_WINDOW = 16_777_216;
