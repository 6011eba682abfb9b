/**
 * RFC 6455 frames: an encoder, and a decoder that is fed bytes as they come and asked for what they mean. Pure: no I/O,
 * no time, no randomness (the mask is an argument). Knows nothing of the HTTP upgrade, of extensions or of answering.
 *
 * Invariant: where the bytes are split does not change what comes out, and whatever they are, nothing is thrown.
 * Invariant: memory is bounded by `maxMessageSize` and by what was pushed and not read yet (`waitingBytes`).
 */
import { fromUtf8, utf8 } from '../../base/index.js';
import { isSendableCloseCode } from '../close-codes.js';

export const Opcode = { continuation: 0x0, text: 0x1, binary: 0x2, close: 0x8, ping: 0x9, pong: 0xa } as const;
export type Opcode = (typeof Opcode)[keyof typeof Opcode];

/** What the decoder found. The bytes are fresh copies and belong to the reader. */
export type FrameEvent =
  /** A whole message, reassembled. Text counts as binary (specification 0.4.5). */
  | { readonly kind: 'message'; readonly payload: Uint8Array }
  | { readonly kind: 'ping'; readonly payload: Uint8Array }
  | { readonly kind: 'pong'; readonly payload: Uint8Array }
  /** `code` is `undefined` when the frame was empty. Nothing is read after it. */
  | { readonly kind: 'close'; readonly code: number | undefined; readonly reason: string }
  /** The peer broke the rules: close with `closeCode` (1002 or 1009). Nothing is read after it. */
  | { readonly kind: 'violation'; readonly closeCode: number; readonly message: string };

export interface FrameDecoderOptions {
  /** Whose frames these are: a client's must be masked, a server's must not. */
  readonly from: 'client' | 'server';
  /** The largest message, and so the largest frame, in bytes. */
  readonly maxMessageSize: number;
}

/**
 * One whole frame.
 *
 * @param maskKey four bytes for a client, `undefined` for a server
 */
export function encodeFrame(
  opcode: Opcode,
  payload: Uint8Array,
  maskKey: Uint8Array | undefined,
  finalFragment = true,
): Uint8Array {
  const { length } = payload;
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const start = 2 + extended + (maskKey === undefined ? 0 : 4);
  const frame = new Uint8Array(start + length);
  frame[0] = (finalFragment ? FIN : 0) | opcode;
  frame[1] = (maskKey === undefined ? 0 : MASK) | (extended === 0 ? length : extended === 2 ? 126 : 127);
  if (extended !== 0) {
    const view = new DataView(frame.buffer);
    if (extended === 2) view.setUint16(2, length);
    else view.setBigUint64(2, BigInt(length));
  }
  if (maskKey === undefined) {
    frame.set(payload, start);
  } else {
    frame.set(maskKey.subarray(0, 4), start - 4);
    copyMasked(payload, frame, start, maskKey, 0);
  }
  return frame;
}

/** The payload of a close frame: empty without a code. */
export function encodeClosePayload(code: number | undefined, reason: string): Uint8Array {
  if (code === undefined) return new Uint8Array(0);
  const text = utf8(reason);
  const payload = new Uint8Array(2 + text.length);
  payload[0] = code >> 8;
  payload[1] = code & 0xff;
  payload.set(text, 2);
  return payload;
}

export class FrameDecoder {
  readonly #masked: boolean;
  readonly #maxMessageSize: number;
  /** What was pushed and not read; the reading position is byte `#at` of chunk `#first`. */
  #chunks: Uint8Array[] = [];
  #first = 0;
  #at = 0;
  #waitingBytes = 0;
  /** Set by a close frame or a violation: everything after it is dropped. */
  #finished = false;
  /** The header of the current frame as far as it came. */
  readonly #header = new Uint8Array(MAX_HEADER_LENGTH);
  #headerLength = 0;
  /** Bytes of the header, as far as its beginning tells. */
  #headerNeeded = 2;
  /** Bytes of the current payload that are still to come; meaningful once the header is complete. */
  #payloadLeft = 0;
  /** Position in the mask key. */
  #maskAt = 0;
  /** A control frame may come between the fragments of a message, so the two are kept apart. */
  #control = new Uint8Array(0);
  #message = new Uint8Array(0);
  #messageLength = 0;
  /** Whether a message was begun by a frame without FIN. */
  #fragmented = false;

  constructor(options: FrameDecoderOptions) {
    this.#masked = options.from === 'client';
    this.#maxMessageSize = options.maxMessageSize;
  }

  /** True after a close frame or a violation. */
  get finished(): boolean {
    return this.#finished;
  }

  /** What the pushed and unread chunks cost in memory, in bytes. */
  get waitingBytes(): number {
    return this.#waitingBytes + (this.#chunks.length - this.#first) * CHUNK_COST;
  }

  /** Takes the next bytes of the stream. The chunk belongs to the decoder and is not changed. */
  push(chunk: Uint8Array): void {
    if (this.#finished || chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#waitingBytes += chunk.length;
  }

  /** The next event, or `undefined` when more bytes are needed. Call it until then after every `push`. */
  next(): FrameEvent | undefined {
    while (!this.#finished) {
      if (this.#headerLength < this.#headerNeeded) {
        if (!this.#read(this.#header, this.#headerLength, this.#headerNeeded - this.#headerLength, HEADER))
          return undefined;
        const violation = this.#headerLength === 2 ? this.#startHeader() : undefined;
        if (violation !== undefined) return this.#finish(violation);
        if (this.#headerLength < this.#headerNeeded) continue;
        const oversize = this.#startPayload();
        if (oversize !== undefined) return this.#finish(oversize);
      }
      if (this.#payloadLeft > 0 && !this.#readPayload()) return undefined;
      const event = this.#endFrame();
      if (event !== undefined)
        return event.kind === 'close' || event.kind === 'violation' ? this.#finish(event) : event;
    }
    return undefined;
  }

  /** Judges the first two bytes and tells how long the header is. */
  #startHeader(): FrameEvent | undefined {
    const [first = 0, second = 0] = this.#header;
    const opcode = first & 0x0f;
    const short = second & 0x7f;
    if ((first & RSV) !== 0) return violation('a reserved bit is set, but no extension was agreed on');
    if (!KNOWN_OPCODES.has(opcode)) return violation(`unknown opcode ${opcode}`);
    if (((second & MASK) !== 0) !== this.#masked) {
      return violation(this.#masked ? 'a frame of the client is not masked' : 'a frame of the server is masked');
    }
    if (isControl(opcode)) {
      if ((first & FIN) === 0) return violation('a control frame is fragmented');
      if (short > MAX_CONTROL_PAYLOAD) return violation('a control frame is longer than 125 bytes');
    } else if ((opcode === Opcode.continuation) !== this.#fragmented) {
      return violation(
        this.#fragmented ? 'a new message begins inside a fragmented one' : 'a continuation frame continues nothing',
      );
    }
    this.#headerNeeded = 2 + (short === 126 ? 2 : short === 127 ? 8 : 0) + (this.#masked ? 4 : 0);
    return undefined;
  }

  /** Reads the length from the complete header and makes room for the payload. */
  #startPayload(): FrameEvent | undefined {
    const [first = 0, second = 0] = this.#header;
    const short = second & 0x7f;
    const view = new DataView(this.#header.buffer);
    let length = short;
    if (short === 126) {
      length = view.getUint16(2);
      if (length < 126) return violation('the length of a frame is not in its shortest form');
    } else if (short === 127) {
      length = Number(view.getBigUint64(2));
      if (length < 65_536) return violation('the length of a frame is not in its shortest form');
      if (length >= 2 ** 63) return violation('the length of a frame has its highest bit set');
    }
    this.#payloadLeft = length;
    this.#maskAt = 0;
    if (isControl(first & 0x0f)) {
      this.#control = new Uint8Array(length);
      return undefined;
    }
    const total = this.#messageLength + length;
    if (total > this.#maxMessageSize) {
      return violation(`a message of the peer exceeds the limit of ${this.#maxMessageSize} bytes`, 1009);
    }
    if (total > this.#message.length) {
      // One allocation for a whole message; doubling for fragments, so that many small ones do not cost a copy each.
      const isWhole = (first & FIN) !== 0;
      const grown = new Uint8Array(
        isWhole ? total : Math.min(Math.max(total, this.#message.length * 2), this.#maxMessageSize),
      );
      grown.set(this.#message.subarray(0, this.#messageLength));
      this.#message = grown;
    }
    return undefined;
  }

  #readPayload(): boolean {
    const toControl = isControl((this.#header[0] ?? 0) & 0x0f);
    const target = toControl ? this.#control : this.#message;
    const offset = toControl ? target.length - this.#payloadLeft : this.#messageLength;
    return this.#read(target, offset, this.#payloadLeft, toControl ? CONTROL : MESSAGE);
  }

  /** Copies up to `wanted` bytes from the chunks into `target`; true when all of them came. */
  #read(
    target: Uint8Array,
    offset: number,
    wanted: number,
    part: typeof HEADER | typeof CONTROL | typeof MESSAGE,
  ): boolean {
    let left = wanted;
    while (left > 0) {
      const chunk = this.#chunks[this.#first];
      if (chunk === undefined) return false;
      const bytes = chunk.subarray(this.#at, this.#at + left);
      const position = offset + wanted - left;
      if (part === HEADER || !this.#masked) target.set(bytes, position);
      else copyMasked(bytes, target, position, this.#maskKey(), this.#maskAt);
      this.#took(bytes.length, chunk);
      left -= bytes.length;
      if (part === HEADER) this.#headerLength += bytes.length;
      else this.#payloadLeft -= bytes.length;
      if (part === MESSAGE) this.#messageLength += bytes.length;
      if (part !== HEADER) this.#maskAt = (this.#maskAt + bytes.length) & 3;
    }
    return true;
  }

  #took(count: number, chunk: Uint8Array): void {
    this.#waitingBytes -= count;
    this.#at += count;
    if (this.#at < chunk.length) return;
    this.#at = 0;
    this.#first++;
    if (this.#first < COMPACT_AFTER && this.#first < this.#chunks.length) return;
    this.#chunks = this.#chunks.slice(this.#first);
    this.#first = 0;
  }

  #maskKey(): Uint8Array {
    return this.#header.subarray(this.#headerNeeded - 4, this.#headerNeeded);
  }

  /** What the complete frame means; `undefined` for a fragment that is not the last. */
  #endFrame(): FrameEvent | undefined {
    const first = this.#header[0] ?? 0;
    const opcode = first & 0x0f;
    this.#headerLength = 0;
    this.#headerNeeded = 2;
    if (isControl(opcode)) return endControl(opcode, this.#control);
    this.#fragmented = (first & FIN) === 0;
    if (this.#fragmented) return undefined;
    const payload =
      this.#messageLength === this.#message.length ? this.#message : this.#message.slice(0, this.#messageLength);
    this.#message = new Uint8Array(0);
    this.#messageLength = 0;
    return { kind: 'message', payload };
  }

  #finish(last: FrameEvent): FrameEvent {
    this.#finished = true;
    this.#chunks = [];
    this.#first = 0;
    this.#waitingBytes = 0;
    this.#message = new Uint8Array(0);
    return last;
  }
}

function endControl(opcode: number, payload: Uint8Array): FrameEvent {
  if (opcode === Opcode.ping) return { kind: 'ping', payload };
  if (opcode === Opcode.pong) return { kind: 'pong', payload };
  if (payload.length === 0) return { kind: 'close', code: undefined, reason: '' };
  if (payload.length === 1) return violation('a close frame holds half of a close code');
  const code = ((payload[0] ?? 0) << 8) | (payload[1] ?? 0);
  if (!isSendableCloseCode(code)) return violation(`a close frame holds the close code ${code}, which is never sent`);
  // A reason that is not UTF-8 (cut in the middle of a character) is no reason to lose the code before it.
  const text = payload.subarray(2);
  return { kind: 'close', code, reason: fromUtf8(text) ?? new TextDecoder().decode(text) };
}

function violation(message: string, closeCode = 1002): FrameEvent {
  return { kind: 'violation', closeCode, message };
}

function isControl(opcode: number): boolean {
  return (opcode & 0x08) !== 0;
}

/** XORs `source` with the mask (from its position `maskAt`) into `target`. */
function copyMasked(source: Uint8Array, target: Uint8Array, offset: number, key: Uint8Array, maskAt: number): void {
  const [k0 = 0, k1 = 0, k2 = 0, k3 = 0] = [
    key[maskAt & 3],
    key[(maskAt + 1) & 3],
    key[(maskAt + 2) & 3],
    key[(maskAt + 3) & 3],
  ];
  const { length } = source;
  const whole = length - (length % 4);
  let index = 0;
  for (; index < whole; index += 4) {
    target[offset + index] = (source[index] as number) ^ k0;
    target[offset + index + 1] = (source[index + 1] as number) ^ k1;
    target[offset + index + 2] = (source[index + 2] as number) ^ k2;
    target[offset + index + 3] = (source[index + 3] as number) ^ k3;
  }
  if (index < length) target[offset + index] = (source[index] as number) ^ k0;
  if (index + 1 < length) target[offset + index + 1] = (source[index + 1] as number) ^ k1;
  if (index + 2 < length) target[offset + index + 2] = (source[index + 2] as number) ^ k2;
}

const FIN = 0x80;
const RSV = 0x70;
const MASK = 0x80;
const MAX_HEADER_LENGTH = 14;
const MAX_CONTROL_PAYLOAD = 125;
const KNOWN_OPCODES: ReadonlySet<number> = new Set(Object.values(Opcode));

/** What bytes are read for. */
const HEADER = 0;
const CONTROL = 1;
const MESSAGE = 2;

/** Memory of a waiting chunk beside its bytes. */
const CHUNK_COST = 64;
/** Chunks that were read are let go of in groups, so that a thousand tiny ones do not move the list a thousand times. */
const COMPACT_AFTER = 256;
