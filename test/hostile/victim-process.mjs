/**
 * The listener or the honest client of `npm run hostile`: a process of its own that runs the built package as a user would.
 * Plain JavaScript, so that no compiler is in the measured process. It does what it is told over IPC and answers each
 * message with one.
 *
 * The honest client keeps so many documents on their way; for each that arrives the listener saves one, and for each of
 * those that comes back the client saves another. How many come back is the measure.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import {
  BasicAuthenticator,
  Database,
  ListenerCertificateAuthenticator,
  ListenerPasswordAuthenticator,
  Replicator,
} from 'hawser';
import { URLEndpoint, URLEndpointListener } from 'hawser/websocket';

let database;
let collection;
let listeners = [];
let options;
let replicator;
/** Documents of the honest client that this side has, and those that came back. */
let arrived = 0;
let isSaving = true;
let lost = 0;
let peakRss = 0;
let cpu = process.cpuUsage();
const lag = monitorEventLoopDelay({ resolution: 10 });
/** What the listeners told: how many of each code, and of each address. */
let refused = {};
let ended = {};
let told = {};

const commands = {
  async open({ path }) {
    database = await Database.open(path, { logger: { log: () => undefined } });
    collection = await database.createCollection('metrics');
  },

  async listen({ passwords, root }) {
    const shared = { collections: [collection], networkInterface: '127.0.0.1' };
    const authenticators = {
      password: new ListenerPasswordAuthenticator((user, password) => passwords[user] === password),
      certificates: new ListenerCertificateAuthenticator([new X509Certificate(root)]),
    };
    const ports = {};
    for (const [name, authenticator] of Object.entries(authenticators)) {
      const listener = new URLEndpointListener({ ...shared, authenticator });
      listener.on('refused', ({ address, error }) => {
        count(refused, error.code);
        count(told, address);
      });
      listener.on('connection', ({ activity, address, error }) => {
        if (activity !== 'stopped') return;
        count(ended, error?.code ?? 'ordinary');
        count(told, address);
      });
      await listener.start();
      listeners.push(listener);
      ports[name] = listener.port;
    }
    collection.on('change', ({ documentIDs }) => {
      for (const id of documentIDs) if (id.startsWith('honest-')) void save(id.replace('honest', 'ours'));
    });
    return { ports, name: database.name };
  },

  async replicate({ url, password, window }) {
    collection.on('change', ({ documentIDs }) => {
      const back = documentIDs.filter((id) => id.startsWith('ours-')).length;
      for (let index = 0; index < back && isSaving; index++) void save(`honest-${arrived + window + index}`);
      arrived += back;
    });
    options = {
      collections: [collection],
      target: new URLEndpoint(url),
      authenticator: new BasicAuthenticator('honest', password),
      acceptOnlySelfSignedServerCertificate: true,
    };
    replicator = new Replicator({ ...options, continuous: true });
    replicator.on('status', ({ activity, error }) => {
      if (activity !== 'offline' && activity !== 'stopped') return;
      lost++;
      if (error !== undefined) console.error(`the honest client is ${activity}: ${error.code}: ${error.message}`);
    });
    replicator.start();
    for (let index = 0; index < window; index++) void save(`honest-${index}`);
  },

  /** From here on anew. */
  async begin() {
    cpu = process.cpuUsage();
    peakRss = 0;
    [refused, ended, told] = [{}, {}, {}];
    lag.enable();
    lag.reset();
  },

  async figures() {
    const { user, system } = process.cpuUsage(cpu);
    return { cpuMicroseconds: user + system, peakRss, lagMs: lag.max / 1e6, arrived, lost, refused, ended, told };
  },

  /** No more documents, and a last replication that ends when both sides have everything. */
  async finish() {
    isSaving = false;
    const before = lost;
    await replicator.stop();
    const last = new Replicator(options);
    last.start();
    const error = await last.stopped();
    if (error !== undefined) throw error;
    return { lost: before };
  },

  async contents() {
    const hash = createHash('sha256');
    let documents = 0;
    for await (const { id, revisionID } of collection.documents()) {
      hash.update(`${id} ${revisionID}\n`);
      documents++;
    }
    return { documents, digest: hash.digest('hex'), problems: await database.integrityCheck() };
  },

  async close() {
    for (const listener of listeners) await listener.stop();
    await database.close();
  },
};

function save(id) {
  return collection.save(id, { id, type: 'telemetry', text: 'x'.repeat(150) });
}

function count(into, key) {
  into[key] = (into[key] ?? 0) + 1;
}

setInterval(() => (peakRss = Math.max(peakRss, process.memoryUsage.rss())), 20).unref();

process.on('message', (message) => {
  commands[message.command](message).then(
    (result) => process.send({ result: result ?? {} }),
    (error) => process.send({ error: `${error.code ?? ''} ${error.message}` }),
  );
});
process.on('disconnect', () => process.exit());
