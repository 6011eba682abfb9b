/** What a peer says of itself before it is let in, and what it is answered. */
import type { X509Certificate } from 'node:crypto';
import { HawserError, type ErrorCode } from '../errors.js';
import type { PeerIdentity } from '../security/index.js';
import type { PeerAccess } from './peer-access.js';

export interface PeerRequest {
  /** `/<database>/_blipsync`, percent-encoded as in a URL. */
  readonly path: string;
  /** The sub-protocols it offers, in its order of preference. */
  readonly protocols: readonly string[];
  /** The value of its `Authorization` header. */
  readonly authorization?: string | undefined;
  /** The certificate it has shown and those it sent along, where it was asked for one. */
  readonly chain?: readonly X509Certificate[] | undefined;
  /** OpenSSL's name for what is wrong with the chain, judged by the roots of the authenticator. */
  readonly chainError?: string | undefined;
  /** Where it comes from. */
  readonly address?: string | undefined;
  /** Fires when it has gone, see `PendingHandshake.signal`: a password that nobody waits for is not looked at. */
  readonly signal?: AbortSignal | undefined;
}

/** The answer, in the words of HTTP: 101 and the sub-protocol chosen, or a status and a reason that may be told. */
export type Admission =
  { readonly status: 101; readonly protocol: string; readonly peer: AcceptedPeer } | RefusedAdmission;

export interface RefusedAdmission {
  readonly status: 400 | 401 | 404 | 429 | 495 | 496 | 503;
  readonly reason: string;
  /** When it may try again, in seconds. */
  readonly retryAfter?: number;
  /** The same for our side: what `PendingHandshake.refuse` is to be told. */
  readonly error: HawserError;
}

/** A peer that was let in. */
export interface AcceptedPeer extends PeerIdentity {
  /** What it may do. @default everything that the listener offers */
  readonly access?: PeerAccess;
}

/** @param error by default the one that the status stands for */
export function refusal(
  status: RefusedAdmission['status'],
  reason: string,
  { retryAfter, error }: { readonly retryAfter?: number; readonly error?: HawserError } = {},
): RefusedAdmission {
  const told = error ?? new HawserError(CODES[status], reason);
  return { status, reason, error: told, ...(retryAfter === undefined ? {} : { retryAfter }) };
}

const CODES: Readonly<Record<RefusedAdmission['status'], ErrorCode>> = {
  400: 'CONNECTION_PROTOCOL_MISMATCH',
  401: 'AUTHENTICATION_FAILED',
  404: 'REMOTE_DATABASE_NOT_FOUND',
  429: 'AUTHENTICATION_DELAYED',
  495: 'TLS_CLIENT_CERTIFICATE_REJECTED',
  496: 'TLS_CLIENT_CERTIFICATE_REQUIRED',
  503: 'LISTENER_BUSY',
};
