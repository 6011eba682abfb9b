/** Makes servers listen: on every host with the same port, or not at all. */
import { once } from 'node:events';
import type { AddressInfo, Server } from 'node:net';
import { HawserError } from '../../src/index.js';
import type { Host } from './local-addresses.js';
import { codeOf } from './network-errors.js';

export interface Bound<S extends Server> {
  readonly servers: readonly S[];
  readonly port: number;
  readonly hasIPv6: boolean;
}

/**
 * Opens a server of `makeServer` on each of the hosts. With port 0 the first one gets a free port and the others the same.
 * @throws `LISTENER_PORT_IN_USE`, `LISTENER_PORT_DENIED`, `LISTENER_ADDRESS_UNAVAILABLE`; then none is left open
 */
export async function bind<S extends Server>(
  makeServer: () => S,
  hosts: readonly Host[],
  port: number,
): Promise<Bound<S>> {
  for (let attempt = 1; ; attempt++) {
    const servers: S[] = [];
    let chosen: AddressInfo = { address: '', family: '', port };
    try {
      for (const host of hosts) {
        const server = makeServer();
        chosen = await listen(server, host, chosen.port);
        servers.push(server);
      }
      return { servers, port: chosen.port, hasIPv6: chosen.family === 'IPv6' };
    } catch (error) {
      await Promise.all(servers.map(closed));
      // The port was free on the first host and taken on another: a free one for all may come up.
      const isUnlucky = port === 0 && servers.length > 0 && codeOf(error) === 'EADDRINUSE';
      if (!isUnlucky || attempt === MAX_ATTEMPTS) throw listenError(error, hosts[servers.length], chosen.port);
    }
  }
}

/** Stops listening; resolves when the last connection has ended. */
export async function closed(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
}

async function listen(server: Server, host: Host, port: number): Promise<AddressInfo> {
  const listening = once(server, 'listening'); // rejects with the first 'error'
  server.listen({ port, host });
  await listening;
  return server.address() as AddressInfo; // not a pipe: it was given a port
}

function listenError(cause: unknown, host: Host, port: number): unknown {
  const where = host === undefined ? `port ${port}` : `port ${port} of ${host}`;
  switch (codeOf(cause)) {
    case 'EADDRINUSE':
      return new HawserError('LISTENER_PORT_IN_USE', `${where} is in use by another program or listener`, { cause });
    case 'EACCES':
    case 'EPERM':
      return new HawserError('LISTENER_PORT_DENIED', `this user may not listen on ${where}`, { cause });
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
    case 'EINVAL':
      return new HawserError('LISTENER_ADDRESS_UNAVAILABLE', `this machine does not have the address ${host}`, {
        cause,
      });
    default:
      return cause;
  }
}

const MAX_ATTEMPTS = 5;
