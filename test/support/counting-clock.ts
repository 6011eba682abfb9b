/** The clock of the machine, which knows which of its timers are still set: to see that nothing is left behind. */
import { systemClock, type Clock } from '../../src/base/index.js';

export interface CountingClock extends Clock {
  /** Delays of the timers that are set and have not fired, as text for a failure message. */
  pending(): string[];
}

export function countingClock(): CountingClock {
  const pending = new Map<symbol, number>();
  return {
    now: () => systemClock.now(),
    monotonic: () => systemClock.monotonic(),
    setTimer(delayMs, callback, options) {
      const id = Symbol();
      pending.set(id, delayMs);
      const fire = (): void => {
        pending.delete(id);
        callback();
      };
      const timer = systemClock.setTimer(delayMs, fire, options);
      const cancel = (): void => {
        pending.delete(id);
        timer.cancel();
      };
      return { cancel };
    },
    pending: () => [...pending.values()].map((delayMs) => `timer of ${delayMs} ms`),
  };
}
