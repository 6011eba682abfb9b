/** PouchDB 9: LevelDB on both sides, express-pouchdb as the server, HTTP between them. */
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { Agent } from 'node:http';
import PouchDB from 'pouchdb';
import { checkMetrics, engine, ENGINE, metricGroups } from './documents.mjs';
import { arrived, now, serve } from './process.mjs';

const NAME = 'metrics';
/** Larger batches than the default of 100 are faster; above 1,000 nothing is gained. */
const BATCHES = { batch_size: 1_000, batches_limit: 10 };

// Without an agent every request would open a connection of its own.
const agent = new Agent({ keepAlive: true });
const fetchOverOneConnection = (url, options) => PouchDB.fetch(url, { ...options, agent });

let Local;
let database;
let server;
let replication;
let revision;

serve({
  async open({ path }) {
    mkdirSync(path, { recursive: true });
    Local = PouchDB.defaults({ prefix: `${path}/` });
    database = new Local(NAME);
    await database.info();
  },

  async fill(range) {
    for (const group of metricGroups(range, 1_000)) {
      const results = await database.bulkDocs(group.map(([_id, body]) => ({ _id, ...body })));
      const failed = results.find(({ error }) => error);
      if (failed !== undefined) throw failed;
    }
  },

  async listen() {
    // Here, so that a client does not carry a server in its memory.
    const [{ default: express }, { default: expressPouchDB }] = await Promise.all([
      import('express'),
      import('express-pouchdb'),
    ]);
    const app = express();
    app.use('/', expressPouchDB(Local, { mode: 'minimumForPouchDB' }));
    server = app.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return { url: `http://127.0.0.1:${server.address().port}/${NAME}` };
  },

  async replicate({ url }) {
    const { doc_write_failures: failures } = await database.replicate.to(remote(url), BATCHES);
    if (failures > 0) throw new Error(`${failures} documents were refused`);
  },

  async connect({ url }) {
    replication = database.replicate.to(remote(url), { ...BATCHES, live: true });
    await once(replication, 'paused');
  },

  async save({ value }) {
    const at = now();
    ({ rev: revision } = await database.put({ _id: ENGINE, _rev: revision, ...engine(value) }));
    return { at };
  },

  async watch() {
    database.changes({ live: true, since: 'now', doc_ids: [ENGINE] }).on('change', arrived);
  },

  async check({ count }) {
    const { rows } = await database.allDocs({ include_docs: true });
    checkMetrics(
      rows.map(({ doc }) => entry(doc)),
      count,
    );
  },

  async close() {
    replication?.cancel();
    server?.close();
    server?.closeAllConnections();
    await database.close();
  },
});

function entry({ _id: id, ...body }) {
  delete body._rev;
  return [id, body];
}

function remote(url) {
  return new PouchDB(url, { fetch: fetchOverOneConnection });
}
