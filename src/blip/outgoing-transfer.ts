/**
 * One message on its way out: its bytes, how far they have been taken, and what the peer has acknowledged of them
 * (specification 2.5, 2.8). Of a streamed body only a part is here at a time.
 */
import { EMPTY_BYTES } from '../base/index.js';
import { HawserError } from '../errors.js';
import { NO_REPLY, URGENT } from './frame-header.js';
import type { OutgoingMessage, SentRequest, StreamedMessage } from './message.js';
import { encodeProperties } from './properties.js';
import { StreamedBody } from './streamed-body.js';

export class OutgoingTransfer {
  /** 0 until the first frame is made: requests are numbered in the order of their first frames. */
  number: number;
  /** Type, urgency and "no reply", as in every frame of the message. */
  readonly flags: number;
  readonly compressed: boolean;
  /** What the sender holds, if this is a request. */
  readonly request: SentRequest | undefined;
  /** Bytes that are here and that no frame has taken yet. */
  available: number;
  /** Payload and checksum bytes of the frames made so far, and how many of them the peer has not acknowledged. */
  #sent = 0;
  #unacknowledged = 0;
  /** Length and properties; the body follows. */
  readonly #head: Uint8Array;
  readonly #body: Uint8Array;
  /** What follows the head instead of `#body`. */
  readonly #stream: StreamedBody | undefined;
  #taken = 0;

  /** Throws `ARGUMENT_INVALID` for what cannot be sent. The options override what the message says of itself. */
  constructor(type: number, message: OutgoingMessage | StreamedMessage, options: TransferOptions) {
    const body = message.body ?? EMPTY_BYTES;
    this.#head = encodeProperties(message.properties);
    this.#stream = body instanceof StreamedBody ? body : undefined;
    this.#body = body instanceof StreamedBody ? EMPTY_BYTES : body;
    this.available = this.#head.length + (body instanceof StreamedBody ? body.buffered : body.length);
    if (this.available > MAX_MESSAGE_SIZE) {
      throw new HawserError('ARGUMENT_INVALID', `A message of ${this.available} bytes is too large for the protocol`);
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

  /** Whether all of it has been taken. */
  get isComplete(): boolean {
    return this.available === 0 && this.#stream?.isEnded !== false;
  }

  /** Whether nothing can be sent now: the peer has to acknowledge something, or the body has to go on. */
  get isBlocked(): boolean {
    return this.#unacknowledged >= MAX_UNACKNOWLEDGED || (this.available === 0 && !this.isComplete);
  }

  /** Calls back when bytes were added, and when the body has ended (with 0). */
  watch(onChange: (added: number) => void): void {
    this.#stream?.attach({
      pushed: (bytes) => {
        this.available += bytes;
        onChange(bytes);
      },
      ended: () => onChange(0),
    });
  }

  /** Lets go of a body that is not wanted any more. */
  drop(): void {
    this.#stream?.drop();
  }

  /** Moves the next `length` bytes, of which there are that many, to `target`. */
  take(target: Uint8Array, offset: number, length: number): void {
    const head = this.#head;
    const from = this.#taken;
    const ofHead = Math.max(0, Math.min(length, head.length - from));
    if (ofHead > 0) target.set(ofHead === head.length ? head : head.subarray(from, from + ofHead), offset);
    if (ofHead < length && this.#stream !== undefined) {
      this.#stream.take(target, offset + ofHead, length - ofHead);
    } else if (ofHead < length) {
      const start = from + ofHead - head.length;
      const end = start + length - ofHead;
      const whole = start === 0 && end === this.#body.length;
      target.set(whole ? this.#body : this.#body.subarray(start, end), offset + ofHead);
    }
    this.#taken += length;
    this.available -= length;
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
