/** RxDB with its replication over WebSocket, in memory on both sides: no free storage of its keeps files under Node. */
import { createRxDatabase } from 'rxdb/plugins/core';
import { replicateWithWebsocketServer, startWebsocketServer } from 'rxdb/plugins/replication-websocket';
import { getRxStorageMemory } from 'rxdb/plugins/storage-memory';
import { once } from 'node:events';
import { checkMetrics, engine, ENGINE, metricGroups } from './documents.mjs';
import { arrived, now, serve } from './process.mjs';

const BATCH_SIZE = 1_000;
/** Both kinds of document; nothing validates it. */
const SCHEMA = {
  version: 0,
  primaryKey: 'id',
  type: 'object',
  properties: { id: { type: 'string', maxLength: 40 }, type: { type: 'string' }, rpm: { type: 'number' } },
};

let database;
let collection;
let replication;

serve({
  async open() {
    const storage = getRxStorageMemory();
    database = await createRxDatabase({ name: 'metrics', storage, multiInstance: false });
    ({ metrics: collection } = await database.addCollections({ metrics: { schema: SCHEMA } }));
  },

  async fill(range) {
    for (const group of metricGroups(range, 1_000)) {
      const { error } = await collection.bulkInsert(group.map(([id, body]) => ({ id, ...body })));
      if (error.length > 0) throw new Error(`${error.length} documents were refused`);
    }
  },

  async listen() {
    const { server } = startWebsocketServer({ database, port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    return { url: `ws://127.0.0.1:${server.address().port}/` };
  },

  async replicate({ url }) {
    await replicateTo(url, false);
  },

  async connect({ url }) {
    await replicateTo(url, true);
  },

  async save({ value }) {
    const at = now();
    await collection.upsert({ id: ENGINE, ...engine(value) });
    return { at };
  },

  async watch() {
    collection.$.subscribe(({ documentId }) => {
      if (documentId === ENGINE) arrived();
    });
  },

  async check({ count }) {
    const documents = await collection.find().exec();
    checkMetrics(
      documents.map((document) => entry(document.toJSON())),
      count,
    );
  },

  async close() {
    await replication?.cancel();
    await database.close();
  },
});

async function replicateTo(url, live) {
  replication = await replicateWithWebsocketServer({
    ...{ collection, url, live, batchSize: BATCH_SIZE, replicationIdentifier: 'bench' },
  });
  const failed = new Promise((_, reject) => replication.error$.subscribe(reject));
  await Promise.race([replication.awaitInitialReplication(), failed]);
}

function entry({ id, ...body }) {
  return [id, body];
}
