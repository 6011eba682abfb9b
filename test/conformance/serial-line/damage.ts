/** What a bad line does to bytes, decided for each one by itself: how they are cut into chunks changes nothing. */
import { seededRandom, type RandomSource } from '../../../src/index.js';

/** Chances, each from 0 to 1. */
export interface SerialLineErrors {
  /** That a bit is flipped. @default 0 */
  readonly bitErrorRate?: number;
  /** That a byte is lost. @default 0 */
  readonly dropRate?: number;
  /** That a byte which nobody sent comes before one that somebody did. @default 0 */
  readonly insertRate?: number;
}

/** What has been done so far, on all of the line. */
export interface DamageCounts {
  flippedBits: number;
  droppedBytes: number;
  insertedBytes: number;
}

/** The damage to what one end says. */
export class Damage {
  readonly #counts: DamageCounts;
  /** Three decisions a byte, whatever the rates are. */
  readonly #decisions: RandomSource;
  /** What a decision that hits leads to. */
  readonly #details: RandomSource;
  /** The chance that any bit of a byte is flipped. */
  #flip = 0;
  #rates: Required<SerialLineErrors> = { bitErrorRate: 0, dropRate: 0, insertRate: 0 };

  constructor(seed: number, counts: DamageCounts) {
    this.#decisions = seededRandom(seed);
    this.#details = seededRandom(~seed);
    this.#counts = counts;
  }

  set rates(rates: Required<SerialLineErrors>) {
    this.#rates = rates;
    this.#flip = 1 - (1 - rates.bitErrorRate) ** 8;
  }

  /** Tells `deliver` what arrives where `byte` was sent. */
  carry(byte: number, deliver: (byte: number) => void): void {
    const { dropRate, insertRate, bitErrorRate } = this.#rates;
    const isInserted = this.#decisions.next() < insertRate;
    const isDropped = this.#decisions.next() < dropRate;
    const isFlipped = this.#decisions.next() < this.#flip;
    if (isInserted) {
      this.#counts.insertedBytes++;
      deliver(this.#below(256));
    }
    if (isDropped) this.#counts.droppedBytes++;
    else deliver(isFlipped ? byte ^ this.#flips(bitErrorRate) : byte);
  }

  /** Another byte than this one, for where two talk at once. */
  garble(byte: number): number {
    return byte ^ (1 + this.#below(255));
  }

  /** At least one bit, since it has been decided that one is flipped: which is the first, and then each after it by chance. */
  #flips(bitErrorRate: number): number {
    const first = Math.floor(Math.log1p(-this.#details.next() * this.#flip) / Math.log1p(-bitErrorRate));
    let mask = 0;
    for (let bit = Math.min(first, 7); bit < 8; bit++) {
      if (mask !== 0 && this.#details.next() >= bitErrorRate) continue;
      mask |= 1 << bit;
      this.#counts.flippedBits++;
    }
    return mask;
  }

  #below(limit: number): number {
    return Math.floor(this.#details.next() * limit);
  }
}
