/** Errors as they travel in BLIP replies (specification 2.9, 9.4), and what they mean to us. */
import { oneLine } from '../base/index.js';
import type { RemoteError } from '../blip/index.js';
import { HawserError, type ErrorCode, type ErrorDomain } from '../errors.js';

/** Error replies of our own: domain, code, text. */
export const reply = {
  http: (code: number, message: string): RemoteError => ({ domain: 'HTTP', code, message }),
  blip: (code: number, message: string): RemoteError => ({ domain: 'BLIP', code, message }),
  liteCore: (code: number, message: string): RemoteError => ({ domain: 'LiteCore', code, message }),
} as const;

/** The two texts by which a Couchbase Lite core recognises that a Profile is unknown to its peer. */
export const NO_HANDLER = reply.blip(404, 'no handler for message');

/** The answer to a delta that cannot be applied: the peer then sends the revision in full (specification 7.2). */
export const DELTA_REFUSED = reply.http(422, 'deltas are not understood here');

export function isError(error: RemoteError | undefined, domain: string, code: number): boolean {
  return error !== undefined && error.domain === domain && error.code === code;
}

/** A peer's error reply to a message of the protocol, as the error of the replicator. */
export function remoteErrorToHawser(what: string, error: RemoteError): HawserError {
  const said = error.message === '' ? '' : `: ${shortened(error.message, 500)}`;
  const text = `the peer answered ${what} with ${shortened(error.domain, 40)}/${error.code}${said}`;
  if (error.domain === 'HTTP') {
    const code = httpCodes[error.code] ?? 'REPLICATION_REMOTE_ERROR';
    return new HawserError(code, text, {
      domain: 'WebSocket',
      number: 10_000 + error.code,
      retryable: isTransientStatus(error.code),
    });
  }
  const known = Object.hasOwn(DOMAINS, error.domain) ? DOMAINS[error.domain] : undefined;
  if (known === undefined) return new HawserError('REPLICATION_REMOTE_ERROR', text); // the peer's own business
  const [domain, offset] = known;
  return new HawserError('REPLICATION_REMOTE_ERROR', text, { domain, number: offset + error.code });
}

/** Statuses after which the same request may succeed later without anybody changing anything. */
export function isTransientStatus(status: number): boolean {
  return status === 408 || status === 429 || status === 502 || status === 503 || status === 504;
}

/** Whether an error reply to a `rev` leaves its sequence to be tried again later (specification 3.9.3). */
export function isTransientReply(error: RemoteError): boolean {
  return error.domain === 'HTTP' && isTransientStatus(error.code);
}

/** What we answer when handling a request failed with `error`. */
export function errorToReply(error: unknown): RemoteError {
  if (!(error instanceof HawserError)) return reply.blip(501, 'unexpected exception');
  switch (error.code) {
    case 'DOCUMENT_ID_INVALID':
    case 'REVISION_ID_INVALID':
    case 'REVISION_HISTORY_INVALID':
    case 'DOCUMENT_BODY_INVALID':
    case 'DOCUMENT_CONFLICT':
      return reply.liteCore(error.number, error.message);
    case 'DELTA_INVALID':
    case 'DELTA_BASE_UNKNOWN':
      return reply.http(422, error.message); // the peer then sends the revision in full (specification 7.2)
    case 'DOCUMENT_TOO_LARGE':
      return reply.http(413, error.message);
    case 'BLOB_NOT_FOUND':
      return reply.http(404, error.message);
    case 'BLOB_CORRUPT':
      return reply.http(400, error.message);
    case 'ACCESS_DENIED':
      return reply.http(403, error.message);
    case 'CONNECTION_UNAVAILABLE':
    case 'REPLICATION_BACKLOG_FULL':
    case 'STORAGE_FULL':
    case 'STORAGE_IO_ERROR':
    case 'STORAGE_READ_ONLY':
    case 'STORAGE_FAILED':
    case 'WRITE_QUEUE_FULL':
    case 'DATABASE_CLOSED':
    case 'DATABASE_CORRUPT':
    case 'DATABASE_IN_BATCH':
    case 'COLLECTION_DELETED':
      // Our trouble, not the peer's: it keeps the revision and offers it again later.
      return reply.http(503, `the peer cannot store it now (${error.code})`);
    default:
      return reply.blip(501, error.code);
  }
}

/** A peer chooses the length of what it says, and the characters. */
function shortened(text: string, length: number): string {
  return oneLine(text.length > length ? `${text.slice(0, length)}…` : text);
}

/** The domains of a Couchbase Lite core that are ours too, and what users add to the numbers on the wire. */
const DOMAINS: Readonly<Record<string, readonly [ErrorDomain, number]>> = {
  LiteCore: ['CouchbaseLite', 0],
  POSIX: ['POSIX', 0],
  SQLite: ['SQLite', 0],
  Network: ['Network', 5_000],
  WebSocket: ['WebSocket', 10_000],
};

const httpCodes: Readonly<Record<number, ErrorCode>> = {
  401: 'AUTHENTICATION_FAILED',
  403: 'ACCESS_DENIED',
  408: 'CONNECTION_UNAVAILABLE',
  429: 'CONNECTION_UNAVAILABLE',
  502: 'CONNECTION_UNAVAILABLE',
  503: 'CONNECTION_UNAVAILABLE',
  504: 'CONNECTION_UNAVAILABLE',
};
