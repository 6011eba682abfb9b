/**
 * Puts what is to be proposed into lists: few and long ones where much waits, at once where nothing does. Whoever adds
 * something does not care whether it is new, or proposed again because of an answer or of a filter that took its time.
 */
import { deferred, type Deferred } from '../base/index.js';
import { ListWindow } from './list-window.js';
import { Window } from './window.js';

export class ProposalQueue<T> {
  readonly #propose: (list: readonly T[]) => Promise<void>;
  readonly #settled: () => void;
  readonly #listLength: number;
  readonly #lists = new ListWindow();
  readonly #unanswered = new Window(Number.POSITIVE_INFINITY);
  #waiting: T[] = [];
  #isPumping = false;
  #taken: Deferred<void> | undefined;

  /**
   * @param listLength the most entries in a list
   * @param propose sends a list and deals with the answer; it resolves after that, and never rejects
   * @param settled called when a list is not counted any more
   */
  constructor(
    listLength: number,
    propose: (list: readonly T[]) => Promise<void>,
    settled: () => void = () => undefined,
  ) {
    this.#listLength = listLength;
    this.#propose = propose;
    this.#settled = settled;
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

  /** An answer has come, see {@link ListWindow}. */
  answered(isStarved: boolean): void {
    this.#lists.answered(isStarved);
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
      const list = this.#waiting.splice(0, this.#listLength);
      void this.#propose(list).finally(() => {
        this.#lists.leave();
        this.#unanswered.leave(0, list.length);
        this.#settled();
      });
      if (this.#waiting.length === 0) this.#taken?.resolve();
    }
    this.#taken = undefined;
    this.#isPumping = false;
  }
}
