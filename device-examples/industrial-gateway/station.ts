/**
 * The station: what gateways push is stored here.
 *
 *   STATION_FOLDER=… GATEWAY_PASSWORD=… [STATION_ADDRESS=127.0.0.1] [STATION_PORT=4984] node --import tsx station.ts
 */
import { Database, ListenerPasswordAuthenticator } from 'hawser';
import { URLEndpointListener } from 'hawser/websocket';
import { numberSetting, setting, stopped, watchCount } from '../shared/program.js';

const options = {
  networkInterface: setting('STATION_ADDRESS', '127.0.0.1'), // or eth0; 0.0.0.0 for every network
  port: numberSetting('STATION_PORT', { from: 0, to: 65_535, fallback: 4984 }),
  authenticator: ListenerPasswordAuthenticator.forUsers({ gateway: setting('GATEWAY_PASSWORD') }),
};
const database = await Database.open(setting('STATION_FOLDER'), { name: 'station' });
const readings = database.collection('readings');

const listener = new URLEndpointListener({
  ...options,
  collections: [readings],
  authorize: () => [{ collection: readings, push: true }], // a gateway has nothing to read here
});
await listener.start();

// The certificate was made at the first start and lies beside the database: the fingerprint stays the same.
console.log(`listens on ${listener.urls[0]}, fingerprint ${listener.tlsIdentity?.certificate.fingerprint256}`);
watchCount('stored', readings);
await stopped;
await database.close(); // stops the listener first
