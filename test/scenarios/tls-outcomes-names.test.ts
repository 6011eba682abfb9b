/** Servers that a root of Node vouches for: the only way to trust for which the name of the server matters. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import type { X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { TLSIdentity } from '../../src/index.js';
import { chainedIdentity, issue } from '../support/certificates.js';
import { openPeer } from '../support/peers.js';
import type { RootsOutcome } from '../support/roots-process.js';
import { assertSyncs, SECURE_MEDIA } from '../support/secure-peers.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { listen } from '../support/web-socket-peers.js';

const LIMIT = { timeout: 120_000 };
const LOCAL = { networkInterface: '127.0.0.1', disableTLS: false };

describe('the name of a server', LIMIT, () => {
  it('62. must be in its certificate where a root is believed, which must not be expired', async (context) => {
    const l = await openPeer(context, 'l');
    const { root, intermediate, identity } = await chainedIdentity('boat', { altNames: ['localhost'] });
    const validTo = new Date(Date.now() - 60_000);
    const old = await issue('boat', { altNames: ['localhost'], issuer: intermediate, validTo });
    const tlsIdentity = new TLSIdentity({
      privateKey: old.privateKey,
      certs: [old.certificate, intermediate.certificate, root.certificate],
    });
    const { port } = await listen(context, l, { ...LOCAL, tlsIdentity: identity });
    const { port: expired } = await listen(context, l, { ...LOCAL, tlsIdentity });
    const urls = [`wss://localhost:${port}/l`, `wss://127.0.0.1:${port}/l`, `wss://localhost:${expired}/l`];
    assert.deepEqual(await outcomesWithRoot(context, root.certificate, identity, urls), [
      'synced',
      ['TLS_CERTIFICATE_NAME_MISMATCH', 5_015],
      ['TLS_CERTIFICATE_EXPIRED', 5_007],
      // What a message endpoint is called is no name that a root could vouch for.
      ['TLS_CERTIFICATE_NAME_MISMATCH', 5_015],
    ]);
    assert.equal(await l.metrics.count(), 1);
  });

  for (const medium of SECURE_MEDIA) {
    it(
      `62. does not matter where its certificate is pinned, over ${medium.name}`,
      { skip: medium.skip },
      async (context) => {
        const [a, l] = [await openPeer(context, 'a'), await openPeer(context, 'l')];
        const { identity, root } = await chainedIdentity('boat', { altNames: ['elsewhere.example'] });
        const server = await medium.listen(context, l, { tlsIdentity: identity });
        for (const pinnedServerCertificate of [identity.certificate, root.certificate]) {
          await assertSyncs(context, server, a, { pinnedServerCertificate });
        }
      },
    );
  }
});

/** What becomes of a replication without a pin in a process that has `root` among its roots: see `roots-process.ts`. */
async function outcomesWithRoot(
  context: TestContext,
  root: X509Certificate,
  identity: TLSIdentity,
  urls: readonly string[],
): Promise<readonly RootsOutcome[]> {
  const directory = await temporaryDirectory(context);
  const file = join(directory, 'root.pem');
  await writeFile(file, root.toString());
  await writeFile(join(directory, 'identity.pem'), identity.privateKeyPem() + identity.certificatePem());
  const program = fileURLToPath(new URL('../support/roots-process.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', program, directory, ...urls], {
    env: { ...process.env, NODE_EXTRA_CA_CERTS: file },
  });
  return JSON.parse(stdout) as readonly RootsOutcome[];
}
