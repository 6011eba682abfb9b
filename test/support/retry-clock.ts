/** Lets the waits of a replicator pass at once, and nothing else: everything between two attempts is real. */
import type { Replicator } from '../../src/index.js';
import type { VirtualClock } from './virtual-clock.js';

/** Advances `clock` by the longest wait possible each time the replicator has gone offline; returns how to stop that. */
export function skipWaits(replicator: Replicator, clock: VirtualClock): () => void {
  let failures = 0;
  return replicator.on('status', ({ activity }) => {
    if (activity === 'busy' || activity === 'idle') failures = 0;
    if (activity !== 'offline') return;
    failures++;
    // No other timer falls into that time: the next connection may take 15 seconds, and the jitter is a quarter at most.
    void clock.advance(2 ** failures * 1_000);
  });
}
