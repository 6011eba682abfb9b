/**
 * The sequences of the remote's feed that were announced and are not finished, in order of arrival (specification 4.5).
 * Sequences are opaque JSON text: only equality and arrival count. Pure.
 *
 * Invariant: it holds what is unfinished and nothing else, however long the feed is and whatever stays unfinished.
 */
interface Announced {
  /** What the position is while this is the oldest that is unfinished: the sequence announced before it. */
  readonly before: string | undefined;
  /** Grows from one announcement to the next. */
  readonly order: number;
  unfinished: number;
}

export class RemoteSequences {
  /** By sequence, in order of arrival. */
  readonly #announced = new Map<string, Announced>();
  /** The oldest one that was put off. */
  #putOff: Announced | undefined;
  #last: string | undefined;
  #order = 0;
  #unfinished = 0;

  /** @param position the position of the checkpoint: everything up to it was handled */
  constructor(position: string | undefined) {
    this.#last = position;
  }

  /** Everything up to this was handled; undefined at the very beginning. */
  get position(): string | undefined {
    const [oldest] = this.#announced.values();
    const putOff = this.#putOff;
    if (oldest === undefined) return putOff === undefined ? this.#last : putOff.before;
    return putOff === undefined || oldest.order < putOff.order ? oldest.before : putOff.before;
  }

  /** How many announcements are not finished. */
  get unfinished(): number {
    return this.#unfinished;
  }

  /** An announced sequence that has to be waited for. Announced twice, it must be finished twice. */
  begin(sequence: string): void {
    this.#unfinished++;
    const known = this.#announced.get(sequence);
    if (known !== undefined) known.unfinished++;
    else this.#announced.set(sequence, { before: this.#last, order: ++this.#order, unfinished: 1 });
    this.#last = sequence;
  }

  /** An announced sequence that needs nothing. */
  skip(sequence: string): void {
    this.#last = sequence;
  }

  /** One announcement of it is finished. False if none was waited for. */
  finish(sequence: string): boolean {
    return this.#take(sequence) !== undefined;
  }

  /**
   * One announcement of it could not be handled now: nothing waits for it any more in this session, but the position stays
   * before it, so that it is announced again next time.
   */
  putOff(sequence: string): void {
    const announced = this.#take(sequence);
    if (announced !== undefined && (this.#putOff === undefined || announced.order < this.#putOff.order)) {
      this.#putOff = announced;
    }
  }

  #take(sequence: string): Announced | undefined {
    const announced = this.#announced.get(sequence);
    if (announced === undefined) return undefined;
    this.#unfinished--;
    announced.unfinished--;
    if (announced.unfinished === 0) this.#announced.delete(sequence);
    return announced;
  }
}
