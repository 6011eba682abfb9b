/**
 * The bridge: a database that sensor nodes replicate into, over TLS and with a password each. Its identity is made at the
 * first start and kept in a key store, so that nodes which pinned its certificate still know it after a restart.
 *
 *   BRIDGE_FOLDER=… BRIDGE_PORT=4984 BRIDGE_PASSWORDS='{"weather":"…"}' node --import tsx bridge.ts
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Database, KeyStore, ListenerPasswordAuthenticator } from 'hawser';
import { URLEndpointListener } from 'hawser/websocket';
import { writeDigests } from './compare.js';
import { leave, onOrder, report, setting, stopping } from './parent.js';
import { ROLES } from './readings.js';

const passwords = JSON.parse(setting('BRIDGE_PASSWORDS')) as Record<string, string>;
const folder = setting('BRIDGE_FOLDER');
const database = await Database.open(folder, { name: 'vessel' });
const collections = await Promise.all(ROLES.map((role) => database.createCollection(role)));

const keys = await KeyStore.open(join(folder, 'keys'));
const tlsIdentity =
  (await keys.identity('bridge')) ??
  (await keys.createIdentity('bridge', { keyUsages: ['serverAuth'], attributes: { commonName: 'bridge' } }));

const listener = new URLEndpointListener({
  collections,
  port: Number(setting('BRIDGE_PORT')),
  networkInterface: '127.0.0.1', // the whole demo runs on one machine; without this line every network can connect
  tlsIdentity,
  authenticator: ListenerPasswordAuthenticator.forUsers(passwords),
});
await listener.start();

// From here on it is a demo: somebody watches.

const { fingerprint256: fingerprint } = tlsIdentity.certificate;
report({ type: 'listening', url: listener.urls[0] ?? '', port: listener.port, fingerprint });
onOrder(async (order) => {
  if (order.type !== 'write-digests') return;
  await writeDigests(order.file, collections);
  report({ type: 'digests-written' });
});

while (!stopping.aborted) {
  const counts = await Promise.all(collections.map((collection) => collection.count()));
  const [navigation = 0, weather = 0, engine = 0] = counts;
  report({ type: 'stored', counts: { navigation, weather, engine } });
  await delay(200, undefined, { signal: stopping }).catch(() => undefined);
}

await database.close(); // stops the listener first
leave();
