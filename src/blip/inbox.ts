/**
 * Incoming payloads become messages again: numbering, assembly, limits and acknowledgements (specification 2.4, 2.8). Knows
 * nothing of checksums and compression, and answers nothing by itself.
 */
import { checkInteger } from '../base/index.js';
import { HawserError } from '../errors.js';
import { Consumption } from './consumption.js';
import {
  acknowledgementFrame,
  ERROR_RESPONSE,
  type FrameHeader,
  MORE_COMING,
  NO_REPLY,
  REQUEST,
  REQUEST_ACK,
  RESPONSE_ACK,
  URGENT,
} from './frame-header.js';
import type { FramePayload } from './frame-reader.js';
import { IncomingTransfer, type MessageContent } from './incoming-transfer.js';
import { type BlipEvent, type IncomingResponse, ReceivedRequest, type SentRequest } from './message.js';
import type { ResolvedBlipOptions } from './options.js';

/** Where the inbox finds out which request a response belongs to. A request is claimed once. */
export interface SentRequests {
  claimRequest(number: number): SentRequest | undefined;
}

export class Inbox {
  readonly #limits: ResolvedBlipOptions;
  readonly #sent: SentRequests;
  /** Whom the requests belong to: only there can they be answered. */
  readonly #origin: object;
  #lastRequest = 0;
  /** Begun and not complete. */
  readonly #requests = new Map<number, IncomingTransfer>();
  readonly #responses = new Map<number, IncomingTransfer>();
  /** Bytes of them, and the cost of what the readers of streamed responses have not taken. */
  #buffered = 0;
  /** Responses that are read as streams, until they have ended and everything has been taken. */
  readonly #streams = new Map<SentRequest, { readonly message: IncomingTransfer; readonly consumption: Consumption }>();
  /** What to acknowledge, by message: a later count replaces an earlier one that has not been sent. */
  readonly #acknowledgements = new Map<IncomingTransfer, number>();

  constructor(limits: ResolvedBlipOptions, sent: SentRequests, origin: object) {
    this.#limits = limits;
    this.#sent = sent;
    this.#origin = origin;
  }

  /**
   * The payload of a request or a response. Returns what is complete now, or came of a streamed body. Throws `BLIP_NUMBER_INVALID`,
   * `BLIP_RESPONSE_UNEXPECTED`, `BLIP_PROPERTIES_…` and those of the limits.
   */
  handlePayload(header: FrameHeader, payload: FramePayload): BlipEvent[] {
    const isRequest = header.type === REQUEST;
    const unfinished = isRequest ? this.#requests : this.#responses;
    const known = unfinished.get(header.number);
    const message = known ?? (isRequest ? this.#beginRequest(header) : this.#beginResponse(header));
    const isLast = (header.flags & MORE_COMING) === 0;
    if (message.answers !== undefined && message.maxStreamedBytes !== undefined) {
      return this.#handleStreamed(message, message.answers, message.maxStreamedBytes, payload, isLast);
    }

    if (message.size + payload.bytes.length > this.#limits.maxMessageSize) {
      throw new HawserError(
        'BLIP_MESSAGE_TOO_LARGE',
        `Message ${message.number} exceeds maxMessageSize, ${this.#limits.maxMessageSize} bytes`,
      );
    }
    const toAcknowledge = message.recordFrame(payload.wireLength);
    if (toAcknowledge !== undefined) this.#acknowledgements.set(message, toAcknowledge);

    if (isLast) {
      this.#buffered -= message.size;
      const content = message.finish(payload, this.#limits.maxPropertiesSize);
      if (known !== undefined) unfinished.delete(message.number);
      return [this.#event(message, content)];
    }
    if (known === undefined) this.#admit(message, unfinished);
    this.#buffer(payload.bytes.length);
    message.append(payload, this.#limits.maxPropertiesSize);
    return [];
  }

  /** The reader of a streamed response has taken `bytes` more. Throws `ARGUMENT_INVALID` for more than it was given. */
  consumed(request: SentRequest, bytes: number): void {
    const stream = this.#streams.get(request);
    checkInteger('consumed: bytes', bytes, 0, stream?.consumption.unread ?? 0);
    if (stream === undefined) return;
    const { message, consumption } = stream;
    const before = consumption.cost;
    consumption.take(bytes);
    this.#buffered += consumption.cost - before;
    if (this.#responses.get(message.number) === message) this.#acknowledgeRead(message, consumption);
    else if (consumption.unread === 0) this.#streams.delete(request);
  }

  get unreadBytes(): number {
    let bytes = 0;
    for (const { consumption } of this.#streams.values()) bytes += consumption.unread;
    return bytes;
  }

  /** Bytes of what is not complete or not read. */
  get bufferedBytes(): number {
    return this.#buffered;
  }

  /** The next acknowledgement to put on the wire, if there is one: a whole frame. They may overtake everything. */
  pollAcknowledgement(): Buffer | undefined {
    for (const [message, received] of this.#acknowledgements) {
      this.#acknowledgements.delete(message);
      return acknowledgementFrame(message.answers === undefined ? REQUEST_ACK : RESPONSE_ACK, message.number, received);
    }
    return undefined;
  }

  clear(): void {
    this.#requests.clear();
    this.#responses.clear();
    this.#acknowledgements.clear();
    this.#streams.clear();
    this.#buffered = 0;
  }

  #beginRequest(header: FrameHeader): IncomingTransfer {
    if (header.number !== this.#lastRequest + 1) {
      const problem =
        header.number <= this.#lastRequest
          ? 'is complete already'
          : `is out of order: ${this.#lastRequest + 1} is next`;
      throw new HawserError('BLIP_NUMBER_INVALID', `Request ${header.number} of the peer ${problem}`);
    }
    this.#lastRequest = header.number;
    return new IncomingTransfer(header, undefined);
  }

  #beginResponse(header: FrameHeader): IncomingTransfer {
    const request = this.#sent.claimRequest(header.number);
    if (request === undefined) {
      throw new HawserError(
        'BLIP_RESPONSE_UNEXPECTED',
        `The peer answered request ${header.number}, which was not sent completely, wants no answer or has one`,
      );
    }
    return new IncomingTransfer(header, request);
  }

  /** A frame of a response that is handed on in parts: nothing of its body stays here. */
  #handleStreamed(
    message: IncomingTransfer,
    request: SentRequest,
    maxBytes: number,
    payload: FramePayload,
    isLast: boolean,
  ): BlipEvent[] {
    const events: BlipEvent[] = [];
    const isHeadKnown = message.properties !== undefined;
    const bytes = message.read(payload.bytes, this.#limits.maxPropertiesSize);
    const properties = isLast ? message.requireProperties() : message.properties;
    const { consumption } = this.#streams.get(request) ?? { consumption: new Consumption() };
    const before = consumption.cost;
    consumption.add(bytes.length, payload.wireLength);
    this.#buffer(consumption.cost - before);
    if (consumption.total > maxBytes) {
      throw new HawserError(
        'BLIP_MESSAGE_TOO_LARGE',
        `The body of response ${message.number} exceeds the ${maxBytes} bytes that were expected`,
      );
    }
    if (!isHeadKnown && properties !== undefined) events.push({ type: 'head', request, properties });
    if (bytes.length > 0) events.push({ type: 'part', request, bytes: Buffer.from(bytes) });
    if (!isLast || consumption.unread > 0) this.#streams.set(request, { message, consumption });
    else this.#streams.delete(request);
    if (isLast) {
      this.#responses.delete(message.number);
      events.push({ type: 'end', request });
    } else {
      this.#responses.set(message.number, message);
      this.#acknowledgeRead(message, consumption);
    }
    return events;
  }

  #acknowledgeRead(message: IncomingTransfer, consumption: Consumption): void {
    const toAcknowledge = consumption.toAcknowledge();
    if (toAcknowledge !== undefined) this.#acknowledgements.set(message, toAcknowledge);
  }

  #buffer(bytes: number): void {
    this.#buffered += bytes;
    if (this.#buffered > this.#limits.maxBufferedBytes) {
      throw new HawserError(
        'BLIP_BUFFER_FULL',
        `Messages that are unfinished or unread exceed maxBufferedBytes, ${this.#limits.maxBufferedBytes}`,
      );
    }
  }

  #admit(message: IncomingTransfer, unfinished: Map<number, IncomingTransfer>): void {
    if (message.answers === undefined && unfinished.size >= this.#limits.maxOpenRequests) {
      throw new HawserError(
        'BLIP_TOO_MANY_REQUESTS',
        `More than maxOpenRequests, ${this.#limits.maxOpenRequests}, requests are unfinished`,
      );
    }
    unfinished.set(message.number, message);
  }

  #event(message: IncomingTransfer, content: MessageContent): BlipEvent {
    if (message.answers !== undefined) {
      return { type: 'response', request: message.answers, response: toResponse(message.type, content) };
    }
    const { number, flags } = message;
    const kind = { noReply: (flags & NO_REPLY) !== 0, urgent: (flags & URGENT) !== 0 };
    return { type: 'request', request: new ReceivedRequest(this.#origin, number, content, kind) };
  }
}

function toResponse(type: number, content: MessageContent): IncomingResponse {
  if (type !== ERROR_RESPONSE) return content;
  const { properties, body } = content;
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
  const error = {
    domain: properties.text('Error-Domain') ?? DEFAULT_ERROR_DOMAIN,
    code: properties.integer('Error-Code') ?? UNSPECIFIED_ERROR,
    message: text,
  };
  return { properties, body, error };
}

/** Specification 2.9. */
const DEFAULT_ERROR_DOMAIN = 'BLIP';
const UNSPECIFIED_ERROR = 599;
