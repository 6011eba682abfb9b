/**
 * How many lists of changes may wait for their answer. Few: what is sent after an answer then follows its entry closely, and
 * compresses well. But where an answer finds nothing on its way any more, the link was idle meanwhile: then there may be one
 * more, until it is busy. Pure.
 */
import { MAX_UNANSWERED_LISTS, MIN_UNANSWERED_LISTS } from './tuning.js';
import { Window } from './window.js';

export class ListWindow extends Window {
  #limit = MIN_UNANSWERED_LISTS;

  constructor() {
    super(MIN_UNANSWERED_LISTS);
  }

  /** @param isStarved nothing that was asked for before was on its way any more when the answer came */
  answered(isStarved: boolean): void {
    this.#limit = isStarved
      ? Math.min(this.#limit + 1, MAX_UNANSWERED_LISTS)
      : Math.max(this.#limit - 1, MIN_UNANSWERED_LISTS);
    this.resize(this.#limit);
  }
}
