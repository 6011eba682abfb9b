/** A replication takes the same memory however many documents there are. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startChild } from '../support/child-process.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const COUNT = 60_000;

describe('a process with 64 MiB of heap', { timeout: 120_000 }, () => {
  it(`pushes and pulls ${COUNT} documents between three databases of its own`, async (context) => {
    const directory = await temporaryDirectory(context);
    const child = startChild(context, 'bulk-process.ts', [directory, String(COUNT)], ['--max-old-space-size=64']);
    const line = await child.line();
    assert.ok(line !== undefined, child.errors());
    assert.deepEqual(JSON.parse(line), { count: COUNT });
    assert.equal(await child.finish(), 0, child.errors());
  });
});
