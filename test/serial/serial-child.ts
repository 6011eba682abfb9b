/** A peer on a serial line in a process of its own, see serial-process.ts: to be killed, or held up for a while. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { SerialEndpointListenerOptions, SerialEndpointOptions } from '../../transports/serial/index.js';
import { cleanup } from '../support/cleanup.js';

type Role =
  | readonly ['listen', folder: string, options: Omit<SerialEndpointListenerOptions, 'collections'>]
  | readonly ['replicate', folder: string, options: SerialEndpointOptions];

const FILE = fileURLToPath(new URL('serial-process.ts', import.meta.url));

export class SerialChild {
  readonly #child;
  readonly #output;
  readonly #ended: Promise<unknown>;
  /** Lines of its output. */
  readonly lines: string[] = [];
  #errors = '';

  constructor(context: TestContext, ...[role, folder, options]: Role) {
    this.#child = spawn(process.execPath, ['--import', 'tsx', FILE, role, folder, JSON.stringify(options)], {
      stdio: 'pipe',
      env: { ...process.env, NODE_TEST_CONTEXT: undefined },
    });
    this.#ended = once(this.#child, 'close');
    this.#child.stdin.on('error', () => undefined); // it may have been killed
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#errors += text));
    this.#output = createInterface({ input: this.#child.stdout }).on('line', (line) => this.lines.push(line));
    cleanup(context, () => this.kill());
  }

  /** Resolves when it has said something that matches, after the first `from` lines; rejects if it ends before. */
  async says(pattern: RegExp, from = 0): Promise<void> {
    const failed = this.#ended.then((): never => {
      throw new Error(`it ended before it said ${pattern}: ${this.lines.join()} ${this.#errors}`);
    });
    failed.catch(() => undefined);
    while (!this.lines.slice(from).some((line) => pattern.test(line))) {
      await Promise.race([once(this.#output, 'line'), failed]);
    }
  }

  /** Has it save a document. */
  save(id: string): void {
    this.#child.stdin.write(`${id}\n`);
  }

  /** `SIGSTOP` holds it up, `SIGCONT` lets it go on. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(name);
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  /** Has it end by itself. Resolves with its status and what it said in its distress. */
  async end(): Promise<{ readonly status: number | null; readonly errors: string }> {
    this.#child.stdin.end();
    await this.#ended;
    return { status: this.#child.exitCode, errors: this.#errors };
  }
}
