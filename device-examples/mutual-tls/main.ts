/**
 * Two devices that know each other by certificates: the engine room proves to the bridge who it is, and the bridge to the
 * engine room. No passwords. Then a stranger tries, with a certificate of its own making, and with none.
 *
 *   npm run demo:certificates
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ClientCertificateAuthenticator,
  Database,
  ListenerCertificateAuthenticator,
  Replicator,
  TLSIdentity,
  type ClientAuthenticator,
} from 'hawser';
import { URLEndpoint, URLEndpointListener } from 'hawser/websocket';

const folder = await mkdtemp(join(tmpdir(), 'hawser-certificates-'));

// Once, where you keep your secrets: the fleet's authority, and an identity for each device. A device stores its own with
// `KeyStore.importIdentity`; of the fleet it gets the certificate only.
const fleet = await TLSIdentity.create({ attributes: { commonName: 'fleet' }, keyUsages: [], ca: true });
const issue = (commonName: string, keyUsage: 'serverAuth' | 'clientAuth'): Promise<TLSIdentity> =>
  TLSIdentity.create({ attributes: { commonName }, keyUsages: [keyUsage], issuer: fleet });

// The bridge lets in whoever has a certificate of the fleet.
const vessel = await Database.open(join(folder, 'bridge'), { name: 'vessel' });
const listener = new URLEndpointListener({
  collections: [vessel.collection('metrics')],
  networkInterface: '127.0.0.1', // both devices of this example are on one machine
  tlsIdentity: await issue('bridge', 'serverAuth'),
  authenticator: new ListenerCertificateAuthenticator([fleet.certificate]),
});
await listener.start();
listener.on('connection', ({ certificates, activity }) => {
  if (activity === 'stopped') console.log(`bridge:      served ${nameOf(certificates?.[0]?.subject)}`);
});
listener.on('refused', ({ error }) => console.log(`bridge:      refused somebody, ${error.code}`));

// The engine room shows its certificate, and talks to nobody but the fleet.
const engineRoom = await Database.open(join(folder, 'engine-room'));
const metrics = engineRoom.collection<{ rpm: number }>('metrics');
await metrics.save('engine-1', { rpm: 1200 });

async function push(who: string, authenticator?: ClientAuthenticator): Promise<boolean> {
  const replicator = new Replicator({
    collections: [metrics],
    target: new URLEndpoint(listener.urls[0] ?? ''),
    ...(authenticator === undefined ? {} : { authenticator }),
    pinnedServerCertificate: fleet.certificate,
  });
  replicator.start();
  const error = await replicator.stopped();
  console.log(`${who.padEnd(12)} ${error === undefined ? 'pushed engine-1' : `${error.code} (${error.number})`}`);
  return error === undefined;
}

const stranger = await TLSIdentity.create({ attributes: { commonName: 'engine-room' }, keyUsages: ['clientAuth'] });
const outcomes = [
  await push('engine room:', new ClientCertificateAuthenticator(await issue('engine-room', 'clientAuth'))),
  !(await push('stranger:', new ClientCertificateAuthenticator(stranger))),
  !(await push('nobody:')),
];
const arrived = await vessel.collection<{ rpm: number }>('metrics').get('engine-1');
const passed = outcomes.every(Boolean) && arrived?.body.rpm === 1200;
console.log(passed ? 'PASSED: the bridge has what the engine room sent, and nobody else came in' : 'FAILED');

await engineRoom.close();
await vessel.close(); // stops the listener first
await rm(folder, { recursive: true });
process.exitCode = passed ? 0 : 1;

function nameOf(subject: string | undefined): string {
  return /^CN=(.*)$/m.exec(subject ?? '')?.[1] ?? 'somebody without a name';
}
