import { test } from 'node:test';
import { checkRoundTrips } from './round-trip.js';

const RUNS = 50;
const PAIRS = 20_000;
const SEED = Number(process.env['FUZZ_SEED'] ?? 1);

test(`turns old into new for ${RUNS * PAIRS} random pairs`, () => {
  for (let run = 0; run < RUNS; run++) checkRoundTrips(SEED * 1000 + run, PAIRS);
});
