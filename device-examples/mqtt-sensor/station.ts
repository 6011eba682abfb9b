/**
 * The station: waits at the broker for sensors, and stores what they push.
 *
 *   BROKER_URL=mqtts://… BROKER_PASSWORD=… SENSOR_PASSWORDS='{"weather":"…"}' STATION_FOLDER=… [BROKER_CA=/etc/ssl/broker.crt] \
 *     node --import tsx station.ts
 */
import { readFile } from 'node:fs/promises';
import { Database, ListenerPasswordAuthenticator } from 'hawser';
import { MqttEndpointListener } from 'hawser/mqtt';
import { passwordsSetting, setting, stopped, watchCount } from '../shared/program.js';

const authority = setting('BROKER_CA', '');
const broker = {
  ...{ url: setting('BROKER_URL'), username: 'station', clientId: 'station', password: setting('BROKER_PASSWORD') },
  ...(authority === '' ? {} : { trustedCertificates: await readFile(authority, 'utf8') }),
};
const passwords = passwordsSetting('SENSOR_PASSWORDS');
const database = await Database.open(setting('STATION_FOLDER'), { name: 'station' });
const readings = database.collection('readings');

const listener = new MqttEndpointListener({
  broker,
  collections: [readings],
  authenticator: ListenerPasswordAuthenticator.forUsers(passwords),
  authorize: () => [{ collection: readings, push: true }], // a sensor has nothing to read here
});
await listener.start();

// The certificate was made at the first start and lies beside the database: the fingerprint stays the same.
const { certificate } = (await listener.tlsIdentity()) ?? {};
console.log(`waits at the broker, fingerprint ${certificate?.fingerprint256}`);
watchCount('stored', readings);
await stopped;
await database.close(); // stops the listener first
