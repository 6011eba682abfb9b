/**
 * Connections of one process to one broker under one client ID share one client: two of them would throw each other out.
 * The first to come makes it, the last to go ends it, and when it is lost all hear of it and the next makes another.
 */
import { deferred, HawserError, notOpenError, type Clock, type MessagingError } from '../../src/index.js';
import { BrokerClient, type Will } from './broker-client.js';
import type { Broker } from './broker-options.js';
import { differenceOf } from './client-difference.js';

export interface AcquireOptions {
  readonly broker: Broker;
  readonly clientId: string;
  /** A client has one: whoever shares it must want the same. */
  readonly will?: Will | undefined;
  /** The clock of the first to come is that of the client. */
  readonly clock: Clock;
  /** Once after `publish` has returned false: more is welcome. */
  readonly onWritable?: (() => void) | undefined;
  /** Once, if the client is lost while it is held. There is nothing to release then, though that does no harm. */
  readonly onLost?: ((error: MessagingError) => void) | undefined;
}

/** The payload is the receiver's, or shared with others who subscribed to the same topic. */
export type OnMessage = (topic: string, payload: Uint8Array, retained: boolean) => void;

/** A share of a client that is connected. */
export interface ClientHandle {
  readonly protocolVersion: 4 | 5 | undefined;
  readonly maxPacketSize: number | undefined;
  /** As {@link BrokerClient.publish}; after the release or the loss it goes nowhere. */
  publish(topic: string, payload: Uint8Array, options?: { readonly retain?: boolean }): boolean;
  /** Topics without wildcards. What they bring comes to `onMessage` until the release; retained messages come anew each time. */
  subscribe(topics: readonly string[], onMessage: OnMessage): Promise<void>;
  /** Idempotent; never rejects. The last one ends the client and resolves when nothing of it is left. */
  release(): Promise<void>;
}

export class SharedClients {
  readonly #clients = new Map<string, SharedClient>();
  /** Clients that are saying good-bye: another with their ID must wait, or their wills would be published. */
  readonly #leaving = new Map<string, Promise<void>>();

  /**
   * Resolves when the client is connected. Rejects like {@link BrokerClient.connect}, or with `ARGUMENT_INVALID` if the client
   * exists with other credentials, certificates or another will. The other options of the first to come count.
   */
  async acquire(options: AcquireOptions, signal?: AbortSignal): Promise<ClientHandle> {
    signal?.throwIfAborted();
    const key = `${options.clientId} ${options.broker.url}`;
    const shared = this.#clients.get(key) ?? this.#make(key, options);
    shared.check(options);
    return shared.join(options, signal);
  }

  #make(key: string, options: AcquireOptions): SharedClient {
    const shared = new SharedClient(options, this.#leaving.get(key), {
      // Nobody finds it any more: the next to come makes another.
      onOver: () => {
        if (this.#clients.get(key) === shared) this.#clients.delete(key);
      },
      onLeaving: (left) => {
        const settled = left.then(() => {
          if (this.#leaving.get(key) === settled) this.#leaving.delete(key);
        });
        this.#leaving.set(key, settled);
      },
    });
    this.#clients.set(key, shared);
    return shared;
  }
}

/** Of this process. */
export const sharedClients = new SharedClients();

interface SharedClientEvents {
  readonly onOver: () => void;
  readonly onLeaving: (left: Promise<void>) => void;
}

class SharedClient {
  readonly client: BrokerClient;
  readonly #first: AcquireOptions;
  readonly #events: SharedClientEvents;
  readonly #connected: Promise<void>;
  readonly #handles = new Set<Handle>();
  readonly #subscribers = new Map<string, Set<Subscriber>>();
  /** Those that hold it, and those that wait for it. */
  #users = 0;
  #loss: MessagingError | undefined;

  constructor(first: AcquireOptions, before: Promise<void> | undefined, events: SharedClientEvents) {
    this.#first = first;
    this.#events = events;
    const { broker, clientId, will, clock } = first;
    this.client = new BrokerClient({
      ...{ broker, clientId, will, clock },
      onMessage: (topic, payload, retained) => {
        for (const { onMessage } of this.#subscribers.get(topic) ?? []) onMessage(topic, payload, retained);
      },
      onWritable: () => {
        for (const handle of this.#handles) handle.writable();
      },
      onLost: (error) => {
        this.#loss = error;
        events.onOver();
        for (const handle of this.#handles) handle.lost(error);
      },
    });
    this.#connected = (before ?? Promise.resolve()).then(() => this.client.connect());
    this.#connected.catch(() => events.onOver());
  }

  /** Throws `ARGUMENT_INVALID` for who wants another. */
  check(wanted: AcquireOptions): void {
    const what = differenceOf(this.#first, wanted);
    if (what === undefined) return;
    const { broker, clientId } = wanted;
    const message = `${broker.url}: this process is connected there as "${clientId}" with ${what}: use another clientId`;
    throw new HawserError('ARGUMENT_INVALID', message);
  }

  async join(options: AcquireOptions, signal: AbortSignal | undefined): Promise<ClientHandle> {
    this.#users++;
    try {
      await abortable(this.#connected, signal);
      if (this.#loss !== undefined) throw this.#loss; // in the very moment
    } catch (error) {
      await this.leave();
      throw error;
    }
    const handle = new Handle(this, options);
    this.#handles.add(handle);
    return handle;
  }

  /** Resolves at once unless it was the last. */
  async leave(handle?: Handle): Promise<void> {
    const unwanted = handle === undefined ? [] : this.#remove(handle);
    if (--this.#users > 0) {
      if (unwanted.length > 0) void this.client.unsubscribe(unwanted);
      return;
    }
    this.#events.onOver();
    const left = this.client.end();
    this.#events.onLeaving(left);
    await left;
  }

  add(topic: string, subscriber: Subscriber): void {
    const subscribers = this.#subscribers.get(topic) ?? new Set();
    this.#subscribers.set(topic, subscribers.add(subscriber));
  }

  /** Returns those of its topics that nobody else wants. */
  #remove(handle: Handle): string[] {
    this.#handles.delete(handle);
    const unwanted: string[] = [];
    for (const [topic, subscribers] of this.#subscribers) {
      for (const subscriber of subscribers) if (subscriber.handle === handle) subscribers.delete(subscriber);
      if (subscribers.size > 0) continue;
      this.#subscribers.delete(topic);
      unwanted.push(topic);
    }
    return unwanted;
  }
}

interface Subscriber {
  readonly handle: Handle;
  readonly onMessage: OnMessage;
}

class Handle implements ClientHandle {
  readonly #shared: SharedClient;
  readonly #options: AcquireOptions;
  #isOver = false;
  #isFull = false;

  constructor(shared: SharedClient, options: AcquireOptions) {
    this.#shared = shared;
    this.#options = options;
  }

  get protocolVersion(): 4 | 5 | undefined {
    return this.#shared.client.protocolVersion;
  }

  get maxPacketSize(): number | undefined {
    return this.#shared.client.maxPacketSize;
  }

  publish(topic: string, payload: Uint8Array, options?: { readonly retain?: boolean }): boolean {
    if (this.#isOver) return false;
    this.#isFull = !this.#shared.client.publish(topic, payload, options);
    return !this.#isFull;
  }

  async subscribe(topics: readonly string[], onMessage: OnMessage): Promise<void> {
    if (this.#isOver) throw notOpenError('subscribe: the client was released or lost');
    // Before the broker answers: retained messages may come first.
    for (const topic of topics) this.#shared.add(topic, { handle: this, onMessage });
    await this.#shared.client.subscribe(topics);
  }

  async release(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    await this.#shared.leave(this);
  }

  /** For the shared client. */
  writable(): void {
    if (!this.#isFull) return;
    this.#isFull = false;
    this.#options.onWritable?.();
  }

  /** For the shared client. */
  lost(error: MessagingError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.onLost?.(error);
  }
}

/** Waits for `work` as long as the signal lets us. */
async function abortable(work: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return work;
  const aborted = deferred<never>();
  const abort = (): void => aborted.reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
