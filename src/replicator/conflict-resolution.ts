/**
 * Settles the conflicts that a session has pulled from one collection (features of Couchbase Lite: conflict resolvers). The
 * resolver of the application runs outside of all writes, for several documents at a time, and may take its time. One that
 * never answers keeps its session busy and takes one of a few places; it does not keep the session from being stopped.
 *
 * Invariant: a conflict stays in the database until its outcome is committed, so whatever ends here is found at the next start.
 */
import { deferred, type Logger } from '../base/index.js';
import {
  Document,
  resolverFailed,
  type ConflictResolver,
  type OpenConflict,
  type ReplicationStore,
} from '../database/index.js';
import { HawserError, isHawserError } from '../errors.js';
import { closedError } from './channel-errors.js';
import { MAX_CONFLICTS_WAITING, MAX_RESOLVER_CALLS, MAX_RESOLVERS } from './tuning.js';
import { Window } from './window.js';

export interface ConflictResolutionsOptions {
  readonly store: ReplicationStore;
  /** @default the default rule */
  readonly resolver: ConflictResolver | undefined;
  readonly logger: Logger;
}

/** What became of a conflict: settled, or why it stays. */
export type ResolutionOutcome = HawserError | undefined;

export class ConflictResolutions {
  readonly #options: ConflictResolutionsOptions;
  readonly #running = new Map<string, Run>();
  readonly #window = new Window(MAX_RESOLVERS);
  /** Writes of outcomes. */
  readonly #writes = new Window(Number.POSITIVE_INFINITY);
  readonly #closed = deferred<never>();
  #isClosed = false;

  constructor(options: ConflictResolutionsOptions) {
    this.#options = options;
    this.#closed.promise.catch(() => undefined); // whether a resolver runs or not
  }

  /** Conflicts have to be stored for the resolver; the default rule can settle them in the write that stores them. */
  get keepsConflicts(): boolean {
    return this.#options.resolver !== undefined;
  }

  /** Documents whose conflicts are being settled or wait for it. */
  get size(): number {
    return this.#running.size;
  }

  /** A promise while too many wait for one more. */
  room(): Promise<void> | undefined {
    return this.#window.size < MAX_CONFLICTS_WAITING ? undefined : this.#window.below(MAX_CONFLICTS_WAITING);
  }

  /**
   * Settles all conflicts of a document. Resolves to the error to report if one stays; rejects if our own storage fails, and
   * with `BLIP_CLOSED` when the session ends before.
   */
  resolve(documentID: string): Promise<ResolutionOutcome> {
    const running = this.#running.get(documentID);
    if (running !== undefined) {
      running.again = true; // it may have looked already whether there is more
      return running.done;
    }
    const run: Run = { again: false, done: Promise.resolve(undefined) };
    this.#running.set(documentID, run);
    run.done = this.#start(documentID, run);
    return run.done;
  }

  /** Settles the conflicts that were left from before; `tell` is called for each document. Rejects as `resolve`. */
  async resolveAll(tell: (documentID: string, outcome: ResolutionOutcome) => void): Promise<void> {
    const all: Promise<void>[] = [];
    for (const id of await this.#options.store.conflicted()) {
      await this.room();
      if (this.#isClosed) break;
      all.push(this.resolve(id).then((outcome) => tell(id, outcome)));
    }
    await Promise.all(all);
  }

  /** Waits for no resolver: what one returns from now on is not used. Resolves when nothing is being written any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#closed.reject(closedError());
    await this.#writes.idle();
  }

  async #start(documentID: string, run: Run): Promise<ResolutionOutcome> {
    await this.#window.enter();
    try {
      let outcome: ResolutionOutcome;
      do {
        run.again = false;
        outcome = await this.#settle(documentID);
      } while (run.again && outcome === undefined);
      return outcome;
    } finally {
      this.#running.delete(documentID);
      this.#window.leave();
    }
  }

  async #settle(documentID: string): Promise<ResolutionOutcome> {
    const { store, resolver } = this.#options;
    for (let calls = 1; ; calls++) {
      if (this.#isClosed) throw closedError();
      const open = await store.openConflict(documentID);
      if (open === undefined) return undefined;
      const isAsked = resolver !== undefined && !open.isSettledAlone;
      if (isAsked && calls > MAX_RESOLVER_CALLS) return movedTooOften(documentID);
      try {
        const result = isAsked ? { value: await this.#ask(resolver, open) } : undefined;
        const outcome = await this.#write(() => store.settleConflict(open, result));
        if (outcome === 'settled') calls = 0; // there may be a conflict with another remote
        if (outcome === 'gone') return purgedMeanwhile(documentID);
      } catch (error) {
        if (!isHawserError(error) || error.code !== 'CONFLICT_RESOLVER_FAILED') throw error;
        return error;
      }
    }
  }

  async #ask(resolver: ConflictResolver, { conflict }: OpenConflict): Promise<unknown> {
    const { documentID } = conflict;
    // Not at once: also what it throws before its first await is an error of this document alone.
    const answer = Promise.resolve(conflict)
      .then(resolver)
      .catch((error: unknown) => {
        throw resolverFailed(documentID, error instanceof Error ? error.message : String(error), error);
      });
    answer.catch(() => undefined); // it may fail after the end of the session
    const value: unknown = await Promise.race([answer, this.#closed.promise]);
    if (value instanceof Document && value.id !== documentID) {
      const message = `the conflict resolver of "${this.#options.store.name}" returned document "${value.id}" for "${documentID}": its body is taken`;
      this.#options.logger.log('warning', 'replicator', message);
    }
    return value;
  }

  async #write<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isClosed) throw closedError();
    void this.#writes.enter();
    try {
      return await work();
    } finally {
      this.#writes.leave();
    }
  }
}

interface Run {
  /** A conflict was stored after the run had begun. */
  again: boolean;
  done: Promise<ResolutionOutcome>;
}

function movedTooOften(documentID: string): HawserError {
  const message = `document "${documentID}" was changed during each of ${MAX_RESOLVER_CALLS} calls of its conflict resolver`;
  return new HawserError('DOCUMENT_CONFLICT', message, {
    hint: 'It is taken up when a replicator starts the next time.',
  });
}

function purgedMeanwhile(documentID: string): HawserError {
  const message = `document "${documentID}" was purged while its conflict was being resolved`;
  return new HawserError('DOCUMENT_NOT_FOUND', message);
}
