/**
 * The account of a push: which local sequences are done, and may go into the checkpoint (specification 4.6). Pure.
 *
 * Invariant: a sequence that was begun is done only once it was finished. Its memory is bounded by what is under way and by
 * {@link MAX_LEFT}, however many documents there are.
 */
import { SequenceSet } from './sequence-set.js';

export class PushLedger {
  readonly #before: SequenceSet;
  /** Begun and not finished: under way, waiting, or left for the next session. */
  readonly #open = new Set<number>();
  #left = 0;
  #position: number;
  /** From here on nothing counts as done: where too much was left to keep account of each. */
  #end = Number.POSITIVE_INFINITY;

  /** @param before what was done before */
  constructor(before: SequenceSet) {
    this.#before = before;
    this.#position = before.firstMissing - 1;
  }

  /** The sequence up to which the feed has been read. */
  get position(): number {
    return this.#position;
  }

  /** Whether it was done before this session. */
  has(sequence: number): boolean {
    return this.#before.has(sequence);
  }

  /** The feed was read up to here. */
  advance(sequence: number): void {
    this.#position = sequence;
  }

  begin(sequence: number): void {
    this.#open.add(sequence);
  }

  finish(sequence: number): void {
    this.#open.delete(sequence);
  }

  /** It cannot be done in this session: the next one begins it again. */
  leave(sequence: number): void {
    if (this.#left++ < MAX_LEFT) return;
    this.#open.delete(sequence);
    this.#end = Math.min(this.#end, sequence);
  }

  /** Everything that was read, but for what is not done. */
  get done(): SequenceSet {
    const done = SequenceSet.upTo(Math.min(this.#position, this.#end - 1));
    done.addAll(this.#before);
    for (const sequence of this.#open) done.remove(sequence);
    return done;
  }
}

/** Each costs some bytes in every checkpoint. What lies behind the last of them is compared once more the next time. */
const MAX_LEFT = 1_000;
