/** Listeners and replicators on real sockets of this machine, without TLS, for tests of what users see of both. */
import { EventEmitter, once } from 'node:events';
import type { TestContext } from 'node:test';
import { Replicator, type ReplicatorActivity, type ReplicatorOptions } from '../../src/index.js';
import { URLEndpoint, URLEndpointListener, type URLEndpointListenerOptions } from '../../transports/websocket/index.js';
import { cleanup } from './cleanup.js';
import type { Peer } from './peers.js';

/** A listener for the peer's metrics that is not started; stopped after the test. */
export function listenerOf(
  context: TestContext,
  peer: Peer,
  options: Partial<URLEndpointListenerOptions> = {},
): URLEndpointListener {
  const listener = new URLEndpointListener({ collections: [peer.metrics], disableTLS: true, ...options });
  cleanup(context, () => listener.stop());
  return listener;
}

/** As {@link listenerOf}, started. */
export async function listen(
  context: TestContext,
  peer: Peer,
  options: Partial<URLEndpointListenerOptions> = {},
): Promise<URLEndpointListener> {
  const listener = listenerOf(context, peer, options);
  await listener.start();
  return listener;
}

/** The URL of a listener, or of a port where one was or will be. */
export function urlOf(server: Peer, { port }: { readonly port: number }): string {
  return `ws://127.0.0.1:${port}/${encodeURIComponent(server.database.name)}`;
}

/** A replicator of the peer's metrics that is not started; stopped after the test. */
export function clientOf(
  context: TestContext,
  peer: Peer,
  url: string,
  options: Partial<Omit<ReplicatorOptions, 'target'>> = {},
): Replicator {
  const replicator = new Replicator({ collections: [peer.metrics], ...options, target: new URLEndpoint(url) });
  cleanup(context, () => replicator.stop());
  return replicator;
}

/** Runs a one-shot replication to its end; throws what it ended with. */
export async function syncOver(
  context: TestContext,
  peer: Peer,
  url: string,
  options: Partial<Omit<ReplicatorOptions, 'target' | 'continuous'>> = {},
): Promise<Replicator> {
  const replicator = clientOf(context, peer, url, options);
  replicator.start();
  const error = await replicator.stopped();
  if (error !== undefined) throw error;
  return replicator;
}

/** Resolves when the replicator is in one of these states; at once if it is. */
export async function whenActivity(replicator: Replicator, ...wanted: ReplicatorActivity[]): Promise<void> {
  const events = new EventEmitter();
  const unsubscribe = replicator.on('status', () => events.emit('status'));
  while (!wanted.includes(replicator.status.activity)) await once(events, 'status');
  unsubscribe();
}
