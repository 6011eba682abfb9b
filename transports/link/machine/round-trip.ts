/** How long an answer takes on this link, and from when on it counts as missing (RFC 6298). Times in milliseconds. */

export interface RoundTripOptions {
  /** Before anything was measured. */
  readonly initialTimeoutMs: number;
  readonly minTimeoutMs: number;
  readonly maxTimeoutMs: number;
}

export class RoundTrip {
  readonly #options: RoundTripOptions;
  #smoothed: number | undefined;
  #variation = 0;
  #minimum = Infinity;

  constructor(options: RoundTripOptions) {
    this.#options = options;
  }

  /** The mean, weighted towards what was measured last. */
  get smoothedMs(): number | undefined {
    return this.#smoothed;
  }

  /** The shortest ever; 0 before the first. */
  get minimumMs(): number {
    return this.#smoothed === undefined ? 0 : this.#minimum;
  }

  /** @param attempts how often in a row the answer was missing already */
  timeoutMs(attempts = 0): number {
    const { initialTimeoutMs, minTimeoutMs, maxTimeoutMs } = this.#options;
    const once =
      this.#smoothed === undefined
        ? initialTimeoutMs
        : Math.max(minTimeoutMs, this.#smoothed + Math.max(GRANULARITY_MS, 4 * this.#variation));
    return Math.min(maxTimeoutMs, once * 2 ** Math.min(attempts, 20));
  }

  measured(ms: number): void {
    this.#minimum = Math.min(this.#minimum, ms);
    if (this.#smoothed === undefined) {
      this.#smoothed = ms;
      this.#variation = ms / 2;
      return;
    }
    this.#variation += (Math.abs(this.#smoothed - ms) - this.#variation) / 4;
    this.#smoothed += (ms - this.#smoothed) / 8;
  }
}

/** Timers of Node are not finer than this. */
const GRANULARITY_MS = 5;
