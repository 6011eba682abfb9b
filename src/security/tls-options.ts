/**
 * TLS as both ends of every medium speak it: one place for the versions, for what is shown and what is asked for. Whoever
 * holds the socket, a WebSocket or the secure layer, passes these options to `node:tls` and reads the result here.
 */
import { constants, type X509Certificate } from 'node:crypto';
import type { ConnectionOptions, TLSSocket, TlsOptions } from 'node:tls';
import { builtins } from '../base/index.js';
import type { ListenerAuthenticator } from './listener-authenticators.js';
import type { TLSIdentity } from './tls-identity.js';

/** For `tls.createServer`, `https.createServer` and `new TLSSocket(…, { isServer: true })`. */
export function serverTlsOptions(identity: TLSIdentity, authenticator: ListenerAuthenticator | undefined): TlsOptions {
  const asked = authenticator?.kind === 'certificate';
  const roots = asked ? authenticator.roots : undefined;
  return {
    key: identity.privateKeyPem(),
    cert: identity.certificatePem(),
    minVersion: MIN_VERSION,
    requestCert: asked,
    // Node would hang up without a word, and the client could not tell a wrong certificate from a broken line: the listener
    // judges after the handshake, and says so.
    rejectUnauthorized: false,
    // Nobody needs to renegotiate here: it would cost us work at a stranger's will, and change who the peer is after it was let
    // in. And whoever has to show a certificate does so each time: one that was refused since must not come in by an old session.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION | (asked ? constants.SSL_OP_NO_TICKET : 0),
    ...(roots === undefined ? {} : { ca: roots.map((root) => root.toString()) }),
  };
}

/**
 * For `tls.connect`. The certificate of the server is not judged by Node, which would end the connection before anybody saw
 * it: `judgeServer` does it, before a byte of the application is sent.
 *
 * @param hostname what the server is called, without brackets around an IPv6 address; `undefined` where it has no such name
 * @param identity what to show to a server that asks for a certificate
 */
export function clientTlsOptions(hostname: string | undefined, identity: TLSIdentity | undefined): ConnectionOptions {
  return {
    minVersion: MIN_VERSION,
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    // A name for the server to choose its certificate by; RFC 6066 allows none for an address.
    ...(hostname === undefined || builtins.net().isIP(hostname) !== 0 ? {} : { servername: hostname }),
    ...(identity === undefined ? {} : { key: identity.privateKeyPem(), cert: identity.certificatePem() }),
  };
}

export interface PeerChain {
  /** As the peer sent it, its own certificate first; empty if it showed none. */
  readonly chain: readonly X509Certificate[];
  /** OpenSSL's name for what is wrong with it, if anything. */
  readonly chainError: string | undefined;
}

/** What the peer has shown, once the handshake is done. */
export function peerChain(socket: TLSSocket): PeerChain {
  const known = chains.get(socket);
  if (known !== undefined) return known;
  const chain: X509Certificate[] = [];
  let certificate = socket.getPeerX509Certificate();
  for (; certificate !== undefined && chain.length < MAX_CHAIN; certificate = certificate.issuerCertificate) {
    chain.push(certificate);
  }
  // A string at run time, whatever its type says.
  const shown = { chain, chainError: socket.authorized ? undefined : String(socket.authorizationError) };
  chains.set(socket, shown);
  return shown;
}

/** Node takes the certificates out of the connection: whoever asks again would find fewer. */
const chains = new WeakMap<TLSSocket, PeerChain>();
const MIN_VERSION = 'TLSv1.2';
/** Real chains have two to four certificates, and each that we look at may cost the check of a signature. */
const MAX_CHAIN = 16;
