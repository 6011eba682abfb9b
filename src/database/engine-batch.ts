/**
 * The inside of `inBatch`, and how code finds out that it runs inside one: through an AsyncLocalStorage, because what the
 * function of a batch calls may reach the database by any way. Work that would wait for the batch it is part of is refused
 * instead of waiting for ever.
 *
 * Invariant: a batch that has ended surrounds nobody, though timers and loops that were started inside it still carry it.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { HawserError } from '../errors.js';
import type { CollectionState } from './collection-state.js';
import type { CollectionEdits } from './document-edits.js';
import { EditQueue, settleJobs, type EditJob } from './edit-queue.js';
import type { WriteSession } from './write-session.js';

/** Documents that are written together at the most: bounds both memory and the time others wait. */
export const MAX_GROUP = 1_000;
/** Bodies that wait may take 64 MiB of memory, twice that where they hold a character beyond Latin-1. */
const GROUP_LIMITS = { maxGroup: MAX_GROUP, maxWaitingLength: 64 * 1024 * 1024 } as const;
/** Characters of bodies that a batch holds in memory before it hands them to its transaction. */
const MAX_GROUP_LENGTH = 4 * 1024 * 1024;

/** Edits run in the order asked for, and become visible to others at the commit. */
export class EngineBatch {
  /** Whose transaction it is. */
  readonly owner: object;
  /** The batch on another database that this one runs inside, if any. */
  readonly outer: EngineBatch | undefined;
  readonly #session: WriteSession;
  readonly #queue: EditQueue;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(owner: object, session: WriteSession, outer: EngineBatch | undefined) {
    this.owner = owner;
    this.outer = outer;
    this.#session = session;
    this.#queue = new EditQueue((group) => this.#run(group), {
      ...GROUP_LIMITS,
      maxWaiting: MAX_GROUP * 100,
    });
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  /** Throws `DATABASE_IN_BATCH` once the batch has ended. */
  check(): void {
    if (this.#ended)
      throw new HawserError('DATABASE_IN_BATCH', 'the batch has ended: await its work inside its function');
  }

  async edit<T>(
    collection: CollectionState,
    ids: readonly string[],
    work: (edits: CollectionEdits) => T,
    length = 0,
  ): Promise<T> {
    this.check();
    return this.#queue.add(collection, ids, work, length);
  }

  /** Runs `work` as a part of this batch. If it fails the whole batch does, for a part cannot be undone alone. */
  async join<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      this.#failure ??= { error };
      throw error;
    }
  }

  /** Waits for work that the function did not await, and writes the rest. */
  async finish(): Promise<void> {
    await this.#queue.idle();
    this.#ended = true;
    // A write that failed may have cost the transaction; what its caller made of the error does not matter.
    if (this.#failure !== undefined) throw this.#failure.error;
    await this.#session.flush();
  }

  /** Waits for work that the function did not await, which must not outlive the transaction. */
  async abandon(): Promise<void> {
    this.#ended = true;
    await this.#queue.idle();
  }

  async #run(group: readonly EditJob[]): Promise<void> {
    try {
      const outcomes = await this.#session.run(group);
      const { documents, length } = this.#session.held;
      if (documents >= MAX_GROUP || length >= MAX_GROUP_LENGTH) await this.#session.flush();
      settleJobs(group, outcomes);
    } catch (error) {
      this.#failure ??= { error };
      for (const job of group) job.done.reject(error);
    }
  }
}

const context = new AsyncLocalStorage<EngineBatch | undefined>();
let running = 0;

/** Runs `work` in a batch on `session`, and writes what it has edited. The caller commits. */
export async function runBatch<T>(
  owner: object,
  session: WriteSession,
  work: (batch: EngineBatch) => Promise<T>,
): Promise<T> {
  const batch = new EngineBatch(owner, session, innermost());
  running++;
  try {
    const result = await context.run(batch, () => work(batch));
    await batch.finish();
    return result;
  } catch (error) {
    await batch.abandon();
    throw error;
  } finally {
    // The hooks that carry the context slow every promise down: off again once nobody needs them.
    if (--running === 0) context.disable();
  }
}

/** The batch of `owner` that the calling code is part of, if any. */
export function batchAround(owner: object): EngineBatch | undefined {
  let batch = innermost();
  while (batch !== undefined && (batch.owner !== owner || batch.hasEnded)) batch = batch.outer;
  return batch;
}

/** Calls `work` outside of every batch: who listens is not part of the batch that happens to run around the one who calls. */
export function outsideBatches(work: () => void): void {
  if (running === 0) work();
  else context.run(undefined, work);
}

function innermost(): EngineBatch | undefined {
  let batch = context.getStore();
  while (batch?.hasEnded === true) batch = batch.outer;
  return batch;
}
