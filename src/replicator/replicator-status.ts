/**
 * The status of a replicator and who is told of it.
 *
 * `current` is always true. What is told leaves out what nobody can act on: a change of the progress alone is told at most
 * five times a second, and a look at new commits that finds nothing to transfer is no reason to say "busy" and "idle".
 */
import { deferred, type Clock, type Deferred, type Timer } from '../base/index.js';
import { HawserError } from '../errors.js';

export type ReplicatorActivity = 'stopped' | 'offline' | 'connecting' | 'idle' | 'busy';

export interface ReplicatorStatus {
  /**
   * `offline`: the connection failed and is tried again later, or the replicator is suspended. `idle`: everything known is
   * synced; continuous replicators only.
   */
  readonly activity: ReplicatorActivity;
  /** Documents handled, and documents known of so far, since the last start or reconnection. Equal when idle. */
  readonly progress: { readonly completed: number; readonly total: number };
  /** Why it is stopped or offline; undefined where all is well. */
  readonly error: HawserError | undefined;
}

export interface StatusBoardOptions {
  readonly clock: Clock;
  /** Called before a pause of any kind is told. */
  readonly beforePause: () => void;
  readonly tell: (status: ReplicatorStatus) => void;
}

export class StatusBoard {
  readonly #options: StatusBoardOptions;
  #current: ReplicatorStatus = NEVER_STARTED;
  #told: ReplicatorStatus = NEVER_STARTED;
  #timer: Timer | undefined;
  #idleWaiters: Deferred<void>[] = [];

  constructor(options: StatusBoardOptions) {
    this.#options = options;
  }

  get current(): ReplicatorStatus {
    return this.#current;
  }

  set(change: Partial<ReplicatorStatus>): void {
    const before = this.#current;
    this.#current = {
      activity: change.activity ?? before.activity,
      progress: change.progress ?? before.progress,
      error: 'error' in change ? change.error : before.error,
    };
    const { activity, error, progress } = this.#current;
    const isPause = activity !== 'busy' && activity !== 'connecting';
    if (isPause && activity !== before.activity) this.#options.beforePause();
    if (this.#current.activity !== activity) return; // a listener has gone on
    if (activity === 'idle' || activity === 'stopped') this.#release();
    const told = this.#told;
    // What may turn out to be nothing can wait for a moment.
    const isMinor = error === told.error && (activity === told.activity || isLook(told, this.#current));
    if (!isMinor) this.#tell();
    else if (activity !== told.activity || !isSame(progress, told.progress)) this.#tellSoon();
  }

  /** Resolves at the next moment it is idle or has stopped well; rejects with the error it stops with. */
  whenIdle(isRunning: boolean): Promise<void> {
    const { activity, error } = this.#current;
    if (activity === 'idle') return Promise.resolve();
    if (!isRunning) {
      if (error !== undefined) return Promise.reject(error);
      if (this.#current !== NEVER_STARTED) return Promise.resolve();
      return Promise.reject(new HawserError('REPLICATOR_STOPPED', 'the replicator was not started'));
    }
    const waiter = deferred();
    this.#idleWaiters.push(waiter);
    return waiter.promise;
  }

  #release(): void {
    const { activity, error } = this.#current;
    for (const waiter of this.#idleWaiters.splice(0)) {
      if (activity === 'stopped' && error !== undefined) waiter.reject(error);
      else waiter.resolve();
    }
  }

  #tellSoon(): void {
    this.#timer ??= this.#options.clock.setTimer(INTERVAL_MS, () => {
      this.#timer = undefined;
      const { activity, progress } = this.#current;
      if (activity !== this.#told.activity || !isSame(progress, this.#told.progress)) this.#tell();
    });
  }

  #tell(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#told = this.#current;
    this.#options.tell(this.#current);
  }
}

export const NO_PROGRESS = { completed: 0, total: 0 } as const;
const NEVER_STARTED: ReplicatorStatus = { activity: 'stopped', progress: NO_PROGRESS, error: undefined };
const INTERVAL_MS = 200;

/** From idle to busy, with nothing found yet. */
function isLook(told: ReplicatorStatus, now: ReplicatorStatus): boolean {
  return told.activity === 'idle' && now.activity === 'busy' && told.progress.total === now.progress.total;
}

function isSame(a: ReplicatorStatus['progress'], b: ReplicatorStatus['progress']): boolean {
  return a.completed === b.completed && a.total === b.total;
}
