/** The proof at the end: an identity is made, and a document goes from one database to another over TLS, in this process. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Database, isHawserError, Replicator, silentLogger, TLSIdentity } from 'hawser';
import { URLEndpoint, URLEndpointListener } from 'hawser/websocket';
import { ok, problem, said, type Finding } from './finding.js';

/** @param place a folder to work in; one of the system is used where it is undefined */
export async function checkSync(place: string | undefined): Promise<Finding> {
  const folder = place ?? (await mkdtemp(join(tmpdir(), 'hawser-doctor-')));
  try {
    const start = performance.now();
    const driver = await syncOnce(folder);
    const milliseconds = Math.round(performance.now() - start);
    const memory = Math.round(process.memoryUsage.rss() / 2 ** 20);
    // An emulated Node does not know.
    const used = memory > 0 ? `; this process has used ${memory} MiB` : '';
    return ok('sync', `A document was synced over wss on this machine in ${milliseconds} ms (${driver})${used}.`);
  } catch (error) {
    const remedy = isHawserError(error) ? `${error.hint} (${error.code})` : 'Report this with the message.';
    return problem('sync', `No document could be synced over wss on this machine: ${said(error)}.`, remedy);
  } finally {
    if (place === undefined) await rm(folder, { recursive: true, force: true });
  }
}

async function syncOnce(folder: string): Promise<string> {
  const open = (name: string): Promise<Database> => Database.open(join(folder, name), { logger: silentLogger });
  const bridge = await open('bridge');
  try {
    const device = await open('device');
    try {
      const identity = await TLSIdentity.create({ attributes: { commonName: 'bridge' }, keyUsages: ['serverAuth'] });
      const listener = new URLEndpointListener({
        collections: [bridge.collection()],
        networkInterface: '127.0.0.1',
        tlsIdentity: identity,
      });
      await listener.start();
      await device.collection().save('doctor', { from: 'the device' });
      const replicator = new Replicator({
        collections: [device.collection()],
        target: new URLEndpoint(listener.urls[0] ?? ''),
        pinnedServerCertificate: identity.certificate,
      });
      replicator.start();
      const error = await replicator.stopped();
      if (error !== undefined) throw error;
      const arrived = await bridge.collection().get('doctor');
      if (arrived?.body['from'] !== 'the device') throw new Error('the document did not arrive');
      return device.driver;
    } finally {
      await device.close();
    }
  } finally {
    await bridge.close();
  }
}
