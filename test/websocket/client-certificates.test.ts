/** What a client makes of foreign servers that want a certificate. The words of OpenSSL's own server are in test/integration. */
import assert from 'node:assert/strict';
import type { X509Certificate } from 'node:crypto';
import { before, describe, test } from 'node:test';
import type { TLSSocket, TlsOptions } from 'node:tls';
import { deferred } from '../../src/base/index.js';
import type { TLSIdentity } from '../../src/security/index.js';
import { URLEndpoint } from '../../transports/websocket/index.js';
import { networkError } from '../../transports/websocket/network-errors.js';
import { ConnectionRecorder } from '../conformance/index.js';
import { selfSignedIdentity } from '../support/certificates.js';
import { connectOptions } from '../support/connect-options.js';
import { startTlsServer } from '../support/raw-servers.js';
import { refusedConnection } from '../support/refused-connection.js';
import { startWebSocketHost } from '../support/web-socket-host.js';

let boat: TLSIdentity;
let alice: TLSIdentity;

before(async () => {
  boat = await selfSignedIdentity('boat');
  alice = await selfSignedIdentity('alice');
});

async function attempt(port: number, identity?: TLSIdentity) {
  const { error, shown } = await refusedConnection(port, boat.certificate, identity);
  return { code: error.code, number: error.number, recoverable: error.recoverable, shown };
}

const demanding = (options: TlsOptions = {}): TlsOptions => ({
  requestCert: true,
  rejectUnauthorized: true,
  ca: alice.certificatePem(),
  ...options,
});

describe('a server that requires a certificate', () => {
  test('and gets none says so after our handshake, with TLS 1.3', async (context) => {
    const port = await startTlsServer(context, boat, () => undefined, demanding({ minVersion: 'TLSv1.3' }));
    assert.deepEqual(await attempt(port), {
      code: 'TLS_CLIENT_CERTIFICATE_REQUIRED',
      number: 5006,
      recoverable: false,
      shown: ['CN=boat'],
    });
  });

  test('and gets none ends the handshake with TLS 1.2; its own certificate was seen', async (context) => {
    const port = await startTlsServer(context, boat, () => undefined, demanding({ maxVersion: 'TLSv1.2' }));
    assert.deepEqual(await attempt(port), {
      code: 'TLS_HANDSHAKE_FAILED',
      number: 5006,
      recoverable: false,
      shown: ['CN=boat'],
    });
  });

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`gets ours, with ${version}`, async (context) => {
      const subject = deferred<string | undefined>();
      const serve = (socket: unknown): void => {
        const tls = socket as TLSSocket;
        subject.resolve(tls.getPeerX509Certificate()?.subject);
        tls.once('data', () => tls.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n'));
      };
      const port = await startTlsServer(context, boat, serve, demanding({ minVersion: version, maxVersion: version }));
      assert.equal((await attempt(port, alice)).code, 'REMOTE_DATABASE_NOT_FOUND');
      assert.equal(await subject.promise, 'CN=alice');
    });
  }

  test('and hangs up without a word has only broken the line', async (context) => {
    // So does Node, with a certificate that it does not accept.
    const port = await startTlsServer(context, boat, () => undefined, demanding({ ca: boat.certificatePem() }));
    assert.deepEqual(await attempt(port, alice), {
      code: 'CONNECTION_LOST',
      number: 104,
      recoverable: true,
      shown: ['CN=boat'],
    });
  });
});

test('a certificate is shown to nobody over a link without TLS', async () => {
  const host = await startWebSocketHost({ opens: true });
  const connection = new URLEndpoint(`ws://127.0.0.1:${host.port}/db`).createConnection(
    connectOptions({
      identity: alice,
      onServerCertificate: (certificate: X509Certificate) => assert.fail(certificate.subject),
    }),
  );
  await new ConnectionRecorder().open(connection);
  await connection.close();
  await host.close();
});

describe('an alert of TLS', () => {
  for (const [number, code] of [
    [40, 'TLS_HANDSHAKE_FAILED'],
    [42, 'TLS_CLIENT_CERTIFICATE_REJECTED'],
    [43, 'TLS_CLIENT_CERTIFICATE_REJECTED'],
    [44, 'TLS_CLIENT_CERTIFICATE_REJECTED'],
    [45, 'TLS_CLIENT_CERTIFICATE_REJECTED'],
    [46, 'TLS_CLIENT_CERTIFICATE_REJECTED'],
    [47, 'TLS_HANDSHAKE_FAILED'],
    [48, 'TLS_CLIENT_CERTIFICATE_REJECTED'],
    [49, 'TLS_CLIENT_CERTIFICATE_REJECTED'],
    [70, 'TLS_HANDSHAKE_FAILED'],
    [80, 'TLS_HANDSHAKE_FAILED'],
    [116, 'TLS_CLIENT_CERTIFICATE_REQUIRED'],
    [120, 'TLS_HANDSHAKE_FAILED'],
  ] as const) {
    test(`${number} is ${code}, whether it is found while reading or while writing`, () => {
      for (const name of ['ERR_SSL_TLSV1_ALERT_SOMETHING', 'ERR_SSL_SSL/TLS_ALERT_SOMETHING', 'EPROTO']) {
        const message = `80CC730E:error:0A000418:SSL routines:ssl3_read_bytes:some words:rec_layer_s3.c:1601:SSL alert number ${number}\n`;
        const error = networkError(Object.assign(new Error(message), { code: name }), 'boat:1');
        assert.deepEqual([error.code, error.recoverable], [code, false]);
      }
    });
  }

  test('is not read from what somebody else says', () => {
    const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
    assert.equal(networkError(reset, 'boat:1').code, 'CONNECTION_LOST');
  });
});
