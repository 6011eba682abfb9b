/**
 * Any order of edits, deletions, pulls, pushes and resolutions, with connections cut between any two steps, leaves all peers
 * with the same revision, with each resolver that is the same on all of them; and then it is quiet.
 */
import { describe, it } from 'node:test';
import { converge, RESOLVERS } from '../support/conflict-histories.js';
import { TOPOLOGIES } from '../support/conflict-model.js';

const SEEDS = 120;

for (const topology of Object.keys(TOPOLOGIES)) {
  describe(`peers in a ${topology}`, () => {
    for (const [name, resolver] of Object.entries(RESOLVERS)) {
      it(`end equal and quiet with the resolver "${name}"`, () => {
        for (let seed = 1; seed <= SEEDS; seed++) converge(topology, 3 + (seed % 3), seed, resolver);
      });
    }
  });
}
