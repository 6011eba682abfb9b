/**
 * Texts that a peer chooses, of the kind that makes a careless pattern search for ever. At half a million characters it would
 * take minutes to look at each once for each other one; in proportion to the length it takes milliseconds.
 */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryDirectory } from '../support/temporary-directory.js';

/** Resolves to where the process was held up for longer than the limit; undefined if it came to its end. */
async function heldUp(context: TestContext, what: 'all' | 'careless', limitMs: number): Promise<string | undefined> {
  const folder = await temporaryDirectory(context);
  const child = fork(fileURLToPath(new URL('./linear-time-process.ts', import.meta.url)), [folder, what]);
  let current = 'the start';
  let isLate = false;
  let timer: NodeJS.Timeout | undefined;
  child.on('message', (name: string) => {
    current = name;
    timer ??= setTimeout(() => {
      isLate = true;
      child.kill('SIGKILL');
    }, limitMs);
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  clearTimeout(timer);
  if (isLate) return current;
  assert.equal(code, 0, `the process failed at ${current}`);
  return undefined;
}

it('a text of a peer costs time in proportion to its length', async (context) => {
  assert.equal(await heldUp(context, 'all', 240_000), undefined);
});

it('what is not in proportion is noticed', async (context) => {
  assert.match((await heldUp(context, 'careless', 5_000)) ?? '', /^careless, /);
});
