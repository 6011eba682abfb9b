/**
 * The server side of the WebSocket transport without an engine: real sockets, TLS and HTTP, and a test in the engine's
 * place. What is accepted comes out as connections that nobody has opened.
 */
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { deferred, silentLogger, systemClock, type Clock, type Deferred } from '../../src/base/index.js';
import type { MessageEndpointConnection } from '../../src/endpoint/index.js';
import { HawserError } from '../../src/errors.js';
import { refusal } from '../../src/listener/admission.js';
import { PendingHandshakes } from '../../src/listener/index.js';
import type { TLSIdentity } from '../../src/security/index.js';
import { UnfinishedSockets } from '../../transports/websocket/unfinished-sockets.js';
import { WebSocketServer } from 'ws';
import { UpgradeRequests, type Gatekeeper } from '../../transports/websocket/upgrade-requests.js';

export interface WebSocketHostOptions {
  /** Speak TLS with this certificate. @default plain `ws:` */
  readonly identity?: TLSIdentity;
  readonly clock?: Clock;
  /** @default 300,000 */
  readonly heartbeatMs?: number;
  /** @default everybody who asks for `/db/_blipsync` gets the first protocol offered */
  readonly admit?: Gatekeeper['admit'];
  /** Ask clients for a certificate. @default false */
  readonly asksForCertificate?: boolean;
  /** @default 128, as many for each address */
  readonly maxPerAddress?: number;
  /** Open what is accepted at once, and take what arrives without a look. @default false: `accepted` leaves it to the test */
  readonly opens?: boolean;
}

export interface WebSocketHost {
  readonly port: number;
  /** Why connections were not let in, in order. */
  readonly refused: readonly HawserError[];
  /** The connection accepted next that nobody has asked for yet. */
  accepted(): Promise<MessageEndpointConnection>;
  close(): Promise<void>;
}

export async function startWebSocketHost(options: WebSocketHostOptions = {}): Promise<WebSocketHost> {
  const { identity, clock = systemClock, heartbeatMs = 300_000, admit = admitAll, opens = false } = options;
  const { asksForCertificate = false, maxPerAddress = 128 } = options;
  const arrived: MessageEndpointConnection[] = [];
  const asked: Deferred<MessageEndpointConnection>[] = [];
  const all: MessageEndpointConnection[] = [];
  const accept = (connection: MessageEndpointConnection): void => {
    all.push(connection);
    if (opens) return void connection.open({ receive: () => undefined, close: () => void connection.close() });
    const next = asked.shift();
    if (next === undefined) arrived.push(connection);
    else next.resolve(connection);
  };
  const refused: HawserError[] = [];
  const handshakes = new PendingHandshakes({
    clock,
    timeoutMs: 15_000,
    maxTotal: 128,
    maxPerAddress,
    onRefused: (_address, error) => refused.push(error),
  });
  const requests = new UpgradeRequests({
    library: { WebSocketServer },
    peers: { admit, accept },
    sockets: new UnfinishedSockets(handshakes),
    asksForCertificate,
    heartbeatMs,
    clock,
    logger: silentLogger,
  });
  const server =
    identity === undefined
      ? createHttpServer()
      : createHttpsServer({
          key: identity.privateKeyPem(),
          cert: identity.certificatePem(),
          requestCert: asksForCertificate,
          rejectUnauthorized: false,
        });
  requests.serve(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    refused,
    accepted() {
      const connection = arrived.shift();
      if (connection !== undefined) return Promise.resolve(connection);
      const next = deferred<MessageEndpointConnection>();
      asked.push(next);
      return next.promise;
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      handshakes.abandonAll(new HawserError('LISTENER_STOPPED', 'the test is over'));
      await Promise.all(all.map((connection) => connection.close()));
      await closed;
    },
  };
}

const admitAll: Gatekeeper['admit'] = async ({ path, protocols: [protocol] }) => {
  if (path !== '/db/_blipsync') return refusal(404, `there is no database at ${path}`);
  return protocol === undefined ? refusal(400, 'no protocol was offered') : { status: 101, protocol, peer: {} };
};
