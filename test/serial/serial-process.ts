/**
 * One peer on a serial line, to be killed or stopped at any moment: `serial-process.ts listen FOLDER OPTIONS` serves the database
 * in the folder, `serial-process.ts replicate FOLDER OPTIONS` pushes and pulls continuously. The options are those of the
 * listener or of the endpoint, as JSON. Each activity is told as a line. A line of input is the ID of a document to save, and its end the
 * end of the process. Run by tests.
 */
import { createInterface } from 'node:readline';
import { Database, isHawserError, Replicator, silentLogger } from '../../src/index.js';
import {
  SerialEndpoint,
  SerialEndpointListener,
  type SerialEndpointListenerOptions,
  type SerialEndpointOptions,
} from '../../transports/serial/index.js';

const [role, folder = '', options = '{}'] = process.argv.slice(2);
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const database = await Database.open(folder, { name: 'bridge', logger: silentLogger });
const metrics = await database.createCollection('metrics');
metrics.on('change', ({ documentIDs }) => say(`committed ${documentIDs.join()}`));

try {
  if (role === 'listen') {
    const given = JSON.parse(options) as Omit<SerialEndpointListenerOptions, 'collections'>;
    const listener = new SerialEndpointListener({ collections: [metrics], ...given });
    listener.on('error', ({ code }) => say(`error ${code}`));
    await listener.start();
    say('listening');
  } else {
    const target = new SerialEndpoint(JSON.parse(options) as SerialEndpointOptions);
    const trust = { acceptOnlySelfSignedServerCertificate: true };
    const replicator = new Replicator({ collections: [metrics], target, continuous: true, ...trust });
    replicator.on('status', ({ activity, error }) => say(`${activity} ${error?.code ?? ''}`));
    replicator.start();
  }
} catch (error) {
  say(isHawserError(error) ? error.code : String(error));
}

for await (const id of createInterface({ input: process.stdin })) await metrics.save(id, { by: role });
await database.close(); // stops what uses it first; then nothing keeps this process
