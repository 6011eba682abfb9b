/** How a peer process replicates: as a listener, once, or for as long as it is told. */
import { join } from 'node:path';
import { BasicAuthenticator, Database, ListenerPasswordAuthenticator, Replicator } from 'hawser';
import { now } from './command-loop.mjs';
import { metric } from './documents.mjs';
import { peer } from './peer-state.mjs';

const USER = 'bench';
const PASSWORD = 'not a secret';
const EXTENSIONS = process.argv.includes('--plain') ? { enableRevisionBatches: false } : {};

/** Loaded by those alone that use it: a benchmark of memory is to hold nothing else. */
const MEDIA = {
  websocket: async () => {
    const { URLEndpoint, URLEndpointListener } = await import('hawser/websocket');
    return { Listener: URLEndpointListener, endpointOf: ({ url }) => new URLEndpoint(url) };
  },
  mqtt: async () => {
    const { MqttEndpoint, MqttEndpointListener } = await import('hawser/mqtt');
    return { Listener: MqttEndpointListener, endpointOf: (options) => new MqttEndpoint(options) };
  },
  serial: async () => {
    const { SerialEndpoint, SerialEndpointListener } = await import('hawser/serial');
    return { Listener: SerialEndpointListener, endpointOf: (options) => new SerialEndpoint(options) };
  },
};

let listener;
let replicator;
/** Those of `connectMany`, kept from the garbage collector. */
const idle = [];

export const replicationCommands = {
  async listen({ medium = 'websocket', options = {} }) {
    const { Listener } = await MEDIA[medium]();
    const authenticator = new ListenerPasswordAuthenticator((user, password) => user === USER && password === PASSWORD);
    const own = medium === 'websocket' ? { networkInterface: '127.0.0.1' } : {};
    const collections = [peer.collection];
    listener = new Listener({ collections, authenticator, enableDeltaSync: true, ...own, ...options });
    await listener.start();
    return { port: listener.port, name: peer.database.name };
  },

  /**
   * One one-shot replication from beginning to end, begun at the moment `startAt` if that is given. With `countDocuments` it
   * resolves also to how many were transferred.
   */
  async replicate({ medium, target, options, startAt, countDocuments = false }) {
    const { endpoint, replicator } = await replicatorTo(medium, target, options);
    let documents = 0;
    if (countDocuments) replicator.on('documents', (event) => (documents += event.documents.length));
    if (startAt !== undefined) await new Promise((resolve) => setTimeout(resolve, startAt - now()));
    const startedAt = now();
    replicator.start();
    const error = await replicator.stopped();
    if (error !== undefined) throw error;
    const endedAt = now();
    return { startedAt, endedAt, documents, statistics: endpoint.statistics };
  },

  /** Connects for as long as it is told, and resolves when everything is there. */
  async connect({ medium, target, options }) {
    ({ replicator } = await replicatorTo(medium, target, { continuous: true, ...options }));
    replicator.start();
    await replicator.whenIdle();
  },

  async disconnect() {
    await replicator.stop();
  },

  /** Opens more databases in `folder`, each with a continuous connection of its own; with `documents` each brings one along. */
  async connectMany({ folder, target, count, documents }) {
    for (let opened = 0; opened < count; opened++) {
      const database = await Database.open(join(folder, `idle-${idle.length}`));
      const collection = await database.createCollection('metrics');
      if (documents) await collection.save(...metric(idle.length));
      const { replicator } = await replicatorTo('websocket', target, { continuous: true, collections: [collection] });
      replicator.start();
      await replicator.whenIdle();
      idle.push(replicator);
    }
  },

  /** Those of the listener. */
  async connections() {
    return { count: listener.status.connectionCount };
  },

  /** Garbage that lies about is no memory that anything needs. The process must have been started with --expose-gc. */
  async collectGarbage() {
    globalThis.gc();
    globalThis.gc();
  },

  /** Whether this hawser can be told to speak as it does to strangers. */
  async acceptsPlain() {
    try {
      await replicatorTo('websocket', { url: 'ws://127.0.0.1/nobody' }, { enableRevisionBatches: false });
      return { accepts: true };
    } catch (error) {
      if (error.code === 'OPTION_UNKNOWN') return { accepts: false };
      throw error;
    }
  },
};

/** @param options of the replicator, beyond what all have in common */
async function replicatorTo(medium = 'websocket', target, options) {
  const { endpointOf } = await MEDIA[medium]();
  const endpoint = endpointOf(target);
  const replicator = new Replicator({
    collections: [peer.collection],
    target: endpoint,
    authenticator: new BasicAuthenticator(USER, PASSWORD),
    acceptOnlySelfSignedServerCertificate: true,
    ...EXTENSIONS,
    ...options,
  });
  return { endpoint, replicator };
}
