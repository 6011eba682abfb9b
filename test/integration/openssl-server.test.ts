/** OpenSSL's own server as a foreign one that judges our certificate: a refusal with each of its words. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { before, describe, test, type TestContext } from 'node:test';
import { TLSIdentity } from '../../src/security/index.js';
import { issue, selfSignedIdentity, type IssueOptions, type Issuer } from '../support/certificates.js';
import { cleanup } from '../support/cleanup.js';
import { refusedConnection } from '../support/refused-connection.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const skip = spawnSync('openssl', ['version']).status === 0 ? false : 'openssl is not installed';
const LIMIT = { timeout: 120_000, skip };
const PAST = { validFrom: new Date(Date.now() - 7_200_000), validTo: new Date(Date.now() - 3_600_000) };

let boat: TLSIdentity;
let root: Issuer;

before(async () => {
  boat = await selfSignedIdentity('boat');
  root = await issue('fleet root', { ca: true });
});

/** Requires a certificate that leads to our root. Resolves to its port. */
async function startOpenssl(context: TestContext, version: string): Promise<number> {
  const directory = await temporaryDirectory(context);
  const [identity, roots] = [join(directory, 'boat.pem'), join(directory, 'roots.pem')];
  await writeFile(identity, boat.privateKeyPem() + boat.certificatePem(), { mode: 0o600 });
  await writeFile(roots, root.certificate.toString());
  const child = spawn(
    'openssl',
    ['s_server', '-accept', '127.0.0.1:0', '-cert', identity, '-key', identity, version].concat([
      '-Verify',
      '2',
      '-verify_return_error',
      '-CAfile',
      roots,
      '-www',
    ]),
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const ended = once(child, 'close');
  cleanup(context, async () => {
    child.kill();
    await ended;
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const port = /^ACCEPT .*:(\d+)$/.exec(line)?.[1];
    if (port !== undefined) return Number(port);
  }
  throw new Error('openssl s_server did not start');
}

async function attempt(port: number, identity: TLSIdentity | undefined) {
  const { error, shown } = await refusedConnection(port, boat.certificate, identity);
  assert.deepEqual(shown, ['CN=boat']);
  return error;
}

async function issued(options: IssueOptions): Promise<TLSIdentity> {
  const { certificate, privateKey } = await issue('alice', options);
  return new TLSIdentity({ privateKey, certs: [certificate] });
}

for (const version of ['-tls1_2', '-tls1_3']) {
  describe(`openssl s_server ${version}`, LIMIT, () => {
    for (const [what, options, code, alert] of [
      ['no root has issued', () => ({}), 'TLS_CLIENT_CERTIFICATE_REJECTED', 48],
      ['has expired', () => ({ issuer: root, ...PAST }), 'TLS_CLIENT_CERTIFICATE_REJECTED', 45],
      [
        'is for a listener',
        () => ({ issuer: root, keyUsages: ['serverAuth'] as const }),
        'TLS_CLIENT_CERTIFICATE_REJECTED',
        43,
      ],
    ] as const) {
      test(`refuses a certificate that ${what}`, async (context) => {
        const error = await attempt(await startOpenssl(context, version), await issued(options()));
        assert.deepEqual([error.code, error.recoverable], [code, false]);
        assert.match(String(error.cause), new RegExp(`SSL alert number ${alert}\\b`));
      });
    }

    test('refuses whoever has none', async (context) => {
      const error = await attempt(await startOpenssl(context, version), undefined);
      const code = version === '-tls1_3' ? 'TLS_CLIENT_CERTIFICATE_REQUIRED' : 'TLS_HANDSHAKE_FAILED';
      assert.deepEqual([error.code, error.recoverable, error.number], [code, false, 5006]);
    });

    test('takes a certificate that its root has issued', async (context) => {
      // It speaks TLS and no WebSocket.
      const error = await attempt(await startOpenssl(context, version), await issued({ issuer: root }));
      assert.deepEqual([error.code, error.recoverable], ['CONNECTION_REJECTED', false]);
    });
  });
}
