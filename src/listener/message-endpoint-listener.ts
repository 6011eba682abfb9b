/** Serves connections that the application brings: the passive side of `MessageEndpoint` (features A.22). */
import { checkInteger, checkOptions, systemRandom, type Logger, type Unsubscribe } from '../base/index.js';
import type { Collection } from '../database/index.js';
import {
  byteStreamConnection,
  checkProtocolType,
  claimConnection,
  type MessageEndpointConnection,
  type MessagingError,
  type ProtocolType,
} from '../endpoint/index.js';
import { HawserError } from '../errors.js';
import { PeerListener, stoppedError, type ListenerEvents, type ListenerStatus } from './peer-listener.js';

export interface MessageEndpointListenerOptions {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- collections of any document type
  readonly collections: readonly Collection<any>[];
  /** Must be the same at the other end. */
  readonly protocolType: ProtocolType;
  /** Peers may pull but not push. @default false */
  readonly readOnly?: boolean;
  /** Send and take differences to what the other side has, instead of whole documents. @default false */
  readonly enableDeltaSync?: boolean;
  /** Connections at a time; `accept` throws for one more. @default 1,000 */
  readonly maxConnections?: number;
  /** @default the database's */
  readonly logger?: Logger;
}

export class MessageEndpointListener {
  readonly #listener: PeerListener;
  readonly #protocolType: ProtocolType;
  readonly #maxConnections: number;
  /** The connection that is served for each one accepted. */
  readonly #served = new Map<MessageEndpointConnection, MessageEndpointConnection>();
  /** The connection that the application knows, for each one served. */
  readonly #accepted = new WeakMap<MessageEndpointConnection, MessageEndpointConnection>();
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> = Promise.resolve();

  /** Throws `ARGUMENT_INVALID` or `OPTION_UNKNOWN`. */
  constructor(options: MessageEndpointListenerOptions) {
    checkOptions('MessageEndpointListener', options, [
      'collections',
      'protocolType',
      'readOnly',
      'enableDeltaSync',
      'maxConnections',
      'logger',
    ]);
    const { protocolType, maxConnections = 1_000, ...shared } = options;
    this.#protocolType = checkProtocolType('MessageEndpointListener', protocolType);
    this.#maxConnections = checkInteger('maxConnections', maxConnections, 1);
    // They are counted here, where `accept` can still throw.
    this.#listener = new PeerListener({ ...shared, maxConnections: Number.MAX_SAFE_INTEGER });
    this.#listener.on('connection', ({ activity, connection }) => {
      const accepted = this.#accepted.get(connection);
      if (activity === 'stopped' && accepted !== undefined) this.#served.delete(accepted);
    });
  }

  /**
   * Serves a link that a peer has made; the listener opens the connection. Throws `ARGUMENT_INVALID` for what is no fresh
   * connection, `CONNECTION_UNAVAILABLE` when there are too many, `DATABASE_CLOSED`.
   */
  accept(connection: MessageEndpointConnection): void {
    const { database } = this.#listener;
    if (database.isClosed) throw new HawserError('DATABASE_CLOSED', `database ${database.name} is closed`);
    if (this.#served.size >= this.#maxConnections) {
      throw new HawserError(
        'CONNECTION_UNAVAILABLE',
        `the listener serves ${this.#maxConnections} connections already`,
      );
    }
    claimConnection('accept', connection);
    this.#starting ??= this.#stopping.then(() => this.#listener.start(() => this.closeAll()));
    const served = this.#wrap(connection);
    this.#served.set(connection, served);
    this.#accepted.set(served, connection);
    void this.#starting.then(
      () => {
        if (this.#served.has(connection)) this.#listener.accept(served);
      },
      (error: unknown) => {
        this.#served.delete(connection);
        this.#starting = undefined;
        this.#listener.logger.log('error', 'listener', error instanceof Error ? error.message : String(error));
        void served.close().catch(() => undefined);
      },
    );
  }

  /** Ends one connection. */
  async close(connection: MessageEndpointConnection, error: MessagingError = stoppedError()): Promise<void> {
    const served = this.#served.get(connection);
    this.#served.delete(connection);
    if (served !== undefined && !(await this.#listener.close(served, error))) await served.close(error);
  }

  /** Ends every connection; peers see a listener that stopped. More can be accepted afterwards. */
  async closeAll(error: MessagingError = stoppedError()): Promise<void> {
    this.#listener.database.checkNotInBatch('MessageEndpointListener.closeAll');
    await Promise.all([...this.#served.keys()].map((connection) => this.close(connection, error)));
    this.#starting = undefined;
    this.#stopping = this.#listener.stop(error);
    await this.#stopping;
  }

  get status(): ListenerStatus {
    return this.#listener.status;
  }

  /** Calls `listener` for every later event until the returned function is called. */
  on<Name extends keyof ListenerEvents>(event: Name, listener: (event: ListenerEvents[Name]) => void): Unsubscribe {
    return this.#listener.on(event, (value) => listener(this.#shown(value)));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.closeAll();
  }

  /** An event with the connection that the application knows: over a byte stream the one served is another. */
  #shown<E extends object>(event: E): E {
    if (!hasConnection(event)) return event;
    const accepted = this.#accepted.get(event.connection);
    return accepted === undefined ? event : { ...event, connection: accepted };
  }

  #wrap(connection: MessageEndpointConnection): MessageEndpointConnection {
    if (this.#protocolType === 'messageStream') return connection;
    const { clock } = this.#listener;
    return byteStreamConnection(connection, { role: 'server', clock, random: systemRandom });
  }
}

function hasConnection<E extends object>(event: E): event is E & { readonly connection: MessageEndpointConnection } {
  return 'connection' in event;
}
