/**
 * Messages as a stream of bytes, and back: each behind its length, seven bits a byte, the lowest first. Small messages share a
 * packet and large ones take several, whatever the size of the packets.
 */

/** What was handed over and not sent yet. Bounded by the caller, who asks for its size. */
export class OutgoingMessages {
  /** Lengths and messages in turn. */
  readonly #chunks: Uint8Array[] = [];
  /** Of the first chunk: how much is sent. */
  #offset = 0;
  #size = 0;

  /** Bytes that wait, lengths included. */
  get size(): number {
    return this.#size;
  }

  add(message: Uint8Array): void {
    const length = encodeLength(message.length);
    this.#chunks.push(length);
    if (message.length > 0) this.#chunks.push(message);
    this.#size += length.length + message.length;
  }

  /** Moves the next bytes to `target` from `start` on, as many as there are and have room. */
  moveTo(target: Uint8Array, start: number): void {
    let at = start;
    let done = 0;
    for (let chunk = this.#chunks[0]; chunk !== undefined && at < target.length; chunk = this.#chunks[done]) {
      const part = chunk.subarray(this.#offset, this.#offset + target.length - at);
      target.set(part, at);
      at += part.length;
      this.#offset += part.length;
      if (this.#offset < chunk.length) break;
      this.#offset = 0;
      done++;
    }
    this.#chunks.splice(0, done);
    this.#size -= at - start;
  }

  clear(): void {
    this.#chunks.length = 0;
    this.#offset = 0;
    this.#size = 0;
  }
}

/** A message and what it took in the stream. */
export interface IncomingMessage {
  readonly bytes: Uint8Array;
  /** Bytes with its length. */
  readonly cost: number;
}

/**
 * Cuts the stream into messages, one ahead of those that were asked for: the rest stays a run of bytes, of which each takes one,
 * however many messages they are.
 */
export class IncomingMessages {
  readonly #maxMessageSize: number;
  readonly #unread = new ByteQueue();
  /** Of the length that is being read. */
  #length = 0;
  #lengthBytes = 0;
  /** The message that is being read. */
  #message: Uint8Array | undefined;
  #filled = 0;
  #ready: IncomingMessage | undefined;
  #problem: string | undefined;

  constructor(maxMessageSize: number) {
    this.#maxMessageSize = maxMessageSize;
  }

  /** What is wrong with the stream, if anything was found: it is of no use then. */
  get problem(): string | undefined {
    return this.#problem;
  }

  get hasNext(): boolean {
    return this.#ready !== undefined;
  }

  /** Bytes of the stream that wait to be asked for; those of a message that is not complete do not. */
  get waitingBytes(): number {
    return this.#unread.size + (this.#ready?.cost ?? 0);
  }

  /** Takes the next bytes of the stream, whose memory is not used again. Returns the {@link problem}. */
  push(bytes: Uint8Array): string | undefined {
    this.#unread.add(bytes);
    this.#read();
    return this.#problem;
  }

  next(): IncomingMessage | undefined {
    const message = this.#ready;
    this.#ready = undefined;
    this.#read();
    return message;
  }

  /** Reads on until a message is ready. */
  #read(): void {
    while (this.#ready === undefined && this.#problem === undefined && this.#unread.size > 0) {
      if (this.#message === undefined) this.#readLength();
      else this.#filled += this.#unread.moveTo(this.#message, this.#filled);
      if (this.#message !== undefined && this.#filled === this.#message.length) this.#finish(this.#message);
    }
  }

  #readLength(): void {
    const byte = this.#unread.shift();
    this.#length += (byte & 0x7f) * 2 ** (7 * this.#lengthBytes++);
    if (this.#length > this.#maxMessageSize || this.#lengthBytes > MAX_LENGTH_BYTES) {
      this.#problem = `a message is longer than ${this.#maxMessageSize} bytes`;
    } else if (byte < 0x80) {
      this.#message = new Uint8Array(this.#length);
    }
  }

  #finish(bytes: Uint8Array): void {
    this.#ready = { bytes, cost: this.#lengthBytes + bytes.length };
    this.#message = undefined;
    this.#filled = 0;
    this.#length = 0;
    this.#lengthBytes = 0;
  }
}

/** Bytes in the order they came. A piece that comes alone is kept as it is; where there are several they are put together. */
class ByteQueue {
  #bytes = new Uint8Array(0);
  /** Where the bytes begin that were not taken, and where they end. What is behind belongs to the queue. */
  #start = 0;
  #end = 0;

  get size(): number {
    return this.#end - this.#start;
  }

  add(bytes: Uint8Array): void {
    if (this.size > 0) return this.#append(bytes);
    this.#bytes = new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length);
    this.#start = 0;
    this.#end = bytes.length;
  }

  /** The first byte; there must be one. */
  shift(): number {
    return this.#bytes[this.#start++] ?? 0;
  }

  /** Moves bytes to `target` from `at` on, as many as there are and have room. Returns how many. */
  moveTo(target: Uint8Array, at: number): number {
    const part = this.#bytes.subarray(this.#start, Math.min(this.#end, this.#start + target.length - at));
    target.set(part, at);
    this.#start += part.length;
    return part.length;
  }

  #append(bytes: Uint8Array): void {
    const { size } = this;
    if (this.#end + bytes.length > this.#bytes.length) {
      const larger = new Uint8Array(2 * (size + bytes.length));
      larger.set(this.#bytes.subarray(this.#start, this.#end));
      this.#bytes = larger;
      this.#start = 0;
      this.#end = size;
    }
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }
}

const MAX_LENGTH_BYTES = 5;

function encodeLength(length: number): Uint8Array {
  const bytes: number[] = [];
  let rest = length;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}
