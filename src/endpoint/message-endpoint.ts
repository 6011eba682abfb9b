/**
 * An endpoint whose connections the application makes: any medium that can carry messages, or a reliable stream of
 * bytes (specification 1.7). Adds nothing to the wire of a message stream, and RFC 6455 framing to a byte stream: a Couchbase
 * Lite app may be at the other end. Where there is a hawser listener TLS and a handshake can be switched on, at both ends.
 */
import { checkOptions, systemRandom } from '../base/index.js';
import { HawserError } from '../errors.js';
import type { MessageEndpointConnection } from './connection.js';
import type { ConnectOptions, Endpoint } from './endpoint.js';
import { handshakeConnection } from './handshake/client.js';
import { byteStreamConnection } from './layers/byte-stream.js';
import { secureConnection } from './layers/secure.js';
import { toMessagingError } from './messaging-error.js';
import { checkNothingToProve } from './server-proof.js';

/**
 * `messageStream`: the medium keeps the boundaries of messages. `byteStream`: it carries bytes in order, in chunks of any
 * size. Both ends must use the same.
 */
export type ProtocolType = 'messageStream' | 'byteStream';

export interface MessageEndpointDelegate {
  /** Called for every attempt to connect; must return a connection that was never used before. */
  createConnection(endpoint: MessageEndpoint): MessageEndpointConnection;
}

export interface MessageEndpointOptions {
  /** Ask the listener for its database by name, with user name and password, before anything else. @default false, with `tls` true */
  readonly handshake?: boolean;
  /** Speak TLS over the connection: the listener is judged as that of a `wss:` URL, a client certificate can be shown. @default false */
  readonly tls?: boolean;
  /** The name of the listener's database; required for a handshake. */
  readonly database?: string;
}

export class MessageEndpoint implements Endpoint {
  /** The stable identity of the remote database: checkpoints are kept under it. */
  readonly uid: string;
  /** Whatever the delegate needs to find the peer. Not looked at. */
  readonly target: unknown;
  readonly protocolType: ProtocolType;
  readonly delegate: MessageEndpointDelegate;
  readonly #tls: boolean;
  /** Of the handshake, if there is one. */
  readonly #path: string | undefined;

  /** @throws HawserError `ARGUMENT_INVALID` or `OPTION_UNKNOWN` */
  constructor(
    uid: string,
    target: unknown,
    protocolType: ProtocolType,
    delegate: MessageEndpointDelegate,
    options: MessageEndpointOptions = {},
  ) {
    this.uid = checkUid('MessageEndpoint', uid);
    this.target = target;
    this.protocolType = checkProtocolType('MessageEndpoint', protocolType);
    if (typeof (delegate as Partial<MessageEndpointDelegate> | undefined)?.createConnection !== 'function') {
      throw new HawserError('ARGUMENT_INVALID', 'MessageEndpoint: delegate must have a method createConnection');
    }
    this.delegate = delegate;
    checkOptions('MessageEndpoint', options, ['handshake', 'tls', 'database']);
    const { tls, handshake } = checkLayers('MessageEndpoint', options);
    this.#tls = tls;
    this.#path = handshake ? pathOf(options.database) : undefined;
    if (!handshake && options.database !== undefined) {
      throw new HawserError('ARGUMENT_INVALID', 'MessageEndpoint: database is of no use without handshake or tls');
    }
  }

  get remoteID(): string {
    return this.uid;
  }

  /**
   * @throws MessagingError what the delegate threw, `ARGUMENT_INVALID` for a server that is to be recognised where nothing can
   *   prove who it is; HawserError `ARGUMENT_INVALID` if the delegate returned no fresh connection
   */
  createConnection(options: ConnectOptions): MessageEndpointConnection {
    if (!this.#tls) checkNothingToProve(this.uid, options.trust);
    const connection = this.#askDelegate();
    claimConnection('createConnection', connection);
    return this.#shakingHands(this.#secured(this.#framed(connection, options), options), options);
  }

  #framed(connection: MessageEndpointConnection, { clock, heartbeatMs }: ConnectOptions): MessageEndpointConnection {
    if (this.protocolType === 'messageStream') return connection;
    return byteStreamConnection(connection, { role: 'client', clock, random: systemRandom, heartbeatMs });
  }

  #secured(connection: MessageEndpointConnection, options: ConnectOptions): MessageEndpointConnection {
    if (!this.#tls) return connection;
    const { trust, clock, identity, onServerCertificate } = options;
    return secureConnection(connection, {
      role: 'client',
      name: this.uid,
      trust,
      ...(identity === undefined ? {} : { identity }),
      ...(onServerCertificate === undefined ? {} : { onServerCertificate }),
      clock,
    });
  }

  #shakingHands(connection: MessageEndpointConnection, options: ConnectOptions): MessageEndpointConnection {
    if (this.#path === undefined) return connection;
    const { protocols, authorization, headers = {} } = options;
    const cookie = Object.entries(headers).find(([name]) => name.toLowerCase() === 'cookie')?.[1];
    return handshakeConnection(connection, {
      name: this.uid,
      path: this.#path,
      protocols,
      ...(authorization === undefined ? {} : { authorization }),
      ...(cookie === undefined ? {} : { cookie }),
    });
  }

  #askDelegate(): MessageEndpointConnection {
    try {
      return this.delegate.createConnection(this);
    } catch (cause) {
      throw toMessagingError(cause, 'createConnection');
    }
  }
}

/** Which layers two options ask for: TLS comes with a handshake. Throws `ARGUMENT_INVALID`. */
export function checkLayers(
  where: string,
  { handshake, tls = false }: { readonly handshake?: unknown; readonly tls?: unknown },
): { readonly handshake: boolean; readonly tls: boolean } {
  for (const [name, value] of Object.entries({ handshake, tls })) {
    if (value === undefined || typeof value === 'boolean') continue;
    throw new HawserError('ARGUMENT_INVALID', `${where}: ${name} must be true or false`);
  }
  if (tls === true && handshake === false) {
    throw new HawserError(
      'ARGUMENT_INVALID',
      `${where}: tls needs the handshake, which tells a client why it is refused`,
    );
  }
  return { handshake: tls === true || handshake === true, tls: tls === true };
}

function pathOf(database: unknown): string {
  if (typeof database !== 'string' || database === '') {
    throw new HawserError(
      'ARGUMENT_INVALID',
      "MessageEndpoint: a handshake needs database, the name of the listener's",
    );
  }
  try {
    return `/${encodeURIComponent(database)}/_blipsync`;
  } catch (cause) {
    throw new HawserError('ARGUMENT_INVALID', 'MessageEndpoint: database is no valid text', { cause });
  }
}

/** Throws `ARGUMENT_INVALID` unless `uid` can identify a peer. */
export function checkUid(where: string, uid: unknown): string {
  if (typeof uid !== 'string' || uid === '') {
    throw new HawserError('ARGUMENT_INVALID', `${where}: uid must be a string that is not empty`);
  }
  return uid;
}

/** Throws `ARGUMENT_INVALID` for anything that is not a {@link ProtocolType}. */
export function checkProtocolType(where: string, protocolType: unknown): ProtocolType {
  if (protocolType !== 'messageStream' && protocolType !== 'byteStream') {
    throw new HawserError(
      'ARGUMENT_INVALID',
      `${where}: protocolType must be 'messageStream' or 'byteStream', not ${String(protocolType)}`,
    );
  }
  return protocolType;
}

/**
 * Throws `ARGUMENT_INVALID` unless `connection` has the three methods and was never claimed before. Two peers that share
 * one connection object would mix their messages, which surfaces much later and far from the mistake.
 */
export function claimConnection(where: string, connection: MessageEndpointConnection): void {
  const methods = connection as Partial<MessageEndpointConnection> | null | undefined;
  for (const method of ['open', 'send', 'close'] as const) {
    if (typeof methods?.[method] !== 'function') {
      throw new HawserError('ARGUMENT_INVALID', `${where}: a connection must have a method ${method}`);
    }
  }
  if (claimed.has(connection)) {
    throw new HawserError(
      'ARGUMENT_INVALID',
      `${where}: this connection was used before; every attempt needs a fresh one`,
    );
  }
  claimed.add(connection);
}

const claimed = new WeakSet<MessageEndpointConnection>();
