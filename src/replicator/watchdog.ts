/**
 * Notices a peer that neither answers nor closes. A heartbeat of the medium proves at best that the other machine is alive;
 * this is about the program on it: it owes us something, and nothing at all arrives.
 *
 * It counts looks and not time, so that a device that was asleep, or a process that was stopped, blames nobody.
 */
import type { Clock, Timer } from '../base/index.js';

export interface WatchdogOptions {
  readonly clock: Clock;
  /** How long the peer may be silent while it owes us something. In milliseconds. */
  readonly silenceMs: number;
  /** Grows with each byte that arrives. */
  readonly received: () => number;
  /** The peer owes us something, and nothing on our side holds it up. */
  readonly isOwed: () => boolean;
  /** Called once. */
  readonly onSilent: () => void;
}

export class Watchdog {
  readonly #options: WatchdogOptions;
  #timer: Timer | undefined;
  #received = 0;
  /** Looks in a row at which something was owed and nothing had come. */
  #silentLooks = 0;

  constructor(options: WatchdogOptions) {
    this.#options = options;
  }

  start(): void {
    this.#received = this.#options.received();
    this.#wait();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #wait(): void {
    const { clock, silenceMs } = this.#options;
    this.#timer = clock.setTimer(silenceMs / LOOKS, () => this.#look(), { background: true });
  }

  #look(): void {
    const { received, isOwed, onSilent } = this.#options;
    const now = received();
    const isSilent = isOwed() && now === this.#received;
    this.#received = now;
    this.#silentLooks = isSilent ? this.#silentLooks + 1 : 0;
    if (this.#silentLooks <= LOOKS) return this.#wait(); // the first one only tells where the silence begins
    this.stop();
    onSilent();
  }
}

/** Looks in the time of a silence: it is noticed at most two fourths late. */
const LOOKS = 4;
