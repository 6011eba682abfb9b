/**
 * What a replicator does from a start to the stop after it: session after session, and what happens between them. The
 * network and its errors are the sessions'; here it is decided whether there is another one, and when.
 *
 *   connecting ──► busy ◄──► idle (continuous)
 *       ▲           │
 *       └─ offline ◄┘   a failure that may pass, or suspended; otherwise, and at the end: stopped
 */
import type { X509Certificate } from 'node:crypto';
import type { ReplicationStore } from '../database/index.js';
import type { HawserError } from '../errors.js';
import { ActiveSession } from './active-session.js';
import type { CollectionRules } from './collection-configuration.js';
import { connectOptions } from './connect-options.js';
import type { ReplicatorConfiguration } from './replicator-options.js';
import { NO_PROGRESS, type StatusBoard } from './replicator-status.js';
import { RetryPause } from './retry-pause.js';
import { retryDelayMs, shouldRetry, type RetryLimits } from './retry-policy.js';
import type { SequenceSet } from './sequence-set.js';
import { asHawserError } from './session-end.js';
import type { DocumentOutcome } from './session-events.js';

export interface ReplicatorRunOptions {
  readonly config: ReplicatorConfiguration;
  readonly collections: readonly { readonly store: ReplicationStore; readonly rules: CollectionRules }[];
  readonly reset: boolean;
  readonly status: StatusBoard;
  readonly onDocument: (outcome: DocumentOutcome) => void;
  readonly onServerCertificate: (certificate: X509Certificate) => void;
}

export class ReplicatorRun {
  readonly #options: ReplicatorRunOptions;
  #isStopping = false;
  #isSuspended = false;
  #isHostReachable = true;
  /** The session under way was ended by `suspend`: its end says nothing about the replication. */
  #isInterrupted = false;
  #session: ActiveSession | undefined;
  #pause: RetryPause | undefined;
  /** In a row, and not yet followed by any progress. */
  #failures = 0;
  /** Whether the peer of the present session has answered. */
  #hasConnected = false;
  /** Until a session has begun with it. */
  #reset: boolean;

  constructor(options: ReplicatorRunOptions) {
    this.#options = options;
    this.#reset = options.reset;
  }

  /** Session after session, until one succeeds, fails for good, or `stop` is called. Resolves to the error it ends with. */
  async run(): Promise<HawserError | undefined> {
    while (!this.#isStopping) {
      if (this.#isSuspended) {
        await this.#offline(undefined, undefined);
        continue;
      }
      this.#isInterrupted = false;
      const failure = await this.#attempt();
      if (this.#isInterrupted) continue;
      if (failure === undefined || this.#isStopping) break;
      this.#failures++;
      if (!shouldRetry(failure, this.#failures, this.#limits)) return failure;
      const { config } = this.#options;
      const delay = retryDelayMs(this.#failures, this.#limits, config.random.next());
      const next = this.#isHostReachable ? `next attempt in ${Math.round(delay / 1000)} s` : 'the host is unreachable';
      config.logger.log('info', 'replicator', `offline (${failure.code}), ${next}`);
      await this.#offline(failure, this.#isHostReachable ? delay : undefined);
    }
    return undefined;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#pause?.end();
    await this.#session?.stop();
  }

  suspend(): void {
    if (this.#isSuspended || this.#isStopping) return;
    this.#isSuspended = true;
    this.#isInterrupted = true;
    this.#options.status.set({ activity: 'offline', error: undefined });
    this.#pause?.end();
    void this.#session?.stop();
  }

  resume(): void {
    if (!this.#isSuspended || this.#isStopping) return;
    this.#isSuspended = false;
    this.#failures = 0;
    this.#pause?.end();
  }

  setHostReachable(reachable: boolean): void {
    if (this.#isHostReachable === reachable) return;
    this.#isHostReachable = reachable;
    if (!reachable) {
      this.#pause?.hold();
    } else if (!this.#isSuspended) {
      this.#failures = 0;
      this.#pause?.end();
    }
  }

  /** What the running session has done of a collection; undefined if none is running. */
  done(store: ReplicationStore): SequenceSet | undefined {
    return this.#session?.done(store);
  }

  /** @param delayMs undefined to wait until somebody ends the pause */
  async #offline(error: HawserError | undefined, delayMs: number | undefined): Promise<void> {
    // The pause is there before anybody hears of it: a listener may end it.
    const pause = new RetryPause(this.#options.config.clock, delayMs);
    this.#pause = pause;
    this.#options.status.set({ activity: 'offline', error });
    await pause.ended;
    this.#pause = undefined;
  }

  /** Resolves to why it failed, if it did. */
  async #attempt(): Promise<HawserError | undefined> {
    const { collections, status } = this.#options;
    this.#hasConnected = false;
    status.set({ activity: 'connecting', progress: NO_PROGRESS });
    try {
      await Promise.all(collections.map(({ store }) => store.create()));
      if (this.#isStopping || this.#isInterrupted) return undefined;
      await this.#replicate();
      return undefined;
    } catch (error) {
      return asHawserError(error);
    } finally {
      if (this.#hasConnected) this.#reset = false;
    }
  }

  async #replicate(): Promise<void> {
    const { config, collections, status, onDocument, onServerCertificate } = this.#options;
    const options = connectOptions(config, onServerCertificate);
    const session = new ActiveSession({
      connection: config.target.createConnection(options),
      collections,
      push: config.type !== 'pull',
      pull: config.type !== 'push',
      continuous: config.continuous,
      autoPurge: config.enableAutoPurge,
      remoteID: config.target.remoteID,
      connectTimeoutMs: options.connectTimeoutMs,
      batches: config.enableRevisionBatches,
      blip: config.blip,
      silenceMs: config.heartbeat * 1_000,
      reset: this.#reset,
      clock: config.clock,
      logger: config.logger,
      onConnected: () => {
        this.#hasConnected = true;
        status.set({ activity: 'busy', error: undefined });
      },
      onChange: () => this.#sessionChanged(session),
      onDocument,
    });
    this.#session = session;
    try {
      await session.run();
    } finally {
      this.#session = undefined;
      status.set({ progress: session.progress });
    }
  }

  #sessionChanged(session: ActiveSession): void {
    if (!this.#hasConnected || this.#session !== session || this.#isInterrupted || this.#isStopping) return;
    const { progress } = session;
    const activity = session.isBusy || !this.#options.config.continuous ? 'busy' : 'idle';
    // Only real progress ends a row of failures: a peer that accepts us and then breaks must not be hammered.
    if (activity === 'idle' || progress.completed > 0) this.#failures = 0;
    this.#options.status.set({ activity, progress });
  }

  get #limits(): RetryLimits {
    const { continuous, maxAttempts, maxAttemptWaitTime } = this.#options.config;
    return { continuous, maxAttempts, maxAttemptWaitTimeMs: maxAttemptWaitTime * 1_000 };
  }
}
