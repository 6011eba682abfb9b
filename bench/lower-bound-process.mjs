/**
 * What an expert would write by hand for one push of these documents and for nothing else: the bound that hawser is compared
 * with. The sender reads its documents in pages that SQLite has already put together as JSON, and sends each as one text over
 * `ws`; the receiver stores it with one statement, which is a transaction, and acknowledges it after the commit. A few pages are
 * under way at a time. The sender keeps in its own SQLite how far it is, so both sides may be killed at any moment.
 */
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import sqlite3 from 'sqlite3';
import { WebSocket, WebSocketServer } from 'ws';
import { now, obey } from './command-loop.mjs';
import { metric } from './documents.mjs';

/** Documents in a message, and messages on their way: more of either gain nothing. */
const PAGE = 500;
const WINDOW = 4;

const SETUP = `
  PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 4000;
  CREATE TABLE IF NOT EXISTS documents(sequence INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, body TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS position(key INTEGER PRIMARY KEY, sequence INTEGER NOT NULL);
  INSERT OR IGNORE INTO position VALUES (0, 0);`;
/** A page is one object: bodies by ID. Bodies are taken as they are, never parsed and printed again. */
const READ_PAGE = `
  SELECT max(sequence) AS last, '{' || group_concat(json_quote(id) || ':' || body) || '}' AS page
  FROM (SELECT sequence, id, body FROM documents WHERE sequence > ? ORDER BY sequence LIMIT ${PAGE})`;
const STORE_PAGE = `
  INSERT INTO documents(id, body) SELECT key, value FROM json_each(?) WHERE true
  ON CONFLICT(id) DO UPDATE SET body = excluded.body`;
/** TLS and compression are off, and text is trusted to be text. */
const WEB_SOCKET = { perMessageDeflate: false, skipUTF8Validation: true };

let database;

obey({
  async open({ path }) {
    mkdirSync(path, { recursive: true });
    database = new sqlite3.Database(join(path, 'documents.sqlite3'));
    await call(database, 'exec', SETUP);
  },

  async close() {
    await call(database, 'close');
  },

  async fill({ count }) {
    for (let first = 0; first < count; first += PAGE) {
      const readings = Array.from({ length: Math.min(PAGE, count - first) }, (_, index) => metric(first + index));
      await call(database, 'run', STORE_PAGE, JSON.stringify(Object.fromEntries(readings)));
    }
  },

  async listen() {
    const store = database.prepare(STORE_PAGE);
    const server = new WebSocketServer({ ...WEB_SOCKET, host: '127.0.0.1', port: 0 });
    server.on('connection', (socket) => {
      socket.on('message', async (page) => {
        await call(store, 'run', page.toString());
        socket.send('stored');
      });
    });
    await once(server, 'listening');
    return { port: server.address().port };
  },

  /** Sends everything that the receiver has not acknowledged yet. */
  async replicate({ target }) {
    const startedAt = now();
    const socket = new WebSocket(target.url, WEB_SOCKET);
    await once(socket, 'open');
    const read = database.prepare(READ_PAGE);
    const keep = database.prepare('UPDATE position SET sequence = ? WHERE key = 0');
    let [{ sequence }] = await call(database, 'all', 'SELECT sequence FROM position');
    /** The last sequences of the pages on their way, and how to go on when one has been acknowledged. */
    const underWay = [];
    let acknowledged = () => undefined;
    let kept;
    socket.on('message', () => {
      kept = call(keep, 'run', underWay.shift());
      acknowledged();
    });
    const untilAtMost = async (pages) => {
      while (underWay.length > pages) await new Promise((resolve) => (acknowledged = resolve));
    };
    for (;;) {
      const [{ last, page }] = await call(read, 'all', sequence);
      if (last === null) break;
      await untilAtMost(WINDOW - 1);
      socket.send(page);
      underWay.push(last);
      sequence = last;
    }
    await untilAtMost(0);
    await kept;
    const endedAt = now();
    socket.terminate();
    return { startedAt, endedAt };
  },

  async count() {
    const [row] = await call(database, 'all', 'SELECT count(*) AS count FROM documents');
    return row;
  },
});

/** A call of sqlite3 as a promise. */
function call(target, method, ...parameters) {
  return new Promise((resolve, reject) => {
    target[method](...parameters, (error, rows) => (error ? reject(error) : resolve(rows)));
  });
}
