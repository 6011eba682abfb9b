/** A process of `npm run hostile`: it is sent an object and answers with one. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export class HelperProcess {
  readonly #name: string;
  readonly #process: ChildProcess;
  /** Rejects when it ends before it is told to. */
  readonly #failed: Promise<never>;

  /** @param file beside this one */
  constructor(file: string, nodeOptions: readonly string[] = []) {
    this.#name = file;
    this.#process = fork(fileURLToPath(new URL(file, import.meta.url)), { execArgv: [...nodeOptions] });
    this.#failed = once(this.#process, 'exit').then(([code, signal]) => {
      throw new Error(`${this.#name} ended with ${String(code ?? signal)}`);
    });
    this.#failed.catch(() => undefined);
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Resolves to its answer; rejects with its error, or when it ends instead. One at a time. */
  async ask<T = object>(question: object): Promise<T> {
    const answered = once(this.#process, 'message');
    this.#process.send(question);
    const [answer] = (await Promise.race([answered, this.#failed])) as [{ result: T; error?: string }];
    if (answer.error !== undefined) throw new Error(`${this.#name}: ${answer.error}`);
    return answer.result;
  }

  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.disconnect();
    await ended;
  }
}
