/**
 * What the listeners of media without HTTP share: TLS and the handshake over each connection, starting and stopping. A
 * transport adds how connections come about.
 */
import { checkOptions, type Clock, type Unsubscribe } from '../base/index.js';
import type { MessageEndpointConnection } from '../endpoint/index.js';
import { HawserError } from '../errors.js';
import type { TLSIdentity } from '../security/index.js';
import { Lifecycle } from './lifecycle.js';
import type { ListenerEvents, ListenerStatus, PeerStatus } from './listener-events.js';
import { MessageEndpointListener } from './message-endpoint-listener.js';
import { stoppedError } from './peer-listener.js';
import type { PeerListenerOptions } from './peer-listener-options.js';

export interface MediumListenerOptions extends PeerListenerOptions {
  /** Let peers speak without encryption. @default false */
  readonly disableTLS?: boolean;
  /** The certificate to show. @default an anonymous one, made once and kept in the folder `tls` of the database */
  readonly tlsIdentity?: TLSIdentity;
}

/** The medium of a listener, while it is open. */
export interface ListenerMedium {
  /** Lets go of everything. Connections were closed before. */
  close(): Promise<void>;
}

/** What a medium has of its listener. */
export interface ListenerHost {
  readonly clock: Clock;
  /** A peer has come. The connection was not opened, and belongs to the listener from now on. */
  readonly accept: (connection: MessageEndpointConnection, address: string) => void;
  /** The medium failed, and mends itself if it can: told as an `error` of the listener. */
  readonly report: (error: HawserError) => void;
}

export abstract class MediumListener {
  readonly #listener: MessageEndpointListener;
  readonly #lifecycle: Lifecycle<ListenerMedium>;
  /** From the opening of the medium until its connections are being closed. */
  #isServing = false;

  /**
   * @param where for errors: the name of the listener
   * @param ownOptions the names of those that are the medium's
   * @throws HawserError `OPTION_UNKNOWN`, `ARGUMENT_INVALID`, or `IDENTITY_UNSUITABLE` for a certificate that is not for servers
   */
  protected constructor(where: string, options: MediumListenerOptions, ownOptions: readonly string[]) {
    if (options === undefined) throw new HawserError('ARGUMENT_INVALID', `${where}: options are required`);
    checkOptions(where, options, [...SHARED_OPTIONS, ...ownOptions]);
    const entries = Object.entries(options).filter(([name]) => SHARED_OPTIONS.includes(name));
    const { disableTLS = false, ...shared } = Object.fromEntries(entries) as unknown as MediumListenerOptions;
    if (typeof disableTLS !== 'boolean') {
      throw new HawserError('ARGUMENT_INVALID', `${where}: disableTLS must be true or false`);
    }
    this.#listener = new MessageEndpointListener({
      ...shared,
      protocolType: 'messageStream',
      handshake: true,
      tls: !disableTLS,
    });
    this.#lifecycle = new Lifecycle({ start: () => this.#open(), stop: (medium) => this.#close(medium) });
  }

  /** Opens the medium. Rejects with a HawserError and leaves nothing open then. */
  protected abstract openMedium(host: ListenerHost): Promise<ListenerMedium>;

  /**
   * Listens. Resolves at once if it does already.
   * @throws HawserError what the medium fails with; `DATABASE_CLOSED`; `LISTENER_STOPPED` if it is stopped meanwhile
   */
  start(): Promise<void> {
    return this.#lifecycle.start();
  }

  /**
   * Closes every connection (peers are told that the listener goes away) and the medium. Resolves when nothing is left open.
   * Idempotent; afterwards it can be started again.
   * @throws HawserError `DATABASE_IN_BATCH` inside a batch, which the writes of peers wait for
   */
  async stop(): Promise<void> {
    this.#listener.checkNotInBatch('stop');
    await this.#lifecycle.stop();
  }

  get isListening(): boolean {
    return this.#lifecycle.running !== undefined;
  }

  /** How many connections there are, and how many of them are transferring something now. */
  get status(): ListenerStatus {
    return this.#listener.status;
  }

  /** The peers that are connected now. */
  get peers(): readonly PeerStatus[] {
    return this.#listener.peers;
  }

  /** The certificate that peers see: what they can pin. `undefined` without TLS. The anonymous one is made if there is none yet. */
  tlsIdentity(): Promise<TLSIdentity | undefined> {
    return this.#listener.tlsIdentity();
  }

  /** Calls `listener` for every later event until the returned function is called. */
  on<Name extends keyof ListenerEvents>(event: Name, listener: (event: ListenerEvents[Name]) => void): Unsubscribe {
    return this.#listener.on(event, listener);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #open(): Promise<ListenerMedium> {
    await this.#listener.start(() => this.stop());
    this.#isServing = true;
    try {
      return await this.openMedium({
        clock: this.#listener.clock,
        accept: (connection, address) => this.#accept(connection, address),
        report: (error) => this.#listener.report(error),
      });
    } catch (error) {
      this.#isServing = false;
      await this.#listener.closeAll();
      throw error;
    }
  }

  /** A listener that says good-bye to its peers takes nobody any more, nor does a database that is being closed. */
  #accept(connection: MessageEndpointConnection, address: string): void {
    if (!this.#isServing) return void connection.close(stoppedError());
    try {
      this.#listener.accept(connection, { address });
    } catch (error) {
      this.#listener.report(error);
      void connection.close();
    }
  }

  async #close(medium: ListenerMedium): Promise<void> {
    this.#isServing = false;
    await this.#listener.closeAll();
    await medium.close();
  }
}

const SHARED_OPTIONS = [
  ...['collections', 'authenticator', 'authorize', 'readOnly', 'enableDeltaSync', 'compression', 'heartbeat', 'limits'],
  ...['disableTLS', 'tlsIdentity', 'logger', 'clock'],
];
