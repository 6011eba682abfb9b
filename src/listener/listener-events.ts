/** What a listener tells of itself and of its peers. */
import type { MessageEndpointConnection } from '../endpoint/index.js';
import type { HawserError } from '../errors.js';
import type { DocumentProblem } from '../replicator/index.js';
import type { PeerIdentity, TLSIdentity } from '../security/index.js';

export interface ListenerStatus {
  readonly connectionCount: number;
  /** Those that are transferring something now. */
  readonly activeConnectionCount: number;
}

/** One peer, as a listener's events and listings show it. */
export interface PeerStatus extends PeerIdentity {
  readonly activity: 'busy' | 'idle' | 'stopped';
  readonly progress: { readonly completed: number; readonly total: number };
  /** Why the connection ended, where it was not orderly. */
  readonly error: HawserError | undefined;
}

/** Somebody who was not let in. */
export interface RefusedPeer {
  /** Where it came from, where the medium knows. */
  readonly address?: string;
  /**
   * `CONNECTION_TIMEOUT`, `CONNECTION_LOST` (it went by itself), `LISTENER_BUSY`, `LISTENER_STOPPED`, `TLS_HANDSHAKE_FAILED`,
   * `CONNECTION_PROTOCOL_ERROR`, `CONNECTION_PROTOCOL_MISMATCH`, `REMOTE_DATABASE_NOT_FOUND`, `AUTHENTICATION_FAILED`,
   * `AUTHENTICATION_DELAYED`, `TLS_CLIENT_CERTIFICATE_REQUIRED` or `…_REJECTED`, `AUTHORIZATION_FAILED`.
   */
  readonly error: HawserError;
}

export interface ListenerEvents {
  /** A connection began, became busy or idle, or ended. */
  connection: PeerStatus & { readonly connection: MessageEndpointConnection };
  /**
   * A connection that did not become a peer: why it was ended, or was never let in. Told once for each of them, however many
   * there are: do little here. The log has no more than ten lines of it a minute, and a summary.
   */
  refused: RefusedPeer;
  /** A document of a peer could not be taken, or one of ours not be given. */
  'document-problem': DocumentProblem;
  /** The certificate that peers see was renewed while the listener runs; the key is the same. */
  identity: TLSIdentity;
  /** Trouble on this side, such as a full disk. Peers keep what could not be stored and offer it again. */
  error: HawserError;
}
