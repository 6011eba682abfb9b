/**
 * Turns at the one writing connection, in the order asked for: the driver does not keep transactions apart, so two of
 * them must never be open on it at the same time.
 */
export class WriteQueue {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `work` after everything asked for before it, whether that failed or not. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** Resolves after everything asked for so far. */
  async idle(): Promise<void> {
    await this.#last;
  }
}
