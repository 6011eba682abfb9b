/**
 * What goes into a connection and what comes out of it. Plain values: the ways of a message through the frames are in
 * `outgoing-transfer.ts` and `incoming-transfer.ts`.
 */
import { HawserError } from '../errors.js';
import { checkInteger } from '../base/index.js';
import type { MessageProperties } from './properties.js';
import { StreamedBody } from './streamed-body.js';

export interface OutgoingMessage {
  readonly properties: Readonly<Record<string, string>>;
  /** Belongs to the connection from the call on: it is read when its frames are made and must not change until then. */
  readonly body?: Uint8Array;
  /**
   * Whether the body is worth compressing.
   * @default false
   */
  readonly compressed?: boolean;
  /**
   * Whether its frames go before those of other messages. A response has the urgency of its request instead.
   * @default false
   */
  readonly urgent?: boolean;
}

/** A message whose body is still being made while it is sent. */
export interface StreamedMessage extends Omit<OutgoingMessage, 'body'> {
  readonly body: StreamedBody;
}

export interface OutgoingRequest extends OutgoingMessage {
  /**
   * Whether the peer must not answer.
   * @default false
   */
  readonly noReply?: boolean;
  /**
   * Set if the body of the response is to be read as a stream, in parts as they come: how many bytes it may have; passed:
   * `BLIP_MESSAGE_TOO_LARGE`. `maxMessageSize` does not matter then. An error is a `response` all the same.
   */
  readonly maxStreamedBytes?: number;
}

/** Throws `ARGUMENT_INVALID` where `message` does not have the shape of one; the texts in it are looked at when it is encoded. */
export function checkMessage(message: OutgoingMessage | StreamedMessage): void {
  const given: unknown = message;
  const invalid = (problem: string): HawserError => new HawserError('ARGUMENT_INVALID', `A message must ${problem}`);
  if (typeof given !== 'object' || given === null) throw invalid('be an object');
  const { properties, body }: { properties?: unknown; body?: unknown } = given;
  if (typeof properties !== 'object' || properties === null) throw invalid('have an object of properties');
  if (body instanceof StreamedBody) {
    if (body.isOwned) throw invalid("have a body of its own: this one is another message's");
  } else if (body !== undefined && !(body instanceof Uint8Array)) {
    throw invalid('have a Uint8Array or a StreamedBody as body, or none');
  }
}

/** A request that was sent. Its identity is all it has: the response comes with the same object. */
export class SentRequest {
  readonly noReply: boolean;
  /** How long the response may be, if it is read as a stream. */
  readonly maxStreamedBytes: number | undefined;

  constructor(noReply: boolean, maxStreamedBytes?: number) {
    this.noReply = noReply;
    this.maxStreamedBytes =
      maxStreamedBytes === undefined ? undefined : checkInteger('maxStreamedBytes', maxStreamedBytes, 0);
  }
}

export interface IncomingRequest {
  /** The peer's number for it, for logs. */
  readonly number: number;
  readonly properties: MessageProperties;
  /** Belongs to the reader. May be a part of the received frame: copy it if it is small and kept for long. */
  readonly body: Uint8Array;
  /** Whether answering is forbidden. */
  readonly noReply: boolean;
  readonly urgent: boolean;
}

export interface IncomingResponse {
  readonly properties: MessageProperties;
  /** As {@link IncomingRequest.body}. */
  readonly body: Uint8Array;
  /** Present when the peer answered with an error. */
  readonly error?: RemoteError;
}

/** An error as it crosses the wire (specification 2.9). */
export interface RemoteError {
  /** `BLIP`, `HTTP`, `LiteCore` … */
  readonly domain: string;
  /** A signed 32-bit integer. */
  readonly code: number;
  readonly message: string;
}

export type BlipEvent =
  | { readonly type: 'request'; readonly request: IncomingRequest }
  | { readonly type: 'response'; readonly request: SentRequest; readonly response: IncomingResponse }
  | { readonly type: 'head'; readonly request: SentRequest; readonly properties: MessageProperties }
  /** The next bytes of a streamed body, in memory of their own, to be reported to `consumed`. */
  | { readonly type: 'part'; readonly request: SentRequest; readonly bytes: Uint8Array }
  | { readonly type: 'end'; readonly request: SentRequest };

/** A request of the peer, and whether it may still be answered. Only the connection that it came from may do so, once. */
export class ReceivedRequest implements IncomingRequest {
  readonly number: number;
  readonly properties: MessageProperties;
  readonly body: Uint8Array;
  readonly noReply: boolean;
  readonly urgent: boolean;
  readonly #origin: object;
  #answered = false;

  constructor(
    origin: object,
    number: number,
    content: { readonly properties: MessageProperties; readonly body: Uint8Array },
    kind: { readonly noReply: boolean; readonly urgent: boolean },
  ) {
    this.number = number;
    this.properties = content.properties;
    this.body = content.body;
    this.noReply = kind.noReply;
    this.urgent = kind.urgent;
    this.#origin = origin;
  }

  /** Uses up the one answer; throws `ARGUMENT_INVALID` where there is none to give (specification 2.4). */
  claimAnswer(origin: object): void {
    const refuse = (reason: string): never => {
      throw new HawserError('ARGUMENT_INVALID', `Request ${this.number} cannot be answered: ${reason}`);
    };
    if (this.#origin !== origin) refuse('it came from another connection');
    if (this.noReply) refuse('the peer asked for no reply');
    if (this.#answered) refuse('it has been answered');
    this.#answered = true;
  }
}
