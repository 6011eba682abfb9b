/**
 * The sending direction of the wire: makes frames out of messages, and holds what all frames of a direction share, the
 * running checksum and the deflate context (specification 2.6, 2.7). Which message is next is the outbox's matter.
 *
 * Invariant: frames are sent in the order in which they were made, and none is left out.
 */
import { crc32 } from './crc.js';
import { Deflater } from './deflate.js';
import { CHECKSUM_LENGTH, COMPRESSED, frameHeaderLength, MORE_COMING, writeFrameHeader } from './frame-header.js';
import type { OutgoingTransfer } from './outgoing-transfer.js';

export class FrameWriter {
  readonly #level: number;
  readonly #windowBits: number;
  #deflater: Deflater | undefined;
  #opened = false;
  #checksum = 0;

  constructor(level: number, windowBits: number) {
    this.#level = level;
    this.#windowBits = windowBits;
  }

  /** The next frame of `message`, at most `budget` bytes long, in memory of its own. */
  write(message: OutgoingTransfer, budget: number): Buffer {
    const room = budget - frameHeaderLength(message.number) - CHECKSUM_LENGTH;
    const deflater = message.compressed && message.available >= MIN_COMPRESSED ? this.#openDeflater() : undefined;
    const frame =
      deflater === undefined ? this.#writePlain(message, room) : this.#writeCompressed(message, room, deflater);
    frame.writeUInt32BE(this.#checksum, frame.length - CHECKSUM_LENGTH);
    message.recordFrame(frame.length - frameHeaderLength(message.number));
    return frame;
  }

  /**
   * Gives the memory of the compressor back. The next compressed frame makes a new one: the peer goes on with the window it has,
   * which the new one does not refer to (RFC 1951 2: a block may refer to what is before it, and need not).
   */
  rest(): void {
    if (this.#deflater === undefined) return;
    this.#deflater.close();
    this.#deflater = undefined;
    this.#opened = false;
  }

  close(): void {
    this.#deflater?.close();
    this.#deflater = undefined;
    this.#opened = true;
  }

  #writePlain(message: OutgoingTransfer, room: number): Buffer {
    const length = Math.min(message.available, room);
    const start = frameHeaderLength(message.number);
    const frame = Buffer.allocUnsafe(start + length + CHECKSUM_LENGTH);
    message.take(frame, start, length);
    writeFrameHeader(frame, message.number, message.flags | (message.isComplete ? 0 : MORE_COMING));
    this.#checksum = crc32(frame.subarray(start, start + length), this.#checksum);
    return frame;
  }

  #writeCompressed(message: OutgoingTransfer, room: number, deflater: Deflater): Buffer {
    const { piece, packed } = (sharedScratch ??= makeScratch());
    const length = Math.min(message.available, deflater.capacity(room), piece.length);
    message.take(piece, 0, length);
    this.#checksum = crc32(piece.subarray(0, length), this.#checksum);
    const flags = message.flags | COMPRESSED | (message.isComplete ? 0 : MORE_COMING);
    const end = deflater.deflate(piece, length, packed, writeFrameHeader(packed, message.number, flags));
    const frame = Buffer.allocUnsafe(end + CHECKSUM_LENGTH);
    packed.copy(frame, 0, 0, end);
    return frame;
  }

  /** The context is made with the first compressed frame: 280 KiB at the default window. */
  #openDeflater(): Deflater | undefined {
    if (!this.#opened) {
      this.#opened = true;
      this.#deflater = Deflater.open(this.#level, this.#windowBits);
    }
    return this.#deflater;
  }
}

/**
 * Pieces below this many bytes are sent plain, which the flag per frame allows. Measured: 8 bytes stay 8 and cost 2 µs to
 * deflate, 16 become 9.
 */
const MIN_COMPRESSED = 16;

/** Shared by all connections: nothing in it outlives a call. `packed` has room for what deflate makes of `piece` at worst. */
let sharedScratch: { readonly piece: Buffer; readonly packed: Buffer } | undefined;

function makeScratch(): { readonly piece: Buffer; readonly packed: Buffer } {
  return { piece: Buffer.allocUnsafeSlow(16_384), packed: Buffer.allocUnsafeSlow(20_480) };
}
