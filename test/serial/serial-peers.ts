/** Listeners and replicators on simulated serial lines, as the tests of this folder need them. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { deferred, Replicator, type HawserError, type ReplicatorOptions } from '../../src/index.js';
import {
  SerialEndpoint,
  SerialEndpointListener,
  type SerialEndpointListenerOptions,
  type SerialEndpointOptions,
} from '../../transports/serial/index.js';
import { cleanup } from '../support/cleanup.js';
import { contents, whenChanged, type Peer } from '../support/peers.js';

type ListenerOptions = Omit<SerialEndpointListenerOptions, 'collections'>;
type ClientOptions = Partial<Omit<ReplicatorOptions, 'target' | 'collections'>>;

/** Tests have no time for the real ones, of 2, 4, 8 … seconds. */
const SHORT_WAITS = { maxAttemptWaitTime: 0.2 };

/** What a listener is asked for. Clients of the tests call it so, whatever its database is named. */
export const PEER = 'bridge';

/** A listener that writes down its errors. Not started; stopped after the test. */
export class TestListener extends SerialEndpointListener {
  readonly errors: HawserError[] = [];

  constructor(context: TestContext, peer: Peer, options: ListenerOptions) {
    super({ collections: [peer.metrics], ...options });
    this.on('error', (error) => void this.errors.push(error));
    cleanup(context, () => this.stop());
  }

  static async start(context: TestContext, peer: Peer, options: ListenerOptions): Promise<TestListener> {
    const listener = new TestListener(context, peer, options);
    await listener.start();
    return listener;
  }

  get errorCodes(): string[] {
    return this.errors.map(({ code }) => code);
  }

  /** Resolves when a peer whose address ends so is there. */
  async peer(address = ''): Promise<void> {
    await this.#until(() => this.peers.some((peer) => peer.address?.endsWith(address)));
  }

  /** Resolves when there is no peer. */
  async nobody(): Promise<void> {
    await this.#until(() => this.status.connectionCount === 0);
  }

  /** Resolves when an error of that code has been told. */
  async error(code: string): Promise<void> {
    await this.#until(() => this.errorCodes.includes(code));
  }

  async #until(holds: () => boolean): Promise<void> {
    const held = deferred();
    const look = (): void => {
      if (holds()) held.resolve();
    };
    const offs = [this.on('connection', look), this.on('error', look)];
    look();
    await held.promise;
    for (const off of offs) off();
  }
}

/** A replicator that writes down how it fares. Not started; stopped after the test. */
export class TestReplicator extends Replicator {
  readonly endpoint: SerialEndpoint;
  /** Each activity, and the code of the error that it came with. */
  readonly told: string[] = [];

  constructor(
    context: TestContext,
    peer: Peer,
    options: Omit<SerialEndpointOptions, 'peer'>,
    { continuous = true, ...others }: ClientOptions = {},
  ) {
    const endpoint = new SerialEndpoint({ peer: PEER, ...options });
    const trust = options.disableTLS === true ? {} : { acceptOnlySelfSignedServerCertificate: true };
    super({ collections: [peer.metrics], target: endpoint, continuous, ...SHORT_WAITS, ...trust, ...others });
    this.endpoint = endpoint;
    this.on('status', ({ activity, error }) => {
      this.told.push(error === undefined ? activity : `${activity} ${error.code}`);
    });
    cleanup(context, () => this.stop());
  }

  static start(...given: ConstructorParameters<typeof TestReplicator>): TestReplicator {
    const replicator = new TestReplicator(...given);
    replicator.start();
    return replicator;
  }

  /** How often it has gone offline. */
  get outages(): number {
    return this.told.filter((text) => text.startsWith('offline')).length;
  }

  /** Resolves when it tells something that matches, from now on; rejects if it stops with an error before. */
  async tells(pattern: RegExp): Promise<void> {
    const seen = deferred();
    const off = this.on('status', ({ activity, error }) => {
      if (pattern.test(this.told.at(-1) ?? '')) seen.resolve();
      else if (activity === 'stopped' && error !== undefined) seen.reject(error);
    });
    await seen.promise;
    off();
  }

  /** Resolves when it is idle, and so connected. */
  async connected(): Promise<void> {
    if (this.status.activity !== 'idle') await this.tells(/^idle/);
  }
}

/** Saves documents that name their author. */
export async function saveAll({ name, metrics }: Peer, count: number, from = 0): Promise<void> {
  const ids = Array.from({ length: count }, (_, index) => `${name}-${from + index}`);
  await Promise.all(ids.map((id, index) => metrics.save(id, { by: name, value: index / 8, unit: 'K' })));
}

/** Resolves when all have the same documents, so many of them. */
export async function untilEqual(peers: readonly Peer[], count: number): Promise<void> {
  const isSo = async (): Promise<boolean> => {
    const [first, ...others] = await Promise.all(peers.map(({ metrics }) => contents(metrics)));
    return first?.length === count && others.every((other) => isDeepStrictEqual(other, first));
  };
  // Whichever of them commits last sees it.
  await Promise.race(peers.map(({ metrics }) => whenChanged(metrics, isSo)));
  assert.ok(await isSo());
}
