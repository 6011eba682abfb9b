/** A client of a broker that remembers what happened to it, and ends with the test. */
import type { TestContext } from 'node:test';
import { deferred, systemClock, type Clock } from '../../src/base/index.js';
import type { MessagingError } from '../../src/endpoint/index.js';
import { BrokerClient, type BrokerClientOptions } from '../../transports/mqtt/broker-client.js';
import { checkBroker, type BrokerOptions } from '../../transports/mqtt/broker-options.js';
import { cleanup } from './cleanup.js';

export interface Received {
  readonly topic: string;
  readonly text: string;
  readonly retained: boolean;
}

export class BrokerRecorder {
  readonly client: BrokerClient;
  readonly losses: MessagingError[] = [];
  /** How often more was said to be welcome again. */
  writables = 0;
  readonly #received: Received[] = [];
  readonly #lost = deferred<MessagingError>();
  #wake = deferred();

  constructor(
    context: TestContext,
    broker: BrokerOptions | string,
    options: Partial<BrokerClientOptions> & { readonly clock?: Clock } = {},
  ) {
    this.client = new BrokerClient({
      broker: checkBroker('test', broker),
      clientId: `test-${++made}`,
      clock: systemClock,
      ...options,
      onMessage: (topic, payload, retained) => {
        this.#received.push({ topic, text: Buffer.from(payload).toString('utf8'), retained });
        this.#happened();
      },
      onWritable: () => {
        this.writables++;
        this.#happened();
      },
      onLost: (error) => {
        this.losses.push(error);
        this.#lost.resolve(error);
      },
    });
    cleanup(context, () => this.client.end());
  }

  /** Connected. */
  static async connect(
    context: TestContext,
    broker: BrokerOptions | string,
    options?: Partial<BrokerClientOptions>,
  ): Promise<BrokerRecorder> {
    const recorder = new BrokerRecorder(context, broker, options);
    await recorder.client.connect();
    return recorder;
  }

  get lost(): Promise<MessagingError> {
    return this.#lost.promise;
  }

  /** The next that arrived and was not asked for yet. */
  async next(): Promise<Received> {
    for (;;) {
      const received = this.#received.shift();
      if (received !== undefined) return received;
      await this.#wake.promise;
    }
  }

  /** Resolves when `publish` may be called again after it has returned false. */
  async writable(): Promise<void> {
    for (const before = this.writables; this.writables === before;) await this.#wake.promise;
  }

  publish(topic: string, text: string, retain = false): boolean {
    return this.client.publish(topic, new TextEncoder().encode(text), { retain });
  }

  #happened(): void {
    this.#wake.resolve();
    this.#wake = deferred();
  }
}

let made = 0;

/** What a promise is rejected with. */
export async function failureOf(work: Promise<unknown>): Promise<MessagingError> {
  const error: unknown = await work.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  );
  if (error instanceof Error && 'recoverable' in error) return error as MessagingError;
  throw error;
}
