/**
 * TLS is set up over a stream, and the client judges who is there: the same options and the same decisions as on a socket.
 *
 * Invariant: a TLS socket that is returned to a client leads to a server that is trusted, and not one byte of the application
 * has been sent on it. A password can therefore never reach a stranger.
 */
import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { builtins, type Clock } from '../../base/index.js';
import {
  clientTlsOptions,
  judgeServer,
  serverTlsOptions,
  type ListenerAuthenticator,
  type PeerChain,
  type ServerTrust,
  type TLSIdentity,
} from '../../security/index.js';
import { MessagingError } from '../connection.js';
import type { ConnectionStream } from './connection-stream.js';

/** Of the side that opens the connection. */
export interface SecureClientOptions {
  readonly role: 'client';
  /** What the server is known by, for messages and for a trust policy: the uid of an endpoint. */
  readonly name: string;
  readonly trust: ServerTrust;
  /** What to show to a server that asks for a certificate. */
  readonly identity?: TLSIdentity;
  /** Called once with the certificate of the server when TLS got that far, trusted or not. */
  readonly onServerCertificate?: (certificate: X509Certificate) => void;
}

/** Of the side that was connected to. */
export interface SecureServerOptions {
  readonly role: 'server';
  /** What to show, to this peer: for the next there may be a renewed one. */
  readonly identity: TLSIdentity;
  /** Who may come in. One for certificates has the client asked for one; whether it is accepted is for the listener to say. */
  readonly authenticator?: ListenerAuthenticator;
}

/** Sets up TLS. Rejects with Node's error, also when the stream ends before that. */
export function startTls(
  stream: ConnectionStream,
  options: SecureClientOptions | SecureServerOptions,
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    // A turn later: what is wrong with the last bytes says more than the end behind them.
    const ended = (): void => void setImmediate(reject, new Error('the connection ended while TLS was being set up'));
    stream.once('end', ended).once('close', ended);
    const secured = (socket: TLSSocket): void => {
      stream.off('end', ended).off('close', ended);
      resolve(socket);
    };
    if (options.role === 'client') {
      // There are no host names on such media: who is trusted is known by the certificate.
      const socket = builtins.tls().connect({ socket: stream, ...clientTlsOptions(undefined, options.identity) });
      // For as long as it lives: an error that comes between two owners of the socket must not end the process.
      socket.on('error', reject);
      socket.once('secureConnect', () => secured(socket));
    } else {
      // A server that never listens: the only way to a TLS socket that has checked the chain of a client. One for each
      // connection, because it does not say which of several connections it has finished.
      const certificates = serverTlsOptions(options.identity, options.authenticator);
      const server = builtins.tls().createServer({ ...certificates, handshakeTimeout: NEVER_MS });
      server.on('tlsClientError', (error) => reject(error));
      server.once('secureConnection', (socket: TLSSocket) => {
        socket.on('error', () => undefined);
        secured(socket);
      });
      server.emit('connection', stream);
    }
  });
}

/** Throws a {@link MessagingError} unless the server is trusted. */
export async function judge(peer: PeerChain, options: SecureClientOptions, clock: Clock): Promise<void> {
  const { name, trust, onServerCertificate } = options;
  const [leaf] = peer.chain;
  if (leaf !== undefined) onServerCertificate?.(leaf);
  const problem = await judgeServer({ name, hostname: undefined, ...peer }, trust, clock.now());
  if (problem === undefined) return;
  const { code, message, hint, cause } = problem;
  throw new MessagingError(code, `${name}: ${message}`, { recoverable: false, hint, cause });
}

/** The longest that a timer of Node can wait: how long it may take is for the owner of the connection to limit. */
const NEVER_MS = 2_147_483_647;
