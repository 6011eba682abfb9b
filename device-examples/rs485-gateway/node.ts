/**
 * A node on the bus: saves what its sensor measures, whether the gateway asks it or not, and pushes it when it has the turn.
 *
 *   BUS_PORT=/dev/ttyS1 BUS_BAUD_RATE=115200 NODE_ADDRESS=1 NODE_PASSWORD=… GATEWAY_FINGERPRINT=… NODE_FOLDER=… \
 *     SENSOR_FILE=/sys/bus/iio/devices/iio:device0/in_voltage0_raw SENSOR_PATH=tanks.freshWater.1.currentLevel \
 *     [SENSOR_SCALE=1] [SENSOR_OFFSET=0] [SENSOR_DEAD_BAND=0.001] [SENSOR_INTERVAL_MS=1000] node --import tsx node.ts
 */
import { BasicAuthenticator, Database, Replicator } from 'hawser';
import { SerialEndpoint } from 'hawser/serial';
import { flush, lastNumber, numberSetting, setting, stopping, watchCount, watchLink } from '../shared/program.js';
import { changesOf } from '../shared/sensor-file.js';

const address = numberSetting('NODE_ADDRESS', { from: 1, to: 32 });
const name = `node-${address}`;
const path = setting('SENSOR_PATH');
const sensor = {
  path: setting('SENSOR_FILE'),
  scale: numberSetting('SENSOR_SCALE', { fallback: 1 }),
  offset: numberSetting('SENSOR_OFFSET', { fallback: 0 }),
  deadBand: numberSetting('SENSOR_DEAD_BAND', { from: 0, fallback: 0.001 }),
  intervalMs: numberSetting('SENSOR_INTERVAL_MS', { from: 10, fallback: 1_000 }),
};
const endpoint = new SerialEndpoint({
  path: setting('BUS_PORT'),
  baudRate: numberSetting('BUS_BAUD_RATE', { from: 1_200, fallback: 115_200 }),
  address,
  peer: 'gateway',
});
const authenticator = new BasicAuthenticator(name, setting('NODE_PASSWORD'));
const pinnedServerFingerprint = setting('GATEWAY_FINGERPRINT'); // nobody else on the bus can pose as the gateway

const database = await Database.open(setting('NODE_FOLDER'), { fullSync: true }); // a power cut must not give a number twice
const readings = database.collection('readings');
// An ID is the node and a number that goes on where the last run ended: two nodes never save the same, and clocks may jump.
let saved = await lastNumber(readings);
console.log(`has ${await readings.count()} readings`);

const replicator = new Replicator({
  ...{ collections: [readings], target: endpoint, authenticator, pinnedServerFingerprint },
  ...{ type: 'push', continuous: true },
});
watchLink(replicator, 'gateway');
watchCount('saved', readings);
replicator.start();

for await (const value of changesOf(sensor, stopping)) {
  // The time by the clock of the node is for people. Nothing is ordered by it.
  await readings.save(`${name}-${++saved}`, { $source: name, path, value, timestamp: new Date().toISOString() });
}
await flush(replicator, readings);
await database.close(); // stops the replicator first
