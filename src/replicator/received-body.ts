/**
 * The body of an answer as it comes: a loop over its pieces. What the loop has not dealt with is not acknowledged, so the
 * peer stops where the loop does. A loop that is left early gives the rest up: it is received and thrown away.
 */
import { deferred, type Deferred } from '../base/index.js';
import { HawserError } from '../errors.js';

export class ReceivedBody implements AsyncIterableIterator<Uint8Array> {
  readonly #consumed: (bytes: number) => void;
  readonly #pieces: Uint8Array[] = [];
  /** Bytes of the piece that the loop is dealing with. */
  #inHand = 0;
  #end: { readonly error: HawserError | undefined } | undefined;
  #isLeft = false;
  #waiting: Deferred<void> | undefined;

  /** @param consumed told of each piece when the loop is done with it */
  constructor(consumed: (bytes: number) => void) {
    this.#consumed = consumed;
  }

  // What the channel does.

  push(bytes: Uint8Array): void {
    if (this.#isLeft) {
      this.#consumed(bytes.length);
      return;
    }
    this.#pieces.push(bytes);
    this.#wake();
  }

  /** The last piece has come. With an error the connection ended before: what came is of no use. */
  finish(error?: HawserError): void {
    this.#end ??= { error };
    if (error !== undefined) this.#pieces.length = 0;
    this.#wake();
  }

  // What the loop does.

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#consumeInHand();
    for (;;) {
      if (this.#waiting !== undefined)
        throw new HawserError('ARGUMENT_INVALID', 'A body is read by one loop at a time');
      if (this.#isLeft) return { done: true, value: undefined };
      const piece = this.#pieces.shift();
      if (piece !== undefined) {
        this.#inHand = piece.length;
        return { done: false, value: piece };
      }
      if (this.#end?.error !== undefined) throw this.#end.error;
      if (this.#end !== undefined) return { done: true, value: undefined };
      this.#waiting = deferred();
      await this.#waiting.promise;
    }
  }

  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.discard();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** Gives up what was not read. Idempotent, and harmless after the end. */
  discard(): void {
    this.#isLeft = true;
    this.#consumeInHand();
    for (const piece of this.#pieces.splice(0)) this.#consumed(piece.length);
    this.#wake();
  }

  #consumeInHand(): void {
    const bytes = this.#inHand;
    this.#inHand = 0;
    if (bytes > 0) this.#consumed(bytes);
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve();
  }
}
