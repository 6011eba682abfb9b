/**
 * One peer of a benchmark, a process of its own that runs the built package as a user would. Plain JavaScript, so that
 * no compiler is in the measured process. It does what it is told over IPC and answers each message with one.
 */
import { performance } from 'node:perf_hooks';
import { Database, BasicAuthenticator, ListenerPasswordAuthenticator, Replicator } from 'hawser';
import { URLEndpoint, URLEndpointListener } from 'hawser/websocket';

const USER = 'bench';
const PASSWORD = 'not a secret';

let database;
let collection;
let listener;

const commands = {
  async open({ path }) {
    database = await Database.open(path);
    collection = await database.createCollection('metrics');
  },

  /** Fills the collection with documents of about 200 bytes. */
  async fill({ count }) {
    for (let first = 0; first < count; first += 1000) {
      const saves = [];
      for (let index = first; index < Math.min(count, first + 1000); index++)
        saves.push(collection.save(...metric(index)));
      await Promise.all(saves);
    }
  },

  async listen() {
    const authenticator = new ListenerPasswordAuthenticator((user, password) => user === USER && password === PASSWORD);
    listener = new URLEndpointListener({ collections: [collection], authenticator, networkInterface: '127.0.0.1' });
    await listener.start();
    return { port: listener.port, name: database.name };
  },

  /** One one-shot replication from beginning to end. */
  async replicate({ url, type }) {
    const replicator = new Replicator({
      collections: [collection],
      target: new URLEndpoint(url),
      type,
      authenticator: new BasicAuthenticator(USER, PASSWORD),
      acceptOnlySelfSignedServerCertificate: true,
    });
    replicator.on('documents', ({ documents }) => {
      for (const { id, error } of documents) if (error !== undefined) console.error('document', id, error.message);
    });
    const cpu = process.cpuUsage();
    const start = performance.now();
    replicator.start();
    const error = await replicator.stopped();
    if (error !== undefined) throw error;
    const used = process.cpuUsage(cpu);
    return { milliseconds: performance.now() - start, cpuMicroseconds: used.user + used.system };
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
