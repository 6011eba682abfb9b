/**
 * One peer of a replication through a broker, to be killed at any moment. `mqtt-sync-process.ts listen FOLDER URL` serves the
 * database in the folder as `bridge`; `replicate FOLDER URL CLIENT-ID` pushes and pulls continuously. Says what it does in lines.
 */
import { Database, Replicator, silentLogger } from '../../src/index.js';
import { MqttEndpoint, MqttEndpointListener } from '../../transports/mqtt/index.js';

const [role, folder, url, clientId] = process.argv.slice(2) as ['listen' | 'replicate', string, string, string];
const say = (line: string): void => void process.stdout.write(`${line}\n`);
process.stdin.resume().on('end', () => process.exit());

const database = await Database.open(folder, { name: 'far', logger: silentLogger });
const metrics = await database.createCollection('metrics');
// Nobody is to notice anything by the keep-alive.
const broker = { url, keepAlive: 3_600 };

if (role === 'listen') {
  const listener = new MqttEndpointListener({ collections: [metrics], broker, name: 'bridge' });
  await listener.start();
  say('listening');
} else {
  const replicator = new Replicator({
    collections: [metrics],
    target: new MqttEndpoint({ broker: { ...broker, clientId }, peer: 'bridge', database: 'far' }),
    acceptOnlySelfSignedServerCertificate: true,
    continuous: true,
  });
  replicator.on('status', ({ activity, error }) => say(`${activity} ${error?.code ?? ''}`));
  replicator.start();
}
