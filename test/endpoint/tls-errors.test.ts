/** Errors of TLS as replicators see them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { tlsError } from '../../src/endpoint/index.js';

function errorOf(code: string, alert?: number): Error {
  const text = alert === undefined ? 'of OpenSSL' : `error:0A000000:SSL routines::SSL alert number ${alert}\n`;
  return Object.assign(new Error(text), { code });
}

describe('tlsError', () => {
  for (const [code, alert, expected, number] of [
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 116, 'TLS_CLIENT_CERTIFICATE_REQUIRED', 5_006],
    ['ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE', 42, 'TLS_CLIENT_CERTIFICATE_REJECTED', 5_010],
    ['ERR_SSL_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE', 43, 'TLS_CLIENT_CERTIFICATE_REJECTED', 5_010],
    ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED', 44, 'TLS_CLIENT_CERTIFICATE_REJECTED', 5_010],
    ['ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED', 45, 'TLS_CLIENT_CERTIFICATE_REJECTED', 5_010],
    ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN', 46, 'TLS_CLIENT_CERTIFICATE_REJECTED', 5_010],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 48, 'TLS_CLIENT_CERTIFICATE_REJECTED', 5_010],
    ['ERR_SSL_TLSV1_ALERT_ACCESS_DENIED', 49, 'TLS_CLIENT_CERTIFICATE_REJECTED', 5_010],
    ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 70, 'TLS_HANDSHAKE_FAILED', 5_006],
    ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', 40, 'TLS_HANDSHAKE_FAILED', 5_006],
    ['ERR_SSL_WRONG_VERSION_NUMBER', undefined, 'TLS_HANDSHAKE_FAILED', 5_006],
    ['ERR_TLS_CERT_ALTNAME_INVALID', undefined, 'TLS_HANDSHAKE_FAILED', 5_006],
    ['EPROTO', undefined, 'TLS_HANDSHAKE_FAILED', 5_006],
  ] as const) {
    it(`takes ${code} for ${expected}`, () => {
      const error = tlsError(errorOf(code, alert), 'radio 7');
      assert.deepEqual([error?.code, error?.number, error?.recoverable], [expected, number, false]);
      assert.ok(error?.message.startsWith('radio 7: '));
      // To a server such an alert says nothing about a certificate of the client.
      assert.equal(tlsError(errorOf(code, alert), 'x', 'server')?.code, 'TLS_HANDSHAKE_FAILED');
    });
  }

  it('leaves alone what is no error of TLS', () => {
    for (const cause of [undefined, 'ERR_SSL_X', new Error('x'), errorOf('ECONNRESET'), errorOf('EPIPE')]) {
      assert.equal(tlsError(cause, 'x'), undefined);
    }
  });
});
