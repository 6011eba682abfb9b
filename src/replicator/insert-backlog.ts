/** Counts what was received and is not committed yet, and stops the reading of the connection above a limit. */
import { deferred, type Deferred } from '../base/index.js';
import { WAITING_REV_COST } from './tuning.js';

export class InsertBacklog {
  readonly #maxBytes: number;
  #bytes = 0;
  #gate: Deferred<void> | undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  add(bytes: number, revisions = 1): void {
    this.#bytes += bytes + revisions * WAITING_REV_COST;
  }

  remove(bytes: number, revisions = 1): void {
    this.#bytes -= bytes + revisions * WAITING_REV_COST;
    if (this.#gate !== undefined && this.#bytes <= this.#maxBytes / 2) {
      this.#gate.resolve();
      this.#gate = undefined;
    }
  }

  /** A promise while reading should stop. */
  gate(): Promise<void> | undefined {
    if (this.#bytes <= this.#maxBytes) return undefined;
    this.#gate ??= deferred();
    return this.#gate.promise;
  }
}
