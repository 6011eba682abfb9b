/**
 * One message on its way out: its bytes, how far they have been taken, and what the peer has acknowledged of them
 * (specification 2.5, 2.8). A body that is a stream will be a second source of bytes behind `take` and `remaining`.
 */
import { EMPTY_BYTES } from '../base/index.js';
import { HawserError } from '../errors.js';
import { NO_REPLY, URGENT } from './frame-header.js';
import type { OutgoingMessage, SentRequest } from './message.js';
import { encodeProperties } from './properties.js';

export class OutgoingTransfer {
  /** 0 until the first frame is made: requests are numbered in the order of their first frames. */
  number: number;
  /** Type, urgency and "no reply", as in every frame of the message. */
  readonly flags: number;
  readonly compressed: boolean;
  /** What the sender holds, if this is a request. */
  readonly request: SentRequest | undefined;
  /** Bytes that no frame has taken yet. */
  remaining: number;
  /** Payload and checksum bytes of the frames made so far, and how many of them the peer has not acknowledged. */
  #sent = 0;
  #unacknowledged = 0;
  /** Length and properties; the body follows. */
  readonly #head: Uint8Array;
  readonly #body: Uint8Array;
  #taken = 0;

  /** Throws `ARGUMENT_INVALID` for what cannot be sent. The options override what the message says of itself. */
  constructor(type: number, message: OutgoingMessage, options: TransferOptions) {
    const body: unknown = message.body ?? EMPTY_BYTES;
    if (!(body instanceof Uint8Array))
      throw new HawserError('ARGUMENT_INVALID', 'The body of a message must be a Uint8Array');
    this.#head = encodeProperties(message.properties);
    this.#body = body;
    this.remaining = this.#head.length + body.length;
    if (this.remaining > MAX_MESSAGE_SIZE) {
      throw new HawserError('ARGUMENT_INVALID', `A message of ${this.remaining} bytes is too large for the protocol`);
    }
    this.number = options.number;
    this.request = options.request;
    this.compressed = message.compressed === true;
    this.flags = type | (options.urgent ? URGENT : 0) | (options.request?.noReply === true ? NO_REPLY : 0);
  }

  get urgent(): boolean {
    return (this.flags & URGENT) !== 0;
  }

  get started(): boolean {
    return this.#sent > 0;
  }

  /** Whether the peer has to acknowledge something before more is sent. */
  get stalled(): boolean {
    return this.#unacknowledged >= MAX_UNACKNOWLEDGED;
  }

  /** Moves the next `length` bytes, of which there are that many, to `target`. */
  take(target: Uint8Array, offset: number, length: number): void {
    const head = this.#head;
    const from = this.#taken;
    const ofHead = Math.max(0, Math.min(length, head.length - from));
    if (ofHead > 0) target.set(ofHead === head.length ? head : head.subarray(from, from + ofHead), offset);
    if (ofHead < length) {
      const start = from + ofHead - head.length;
      const end = start + length - ofHead;
      const whole = start === 0 && end === this.#body.length;
      target.set(whole ? this.#body : this.#body.subarray(start, end), offset + ofHead);
    }
    this.#taken += length;
    this.remaining -= length;
  }

  recordFrame(wireLength: number): void {
    this.#sent += wireLength;
    this.#unacknowledged += wireLength;
  }

  /** The peer has received `total` bytes of this message. Counts that are old or beyond what was sent say nothing. */
  recordAcknowledgement(total: number): void {
    if (total <= this.#sent) this.#unacknowledged = Math.min(this.#unacknowledged, this.#sent - total);
  }
}

export interface TransferOptions {
  readonly number: number;
  readonly urgent: boolean;
  readonly request: SentRequest | undefined;
}

/** Specification 2.8: where the sender waits. */
const MAX_UNACKNOWLEDGED = 128_000;

/** Specification 2.3: below 2^32. */
const MAX_MESSAGE_SIZE = 2 ** 32 - 1;
