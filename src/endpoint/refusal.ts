/**
 * What the statuses mean with which a listener refuses a peer: those of HTTP (specification 1.5), on every medium. The one
 * mapping from status to error, so that a refusal has the same outcome wherever it happens.
 */
import type { ErrorCode } from '../errors.js';
import { MessagingError } from './connection.js';

/**
 * The error for a peer that refused us.
 *
 * @param status of HTTP; 495 and 496 are nginx's: the client certificate is not accepted, or there is none
 * @param reason what the peer says about it, if anything: of any length and content
 * @param address who refused
 */
export function refusalError(status: number, reason: string | undefined, address: string): MessagingError {
  const recoverable = PASSING.has(status);
  const [code, text] = REFUSALS[status] ?? (recoverable ? UNAVAILABLE : REJECTED);
  const said = oneLine(reason ?? '');
  return new MessagingError(code, `${address}: ${text} (HTTP ${status})${said === '' ? '' : `: ${said}`}`, {
    recoverable,
    // Couchbase Lite knows no such statuses, but errors of TLS that say the same.
    ...(OF_TLS.has(status) ? {} : { number: 10_000 + status }),
  });
}

/** What a peer sends must neither write to a terminal nor fill a log. */
function oneLine(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  const line = text.slice(0, MAX_REASON_LENGTH).replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ');
  return line.trim();
}

const MAX_REASON_LENGTH = 200;
const REFUSALS: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  401: ['AUTHENTICATION_FAILED', 'user name or password was refused'],
  403: ['ACCESS_DENIED', 'access was denied'],
  404: ['REMOTE_DATABASE_NOT_FOUND', 'the server has no such database'],
  429: ['AUTHENTICATION_DELAYED', 'the server wants us to wait'],
  495: ['TLS_CLIENT_CERTIFICATE_REJECTED', 'our certificate was refused'],
  496: ['TLS_CLIENT_CERTIFICATE_REQUIRED', 'the server requires a client certificate'],
};
const OF_TLS: ReadonlySet<number> = new Set([495, 496]);
const PASSING: ReadonlySet<number> = new Set([408, 429, 502, 503, 504]);
const UNAVAILABLE: readonly [ErrorCode, string] = ['CONNECTION_UNAVAILABLE', 'the server is not available now'];
const REJECTED: readonly [ErrorCode, string] = ['CONNECTION_REJECTED', 'the server refused the connection'];
