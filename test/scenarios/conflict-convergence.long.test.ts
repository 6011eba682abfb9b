/**
 * As `conflict-convergence.test.ts`, with many more histories.
 */
import { describe, it } from 'node:test';
import { converge, RESOLVERS } from '../support/conflict-histories.js';
import { TOPOLOGIES } from '../support/conflict-model.js';

const SEEDS = 10_000;

for (const topology of Object.keys(TOPOLOGIES)) {
  describe(`peers in a ${topology}`, () => {
    for (const [name, resolver] of Object.entries(RESOLVERS)) {
      it(`end equal and quiet with the resolver "${name}"`, () => {
        for (let seed = 1; seed <= SEEDS; seed++) converge(topology, 3 + (seed % 3), seed, resolver);
      });
    }
  });
}
