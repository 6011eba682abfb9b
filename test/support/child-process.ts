/** A TypeScript file run by a Node process of its own, killed when the test ends if it still runs. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { cleanup } from './cleanup.js';

export interface TestChild {
  /** The next line of standard output; undefined at its end. */
  line(): Promise<string | undefined>;
  /** Ends it as a power cut would: no handler runs. Resolves when it is gone. */
  kill(): Promise<void>;
  /** Ends its input and waits for it. */
  finish(): Promise<number | null>;
  /** What it wrote to standard error so far. */
  errors(): string;
}

/** `file` is relative to this folder. */
export function startChild(
  context: TestContext,
  file: string,
  parameters: readonly string[],
  nodeOptions: readonly string[] = [],
): TestChild {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child: ChildProcessWithoutNullStreams = spawn(
    process.execPath,
    ['--import', 'tsx', ...nodeOptions, path, ...parameters],
    { stdio: 'pipe', env: { ...process.env, NODE_TEST_CONTEXT: undefined } },
  );
  const ended = once(child, 'close').then(() => child.exitCode);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  cleanup(context, async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return {
    async line() {
      const next = await lines.next();
      return next.done === true ? undefined : next.value;
    },
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
    finish() {
      child.stdin.end();
      return ended;
    },
    errors: () => errors,
  };
}
