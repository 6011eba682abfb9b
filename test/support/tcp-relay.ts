/**
 * A stretch of network between two sockets of one machine, on which a test can do what networks do: swallow everything,
 * break, deliver rubbish. Knows nothing of what it carries.
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { deferred } from '../../src/base/index.js';

/** The side that connected to the relay, and the side the relay connected to. */
export type RelayEnd = 'client' | 'server';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

export class TcpRelay {
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  /** Bytes that came from clients. */
  #received = 0;

  private constructor(server: Server, targetPort: number) {
    this.#server = server;
    server.on('connection', (client: Socket) => {
      const pair: Pair = { client, server: connect({ port: targetPort, host: '127.0.0.1', noDelay: true }) };
      this.#pairs.add(pair);
      client.setNoDelay(true);
      client.on('data', (chunk) => (this.#received += chunk.length));
      client.pipe(pair.server);
      pair.server.pipe(client);
      for (const socket of [pair.client, pair.server]) {
        socket.on('error', () => undefined);
        socket.on('close', () => {
          this.#pairs.delete(pair);
          pair.client.destroy();
          pair.server.destroy();
        });
      }
    });
  }

  static async start(targetPort: number): Promise<TcpRelay> {
    const server = createServer({ allowHalfOpen: true });
    const relay = new TcpRelay(server, targetPort);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return relay;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get receivedFromClients(): number {
    return this.#received;
  }

  /** From now on nothing passes on the lines that are open, and nobody is told. */
  swallow(): void {
    for (const { client, server } of this.#pairs) {
      for (const socket of [client, server])
        socket
          .unpipe()
          .on('data', () => undefined)
          .resume();
    }
  }

  /** Cuts every line that is open. */
  cut(): void {
    for (const { client } of this.#pairs) client.destroy();
  }

  /** Lets bytes arrive at one end of every line as if the other had sent them. Resolves when they are on their way. */
  async inject(end: RelayEnd, bytes: Uint8Array): Promise<void> {
    const writes = [...this.#pairs].map(async (pair) => {
      const written = deferred();
      pair[end].write(bytes, () => written.resolve());
      await written.promise;
    });
    await Promise.all(writes);
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.cut();
    await closed;
  }
}
