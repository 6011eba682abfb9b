/** A large blob between two processes: it arrives as it was, and neither ever has much of it in memory. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { replicateInBulk, runBulkPeer } from './bulk-peers.js';

/** What a process needs without any blob is about 100. */
const MOST_MIB = 130;
/** Without it the peak is a matter of when V8 finds the time to collect: what is measured is what is needed. */
const SMALL_HEAP = ['--max-old-space-size=64', '--max-semi-space-size=2'];
const MIB = 1024 * 1024;

export function testLargeBlob(mebibytes: number, timeout: number): void {
  describe(`a blob of ${mebibytes} MiB`, { timeout }, () => {
    for (const type of ['push', 'pull'] as const) {
      it(`is replicated in little memory, ${type}`, async (context) => {
        const fill = (folder: string): Promise<unknown> => runBulkPeer(context, 'blob', folder, mebibytes * MIB);
        const started = performance.now();
        const { active, passive, full, empty } = await replicateInBulk(context, type, fill, SMALL_HEAP);
        const seconds = (performance.now() - started) / 1_000;
        const peaks = `active ${active.peakMiB.toFixed(1)} MiB, passive ${passive.peakMiB.toFixed(1)} MiB`;
        context.diagnostic(`${type}: ${peaks}, ${seconds.toFixed(1)} s with the making of it`);
        const [sent, received] = [
          await runBulkPeer(context, 'check', full),
          await runBulkPeer(context, 'check', empty),
        ];
        assert.match(received.blob ?? '', new RegExp(` ${mebibytes * MIB}$`));
        assert.equal(received.blob, sent.blob);
        assert.equal((await readdir(join(empty, 'blobs'))).length, 1);
        assert.ok(active.peakMiB < MOST_MIB && passive.peakMiB < MOST_MIB, peaks);
      });
    }
  });
}
