/**
 * The gateway: gives the turn to the nodes on the bus, and stores what they push.
 *
 *   BUS_PORT=/dev/ttyUSB0 BUS_BAUD_RATE=115200 BUS_NODES=1,2,3,4 NODE_PASSWORDS='{"node-1":"…","node-2":"…"}' GATEWAY_FOLDER=… \
 *     [BUS_TURNAROUND_MS=50] node --import tsx gateway.ts
 */
import { Database, ListenerPasswordAuthenticator } from 'hawser';
import { SerialEndpointListener } from 'hawser/serial';
import { numberSetting, passwordsSetting, setting, stopped, watchCount } from '../shared/program.js';

const passwords = passwordsSetting('NODE_PASSWORDS');
const options = {
  path: setting('BUS_PORT'),
  baudRate: numberSetting('BUS_BAUD_RATE', { from: 1_200, fallback: 115_200 }),
  nodes: setting('BUS_NODES').split(',').map(Number),
  turnaround: numberSetting('BUS_TURNAROUND_MS', { from: 1, to: 1_000, fallback: 50 }),
};
const database = await Database.open(setting('GATEWAY_FOLDER'), { name: 'gateway' });
const readings = database.collection('readings');

const listener = new SerialEndpointListener({
  ...options,
  collections: [readings],
  authenticator: ListenerPasswordAuthenticator.forUsers(passwords),
  authorize: () => [{ collection: readings, push: true }], // a node has nothing to read here
});
const connected = new Set<string>();
listener.on('connection', ({ username = '', activity, error }) => {
  if (activity === 'stopped') console.log(`${username} is gone${error === undefined ? '' : ` (${error.code})`}`);
  else if (!connected.has(username)) console.log(`${username} is there`);
  if (activity === 'stopped') connected.delete(username);
  else connected.add(username);
});
await listener.start();

// The certificate was made at the first start and lies beside the database: the fingerprint stays the same.
const { certificate } = (await listener.tlsIdentity()) ?? {};
console.log(`gives the turn to ${options.nodes.length} nodes, fingerprint ${certificate?.fingerprint256}`);
watchCount('stored', readings);
await stopped;
await database.close(); // stops the listener first
