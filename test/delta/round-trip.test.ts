import { test } from 'node:test';
import { effort } from '../support/effort.js';
import { checkRoundTrips } from './round-trip.js';

const PAIRS = effort(20_000);

test(`turns old into new for ${PAIRS} random pairs`, () => {
  checkRoundTrips(20_240_801, PAIRS);
});
