/**
 * A client of a broker, for one connection: it finds out which MQTT the broker speaks, is told what arrives and when it is
 * lost, and never connects again by itself. Sends everything once (QoS 0): who needs more has a link above.
 */
import { MessagingError, notOpenError, type Clock } from '../../src/index.js';
import { BrokerConnection } from './broker-connection.js';
import type { Broker } from './broker-options.js';
import { dial, nameOf } from './dial.js';
import { loadMqtt, type MqttLibrary } from './load-mqtt.js';
import type { Will } from './start-client.js';

export type { Will } from './start-client.js';

export interface BrokerClientOptions {
  readonly broker: Broker;
  /** Whoever connects with the same ID throws the other out. */
  readonly clientId: string;
  /** Published by the broker when the connection ends in any way but by {@link BrokerClient.end}. */
  readonly will?: Will | undefined;
  /** The largest packet that is taken, in bytes: beyond it the connection is given up. @default 1 MiB */
  readonly maxIncomingSize?: number | undefined;
  readonly clock: Clock;
  /** The payload is the receiver's. `retained` says that the broker had kept it for whoever subscribes. */
  readonly onMessage: (topic: string, payload: Uint8Array, retained: boolean) => void;
  /** Once after `publish` has returned false: more is welcome. */
  readonly onWritable?: (() => void) | undefined;
  /** Once, when a connection that was open has ended without {@link BrokerClient.end}. Always recoverable. */
  readonly onLost?: ((error: MessagingError) => void) | undefined;
}

export class BrokerClient {
  readonly #options: BrokerClientOptions;
  /** Fires when the opening is not wanted any more, or takes too long. */
  readonly #abandon = new AbortController();
  #opening: Promise<void> | undefined;
  #connection: BrokerConnection | undefined;
  #protocolVersion: 4 | 5 | undefined;
  #ending: Promise<void> | undefined;

  constructor(options: BrokerClientOptions) {
    this.#options = options;
  }

  /** What is spoken, once it is connected. */
  get protocolVersion(): 4 | 5 | undefined {
    return this.#protocolVersion;
  }

  /** The largest packet that the broker takes, in bytes, if it has said so. Larger ones make it hang up. */
  get maxPacketSize(): number | undefined {
    return this.#connection?.maxPacketSize;
  }

  /**
   * Connects, once. Rejects with a {@link MessagingError}, or with the reason of `signal`, and leaves nothing open then. A
   * broker that refuses MQTT 5 is tried with 3.1.1, and remembered for as long as the process runs.
   */
  connect(signal?: AbortSignal): Promise<void> {
    if (this.#opening !== undefined || this.#ending !== undefined) {
      return Promise.reject(notOpenError('this client has connected before: make another'));
    }
    this.#opening = this.#open(signal);
    return this.#opening;
  }

  /** Resolves when the broker has granted all of them; rejects with `BROKER_ACCESS_DENIED`, or with why it ended. */
  async subscribe(topics: readonly string[]): Promise<void> {
    await this.#connected('subscribe').subscribe(topics);
  }

  /** Resolves when nothing more comes from there, at the latest when it has ended; until then it is delivered. */
  async unsubscribe(topics: readonly string[]): Promise<void> {
    await this.#connected('unsubscribe').unsubscribe(topics);
  }

  /**
   * Whether more is welcome; after false, `onWritable` says when. The payload must not be changed afterwards. What is
   * published after the end goes nowhere. @throws `CONNECTION_NOT_OPEN` before it is connected
   */
  publish(topic: string, payload: Uint8Array, options: { readonly retain?: boolean } = {}): boolean {
    return this.#connected('publish').publish(topic, payload, options.retain ?? false);
  }

  /**
   * Says good-bye to the broker, so that the will is not published. Idempotent, allowed in every state; resolves when no
   * socket and no timer is left, at the latest 5 s later; never rejects.
   */
  end(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  async #open(signal: AbortSignal | undefined): Promise<void> {
    const { broker, clock, onLost } = this.#options;
    const ms = broker.connectTimeout * 1_000;
    const timer = clock.setTimer(ms, () => this.#abandon.abort(timeoutError(broker, ms)));
    const abandoned = this.#abandon.signal;
    try {
      const either = signal === undefined ? abandoned : AbortSignal.any([signal, abandoned]);
      const connection = await this.#negotiate(await loadMqtt(), either);
      this.#connection = connection;
      void connection.ended.then((error) => {
        if (this.#ending === undefined) onLost?.(error);
      });
    } finally {
      timer.cancel();
    }
  }

  async #negotiate(library: MqttLibrary, signal: AbortSignal): Promise<BrokerConnection> {
    const { url, protocolVersion: wanted } = this.#options.broker;
    const version = wanted ?? (withoutMqtt5.has(url) ? 4 : 5);
    let connection = await this.#begin(library, version, signal);
    if (connection.refusedVersion && wanted === undefined && version === 5) {
      withoutMqtt5.add(url);
      connection = await this.#begin(library, 4, signal);
    }
    await connection.opened;
    return connection;
  }

  /** Resolves when the broker has let us in, or the connection has ended. */
  async #begin(library: MqttLibrary, version: 4 | 5, signal: AbortSignal): Promise<BrokerConnection> {
    const { broker, clientId, will, clock, onMessage, onWritable } = this.#options;
    const socket = await dial(broker, clock.now(), signal);
    const connection = new BrokerConnection(library, socket, {
      ...{ broker, clientId, version, will, clock, onMessage },
      maxIncomingSize: this.#options.maxIncomingSize ?? DEFAULT_MAX_INCOMING_SIZE,
      onWritable: () => onWritable?.(),
    });
    const abort = (): void => void connection.end();
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    try {
      await connection.opened.catch(() => undefined);
      if (signal.aborted) await connection.ended;
      signal.throwIfAborted();
    } finally {
      signal.removeEventListener('abort', abort);
    }
    this.#protocolVersion = version;
    return connection;
  }

  async #end(): Promise<void> {
    this.#abandon.abort(notOpenError('the client was ended while it connected'));
    await this.#opening?.catch(() => undefined);
    await this.#connection?.end();
  }

  #connected(what: string): BrokerConnection {
    if (this.#connection === undefined) throw notOpenError(`${what}: the client is not connected`);
    return this.#connection;
  }
}

function timeoutError(broker: Broker, ms: number): MessagingError {
  const message = `${nameOf(broker)}: the broker has not let us in after ${ms} ms`;
  return new MessagingError('CONNECTION_TIMEOUT', message, { recoverable: true });
}

/** URLs of brokers that have refused MQTT 5. */
const withoutMqtt5 = new Set<string>();
const DEFAULT_MAX_INCOMING_SIZE = 1_048_576;
