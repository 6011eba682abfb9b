/** A client of a broker that speaks as a device, or as none, by hand: packet by packet. It ends with the test. */
import type { TestContext } from 'node:test';
import { deferred, systemClock, systemRandom } from '../../src/base/index.js';
import { Link, randomTag } from '../../transports/link/index.js';
import { encodeGreeting } from '../../transports/link/machine/packet.js';
import { BrokerClient } from '../../transports/mqtt/broker-client.js';
import { checkBroker, type BrokerOptions } from '../../transports/mqtt/broker-options.js';
import { linkOptions } from '../../transports/mqtt/link-profile.js';
import { newConnectionName, type ListenerTopics } from '../../transports/mqtt/topics.js';
import { cleanup } from './cleanup.js';

export interface Published {
  readonly topic: string;
  readonly payload: Uint8Array;
}

export class Stranger {
  readonly client: BrokerClient;
  /** What came and was not asked for yet. */
  readonly received: Published[] = [];
  #wake = deferred();

  private constructor(broker: BrokerOptions, clientId: string) {
    this.client = new BrokerClient({
      ...{ broker: checkBroker('test', broker), clientId, clock: systemClock },
      onMessage: (topic, payload) => {
        this.received.push({ topic, payload });
        this.#wake.resolve();
        this.#wake = deferred();
      },
    });
  }

  static async connect(context: TestContext, broker: BrokerOptions, clientId = 'stranger'): Promise<Stranger> {
    const stranger = new Stranger(broker, clientId);
    cleanup(context, () => stranger.client.end());
    await stranger.client.connect();
    return stranger;
  }

  async next(): Promise<Published> {
    for (;;) {
      const first = this.received.shift();
      if (first !== undefined) return first;
      await this.#wake.promise;
    }
  }

  /** Makes a link with the listener, as a device would. Resolves when that is told of it. */
  async makeLink(topics: ListenerTopics, clientId: string): Promise<StrangerLink> {
    const name = newConnectionName(systemRandom);
    const [up, down] = [topics.up(clientId, name), topics.down(clientId, name)];
    await this.client.subscribe([down]);
    const link = Link.connect(randomTag(systemRandom), linkOptions({}, up, 300_000, { webSocket: false }), 0);
    const speak = (): void => {
      for (let packet = link.poll(0); packet !== undefined; packet = link.poll(0)) this.client.publish(up, packet);
    };
    speak();
    while (link.state !== 'open') {
      const { topic, payload } = await this.next();
      if (topic === down) link.receive(payload, 0);
    }
    speak();
    const send = (message: Uint8Array): void => {
      link.send(message);
      speak();
    };
    return { up, send };
  }
}

export interface StrangerLink {
  readonly up: string;
  /** Sends a message on the link, once. */
  send(message: Uint8Array): void;
}

/** A packet that begins a link. */
export function hello(): Uint8Array {
  return encodeGreeting('hello', 0, { version: 1, tag: randomTag(systemRandom), maxPacketSize: 1_000, credit: 1_000 });
}
