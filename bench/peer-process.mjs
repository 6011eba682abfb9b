/**
 * One peer of a benchmark, a process of its own that runs the built package as a user would. Plain JavaScript, so that
 * no compiler is in the measured process. It does what it is told over IPC and answers each message with one.
 */
import { performance } from 'node:perf_hooks';
import { Database, BasicAuthenticator, ListenerPasswordAuthenticator, Replicator } from 'hawser';
import { MqttEndpoint, MqttEndpointListener } from 'hawser/mqtt';
import { SerialEndpoint, SerialEndpointListener } from 'hawser/serial';
import { URLEndpoint, URLEndpointListener } from 'hawser/websocket';

const USER = 'bench';
const PASSWORD = 'not a secret';

let database;
let collection;
let listener;
let endpoint;
let replicator;
/** When each document was last seen to change, by its ID. */
const arrivals = new Map();

const commands = {
  async open({ path, name }) {
    database = await Database.open(path, name === undefined ? {} : { name });
    collection = await database.createCollection('metrics');
  },

  /** Fills the collection with documents of about 200 bytes. Resolves to how many bytes of JSON they are. */
  async fill({ count }) {
    let bytes = 0;
    for (let first = 0; first < count; first += 1000) {
      const saves = [];
      for (let index = first; index < Math.min(count, first + 1000); index++)
        saves.push(collection.save(...metric(index)));
      await Promise.all(saves);
    }
    for (let index = 0; index < count; index++) bytes += JSON.stringify(metric(index)).length;
    return { bytes };
  },

  async listen({ medium = 'websocket', options = {} }) {
    const authenticator = new ListenerPasswordAuthenticator((user, password) => user === USER && password === PASSWORD);
    const Listener = { websocket: URLEndpointListener, mqtt: MqttEndpointListener, serial: SerialEndpointListener }[
      medium
    ];
    const own = medium === 'websocket' ? { networkInterface: '127.0.0.1' } : {};
    listener = new Listener({ collections: [collection], authenticator, enableDeltaSync: true, ...own, ...options });
    await listener.start();
    return { port: listener.port, name: database.name };
  },

  /** Connects for as long as it is told, and resolves when everything is there. */
  async connect({ medium, options }) {
    endpoint = endpointOf(medium, options);
    replicator = replicatorTo(endpoint, 'push', true);
    const start = performance.now();
    replicator.start();
    await replicator.whenIdle();
    return { milliseconds: performance.now() - start, statistics: endpoint.statistics };
  },

  async disconnect() {
    await replicator.stop();
  },

  /** Saves one document; resolves to when that had been done. */
  async save({ id, body }) {
    await collection.save(id, body);
    return { at: now() };
  },

  async watch() {
    collection.on('change', ({ documentIDs }) => {
      for (const id of documentIDs) arrivals.set(id, now());
    });
  },

  /** When the document has arrived that was not there at `after`. */
  async arrival({ id, after }) {
    while (!(arrivals.get(id) > after)) await new Promise((resolve) => setTimeout(resolve, 2));
    return { at: arrivals.get(id) };
  },

  /** One one-shot replication from beginning to end. */
  async replicate({ medium = 'websocket', url, options = { url }, type }) {
    endpoint = endpointOf(medium, options);
    const replicator = replicatorTo(endpoint, type, false);
    replicator.on('documents', ({ documents }) => {
      for (const { id, error } of documents) if (error !== undefined) console.error('document', id, error.message);
    });
    const cpu = process.cpuUsage();
    const start = performance.now();
    replicator.start();
    const error = await replicator.stopped();
    if (error !== undefined) throw error;
    const used = process.cpuUsage(cpu);
    const milliseconds = performance.now() - start;
    return { milliseconds, cpuMicroseconds: used.user + used.system, statistics: endpoint.statistics };
  },

  async count() {
    return { count: await collection.count() };
  },

  async usage() {
    const { user, system } = process.cpuUsage();
    return { cpuMicroseconds: user + system, peakRssMiB: process.resourceUsage().maxRSS / 1024 };
  },

  async close() {
    await listener?.stop();
    await database?.close();
  },
};

function endpointOf(medium, options) {
  if (medium === 'mqtt') return new MqttEndpoint(options);
  return medium === 'serial' ? new SerialEndpoint(options) : new URLEndpoint(options.url);
}

function replicatorTo(target, type, continuous) {
  return new Replicator({
    collections: [collection],
    target,
    type,
    continuous,
    authenticator: new BasicAuthenticator(USER, PASSWORD),
    acceptOnlySelfSignedServerCertificate: true,
  });
}

/** The same in every process of the machine, in milliseconds. */
function now() {
  return performance.timeOrigin + performance.now();
}

/** A reading as a sensor would store it. */
function metric(index) {
  const id = `engine-${String(index).padStart(8, '0')}`;
  return [
    id,
    {
      type: 'telemetry',
      path: 'propulsion.port.oilPressure',
      source: 'can0.16',
      node: 'engine-room',
      sequence: index,
      timestamp: new Date(1_700_000_000_000 + index * 137).toISOString(),
      value: 158_300 + ((index * 7919) % 4099) / 8,
      rpm: 1200 + ((index * 31) % 97),
    },
  ];
}

process.on('message', (message) => {
  commands[message.command](message).then(
    (result) => process.send({ result: result ?? {} }),
    (error) => process.send({ error: `${error.code ?? ''} ${error.message}` }),
  );
});
process.on('disconnect', () => process.exit());
