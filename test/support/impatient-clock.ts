/** A clock on which the farewells of connections are given up soon: some cases are about just that, and need not wait so long. */
import type { Clock } from '../../src/base/index.js';

const CLOSE_TIMEOUT_MS = 5_000;

export function impatient(clock: Clock): Clock {
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    setTimer: (delayMs, callback, options) =>
      clock.setTimer(delayMs === CLOSE_TIMEOUT_MS ? 250 : delayMs, callback, options),
  };
}
