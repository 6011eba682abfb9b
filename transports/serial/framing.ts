/**
 * Frames on a serial line: COBS of the content and its CRC-32 (4 bytes, big-endian), ended by a zero byte. Pure: bytes come
 * in, bytes come out. COBS (Cheshire and Baker, 1999) leaves zero for the end of a frame alone, at a cost of one byte in 254,
 * so whoever was disturbed is in step again at the next zero. Knows nothing of what the content means.
 *
 * Invariant: where the bytes are split does not change what comes out, and whatever they are, nothing is thrown.
 * Invariant: a decoder holds at most the longest frame that it may take.
 */
import { crc32 } from 'node:zlib';
import { checkInteger, HawserError } from '../../src/index.js';

/** The longest content that can be asked for: a message of 64 KiB and some room for headers. */
export const MAX_FRAME_CONTENT = 65_600;

/** What a frame of that much content takes at most, with both of its zero bytes. */
export function maxFrameLength(contentLength: number): number {
  const inside = contentLength + CRC_LENGTH;
  return inside + Math.ceil(inside / MAX_RUN) + 2;
}

/**
 * What of that is not content, in a stream of frames: 6 bytes, and one more for each 254. The zero byte at the beginning is not
 * counted, since it is sent when the line has been idle, and costs nobody anything then.
 */
export function frameOverhead(contentLength: number): number {
  return maxFrameLength(contentLength) - 1 - contentLength;
}

/**
 * One whole frame, in memory of its own.
 *
 * @param afterIdle begin with a zero byte: it ends whatever noise the line has made since somebody spoke last, which would
 * cost this frame otherwise
 * @throws HawserError `ARGUMENT_INVALID` for no content and for more than {@link MAX_FRAME_CONTENT}
 */
export function encodeFrame(content: Uint8Array, afterIdle = false): Uint8Array {
  const { length } = content;
  if (length === 0 || length > MAX_FRAME_CONTENT) {
    throw new HawserError('ARGUMENT_INVALID', `a frame holds 1 to ${MAX_FRAME_CONTENT} bytes, not ${length}`);
  }
  const inside = new Uint8Array(length + CRC_LENGTH);
  inside.set(content);
  new DataView(inside.buffer).setUint32(length, crc32(content));
  const frame = new Uint8Array(maxFrameLength(length));
  const end = stuff(inside, frame, afterIdle ? 1 : 0);
  return frame.subarray(0, end + 1); // a fresh array is all zeros, its last byte too
}

/** Writes COBS of `bytes` to `into` from `start` on; returns where it ends. */
function stuff(bytes: Uint8Array, into: Uint8Array, start: number): number {
  const { length } = bytes;
  let write = start;
  let zero = -1;
  for (let read = 0; ;) {
    if (zero < read) zero = bytes.indexOf(0, read);
    if (zero < 0) zero = length;
    const run = Math.min(zero - read, MAX_RUN);
    into[write++] = run + 1;
    if (run >= SHORT_RUN) into.set(bytes.subarray(read, read + run), write);
    else for (let index = 0; index < run; index++) into[write + index] = bytes[read + index] as number;
    write += run;
    read += run;
    if (read === length) return write; // the zero that would end the last run is not part of the bytes
    if (run < MAX_RUN) read++;
  }
}

/** What a decoder has seen. Zero bytes count nowhere. */
export interface FrameStatistics {
  /** Frames that came undamaged. */
  readonly frames: number;
  /** What stood between two zero bytes and was no frame: a wrong checksum, no COBS, too long. */
  readonly damaged: number;
  /** The bytes of that. */
  readonly noiseBytes: number;
}

/** Finds the frames in what a line delivers. */
export class FrameDecoder {
  readonly #maxContent: number;
  /** The most bytes that may stand between two zero bytes. */
  readonly #maxHeld: number;
  /** The beginning of a frame whose end has not come; grows up to the limit. */
  #held = new Uint8Array(0);
  #heldLength = 0;
  /** What came since the last zero byte is too long for a frame: so is what follows until the next. */
  #isSkipping = false;
  #frames = 0;
  #damaged = 0;
  #noiseBytes = 0;

  constructor(options: { readonly maxContent: number }) {
    this.#maxContent = checkInteger('maxContent', options.maxContent, 1, MAX_FRAME_CONTENT);
    this.#maxHeld = maxFrameLength(this.#maxContent) - 1; // one of the two zeros is room for encoders that end with a needless 01
  }

  get statistics(): FrameStatistics {
    return { frames: this.#frames, damaged: this.#damaged, noiseBytes: this.#noiseBytes };
  }

  /** The contents that are complete with these bytes, in memory of their own. The chunk is not kept. */
  push(chunk: Uint8Array): Uint8Array[] {
    const found: Uint8Array[] = [];
    let start = 0;
    for (let zero = chunk.indexOf(0); zero >= 0; zero = chunk.indexOf(0, start)) {
      const content = this.#endFrame(chunk, start, zero);
      if (content !== undefined) found.push(content);
      start = zero + 1;
    }
    this.#hold(chunk, start, chunk.length);
    return found;
  }

  #endFrame(chunk: Uint8Array, start: number, end: number): Uint8Array | undefined {
    let frame: Uint8Array | undefined;
    if (this.#heldLength === 0 && end - start <= this.#maxHeld && !this.#isSkipping) {
      frame = chunk.subarray(start, end);
    } else {
      this.#hold(chunk, start, end);
      frame = this.#held.subarray(0, this.#heldLength);
    }
    this.#heldLength = 0;
    this.#isSkipping = false;
    if (frame.length === 0) return undefined;
    const content = contentOf(frame);
    if (content === undefined || content.length > this.#maxContent) {
      this.#damaged++;
      this.#noiseBytes += frame.length;
      return undefined;
    }
    this.#frames++;
    return content;
  }

  #hold(chunk: Uint8Array, start: number, end: number): void {
    const length = this.#heldLength + end - start;
    if (length > this.#maxHeld && !this.#isSkipping) {
      this.#isSkipping = true;
      this.#damaged++;
      this.#noiseBytes += this.#heldLength;
      this.#heldLength = 0;
    }
    if (this.#isSkipping) {
      this.#noiseBytes += end - start;
      return;
    }
    if (length > this.#held.length) {
      const larger = new Uint8Array(Math.min(Math.max(2 * length, MIN_HELD), this.#maxHeld));
      larger.set(this.#held.subarray(0, this.#heldLength));
      this.#held = larger;
    }
    this.#held.set(start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end), this.#heldLength);
    this.#heldLength = length;
  }
}

/** What a frame without its zero bytes holds; undefined if it is damaged. */
function contentOf(frame: Uint8Array): Uint8Array | undefined {
  // Decoded in place, in a copy: a byte moves only as far as there were runs of the full length before it.
  const bytes = new Uint8Array(frame.subarray(1));
  let end = 0;
  for (let at = 0; ;) {
    const code = frame[at] as number;
    const next = at + code;
    if (next > frame.length) return undefined;
    const run = code - 1;
    if (end !== at) {
      if (run >= SHORT_RUN) bytes.copyWithin(end, at, at + run);
      else for (let index = 0; index < run; index++) bytes[end + index] = bytes[at + index] as number;
    }
    end += run;
    if (next === frame.length) break;
    if (run < MAX_RUN) bytes[end++] = 0;
    at = next;
  }
  const length = end - CRC_LENGTH;
  if (length < 1) return undefined;
  const content = bytes.subarray(0, length);
  const view = new DataView(bytes.buffer, length, CRC_LENGTH);
  return view.getUint32(0) === crc32(content) ? content : undefined;
}

const CRC_LENGTH = 4;
/** The most bytes that one code of COBS counts. */
const MAX_RUN = 254;
/** Below this, copying byte by byte is faster than a call. */
const SHORT_RUN = 24;
/** In bytes. */
const MIN_HELD = 512;
