/** Whom a client believes, over real TLS, and that a server it does not believe learns nothing. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import type { X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { deferred } from '../../src/base/index.js';
import type { ErrorCode } from '../../src/errors.js';
import type { ConnectOptions } from '../../src/endpoint/index.js';
import { BasicAuthenticator, type ServerTrust, type TLSIdentity } from '../../src/security/index.js';
import { URLEndpoint } from '../../transports/websocket/index.js';
import { ConnectionRecorder } from '../conformance/index.js';
import { chainedIdentity, issue, selfSignedIdentity, type Issuer } from '../support/certificates.js';
import { connectOptions } from '../support/connect-options.js';
import { startTcpServer, startTlsServer } from '../support/raw-servers.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { startWebSocketHost } from '../support/web-socket-host.js';

const SELF_SIGNED_ONLY: ServerTrust = { acceptOnlySelfSignedServerCertificate: true };
const pin = (pinnedServerCertificate: X509Certificate): ServerTrust => ({ pinnedServerCertificate });
const fingerprint = ({ fingerprint256 }: X509Certificate): ServerTrust => ({ pinnedServerFingerprint: fingerprint256 });
const { authorization } = new BasicAuthenticator('alice', 'pa$$w0rd').credentials();

let selfSigned: TLSIdentity;
let chained: { identity: TLSIdentity; root: Issuer; intermediate: Issuer; leaf: Issuer };
let stranger: X509Certificate;

before(async () => {
  selfSigned = await selfSignedIdentity('boat');
  chained = await chainedIdentity('boat');
  stranger = (await issue('boat')).certificate;
});

interface Attempt {
  readonly outcome: ErrorCode | 'open';
  readonly number: number | undefined;
  /** What `onServerCertificate` was called with, each time. */
  readonly shown: readonly X509Certificate[];
}

async function attempt(port: number, options: Partial<ConnectOptions>, host = '127.0.0.1'): Promise<Attempt> {
  const shown: X509Certificate[] = [];
  const onServerCertificate = (certificate: X509Certificate): void => void shown.push(certificate);
  const connection = new URLEndpoint(`wss://${host}:${port}/db`).createConnection(
    connectOptions({ authorization, onServerCertificate, ...options }),
  );
  try {
    await new ConnectionRecorder().open(connection);
    return { outcome: 'open', number: undefined, shown };
  } catch (error) {
    const { code, number } = error as { code: ErrorCode; number: number };
    return { outcome: code, number, shown };
  } finally {
    await connection.close();
  }
}

describe('what a client accepts', () => {
  for (const [what, served, trust, outcome, number] of [
    ['neither pin nor self-signed-only', () => selfSigned, () => ({}), 'TLS_CERTIFICATE_UNTRUSTED', 5011],
    ['no pin, a chain of an unknown root', () => chained.identity, () => ({}), 'TLS_CERTIFICATE_UNTRUSTED', 5011],
    ['a wrong pin', () => selfSigned, () => pin(stranger), 'TLS_CERTIFICATE_UNTRUSTED', 5011],
    [
      'a wrong pin and self-signed-only',
      () => selfSigned,
      () => ({ ...pin(stranger), ...SELF_SIGNED_ONLY }),
      'TLS_CERTIFICATE_UNTRUSTED',
      5011,
    ],
    ['the right pin', () => selfSigned, () => pin(selfSigned.certificate), 'open', undefined],
    [
      'the right pin of an issued certificate and self-signed-only',
      () => chained.identity,
      () => ({ ...pin(chained.leaf.certificate), ...SELF_SIGNED_ONLY }),
      'open',
      undefined,
    ],
    ['self-signed-only', () => selfSigned, () => SELF_SIGNED_ONLY, 'open', undefined],
    [
      'self-signed-only against an issued certificate',
      () => chained.identity,
      () => SELF_SIGNED_ONLY,
      'TLS_CERTIFICATE_NOT_SELF_SIGNED',
      5008,
    ],
    ['the leaf of a chain as pin', () => chained.identity, () => pin(chained.leaf.certificate), 'open', undefined],
    ['an intermediate as pin', () => chained.identity, () => pin(chained.intermediate.certificate), 'open', undefined],
    ['the right fingerprint', () => selfSigned, () => fingerprint(selfSigned.certificate), 'open', undefined],
    [
      'that of the root of a chain',
      () => chained.identity,
      () => fingerprint(chained.root.certificate),
      'open',
      undefined,
    ],
    ['a wrong fingerprint', () => selfSigned, () => fingerprint(stranger), 'TLS_CERTIFICATE_UNTRUSTED', 5011],
    ['the root of a chain as pin', () => chained.identity, () => pin(chained.root.certificate), 'open', undefined],
  ] as const) {
    test(`${what}: ${outcome}`, async () => {
      const identity = served();
      const host = await startWebSocketHost({ identity, opens: true });
      const result = await attempt(host.port, { trust: trust() });
      assert.deepEqual([result.outcome, result.number], [outcome, number]);
      assert.deepEqual(
        result.shown.map(({ fingerprint256 }) => fingerprint256),
        [identity.certificate.fingerprint256],
        'the certificate is shown once, trusted or not',
      );
      await host.close();
    });
  }

  test('an expired certificate only if it is pinned', async () => {
    const past = { validFrom: new Date(Date.now() - 7_200_000), validTo: new Date(Date.now() - 3_600_000) };
    const identity = await selfSignedIdentity('boat', past);
    const host = await startWebSocketHost({ identity, opens: true });
    const refused = await attempt(host.port, { trust: SELF_SIGNED_ONLY });
    assert.deepEqual([refused.outcome, refused.number], ['TLS_CERTIFICATE_EXPIRED', 5007]);
    assert.equal((await attempt(host.port, { trust: pin(identity.certificate) })).outcome, 'open');
    await host.close();
  });

  test('a certificate that a root of Node has issued, for the name in the URL', async (context) => {
    const boat = await chainedIdentity('boat', { altNames: ['localhost'] });
    const host = await startWebSocketHost({ identity: boat.identity, opens: true });
    // Node reads further roots from a file once, when a process starts.
    const outcomes = await outcomesWithRoot(context, boat.root.certificate, [
      `wss://localhost:${host.port}/db`,
      `wss://127.0.0.1:${host.port}/db`,
    ]);
    assert.deepEqual(outcomes, ['open', 'TLS_CERTIFICATE_NAME_MISMATCH']);
    await host.close();
  });

  test('no connection that never got as far as a certificate is told of one', async (context) => {
    const port = await startTcpServer(context, (socket) => void socket.end('220 smtp.example.com ESMTP\r\n'));
    const { outcome, shown } = await attempt(port, { trust: SELF_SIGNED_ONLY });
    assert.equal(outcome, 'TLS_HANDSHAKE_FAILED');
    assert.deepEqual(shown, []);
  });
});

describe('a server that is not trusted', () => {
  for (const [what, identity, trust] of [
    ['is not the pinned one', () => selfSigned, () => pin(stranger)],
    ['is self-signed', () => selfSigned, () => ({})],
    ['is not self-signed', () => chained.identity, () => SELF_SIGNED_ONLY],
    [
      'sends the pinned certificate behind its own',
      () =>
        Object.assign(Object.create(selfSigned) as TLSIdentity, {
          certificatePem: () => selfSigned.certificatePem() + stranger.toString(),
        }),
      () => pin(stranger),
    ],
  ] as const) {
    test(`gets no byte of the request when it ${what}`, async (context) => {
      const received: Buffer[] = [];
      const gone = deferred();
      // With TLS 1.2 the server has finished its handshake before the client has: nothing can be lost on the way.
      const port = await startTlsServer(
        context,
        identity(),
        (socket) => void socket.on('data', (chunk: Buffer) => received.push(chunk)).on('close', () => gone.resolve()),
        { maxVersion: 'TLSv1.2' },
      );
      const { outcome } = await attempt(port, { trust: trust(), headers: { Cookie: 'SyncGatewaySession=1' } });
      assert.match(outcome, /^TLS_CERTIFICATE_/);
      await gone.promise;
      assert.equal(Buffer.concat(received).toString('latin1'), '');
    });
  }

  test('would have got the password if it had been trusted', async (context) => {
    const received: Buffer[] = [];
    const port = await startTlsServer(context, selfSigned, (socket) => {
      socket.on('data', (chunk: Buffer) => {
        received.push(chunk);
        socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n');
      });
    });
    const { outcome } = await attempt(port, { trust: pin(selfSigned.certificate) });
    assert.equal(outcome, 'AUTHENTICATION_FAILED');
    assert.ok(Buffer.concat(received).toString('latin1').includes(authorization));
  });
});

/** Opens each URL without pin in a process that has `root` among its roots. */
async function outcomesWithRoot(
  context: TestContext,
  root: X509Certificate,
  urls: readonly string[],
): Promise<string[]> {
  const file = join(await temporaryDirectory(context), 'root.pem');
  await writeFile(file, root.toString());
  const program = `
    import { URLEndpoint } from ${JSON.stringify(new URL('../../transports/websocket/index.ts', import.meta.url).href)};
    import { connectOptions } from ${JSON.stringify(new URL('../support/connect-options.ts', import.meta.url).href)};
    const outcomes = [];
    for (const url of ${JSON.stringify(urls)}) {
      const connection = new URLEndpoint(url).createConnection(connectOptions());
      outcomes.push(await connection.open({ receive() {}, close() {} }).then(() => 'open', (error) => error.code));
      await connection.close();
    }
    console.log(JSON.stringify(outcomes));`;
  const args = ['--import', 'tsx', '--input-type=module', '--eval', program];
  const cwd = fileURLToPath(new URL('../..', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    cwd,
    env: { ...process.env, NODE_EXTRA_CA_CERTS: file },
  });
  return JSON.parse(stdout);
}
