/** Listeners and replicators that meet at a broker, for tests of what users see of both. */
import type { TestContext } from 'node:test';
import { deferred, Replicator, type HawserError, type ReplicatorOptions } from '../../src/index.js';
import {
  MqttEndpoint,
  MqttEndpointListener,
  type BrokerOptions,
  type MqttEndpointListenerOptions,
  type MqttEndpointOptions,
} from '../../transports/mqtt/index.js';
import { cleanup } from './cleanup.js';
import { whenChanged, type Peer } from './peers.js';

/** A listener called `bridge` for the peer's metrics that is not started; stopped after the test. */
export function bridgeOf(
  context: TestContext,
  peer: Peer,
  broker: BrokerOptions | string,
  options: Partial<MqttEndpointListenerOptions> = {},
): MqttEndpointListener {
  const listener = new MqttEndpointListener({ collections: [peer.metrics], broker, name: 'bridge', ...options });
  cleanup(context, () => listener.stop());
  return listener;
}

/** As {@link bridgeOf}, started. */
export async function startBridge(...given: Parameters<typeof bridgeOf>): Promise<MqttEndpointListener> {
  const listener = bridgeOf(...given);
  await listener.start();
  return listener;
}

export interface DeviceOptions extends Partial<Omit<ReplicatorOptions, 'target'>> {
  /** @default that of `bridge`, whose database has the name of the far peer */
  readonly endpoint?: Partial<MqttEndpointOptions>;
  /** In place of one for `broker`. */
  readonly target?: MqttEndpoint;
}

/** A continuous replicator of the peer's metrics that is not started, and tries again soon; stopped after the test. */
export function deviceOf(
  context: TestContext,
  peer: Peer,
  broker: BrokerOptions | string,
  { endpoint = {}, target, ...options }: DeviceOptions = {},
): Replicator {
  const replicator = new Replicator({
    ...{ collections: [peer.metrics], continuous: true, maxAttemptWaitTime: 0.3 },
    acceptOnlySelfSignedServerCertificate: endpoint.disableTLS !== true,
    ...options,
    target: target ?? new MqttEndpoint({ broker, peer: 'bridge', database: 'far', ...endpoint }),
  });
  cleanup(context, () => replicator.stop());
  return replicator;
}

/** As {@link deviceOf}, started and idle. */
export async function startDevice(...given: Parameters<typeof deviceOf>): Promise<Replicator> {
  const replicator = deviceOf(...given);
  replicator.start();
  await replicator.whenIdle();
  return replicator;
}

/** Each saves a document; resolves when the other has it. */
export async function assertExchange(one: Peer, other: Peer): Promise<void> {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    const id = `${from.name} ${++documents}`;
    await from.metrics.save(id, { from: from.name });
    await whenChanged(to.metrics, async () => (await to.metrics.get(id)) !== undefined);
  }
}

/** The next time that it goes offline from now on, and why. */
export function nextOffline(replicator: Replicator): Promise<HawserError | undefined> {
  const offline = deferred<HawserError | undefined>();
  const unsubscribe = replicator.on('status', ({ activity, error }) => {
    if (activity !== 'offline') return;
    unsubscribe();
    offline.resolve(error);
  });
  return offline.promise;
}

/** The next connection of a listener that ends from now on: why, and whose. */
export function nextEnd(listener: MqttEndpointListener): Promise<{ error: HawserError | undefined; address?: string }> {
  const ended = deferred<{ error: HawserError | undefined; address?: string }>();
  const unsubscribe = listener.on('connection', (event) => {
    if (event.activity !== 'stopped') return;
    unsubscribe();
    ended.resolve(event);
  });
  return ended.promise;
}

let documents = 0;
