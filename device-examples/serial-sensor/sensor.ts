/**
 * The sensor node: NMEA 0183 comes in on one serial port, documents go out over another. It saves whether the bridge can be reached
 * or not.
 *
 *   NMEA_PORT=/dev/ttyUSB0 SYNC_PORT=/dev/ttyUSB1 SYNC_BAUD_RATE=115200 SENSOR_FOLDER=… SENSOR_PASSWORD=… BRIDGE_FINGERPRINT=… \
 *     node --import tsx sensor.ts
 */
import { Parser } from '@signalk/nmea0183-signalk';
import { BasicAuthenticator, Database, Replicator } from 'hawser';
import { SerialEndpoint } from 'hawser/serial';
import { digests, onDigestOrder, report, setting, stopping } from './child.js';
import { nmeaLines } from './nmea-port.js';

/** What a document holds: a path of Signal K and its value in SI units. */
interface Reading {
  readonly type: 'telemetry';
  readonly path: string;
  readonly value: unknown;
}

const database = await Database.open(setting('SENSOR_FOLDER'), { fullSync: true }); // a power cut must not give a number twice
const readings = await database.createCollection<Reading>('readings');
const endpoint = new SerialEndpoint({
  path: setting('SYNC_PORT'),
  baudRate: Number(setting('SYNC_BAUD_RATE')),
  peer: 'bridge',
});

const replicator = new Replicator({
  collections: [readings],
  target: endpoint,
  type: 'push',
  continuous: true,
  authenticator: new BasicAuthenticator('sensor', setting('SENSOR_PASSWORD')),
  pinnedServerFingerprint: setting('BRIDGE_FINGERPRINT'), // nobody else on the line can pose as the bridge
});
replicator.on('status', ({ activity, error }) => report({ type: 'link', activity, reason: error?.code }));
replicator.start();
void replicator.stopped().then((error) => {
  if (error === undefined) return;
  console.error(`${error.code}: ${error.message}. ${error.hint}`);
  process.exit(1);
});

// An ID is a number that goes on where the last run ended. Not the time: most sentences carry none, and clocks jump.
let saved = 0;
for await (const { id } of readings.documents()) saved = Math.max(saved, Number(/-(\d+)$/.exec(id)?.[1] ?? 0));
const parser = new Parser();
let heard = 0;

onDigestOrder(() => digests(readings));
for await (const line of nmeaLines(setting('NMEA_PORT'), stopping)) {
  const values = valuesOf(line);
  await Promise.all(
    values.map(({ path, value }) => readings.save(`reading-${++saved}`, { type: 'telemetry', path, value })),
  );
  if (values.length === 0) continue;
  const { roundTripMs, retransmissions = 0 } = endpoint.statistics ?? {};
  report({ type: 'saved', heard: ++heard, saved, roundTripMs, retransmissions });
}
await database.close(); // stops the replicator first
process.disconnect?.();

/** What a sentence says; nothing if it is damaged, for its checksum tells. */
function valuesOf(line: string): { readonly path: string; readonly value: unknown }[] {
  const sentence = /[$!].*$/.exec(line)?.[0];
  if (sentence === undefined) return [];
  try {
    const delta = parser.parse(sentence);
    const values = delta?.updates.flatMap((update) => update.values) ?? [];
    return values.filter(({ value }) => value !== null && value !== undefined);
  } catch {
    return [];
  }
}
