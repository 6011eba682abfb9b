/**
 * Replicates collections with a remote database: what applications start and stop. It makes a session for each
 * connection and decides what happens between them; it never touches a message itself.
 *
 *   stopped ── start ──► connecting ──► busy ◄──► idle (continuous)
 *                ▲           │           │
 *                └─ offline ◄┴───────────┘   a failure that may pass; otherwise, and at the end: stopped
 */
import type { X509Certificate } from 'node:crypto';
import { checkOptions, deferred, Emitter, type Deferred, type Timer, type Unsubscribe } from '../base/index.js';
import { ReplicationStore } from '../database/index.js';
import type { ConnectOptions } from '../endpoint/index.js';
import { HawserError, isHawserError } from '../errors.js';
import { ActiveSession } from './active-session.js';
import { NO_RULES } from './collection-configuration.js';
import { configure, type ReplicatorConfiguration, type ReplicatorOptions } from './replicator-options.js';
import { retryDelayMs, shouldRetry, type RetryLimits } from './retry-policy.js';
import type { DocumentProblem } from './session-events.js';

export type ReplicatorActivity = 'stopped' | 'offline' | 'connecting' | 'idle' | 'busy';

export interface ReplicatorStatus {
  readonly activity: ReplicatorActivity;
  /** Documents handled, and documents known of so far, since the last start or reconnection. */
  readonly progress: { readonly completed: number; readonly total: number };
  /** Why it is stopped or offline; undefined where all is well. */
  readonly error: HawserError | undefined;
}

export interface ReplicatorEvents {
  /** After each change of the status; at most five a second while only the progress changes. */
  status: ReplicatorStatus;
  /** A document could not be transferred. The replication goes on. */
  'document-problem': DocumentProblem;
}

export class Replicator {
  readonly config: ReplicatorConfiguration;
  readonly #emitter = new Emitter<ReplicatorEvents>();
  readonly #stores: readonly ReplicationStore[];
  #status: ReplicatorStatus = STOPPED;
  #run: { stopping: boolean; readonly done: Promise<void> } | undefined;
  #session: ActiveSession | undefined;
  #cancelWait: (() => void) | undefined;
  #failures = 0;
  /** Whether the peer of the present session has answered. */
  #connectedOnce = false;
  #serverCertificate: X509Certificate | undefined;
  #progressTimer: Timer | undefined;
  #idleWaiters: Deferred<void>[] = [];

  /** Throws `ARGUMENT_INVALID` or `OPTION_UNKNOWN`. Connects to nobody before `start`. */
  constructor(options: ReplicatorOptions) {
    this.config = configure(options);
    this.#stores = this.config.collections.map((collection) => new ReplicationStore(collection));
  }

  get status(): ReplicatorStatus {
    return this.#status;
  }

  /** The certificate of the server at the last attempt, trusted or not; undefined before, and without TLS. */
  get serverCertificate(): X509Certificate | undefined {
    return this.#serverCertificate;
  }

  /**
   * Starts replicating; does nothing if it is running. May be called again after it has stopped. Progress and errors
   * appear in `status`. Throws `DATABASE_CLOSED`.
   * @param options.reset forget how far the replication has come and compare everything anew
   */
  start(options: { readonly reset?: boolean } = {}): void {
    checkOptions('Replicator.start', options, ['reset']);
    if (this.#run !== undefined) return;
    const removeUser = this.config.database.addUser(this);
    const run = { stopping: false, done: Promise.resolve() };
    this.#run = run;
    this.#failures = 0;
    this.#setStatus({ activity: 'connecting', progress: NO_PROGRESS, error: undefined });
    run.done = this.#replicate(run, options.reset ?? false).finally(removeUser);
  }

  /** Stops replicating; resolves when it has stopped and nothing is left open. Idempotent. */
  async stop(): Promise<void> {
    const run = this.#run;
    if (run === undefined) return;
    run.stopping = true;
    this.#cancelWait?.();
    await this.#session?.stop();
    await run.done;
  }

  /** Resolves when the replicator has stopped, to its last error, if any. At once if it is not running. */
  async stopped(): Promise<HawserError | undefined> {
    await this.#run?.done;
    return this.#status.error;
  }

  /**
   * Resolves when everything known is synced: at the next moment the replicator is idle, or has stopped without an error.
   * Rejects with the error if it stops with one, and with `REPLICATOR_STOPPED` if it was never started.
   */
  whenIdle(): Promise<void> {
    const { activity, error } = this.#status;
    if (activity === 'idle') return Promise.resolve();
    if (activity === 'stopped' && this.#run === undefined) {
      if (error !== undefined) return Promise.reject(error);
      if (this.#status === STOPPED)
        return Promise.reject(new HawserError('REPLICATOR_STOPPED', 'the replicator was not started'));
      return Promise.resolve();
    }
    const waiter = deferred();
    this.#idleWaiters.push(waiter);
    return waiter.promise;
  }

  /** Calls `listener` for every later event until the returned function is called. */
  on<Name extends keyof ReplicatorEvents>(event: Name, listener: (event: ReplicatorEvents[Name]) => void): Unsubscribe {
    return this.#emitter.on(event, listener);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Session after session, until one succeeds, fails for good, or `stop` is called. */
  async #replicate(run: { readonly stopping: boolean }, reset: boolean): Promise<void> {
    let failure: HawserError | undefined;
    let resetNext = reset;
    while (!run.stopping) {
      try {
        await this.#runSession(run, resetNext);
        failure = undefined;
        break;
      } catch (error) {
        failure = asHawserError(error);
      }
      if (this.#connectedOnce) resetNext = false;
      this.#failures++;
      if (run.stopping || !shouldRetry(failure, this.#failures, this.#limits)) break;
      const delay = retryDelayMs(this.#failures, this.#limits, this.config.random.next());
      this.config.logger.log(
        'info',
        'replicator',
        `offline (${failure.code}), next attempt in ${Math.round(delay / 1000)} s`,
      );
      const waited = this.#wait(delay); // before anybody hears of it: a listener may stop us
      this.#setStatus({ ...this.#status, activity: 'offline', error: failure });
      await waited;
    }
    this.#run = undefined;
    this.#setStatus({ ...this.#status, activity: 'stopped', error: run.stopping ? undefined : failure });
  }

  async #runSession(run: { readonly stopping: boolean }, reset: boolean): Promise<void> {
    const { config } = this;
    this.#connectedOnce = false;
    this.#setStatus({ activity: 'connecting', progress: NO_PROGRESS, error: this.#status.error });
    await Promise.all(this.#stores.map((store) => store.create()));
    if (run.stopping) return;
    const session = new ActiveSession({
      connection: config.target.createConnection(this.#connectOptions()),
      collections: this.#stores.map((store) => ({ store, rules: NO_RULES })),
      push: config.type !== 'pull',
      pull: config.type !== 'push',
      continuous: config.continuous,
      autoPurge: true,
      remoteID: config.target.remoteID,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      reset,
      clock: config.clock,
      logger: config.logger,
      onConnected: () => {
        this.#connectedOnce = true;
        this.#setStatus({ ...this.#status, activity: 'busy', error: undefined });
      },
      onChange: () => this.#sessionChanged(),
      onDocument: ({ error, ...outcome }) => {
        if (error !== undefined) this.#emitter.emit('document-problem', { ...outcome, error });
      },
    });
    this.#session = session;
    try {
      await session.run();
    } finally {
      this.#session = undefined;
      this.#progressTimer?.cancel();
      this.#progressTimer = undefined;
      this.#status = { ...this.#status, progress: session.progress };
    }
  }

  #connectOptions(): ConnectOptions {
    const { config } = this;
    return {
      protocols: PROTOCOLS,
      ...(config.authenticator === undefined ? {} : { authorization: config.authenticator.authorization() }),
      ...(config.headers === undefined ? {} : { headers: config.headers }),
      trust: {
        ...(config.pinnedServerCertificate === undefined
          ? {}
          : { pinnedServerCertificate: config.pinnedServerCertificate }),
        acceptOnlySelfSignedServerCertificate: config.acceptOnlySelfSignedServerCertificate,
      },
      heartbeatMs: config.heartbeat * 1_000,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      onServerCertificate: (certificate) => {
        this.#serverCertificate = certificate;
      },
      clock: config.clock,
      logger: config.logger,
    };
  }

  get #limits(): RetryLimits {
    const { continuous, maxAttempts, maxAttemptWaitTime } = this.config;
    return { continuous, maxAttempts, maxAttemptWaitTimeMs: maxAttemptWaitTime * 1_000 };
  }

  #sessionChanged(): void {
    const session = this.#session;
    if (session === undefined || !this.#connectedOnce) return;
    const activity = session.isBusy || !this.config.continuous ? 'busy' : 'idle';
    // Only real progress ends a row of failures: a peer that accepts us and then breaks must not be hammered.
    if (activity === 'idle' || session.progress.completed > 0) this.#failures = 0;
    if (activity !== this.#status.activity) {
      this.#setStatus({ activity, progress: session.progress, error: undefined });
      return;
    }
    this.#progressTimer ??= this.config.clock.setTimer(PROGRESS_INTERVAL_MS, () => {
      this.#progressTimer = undefined;
      if (this.#session === session) this.#setStatus({ ...this.#status, progress: session.progress });
    });
  }

  #setStatus(status: ReplicatorStatus): void {
    const { activity, progress, error } = this.#status;
    if (activity === status.activity && error === status.error && progress === status.progress) return;
    this.#status = status;
    if (status.activity === 'idle' || status.activity === 'stopped') {
      for (const waiter of this.#idleWaiters.splice(0)) {
        if (status.activity === 'stopped' && status.error !== undefined) waiter.reject(status.error);
        else waiter.resolve();
      }
    }
    this.#emitter.emit('status', status);
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.config.clock.setTimer(delayMs, resolve);
      this.#cancelWait = () => {
        timer.cancel();
        resolve();
      };
    });
  }
}

/** Sub-protocols that we speak, in order of preference (specification 1.2.1). */
export const PROTOCOLS: readonly string[] = ['BLIP_3+CBMobile_3', 'BLIP_3+CBMobile_2'];

const CONNECT_TIMEOUT_MS = 15_000;
const PROGRESS_INTERVAL_MS = 200;
const NO_PROGRESS = { completed: 0, total: 0 } as const;
const STOPPED: ReplicatorStatus = { activity: 'stopped', progress: NO_PROGRESS, error: undefined };

function asHawserError(error: unknown): HawserError {
  if (isHawserError(error)) return error;
  return new HawserError('REPLICATION_PROTOCOL_ERROR', error instanceof Error ? error.message : String(error), {
    cause: error,
  });
}
