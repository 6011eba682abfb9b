/** The handle of a benchmark's peer process. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface Usage {
  readonly cpuMicroseconds: number;
  readonly peakRssMiB: number;
}

export class Peer {
  readonly #process: ChildProcess;

  constructor() {
    this.#process = fork(fileURLToPath(new URL('./peer-process.mjs', import.meta.url)), { execArgv: [] });
  }

  /** Tells the peer to do something and waits until it has; rejects with its error. One at a time. */
  async do<T = object>(command: string, parameters: object = {}): Promise<T> {
    const over = new AbortController();
    const ended = once(this.#process, 'exit', { signal: over.signal }).then(([code]) => {
      throw new Error(`the peer process ended with ${String(code)} during ${command}`);
    });
    ended.catch(() => undefined);
    const answered = once(this.#process, 'message', { signal: over.signal });
    this.#process.send({ ...parameters, command });
    const [answer] = (await Promise.race([answered, ended])) as [{ result: T; error?: string }];
    over.abort();
    if (answer.error !== undefined) throw new Error(`${command}: ${answer.error}`);
    return answer.result;
  }

  async end(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.disconnect();
    await ended;
  }
}
