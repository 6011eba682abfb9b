/**
 * Purges documents when their time has come (features of Couchbase Lite: document expiration). One timer for the whole
 * database, for the next document that becomes due.
 *
 * The device's clock decides what is due, and it may jump by years. A jump forwards purges what it makes due, for it cannot
 * be told from a clock that is set right at last; a jump backwards only delays. Timers do not follow such jumps, so the
 * clock is looked at again within an hour.
 *
 * Invariant: whatever has an expiration is found at the next opening, so nothing is lost by a timer that never fires.
 */
import { types } from 'node:util';
import type { Clock, Logger, Timer } from '../base/index.js';
import { HawserError } from '../errors.js';
import type { Storage, StoredDocument } from '../storage/index.js';
import type { CollectionState } from './collection-state.js';
import { MAX_GROUP } from './engine-batch.js';
import { shown } from './names.js';

export interface ExpiringDatabase {
  readonly path: string;
  readonly clock: Clock;
  readonly storage: Storage;
  /** Collections that exist. */
  readonly collections: readonly CollectionState[];
}

export interface PurgeTurns {
  /** Runs `work` while nobody else writes. */
  turn<T>(work: () => Promise<T>): Promise<T>;
  /** Purges documents, within a turn. */
  purge(collection: CollectionState, ids: readonly string[]): Promise<void>;
}

export class Expiration {
  readonly #database: ExpiringDatabase;
  readonly #logger: Logger;
  readonly #turns: PurgeTurns;
  /** The earliest expiry known, which may be over by now; {@link UNKNOWN} if it has to be looked for. */
  #next = Infinity;
  #timer: Timer | undefined;
  #purging: Promise<void> | undefined;
  #isStopped = false;

  constructor(database: ExpiringDatabase, logger: Logger, turns: PurgeTurns) {
    this.#database = database;
    this.#logger = logger;
    this.#turns = turns;
  }

  /** Looks what there is, and begins to purge what became due while the database was closed. */
  async start(): Promise<void> {
    this.#next = await this.#earliest();
    this.#proceed();
  }

  /** A document becomes due at that time. To be called also before the commit that says so: it is looked at after it. */
  consider(expiresAt: number): void {
    if (expiresAt >= this.#next) return;
    this.#next = expiresAt;
    if (this.#purging === undefined) this.#arm();
  }

  /** Resolves when nothing is being purged any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#purging;
  }

  #proceed(): void {
    if (this.#next > this.#database.clock.now()) {
      this.#arm();
      return;
    }
    this.#purging ??= this.#purge().then(() => {
      this.#purging = undefined;
      this.#arm();
    });
  }

  #arm(): void {
    this.#timer?.cancel();
    if (this.#isStopped || this.#next === Infinity) return;
    const wait = Math.min(Math.max(this.#next - this.#database.clock.now(), 0), LONGEST_WAIT_MS);
    const delay = this.#next === UNKNOWN ? RETRY_MS : wait;
    this.#timer = this.#database.clock.setTimer(delay, () => this.#proceed(), { background: true });
  }

  async #purge(): Promise<void> {
    const { clock, path } = this.#database;
    this.#next = Infinity; // what is considered from now on may not be seen below
    try {
      for (let rest: number | undefined; rest === undefined && !this.#isStopped;) {
        // In a turn, and each batch in one of its own: what is not committed yet is seen, and nobody waits for long.
        rest = await this.#turns.turn(() => this.#purgeSome(clock.now()));
        this.#next = Math.min(this.#next, rest ?? Infinity);
      }
    } catch (error) {
      const message = `expired documents of ${path} could not be purged, which is tried again in a minute: ${String(error)}`;
      this.#logger.log('warning', 'database', message);
      // No date: the clock may be set back before the minute is over.
      this.#next = UNKNOWN;
    }
  }

  /** Purges some of what is due. Resolves to `undefined` if there may be more, else to the earliest expiry that is left. */
  async #purgeSome(now: number): Promise<number | undefined> {
    const { collections, storage } = this.#database;
    for (const collection of collections) {
      const ids = await storage.expired(collection.key, now, MAX_GROUP);
      if (ids.length === 0) continue;
      await this.#turns.purge(collection, ids);
      return undefined;
    }
    return this.#earliest();
  }

  /** The earliest expiry on disk, Infinity if there is none. */
  async #earliest(): Promise<number> {
    const { collections, storage } = this.#database;
    const all = await Promise.all(collections.map(({ key }) => storage.nextExpiry(key)));
    return Math.min(...all.map((expiry) => expiry ?? Infinity));
  }
}

/** A document that is to be purged and only waits for its turn. */
export function isDue({ expiresAt }: Pick<StoredDocument, 'expiresAt'>, now: number): boolean {
  return expiresAt !== null && expiresAt <= now;
}

/** Milliseconds since the epoch, or null for never. Throws `ARGUMENT_INVALID`. */
export function checkExpiration(expiration: unknown): number | null {
  if (expiration === null) return null;
  if (!types.isDate(expiration)) {
    throw new HawserError('ARGUMENT_INVALID', `an expiration must be a Date or null, not ${shown(expiration)}`);
  }
  const milliseconds = Date.prototype.getTime.call(expiration);
  if (Number.isNaN(milliseconds)) throw new HawserError('ARGUMENT_INVALID', 'the expiration is no valid date');
  return milliseconds;
}

/** How late a jump of the clock may be noticed; also within what timers can wait, which is 25 days. */
const LONGEST_WAIT_MS = 3_600_000;
/** When the next document becomes due, after a purge that failed: now, later or long ago. */
const UNKNOWN = -Infinity;
/** After the disk refused. */
const RETRY_MS = 60_000;
