/**
 * What the job costs at least: batches of JSON over `ws` into SQLite on both sides, written by hand. The text goes from
 * one SQLite to the other without being parsed here. No revisions, no conflicts, no deletions, no resuming, no security.
 */
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { promisify } from 'node:util';
import sqlite3 from 'sqlite3';
import { WebSocket, WebSocketServer } from 'ws';
import { checkMetrics, metricGroups } from './documents.mjs';
import { serve } from './process.mjs';

const PER_BATCH = 1_000;
/** So that one batch is written while others are read and under way. */
const BATCHES_IN_FLIGHT = 4;

const INSERT = `INSERT INTO documents (id, body) SELECT value->>0, value->1 FROM json_each(?)
  WHERE true ON CONFLICT (id) DO UPDATE SET body = excluded.body`;
const BATCH_AFTER = `SELECT max(sequence) AS last, json_group_array(json_array(id, json(body))) AS batch
  FROM (SELECT * FROM documents WHERE sequence > ? ORDER BY sequence LIMIT ${PER_BATCH})`;

let database;
let run;
let all;
let server;

serve({
  async open({ path }) {
    mkdirSync(path, { recursive: true });
    database = new sqlite3.Database(`${path}/documents.sqlite3`);
    run = promisify(database.run.bind(database));
    all = promisify(database.all.bind(database));
    await run('PRAGMA journal_mode = WAL');
    await run('PRAGMA synchronous = NORMAL');
    await run(
      'CREATE TABLE IF NOT EXISTS documents (sequence INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, body TEXT NOT NULL)',
    );
  },

  async fill(range) {
    for (const group of metricGroups(range, PER_BATCH)) await run(INSERT, JSON.stringify(group));
  },

  async listen() {
    server = new WebSocketServer({ host: '127.0.0.1', port: 0, maxPayload: 16 * 1024 * 1024 });
    server.on('connection', (socket) => {
      socket.on('message', async (batch) => {
        await run(INSERT, batch.toString());
        socket.send('stored');
      });
    });
    await once(server, 'listening');
    return { url: `ws://127.0.0.1:${server.address().port}` };
  },

  async replicate({ url }) {
    const socket = new WebSocket(url);
    await once(socket, 'open');
    let inFlight = 0;
    socket.on('message', () => inFlight--);
    for (let after = 0; ;) {
      const [{ last, batch }] = await all(BATCH_AFTER, after);
      if (last === null) break;
      socket.send(batch);
      inFlight++;
      after = last;
      while (inFlight >= BATCHES_IN_FLIGHT) await once(socket, 'message');
    }
    while (inFlight > 0) await once(socket, 'message');
    socket.close();
  },

  async check({ count }) {
    const rows = await all('SELECT id, body FROM documents');
    checkMetrics(
      rows.map(({ id, body }) => [id, JSON.parse(body)]),
      count,
    );
  },

  async close() {
    server?.close();
    await promisify(database.close.bind(database))();
  },
});
