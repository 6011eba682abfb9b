/**
 * aedes: another implementation of a broker, in this process, that knows MQTT 3.1.1 and nothing newer. What it lets whom do is
 * set on `hooks`, also while it runs.
 */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { Aedes } from 'aedes';
import { cleanup } from './cleanup.js';

/** `authenticate`, `authorizePublish`, `authorizeSubscribe` as aedes calls them. By default everybody may do everything. */
export type AedesHooks = Pick<Aedes, 'authenticate' | 'authorizePublish' | 'authorizeSubscribe'>;

export class AedesBroker {
  readonly #aedes: Aedes;
  readonly #server: Server;
  readonly #sockets = new Map<string, Socket>();
  readonly #open = new Set<Socket>();
  #connections = 0;
  /** Called with the topics of an UNSUBSCRIBE. */
  onUnsubscribe: (topics: readonly string[]) => void = () => undefined;

  private constructor(aedes: Aedes, server: Server) {
    this.#aedes = aedes;
    this.#server = server;
  }

  /** Resolves when it takes connections. It ends with the test. */
  static async start(context: TestContext): Promise<AedesBroker> {
    const aedes = await Aedes.createBroker();
    const server = createServer({ noDelay: true });
    const broker = new AedesBroker(aedes, server);
    server.on('connection', (socket: Socket) => {
      broker.#connections++;
      broker.#open.add(socket);
      socket.on('error', () => undefined).on('close', () => broker.#open.delete(socket));
      aedes.handle(socket);
    });
    aedes.on('client', (client) => broker.#sockets.set(client.id, client.conn as Socket));
    aedes.on('clientDisconnect', (client) => {
      if (broker.#sockets.get(client.id) === client.conn) broker.#sockets.delete(client.id);
    });
    aedes.on('unsubscribe', (topics) => broker.onUnsubscribe(topics));
    aedes.on('clientError', () => undefined).on('connectionError', () => undefined);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanup(context, () => broker.close());
    return broker;
  }

  get hooks(): AedesHooks {
    return this.#aedes;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** How many have come so far, let in or not. */
  get connections(): number {
    return this.#connections;
  }

  /** Those that are connected now. */
  get clientIds(): readonly string[] {
    return [...this.#sockets.keys()];
  }

  /** Cuts the connection of a client, who is not told why. */
  dropClient(clientId: string): void {
    const socket = this.#sockets.get(clientId);
    if (socket === undefined) throw new Error(`no client is called ${clientId}`);
    socket.destroy();
  }

  /** Idempotent. */
  async close(): Promise<void> {
    if (this.#aedes.closed) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    await new Promise<void>((resolve) => this.#aedes.close(resolve));
    for (const socket of this.#open) socket.destroy();
    await closed;
  }
}
