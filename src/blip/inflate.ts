/**
 * The receiving half of the compression: what one frame holds, inflated in the context of all compressed frames before it
 * (specification 2.7). Two ways with the same results: a native context, and a public function of Node that is given the
 * last 32 KiB as dictionary. Invariant: no more than the limit (and one scratch buffer) is ever allocated for a frame.
 */
import { builtins } from '../base/index.js';
import { HawserError } from '../errors.js';
import { NativeZlib, nativeZlibWorks, TRAILER, Z_SYNC_FLUSH } from './native-zlib.js';

export interface Inflater {
  /**
   * The payload of a compressed frame; `body` is not empty and usually without the trailer of its flush. The result is
   * valid until the next call of any inflater: copy what is kept. Throws `BLIP_INFLATE_FAILED` or
   * `BLIP_INFLATED_TOO_LARGE`; the inflater is of no use afterwards.
   */
  inflate(body: Buffer): Buffer;
  close(): void;
}

/** `maxSize`: how many bytes a frame may inflate to. */
export function createInflater(maxSize: number): Inflater {
  return nativeZlibWorks() ? new ContextInflater(maxSize) : new DictionaryInflater(maxSize);
}

/** The fast way. The context is made with the first compressed frame and takes 60 KiB. */
export class ContextInflater implements Inflater {
  readonly #maxSize: number;
  #zlib: NativeZlib | undefined;

  constructor(maxSize: number) {
    this.#maxSize = maxSize;
  }

  inflate(body: Buffer): Buffer {
    const native = (this.#zlib ??= openContext());
    const scratch = (sharedScratch ??= Buffer.allocUnsafeSlow(SCRATCH_SIZE));
    /** What did not fit into the scratch buffer, and its length. */
    const full: Buffer[] = [];
    let fullSize = 0;
    let filled = 0;
    for (const input of endsWithTrailer(body) ? [body] : [body, TRAILER]) {
      let taken = 0;
      for (let more = true; more;) {
        const failure = native.write(input, taken, input.length, scratch, filled);
        if (failure !== undefined) throw inflateFailed(failure);
        taken += native.consumed;
        filled += native.produced;
        if (fullSize + filled > this.#maxSize) throw inflatedTooLarge(this.#maxSize);
        more = filled === scratch.length;
        if (more) {
          full.push(Buffer.from(scratch));
          fullSize += filled;
          filled = 0;
        }
      }
      if (taken < input.length) throw inflateFailed('the data ends before the frame does');
    }
    const rest = scratch.subarray(0, filled);
    return full.length === 0 ? rest : Buffer.concat([...full, rest]);
  }

  close(): void {
    this.#zlib?.close();
    this.#zlib = undefined;
  }
}

/** The fallback: slower, because every frame starts from a new context that is given the window. */
export class DictionaryInflater implements Inflater {
  readonly #maxSize: number;
  #window = Buffer.alloc(0);

  constructor(maxSize: number) {
    this.#maxSize = maxSize;
  }

  inflate(body: Buffer): Buffer {
    const input = endsWithTrailer(body) ? body : Buffer.concat([body, TRAILER]);
    let result: unknown;
    try {
      result = builtins.zlib().inflateRawSync(input, {
        finishFlush: Z_SYNC_FLUSH,
        maxOutputLength: this.#maxSize,
        info: true,
        ...(this.#window.length > 0 ? { dictionary: this.#window } : {}),
      });
    } catch (error) {
      const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
      if (code === 'ERR_BUFFER_TOO_LARGE') throw inflatedTooLarge(this.#maxSize);
      throw inflateFailed(error instanceof Error ? error.message : String(error));
    }
    const { output, consumed } = withInfo(result);
    if (consumed < input.length) throw inflateFailed('the data ends before the frame does');
    this.#window = Buffer.concat([this.#window, output.subarray(-WINDOW_SIZE)]).subarray(-WINDOW_SIZE);
    return output;
  }

  close(): void {
    this.#window = Buffer.alloc(0);
  }
}

const WINDOW_SIZE = 32_768;

/** Shared by all connections: what is in it has been copied before the next frame is read. */
let sharedScratch: Buffer | undefined;
const SCRATCH_SIZE = 65_536;

function openContext(): NativeZlib {
  try {
    return NativeZlib.inflater();
  } catch (error) {
    throw new HawserError('BLIP_INFLATE_FAILED', 'There is no memory to inflate a compressed frame', { cause: error });
  }
}

/**
 * A peer that did not cut the trailer off is tolerated, as by a real core. There is no doubt about which it is: stripped data
 * ends with the three zero bits of an empty stored block and its zero padding, so that its last byte is never FF.
 */
function endsWithTrailer(body: Buffer): boolean {
  return (
    body.length >= TRAILER.length && body[body.length - 1] === 0xff && body.subarray(-TRAILER.length).equals(TRAILER)
  );
}

function withInfo(result: unknown): { readonly output: Buffer; readonly consumed: number } {
  if (typeof result === 'object' && result !== null && 'buffer' in result && 'engine' in result) {
    const { buffer, engine } = result;
    if (Buffer.isBuffer(buffer) && typeof engine === 'object' && engine !== null) {
      return { output: buffer, consumed: Number(Reflect.get(engine, 'bytesWritten')) };
    }
  }
  throw new Error('inflateRawSync: no info');
}

function inflateFailed(reason: string): HawserError {
  return new HawserError('BLIP_INFLATE_FAILED', `A compressed frame cannot be inflated: ${reason}`);
}

function inflatedTooLarge(limit: number): HawserError {
  return new HawserError(
    'BLIP_INFLATED_TOO_LARGE',
    `A compressed frame inflates to more than maxInflatedSize, ${limit} bytes`,
  );
}
