/**
 * The engine room: saves what it measures, whether the bridge is there or not, and syncs with it, both ways.
 *
 *   BRIDGE_URL=wss://… BRIDGE_FINGERPRINT=… PASSWORD=… [ENGINE_ROOM_FOLDER=engine-room-data] [READINGS=…] \
 *     node --import tsx engine-room.ts
 */
import { BasicAuthenticator, Database, Replicator } from 'hawser';
import { URLEndpoint } from 'hawser/websocket';

const { BRIDGE_URL, BRIDGE_FINGERPRINT, PASSWORD, ENGINE_ROOM_FOLDER = 'engine-room-data' } = process.env;
const { READINGS = 'Infinity' } = process.env; // it measures no more after so many
if (!BRIDGE_URL || !BRIDGE_FINGERPRINT || !PASSWORD) {
  console.error(
    'BRIDGE_URL, BRIDGE_FINGERPRINT or PASSWORD is not set: the first lines of engine-room.ts tell the settings',
  );
  process.exit(2);
}
const database = await Database.open(ENGINE_ROOM_FOLDER, { fullSync: true }); // a power cut must not give a number twice
const metrics = database.collection('metrics');

const replicator = new Replicator({
  collections: [metrics],
  target: new URLEndpoint(BRIDGE_URL),
  continuous: true,
  authenticator: new BasicAuthenticator('engine-room', PASSWORD),
  pinnedServerFingerprint: BRIDGE_FINGERPRINT, // the password goes to nobody else
});
replicator.on('status', ({ activity, error }) => {
  console.log(`${activity}${error ? ` (${error.code})` : ''}`);
  if (activity === 'stopped' && error) process.exit(1); // a wrong password, another bridge: trying again does not help
});
replicator.on('documents', ({ isPush, documents }) => {
  for (const { id, error } of documents) console.log(`${id}: ${error?.code ?? (isPush ? 'sent' : 'received')}`);
});
replicator.start();

let reading = 0; // goes on after the highest number that is here
for await (const { id } of metrics.documents())
  reading = Math.max(reading, Number(/^reading-(\d+)$/.exec(id)?.[1] ?? 0));
const timer = setInterval(() => {
  if (reading >= Number(READINGS)) return;
  const revolutions = 20 + 5 * Math.sin(reading / 10); // put your sensor here: Hz, as all values in SI units
  void metrics.save(`reading-${++reading}`, { path: 'propulsion.main.revolutions', value: revolutions });
}, 1_000);

function end(): void {
  clearInterval(timer);
  void database.close(); // stops the replicator first
}
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, end);
