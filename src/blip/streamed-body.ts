/**
 * The body of a message that is sent while it is still being read: whoever makes it pushes pieces, the frames take them.
 * Nobody waits here: where nothing is there, the message steps aside for others until something is.
 *
 * Invariant: what was pushed leaves in that order, once. BLIP cannot take back a message that has begun (specification
 * 2.3), so there is no failure of a body: whoever cannot go on ends the connection.
 */
import { HawserError } from '../errors.js';

/** The message that a body belongs to. */
export interface BodyOwner {
  pushed(bytes: number): void;
  ended(): void;
}

export class StreamedBody {
  readonly #onTaken: () => void;
  #pieces: Uint8Array[] = [];
  /** Bytes of the first piece that are gone. */
  #offset = 0;
  #buffered = 0;
  #total = 0;
  #isEnded = false;
  #owner: BodyOwner | undefined;
  #isDropped = false;

  /** @param onTaken called whenever a frame took something: there may be room again. It must not push by itself. */
  constructor(onTaken: () => void = () => undefined) {
    this.#onTaken = onTaken;
  }

  /**
   * Adds a piece, which belongs to the connection from now on. Throws `ARGUMENT_INVALID` for what is no bytes, after the
   * end, and beyond what a message may hold (specification 2.3). Ignored once the connection has ended.
   */
  push(bytes: Uint8Array): void {
    if (!(bytes instanceof Uint8Array)) throw invalid('is made of Uint8Arrays');
    if (this.#isEnded) throw invalid('has ended');
    if (this.#total + bytes.length > MAX_BODY) throw invalid(`cannot be longer than ${MAX_BODY} bytes`);
    if (this.#isDropped || bytes.length === 0) return;
    this.#total += bytes.length;
    this.#buffered += bytes.length;
    this.#pieces.push(bytes);
    this.#owner?.pushed(bytes.length);
  }

  /** Nothing more will come. */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    if (!this.#isDropped) this.#owner?.ended();
  }

  /** Bytes that no frame has taken yet. */
  get buffered(): number {
    return this.#buffered;
  }

  /** Whether little enough is buffered to push another piece. Pushing all the same is allowed, and takes memory. */
  get hasRoom(): boolean {
    return this.#buffered < ENOUGH;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Whether a message has it already: a body is read once. */
  get isOwned(): boolean {
    return this.#owner !== undefined || this.#isDropped;
  }

  /** @internal */
  attach(owner: BodyOwner): void {
    this.#owner = owner;
  }

  /** @internal Moves the next `length` bytes, of which there are that many, to `target`. */
  take(target: Uint8Array, offset: number, length: number): void {
    this.#buffered -= length;
    for (let at = offset, missing = length; missing > 0;) {
      const piece = this.#pieces[0] as Uint8Array;
      const end = Math.min(this.#offset + missing, piece.length);
      target.set(piece.subarray(this.#offset, end), at);
      at += end - this.#offset;
      missing -= end - this.#offset;
      this.#offset = end;
      if (end < piece.length) break;
      this.#pieces.shift();
      this.#offset = 0;
    }
    this.#onTaken();
  }

  /** @internal The connection has ended: nothing is wanted any more. */
  drop(): void {
    if (this.#isDropped) return;
    this.#isDropped = true;
    this.#owner = undefined;
    this.#pieces = [];
    this.#buffered = 0;
    this.#onTaken();
  }
}

/** Bytes: a few frames, so that the source is asked for more before the last of it is sent. */
const ENOUGH = 64 * 1024;

/** A message is shorter than 2^32 bytes (specification 2.3), its properties included. */
const MAX_BODY = 2 ** 32 - 1 - 128 * 1024;

function invalid(problem: string): HawserError {
  return new HawserError('ARGUMENT_INVALID', `The streamed body of a message ${problem}`);
}
