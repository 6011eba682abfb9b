/**
 * Yjs 13 with y-websocket, and y-leveldb on both sides: documents in a Y.Map of a Y.Doc. A reading is a plain object
 * there, which is smallest and fastest; the document that changes is a Y.Map itself, so that only the field is sent.
 */
import { once } from 'node:events';
import { docs, getYDoc, setPersistence, setupWSConnection } from '@y/websocket-server/utils';
import { WebSocket, WebSocketServer } from 'ws';
import { LeveldbPersistence } from 'y-leveldb';
import { WebsocketProvider } from 'y-websocket';
import { applyUpdate, encodeStateAsUpdate, Map as SharedMap } from 'yjs';
import { checkMetrics, engine, ENGINE, metricGroups } from './documents.mjs';
import { arrived, now, serve } from './process.mjs';

const MAP = 'metrics';
const PER_TRANSACTION = 500;

let persistence;
/** A client's name for the document, and the document; a server has one for each room that somebody entered. */
let room;
let doc;
/** The last write to disk. y-leveldb writes one after the other, so all earlier ones are over when it is. */
let stored;
let wakeReceiver = () => undefined;
let server;
let provider;

serve({
  /** With `ownRooms` each client has a document of its own, otherwise all share one. */
  async open({ path, name, ownRooms = false }) {
    persistence = new LeveldbPersistence(path);
    room = ownRooms ? name : 'shared';
    doc = await persistence.getYDoc(room);
    doc.on('update', (update) => store(room, update));
  },

  async fill(range) {
    for (const group of metricGroups(range, PER_TRANSACTION)) {
      doc.transact(() => {
        for (const [id, body] of group) doc.getMap(MAP).set(id, body);
      });
    }
    await stored;
  },

  async listen() {
    setPersistence({ bindState, writeState: async () => stored });
    server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    server.on('connection', setupWSConnection);
    await once(server, 'listening');
    return { url: `ws://127.0.0.1:${server.address().port}` };
  },

  /** Until the link is up. What is sent over it is not acknowledged: that all has arrived, the server alone knows. */
  async replicate({ url }) {
    await connect(url);
  },

  async received({ count }) {
    const held = () => [...docs.values()].reduce((sum, shared) => sum + shared.getMap(MAP).size, 0);
    while (held() < count) await new Promise((resolve) => (wakeReceiver = resolve));
    await stored;
  },

  async connect({ url }) {
    await connect(url);
  },

  async save({ value }) {
    const at = now();
    const saved = doc.getMap(MAP).get(ENGINE);
    if (saved === undefined) doc.getMap(MAP).set(ENGINE, new SharedMap(Object.entries(engine(value))));
    else saved.set('rpm', value);
    await stored;
    return { at };
  },

  async watch() {
    getYDoc(room).getMap(MAP).observeDeep(arrived);
  },

  async check({ count }) {
    const rooms = await persistence.getAllDocNames();
    const opened = await Promise.all(rooms.map((name) => persistence.getYDoc(name)));
    checkMetrics(
      opened.flatMap((shared) => [...shared.getMap(MAP).entries()]),
      count,
    );
  },

  async close() {
    provider?.destroy();
    for (const client of server?.clients ?? []) client.terminate();
    server?.close();
    await stored;
    await persistence.destroy();
  },
});

/** As the server of y-websocket does it; but it listens at once, so that nothing that comes in meanwhile is lost. */
async function bindState(name, shared) {
  store(name, encodeStateAsUpdate(shared));
  shared.on('update', (update) => store(name, update));
  applyUpdate(shared, encodeStateAsUpdate(await persistence.getYDoc(name)));
}

function store(name, update) {
  stored = persistence.storeUpdate(name, update);
  wakeReceiver();
}

async function connect(url) {
  provider = new WebsocketProvider(url, room, doc, { WebSocketPolyfill: WebSocket, disableBc: true });
  while (!provider.wsconnected) await new Promise((resolve) => provider.once('status', resolve));
}
