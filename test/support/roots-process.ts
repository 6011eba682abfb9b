/**
 * A client that knows further roots: Node reads them from the file in NODE_EXTRA_CA_CERTS, once, when a process starts.
 * Syncs a document without a pin: with each URL, and with a message endpoint whose listener, in here too, shows the identity
 * in `<directory>/identity.pem`. Prints what became of each, as JSON.
 *
 *   node --import tsx test/support/roots-process.ts DIRECTORY [URL ...]
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  Database,
  loopbackPair,
  MessageEndpoint,
  MessageEndpointListener,
  Replicator,
  silentLogger,
  TLSIdentity,
  type Endpoint,
} from '../../src/index.js';
import { URLEndpoint } from '../../transports/websocket/index.js';

export type RootsOutcome = 'synced' | readonly [code: string, number: number];

const [directory = '', ...urls] = process.argv.slice(2);
const database = await Database.open(join(directory, 'database'), { logger: silentLogger });
const metrics = await database.createCollection('metrics');
await metrics.save('pump', {});
const listener = new MessageEndpointListener({
  collections: [metrics],
  protocolType: 'messageStream',
  tls: true,
  tlsIdentity: TLSIdentity.fromPem(await readFile(join(directory, 'identity.pem'), 'utf8')),
});
const createConnection = () => {
  const { a, b } = loopbackPair();
  listener.accept(b);
  return a;
};
const layers = { tls: true, database: database.name };
const nameless = new MessageEndpoint('localhost', undefined, 'messageStream', { createConnection }, layers);
const outcomes: RootsOutcome[] = [];
for (const target of [...urls.map((url): Endpoint => new URLEndpoint(url)), nameless]) {
  const replicator = new Replicator({ collections: [metrics], target });
  replicator.start();
  const error = await replicator.stopped();
  outcomes.push(error === undefined ? 'synced' : [error.code, error.number]);
}
await database.close();
console.log(JSON.stringify(outcomes));
