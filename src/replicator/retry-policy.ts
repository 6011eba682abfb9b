/** When to try again after a failure (specification 9.3, 9.4 and what hawser improves on). Pure: randomness comes in. */
import type { HawserError } from '../errors.js';

export interface RetryLimits {
  readonly continuous: boolean;
  /** Attempts in all, the first included. */
  readonly maxAttempts: number;
  readonly maxAttemptWaitTimeMs: number;
}

/**
 * Whether another attempt makes sense after `failures` failures in a row, the last being `error`.
 *
 * A peer that closed on purpose (its listener stopped) ends a one-shot replication, as in Couchbase Lite; a continuous one
 * goes on trying, because listeners come back.
 */
export function shouldRetry(error: HawserError, failures: number, limits: RetryLimits): boolean {
  if (failures >= limits.maxAttempts) return false;
  if (error.code === 'CONNECTION_CLOSED_BY_PEER' || error.code === 'LISTENER_STOPPED') return limits.continuous;
  return error.retryable;
}

/**
 * How long to wait after the `failures`-th failure in a row: 2, 4, 8 … seconds up to the limit, less up to a quarter at
 * random, so that many nodes that lost the same listener do not all come back in the same instant.
 * @param random in [0, 1)
 */
export function retryDelayMs(failures: number, limits: RetryLimits, random: number): number {
  const full = Math.min(2 ** Math.min(failures, 30) * 1_000, limits.maxAttemptWaitTimeMs);
  return full * (1 - 0.25 * random);
}
