/** Serves connections that the application brings: the passive side of `MessageEndpoint` (features A.22). */
import { checkOptions, type Clock, type Logger, type Unsubscribe } from '../base/index.js';
import type { CompressionOptions } from '../blip/index.js';
import {
  checkLayers,
  checkProtocolType,
  claimConnection,
  type MessageEndpointConnection,
  type MessagingError,
  type ProtocolType,
} from '../endpoint/index.js';
import { HawserError } from '../errors.js';
import { checkKeyUsage, type ListenerAuthenticator, type TLSIdentity } from '../security/index.js';
import type { ListenerEvents, ListenerStatus, PeerStatus } from './listener-events.js';
import { checkLimits, type ListenerLimits } from './listener-limits.js';
import { MessageEntrance, unavailableError } from './message-entrance.js';
import type { AuthorizePeer } from './peer-access.js';
import { PeerListener, stoppedError } from './peer-listener.js';
import type { PeerListenerOptions } from './peer-listener-options.js';

export interface MessageEndpointListenerOptions {
  readonly collections: PeerListenerOptions['collections'];
  /** Must be the same at the other end. */
  readonly protocolType: ProtocolType;
  /** Peers ask for the database by name, with user name and password, before anything else. @default false, with `tls` true */
  readonly handshake?: boolean;
  /** Speak TLS over each connection. @default false */
  readonly tls?: boolean;
  /** The certificate to show. @default an anonymous one, made once and kept in the folder `tls` of the database */
  readonly tlsIdentity?: TLSIdentity;
  /** Who may connect: needs the handshake, and for certificates TLS. @default everybody */
  readonly authenticator?: ListenerAuthenticator;
  /** What each peer may do, once it is known who it is. Without a handshake that is its address at most. @default everything */
  readonly authorize?: AuthorizePeer;
  /** Peers may pull but not push, whatever `authorize` says. @default false */
  readonly readOnly?: boolean;
  /** Send and take differences to what the other side has, instead of whole documents. @default false */
  readonly enableDeltaSync?: boolean;
  /** How hard to compress what is sent. */
  readonly compression?: CompressionOptions;
  /** Give up a peer that owes an answer and sends nothing for this long. In seconds; 0 for the default. @default 330 */
  readonly heartbeat?: number;
  /** How much a stranger may cost. Without a handshake `accept` throws for one connection more than `maxConnections`. */
  readonly limits?: ListenerLimits;
  /** @default the database's */
  readonly logger?: Logger;
  /** @default the database's */
  readonly clock?: Clock;
}

/** A connection from `accept` to its end. */
interface Guest {
  readonly connection: MessageEndpointConnection;
  readonly address: string | undefined;
  /** Gives it up while it is not served yet. */
  readonly abandon: AbortController;
  /** Settles when it is served, or will not be. Never rejects. */
  entered: Promise<void>;
  /** What the engine serves: the connection with all its layers. */
  served: MessageEndpointConnection | undefined;
  isServed: boolean;
}

export class MessageEndpointListener {
  readonly #listener: PeerListener;
  readonly #entrance: MessageEntrance;
  /** How many `accept` takes. With a handshake the next one is told that there are too many. */
  readonly #maxConnections: number;
  readonly #guests = new Map<MessageEndpointConnection, Guest>();
  readonly #guestOf = new WeakMap<MessageEndpointConnection, Guest>();
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> = Promise.resolve();

  /** Throws `ARGUMENT_INVALID` or `OPTION_UNKNOWN`, and `IDENTITY_UNSUITABLE` for a certificate that is not for servers. */
  constructor(options: MessageEndpointListenerOptions) {
    checkOptions('MessageEndpointListener', options, KNOWN_OPTIONS);
    const { protocolType, handshake: _handshake, tls: _tls, tlsIdentity, limits, ...shared } = options;
    const { handshake, tls } = checkSecurity(options);
    const maxConnections = checkLimits('MessageEndpointListener', limits).maxConnections;
    this.#maxConnections = handshake ? Number.MAX_SAFE_INTEGER : maxConnections;
    // Without a handshake they are counted here, where `accept` can still throw.
    const engineLimits = { ...limits, maxConnections: handshake ? maxConnections : Number.MAX_SAFE_INTEGER };
    this.#listener = new PeerListener({ ...shared, limits: engineLimits });
    this.#entrance = new MessageEntrance({
      listener: this.#listener,
      protocolType: checkProtocolType('MessageEndpointListener', protocolType),
      handshake,
      tls,
      tlsIdentity,
      authenticator: options.authenticator,
      asksForAccess: options.authorize !== undefined,
    });
    this.#listener.on('connection', ({ activity, connection }) => {
      const guest = this.#guestOf.get(connection);
      if (guest === undefined) return;
      guest.isServed = activity !== 'stopped';
      if (!guest.isServed) this.#guests.delete(guest.connection);
    });
  }

  /**
   * Serves a link that a peer has made; the listener opens the connection. Throws `ARGUMENT_INVALID` for what is no fresh
   * connection, `CONNECTION_UNAVAILABLE` when there are too many, `DATABASE_CLOSED`. Who is not let in is told by `refused`.
   *
   * @param from `address` is where it comes from, in whatever words the medium has: for limits, logs and `authorize`
   */
  accept(connection: MessageEndpointConnection, from: { readonly address?: string } = {}): void {
    checkOptions('accept', from, ['address']);
    const { address } = from;
    if (address !== undefined && typeof address !== 'string') {
      throw new HawserError('ARGUMENT_INVALID', 'accept: address must be a string');
    }
    const { database } = this.#listener;
    if (database.isClosed) throw new HawserError('DATABASE_CLOSED', `database ${database.name} is closed`);
    if (this.#guests.size >= this.#maxConnections) {
      throw new HawserError(
        'CONNECTION_UNAVAILABLE',
        `the listener serves ${this.#maxConnections} connections already`,
      );
    }
    claimConnection('accept', connection);
    this.#starting ??= this.#stopping.then(() => this.#listener.start(() => this.closeAll()));
    const entered = Promise.resolve();
    const guest: Guest = {
      connection,
      address,
      abandon: new AbortController(),
      entered,
      served: undefined,
      isServed: false,
    };
    this.#guests.set(connection, guest);
    guest.entered = this.#letIn(guest, this.#starting);
  }

  /**
   * Makes the collections that do not exist yet, and ties the listener to its database before the first connection comes. Only
   * needed where something else has to end with the database: `stop` is called before that closes, by default `closeAll`.
   * Rejects with `DATABASE_CLOSED`.
   */
  async start(stop: () => Promise<void> = () => this.closeAll()): Promise<void> {
    const starting = (this.#starting ??= this.#stopping.then(() => this.#listener.start(stop)));
    try {
      await starting;
    } catch (error) {
      if (this.#starting === starting) this.#starting = undefined;
      throw error;
    }
  }

  /** Throws `DATABASE_IN_BATCH` inside a batch, which the writes of peers wait for. */
  checkNotInBatch(what: string): void {
    this.#listener.database.checkNotInBatch(`MessageEndpointListener.${what}`);
  }

  /** Trouble on this side: logged, and told as an `error`. For whoever brings the connections. */
  report(error: unknown): void {
    this.#listener.report(error);
  }

  /** Ends one connection. */
  async close(connection: MessageEndpointConnection, error: MessagingError = stoppedError()): Promise<void> {
    const guest = this.#guests.get(connection);
    if (guest === undefined) return;
    this.#guests.delete(connection);
    guest.abandon.abort(error);
    await guest.entered;
    if (guest.served === undefined) await connection.close(error);
    else if (!(await this.#listener.close(guest.served, error))) await guest.served.close(error);
  }

  /** Ends every connection; peers see a listener that stopped. More can be accepted afterwards. */
  async closeAll(error: MessagingError = stoppedError()): Promise<void> {
    this.checkNotInBatch('closeAll');
    await Promise.all([...this.#guests.keys()].map((connection) => this.close(connection, error)));
    this.#starting = undefined;
    this.#stopping = this.#listener.stop(error);
    await this.#stopping;
  }

  get status(): ListenerStatus {
    return this.#listener.status;
  }

  get clock(): Clock {
    return this.#listener.clock;
  }

  /** The peers that are connected now. */
  get peers(): readonly PeerStatus[] {
    return this.#listener.peers;
  }

  /**
   * The certificate that peers see: what they can pin. `undefined` without TLS. The anonymous one is made if there is none yet;
   * rejects as that does.
   */
  tlsIdentity(): Promise<TLSIdentity | undefined> {
    return this.#entrance.identity();
  }

  /** Calls `listener` for every later event until the returned function is called. */
  on<Name extends keyof ListenerEvents>(event: Name, listener: (event: ListenerEvents[Name]) => void): Unsubscribe {
    return this.#listener.on(event, (value) => listener(this.#shown(value)));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.closeAll();
  }

  async #letIn(guest: Guest, starting: Promise<void>): Promise<void> {
    const { connection, address, abandon } = guest;
    try {
      await starting;
    } catch (error) {
      this.#starting = undefined;
      this.#guests.delete(connection);
      this.#listener.report(error);
      await connection.close(unavailableError()).catch(() => undefined); // it is not served either way
      return;
    }
    if (abandon.signal.aborted) return; // whoever did that closes it
    const entered = await this.#entrance.enter(connection, address, abandon).catch(() => undefined);
    guest.served = entered?.connection;
    if (abandon.signal.aborted) return;
    if (entered !== undefined) {
      this.#guestOf.set(entered.connection, guest);
      this.#listener.accept(entered.connection, entered.peer);
    }
    if (!guest.isServed) this.#guests.delete(connection);
  }

  /** An event with the connection that the application knows: with layers around it the one served is another. */
  #shown<E extends object>(event: E): E {
    if (!hasConnection(event)) return event;
    const guest = this.#guestOf.get(event.connection);
    return guest === undefined ? event : { ...event, connection: guest.connection };
  }
}

function hasConnection<E extends object>(event: E): event is E & { readonly connection: MessageEndpointConnection } {
  return 'connection' in event;
}

/** Throws `ARGUMENT_INVALID` for what could not do what it is there for. */
function checkSecurity(options: MessageEndpointListenerOptions): {
  readonly handshake: boolean;
  readonly tls: boolean;
} {
  const { authenticator, tlsIdentity } = options;
  const layers = checkLayers('MessageEndpointListener', options);
  const check = (holds: boolean, what: string): void => {
    if (!holds) throw new HawserError('ARGUMENT_INVALID', `MessageEndpointListener: ${what}`);
  };
  check(authenticator === undefined || layers.handshake, 'an authenticator needs handshake or tls');
  check(authenticator?.kind !== 'certificate' || layers.tls, 'an authenticator of certificates needs tls');
  check(tlsIdentity === undefined || layers.tls, 'a tlsIdentity needs tls');
  if (tlsIdentity === undefined) return layers;
  check(typeof tlsIdentity?.certificatePem === 'function', 'tlsIdentity must be a TLSIdentity');
  checkKeyUsage(tlsIdentity, 'serverAuth');
  return layers;
}

const KNOWN_OPTIONS = [
  ...['collections', 'protocolType', 'handshake', 'tls', 'tlsIdentity', 'authenticator', 'authorize', 'readOnly'],
  ...['enableDeltaSync', 'compression', 'heartbeat', 'limits', 'logger', 'clock'],
];
