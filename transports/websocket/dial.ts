/**
 * Opens the way to a server and judges who is there: TCP, TLS, the certificate. HTTP comes after it.
 *
 * Invariant: a socket that is returned leads to a server that is trusted (or to a `ws:` URL, which asks for no proof), and
 * not one byte of the application has been sent on it. A password can therefore never reach a stranger.
 */
import type { X509Certificate } from 'node:crypto';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { checkServerCertificate, MessagingError, type ConnectOptions } from '../../src/index.js';
import { networkError } from './network-errors.js';

export interface Address {
  readonly secure: boolean;
  /** Without brackets around an IPv6 address. */
  readonly host: string;
  readonly port: number;
}

export type DialOptions = Pick<ConnectOptions, 'trust' | 'clock' | 'onServerCertificate'>;

/**
 * Connects and judges. Rejects with a {@link MessagingError}, or with the reason of `signal` when that fires; by then the
 * socket is closed.
 */
export async function dial(address: Address, options: DialOptions, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted();
  const { host, port, secure } = address;
  // The signal is ours to watch: that of `connect` would not reach a TLS handshake.
  const route = { host, port, autoSelectFamilyAttemptTimeout: ATTEMPT_TIMEOUT_MS };
  const socket = secure ? dialTls(route) : connectTcp(route);
  const abort = (): void => void socket.destroy();
  signal.addEventListener('abort', abort, { once: true });
  // For as long as it lives: an error that comes between two owners of the socket must not end the process.
  socket.on('error', () => undefined);
  try {
    await ready(socket, secure ? 'secureConnect' : 'connect');
    if (secure) judge(socket as TLSSocket, host, options);
    return socket;
  } catch (cause) {
    await destroyed(socket);
    signal.throwIfAborted();
    throw cause instanceof MessagingError ? cause : networkError(cause, `${host}:${port}`);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** Closes the socket at once, and resolves when it is. */
export async function destroyed(socket: Socket): Promise<void> {
  socket.destroy();
  if (socket.closed) return;
  // Not `events.once`, which would reject on a late error.
  await new Promise<void>((resolve) => {
    socket.once('close', () => resolve());
  });
}

function dialTls(route: { host: string; port: number }): TLSSocket {
  return connectTls({
    ...route,
    minVersion: 'TLSv1.2',
    // A name for the server to choose its certificate by; RFC 6066 allows none for an address.
    ...(isIP(route.host) === 0 ? { servername: route.host } : {}),
    // Node would end the connection before anybody saw the certificate. It still checks, and `judge` reads the result.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  });
}

/** Waits for the event; rejects if the socket fails or closes first. */
function ready(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => (): void => {
      socket.off(event, onReady).off('error', onError).off('close', onClose);
      act();
    };
    const onReady = settle(resolve);
    const onError = (error: Error): void => settle(() => reject(error))();
    const onClose = settle(() => reject(Object.assign(new Error('the connection closed'), { code: 'ECONNRESET' })));
    socket.on(event, onReady).on('error', onError).on('close', onClose);
  });
}

function judge(socket: TLSSocket, host: string, options: DialOptions): void {
  const chain: X509Certificate[] = [];
  let certificate = socket.getPeerX509Certificate();
  for (; certificate !== undefined && chain.length < MAX_CHAIN; certificate = certificate.issuerCertificate) {
    chain.push(certificate);
  }
  const [leaf] = chain;
  if (leaf !== undefined) options.onServerCertificate?.(leaf);
  // A string at run time, whatever its type says.
  const chainError = socket.authorized ? undefined : String(socket.authorizationError);
  const problem = checkServerCertificate(chain, chainError, host, options.trust, options.clock.now());
  if (problem === undefined) return;
  const { code, message, hint, cause } = problem;
  throw new MessagingError(code, `${host}: ${message}`, { recoverable: false, hint, cause });
}

/**
 * How long one address of several is tried before the next. Node's 250 ms are less than a round trip over a satellite,
 * where every attempt but the last would then fail.
 */
const ATTEMPT_TIMEOUT_MS = 2_500;

/** OpenSSL takes no longer chains. */
const MAX_CHAIN = 100;
