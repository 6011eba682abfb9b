/** An example as shipped, run by its main.ts in a folder of the test's own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryDirectory } from '../support/temporary-directory.js';

const repository = fileURLToPath(new URL('../..', import.meta.url));

export interface RunningExample {
  readonly main: ChildProcess;
  /** What it has said so far. */
  readonly lines: readonly string[];
  /** Resolves when a line matches. Rejects if none has when the example has ended. */
  line(pattern: RegExp): Promise<void>;
  /** Resolves when no process of the example holds its output any more. */
  readonly ended: Promise<Outcome>;
}

export interface Outcome {
  readonly status: number | null;
  readonly output: string;
  /** What it wrote to standard error, without what hawser logs there: a lost broker is no fault of an example. */
  readonly errors: string;
  /** In the folder for temporary files. What tsx leaves there is not ours. */
  readonly leftBehind: readonly string[];
}

export async function startExample(
  context: TestContext,
  name: string,
  ...args: readonly string[]
): Promise<RunningExample> {
  const folder = await temporaryDirectory(context);
  const main = spawn(process.execPath, ['--import', 'tsx', `device-examples/${name}/main.ts`, ...args], {
    cwd: repository,
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  context.after(() => main.kill('SIGKILL'));
  const lines: string[] = [];
  let errors = '';
  main.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const output = createInterface(main.stdout);
  output.on('line', (line) => lines.push(line));
  const ended = once(main, 'close').then(async ([status]): Promise<Outcome> => {
    const leftBehind = (await readdir(folder)).filter((entry) => entry.startsWith('hawser'));
    const ownErrors = errors.replace(/^hawser (error|warning) .*\n/gm, '');
    return { status: status as number | null, output: lines.join('\n'), errors: ownErrors, leftBehind };
  });
  return {
    main,
    lines,
    ended,
    line: async (pattern) => {
      while (!lines.some((line) => pattern.test(line))) {
        const isOver = await Promise.race([once(output, 'line').then(() => false), ended.then(() => true)]);
        if (isOver && !lines.some((line) => pattern.test(line))) {
          throw new Error(`it ended before it said ${pattern}:\n${lines.join('\n')}\n${errors}`);
        }
      }
    },
  };
}

export async function runExample(context: TestContext, name: string, ...args: readonly string[]): Promise<Outcome> {
  return (await startExample(context, name, ...args)).ended;
}

/** Where the patterns come in the lines, each behind the one before; -1 for what does not come there. */
export function placesOf(output: string, patterns: readonly RegExp[]): number[] {
  let from = 0;
  return patterns.map((pattern) => {
    const at = output.split('\n').findIndex((line, index) => index >= from && pattern.test(line));
    if (at >= 0) from = at + 1;
    return at;
  });
}
