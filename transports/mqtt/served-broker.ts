/**
 * The place of a listener at a broker: it is there, says so, and comes back by itself when the broker was away.
 *
 * Invariant: at most one client and one timer. After `close` nothing is open, and nothing will be.
 */
import {
  isHawserError,
  notOpenError,
  systemRandom,
  type ListenerHost,
  type ListenerMedium,
  type MessagingError,
  type Timer,
} from '../../src/index.js';
import { BrokerClient } from './broker-client.js';
import type { Broker } from './broker-options.js';
import { lineOptions, linkOptions, type MeteredOptions } from './link-profile.js';
import { ServedDevices } from './served-devices.js';
import type { ListenerTopics } from './topics.js';

export interface ServedBrokerOptions {
  readonly broker: Broker;
  readonly clientId: string;
  readonly topics: ListenerTopics;
  readonly metered: MeteredOptions;
  readonly heartbeatMs: number;
  readonly host: ListenerHost;
}

export class ServedBroker implements ListenerMedium {
  readonly #options: ServedBrokerOptions;
  readonly #devices: ServedDevices;
  /** From the attempt to connect on. */
  #client: BrokerClient | undefined;
  /** Since when devices can reach us; undefined while they cannot. */
  #thereSince: number | undefined;
  #timer: Timer | undefined;
  /** In a row, that were in vain or did not last. */
  #attempts = 0;
  #isClosed = false;
  #connecting: Promise<unknown> = Promise.resolve();
  #lastProblem: string | undefined;

  /** Connects, or rejects with a MessagingError. */
  static async open(options: ServedBrokerOptions): Promise<ServedBroker> {
    const served = new ServedBroker(options);
    await served.#connect();
    return served;
  }

  private constructor(options: ServedBrokerOptions) {
    this.#options = options;
    const { broker, topics, metered, heartbeatMs, host } = options;
    const line = lineOptions(metered);
    this.#devices = new ServedDevices({
      ...{ topics, host },
      linkOptions: (topic) =>
        linkOptions(line, topic, heartbeatMs, {
          webSocket: broker.webSocket,
          maxPacketSize: this.#client?.maxPacketSize,
        }),
      publish: (topic, packet) => this.#client?.publish(topic, packet) === true,
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    const client = this.#client;
    this.#client = undefined;
    if (this.#thereSince !== undefined) client?.publish(this.#options.topics.present, NOTHING, { retain: true });
    await client?.end();
    await this.#connecting; // in vain, with that
    this.#devices.lost(stopped()); // who came while the others were told good-bye
  }

  /** Rejects with a MessagingError, and leaves nothing open then. */
  async #connect(): Promise<void> {
    const { broker, clientId, topics, host } = this.#options;
    let loss: MessagingError | undefined;
    const client = new BrokerClient({
      ...{ broker, clientId, clock: host.clock },
      will: { topic: topics.present, payload: NOTHING, retain: true },
      onMessage: (topic, payload, retained) => {
        if (!retained) this.#devices.message(topic, payload); // kept from who knows when: of no link that there is
      },
      onWritable: () => this.#devices.writable(),
      onLost: (error) => {
        loss = error;
        if (this.#client === client && this.#thereSince !== undefined) this.#lost(error);
      },
    });
    this.#client = client; // what comes may be answered before the subscription is
    try {
      await client.connect();
      await client.subscribe([topics.everyUp, topics.everyGone]);
      if (loss !== undefined || this.#client !== client) throw loss ?? stopped();
      client.publish(topics.present, THERE, { retain: true });
      this.#thereSince = host.clock.monotonic();
    } catch (error) {
      if (this.#client === client) this.#client = undefined;
      this.#devices.lost(stopped());
      await client.end();
      throw error;
    }
  }

  #lost(error: MessagingError): void {
    const { host } = this.#options;
    const lasted = host.clock.monotonic() - (this.#thereSince ?? 0);
    this.#client = undefined;
    this.#thereSince = undefined;
    this.#devices.lost(error);
    host.report(error);
    // Of two that have the same ID each throws the other out: they must not do so every second.
    if (lasted > STEADY_MS) this.#attempts = 0;
    this.#tryLater();
  }

  #tryLater(): void {
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** this.#attempts++, LONGEST_PAUSE_MS);
    this.#timer = this.#options.host.clock.setTimer(pause * (1 - systemRandom.next() / 4), () => {
      this.#connecting = this.#reconnect();
    });
  }

  async #reconnect(): Promise<void> {
    try {
      await this.#connect();
      this.#lastProblem = undefined;
    } catch (error) {
      if (this.#isClosed) return;
      const problem = isHawserError(error) ? error : undefined;
      if (problem !== undefined && problem.code !== this.#lastProblem) this.#options.host.report(problem);
      this.#lastProblem = problem?.code;
      this.#tryLater();
    }
  }
}

function stopped(): MessagingError {
  return notOpenError('the listener is not there any more');
}

const NOTHING = new Uint8Array(0);
const THERE = Uint8Array.of(0x31);
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;
/** Longer than somebody else may wait before he takes the place again. */
const STEADY_MS = 2 * LONGEST_PAUSE_MS;
