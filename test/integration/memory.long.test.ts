/**
 * The first replication of a million documents takes hardly more memory than that of ten thousand, in either process. The
 * heap is bounded as on a small device: where it is not, a short run ends before V8 has thought of collecting any garbage.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { replicateInBulk, runBulkPeer } from '../support/bulk-peers.js';

const FEW = 10_000;
const MANY = 1_000_000;
const MOST_MIB = 20;
const SMALL_HEAP = ['--max-old-space-size=64', '--max-semi-space-size=2'];

interface Peaks {
  readonly active: number;
  readonly passive: number;
}

describe(`a first replication of ${MANY} documents`, { timeout: 3_600_000 }, () => {
  for (const type of ['push', 'pull'] as const) {
    it(`has the memory of one of ${FEW}, ${type}`, async (context) => {
      const few = await replicate(context, type, FEW);
      const many = await replicate(context, type, MANY);
      for (const role of ['active', 'passive'] as const) {
        const [least, most] = [few[role], many[role]];
        context.diagnostic(`${type}, ${role}: ${least.toFixed(1)} MiB for ${FEW}, ${most.toFixed(1)} MiB for ${MANY}`);
        assert.ok(most <= least + MOST_MIB, `${role}: ${most.toFixed(1)} MiB instead of ${least.toFixed(1)}`);
      }
    });
  }
});

async function replicate(context: TestContext, type: 'push' | 'pull', count: number): Promise<Peaks> {
  const fill = (folder: string): Promise<unknown> => runBulkPeer(context, 'fill', folder, count);
  const { active, passive } = await replicateInBulk(context, type, fill, SMALL_HEAP);
  assert.deepEqual([active.count, passive.count], [count, count]);
  return { active: active.peakMiB, passive: passive.peakMiB };
}
