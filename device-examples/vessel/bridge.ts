/**
 * The bridge: a database that sensor nodes replicate into, each over its own medium, with TLS and a password each, whatever the
 * medium. It forwards to the shore what has arrived, and passes on what the shore has written.
 *
 *   BRIDGE_FOLDER=… BRIDGE_PORT=4984 BRIDGE_BROKER=mqtt://… BRIDGE_SERIAL='{"path":"/dev/ttyUSB0","baudRate":115200}' \
 *     BRIDGE_PASSWORDS='{"weather":"…"}' SHORE_URL=wss://… SHORE_FINGERPRINT=… SHORE_PASSWORD=… [BRIDGE_ADDRESS=127.0.0.1] \
 *     node --import tsx bridge.ts
 */
import { setTimeout as delay } from 'node:timers/promises';
import { BasicAuthenticator, Database, isHawserError, ListenerPasswordAuthenticator, Replicator } from 'hawser';
import { MqttEndpointListener } from 'hawser/mqtt';
import { SerialEndpointListener, type SerialPortOptions } from 'hawser/serial';
import { URLEndpoint, URLEndpointListener } from 'hawser/websocket';
import { countByRole, ORDERS } from './collections.js';
import { writeDigests } from './compare.js';
import { leave, onOrder, report, setting, stopping } from './parent.js';
import { ROLES } from './readings.js';
import { stationIdentity } from './station-identity.js';
import { BRIDGE } from './target.js';

const RETRY_MS = 2_000;

const folder = setting('BRIDGE_FOLDER');
const database = await Database.open(folder, { name: BRIDGE });
const readings = await Promise.all(ROLES.map((role) => database.createCollection(role)));
const orders = await database.createCollection(ORDERS);

// The same on every medium: what is served, who may come in, and what the bridge is known by.
const tlsIdentity = await stationIdentity(folder, 'bridge');
const shared = {
  collections: [...readings, orders],
  authenticator: ListenerPasswordAuthenticator.forUsers(
    JSON.parse(setting('BRIDGE_PASSWORDS')) as Record<string, string>,
  ),
  tlsIdentity,
};

const network = new URLEndpointListener({
  ...shared,
  port: Number(setting('BRIDGE_PORT')),
  networkInterface: process.env['BRIDGE_ADDRESS'] ?? '127.0.0.1', // or eth0; 0.0.0.0 for every network
});
const broker = new MqttEndpointListener({ ...shared, broker: setting('BRIDGE_BROKER') });
const { BRIDGE_SERIAL: port = '' } = process.env;
const line = port === '' ? [] : [new SerialEndpointListener({ ...shared, ...(JSON.parse(port) as SerialPortOptions) })];
await Promise.all([network.start(), ...[broker, ...line].map((listener) => listen(listener))]);

/** Without the broker, or with an adapter that is not plugged in yet, the bridge is there for the others, and tries again. */
async function listen(listener: { start(): Promise<void> }): Promise<void> {
  try {
    await listener.start();
  } catch (error) {
    if (stopping.aborted) return;
    if (!isHawserError(error) || !error.retryable) throw error;
    console.error(`${error.code}: ${error.message}. ${error.hint}`);
    void delay(RETRY_MS, undefined, { signal: stopping }).then(
      () => listen(listener),
      () => undefined,
    );
  }
}

const toShore = new Replicator({
  collections: [...readings, orders],
  target: new URLEndpoint(setting('SHORE_URL')),
  continuous: true,
  authenticator: new BasicAuthenticator('bridge', setting('SHORE_PASSWORD')),
  pinnedServerFingerprint: setting('SHORE_FINGERPRINT'),
});
toShore.start();

// From here on it is a demo: somebody watches.

const { fingerprint256: fingerprint } = tlsIdentity.certificate;
report({ type: 'listening', url: network.urls[0] ?? '', port: network.port, fingerprint });
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

await database.close(); // stops the listeners and the replicator first
leave();
