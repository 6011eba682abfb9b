/**
 * Incoming payloads become messages again: numbering, assembly, limits and acknowledgements (specification 2.4, 2.8). Knows
 * nothing of checksums and compression, and answers nothing by itself.
 */
import { HawserError } from '../errors.js';
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
  /** Bytes of them. */
  #buffered = 0;
  /** What to acknowledge, by message: a later count replaces an earlier one that has not been sent. */
  readonly #acknowledgements = new Map<IncomingTransfer, number>();

  constructor(limits: ResolvedBlipOptions, sent: SentRequests, origin: object) {
    this.#limits = limits;
    this.#sent = sent;
    this.#origin = origin;
  }

  /**
   * The payload of a request or a response. Returns what is complete now. Throws `BLIP_NUMBER_INVALID`,
   * `BLIP_RESPONSE_UNEXPECTED`, `BLIP_PROPERTIES_…` and those of the limits.
   */
  handlePayload(header: FrameHeader, payload: FramePayload): BlipEvent | undefined {
    const isRequest = header.type === REQUEST;
    const unfinished = isRequest ? this.#requests : this.#responses;
    const known = unfinished.get(header.number);
    const message = known ?? (isRequest ? this.#beginRequest(header) : this.#beginResponse(header));

    if (message.size + payload.bytes.length > this.#limits.maxMessageSize) {
      throw new HawserError(
        'BLIP_MESSAGE_TOO_LARGE',
        `Message ${message.number} exceeds maxMessageSize, ${this.#limits.maxMessageSize} bytes`,
      );
    }
    const toAcknowledge = message.recordFrame(payload.wireLength);
    if (toAcknowledge !== undefined) this.#acknowledgements.set(message, toAcknowledge);

    if ((header.flags & MORE_COMING) === 0) {
      this.#buffered -= message.size;
      const content = message.finish(payload, this.#limits.maxPropertiesSize);
      if (known !== undefined) unfinished.delete(message.number);
      return this.#event(message, content);
    }
    if (known === undefined) this.#admit(message, unfinished);
    this.#buffered += payload.bytes.length;
    if (this.#buffered > this.#limits.maxBufferedBytes) {
      throw new HawserError(
        'BLIP_BUFFER_FULL',
        `Unfinished messages exceed maxBufferedBytes, ${this.#limits.maxBufferedBytes}`,
      );
    }
    message.append(payload, this.#limits.maxPropertiesSize);
    return undefined;
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
