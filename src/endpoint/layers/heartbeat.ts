/**
 * Notices a peer that went silent: when nothing arrived for a heartbeat, it has a probe sent, and when nothing arrives
 * then either, it says so once (specification 1.6). Sends nothing itself and never keeps the process alive.
 */
import type { Clock, Timer } from '../../base/index.js';

export interface HeartbeatOptions {
  readonly clock: Clock;
  /** How long nothing may arrive before the peer is probed. 0 switches the heartbeat off. */
  readonly heartbeatMs: number;
  /** Whether we read at all. While a slow application makes us wait, silence is not the peer's. */
  readonly isReading: () => boolean;
  /** Ask the peer for a sign of life. */
  readonly onProbe: () => void;
  /** The peer stayed silent. */
  readonly onSilent: (silentMs: number) => void;
}

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #timer: Timer | undefined;
  #heardAt = 0;
  /** When the last probe was sent, if nothing was heard since. */
  #probedAt: number | undefined;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#options.heartbeatMs === 0 || this.#timer !== undefined) return;
    this.heard();
    this.#wait(this.#options.heartbeatMs);
  }

  /** Anything arrived. Cheap: timers are left as they are and look at the time when they fire. */
  heard(): void {
    this.#heardAt = this.#options.clock.monotonic();
    this.#probedAt = undefined;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #wait(delayMs: number): void {
    this.#timer = this.#options.clock.setTimer(delayMs, () => this.#check(), { background: true });
  }

  #check(): void {
    const { clock, heartbeatMs, isReading, onProbe, onSilent } = this.#options;
    if (!isReading()) this.heard();
    const now = clock.monotonic();
    const silentMs = now - this.#heardAt;
    if (this.#probedAt !== undefined) {
      const left = this.#probedAt + answerTimeMs(heartbeatMs) - now;
      if (left > 0) return this.#wait(left);
      this.stop();
      onSilent(silentMs);
    } else if (silentMs < heartbeatMs) {
      this.#wait(heartbeatMs - silentMs);
    } else {
      this.#probedAt = now;
      this.#wait(answerTimeMs(heartbeatMs));
      onProbe();
    }
  }
}

/** min(20 s, heartbeat − 1 s); for heartbeats of less than two seconds, half of it. */
export function answerTimeMs(heartbeatMs: number): number {
  return heartbeatMs < 2_000 ? heartbeatMs / 2 : Math.min(20_000, heartbeatMs - 1_000);
}
