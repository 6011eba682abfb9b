/**
 * The bridge: what sensors push over the line is stored here.
 *
 *   SYNC_PORT=/dev/ttyUSB0 SYNC_BAUD_RATE=115200 BRIDGE_FOLDER=… SENSOR_PASSWORD=… node --import tsx bridge.ts
 */
import { join } from 'node:path';
import { Database, KeyStore, ListenerPasswordAuthenticator } from 'hawser';
import { SerialEndpointListener } from 'hawser/serial';
import { digests, onDigestOrder, report, setting, stopped } from './child.js';

const folder = setting('BRIDGE_FOLDER');
const database = await Database.open(folder, { name: 'bridge' });
const readings = await database.createCollection('readings');

// Made at the first start and kept, so that sensors which pinned its certificate still know it after a restart.
const keys = await KeyStore.open(join(folder, 'keys'));
const tlsIdentity =
  (await keys.identity('bridge')) ??
  (await keys.createIdentity('bridge', { keyUsages: ['serverAuth'], attributes: { commonName: 'bridge' } }));

const listener = new SerialEndpointListener({
  collections: [readings],
  path: setting('SYNC_PORT'),
  baudRate: Number(setting('SYNC_BAUD_RATE')),
  tlsIdentity,
  authenticator: ListenerPasswordAuthenticator.forUsers({ sensor: setting('SENSOR_PASSWORD') }),
});
listener.on('error', ({ code, message }) => console.error(`bridge: ${code}: ${message}`));
await listener.start();

report({ type: 'listening', fingerprint: tlsIdentity.certificate.fingerprint256 });
if (!process.connected) console.log(`listens, fingerprint ${tlsIdentity.certificate.fingerprint256}`);
readings.on('change', () => void readings.count().then((stored) => report({ type: 'stored', stored })));
onDigestOrder(() => digests(readings));
await stopped;
await database.close(); // stops the listener first
process.disconnect?.();
