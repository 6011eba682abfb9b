/**
 * How long somebody has to wait who did not know the password: the wait doubles with each failure, for a name from an address,
 * and, later, for whatever comes from that address. It slows guessing down. No wait is longer than the longest one, but somebody
 * at the same address who guesses the same name can cause the next. Certificates that were refused count in the same way.
 *
 * Invariants: attempts during a wait are not looked at and do not prolong it; the table is bounded; nothing here has a timer.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../base/index.js';
import { addressGroup } from './address-group.js';

export interface FailedLoginsOptions {
  /** Only its monotonic time is used: a device's clock that is set must not lock anybody out. */
  readonly clock: Clock;
  /** The longest wait. */
  readonly maxDelayMs: number;
}

interface Failures {
  readonly count: number;
  /** When the next attempt is looked at. */
  readonly until: number;
}

export class FailedLogins {
  readonly #options: FailedLoginsOptions;
  /** Least recent first. */
  readonly #failures = new Map<string, Failures>();
  /** Names that have proved themselves from their address: who guesses others there does not touch them. Least recent first. */
  readonly #known = new Set<string>();

  constructor(options: FailedLoginsOptions) {
    this.#options = options;
  }

  /** Names and addresses that are remembered. */
  get size(): number {
    return this.#failures.size;
  }

  /** How long to wait before the next attempt, in milliseconds; 0 if it may be made now. */
  waitFor(address: string | undefined, claim: string): number {
    const now = this.#options.clock.monotonic();
    const name = ofName(address, claim);
    const keys = this.#known.has(name) ? [name] : [name, ofAddress(address)];
    const until = keys.map((key) => this.#recent(key, now)?.until ?? now);
    return Math.max(0, ...until.map((time) => time - now));
  }

  failed(address: string | undefined, claim: string): void {
    this.#count(ofName(address, claim), FREE_FOR_A_NAME);
    this.#count(ofAddress(address), FREE_FOR_AN_ADDRESS);
  }

  /**
   * Forgets the failures of that name from that address. Those of the address stay: one password does not excuse a search for
   * others. From now on the wait of the address does not hold for the name.
   */
  succeeded(address: string | undefined, claim: string): void {
    const name = ofName(address, claim);
    this.#failures.delete(name);
    this.#known.delete(name);
    this.#known.add(name);
    const [leastRecent] = this.#known;
    if (this.#known.size > MAX_ENTRIES && leastRecent !== undefined) this.#known.delete(leastRecent);
  }

  #count(key: string, free: number): void {
    const { clock, maxDelayMs } = this.#options;
    const now = clock.monotonic();
    const count = (this.#recent(key, now)?.count ?? 0) + 1;
    const delayMs = count <= free ? 0 : Math.min(FIRST_DELAY_MS * 2 ** (count - free - 1), maxDelayMs);
    this.#failures.delete(key);
    this.#failures.set(key, { count, until: now + delayMs });
    const [leastRecent] = this.#failures.keys();
    if (this.#failures.size > MAX_ENTRIES && leastRecent !== undefined) this.#failures.delete(leastRecent);
  }

  #recent(key: string, now: number): Failures | undefined {
    const failures = this.#failures.get(key);
    if (failures === undefined || now < failures.until + REMEMBERED_MS) return failures;
    this.#failures.delete(key);
    return undefined;
  }
}

/** A digest, because a stranger chooses how long a name is. */
function ofName(address: string | undefined, claim: string): string {
  return createHash('sha256')
    .update(`${addressGroup(address) ?? ''}\n${claim}`)
    .digest('base64');
}

function ofAddress(address: string | undefined): string {
  return createHash('sha256')
    .update(addressGroup(address) ?? '')
    .digest('base64');
}

const FREE_FOR_A_NAME = 2;
/** Many devices may be behind one address. */
const FREE_FOR_AN_ADDRESS = 20;
const FIRST_DELAY_MS = 1_000;
/** After the wait. Whoever keeps quiet for an hour begins anew. */
const REMEMBERED_MS = 3_600_000;
const MAX_ENTRIES = 10_000;
