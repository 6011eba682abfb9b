/**
 * Connections that are not let in yet, whatever their medium: in TLS, in HTTP, waiting for a password to be checked, or refused
 * and not yet gone. Each has a deadline and their number a limit, in all and for each address, so that strangers who connect and
 * say nothing cost little and keep nobody waiting.
 *
 * Invariant: of each connection that is not let in it is told once why.
 */
import type { Clock, Timer } from '../base/index.js';
import { HawserError } from '../errors.js';
import { addressGroup } from './address-group.js';

export interface PendingHandshakesOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly maxTotal: number;
  /** Connections without an address are not counted here. */
  readonly maxPerAddress: number;
  /** Told once for each connection that is not let in. */
  readonly onRefused: (address: string | undefined, error: HawserError) => void;
}

/** One connection on its way. */
export interface PendingHandshake {
  /** Fires when it is over, one way or another: nobody waits for an answer any more. */
  readonly signal: AbortSignal;
  /** It is not let in. Only the first reason is told. The deadline goes on until `finish`: the peer has to read its answer. */
  refuse(error: HawserError): void;
  /** It was let in, or nothing is left of it. Idempotent. */
  finish(): void;
}

interface Entry {
  readonly address: string | undefined;
  readonly group: string | undefined;
  readonly abandon: (error: HawserError) => void;
  readonly timer: Timer;
  readonly over: AbortController;
  isRefused: boolean;
}

export class PendingHandshakes {
  readonly #options: PendingHandshakesOptions;
  /** Oldest first. */
  readonly #entries = new Set<Entry>();

  constructor(options: PendingHandshakesOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  /**
   * A connection has come in. For one too many the oldest is given up, of the same address if that has too many.
   * @param abandon called at most once, with the reason, when it has to go; it is finished then, and told
   */
  begin(address: string | undefined, abandon: (error: HawserError) => void): PendingHandshake {
    const { clock, timeoutMs } = this.#options;
    const timer = clock.setTimer(timeoutMs, () => {
      this.#giveUp(entry, new HawserError('CONNECTION_TIMEOUT', `the peer was not let in after ${timeoutMs} ms`));
    });
    const group = addressGroup(address);
    const entry: Entry = { address, group, abandon, timer, over: new AbortController(), isRefused: false };
    this.#entries.add(entry);
    this.#makeRoom(group);
    return {
      signal: entry.over.signal,
      refuse: (error) => {
        if (this.#entries.has(entry)) this.#refuse(entry, error); // whoever was let in was not refused
      },
      finish: () => void this.#remove(entry),
    };
  }

  /** The listener stops. */
  abandonAll(error: HawserError): void {
    for (const entry of [...this.#entries]) this.#giveUp(entry, error);
  }

  #makeRoom(group: string | undefined): void {
    const { maxTotal, maxPerAddress } = this.#options;
    const same = group === undefined ? [] : [...this.#entries].filter((entry) => entry.group === group);
    if (same.length > maxPerAddress) this.#giveUp(same[0], busy(`${maxPerAddress} handshakes of one address`));
    const [oldest] = this.#entries;
    if (this.#entries.size > maxTotal) this.#giveUp(oldest, busy(`${maxTotal} handshakes`));
  }

  #giveUp(entry: Entry | undefined, error: HawserError): void {
    if (entry === undefined || !this.#remove(entry)) return;
    this.#refuse(entry, error);
    entry.abandon(error);
  }

  #refuse(entry: Entry, error: HawserError): void {
    if (entry.isRefused) return;
    entry.isRefused = true;
    this.#options.onRefused(entry.address, error);
  }

  #remove(entry: Entry): boolean {
    entry.timer.cancel();
    entry.over.abort();
    return this.#entries.delete(entry);
  }
}

function busy(what: string): HawserError {
  return new HawserError('LISTENER_BUSY', `more than ${what} were unfinished: this was the oldest`);
}
