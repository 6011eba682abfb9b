/**
 * The sequences of the remote's feed that were announced and are not finished, in order of arrival (specification 4.5).
 * Sequences are opaque JSON text: only equality and arrival count. Pure.
 */
export class RemoteSequences {
  /** Unfinished and finished entries in order of arrival; the finished ones at the head have been removed. */
  readonly #entries = new Map<string, { unfinished: number; putOff: boolean }>();
  #position: string | undefined;
  #unfinished = 0;

  /** @param position the position of the checkpoint: everything up to it was handled */
  constructor(position: string | undefined) {
    this.#position = position;
  }

  /** Everything up to this was handled; undefined at the very beginning. */
  get position(): string | undefined {
    return this.#position;
  }

  /** How many announcements are not finished. */
  get unfinished(): number {
    return this.#unfinished;
  }

  /** An announced sequence that has to be waited for. Announced twice, it must be finished twice. */
  begin(sequence: string): void {
    this.#unfinished++;
    const entry = this.#entries.get(sequence);
    if (entry === undefined) this.#entries.set(sequence, { unfinished: 1, putOff: false });
    else entry.unfinished++;
  }

  /** An announced sequence that needs nothing. */
  skip(sequence: string): void {
    if (!this.#entries.has(sequence)) this.#entries.set(sequence, { unfinished: 0, putOff: false });
    this.#advance();
  }

  isExpected(sequence: string): boolean {
    return (this.#entries.get(sequence)?.unfinished ?? 0) > 0;
  }

  /** One announcement of it is finished. False if none was waited for. */
  finish(sequence: string): boolean {
    const entry = this.#entries.get(sequence);
    if (entry === undefined || entry.unfinished === 0) return false;
    entry.unfinished--;
    this.#unfinished--;
    this.#advance();
    return true;
  }

  /**
   * One announcement of it could not be handled now: nothing waits for it any more in this session, but the position stays
   * before it, so that it is announced again next time.
   */
  putOff(sequence: string): void {
    const entry = this.#entries.get(sequence);
    if (entry === undefined || entry.unfinished === 0) return;
    entry.unfinished--;
    entry.putOff = true;
    this.#unfinished--;
  }

  #advance(): void {
    for (const [sequence, entry] of this.#entries) {
      if (entry.unfinished > 0 || entry.putOff) return;
      this.#entries.delete(sequence);
      this.#position = sequence;
    }
  }
}
