/** hawser, the built package as a user would run it: SQLite on both sides, TLS unless `disableTLS`, a password. */
import { BasicAuthenticator, Database, ListenerPasswordAuthenticator, Replicator } from '../../dist/index.js';
import { URLEndpoint, URLEndpointListener } from '../../dist/websocket.js';
import { checkMetrics, engine, ENGINE, metricGroups } from './documents.mjs';
import { arrived, now, serve } from './process.mjs';

const USER = 'bench';
const PASSWORD = 'not a secret';

let database;
let collection;
let listener;
let replicator;

serve({
  async open({ path }) {
    database = await Database.open(path);
    collection = await database.createCollection('metrics');
  },

  async fill(range) {
    for (const group of metricGroups(range, 1_000)) {
      await Promise.all(group.map(([id, body]) => collection.save(id, body)));
    }
  },

  async listen(options) {
    const authenticator = new ListenerPasswordAuthenticator((user, password) => user === USER && password === PASSWORD);
    listener = new URLEndpointListener({
      ...{ collections: [collection], authenticator, enableDeltaSync: true, networkInterface: '127.0.0.1' },
      ...options,
    });
    await listener.start();
    return { url: `${options.disableTLS ? 'ws' : 'wss'}://127.0.0.1:${listener.port}/${database.name}` };
  },

  async replicate({ url }) {
    replicatorTo(url, false).start();
    const error = await replicator.stopped();
    if (error !== undefined) throw error;
  },

  async connect({ url }) {
    replicatorTo(url, true).start();
    await replicator.whenIdle();
  },

  async save({ value }) {
    const at = now();
    await collection.save(ENGINE, engine(value));
    return { at };
  },

  async watch() {
    collection.onDocumentChange(ENGINE, arrived);
  },

  async check({ count }) {
    const entries = [];
    for await (const { id, body } of collection.documents()) entries.push([id, body]);
    checkMetrics(entries, count);
  },

  async close() {
    await replicator?.stop();
    await listener?.stop();
    await database.close();
  },
});

function replicatorTo(url, continuous) {
  replicator = new Replicator({
    ...{ collections: [collection], target: new URLEndpoint(url), type: 'push', continuous },
    authenticator: new BasicAuthenticator(USER, PASSWORD),
    acceptOnlySelfSignedServerCertificate: true,
  });
  return replicator;
}
