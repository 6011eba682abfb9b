/** What one end has said and the line has not carried yet, and when each byte of it leaves. Knows no timer and no socket. */
export class Talker {
  /** Milliseconds that a byte takes; 0 if it takes none. */
  readonly #byteMs: number;
  readonly #waiting: { readonly bytes: Uint8Array; readonly since: number }[] = [];
  /** Position in the first of them. */
  #at = 0;
  #size = 0;
  /** When the byte that was taken last began to leave, and when it had left. */
  #lastStart = -Infinity;
  #lastEnd = -Infinity;
  #notBefore = -Infinity;

  constructor(byteMs: number) {
    this.#byteMs = byteMs;
  }

  /** Bytes that wait. */
  get size(): number {
    return this.#size;
  }

  /** When the next byte begins to leave: right after the one before it, or when it came. */
  get nextStart(): number {
    return Math.max(this.#lastEnd, this.#notBefore, this.#waiting[0]?.since ?? Infinity);
  }

  get nextEnd(): number {
    return this.nextStart + this.#byteMs;
  }

  /** The bytes came at `now` and belong to the talker. */
  push(bytes: Uint8Array, now: number): void {
    if (bytes.length === 0) return;
    this.#waiting.push({ bytes, since: now });
    this.#size += bytes.length;
  }

  /** No byte leaves before `time`: what was not sent until then is late. */
  delayUntil(time: number): void {
    this.#notBefore = time;
  }

  /** Whether a byte of it is on the line at some time between the two. */
  isTalking(start: number, end: number): boolean {
    return (this.#lastEnd > start && this.#lastStart < end) || (this.nextStart < end && this.nextEnd > start);
  }

  /** The next byte has left. There must be one. */
  take(): number {
    const first = this.#waiting[0] as { readonly bytes: Uint8Array };
    this.#lastStart = this.nextStart;
    this.#lastEnd = this.#lastStart + this.#byteMs;
    const byte = first.bytes[this.#at++] as number;
    this.#size--;
    if (this.#at === first.bytes.length) {
      this.#waiting.shift();
      this.#at = 0;
    }
    return byte;
  }

  /** The plug was pulled. */
  clear(): void {
    this.#waiting.length = 0;
    this.#at = 0;
    this.#size = 0;
  }
}
