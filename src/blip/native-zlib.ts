/**
 * One raw-deflate context of Node's zlib, driven synchronously: the only file that touches what Node does not document
 * (`_handle.writeSync` and `_writeState`, the same in Node 20 to 26). The public classes can only be driven
 * asynchronously, and the public synchronous functions keep no context.
 *
 * Invariant: nothing here is used unless {@link nativeZlibWorks} has seen it work in this process.
 */
import type zlib from 'node:zlib';
import { builtins } from '../base/index.js';

/** A context that keeps its window from call to call. `close` it: its memory is not on JavaScript's heap. */
export class NativeZlib {
  /** Of the last {@link write}: bytes taken from the input, and put into the output. */
  consumed = 0;
  produced = 0;
  readonly #handle: Handle;
  /** Room left in the output and in the input after a write. The native side has a bare pointer to it: keep it. */
  readonly #state: Uint32Array;
  #failure: string | undefined;
  #open = true;

  /** Throws where memory is short, or where Node's innards are not as expected. */
  static deflater(level: number, windowBits: number): NativeZlib {
    // memLevel falls with the window, so that both halves of the context shrink together: 8, Node's default, at 15 bits.
    return new NativeZlib(
      builtins.zlib().createDeflateRaw({ level, windowBits, memLevel: windowBits - 7, chunkSize: UNUSED_CHUNK }),
    );
  }

  static inflater(): NativeZlib {
    return new NativeZlib(builtins.zlib().createInflateRaw({ windowBits: 15, chunkSize: UNUSED_CHUNK }));
  }

  private constructor(stream: zlib.DeflateRaw | zlib.InflateRaw) {
    const handle: unknown = Reflect.get(stream, '_handle');
    const state: unknown = Reflect.get(stream, '_writeState');
    if (!isHandle(handle) || !(state instanceof Uint32Array)) throw new Error('zlib is not as it was in Node 20 to 26');
    // Node's own handler would destroy the stream and emit 'error' later.
    handle.onerror = (message) => (this.#failure = String(message));
    this.#handle = handle;
    this.#state = state;
  }

  /**
   * Feeds `input` from `inputStart` to its end with a sync flush, writes to `output` from `outputStart`. Sets `consumed` and
   * `produced`; an output that is full afterwards means that there may be more. Returns zlib's message when it fails.
   */
  write(
    input: Uint8Array,
    inputStart: number,
    inputEnd: number,
    output: Uint8Array,
    outputStart: number,
  ): string | undefined {
    const given = inputEnd - inputStart;
    const room = output.length - outputStart;
    // The native side aborts the process on a wrong range and on a closed handle.
    if (!this.#open || given < 0 || inputStart < 0 || inputEnd > input.length || room <= 0 || outputStart < 0) {
      throw new RangeError('zlib: closed, or a range outside of its buffer');
    }
    this.#handle.writeSync(Z_SYNC_FLUSH, input, inputStart, given, output, outputStart, room);
    if (this.#failure !== undefined) return this.#failure;
    this.produced = room - (this.#state[0] ?? 0);
    this.consumed = given - (this.#state[1] ?? 0);
    return undefined;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    // Not the stream's own close: that would keep it for an event on the next tick.
    this.#handle.close();
  }
}

/** Whether contexts work here as they must: tried once, on the first call. */
export function nativeZlibWorks(): boolean {
  return (works ??= selfTest());
}

let works: boolean | undefined;

/** Two frames through one context each way, the second of which is short only if the window survived, and then garbage. */
function selfTest(): boolean {
  try {
    const text = Buffer.from('a hawser is the thick rope that ties a ship to what it must not drift away from');
    const packed = Buffer.alloc(256);
    const unpacked = Buffer.alloc(256);
    const deflater = NativeZlib.deflater(6, 15);
    const inflater = NativeZlib.inflater();
    try {
      for (const longest of [text.length + 16, 16]) {
        if (deflater.write(text, 0, text.length, packed, 0) !== undefined) return false;
        const { consumed, produced } = deflater;
        if (consumed !== text.length || produced > longest || !packed.subarray(produced - 4, produced).equals(TRAILER))
          return false;
        if (inflater.write(packed, 0, produced, unpacked, 0) !== undefined) return false;
        if (!unpacked.subarray(0, inflater.produced).equals(text)) return false;
      }
      return inflater.write(Buffer.alloc(8, 0xff), 0, 8, unpacked, 0) !== undefined;
    } finally {
      deflater.close();
      inflater.close();
    }
  } catch {
    return false;
  }
}

/** What a sync flush ends with; it is cut off on the wire and put back by the receiver (specification 2.7). */
export const TRAILER = Buffer.from([0x00, 0x00, 0xff, 0xff]);

interface Handle {
  onerror: (message: unknown) => void;
  close(): void;
  writeSync(
    flush: number,
    input: Uint8Array,
    inputStart: number,
    inputLength: number,
    output: Uint8Array,
    outputStart: number,
    outputLength: number,
  ): void;
}

function isHandle(value: unknown): value is Handle {
  return (
    typeof value === 'object' &&
    value !== null &&
    ['writeSync', 'close'].every((name) => typeof Reflect.get(value, name) === 'function')
  );
}

/** As `zlib.constants` has it. */
export const Z_SYNC_FLUSH = 2;

/** Size of the buffer that the public stream would use and we do not: the smallest that Node allows. */
const UNUSED_CHUNK = 64;
