/**
 * The other end of a connection, written a second time from the specification and as simply as possible: it makes any
 * frame, right or wrong, and takes frames apart. It shares no code with src/blip.
 */
import assert from 'node:assert/strict';
import zlib from 'node:zlib';

export const MSG = 0;
export const RPY = 1;
export const ERR = 2;
export const ACKMSG = 4;
export const ACKRPY = 5;
export const COMPRESSED = 0x08;
export const URGENT = 0x10;
export const NOREPLY = 0x20;
export const MORE = 0x40;

export const TRAILER = Buffer.from('0000ffff', 'hex');

/** `hex('01 00 | 24')`: spaces and bars are for the reader. */
export function hex(text: string): Buffer {
  const digits = text.replace(/[\s|]/g, '');
  assert.match(digits, /^(?:[0-9a-f]{2})*$/i);
  return Buffer.from(digits, 'hex');
}

export function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = BigInt(value);
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
}

/** A message as it is cut into frames. */
export function payload(properties: Readonly<Record<string, string>>, body: string | Uint8Array = ''): Buffer {
  const text = Object.entries(properties)
    .map(([name, value]) => `${name}\0${value}\0`)
    .join('');
  return Buffer.concat([varint(Buffer.byteLength(text)), Buffer.from(text), Buffer.from(body)]);
}

export function ack(type: number, number: number, total: number): Buffer {
  return Buffer.concat([varint(number), varint(type | URGENT | NOREPLY), varint(total)]);
}

/** One direction, sending. */
export class RawSender {
  #crc = 0;
  #window = Buffer.alloc(0);

  /** A right frame; the content is deflated where the flags say so. */
  frame(number: number, flags: number, content: Uint8Array): Buffer {
    const body = flags & COMPRESSED ? this.deflate(content).subarray(0, -TRAILER.length) : content;
    return this.frameOf(number, flags, body, content);
  }

  /** A frame with any bytes as its body, and the checksum that `content` (what the body stands for) makes right. */
  frameOf(number: number, flags: number, body: Uint8Array, content: Uint8Array): Buffer {
    this.#crc = zlib.crc32(content, this.#crc);
    const checksum = Buffer.alloc(4);
    checksum.writeUInt32BE(this.#crc);
    return Buffer.concat([varint(number), varint(flags), body, checksum]);
  }

  /** A message in frames of the given sizes, the last of which takes what is left. */
  frames(number: number, flags: number, message: Uint8Array, sizes: readonly number[]): Buffer[] {
    const frames: Buffer[] = [];
    let offset = 0;
    for (const size of sizes) {
      frames.push(this.frame(number, flags | MORE, message.subarray(offset, offset + size)));
      offset += size;
    }
    return [...frames, this.frame(number, flags, message.subarray(offset))];
  }

  /** With its trailer. */
  deflate(content: Uint8Array): Buffer {
    const deflated = zlib.deflateRawSync(content, {
      finishFlush: zlib.constants.Z_SYNC_FLUSH,
      ...(this.#window.length > 0 ? { dictionary: this.#window } : {}),
    });
    assert(deflated.subarray(-TRAILER.length).equals(TRAILER));
    this.remember(content);
    return deflated;
  }

  remember(content: Uint8Array): void {
    this.#window = Buffer.concat([this.#window, content]).subarray(-32_768);
  }

  /** What a receiver in step with this sender makes of a deflated body. */
  inflate(body: Uint8Array): Buffer {
    return zlib.inflateRawSync(Buffer.concat([body, TRAILER]), {
      finishFlush: zlib.constants.Z_SYNC_FLUSH,
      maxOutputLength: 1 << 20,
      ...(this.#window.length > 0 ? { dictionary: this.#window } : {}),
    });
  }
}

export interface RawFrame {
  readonly number: number;
  readonly flags: number;
  readonly type: number;
  readonly more: boolean;
  /** Inflated. */
  readonly content: Buffer;
  readonly checksum: string;
  /** Payload and checksum on the wire. */
  readonly wireLength: number;
  /** The whole frame on the wire. */
  readonly length: number;
}

/** One direction, receiving. Fails the test on a wrong checksum. */
export class RawReceiver {
  #crc = 0;
  #window = Buffer.alloc(0);

  read(frame: Uint8Array | undefined): RawFrame {
    assert(frame, 'a frame is there');
    const bytes = Buffer.from(frame);
    const [number, afterNumber] = readVarint(bytes, 0);
    const [flags, start] = readVarint(bytes, afterNumber);
    const type = flags & 7;
    const common = { number, flags, type, more: (flags & MORE) !== 0, length: bytes.length };
    if (type === ACKMSG || type === ACKRPY) {
      return { ...common, content: bytes.subarray(start), checksum: '', wireLength: bytes.length - start };
    }
    const body = bytes.subarray(start, -4);
    const content = flags & COMPRESSED ? this.#inflate(body) : body;
    this.#crc = zlib.crc32(content, this.#crc);
    assert.equal(bytes.readUInt32BE(bytes.length - 4).toString(16), this.#crc.toString(16), 'checksum');
    const checksum = bytes.subarray(-4).toString('hex');
    return { ...common, content, checksum, wireLength: bytes.length - start };
  }

  #inflate(body: Uint8Array): Buffer {
    assert(body.length > 0, 'an empty frame is sent without the Compressed flag');
    const content = zlib.inflateRawSync(Buffer.concat([body, TRAILER]), {
      finishFlush: zlib.constants.Z_SYNC_FLUSH,
      ...(this.#window.length > 0 ? { dictionary: this.#window } : {}),
    });
    this.#window = Buffer.concat([this.#window, content]).subarray(-32_768);
    return content;
  }
}

export function readVarint(bytes: Uint8Array, offset: number): [value: number, end: number] {
  let value = 0n;
  for (let index = offset; ; index++) {
    const byte = bytes[index];
    assert(byte !== undefined, 'the varint is whole');
    value |= BigInt(byte & 127) << BigInt(7 * (index - offset));
    if (byte < 128) return [Number(value), index + 1];
  }
}
