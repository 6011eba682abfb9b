/**
 * The shore: what the bridge forwards arrives here, and the orders that are written here reach every node.
 *
 *   SHORE_FOLDER=… SHORE_PORT=4985 SHORE_PASSWORD=… [SHORE_ADDRESS=127.0.0.1] node --import tsx shore.ts
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Database, ListenerPasswordAuthenticator } from 'hawser';
import { URLEndpointListener } from 'hawser/websocket';
import { countByRole, ORDERS } from './collections.js';
import { writeDigests } from './compare.js';
import { leave, onOrder, report, setting, stopping } from './parent.js';
import { ROLES } from './readings.js';
import { stationIdentity } from './station-identity.js';

const folder = setting('SHORE_FOLDER');
const database = await Database.open(folder, { name: 'shore' });
const readings = await Promise.all(ROLES.map((role) => database.createCollection(role)));
const orders = await database.createCollection(ORDERS);
const tlsIdentity = await stationIdentity(folder, 'shore');

const listener = new URLEndpointListener({
  collections: [...readings, orders],
  port: Number(setting('SHORE_PORT')),
  networkInterface: process.env['SHORE_ADDRESS'] ?? '127.0.0.1', // or eth0; 0.0.0.0 for every network
  tlsIdentity,
  authenticator: ListenerPasswordAuthenticator.forUsers({ bridge: setting('SHORE_PASSWORD') }),
});
await listener.start();

for (const [id, text] of Object.entries({ course: 'Make for Gdynia', speed: 'No more than 7 knots', call: 'VHF 71' })) {
  if ((await orders.get(id)) === undefined) await orders.save(id, { type: 'order', text });
}

// From here on it is a demo: somebody watches.

const { fingerprint256: fingerprint } = tlsIdentity.certificate;
report({ type: 'listening', url: listener.urls[0] ?? '', port: listener.port, fingerprint });
if (!process.connected) console.log(`listens, fingerprint ${fingerprint}`);
onOrder(async (order) => {
  if (order.type !== 'write-digests') return;
  await writeDigests(order.file, [...readings, orders]);
  report({ type: 'digests-written' });
});

while (!stopping.aborted) {
  if (process.connected) report({ type: 'stored', counts: await countByRole(readings) });
  await delay(200, undefined, { signal: stopping }).catch(() => undefined);
}

await database.close(); // stops the listener first
leave();
