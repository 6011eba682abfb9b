/**
 * Opens the way to a broker and judges who is there: TCP, TLS, the certificate. MQTT comes after it.
 *
 * Invariant: a socket that is returned leads to a broker that is trusted (or to a URL without TLS, which asks for no proof),
 * and not one byte of MQTT has been sent on it. A password can therefore never reach a stranger.
 */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { clientTlsOptions, judgeServer, MessagingError, peerChain } from '../../src/index.js';
import { certificateError, networkError } from './broker-errors.js';
import type { Broker } from './broker-options.js';

/**
 * Connects and judges. Rejects with a {@link MessagingError}, or with the reason of `signal` when that fires; by then the
 * socket is closed. What the broker sends before it is judged stays in the socket.
 *
 * @param now milliseconds since the epoch
 */
export async function dial(broker: Broker, now: number, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted();
  let socket: Socket | undefined;
  const abort = (): void => void socket?.destroy();
  signal.addEventListener('abort', abort, { once: true });
  try {
    socket = begin(broker);
    // For as long as it lives: an error that comes between two owners of the socket must not end the process.
    socket.on('error', () => undefined);
    // A packet is many small writes to some brokers, and each waits for the answer to the one before.
    socket.setNoDelay(true);
    await happens(socket, broker.secure ? 'secureConnect' : 'connect');
    if (broker.secure) await judge(socket as TLSSocket, broker, now);
    if (socket.destroyed) throw socket.errored ?? closed();
    return socket;
  } catch (cause) {
    if (socket !== undefined) await destroyed(socket);
    signal.throwIfAborted();
    throw cause instanceof MessagingError ? cause : networkError(cause, nameOf(broker));
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

/** As in a URL. */
export function nameOf({ host, port }: Pick<Broker, 'host' | 'port'>): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function begin({ host, port, secure, identity, trustedCertificates }: Broker): Socket {
  // The signal is ours to watch: that of `connect` would not reach a TLS handshake.
  const route = { host, port, autoSelectFamilyAttemptTimeout: ATTEMPT_TIMEOUT_MS };
  if (!secure) return connectTcp(route);
  const ca = trustedCertificates === undefined ? {} : { ca: trustedCertificates.map((trusted) => trusted.toString()) };
  return connectTls({ ...route, ...clientTlsOptions(host, identity), ...ca });
}

/** By the roots that were named or those of Node, and by the host's name. */
async function judge(socket: TLSSocket, broker: Broker, now: number): Promise<void> {
  const name = nameOf(broker);
  const problem = await judgeServer({ name, hostname: broker.host, ...peerChain(socket) }, {}, now);
  if (problem !== undefined) throw certificateError(problem, `${name}: ${problem.message}`);
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

function closed(): Error {
  return Object.assign(new Error('the connection closed'), { code: 'ECONNRESET' });
}

/**
 * How long one address of several is tried before the next. Node's 250 ms are less than a round trip over a satellite,
 * where every attempt but the last would then fail.
 */
const ATTEMPT_TIMEOUT_MS = 2_500;
