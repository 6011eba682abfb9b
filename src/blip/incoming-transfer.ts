/**
 * One message on its way in: puts the payloads of its frames together (specification 2.3). The properties are decoded as
 * soon as they are complete, so that the reader of a streamed body can be given what follows in parts.
 */
import { EMPTY_BYTES, VarintReader } from '../base/index.js';
import { HawserError } from '../errors.js';
import { type FrameHeader, RESPONSE } from './frame-header.js';
import type { FramePayload } from './frame-reader.js';
import type { SentRequest } from './message.js';
import { MessageProperties } from './properties.js';

export interface MessageContent {
  readonly properties: MessageProperties;
  readonly body: Uint8Array;
}

export class IncomingTransfer {
  readonly number: number;
  /** Those of the first frame: they decide for the whole message. */
  readonly type: number;
  readonly flags: number;
  /** The request that this is the response to. */
  readonly answers: SentRequest | undefined;
  /** Bytes of the message so far. */
  size = 0;
  /** Bytes on the wire so far, and since the last acknowledgement. */
  #received = 0;
  #unacknowledged = 0;
  #propertiesLength: number | undefined;
  #properties: MessageProperties | undefined;
  /** The properties until they are complete, then the body. */
  #collected: Collector | undefined;

  constructor(first: FrameHeader, answers: SentRequest | undefined) {
    this.number = first.number;
    this.type = first.type;
    this.flags = first.flags;
    this.answers = answers;
  }

  /**
   * Adds a payload that is not the last one. Throws `BLIP_PROPERTIES_TOO_LARGE` or `BLIP_PROPERTIES_INVALID`.
   * What is kept is copied, so that a small payload does not hold on to a large buffer of the medium.
   */
  append({ bytes }: FramePayload, maxPropertiesSize: number): void {
    this.size += bytes.length;
    const rest = this.#readProperties(bytes, maxPropertiesSize);
    if (rest.length > 0) (this.#collected ??= new Collector()).append(rest);
  }

  /** How many bytes its body may have, if it is handed on in parts; an error is always collected. */
  get maxStreamedBytes(): number | undefined {
    return this.type === RESPONSE ? this.answers?.maxStreamedBytes : undefined;
  }

  /** `undefined` until they are complete. */
  get properties(): MessageProperties | undefined {
    return this.#properties;
  }

  /** Adds a payload and returns what is in it of the body, for as long as the payload is valid. Throws as {@link append}. */
  read(bytes: Buffer, maxPropertiesSize: number): Buffer {
    const rest = this.#readProperties(bytes, maxPropertiesSize);
    if (this.#properties !== undefined) return rest;
    (this.#collected ??= new Collector()).append(rest);
    return rest.subarray(0, 0);
  }

  /** Adds the last payload. Throws as {@link append}, also where the message ends before its properties do. */
  finish({ bytes, transient }: FramePayload, maxPropertiesSize: number): MessageContent {
    this.size += bytes.length;
    const rest = this.#readProperties(bytes, maxPropertiesSize);
    const properties = this.requireProperties();
    if (this.#collected !== undefined) {
      this.#collected.append(rest);
      return { properties, body: this.#collected.bytes };
    }
    if (rest.length === 0) return { properties, body: EMPTY_BYTES };
    return { properties, body: transient ? Buffer.from(rest) : rest };
  }

  /**
   * Counts a frame; returns how many bytes to acknowledge, `undefined` while that can wait (specification 2.8: every 50,000
   * bytes, also on the last frame).
   */
  recordFrame(wireLength: number): number | undefined {
    this.#received += wireLength;
    this.#unacknowledged += wireLength;
    if (this.#unacknowledged < ACKNOWLEDGE_EVERY) return undefined;
    this.#unacknowledged = 0;
    return this.#received;
  }

  /** The properties of a message that has ended. Throws `BLIP_PROPERTIES_INVALID` where they have not. */
  requireProperties(): MessageProperties {
    if (this.#properties !== undefined) return this.#properties;
    throw new HawserError('BLIP_PROPERTIES_INVALID', `Message ${this.number} ends before its properties do`);
  }

  /** Takes what belongs to the properties; returns what is left for the body, or for later if they are not complete. */
  #readProperties(bytes: Buffer, maxPropertiesSize: number): Buffer {
    if (this.#properties !== undefined) return bytes;
    let start = 0;
    if (this.#propertiesLength === undefined) {
      const reader = new VarintReader(bytes);
      const length = reader.read();
      if (length === undefined) {
        throw new HawserError(
          'BLIP_PROPERTIES_INVALID',
          `The first frame of message ${this.number} is too small for a length`,
        );
      }
      if (length > maxPropertiesSize) {
        throw new HawserError(
          'BLIP_PROPERTIES_TOO_LARGE',
          `Properties of ${length} bytes exceed maxPropertiesSize, ${maxPropertiesSize}`,
        );
      }
      this.#propertiesLength = length;
      start = reader.offset;
    }
    const missing = this.#propertiesLength - (this.#collected?.length ?? 0);
    if (bytes.length - start < missing) return start === 0 ? bytes : bytes.subarray(start);
    const end = start + missing;
    if (this.#collected === undefined) {
      this.#properties = MessageProperties.decode(bytes.subarray(start, end));
    } else {
      this.#collected.append(bytes.subarray(start, end));
      this.#properties = MessageProperties.decode(this.#collected.bytes);
      this.#collected = undefined;
    }
    return end === 0 ? bytes : bytes.subarray(end);
  }
}

/** Specification 2.8. */
export const ACKNOWLEDGE_EVERY = 50_000;

/** Bytes in one piece that grows by doubling: never more than twice what was received, however small the pieces. */
class Collector {
  length = 0;
  #buffer = Buffer.alloc(0);

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.length);
  }

  append(bytes: Uint8Array): void {
    const length = this.length + bytes.length;
    if (length > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(length, this.#buffer.length * 2));
      larger.set(this.#buffer.subarray(0, this.length));
      this.#buffer = larger;
    }
    this.#buffer.set(bytes, this.length);
    this.length = length;
  }
}
