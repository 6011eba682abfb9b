/** Servers that do whatever a test tells them to do with a bare socket. They end with the test. */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import type { TLSIdentity } from '../../src/security/index.js';
import { cleanup } from './cleanup.js';

/** Listens on a free port of 127.0.0.1 and resolves to it. */
export async function startTcpServer(context: TestContext, serve: (socket: Socket) => void): Promise<number> {
  return start(context, createServer({ allowHalfOpen: true }, serve));
}

export async function startTlsServer(
  context: TestContext,
  identity: TLSIdentity,
  serve: (socket: Socket) => void,
  options: TlsOptions = {},
): Promise<number> {
  const server = createTlsServer({ key: identity.privateKeyPem(), cert: identity.certificatePem(), ...options }, serve);
  return start(context, server);
}

/** A port of 127.0.0.1 on which nobody listens. */
export async function unusedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Resolves when the socket is closed, however that came about. */
export function untilClosed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once('close', () => resolve());
  });
}

async function start(context: TestContext, server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
  });
  server.on('secureConnection', (socket: Socket) => void socket.on('error', () => undefined));
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanup(context, async () => {
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  return (server.address() as AddressInfo).port;
}
