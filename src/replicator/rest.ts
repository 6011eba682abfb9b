/** Notices that a connection has had nothing to send for a while. Costs a timer a while, and none while nothing happens. */
import type { Clock, Timer } from '../base/index.js';

export class Rest {
  readonly #clock: Clock;
  readonly #afterMs: number;
  readonly #begin: () => void;
  #timer: Timer | undefined;
  #isUsed = false;
  #isOver = false;

  /** @param begin called when nothing was used for `afterMs`, and again only after it was used again */
  constructor(clock: Clock, afterMs: number, begin: () => void) {
    this.#clock = clock;
    this.#afterMs = afterMs;
    this.#begin = begin;
  }

  used(): void {
    if (this.#isOver) return;
    this.#isUsed = true;
    this.#timer ??= this.#clock.setTimer(this.#afterMs, () => this.#look());
  }

  /** For good. */
  stop(): void {
    this.#isOver = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #look(): void {
    this.#timer = undefined;
    if (!this.#isUsed) return this.#begin();
    this.#isUsed = false;
    this.#timer = this.#clock.setTimer(this.#afterMs, () => this.#look());
  }
}
