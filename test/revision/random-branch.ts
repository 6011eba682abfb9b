/** Random revision IDs and branches, for tests of properties. Everything follows from the seed. */
import type { RandomSource } from '../../src/base/index.js';
import type { Branch } from '../../src/revision/index.js';

export function randomInteger(random: RandomSource, below: number): number {
  return Math.floor(random.next() * below);
}

/** Digests of one or two bytes collide and share beginnings, as real ones hardly ever do. */
export function randomRevisionID(random: RandomSource, generation: number): string {
  return `${generation}-${Buffer.from(random.bytes(1 + randomInteger(random, 2))).toString('hex')}`;
}

/** Ancestors of a revision of `generation`, newest first, without a gap. */
export function randomHistory(random: RandomSource, generation: number, length: number): string[] {
  return Array.from({ length: Math.min(length, generation - 1) }, (_, index) =>
    randomRevisionID(random, generation - 1 - index),
  );
}

export function randomBranch(random: RandomSource): Branch {
  const generation = 1 + randomInteger(random, 12);
  return {
    revisionID: randomRevisionID(random, generation),
    deleted: random.next() < 0.3,
    history: randomHistory(random, generation, randomInteger(random, 12)),
  };
}
