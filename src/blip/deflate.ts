/**
 * The sending half of the compression: one context for a connection's whole life, flushed with every frame
 * (specification 2.7). Where Node's zlib cannot be driven synchronously there is no deflater and everything is sent plain,
 * which is always legal.
 *
 * Invariant: pieces are deflated in the order in which their frames are sent; an empty piece is never deflated.
 */
import { NativeZlib, nativeZlibWorks, TRAILER } from './native-zlib.js';

export class Deflater {
  readonly #zlib: NativeZlib;
  readonly #windowBits: number;

  /** `undefined` for level 0, and where this Node or this machine's memory has no context to give. */
  static open(level: number, windowBits: number): Deflater | undefined {
    if (level === 0 || !nativeZlibWorks()) return undefined;
    try {
      return new Deflater(NativeZlib.deflater(level, windowBits), windowBits);
    } catch {
      return undefined;
    }
  }

  private constructor(native: NativeZlib, windowBits: number) {
    this.#zlib = native;
    this.#windowBits = windowBits;
  }

  /** How many bytes can be deflated so that they fit into `room` even if they cannot be made smaller. */
  capacity(room: number): number {
    // zlib's own bounds, with some room to spare: 0.03 % for its default configuration, 14.1 % for any other.
    return this.#windowBits === 15 ? room - 64 : Math.floor((room - 64) / (1 + 1 / 8 + 1 / 64));
  }

  /**
   * Deflates `piece` into `target` from `offset` on and returns where it ends, the trailer already cut off. The target has
   * room for more than {@link capacity} allows.
   */
  deflate(piece: Uint8Array, length: number, target: Uint8Array, offset: number): number {
    const failure = this.#zlib.write(piece, 0, length, target, offset);
    const end = offset + this.#zlib.produced - TRAILER.length;
    // Unreachable: deflate fails only for wrong arguments, and capacity() keeps the target from filling up.
    if (failure !== undefined || this.#zlib.consumed !== length || end + TRAILER.length >= target.length) {
      throw new Error(`deflate: ${failure ?? 'the target is too small'}`);
    }
    return end;
  }

  close(): void {
    this.#zlib.close();
  }
}
