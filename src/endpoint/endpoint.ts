/** What a replicator connects to: something that can make connections, again and again. */
import type { X509Certificate } from 'node:crypto';
import type { Clock, Logger } from '../base/index.js';
import type { ServerTrust, TLSIdentity } from '../security/index.js';
import type { MessageEndpointConnection } from './connection.js';

export interface Endpoint {
  /**
   * Identifies the remote database in the checkpoint's identity: it must not change when the peer restarts, and must
   * differ between databases. For a URL this is the URL with `/_blipsync`.
   */
  readonly remoteID: string;

  /**
   * How long opening may take over a medium so slow that the usual time is too short, TLS and handshake included. In
   * milliseconds. @default 15,000, which is also the least
   */
  readonly connectTimeoutMs?: number;

  /** Called for every attempt to connect. Returns a fresh object and does not connect yet. */
  createConnection(options: ConnectOptions): MessageEndpointConnection;
}

/** What the replicator knows and a transport may need to open a connection. */
export interface ConnectOptions {
  /** Sub-protocols in order of preference, for media that negotiate. */
  readonly protocols: readonly string[];
  /** The value of an HTTP `Authorization` header, ready to send once the peer is trusted. */
  readonly authorization?: string;
  /** The certificate to show to a server that asks for one, over TLS. */
  readonly identity?: TLSIdentity;
  /** Further HTTP headers. Media without headers ignore them. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly trust: ServerTrust;
  /** A link on which nothing arrived for this long is probed, and given up if it stays silent. In milliseconds. */
  readonly heartbeatMs: number;
  /** How long opening may take, TLS and handshake included. In milliseconds. */
  readonly connectTimeoutMs: number;
  /** Called once with the certificate of the server when TLS got that far, trusted or not. */
  readonly onServerCertificate?: (certificate: X509Certificate) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}
