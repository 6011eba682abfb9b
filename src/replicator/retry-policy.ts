/** When to try again after a failure (specification 9.3, 9.4 and what hawser improves on). Pure: randomness comes in. */
import { constants } from 'node:os';
import type { ErrorDomain, HawserError } from '../errors.js';

/**
 * `transient`: the same may succeed a little later. `network`: it depends on the network, or on somebody who starts a listener
 * again: worth waiting for where the replication has no end. `permanent`: somebody has to change something.
 */
export type FailureClass = 'transient' | 'network' | 'permanent';

/** What kind of failure an error is (specification 9.4). What whoever raised it calls permanent stays that. */
export function classify(error: HawserError): FailureClass {
  if (!error.retryable) return 'permanent';
  return NETWORK_DEPENDENT[error.domain]?.has(error.number) === true ? 'network' : 'transient';
}

export interface RetryLimits {
  readonly continuous: boolean;
  /** Attempts in all, the first included. */
  readonly maxAttempts: number;
  readonly maxAttemptWaitTimeMs: number;
}

/** Whether another attempt makes sense after `failures` failures in a row, the last being `error`. */
export function shouldRetry(error: HawserError, failures: number, limits: RetryLimits): boolean {
  if (failures >= limits.maxAttempts) return false;
  const kind = classify(error);
  return kind === 'transient' || (kind === 'network' && limits.continuous);
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

const { errno } = constants;
/** Linux's EHOSTDOWN, which Node has no name for. */
const HOST_DOWN = 112;
const UNKNOWN_HOST = 5002;
const GOING_AWAY = 11_001;

/** By Couchbase Lite's domains and numbers, which tell more than the codes where several situations share one. */
const NETWORK_DEPENDENT: Partial<Record<ErrorDomain, ReadonlySet<number>>> = {
  POSIX: new Set([
    errno.EPIPE,
    errno.EADDRNOTAVAIL,
    errno.ENETDOWN,
    errno.ENETUNREACH,
    errno.ENOTCONN,
    errno.EHOSTUNREACH,
    HOST_DOWN,
  ]),
  Network: new Set([UNKNOWN_HOST]),
  // The peer said goodbye: it ends a one-shot replication, as in Couchbase Lite; a continuous one goes on, for listeners come back.
  WebSocket: new Set([GOING_AWAY]),
};
