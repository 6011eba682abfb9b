/**
 * What Node's network errors mean to a replicator: the one mapping of this transport (specification 1.6.1). That of TLS is
 * `tlsError`, that of a listener's refusals `refusalError`, both for every medium. Where a real Couchbase Lite stops for good
 * although waiting helps (a server that hangs up before it answers, because it is just being restarted), ours tries again.
 */
import { constants } from 'node:os';
import { MessagingError, tlsError, type ErrorCode, type MessagingErrorOptions } from '../../src/index.js';

/** The error for whatever a socket, a TLS handshake or the HTTP parser raised while talking to `address`. */
export function networkError(cause: unknown, address: string): MessagingError {
  const code = codeOf(cause) ?? '';
  const meaning = NETWORK_ERRORS[code];
  if (meaning !== undefined) {
    const { text, number } = meaning;
    const numbers = number === undefined ? posixNumber(code) : { number };
    return failure(meaning.code, `${address}: ${text}`, { recoverable: true, cause, ...numbers });
  }
  const ofTls = tlsError(cause, address);
  if (ofTls !== undefined) return ofTls;
  if (code.startsWith('HPE_')) {
    return looksLikeTls(cause)
      ? failure('TLS_HANDSHAKE_FAILED', `${address}: the server speaks TLS: use wss:`, { recoverable: false, cause })
      : failure('CONNECTION_PROTOCOL_ERROR', `${address}: the server does not speak HTTP`, {
          recoverable: false,
          cause,
        });
  }
  const detail = cause instanceof Error ? cause.message : String(cause);
  return failure('CONNECTION_INTERRUPTED', `${address}: ${detail}`, { recoverable: true, cause });
}

/** `error.code`, also of the many errors that Node folds into one when a host has several addresses. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if ('code' in error && typeof error.code === 'string') return error.code;
  return error instanceof AggregateError ? codeOf(error.errors[0]) : undefined;
}

function failure(code: ErrorCode, message: string, options: MessagingErrorOptions): MessagingError {
  return new MessagingError(code, message, options);
}

/** Couchbase Lite names these situations by their errno. */
function posixNumber(code: string): Pick<MessagingErrorOptions, 'domain' | 'number'> {
  const number = Object.entries(constants.errno).find(([name]) => name === code)?.[1];
  return number === undefined ? {} : { domain: 'POSIX', number };
}

/** A TLS alert where HTTP was expected. */
function looksLikeTls(error: unknown): boolean {
  const packet = error instanceof Error && 'rawPacket' in error ? error.rawPacket : undefined;
  return packet instanceof Uint8Array && packet[0] === TLS_ALERT;
}

const TLS_ALERT = 0x15;

interface Meaning {
  readonly code: ErrorCode;
  readonly text: string;
  /** Where it is neither that of the code nor the errno. */
  readonly number?: number;
}

const LOST: Meaning = { code: 'CONNECTION_LOST', text: 'the connection broke before it was open' };
const HOST_UNKNOWN: Meaning = { code: 'CONNECTION_HOST_UNKNOWN', text: 'the host name cannot be resolved' };
const UNREACHABLE: Meaning = { code: 'CONNECTION_UNREACHABLE', text: 'there is no route to the host' };

const NETWORK_ERRORS: Readonly<Record<string, Meaning>> = {
  ECONNREFUSED: { code: 'CONNECTION_REFUSED', text: 'nobody listens there' },
  ENOTFOUND: HOST_UNKNOWN,
  // Nobody said that there is no such host: Couchbase Lite's "DNS failure", after which a one-shot replicator tries again too.
  EAI_AGAIN: { code: 'CONNECTION_HOST_UNKNOWN', text: 'the name server does not answer', number: 5_001 },
  EHOSTUNREACH: UNREACHABLE,
  ENETUNREACH: UNREACHABLE,
  EHOSTDOWN: UNREACHABLE,
  ENETDOWN: UNREACHABLE,
  EADDRNOTAVAIL: UNREACHABLE,
  ETIMEDOUT: { code: 'CONNECTION_TIMEOUT', text: 'the host does not answer' },
  ECONNRESET: LOST,
  ECONNABORTED: LOST,
  EPIPE: LOST,
};
