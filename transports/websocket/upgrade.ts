/**
 * The HTTP upgrade as the client makes it (specification 1.2, 1.3), on a socket whose other end is trusted already.
 * Follows no redirect: it would lead to a server that nobody has judged.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { deferred, MessagingError, refusalError, type ConnectOptions } from '../../src/index.js';
import { destroyed } from './dial.js';
import { loadWebSocketLibrary, type WebSocketLibrary } from './load-ws.js';
import { networkError } from './network-errors.js';
import { readReason } from './refusal-reason.js';
import { webSocketOptions } from './web-socket-options.js';

export type UpgradeOptions = Pick<ConnectOptions, 'protocols' | 'authorization' | 'headers' | 'clock'>;

/**
 * Asks for the upgrade. The WebSocket comes back paused, so that no message is lost before somebody listens. Rejects with
 * a {@link MessagingError}, or with the reason of `signal` when that fires; by then the socket is closed.
 */
export async function upgrade(
  socket: Socket,
  url: string,
  options: UpgradeOptions,
  signal: AbortSignal,
): Promise<WebSocket> {
  const library = await loadWebSocketLibrary().catch(async (error: unknown) => {
    await destroyed(socket);
    throw error;
  });
  const { host: address, protocol } = new URL(url);
  const done = deferred();
  let refusal: MessagingError | undefined;
  // What a status says must not be lost because its body never ends.
  const abort = (): void => done.reject(refusal ?? signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    signal.throwIfAborted();
    const webSocket = request(library, socket, url, options);
    webSocket.once('open', () => {
      webSocket.pause();
      done.resolve();
    });
    webSocket.once('upgrade', (response: IncomingMessage) => {
      const chosen = response.headers['sec-websocket-protocol'];
      if (chosen === undefined || !options.protocols.includes(chosen)) done.reject(mismatch(address, chosen, options));
    });
    webSocket.once('unexpected-response', (_request, response: IncomingMessage) => {
      const status = response.statusCode ?? 0;
      const refuse = (reason?: string): void => done.reject(refusalError(status, reason, address));
      refusal = refusalError(status, undefined, address);
      readReason(response, options.clock).then(refuse, () => refuse());
    });
    webSocket.on('error', (error) => done.reject(upgradeError(error, address, protocol === 'wss:')));
    await done.promise;
    return webSocket;
  } catch (error) {
    await destroyed(socket);
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function request({ WebSocket }: WebSocketLibrary, socket: Socket, url: string, options: UpgradeOptions): WebSocket {
  const { protocols, authorization, headers } = options;
  const credentials = authorization === undefined ? {} : { Authorization: authorization };
  try {
    return new WebSocket(url, [...protocols], {
      ...webSocketOptions(),
      createConnection: () => socket,
      followRedirects: false,
      headers: { 'User-Agent': 'hawser', ...headers, ...credentials },
    });
  } catch (error) {
    // Node names the header that it cannot write, never its value.
    const detail = error instanceof Error ? error.message : String(error);
    throw new MessagingError('ARGUMENT_INVALID', `the upgrade request cannot be written: ${detail}`, {
      recoverable: false,
    });
  }
}

function mismatch(address: string, chosen: string | undefined, { protocols }: UpgradeOptions): MessagingError {
  const answer = chosen === undefined ? 'none of them' : `"${chosen}"`;
  const message = `${address}: offered ${protocols.join(', ')}, and the server chose ${answer}`;
  return new MessagingError('CONNECTION_PROTOCOL_MISMATCH', message, { recoverable: false });
}

function upgradeError(error: Error, address: string, secure: boolean): MessagingError {
  // What ws finds wrong with the answer has no code; everything that Node raises has one.
  if ('code' in error) {
    const known = networkError(error, address);
    if (secure || known.code !== 'CONNECTION_LOST') return known;
    // Many TLS servers hang up on plain HTTP without a word.
    const { code, domain, number, cause } = known;
    const message = `${known.message} (if the server speaks TLS, use wss:)`;
    return new MessagingError(code, message, { recoverable: true, domain, number, cause });
  }
  const message = `${address}: the answer to the upgrade is not valid: ${error.message}`;
  return new MessagingError('CONNECTION_PROTOCOL_ERROR', message, { recoverable: false, cause: error });
}
