/** What a peer process does with its database: documents made, written, read and waited for. */
import { randomBytes } from 'node:crypto';
import { Blob, Database } from 'hawser';
import { now, timed } from './command-loop.mjs';
import { engineState, metric } from './documents.mjs';
import { peer } from './peer-state.mjs';

/** Documents that are expected, and when each was seen to change; undefined until it has. */
let expected = new Map();
let allArrived = () => undefined;

export const databaseCommands = {
  /** Resolves to how long the opening took, the loading of the SQLite driver included. */
  async open({ path, ...options }) {
    const { seconds } = await timed(async () => {
      peer.database = await Database.open(path, options);
    });
    peer.collection = await peer.database.createCollection('metrics');
    return { milliseconds: seconds * 1e3 };
  },

  async close() {
    await peer.database.close();
  },

  async count() {
    return { count: await peer.collection.count() };
  },

  /** Saves readings as fast as it goes. Resolves to how many bytes of JSON they are. */
  async fill({ count, first = 0 }) {
    let bytes = 0;
    for (let index = first; index < first + count; index += BATCH) {
      const readings = readingsFrom(index, Math.min(BATCH, first + count - index));
      await Promise.all(readings.map((reading) => peer.collection.save(...reading)));
      for (const reading of readings) bytes += JSON.stringify(reading).length;
    }
    return { bytes };
  },

  /** Saves documents with a photograph each: random bytes, of a type that is taken to be packed already. */
  async fillBlobs({ count, bytes }) {
    for (let index = 0; index < count; index++) {
      const photo = new Blob('image/jpeg', randomBytes(bytes));
      await peer.collection.save(`photo-${index}`, { index, photo });
    }
  },

  /** How many bytes of content of the documents' blobs are here. */
  async blobBytes() {
    let bytes = 0;
    for await (const { body } of peer.collection.documents())
      bytes += (await peer.database.getBlob(body.photo))?.length ?? 0;
    return { bytes };
  },

  /** Saves one document; resolves to when it was asked for and when it had been committed. */
  async save({ id, body }) {
    const askedAt = now();
    await peer.collection.save(id, body);
    return { askedAt, at: now() };
  },

  /** The same for the 2 KB of an engine. */
  async saveState({ index, change }) {
    const [id, body] = engineState(index, change);
    return databaseCommands.save({ id, body });
  },

  async saveStates({ count }) {
    const states = Array.from({ length: count }, (_, index) => engineState(index, 0));
    await Promise.all(states.map((state) => peer.collection.save(...state)));
  },

  /** From now on it is noted when a document changes that is expected. */
  async watch() {
    peer.collection.on('change', ({ documentIDs }) => {
      for (const id of documentIDs) if (expected.has(id) && expected.get(id) === undefined) expected.set(id, now());
      if (![...expected.values()].includes(undefined)) allArrived();
    });
  },

  /** Expects the next change of each of these documents. */
  async expect({ ids }) {
    expected = new Map(ids.map((id) => [id, undefined]));
  },

  /** Resolves as soon as all have changed that are expected, to when each did. */
  async arrivals() {
    if ([...expected.values()].includes(undefined)) await new Promise((resolve) => (allArrived = resolve));
    return { at: Object.fromEntries(expected) };
  },

  /** One awaited save after the other. */
  saveOneByOne({ count }) {
    return timed(async () => {
      for (let index = 0; index < count; index++) await peer.collection.save(...metric(index));
    });
  },

  /** So many saves under way all the time. */
  saveConcurrently({ count, width }) {
    return timed(() => concurrently(count, width, (index) => peer.collection.save(...metric(index))));
  },

  saveInBatches({ count, size }) {
    return timed(async () => {
      for (let first = 0; first < count; first += size)
        await peer.database.inBatch(async (batch) => {
          const metrics = batch.collection('metrics');
          const readings = readingsFrom(first, Math.min(size, count - first));
          await Promise.all(readings.map((reading) => metrics.save(...reading)));
        });
    });
  },

  /** Gets by key in an order that is not that of the saves, so many at a time. */
  getConcurrently({ count, width }) {
    return timed(() =>
      concurrently(count, width, async (turn) => mustBeThere(await peer.collection.get(scatteredID(turn, count)))),
    );
  },

  getMany({ count, size }) {
    return timed(async () => {
      for (let first = 0; first < count; first += size) {
        const length = Math.min(size, count - first);
        const ids = Array.from({ length }, (_, index) => scatteredID(first + index, count));
        for (const document of await peer.collection.getMany(ids)) mustBeThere(document);
      }
    });
  },

  walkChanges({ count }) {
    return timed(async () => {
      let seen = 0;
      for await (const { documentID } of peer.collection.changes()) {
        mustBeThere(documentID);
        if (++seen === count) break;
      }
    });
  },
};

/** Documents saved at once: no more are committed together. */
const BATCH = 1000;

function readingsFrom(first, count) {
  return Array.from({ length: count }, (_, index) => metric(first + index));
}

/** Calls `work` with every number below `count`, `width` calls at a time. */
async function concurrently(count, width, work) {
  let next = 0;
  const worker = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: width }, worker));
}

/** Every document once, each far from the one before; `count` must not be a multiple of 7,919. */
function scatteredID(turn, count) {
  return metric((turn * 7919) % count)[0];
}

function mustBeThere(found) {
  if (found === undefined) throw new Error('a document is missing');
}
