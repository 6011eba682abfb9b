/**
 * How messages and the goodbye lie in the stream of bytes inside TLS: each message after its length, 4 bytes, big-endian. The
 * length that no message has announces the goodbye, after which nothing comes. README.md has it byte by byte.
 *
 * Bytes come in, events come out. Invariant: what is kept is at most the bytes of one message and those not yet asked for;
 * what a peer announces costs nothing before it arrives.
 */
import { isSendableCloseCode, MAX_CLOSE_REASON_BYTES, type CloseReason } from '../close-codes.js';
import type { Message } from '../connection.js';

export type SecureEvent =
  | { readonly kind: 'message'; readonly payload: Message }
  | ({ readonly kind: 'goodbye' } & CloseReason)
  /** The peer broke the rules. Nothing more is understood. */
  | { readonly kind: 'violation'; readonly closeCode: number; readonly message: string };

export function encodeMessage(message: Message): Uint8Array {
  const frame = Buffer.allocUnsafe(HEADER_SIZE + message.length);
  frame.writeUInt32BE(message.length);
  frame.set(message, HEADER_SIZE);
  return frame;
}

export function encodeGoodbye({ code, reason }: CloseReason): Uint8Array {
  const text = Buffer.from(reason, 'utf8');
  const frame = Buffer.alloc(HEADER_SIZE + GOODBYE_SIZE + text.length);
  frame.writeUInt32BE(GOODBYE);
  frame.writeUInt16BE(code, HEADER_SIZE);
  frame.writeUInt8(text.length, HEADER_SIZE + 2);
  frame.set(text, HEADER_SIZE + GOODBYE_SIZE);
  return frame;
}

export class SecureDecoder {
  readonly #maxMessageSize: number;
  /** What has come and was not looked at yet. */
  #bytes: Uint8Array = EMPTY;
  #at = 0;
  /** The part that is being put together, in memory that grows with what arrives. */
  #part = new Uint8Array(HEADER_SIZE);
  #partLength = 0;
  #partSize = HEADER_SIZE;
  #expecting: 'length' | 'message' | 'goodbye' | 'reason' | 'nothing' = 'length';
  #goodbyeCode = 0;

  constructor(maxMessageSize: number) {
    this.#maxMessageSize = maxMessageSize;
  }

  /** Whether the peer said goodbye or broke the rules: then nothing more is read. */
  get finished(): boolean {
    return this.#expecting === 'nothing';
  }

  /** To be called when `next` has given everything that came before. */
  push(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#at = 0;
  }

  /** The next event, or `undefined` when more bytes are needed. */
  next(): SecureEvent | undefined {
    while (this.#expecting !== 'nothing') {
      const part = this.#take();
      if (part === undefined) return undefined;
      const event = this.#interpret(part);
      if (event !== undefined) return event;
    }
    return undefined;
  }

  #interpret(part: Uint8Array): SecureEvent | undefined {
    const view = new DataView(part.buffer, part.byteOffset, part.length);
    switch (this.#expecting) {
      case 'length': {
        const length = view.getUint32(0);
        if (length === GOODBYE) return this.#expect('goodbye', GOODBYE_SIZE);
        if (length > this.#maxMessageSize) {
          const message = `the peer sends a message of ${length} bytes; ${this.#maxMessageSize} are allowed`;
          return this.#violation(1009, message);
        }
        return this.#expect('message', length);
      }
      case 'message':
        this.#expect('length', HEADER_SIZE);
        return { kind: 'message', payload: part };
      case 'goodbye': {
        this.#goodbyeCode = view.getUint16(0);
        const length = view.getUint8(2);
        if (!isSendableCloseCode(this.#goodbyeCode)) {
          return this.#violation(1002, `the peer said goodbye with the code ${this.#goodbyeCode}, which means nothing`);
        }
        if (length > MAX_CLOSE_REASON_BYTES) {
          return this.#violation(1002, `the peer's goodbye has a reason of ${length} bytes`);
        }
        return this.#expect('reason', length);
      }
      default: {
        this.#expecting = 'nothing';
        const reason = Buffer.from(part.buffer, part.byteOffset, part.length).toString('utf8');
        return { kind: 'goodbye', code: this.#goodbyeCode, reason };
      }
    }
  }

  #expect(what: 'length' | 'message' | 'goodbye' | 'reason', size: number): undefined {
    this.#expecting = what;
    this.#partSize = size;
    this.#partLength = 0;
    this.#part = EMPTY;
  }

  #violation(closeCode: number, message: string): SecureEvent {
    this.#expecting = 'nothing';
    return { kind: 'violation', closeCode, message };
  }

  /** The part expected, in memory of its own, once all of it is there. */
  #take(): Uint8Array | undefined {
    const available = Math.min(this.#bytes.length - this.#at, this.#partSize - this.#partLength);
    const from = this.#bytes.subarray(this.#at, this.#at + available);
    this.#at += available;
    if (available === this.#partSize) return new Uint8Array(from);
    this.#makeRoom(this.#partLength + available);
    this.#part.set(from, this.#partLength);
    this.#partLength += available;
    if (this.#partLength < this.#partSize) {
      this.#bytes = EMPTY;
      this.#at = 0;
      return undefined;
    }
    return this.#part.length === this.#partSize ? this.#part : this.#part.slice(0, this.#partSize);
  }

  #makeRoom(length: number): void {
    if (this.#part.length >= length) return;
    const grown = new Uint8Array(Math.min(this.#partSize, Math.max(2 * length, MIN_ROOM)));
    grown.set(this.#part.subarray(0, this.#partLength));
    this.#part = grown;
  }
}

const EMPTY = new Uint8Array(0);
const HEADER_SIZE = 4;
/** Code and length of the reason. */
const GOODBYE_SIZE = 3;
/** In place of a length. */
const GOODBYE = 0xffff_ffff;
const MIN_ROOM = 16_384;
