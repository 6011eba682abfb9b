/**
 * A set of local sequences as ranges: what a push has done (specification 4.1). Pure.
 * Invariant: ranges are sorted, do not touch, and the first begins at 0 (which is no sequence and always done), so that `firstMissing` is always its end.
 */
interface Range {
  start: number;
  /** One past the last. */
  end: number;
}

export class SequenceSet {
  readonly #ranges: Range[] = [{ start: 0, end: 1 }];

  /** The set 0 … `last`. */
  static upTo(last: number): SequenceSet {
    const set = new SequenceSet();
    set.addRange(0, last + 1);
    return set;
  }

  /** From the flat list `start, length, …` of a checkpoint; undefined if it is not one. */
  static fromList(list: unknown): SequenceSet | undefined {
    if (!Array.isArray(list) || list.length === 0 || list.length % 2 !== 0 || list[0] !== 0) return undefined;
    const set = new SequenceSet();
    let end = 0;
    for (let index = 0; index < list.length; index += 2) {
      const start: unknown = list[index];
      const length: unknown = list[index + 1];
      if (!isSequence(start) || !isSequence(length) || length === 0 || start < end) return undefined;
      end = start + length;
      set.addRange(start, end);
    }
    return set;
  }

  add(sequence: number): void {
    this.addRange(sequence, sequence + 1);
  }

  /** Adds `start` … `end` − 1. */
  addRange(start: number, end: number): void {
    if (end <= start) return;
    const first = this.#firstEndingAtOrAfter(start);
    let last = first;
    let low = start;
    let high = end;
    for (let range = this.#ranges[last]; range !== undefined && range.start <= end; range = this.#ranges[++last]) {
      low = Math.min(low, range.start);
      high = Math.max(high, range.end);
    }
    this.#ranges.splice(first, last - first, { start: low, end: high });
  }

  addAll(other: SequenceSet): void {
    for (const { start, end } of other.#ranges) this.addRange(start, end);
  }

  remove(sequence: number): void {
    const index = this.#firstEndingAtOrAfter(sequence + 1);
    const range = this.#ranges[index];
    if (sequence === 0 || range === undefined || range.start > sequence) return;
    const parts: Range[] = [
      { start: range.start, end: sequence },
      { start: sequence + 1, end: range.end },
    ];
    this.#ranges.splice(index, 1, ...parts.filter((part) => part.end > part.start));
  }

  has(sequence: number): boolean {
    const range = this.#ranges[this.#firstEndingAtOrAfter(sequence + 1)];
    return range !== undefined && range.start <= sequence;
  }

  /** Everything below this is in the set. */
  get firstMissing(): number {
    return this.#ranges[0]?.end ?? 0;
  }

  get rangeCount(): number {
    return this.#ranges.length;
  }

  intersection(other: SequenceSet): SequenceSet {
    const result = new SequenceSet();
    const [mine, theirs] = [this.#ranges, other.#ranges];
    for (let at = 0, there = 0; ;) {
      const [a, b] = [mine[at], theirs[there]];
      if (a === undefined || b === undefined) return result;
      result.addRange(Math.max(a.start, b.start), Math.min(a.end, b.end));
      if (a.end < b.end) at++;
      else there++;
    }
  }

  equals(other: SequenceSet): boolean {
    const mine = this.toList();
    const theirs = other.toList();
    return mine.length === theirs.length && mine.every((value, index) => value === theirs[index]);
  }

  toList(): number[] {
    return this.#ranges.flatMap(({ start, end }) => [start, end - start]);
  }

  #firstEndingAtOrAfter(sequence: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ranges[middle] as Range).end < sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function isSequence(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
