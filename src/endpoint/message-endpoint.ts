/**
 * An endpoint whose connections the application makes: any medium that can carry messages, or a reliable stream of
 * bytes (specification 1.7). Adds nothing to the wire of a message stream, and RFC 6455 framing to a byte stream.
 * It has no TLS and no authentication: those are the transport's, or those of the layers put around the connection.
 */
import { systemRandom } from '../base/index.js';
import { HawserError } from '../errors.js';
import type { MessageEndpointConnection } from './connection.js';
import type { ConnectOptions, Endpoint } from './endpoint.js';
import { byteStreamConnection } from './layers/byte-stream.js';
import { toMessagingError } from './messaging-error.js';

/**
 * `messageStream`: the medium keeps the boundaries of messages. `byteStream`: it carries bytes in order, in chunks of any
 * size. Both ends must use the same.
 */
export type ProtocolType = 'messageStream' | 'byteStream';

export interface MessageEndpointDelegate {
  /** Called for every attempt to connect; must return a connection that was never used before. */
  createConnection(endpoint: MessageEndpoint): MessageEndpointConnection;
}

export class MessageEndpoint implements Endpoint {
  /** The stable identity of the remote database: checkpoints are kept under it. */
  readonly uid: string;
  /** Whatever the delegate needs to find the peer. Not looked at. */
  readonly target: unknown;
  readonly protocolType: ProtocolType;
  readonly delegate: MessageEndpointDelegate;

  /** @throws HawserError `ARGUMENT_INVALID` */
  constructor(uid: string, target: unknown, protocolType: ProtocolType, delegate: MessageEndpointDelegate) {
    this.uid = checkUid('MessageEndpoint', uid);
    this.target = target;
    this.protocolType = checkProtocolType('MessageEndpoint', protocolType);
    if (typeof (delegate as Partial<MessageEndpointDelegate> | undefined)?.createConnection !== 'function') {
      throw new HawserError('ARGUMENT_INVALID', 'MessageEndpoint: delegate must have a method createConnection');
    }
    this.delegate = delegate;
  }

  get remoteID(): string {
    return this.uid;
  }

  /** @throws MessagingError what the delegate threw; HawserError `ARGUMENT_INVALID` if it returned no fresh connection */
  createConnection(options: ConnectOptions): MessageEndpointConnection {
    const connection = this.#askDelegate();
    claimConnection('createConnection', connection);
    if (this.protocolType === 'messageStream') return connection;
    const { clock, heartbeatMs } = options;
    return byteStreamConnection(connection, { role: 'client', clock, random: systemRandom, heartbeatMs });
  }

  #askDelegate(): MessageEndpointConnection {
    try {
      return this.delegate.createConnection(this);
    } catch (cause) {
      throw toMessagingError(cause, 'createConnection');
    }
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
