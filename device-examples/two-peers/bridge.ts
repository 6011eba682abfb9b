/**
 * The bridge: whoever has the password may sync with it, over TLS.
 *
 *   PASSWORD=… [BRIDGE_FOLDER=bridge-data] [BRIDGE_ADDRESS=127.0.0.1] [BRIDGE_PORT=4984] node --import tsx bridge.ts
 */
import { Database, ListenerPasswordAuthenticator } from 'hawser';
import { URLEndpointListener } from 'hawser/websocket';

const {
  PASSWORD = '',
  BRIDGE_FOLDER = 'bridge-data',
  BRIDGE_ADDRESS = '127.0.0.1',
  BRIDGE_PORT = '4984',
} = process.env;
if (PASSWORD === '') {
  console.error('PASSWORD is not set: the first lines of bridge.ts tell the settings');
  process.exit(2);
}
const database = await Database.open(BRIDGE_FOLDER, { name: 'vessel' });
const metrics = database.collection('metrics');

const listener = new URLEndpointListener({
  collections: [metrics],
  networkInterface: BRIDGE_ADDRESS, // or eth0; 0.0.0.0 for every network
  port: Number(BRIDGE_PORT),
  authenticator: ListenerPasswordAuthenticator.forUsers({ 'engine-room': PASSWORD }),
});
await listener.start();
console.log(`listens on ${listener.urls[0]}, fingerprint ${listener.tlsIdentity?.certificate.fingerprint256}`);

metrics.on('change', ({ documentIDs }) => console.log(`${documentIDs.join(', ')}: here`));
if ((await metrics.get('limit')) === undefined) {
  await metrics.save('limit', { path: 'propulsion.main.revolutions', upper: 30 }); // Hz, for the engine room
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void database.close()); // the listener stops first
