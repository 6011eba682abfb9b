/** A folder of a test's own, removed with all it holds when the test ends. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { cleanup } from './cleanup.js';

export async function temporaryDirectory(context: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'hawser-test-'));
  cleanup(context, () => rm(directory, { recursive: true, force: true }));
  return directory;
}
