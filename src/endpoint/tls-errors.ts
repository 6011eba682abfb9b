/**
 * What Node's errors of TLS mean to a replicator: the one mapping for every medium on which TLS is spoken, a socket or the
 * secure layer.
 */
import type { ErrorCode } from '../errors.js';
import { MessagingError } from './connection.js';

/**
 * The error for a failure of TLS, or `undefined` if `cause` is none: then the medium failed.
 *
 * @param address who was spoken to, for the message
 * @param role ours
 */
export function tlsError(
  cause: unknown,
  address: string,
  role: 'client' | 'server' = 'client',
): MessagingError | undefined {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  // To a server the same alerts say that its own certificate is not trusted, which tells nothing of the client's.
  const refusal = role === 'client' ? CERTIFICATE_ALERTS[alertOf(cause) ?? -1] : undefined;
  if (refusal !== undefined) {
    return new MessagingError(refusal.code, `${address}: ${refusal.text}`, { recoverable: false, cause });
  }
  if (!TLS_CODES.test(code)) return undefined;
  const message = `${address}: the TLS handshake failed (${code})`;
  return new MessagingError('TLS_HANDSHAKE_FAILED', message, { recoverable: false, cause });
}

/** With what number of RFC 8446 6.2 the peer ended TLS; OpenSSL tells it in words only. */
function alertOf(error: unknown): number | undefined {
  const number = error instanceof Error ? /\bSSL alert number (\d+)/.exec(error.message)?.[1] : undefined;
  return number === undefined ? undefined : Number(number);
}

const TLS_CODES = /^(?:ERR_SSL_|ERR_OSSL_|ERR_TLS_|EPROTO$)/;

interface Refusal {
  readonly code: ErrorCode;
  readonly text: string;
}

const REJECTED: Refusal = {
  code: 'TLS_CLIENT_CERTIFICATE_REJECTED',
  text: 'the server does not accept our certificate',
};
/** What servers say of the certificate of a client. With TLS 1.3 they do so after our handshake is done. */
const CERTIFICATE_ALERTS: Readonly<Record<number, Refusal>> = {
  42: REJECTED, // bad_certificate
  43: REJECTED, // unsupported_certificate
  44: REJECTED, // certificate_revoked
  45: REJECTED, // certificate_expired
  46: REJECTED, // certificate_unknown
  48: REJECTED, // unknown_ca
  49: REJECTED, // access_denied
  116: { code: 'TLS_CLIENT_CERTIFICATE_REQUIRED', text: 'the server requires a client certificate' },
};
