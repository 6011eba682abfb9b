/** A broker as a medium of packets, at a device: packets go up to one listener, and come down from it. */
import { MessagingError, silentLogger, systemRandom, type Clock, type Logger } from '../../src/index.js';
import type { PacketMedium, PacketSink } from '../link/index.js';
import type { Broker } from './broker-options.js';
import { largestPayload } from './link-profile.js';
import { sharedClients, type ClientHandle } from './shared-clients.js';
import { newConnectionName, type ListenerTopics } from './topics.js';

export interface DeviceMediumOptions {
  readonly broker: Broker;
  readonly clientId: string;
  readonly topics: ListenerTopics;
  readonly clock: Clock;
  readonly logger?: Logger;
}

export class DeviceMedium implements PacketMedium {
  /** On which packets leave. */
  readonly up: string;
  readonly #options: DeviceMediumOptions;
  readonly #down: string;
  readonly #abandon = new AbortController();
  #client: ClientHandle | undefined;
  /** Settles when there is a client, or will be none. */
  #acquiring: Promise<unknown> = Promise.resolve();
  #sink: PacketSink | undefined;
  #isWritable = false;

  constructor(options: DeviceMediumOptions) {
    this.#options = options;
    const { clientId, topics } = options;
    const connection = newConnectionName(systemRandom);
    this.up = topics.up(clientId, connection);
    this.#down = topics.down(clientId, connection);
  }

  get isWritable(): boolean {
    return this.#isWritable;
  }

  get maxPacketSize(): number | undefined {
    return this.#client === undefined ? undefined : largestPayload(this.up, this.#client.maxPacketSize);
  }

  async open(sink: PacketSink): Promise<void> {
    this.#sink = sink;
    const acquiring = this.#acquire();
    this.#acquiring = acquiring.catch(() => undefined);
    const client = await acquiring;
    await client.subscribe([this.#down], (_topic, packet, retained) => {
      if (!retained) this.#sink?.packet(packet);
    });
    this.#abandon.signal.throwIfAborted();
    void this.#watch(client);
    this.#isWritable = true;
  }

  write(packet: Uint8Array): void {
    this.#isWritable = this.#client?.publish(this.up, packet) === true;
  }

  /** Does not wait for the answer to a subscription: the broker may be asleep. */
  async close(): Promise<void> {
    this.#sink = undefined;
    this.#isWritable = false;
    this.#abandon.abort(new MessagingError('CONNECTION_NOT_OPEN', 'the connection was closed', { recoverable: false }));
    await this.#acquiring;
    await this.#client?.release();
  }

  async #acquire(): Promise<ClientHandle> {
    const { broker, clientId, topics, clock } = this.#options;
    this.#client = await sharedClients.acquire(
      {
        ...{ broker, clientId, clock },
        will: { topic: topics.gone(clientId), payload: new Uint8Array(0), retain: false },
        onWritable: () => {
          this.#isWritable = true;
          this.#sink?.writable();
        },
        onLost: (error) => this.#lost(error),
      },
      this.#abandon.signal,
    );
    return this.#client;
  }

  /** Learns at once when the listener has gone, where the broker lets us; otherwise the link notices it later. */
  async #watch(client: ClientHandle): Promise<void> {
    const { topics, logger = silentLogger } = this.#options;
    try {
      await client.subscribe([topics.present], (_topic, payload) => {
        // What is said as a good-bye is heard if somebody has lied.
        if (payload.length === 0) this.#sink?.lost(lost(`the listener at ${topics.present} has gone`));
      });
    } catch {
      if (this.#abandon.signal.aborted) return;
      logger.log('verbose', 'network', `${topics.present} may not be read: a listener that goes is noticed late`);
    }
  }

  #lost(error: MessagingError): void {
    this.#isWritable = false;
    this.#sink?.lost(error);
  }
}

function lost(message: string): MessagingError {
  return new MessagingError('CONNECTION_LOST', message, { recoverable: true });
}
