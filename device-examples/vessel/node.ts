/**
 * A sensor node. It saves each reading of its instruments as a document and replicates continuously with the bridge, over
 * whatever medium it has. It saves whether the bridge is there or not: what the bridge missed is pushed when it is back.
 *
 *   NODE_TARGET='{"over":"wss","url":"wss://…"}' BRIDGE_FINGERPRINT=… NODE_PASSWORD=… NODE_FOLDER=… NMEA_LOG=… NMEA_COUNT=… \
 *     NMEA_RATE=… node --import tsx node.ts weather
 */
import { BasicAuthenticator, Database, Replicator, type Document } from 'hawser';
import { ORDERS } from './collections.js';
import { appendDigests, writeDigests } from './compare.js';
import { numberOf, pushAndForget } from './forget.js';
import { leave, onOrder, report, setting, stopped, stopping } from './parent.js';
import { parseRole, type Reading, type Role } from './readings.js';
import { replay, type Pace } from './replay.js';
import { endpointOf, type Target } from './target.js';
import { isHeadline } from './units.js';

/** What a document holds. */
interface Telemetry extends Reading {
  readonly type: 'telemetry';
  readonly node: Role;
  /** By the clock of the node: for people, never to order readings or to tell them apart. */
  readonly receivedAt: string;
}

const node = parseRole(process.argv[2]);
const database = await Database.open(setting('NODE_FOLDER'), { fullSync: true }); // a power cut must not give a number twice
const readings = await database.createCollection<Telemetry>(node);
const orders = await database.createCollection(ORDERS);
const target = JSON.parse(setting('NODE_TARGET')) as Target;
const endpoint = endpointOf(target);

const replicator = new Replicator({
  collections: [readings, orders],
  target: endpoint,
  continuous: true,
  authenticator: new BasicAuthenticator(node, setting('NODE_PASSWORD')),
  pinnedServerFingerprint: setting('BRIDGE_FINGERPRINT'), // nobody else can pose as the bridge, on no medium
});
replicator.on('status', ({ activity, error }) => report({ type: 'link', activity, reason: error?.code }));
replicator.on('documents', ({ documents }) => {
  for (const { id, error } of documents) if (error !== undefined) console.error(`${id}: ${error.message}`);
});
// Seconds that a reading stays here after it was pushed; without it, for ever.
const keep = process.env['NODE_KEEP_SECONDS'];
const forgetting = keep === undefined ? undefined : await pushAndForget(readings, replicator, Number(keep));
replicator.start();
void replicator.stopped().then((error) => {
  if (error === undefined) return;
  console.error(`${error.code}: ${error.message}. ${error.hint}`);
  process.exit(1);
});

// An ID is the source of a reading and a number that goes on where the last run ended. Not the time: clocks jump.
let saved = 0;
for await (const { id } of readings.documents()) saved = Math.max(saved, numberOf(id));

async function save(batch: readonly Reading[]): Promise<readonly Document<Telemetry>[]> {
  const receivedAt = new Date().toISOString();
  // All at once: hawser writes them in one transaction, and each promise resolves when its document is on disk.
  const documents = await Promise.all(
    batch.map((reading, index) => {
      const id = `${reading.$source}-${saved + index + 1}`;
      return readings.save(id, { type: 'telemetry', node, ...reading, receivedAt });
    }),
  );
  saved += batch.length;
  forgetting?.saved(documents.map(({ id }) => id));
  return documents;
}

// From here on it is a demo: a log instead of instruments, and somebody who watches.

const log = setting('NMEA_LOG');
const count = Number(setting('NMEA_COUNT'));
const rate = Number(setting('NMEA_RATE'));
const total = saved + count;
// Where the digests of all that was ever saved are kept, when documents are not.
const journal = process.env['NODE_JOURNAL'];
if (journal !== undefined) await appendDigests(journal, readings, readings.documents());

report({ type: 'saved', saved, total, latest: undefined });
const figures = setInterval(() => {
  void tellKept();
  const { statistics } = endpoint;
  if (statistics === undefined) return;
  const { roundTripMs, retransmissions, sentBytes } = statistics;
  report({ type: 'figures', over: target.over, roundTripMs, retransmissions, sentBytes, at: performance.now() });
}, 500);
onOrder(async (order) => {
  if (order.type === 'go-on') return goOn(order.rate);
  if (order.type === 'pause') return paused.abort();
  await writeDigests(order.file, [readings, orders]);
  report({ type: 'digests-written' });
});

async function tellKept(): Promise<void> {
  if (forgetting === undefined) return;
  report({ type: 'kept', documents: await readings.count(), returned: forgetting.returned });
}

async function play(pace: Pace): Promise<void> {
  for await (const batch of replay(log, node, pace)) {
    const documents = await save(batch);
    if (journal !== undefined) await appendDigests(journal, readings, documents);
    report({ type: 'saved', saved, total: Math.max(saved, total), latest: batch.filter(isHeadline).at(-1) });
  }
}

let paused = new AbortController();
let played = play({ count, rate, signal: stopping });

/** Plays the log again and again until it is told to pause. One play at a time: they count on from each other. */
async function goOn(rate: number): Promise<void> {
  paused.abort();
  paused = new AbortController();
  const signal = AbortSignal.any([stopping, paused.signal]);
  await played;
  played = (async () => {
    for (let before = -1; !signal.aborted && saved > before;) {
      before = saved;
      await play({ count: Infinity, rate, signal });
    }
  })();
  await played;
}

await played;
await stopped;
clearInterval(figures);
await database.close(); // stops the replicator first
leave();
