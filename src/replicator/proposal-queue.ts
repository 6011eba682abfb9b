/**
 * Puts what is to be proposed into lists: few and long ones where much waits, at once where nothing does. Whoever adds
 * something does not care whether it is new, or proposed again because of an answer or of a filter that took its time.
 */
import { deferred, type Deferred } from '../base/index.js';
import { CHANGES_BATCH, MAX_UNANSWERED_LISTS } from './tuning.js';
import { Window } from './window.js';

export class ProposalQueue<T> {
  readonly #propose: (list: readonly T[]) => Promise<void>;
  readonly #answered: () => void;
  readonly #lists = new Window(MAX_UNANSWERED_LISTS);
  readonly #unanswered = new Window(Number.POSITIVE_INFINITY);
  #waiting: T[] = [];
  #isPumping = false;
  #taken: Deferred<void> | undefined;

  /**
   * @param propose sends a list and deals with the answer; it resolves after that, and never rejects
   * @param answered called when a list is not counted any more
   */
  constructor(propose: (list: readonly T[]) => Promise<void>, answered: () => void = () => undefined) {
    this.#propose = propose;
    this.#answered = answered;
  }

  /** Entries that wait or are not answered. */
  get size(): number {
    return this.#unanswered.size;
  }

  add(entry: T): void {
    void this.#unanswered.enter();
    this.#waiting.push(entry);
    if (!this.#isPumping) void this.#pump();
  }

  /** Resolves when everything is answered. */
  idle(): Promise<void> {
    return this.#unanswered.idle();
  }

  /** Resolves when nothing waits for its turn any more: then there is room for another page. */
  async taken(): Promise<void> {
    while (this.#waiting.length > 0) {
      this.#taken ??= deferred();
      await this.#taken.promise;
    }
  }

  async #pump(): Promise<void> {
    this.#isPumping = true;
    await Promise.resolve(); // what is added in one turn of the event loop goes into one list
    while (this.#waiting.length > 0) {
      await this.#lists.enter();
      const list = this.#waiting.splice(0, CHANGES_BATCH);
      void this.#propose(list).finally(() => {
        this.#lists.leave();
        for (let count = list.length; count > 0; count--) this.#unanswered.leave();
        this.#answered();
      });
      if (this.#waiting.length === 0) this.#taken?.resolve();
    }
    this.#taken = undefined;
    this.#isPumping = false;
  }
}
