/**
 * The contract between the engine and a medium. A transport implements {@link MessageEndpointConnection};
 * the engine implements {@link ReplicatorConnection} and hands it to `open`. Names and roles are Couchbase
 * Lite's; what they left open (ordering, back-pressure, ownership, repeated calls) is fixed here and checked
 * by the suite in `hawser/testing`.
 */
import type { HawserErrorOptions } from '../errors.js';
import { HawserError, type ErrorCode } from '../errors.js';

/** One whole message. Whoever receives it owns the memory: the sender does not touch it after the call. */
export type Message = Uint8Array;

/** The largest message a connection must be able to carry. BLIP frames stay below 16 KiB. */
export const MIN_MAX_MESSAGE_SIZE = 65_536;

export interface MessagingErrorOptions extends HawserErrorOptions {
  /** Whether a new connection to the same peer may succeed: the replicator then goes offline and tries again. */
  readonly recoverable: boolean;
  /**
   * The WebSocket close code (RFC 6455 7.4, and 4000–4999) that says why. Media without close codes ignore it.
   * @default 4001 for recoverable errors, 4002 for others
   */
  readonly closeCode?: number;
}

/** Why a connection failed or was closed. */
export class MessagingError extends HawserError {
  readonly recoverable: boolean;
  readonly closeCode: number;

  constructor(code: ErrorCode, message: string, options: MessagingErrorOptions) {
    super(code, message, { retryable: options.recoverable, ...options });
    this.recoverable = options.recoverable;
    this.closeCode = options.closeCode ?? (options.recoverable ? 4001 : 4002);
  }
}

/** What the engine offers to a transport. All methods may be called at any time and never throw. */
export interface ReplicatorConnection {
  /**
   * One whole message arrived. Ownership of the bytes passes to the engine.
   * A returned promise asks the transport to stop reading from its medium until it resolves (it never rejects);
   * a transport that cannot stop may go on calling, in order.
   */
  receive(message: Message): void | Promise<void>;

  /**
   * The medium ended: orderly without an error, otherwise with the reason. Only the first call counts, and calls after
   * the engine's own `close` are ignored. `error.recoverable` decides whether the replicator tries again.
   */
  close(error?: MessagingError): void;
}

/** One connection to one peer. Never shared, never opened twice. */
export interface MessageEndpointConnection {
  /**
   * Connects the medium. Resolves when messages can flow in both directions; rejects with a {@link MessagingError}.
   * No message is delivered to `replicatorConnection` before the promise has resolved. Called exactly once.
   */
  open(replicatorConnection: ReplicatorConnection): Promise<void>;

  /**
   * Hands over one message. Calls are made in order; messages arrive whole, once and in that order. Resolves when the
   * medium will take more: that is the back-pressure, and the engine keeps at most a few calls outstanding.
   * Rejects with a {@link MessagingError} when the connection is not open (`CONNECTION_NOT_OPEN`) or failed, and with
   * `CONNECTION_MESSAGE_TOO_LARGE`, leaving the connection as it was, for a message above the medium's limit.
   */
  send(message: Message): Promise<void>;

  /**
   * Ends the connection and tells the other side why, if the medium can. Messages whose `send` was called before are
   * still delivered unless an error is given. Idempotent, allowed in every state (also while `open` is pending, which
   * then rejects); resolves when no socket, timer or listener is left; never rejects.
   */
  close(error?: MessagingError): Promise<void>;

  /** The sub-protocol both ends agreed on, for media whose opening negotiates one; otherwise undefined. */
  readonly protocol?: string | undefined;

  /**
   * How many bytes a layer above should keep unsent at the most, where the medium is so slow that more would only delay what
   * is urgent. @default 65,536
   */
  readonly highWaterMark?: number;
}
