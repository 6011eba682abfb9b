/**
 * Moves a stream of bytes into the body of a message, no faster than frames take it: a few frames' worth of it is in memory.
 */
import { deferred, type Deferred } from '../base/index.js';
import { StreamedBody } from '../blip/index.js';
import type { HawserError } from '../errors.js';

export class BodySender {
  readonly body = new StreamedBody(() => this.#wake());
  readonly #source: AsyncIterator<Uint8Array>;
  #first: IteratorResult<Uint8Array> | undefined;
  #waiting: Deferred<void> | undefined;
  #stopped: HawserError | undefined;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Reads the first piece, so that a source that fails at once does so before anything is sent. */
  async begin(): Promise<void> {
    this.#first = await this.#source.next();
  }

  /**
   * Resolves when frames have taken all of it. Rejects with what the source failed with, or what `stop` was given.
   *
   * @param onPushed called when there is something to send
   */
  async send(onPushed: () => void): Promise<void> {
    let piece = this.#first ?? (await this.#source.next());
    while (piece.done !== true) {
      this.body.push(piece.value);
      onPushed();
      await this.#until(() => this.body.hasRoom);
      piece = await this.#source.next();
    }
    this.body.end();
    onPushed();
    await this.#until(() => this.body.buffered === 0);
  }

  /** The connection has ended: nobody takes anything any more. */
  stop(error: HawserError): void {
    this.#stopped ??= error;
    this.#wake();
  }

  /** Gives the source up: it lets go of its file. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }

  async #until(reached: () => boolean): Promise<void> {
    while (this.#stopped === undefined && !reached()) {
      this.#waiting ??= deferred();
      await this.#waiting.promise;
    }
    if (this.#stopped !== undefined) throw this.#stopped;
  }

  #wake(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }
}
