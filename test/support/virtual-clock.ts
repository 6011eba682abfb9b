/**
 * A clock that only moves when a test moves it. Timers fire in the order of their times, one by one; between them
 * promises and immediates get to run, so that the consequences of one timer are there before the next fires.
 */
import { setImmediate } from 'node:timers/promises';
import type { Clock, Timer } from '../../src/base/index.js';

export interface VirtualClockOptions {
  /** What `now()` begins with, in milliseconds since the epoch. @default 2026-01-01T00:00:00Z */
  readonly startMs?: number;
  /** Waits until the code under test is quiet. Replace it where that takes real I/O. @default three turns of the event loop */
  readonly settle?: () => Promise<void>;
}

interface PendingTimer {
  readonly dueAt: number;
  readonly callback: () => void;
  readonly isBackground: boolean;
}

export class VirtualClock implements Clock {
  #monotonic = 0;
  #wallOffset: number;
  readonly #settle: () => Promise<void>;
  /** In the order they were set: of two that are due at the same time the older fires first. */
  readonly #timers = new Set<PendingTimer>();

  constructor(options: VirtualClockOptions = {}) {
    this.#wallOffset = options.startMs ?? Date.UTC(2026, 0, 1);
    this.#settle = options.settle ?? threeTurns;
  }

  now(): number {
    return this.#wallOffset + this.#monotonic;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  setTimer(delayMs: number, callback: () => void, options?: { readonly background?: boolean }): Timer {
    const dueAt = this.#monotonic + (delayMs > 0 ? delayMs : 0);
    const timer: PendingTimer = { dueAt, callback, isBackground: options?.background === true };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  /** Timers that are set, background ones included. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** Lets the time pass, firing what becomes due, also what is set meanwhile. */
  async advance(ms: number): Promise<void> {
    const until = this.#monotonic + ms;
    await this.#settle();
    for (let next = this.#next(until); next !== undefined; next = this.#next(until)) await this.#fire(next);
    this.#monotonic = until;
  }

  /**
   * Moves to the next timer again and again until only background timers are left, for they may go on for ever.
   * Those that become due on the way fire. Throws when that takes longer than `limitMs`.
   */
  async runUntilIdle(limitMs = 3_600_000): Promise<void> {
    const limit = this.#monotonic + limitMs;
    await this.#settle();
    while ([...this.#timers].some((timer) => !timer.isBackground)) {
      const next = this.#next(limit);
      if (next === undefined) throw new Error(`the virtual clock was not idle after ${limitMs} ms`);
      await this.#fire(next);
    }
  }

  /** Advances in steps from timer to timer until `work` has settled; throws when that takes longer than `limitMs`. */
  async runUntil<T>(work: Promise<T>, limitMs = 3_600_000): Promise<T> {
    const limit = this.#monotonic + limitMs;
    const state = { settled: false };
    const done = (): void => void (state.settled = true);
    work.then(done, done);
    for (await this.#settle(); !state.settled;) {
      const next = this.#next(limit);
      if (next === undefined) throw new Error(`the awaited did not happen within ${limitMs} virtual ms`);
      await this.#fire(next);
    }
    return work;
  }

  /** The device's own clock is set, forwards or backwards. Durations and timers are not affected. */
  jumpWallClock(ms: number): void {
    this.#wallOffset += ms;
  }

  #next(until: number): PendingTimer | undefined {
    let next: PendingTimer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueAt <= until && (next === undefined || timer.dueAt < next.dueAt)) next = timer;
    }
    return next;
  }

  async #fire(timer: PendingTimer): Promise<void> {
    this.#timers.delete(timer);
    this.#monotonic = Math.max(this.#monotonic, timer.dueAt);
    timer.callback();
    await this.#settle();
  }
}

/** Each turn runs all microtasks; immediates may set further ones. */
async function threeTurns(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await setImmediate();
}
