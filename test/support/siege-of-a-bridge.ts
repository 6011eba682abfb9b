/** A listener at a broker without access rules, an honest device that syncs with it, and a stranger who means no good. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { systemClock } from '../../src/base/index.js';
import type { HawserError, RefusedPeer, Replicator } from '../../src/index.js';
import type { BrokerOptions, MqttEndpointListener, MqttEndpointListenerOptions } from '../../transports/mqtt/index.js';
import { impatient } from './impatient-clock.js';
import { startMosquitto } from './mosquitto.js';
import { assertExchange, startBridge, startDevice } from './mqtt-peers.js';
import { openPeer, type Peer } from './peers.js';
import { Stranger } from './stranger.js';

export interface Siege {
  readonly far: Peer;
  readonly near: Peer;
  readonly listener: MqttEndpointListener;
  /** Of the listener. */
  readonly refusals: RefusedPeer[];
  readonly troubles: HawserError[];
  /** `pump`. */
  readonly honest: Replicator;
  readonly stranger: Stranger;
  /** The honest device has its connection still, the only one, and documents pass both ways. */
  readonly assertUndisturbed: () => Promise<void>;
}

/** @param version how the listener speaks to the broker */
export async function besiege(
  context: TestContext,
  options: Partial<MqttEndpointListenerOptions> = {},
  version: Partial<BrokerOptions> = {},
): Promise<Siege> {
  const broker = await startMosquitto(context);
  const [far, near] = [await openPeer(context, 'far'), await openPeer(context, 'near')];
  // Nobody is to be missed by the keep-alive, and strangers do not answer a good-bye.
  const [url, keepAlive, clock] = [broker.url(), 3_600, impatient(systemClock)];
  const listener = await startBridge(context, far, { url, keepAlive, ...version }, { clock, ...options });
  const [refusals, troubles]: [RefusedPeer[], HawserError[]] = [[], []];
  listener.on('refused', (refusal) => refusals.push(refusal));
  listener.on('error', (error) => troubles.push(error));
  const stranger = await Stranger.connect(context, { url });
  const honest = await startDevice(context, near, { url, keepAlive, clientId: 'pump' });
  const offlines: (HawserError | undefined)[] = [];
  honest.on('status', ({ activity, error }) => void (activity === 'offline' && offlines.push(error)));
  const assertUndisturbed = async (): Promise<void> => {
    await assertExchange(near, far);
    assert.deepEqual([offlines, troubles], [[], []]);
    assert.equal(listener.status.connectionCount, 1);
  };
  return { far, near, listener, refusals, troubles, honest, stranger, assertUndisturbed };
}
