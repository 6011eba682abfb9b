/**
 * Keeps a connection to a broker alive, and notices when it is not (MQTT 5, 3.1.2.10). The broker must hear from us in every
 * interval, so a ping goes out in each, whatever else does; it has half an interval for an answer. Whatever arrives counts as
 * one: over a slow line the ping waits behind what is being sent, and so does its answer.
 */
import type { Clock, Timer } from '../../src/index.js';

export interface KeepAliveOptions {
  readonly clock: Clock;
  readonly intervalMs: number;
  readonly onPing: () => void;
  /** Called at most once. */
  readonly onSilent: (silentMs: number) => void;
}

export class KeepAlive {
  readonly #options: KeepAliveOptions;
  #timer: Timer | undefined;
  #heardAt: number;

  /** Begins at once. Its timer does not keep the process alive. */
  constructor(options: KeepAliveOptions) {
    this.#options = options;
    this.#heardAt = options.clock.monotonic();
    this.#wait(options.intervalMs, () => this.#ping());
  }

  /** Something arrived. Cheap: timers are left as they are. */
  heard(): void {
    this.#heardAt = this.#options.clock.monotonic();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #ping(): void {
    const { clock, intervalMs, onPing, onSilent } = this.#options;
    const pingedAt = clock.monotonic();
    const answerMs = intervalMs / 2;
    this.#wait(answerMs, () => {
      if (this.#heardAt >= pingedAt) return this.#wait(intervalMs - answerMs, () => this.#ping());
      this.stop();
      onSilent(clock.monotonic() - this.#heardAt);
    });
    onPing();
  }

  #wait(delayMs: number, then: () => void): void {
    this.#timer = this.#options.clock.setTimer(delayMs, then, { background: true });
  }
}
