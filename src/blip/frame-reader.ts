/**
 * The receiving direction of the wire: takes the payload out of a frame, and holds what all frames of a direction share, the
 * running checksum and the inflate context (specification 2.6, 2.7). Does not know to which message a payload belongs.
 *
 * Invariant: every frame but an acknowledgement passes through here once, in the order of arrival.
 */
import { HawserError } from '../errors.js';
import { crc32 } from './crc.js';
import { CHECKSUM_LENGTH, COMPRESSED, type FrameHeader } from './frame-header.js';
import type { Inflater } from './inflate.js';

export interface FramePayload {
  readonly bytes: Buffer;
  /** Whether the bytes are only valid until the next frame is read. Otherwise they are a part of the frame. */
  readonly transient: boolean;
  /** Payload and checksum as they were on the wire: what flow control counts (specification 2.8). */
  readonly wireLength: number;
}

export class FrameReader {
  readonly #inflater: Inflater;
  #checksum = 0;

  /** Takes over the inflater. */
  constructor(inflater: Inflater) {
    this.#inflater = inflater;
  }

  /** Throws `BLIP_FRAME_INVALID`, `BLIP_CHECKSUM_MISMATCH` and what {@link Inflater.inflate} throws. */
  read(frame: Buffer, header: FrameHeader): FramePayload {
    const end = frame.length - CHECKSUM_LENGTH;
    if (end < header.length) {
      // A real core was seen to crash on such a frame, see specification 0.4.
      throw new HawserError('BLIP_FRAME_INVALID', `A frame of message ${header.number} has no room for its checksum`);
    }
    const body = frame.subarray(header.length, end);
    // The trap of specification 2.7: an empty body is an empty payload whatever the flag says, and must not be inflated.
    const transient = (header.flags & COMPRESSED) !== 0 && body.length > 0;
    const bytes = transient ? this.#inflater.inflate(body) : body;
    this.#checksum = crc32(bytes, this.#checksum);
    const expected = frame.readUInt32BE(end);
    if (this.#checksum !== expected) {
      const hex = (value: number): string => value.toString(16).padStart(8, '0');
      throw new HawserError(
        'BLIP_CHECKSUM_MISMATCH',
        `A frame of message ${header.number} has checksum ${hex(expected)}, its content ${hex(this.#checksum)}`,
      );
    }
    return { bytes, transient, wireLength: frame.length - header.length };
  }

  close(): void {
    this.#inflater.close();
  }
}
