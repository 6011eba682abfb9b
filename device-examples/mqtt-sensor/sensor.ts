/**
 * The sensor: saves what it measures, and wakes its radio now and then to push what has come up to the station, through a broker.
 * When nobody can be reached it sleeps on, and tries again when it wakes the next time.
 *
 *   SENSOR_NAME=weather BROKER_URL=mqtts://… BROKER_PASSWORD=… STATION_PASSWORD=… STATION_FINGERPRINT=… SENSOR_FOLDER=… \
 *     SENSOR_FILE=/sys/class/hwmon/hwmon0/temp1_input SENSOR_PATH=environment.outside.temperature [SENSOR_SCALE=0.001] \
 *     [SENSOR_OFFSET=273.15] [SENSOR_DEAD_BAND=0.1] [SENSOR_INTERVAL_MS=1000] [SLEEP_SECONDS=600] [BYTES_PER_SECOND=4000] \
 *     [BROKER_CA=/etc/ssl/broker.crt] node --import tsx sensor.ts
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { BasicAuthenticator, Database, Replicator } from 'hawser';
import { MqttEndpoint } from 'hawser/mqtt';
import { lastNumber, numberSetting, setting, stopping, watchCount } from '../shared/program.js';
import { changesOf } from '../shared/sensor-file.js';

const name = setting('SENSOR_NAME');
const path = setting('SENSOR_PATH');
const sensor = {
  path: setting('SENSOR_FILE'),
  scale: numberSetting('SENSOR_SCALE', { fallback: 0.001 }),
  offset: numberSetting('SENSOR_OFFSET', { fallback: 273.15 }),
  deadBand: numberSetting('SENSOR_DEAD_BAND', { from: 0, fallback: 0.1 }),
  intervalMs: numberSetting('SENSOR_INTERVAL_MS', { from: 10, fallback: 1_000 }),
};
const sleepMs = numberSetting('SLEEP_SECONDS', { from: 0.1, to: 86_400, fallback: 600 }) * 1_000;
const authority = setting('BROKER_CA', '');
const endpoint = new MqttEndpoint({
  peer: 'station',
  broker: {
    url: setting('BROKER_URL'),
    // Name and ID are the same: by them the broker holds a sensor to topics of its own.
    ...{ username: name, clientId: name, password: setting('BROKER_PASSWORD') },
    ...(authority === '' ? {} : { trustedCertificates: await readFile(authority, 'utf8') }),
  },
  maxBytesPerSecond: numberSetting('BYTES_PER_SECOND', { from: 300, fallback: 4_000 }),
});
const authenticator = new BasicAuthenticator(name, setting('STATION_PASSWORD')); // the broker does not see it
const pinnedServerFingerprint = setting('STATION_FINGERPRINT'); // nor can it pose as the station

const database = await Database.open(setting('SENSOR_FOLDER'), { fullSync: true }); // a power cut must not give a number twice
const readings = database.collection('readings');

/** Saves what changes, until the end. An ID is the sensor and a number that goes on where the last run ended. */
async function measure(): Promise<void> {
  let saved = await lastNumber(readings);
  for await (const value of changesOf(sensor, stopping)) {
    const rounded = Number(value.toFixed(3));
    const timestamp = new Date().toISOString(); // for people: clocks jump
    await readings.save(`${name}-${++saved}`, { $source: name, path, value: rounded, timestamp });
  }
}

/** Pushes what the station has not got. */
async function sync(): Promise<void> {
  const replicator = new Replicator({
    ...{ collections: [readings], target: endpoint, authenticator, pinnedServerFingerprint },
    ...{ type: 'push', maxAttempts: 1 },
  });
  const { size: waiting } = await replicator.pendingDocumentIDs(readings);
  if (waiting === 0) return; // nothing new: the radio stays off
  replicator.start();
  const error = await replicator.stopped();
  if (error === undefined) console.log(`awake: ${waiting} readings sent, ${endpoint.statistics?.sentBytes} bytes`);
  else console.log(`awake: the station cannot be reached (${error.code}), ${waiting} readings wait`);
}

watchCount('saved', readings);
const measured = measure();
while (!stopping.aborted) {
  await delay(sleepMs, undefined, { signal: stopping }).catch(() => measured);
  await sync(); // in the end once more
}
await database.close();
