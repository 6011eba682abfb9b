/** Time as something that is passed in, so that tests can own it. Never an arbiter: device clocks jump. */

export interface Timer {
  /** Idempotent. */
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since the Unix epoch, as the device believes. May jump either way. */
  now(): number;
  /** Milliseconds that only ever grow, from an arbitrary start. For durations. */
  monotonic(): number;
  /** Calls `callback` once after `delayMs`. A background timer does not keep the process alive. */
  setTimer(delayMs: number, callback: () => void, options?: { readonly background?: boolean }): Timer;
}

/** The clock of the machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(delayMs, callback, options) {
    const handle = setTimeout(callback, Math.min(delayMs, MAX_TIMEOUT_MS));
    if (options?.background === true) handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
};

/** Node fires timers beyond this at once. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;
