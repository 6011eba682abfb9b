/** A log that strangers cannot fill: so many lines a minute, and of the rest how many there were of which kind. */
import type { Clock, Logger, LogLevel, Timer } from '../base/index.js';

export interface LimitedLogOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** What the summary begins with. */
  readonly title: string;
}

export class LimitedLog {
  readonly #options: LimitedLogOptions;
  #windowEnds = -Infinity;
  #lines = 0;
  /** By kind, those of this minute that were not written. */
  readonly #left = new Map<string, number>();
  #timer: Timer | undefined;

  constructor(options: LimitedLogOptions) {
    this.#options = options;
  }

  /** @param kind one of few: the summary counts by it */
  line(level: LogLevel, kind: string, message: string): void {
    const { clock, logger } = this.#options;
    const now = clock.monotonic();
    if (now >= this.#windowEnds) {
      this.flush();
      this.#windowEnds = now + WINDOW_MS;
      this.#lines = 0;
    }
    if (this.#lines < MAX_LINES) {
      this.#lines++;
      logger.log(level, 'listener', message);
      return;
    }
    this.#left.set(kind, (this.#left.get(kind) ?? 0) + 1);
    this.#timer ??= clock.setTimer(this.#windowEnds - now, () => this.flush(), { background: true });
  }

  /** Writes the summary of what was left out, if anything was. */
  flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#left.size === 0) return;
    const counts = [...this.#left].map(([kind, count]) => `${count} ${kind}`).join(', ');
    this.#left.clear();
    this.#options.logger.log(
      'warning',
      'listener',
      `${this.#options.title}, in the last minute and not listed: ${counts}`,
    );
  }
}

const WINDOW_MS = 60_000;
const MAX_LINES = 10;
