/**
 * The HTTP side of a listener (specification 1.2–1.5): every request is an upgrade to a WebSocket or is refused. Who may
 * come in is decided by the engine's `PeerListener`; here is only how it is asked for and answered.
 */
import { STATUS_CODES, type IncomingMessage, type Server as HttpServer, type ServerResponse } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { WebSocket, WebSocketServer } from 'ws';
import type { TLSSocket } from 'node:tls';
import {
  HawserError,
  peerChain,
  type AcceptedPeer,
  type Clock,
  type Logger,
  type PeerListener,
  type PeerRequest,
} from '../../src/index.js';
import { WebSocketConnection } from './connection.js';
import type { WebSocketLibrary } from './load-ws.js';
import { codeOf } from './network-errors.js';
import type { UnfinishedSockets } from './unfinished-sockets.js';
import { webSocketOptions } from './web-socket-options.js';

/** The part of the engine that decides. */
export type Gatekeeper = Pick<PeerListener, 'admit' | 'accept'>;

export interface UpgradeRequestsOptions {
  readonly library: Pick<WebSocketLibrary, 'WebSocketServer'>;
  readonly peers: Gatekeeper;
  readonly sockets: UnfinishedSockets;
  /** The server asks clients for a certificate, in TLS. */
  readonly asksForCertificate: boolean;
  readonly heartbeatMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class UpgradeRequests {
  readonly #options: UpgradeRequestsOptions;
  readonly #webSockets: WebSocketServer;
  /** The sub-protocol chosen for a request, on its way to ws. */
  readonly #chosen = new WeakMap<IncomingMessage, string>();

  constructor(options: UpgradeRequestsOptions) {
    this.#options = options;
    this.#webSockets = new options.library.WebSocketServer({
      ...webSocketOptions(),
      noServer: true,
      clientTracking: false,
      handleProtocols: (_offered, request) => this.#chosen.get(request) ?? false,
    });
    this.#webSockets.on('wsClientError', (error, _socket, { socket }) => this.#reject(socket, 400, error.message));
  }

  /** Answers whatever comes to `server`. No error of a client gets past here. */
  serve(server: HttpServer | HttpsServer): void {
    const { sockets, logger } = this.#options;
    server.on('connection', (socket: Socket) => {
      socket.on('error', () => undefined); // its end is told by `sockets`
      sockets.add(socket);
    });
    // Before Node's own listener, which makes a `clientError` of it: that would be told as wrong HTTP.
    server.prependListener('tlsClientError', (cause: Error, socket: Socket) => {
      if (!isLost(cause)) {
        sockets.refuse(socket, new HawserError('TLS_HANDSHAKE_FAILED', 'no TLS came about', { cause }));
      }
      socket.destroy();
    });
    server.on('clientError', (cause: Error, socket: Socket) => {
      if (isLost(cause)) socket.destroy();
      else this.#reject(socket, 400, 'this is not HTTP', cause);
    });
    server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
      sockets.refuse(socket, new HawserError('CONNECTION_PROTOCOL_ERROR', 'it did not ask for a WebSocket'));
      requireUpgrade(response);
    });
    server.on('connect', ({ socket }: IncomingMessage) => this.#reject(socket, 405, 'this is no proxy'));
    server.on('upgrade', (request: IncomingMessage, _socket, head: Buffer) => void this.#upgrade(request, head));
    // Accepting fails when the process is out of file descriptors; it goes on when there are some again.
    server.on('error', (error: Error) =>
      logger.log('warning', 'listener', `a connection was not accepted: ${error.message}`),
    );
  }

  async #upgrade(request: IncomingMessage, head: Buffer): Promise<void> {
    const { peers, sockets, logger } = this.#options;
    const { socket, method } = request;
    socket.on('error', () => undefined);
    if (method !== 'GET') return this.#reject(socket, 405, 'only GET is understood');
    try {
      const shown = this.#shown(request);
      const verdict = await peers.admit(shown);
      if (socket.destroyed || shown.signal?.aborted === true) return; // the client has gone, or the listener has stopped
      if (verdict.status !== 101) {
        sockets.refuse(socket, verdict.error);
        return answer(socket, verdict.status, verdict.reason, verdict.retryAfter);
      }
      const { protocol, peer } = verdict;
      this.#chosen.set(request, protocol);
      this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => this.#accept(webSocket, socket, peer));
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      logger.log('error', 'listener', `a connection from ${socket.remoteAddress} could not be handled: ${detail}`);
      socket.destroy();
    }
  }

  /** What a client says of itself. */
  #shown({ socket, url, headers }: IncomingMessage): PeerRequest {
    const { asksForCertificate, sockets } = this.#options;
    return {
      path: (url ?? '').replace(/\?.*$/, ''),
      protocols: listOf(headers['sec-websocket-protocol']),
      authorization: headers.authorization,
      address: socket.remoteAddress,
      signal: sockets.signalOf(socket),
      ...(asksForCertificate ? peerChain(socket as TLSSocket) : {}),
    };
  }

  #accept(webSocket: WebSocket, socket: Socket, peer: AcceptedPeer): void {
    webSocket.pause(); // before anything is read: the connection resumes it when the engine listens
    const { peers, sockets, clock, heartbeatMs } = this.#options;
    if (!sockets.finish(socket)) return webSocket.terminate(); // it went while it was let in, which has been told
    peers.accept(new WebSocketConnection({ webSocket, socket }, { clock, heartbeatMs }), peer);
  }

  /** For what is no upgrade. */
  #reject(socket: Socket, status: number, reason: string, cause?: Error): void {
    this.#options.sockets.refuse(socket, new HawserError('CONNECTION_PROTOCOL_ERROR', reason, { cause }));
    if (socket.writable) answer(socket, status, reason);
    else socket.destroy();
  }
}

/** Whether the client is gone, rather than wrong. */
function isLost(error: Error): boolean {
  return LOST.has(codeOf(error) ?? '');
}

const LOST: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED', 'ETIMEDOUT']);

/** The elements of a comma-separated header, with or without spaces. */
function listOf(header: string | undefined): string[] {
  const elements = (header ?? '').split(',').map((element) => element.trim());
  return elements.filter((element) => element !== '');
}

function requireUpgrade(response: ServerResponse): void {
  const body = bodyOf('this is a hawser listener: connect with a WebSocket');
  response.writeHead(426, {
    Connection: 'close',
    Upgrade: 'websocket',
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
  });
  response.end(body);
}

/** Answers and hangs up. Does not cut the line before the client has read it: the deadline of the handshake still runs. */
function answer(socket: Socket, status: number, reason: string, retryAfter?: number): void {
  const body = bodyOf(reason);
  const lines = [
    `HTTP/1.1 ${status} ${PHRASES[status] ?? STATUS_CODES[status] ?? ''}`,
    'Connection: close',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(status === 401 ? ['WWW-Authenticate: Basic realm="hawser"'] : []),
    ...(retryAfter === undefined ? [] : [`Retry-After: ${retryAfter}`]),
  ];
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
  socket.resume(); // what it still sends must be read, or its system would throw the answer away
}

/** Those that are not in any RFC. */
const PHRASES: Readonly<Record<number, string>> = {
  495: 'SSL Certificate Error',
  496: 'SSL Certificate Required',
};

function bodyOf(reason: string): string {
  return JSON.stringify({ reason });
}
