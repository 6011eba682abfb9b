/** The clock of the machine, whose timers of one length wait until they may begin: for what must not happen before something else. */
import { deferred, systemClock, type Clock, type Timer } from '../../src/base/index.js';

export interface HeldClock extends Clock {
  /** Lets the timers begin, those that come later too. */
  release(): void;
}

export function heldClock(heldMs: number): HeldClock {
  const released = deferred<void>();
  return {
    now: () => systemClock.now(),
    monotonic: () => systemClock.monotonic(),
    setTimer(delayMs, callback, options) {
      if (delayMs !== heldMs) return systemClock.setTimer(delayMs, callback, options);
      let timer: Timer | undefined;
      let isCancelled = false;
      void released.promise.then(() => {
        if (!isCancelled) timer = systemClock.setTimer(delayMs, callback, options);
      });
      const cancel = (): void => {
        isCancelled = true;
        timer?.cancel();
      };
      return { cancel };
    },
    release: () => released.resolve(),
  };
}
