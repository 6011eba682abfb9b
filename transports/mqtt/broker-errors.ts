/**
 * What goes wrong with a broker, as errors: Node's errors of the network and of TLS, refusals of a CONNECT, the reasons of a
 * DISCONNECT (MQTT 5, 2.4; 3.1.1, 3.2.2.3). `CONNECTION_LOST` and the like are tried again; what somebody has to correct is not.
 */
import { constants } from 'node:os';
import {
  MessagingError,
  refusalError,
  tlsError,
  type ErrorCode,
  type HawserError,
  type MessagingErrorOptions,
} from '../../src/index.js';

/** The error for whatever a socket or a TLS handshake raised before the broker let us in. */
export function networkError(cause: unknown, address: string): MessagingError {
  const code = codeOf(cause) ?? '';
  const meaning = NETWORK_ERRORS[code];
  if (meaning !== undefined) {
    const number = Object.entries(constants.errno).find(([name]) => name === code)?.[1];
    const numbers: Pick<MessagingErrorOptions, 'domain' | 'number'> =
      number === undefined ? {} : { domain: 'POSIX', number };
    return new MessagingError(meaning.code, `${address}: ${meaning.text}`, { recoverable: true, cause, ...numbers });
  }
  const ofTls = tlsError(cause, address);
  if (ofTls !== undefined) return certificateError(ofTls, ofTls.message);
  const detail = cause instanceof Error ? cause.message : String(cause);
  return new MessagingError('CONNECTION_INTERRUPTED', `${address}: ${detail}`, { recoverable: true, cause });
}

/** A failure of TLS, with what to do about it where the other end is a broker. */
export function certificateError(error: HawserError, message: string): MessagingError {
  const { code, domain, number, retryable, cause } = error;
  const hint = TLS_HINTS[code] ?? error.hint;
  return new MessagingError(code, message, { recoverable: retryable, domain, number, hint, cause });
}

/** Whether a broker that refuses with this code knows only other versions of MQTT. Old ones answer in the form of theirs. */
export function isVersionRefusal(reasonCode: number): boolean {
  return reasonCode === 0x01 || reasonCode === 0x84;
}

/** The broker has answered a CONNECT with something else than success. */
export function connectError(reasonCode: number, address: string): MessagingError {
  const [code, recoverable] = REFUSALS[reasonCode] ?? BY_DEFAULT;
  return new MessagingError(code, `${address}: the broker refuses: ${reasonText(reasonCode)}`, { recoverable });
}

/** The broker does not let us subscribe. */
export function subscriptionError(topic: string, reasonCode: number, address: string): MessagingError {
  const message = `${address}: the broker refuses the subscription to "${topic}": ${reasonText(reasonCode)}`;
  return new MessagingError('BROKER_ACCESS_DENIED', message, { recoverable: false });
}

/** The broker has ended the connection, and said why. */
export function farewellError(reasonCode: number, clientId: string, address: string): MessagingError {
  const why = reasonCode === 0x8e ? `another client has connected with the ID "${clientId}"` : reasonText(reasonCode);
  return lost(`${address}: the broker ended the connection: ${why}`);
}

/** The connection has ended, and nobody said why. Brokers of MQTT 3.1.1 do not, and of MQTT 5 not all. */
export function silentEndError(clientId: string, address: string, cause: unknown): MessagingError {
  const code = codeOf(cause);
  return code === undefined
    ? lost(`${address}: the broker hung up: it was stopped, or another client connected with the ID "${clientId}"`)
    : lost(`${address}: the connection broke (${code})`, cause);
}

/** The connection has ended before the broker answered the CONNECT. */
export function unansweredError(cause: unknown, address: string, hint: string): MessagingError {
  const status = cause instanceof Error ? /^Unexpected server response: (\d{3})$/.exec(cause.message)?.[1] : undefined;
  if (status !== undefined) return refusalError(Number(status), undefined, address);
  if (cause instanceof Error && codeOf(cause) === undefined) return nonsenseError(address, cause.message, cause);
  if (/^(?:HPE|WS_ERR)_/.test(codeOf(cause) ?? '')) return nonsenseError(address, 'it does not speak WebSocket', cause);
  if (cause !== undefined && !isReset(cause)) return networkError(cause, address);
  return lost(`${address}: the broker hung up instead of answering${hint === '' ? '' : ` (${hint})`}`, cause);
}

/** What came is no MQTT. Before the broker has let us in that is for good; after it, it may be the line. */
export function nonsenseError(address: string, detail: string, cause?: unknown): MessagingError {
  const message = `${address}: this is no MQTT broker (${detail})`;
  return new MessagingError('CONNECTION_PROTOCOL_ERROR', message, { recoverable: false, cause });
}

/** The connection is given up for a reason of ours. */
export function givenUpError(address: string, why: string, cause?: unknown): MessagingError {
  return lost(`${address}: ${why}`, cause);
}

function isReset(cause: unknown): boolean {
  return ['ECONNRESET', 'EPIPE', 'ECONNABORTED'].includes(codeOf(cause) ?? '');
}

/** `error.code`, also of the many errors that Node folds into one when a host has several addresses. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if ('code' in error && typeof error.code === 'string') return error.code;
  return error instanceof AggregateError ? codeOf(error.errors[0]) : undefined;
}

function lost(message: string, cause?: unknown): MessagingError {
  return new MessagingError('CONNECTION_LOST', message, { recoverable: true, closeCode: 1006, cause });
}

function reasonText(reasonCode: number): string {
  const number = `0x${reasonCode.toString(16).padStart(2, '0')}`;
  const text = REASONS[reasonCode];
  return text === undefined ? `reason ${number}` : `${text} (${number})`;
}

const REASONS: Readonly<Record<number, string>> = {
  0x00: 'it gave no reason',
  0x01: 'it does not know this version of MQTT',
  0x02: 'it does not accept the client ID',
  0x03: 'it is not available',
  0x04: 'username or password is wrong',
  0x05: 'not authorised',
  0x80: 'it does not say why',
  0x81: 'a packet was malformed',
  0x82: 'a packet broke the protocol',
  0x83: 'for a reason of its own',
  0x84: 'it does not know this version of MQTT',
  0x85: 'it does not accept the client ID',
  0x86: 'username or password is wrong',
  0x87: 'not authorised',
  0x88: 'it is not available',
  0x89: 'it is busy',
  0x8a: 'this client is banned',
  0x8b: 'it is shutting down',
  0x8c: 'it wants another method of authentication',
  0x8d: 'it heard nothing from us for too long',
  0x8e: 'another client has connected with the same ID',
  0x8f: 'it does not accept the topic filter',
  0x90: 'it does not accept the topic',
  0x95: 'a packet was too large',
  0x96: 'too many messages',
  0x97: 'a quota is exceeded',
  0x98: 'somebody ended it there',
  0x9a: 'it keeps no retained messages',
  0x9c: 'another broker is to be used',
  0x9d: 'it has moved',
  0x9f: 'too many connections at a time',
  0xa0: 'the connection has lasted for as long as it may',
  0xa2: 'it does not accept wildcards',
};

type Refusal = readonly [code: ErrorCode, recoverable: boolean];

const BY_DEFAULT: Refusal = ['BROKER_REFUSED', false];
const DENIED: Refusal = ['BROKER_ACCESS_DENIED', false];
const UNAVAILABLE: Refusal = ['CONNECTION_UNAVAILABLE', true];
/** It may be anything: a device that nobody visits had better try again. */
const UNEXPLAINED: Refusal = ['BROKER_REFUSED', true];

const REFUSALS: Readonly<Record<number, Refusal>> = {
  0x03: UNAVAILABLE,
  0x04: DENIED,
  0x05: DENIED,
  0x80: UNEXPLAINED,
  0x83: UNEXPLAINED,
  0x86: DENIED,
  0x87: DENIED,
  0x88: UNAVAILABLE,
  0x89: UNAVAILABLE,
  0x8a: DENIED,
  0x8b: UNAVAILABLE,
  0x8c: DENIED,
  0x97: UNAVAILABLE,
  0x9f: UNAVAILABLE,
};

const TLS_HINTS: Partial<Record<ErrorCode, string>> = {
  TLS_CERTIFICATE_UNTRUSTED: 'Name the authority of the broker, or its own certificate, in trustedCertificates.',
  TLS_CERTIFICATE_NAME_MISMATCH: 'Use a name in the URL that the certificate of the broker is for.',
  TLS_CLIENT_CERTIFICATE_REQUIRED: 'Give the broker options an identity: this broker asks for a certificate.',
  TLS_CLIENT_CERTIFICATE_REJECTED: 'Show an identity that the broker trusts, or add its issuer there.',
};

interface Meaning {
  readonly code: ErrorCode;
  readonly text: string;
}

const LOST: Meaning = { code: 'CONNECTION_LOST', text: 'the connection broke before it was open' };
const HOST_UNKNOWN: Meaning = { code: 'CONNECTION_HOST_UNKNOWN', text: 'the host name cannot be resolved' };
const UNREACHABLE: Meaning = { code: 'CONNECTION_UNREACHABLE', text: 'there is no route to the host' };

const NETWORK_ERRORS: Readonly<Record<string, Meaning>> = {
  ECONNREFUSED: { code: 'CONNECTION_REFUSED', text: 'nobody listens there' },
  ENOTFOUND: HOST_UNKNOWN,
  EAI_AGAIN: { code: 'CONNECTION_HOST_UNKNOWN', text: 'the name server does not answer' },
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
