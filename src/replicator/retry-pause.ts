/** The time between two attempts to connect: until a timer fires, or somebody ends it. */
import { deferred, type Clock, type Timer } from '../base/index.js';

export class RetryPause {
  readonly #ended = deferred();
  #timer: Timer | undefined;

  /** @param delayMs undefined for a pause that only `end` ends */
  constructor(clock: Clock, delayMs: number | undefined) {
    if (delayMs !== undefined) this.#timer = clock.setTimer(delayMs, () => this.end());
  }

  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** From now on only `end` ends it. */
  hold(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  end(): void {
    this.hold();
    this.#ended.resolve();
  }
}
