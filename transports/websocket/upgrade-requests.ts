/**
 * The HTTP side of a listener (specification 1.2–1.5): every request is an upgrade to a WebSocket or is refused. Who may
 * come in is decided by the engine's `PeerListener`; here is only how it is asked for and answered.
 */
import { STATUS_CODES, type IncomingMessage, type Server as HttpServer, type ServerResponse } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import { WebSocketServer, type WebSocket } from 'ws';
import type { AcceptedPeer, Clock, Logger, PeerListener } from '../../src/index.js';
import { WebSocketConnection } from './connection.js';
import type { Handshakes } from './handshakes.js';
import { webSocketOptions } from './web-socket-options.js';

/** The part of the engine that decides. */
export type Gatekeeper = Pick<PeerListener, 'admit' | 'accept'>;

export interface UpgradeRequestsOptions {
  readonly peers: Gatekeeper;
  readonly handshakes: Handshakes;
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
    this.#webSockets = new WebSocketServer({
      ...webSocketOptions(),
      noServer: true,
      clientTracking: false,
      handleProtocols: (_offered, request) => this.#chosen.get(request) ?? false,
    });
    this.#webSockets.on('wsClientError', (error, _socket, request) => refuse(request.socket, 400, error.message));
  }

  /** Answers whatever comes to `server`. No error of a client gets past here. */
  serve(server: HttpServer | HttpsServer): void {
    const { handshakes, logger } = this.#options;
    const ignored = (error: Error): void => logger.log('debug', 'listener', `a connection failed: ${error.message}`);
    server.on('connection', (socket: Socket) => {
      socket.on('error', ignored);
      handshakes.add(socket);
    });
    server.on('tlsClientError', (error: Error, socket: Socket) => {
      ignored(error);
      socket.destroy();
    });
    server.on('clientError', (error: Error, socket: Socket) => {
      ignored(error);
      if (socket.writable) refuse(socket, 400, 'this is not HTTP');
      else socket.destroy();
    });
    server.on('request', (_request: IncomingMessage, response: ServerResponse) => requireUpgrade(response));
    server.on('upgrade', (request: IncomingMessage, _socket, head: Buffer) => void this.#upgrade(request, head));
    // Accepting fails when the process is out of file descriptors; it goes on when there are some again.
    server.on('error', (error: Error) =>
      logger.log('warning', 'listener', `a connection was not accepted: ${error.message}`),
    );
  }

  async #upgrade(request: IncomingMessage, head: Buffer): Promise<void> {
    const { peers, logger } = this.#options;
    const { socket, method, headers } = request;
    socket.on('error', () => undefined);
    if (method !== 'GET') return refuse(socket, 405, 'only GET is understood');
    const { authorization } = headers;
    const address = socket.remoteAddress;
    try {
      const verdict = await peers.admit({
        path: (request.url ?? '').replace(/\?.*$/, ''),
        protocols: listOf(headers['sec-websocket-protocol']),
        authorization,
      });
      if (socket.destroyed) return; // the client has gone, or the listener has stopped
      if (verdict.status !== 101) return refuse(socket, verdict.status, verdict.reason);
      const { protocol, username } = verdict;
      this.#chosen.set(request, protocol);
      this.#webSockets.handleUpgrade(request, socket, head, (webSocket) =>
        this.#accept(webSocket, socket, {
          ...(username === undefined ? {} : { username }),
          ...(address === undefined ? {} : { address }),
        }),
      );
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      logger.log('error', 'listener', `a connection from ${address} could not be handled: ${detail}`);
      socket.destroy();
    }
  }

  #accept(webSocket: WebSocket, socket: Socket, peer: AcceptedPeer): void {
    webSocket.pause(); // before anything is read: the connection resumes it when the engine listens
    const { peers, handshakes, clock, heartbeatMs } = this.#options;
    handshakes.finish(socket);
    peers.accept(new WebSocketConnection({ webSocket, socket }, { clock, heartbeatMs }), peer);
  }
}

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
function refuse(socket: Socket, status: number, reason: string): void {
  const body = bodyOf(reason);
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'Connection: close',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(status === 401 ? ['WWW-Authenticate: Basic realm="hawser"'] : []),
  ];
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
  socket.resume();
}

function bodyOf(reason: string): string {
  return JSON.stringify({ reason });
}
