/**
 * The first bytes of a frame: message number, type and flags (specification 2.2). Knows nothing of payloads, and does not
 * judge whether a number is the expected one.
 */
import { VarintReader, varintLength, writeVarint } from '../base/index.js';
import { HawserError } from '../errors.js';

export const REQUEST = 0;
export const RESPONSE = 1;
export const ERROR_RESPONSE = 2;
export const REQUEST_ACK = 4;
export const RESPONSE_ACK = 5;

export const COMPRESSED = 0x08;
export const URGENT = 0x10;
export const NO_REPLY = 0x20;
export const MORE_COMING = 0x40;

/** The running checksum that ends every frame except an acknowledgement. */
export const CHECKSUM_LENGTH = 4;

export interface FrameHeader {
  readonly number: number;
  /** One of the five above; undefined types do not get past {@link readFrameHeader}. */
  readonly type: number;
  /** The first byte of the flags, type included. */
  readonly flags: number;
  /** Where the payload begins. */
  readonly length: number;
}

/** Throws `BLIP_FRAME_INVALID` where the header is cut short, over-long or of a type that the protocol does not define. */
export function readFrameHeader(frame: Uint8Array): FrameHeader {
  const reader = new VarintReader(frame);
  const number = reader.read();
  if (number === undefined) throw invalidHeader('its message number is cut short', frame);
  // The known flags are all in the first byte; a longer varint carries flags that we do not know, which are ignored.
  const flags = frame[reader.offset] ?? 0;
  if (reader.read() === undefined) throw invalidHeader('its flags are cut short', frame);
  const type = flags & TYPE_MASK;
  if (type === 3 || type > RESPONSE_ACK) throw invalidHeader(`type ${type} is not defined`, frame);
  return { number, type, flags, length: reader.offset };
}

export function frameHeaderLength(number: number): number {
  return varintLength(number) + 1;
}

/** Returns the offset after the header. */
export function writeFrameHeader(target: Uint8Array, number: number, flags: number): number {
  const offset = writeVarint(target, 0, number);
  target[offset] = flags;
  return offset + 1;
}

/** A whole acknowledgement: no checksum, never compressed (specification 2.8). */
export function acknowledgementFrame(type: number, number: number, receivedBytes: number): Buffer {
  const headerLength = frameHeaderLength(number);
  const frame = Buffer.allocUnsafe(headerLength + varintLength(receivedBytes));
  writeVarint(frame, writeFrameHeader(frame, number, type | URGENT | NO_REPLY), receivedBytes);
  return frame;
}

/** The count of an acknowledgement. What follows it is ignored, as a real core does. */
export function readAcknowledgement(frame: Uint8Array, header: FrameHeader): number {
  const count = new VarintReader(frame, header.length).read();
  if (count === undefined) throw invalidHeader('the count of an acknowledgement is cut short', frame);
  return count;
}

const TYPE_MASK = 0x07;

function invalidHeader(problem: string, frame: Uint8Array): HawserError {
  return new HawserError('BLIP_FRAME_INVALID', `Not a BLIP frame (${frame.length} bytes): ${problem}`);
}
