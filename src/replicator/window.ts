/** A bound on what is under way, in number and in bytes: whoever wants to start something waits for a place. Pure. */
import { deferred, type Deferred } from '../base/index.js';

export class Window {
  #maxCount: number;
  readonly #maxBytes: number;
  readonly #waiting: { readonly bytes: number; readonly count: number; readonly turn: Deferred<void> }[] = [];
  #waitingCount = 0;
  #count = 0;
  #bytes = 0;
  #left: Deferred<void> | undefined;

  constructor(maxCount: number, maxBytes = Number.POSITIVE_INFINITY) {
    this.#maxCount = maxCount;
    this.#maxBytes = maxBytes;
  }

  /** How many are under way or wait. */
  get size(): number {
    return this.#count + this.#waitingCount;
  }

  get isFull(): boolean {
    return !this.#hasRoom(0, 1);
  }

  /** Takes `count` places at once, waiting in turn. One larger than the whole window gets them when it is alone. */
  enter(bytes = 0, count = 1): Promise<void> {
    if (this.#waiting.length === 0 && this.#hasRoom(bytes, count)) {
      this.#count += count;
      this.#bytes += bytes;
      return Promise.resolve();
    }
    const turn = deferred();
    this.#waiting.push({ bytes, count, turn });
    this.#waitingCount += count;
    return turn.promise;
  }

  /** Gives places back. */
  leave(bytes = 0, count = 1): void {
    this.#count -= count;
    this.#bytes -= bytes;
    this.#letIn();
    this.#left?.resolve();
    this.#left = undefined;
  }

  /** Changes the number of places. Nobody who is in has to leave. */
  resize(maxCount: number): void {
    this.#maxCount = maxCount;
    this.#letIn();
  }

  #letIn(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (!this.#hasRoom(next.bytes, next.count)) break;
      this.#waiting.shift();
      this.#waitingCount -= next.count;
      this.#count += next.count;
      this.#bytes += next.bytes;
      next.turn.resolve();
    }
  }

  /** Resolves when nothing is under way. */
  idle(): Promise<void> {
    return this.below(1);
  }

  /** Resolves when fewer than `count` are under way or wait, and fewer than `bytes` bytes are under way. */
  async below(count: number, bytes = Number.POSITIVE_INFINITY): Promise<void> {
    while (this.size >= count || this.#bytes >= bytes) {
      this.#left ??= deferred();
      await this.#left.promise;
    }
  }

  #hasRoom(bytes: number, count: number): boolean {
    return this.#count === 0 || (this.#count + count <= this.#maxCount && this.#bytes + bytes <= this.#maxBytes);
  }
}
