/**
 * The patience of one test: everything it waits for goes through here, so that a test which waits in vain fails with
 * what it waited for, and one whose peer broke the rules fails with that at once.
 */
import type { TestContext } from 'node:test';
import { cleanup } from '../cleanup.js';
import { deferred } from '../../../src/base/index.js';

export class Deadline {
  readonly #failure = deferred<never>();
  readonly #awaited = new Set<string>();

  /** @param ms wall time for the whole test, which only a failing one spends */
  constructor(context: TestContext, ms = 60_000) {
    this.#failure.promise.catch(() => undefined); // whether anybody waits at that moment or not
    const timer = setTimeout(() => {
      this.fail(new Error(`waited in vain, ${ms / 1000} s, for: ${[...this.#awaited].join('; ') || 'nothing'}`));
    }, ms);
    cleanup(context, () => clearTimeout(timer));
  }

  /** Rejects when patience ends first. */
  async wait<T>(what: string, promise: Promise<T>): Promise<T> {
    this.#awaited.add(what);
    try {
      return await Promise.race([promise, this.#failure.promise]);
    } finally {
      this.#awaited.delete(what);
    }
  }

  /** Ends every wait, now and later. The first reason counts. */
  fail(reason: unknown): void {
    this.#failure.reject(reason);
  }
}
