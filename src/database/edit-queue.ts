/**
 * The one queue of everything that writes. Group commit: edits that arrive while a group is being written wait and form
 * the next group, so that many writers cost as much as one batch. What cannot be part of a group, such as a batch, takes a
 * turn of its own. Order of arrival is kept. It knows nothing of transactions: `run` does the work.
 */
import { deferred, type Deferred } from '../base/index.js';
import { HawserError } from '../errors.js';
import type { CollectionState } from './collection-state.js';
import type { CollectionEdits } from './document-edits.js';

/** One writer's request: the documents it needs, and what it does with them. `work` is synchronous and may throw. */
export interface EditJob {
  readonly collection: CollectionState;
  readonly ids: readonly string[];
  /** Characters of the bodies that wait with it. */
  readonly length: number;
  readonly work: (edits: CollectionEdits) => unknown;
  readonly done: Deferred<unknown>;
}

/** What became of a job: one for each, in their order. */
export type Outcome = { readonly value: unknown } | { readonly error: unknown };

export function settleJobs(jobs: readonly EditJob[], outcomes: readonly Outcome[]): void {
  jobs.forEach(({ done }, index) => {
    const outcome = outcomes[index];
    if (outcome === undefined) done.reject(new Error('a write job was left without an outcome'));
    else if ('error' in outcome) done.reject(outcome.error);
    else done.resolve(outcome.value);
  });
}

interface Turn {
  readonly begin: Deferred<void>;
  readonly end: Deferred<void>;
}

export interface EditQueueOptions {
  /** Documents in one group. */
  readonly maxGroup: number;
  /** Documents of all jobs that wait; one more is refused with `WRITE_QUEUE_FULL`. */
  readonly maxWaiting: number;
  /** Characters of the bodies of all jobs that wait; more are refused likewise. One job alone may have more. */
  readonly maxWaitingLength: number;
}

export class EditQueue {
  readonly #run: (group: readonly EditJob[]) => Promise<void>;
  readonly #options: EditQueueOptions;
  #waiting: (EditJob | Turn)[] = [];
  #waitingDocuments = 0;
  #waitingLength = 0;
  #pump: Promise<void> | undefined;

  /** `run` settles every job of the group it is given; it must not reject. */
  constructor(run: (group: readonly EditJob[]) => Promise<void>, options: EditQueueOptions) {
    this.#run = run;
    this.#options = options;
  }

  /** @param length characters of the bodies that `work` holds on to until it has run */
  add<T>(
    collection: CollectionState,
    ids: readonly string[],
    work: (edits: CollectionEdits) => T,
    length = 0,
  ): Promise<T> {
    const full = this.#fullWith(ids.length, length);
    if (full !== undefined) return Promise.reject(new HawserError('WRITE_QUEUE_FULL', `${full} wait to be written`));
    const done = deferred<unknown>();
    this.#enqueue({ collection, ids, length, work, done });
    this.#waitingDocuments += ids.length;
    this.#waitingLength += length;
    return done.promise as Promise<T>;
  }

  /**
   * Runs `work` after everything asked for before it and before everything asked for after it. It runs in the context of
   * its caller, so that an application finds its own AsyncLocalStorage inside a batch.
   */
  async turn<T>(work: () => Promise<T>): Promise<T> {
    const turn: Turn = { begin: deferred(), end: deferred() };
    this.#enqueue(turn);
    await turn.begin.promise;
    try {
      return await work();
    } finally {
      turn.end.resolve();
    }
  }

  /** Resolves when nothing waits and nothing runs. */
  async idle(): Promise<void> {
    while (this.#pump !== undefined) await this.#pump;
  }

  /** What there would be too much of with one more job, or undefined. */
  #fullWith(documents: number, length: number): string | undefined {
    const { maxWaiting, maxWaitingLength } = this.#options;
    if (this.#waitingDocuments > 0 && this.#waitingDocuments + documents > maxWaiting) {
      return `more than ${maxWaiting} documents`;
    }
    if (length > 0 && this.#waitingLength > 0 && this.#waitingLength + length > maxWaitingLength) {
      return `bodies of more than ${maxWaitingLength} characters`;
    }
    return undefined;
  }

  #enqueue(entry: EditJob | Turn): void {
    this.#waiting.push(entry);
    this.#pump ??= this.#drain();
  }

  async #drain(): Promise<void> {
    await Promise.resolve(); // what is asked for in the same turn of the event loop shares the first group
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if ('begin' in next) {
        this.#waiting.shift();
        next.begin.resolve();
        await next.end.promise;
      } else {
        await this.#run(this.#takeGroup());
      }
    }
    this.#pump = undefined;
  }

  #takeGroup(): EditJob[] {
    let [documents, length] = [0, 0];
    const group: EditJob[] = [];
    for (const entry of this.#waiting) {
      if ('begin' in entry || (group.length > 0 && documents + entry.ids.length > this.#options.maxGroup)) break;
      documents += entry.ids.length;
      length += entry.length;
      group.push(entry);
    }
    this.#waiting.splice(0, group.length);
    this.#waitingDocuments -= documents;
    this.#waitingLength -= length;
    return group;
  }
}
