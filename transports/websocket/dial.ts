/**
 * Opens the way to a server and judges who is there: TCP, TLS, the certificate. HTTP comes after it.
 *
 * Invariant: a socket that is returned leads to a server that is trusted (or to a `ws:` URL, which asks for no proof), and
 * not one byte of the application has been sent on it. A password can therefore never reach a stranger.
 */
import { X509Certificate } from 'node:crypto';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type PeerCertificate, type TLSSocket } from 'node:tls';
import { clientTlsOptions, judgeServer, MessagingError, peerChain, type ConnectOptions } from '../../src/index.js';
import { networkError } from './network-errors.js';

export interface Address {
  readonly secure: boolean;
  /** Without brackets around an IPv6 address. */
  readonly host: string;
  readonly port: number;
}

export type DialOptions = Pick<ConnectOptions, 'identity' | 'trust' | 'clock' | 'onServerCertificate'>;

/**
 * Connects and judges. Rejects with a {@link MessagingError}, or with the reason of `signal` when that fires; by then the
 * socket is closed. What a server sends before it is judged stays in the socket, which stops reading when it is full.
 */
export async function dial(address: Address, options: DialOptions, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted();
  let socket: Socket | undefined;
  const abort = (): void => void socket?.destroy();
  signal.addEventListener('abort', abort, { once: true });
  try {
    socket = begin(address, options);
    // For as long as it lives: an error that comes between two owners of the socket must not end the process.
    socket.on('error', () => undefined);
    if (address.secure) await secure(socket as TLSSocket, address, options);
    else await happens(socket, 'connect');
    return socket;
  } catch (cause) {
    if (socket !== undefined) await destroyed(socket);
    signal.throwIfAborted();
    throw cause instanceof MessagingError ? cause : networkError(cause, nameOf(address));
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

function begin({ host, port, secure }: Address, { identity }: DialOptions): Socket {
  // The signal is ours to watch: that of `connect` would not reach a TLS handshake.
  const route = { host, port, autoSelectFamilyAttemptTimeout: ATTEMPT_TIMEOUT_MS };
  return secure ? connectTls({ ...route, ...clientTlsOptions(host, identity) }) : connectTcp(route);
}

async function secure(socket: TLSSocket, address: Address, options: DialOptions): Promise<void> {
  let shown: X509Certificate | undefined;
  // With TLS 1.2 a server may refuse our certificate before the handshake is done, and after that nobody can ask the socket
  // any more what it was shown. When there are keys, it was.
  const look = (): void => {
    const { raw } = socket.getPeerCertificate() as Partial<PeerCertificate>;
    if (raw !== undefined) shown ??= new X509Certificate(raw);
  };
  socket.on('keylog', look);
  try {
    await happens(socket, 'secureConnect');
    look();
  } finally {
    socket.off('keylog', look);
    if (shown !== undefined) options.onServerCertificate?.(shown);
  }
  const server = { name: nameOf(address), hostname: address.host, ...peerChain(socket) };
  const problem = await meanwhile(socket, judgeServer(server, options.trust, options.clock.now()));
  if (problem === undefined) return;
  const { code, message, domain, number, hint, retryable, cause } = problem;
  throw new MessagingError(code, `${server.name}: ${message}`, { recoverable: retryable, domain, number, hint, cause });
}

/** Waits for the event; rejects if the socket fails or closes first. */
function happens(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      socket.off(event, onReady).off('error', onError).off('close', onClose);
      act();
    };
    const onReady = (): void => settle(resolve);
    const onError = (error: Error): void => settle(() => reject(error));
    const onClose = (): void => settle(() => reject(closed()));
    socket.on(event, onReady).on('error', onError).on('close', onClose);
  });
}

/**
 * Waits for `work`, which may never settle; rejects if the socket fails, ends or closes first. With TLS 1.3 that is how a
 * server refuses our certificate: for us the handshake is done by then.
 */
function meanwhile<T>(socket: Socket, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      socket.off('error', onError).off('end', onEnd).off('close', onEnd);
      act();
    };
    const onError = (error: Error): void => settle(() => reject(error));
    const onEnd = (): void => settle(() => reject(closed()));
    socket.on('error', onError).on('end', onEnd).on('close', onEnd);
    work.then(
      (value) => settle(() => resolve(value)),
      (error: Error) => settle(() => reject(error)),
    );
    // It may have happened before anybody listened.
    if (socket.destroyed || socket.readableEnded) onError(socket.errored ?? closed());
  });
}

function closed(): Error {
  return Object.assign(new Error('the connection closed'), { code: 'ECONNRESET' });
}

/** As in a URL. */
function nameOf({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * How long one address of several is tried before the next. Node's 250 ms are less than a round trip over a satellite,
 * where every attempt but the last would then fail.
 */
const ATTEMPT_TIMEOUT_MS = 2_500;
