/**
 * One peer of a replication, to be killed at any moment. `sync-process.ts listen FOLDER PORT` serves the database in the
 * folder; `sync-process.ts replicate FOLDER PORT` pushes and pulls continuously. Each commit is told as a line.
 */
import {
  BasicAuthenticator,
  Database,
  ListenerPasswordAuthenticator,
  Replicator,
  silentLogger,
} from '../../src/index.js';
import { URLEndpoint, URLEndpointListener } from '../../transports/websocket/index.js';

const [role, folder, port] = process.argv.slice(2) as ['listen' | 'replicate', string, string];
const say = (line: string): void => void process.stdout.write(`${line}\n`);
process.stdin.resume().on('end', () => process.exit());

const database = await Database.open(folder, { name: 'ship', logger: silentLogger });
const metrics = await database.createCollection('metrics');
metrics.on('change', ({ documentIDs }) => say(`committed ${documentIDs.length}`));

if (role === 'listen') {
  const listener = new URLEndpointListener({
    collections: [metrics],
    port: Number(port),
    networkInterface: '127.0.0.1',
    authenticator: new ListenerPasswordAuthenticator((user, password) => user === 'node' && password === 'pass'),
  });
  await listener.start();
  say(`listening ${listener.port}`);
} else {
  const replicator = new Replicator({
    collections: [metrics],
    target: new URLEndpoint(`wss://127.0.0.1:${port}/ship`),
    authenticator: new BasicAuthenticator('node', 'pass'),
    acceptOnlySelfSignedServerCertificate: true,
    continuous: true,
    maxAttemptWaitTime: 0.2,
  });
  replicator.on('status', ({ activity, error }) => say(`${activity} ${error?.code ?? ''}`));
  replicator.start();
}
