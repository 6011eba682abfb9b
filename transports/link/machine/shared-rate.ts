/**
 * A line that several links share, or that costs money by the byte: no more than so many bytes a second leave, and what matters
 * more goes first. Pure: it is asked when one may send, and told what was sent.
 *
 * Invariant: over any time the bytes are at most the rate times that, {@link SharedRateOptions.burstMs} of it, and one packet.
 * Invariant: nobody who wants to send waits for others longer than {@link MAX_WAIT_MS} before it is his turn.
 */
import { checkInteger, checkOptions, HawserError } from '../../../src/index.js';

/** What goes first when several links want to send on a shared line. */
export type LinkPriority = 'high' | 'normal' | 'low';

export interface SharedRateOptions {
  /** All bytes count, with what the medium adds to each packet. From 10 on. */
  readonly bytesPerSecond: number;
  /** How much may leave ahead of time, so that a timer that fires late costs nothing. In milliseconds. @default 30 */
  readonly burstMs?: number;
}

export class SharedRate {
  readonly bytesPerSecond: number;
  readonly #burstMs: number;
  /** Those that want to send. */
  readonly #waiting = new Set<RateShare>();
  /** When all that was sent will have left. */
  #freeAt = -Infinity;

  /** @throws HawserError `ARGUMENT_INVALID` or `OPTION_UNKNOWN` */
  constructor(options: SharedRateOptions) {
    checkOptions('SharedRate', options, ['bytesPerSecond', 'burstMs']);
    const { bytesPerSecond, burstMs = DEFAULT_BURST_MS } = options;
    this.bytesPerSecond = checkInteger('SharedRate: bytesPerSecond', bytesPerSecond, MIN_RATE);
    this.#burstMs = checkInteger('SharedRate: burstMs', burstMs, 0, MAX_BURST_MS);
  }

  /** For a link that sends on this line. */
  share(priority: LinkPriority = 'normal'): RateShare {
    return new RateShare(this, checkPriority('SharedRate', priority));
  }

  /** When `share`, which has something to send, may send it: now, or ask again then. */
  readyAt(share: RateShare, now: number): number {
    this.#waiting.add(share);
    const free = this.#freeAt - this.#burstMs;
    if (now < free) return free;
    // While the line has enough to carry, it costs nothing to let one of the same priority have its turn.
    const isBusy = this.#freeAt - now >= YIELD_MS;
    for (const other of this.#waiting) {
      if (other !== share && other.outranks(share, now, isBusy)) return now + YIELD_MS;
    }
    return now;
  }

  /** @returns when the last of the bytes will have left */
  spend(bytes: number, now: number): number {
    this.#freeAt = Math.max(this.#freeAt, now) + (bytes / this.bytesPerSecond) * 1_000;
    return this.#freeAt;
  }

  /** It does not want to send any more. */
  forget(share: RateShare): void {
    this.#waiting.delete(share);
  }
}

/** The part of one link in a {@link SharedRate}. */
export class RateShare {
  readonly #rate: SharedRate;
  readonly #rank: number;
  /** Since when it has something to send; undefined while it has not. */
  #waitingSince: number | undefined;
  /** When it was told to ask again. */
  #dueAt = -Infinity;

  constructor(rate: SharedRate, priority: LinkPriority) {
    this.#rate = rate;
    this.#rank = RANKS[priority];
  }

  /** When it may send what it has; to be asked again then. */
  readyAt(now: number): number {
    this.#waitingSince ??= now;
    this.#dueAt = this.#rate.readyAt(this, now);
    return this.#dueAt;
  }

  /** It has sent. Returns when the last of the bytes will have left. */
  spend(bytes: number, now: number): number {
    this.pass();
    return this.#rate.spend(bytes, now);
  }

  /** It has nothing to send any more. */
  pass(): void {
    this.#waitingSince = undefined;
    this.#rate.forget(this);
  }

  /** Its link has ended. Another one may use it afterwards. */
  release(): void {
    this.pass();
  }

  /**
   * Whether it wants to send, and before `other`. Who does not come back in time, because its medium is stuck, is not waited for.
   * @param takesTurns among equals the one that has waited longest is first
   */
  outranks(other: RateShare, now: number, takesTurns: boolean): boolean {
    const waitingSince = this.#waitingSince;
    if (waitingSince === undefined || now - this.#dueAt > STALE_MS) return false;
    const lead = this.#urgency(now) - other.#urgency(now);
    return lead > 0 || (lead === 0 && takesTurns && waitingSince < (other.#waitingSince ?? now));
  }

  /** By priority; who has waited for too long comes before all, and the longest before the others. */
  #urgency(now: number): number {
    const waited = now - (this.#waitingSince ?? now);
    return waited > MAX_WAIT_MS ? RANKS.high + waited : this.#rank;
  }
}

/** Throws `ARGUMENT_INVALID` for anything that is not a {@link LinkPriority}. */
export function checkPriority(where: string, priority: unknown): LinkPriority {
  if (priority === 'high' || priority === 'normal' || priority === 'low') return priority;
  throw new HawserError(
    'ARGUMENT_INVALID',
    `${where}: priority must be 'high', 'normal' or 'low', not ${String(priority)}`,
  );
}

/** How long somebody may have to wait for others of a higher priority. */
export const MAX_WAIT_MS = 1_000;
const RANKS: Readonly<Record<LinkPriority, number>> = { low: 0, normal: 1, high: 2 };
const DEFAULT_BURST_MS = 30;
const MAX_BURST_MS = 60_000;
const MIN_RATE = 10;
/** Until one that goes first has had the time to ask. */
const YIELD_MS = 1;
const STALE_MS = 100;
