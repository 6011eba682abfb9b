/** The handle of one compared peer's process. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface Usage {
  readonly cpuMicroseconds: number;
  readonly peakRssMiB: number;
}

/** Longer than any command takes; a peer that says nothing until then never will. */
const PATIENCE_MS = 600_000;

export class PeerProcess {
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown>;

  constructor(file: string) {
    this.#process = fork(fileURLToPath(new URL(file, import.meta.url)), { execArgv: [] });
    this.#ended = once(this.#process, 'exit');
    this.#ended.catch(() => undefined);
  }

  /** Tells the peer to do something and waits until it has; rejects with its error. One at a time. */
  async do<T = object>(command: string, parameters: object = {}): Promise<T> {
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, AbortSignal.timeout(PATIENCE_MS)]);
    const ended = this.#ended.then(() => {
      throw new Error(`the process of the peer ended during ${command}`);
    });
    ended.catch(() => undefined);
    const answered = once(this.#process, 'message', { signal });
    this.#process.send({ ...parameters, command });
    const [answer] = (await Promise.race([answered, ended]).finally(() => over.abort())) as [
      { result: T; error?: string },
    ];
    if (answer.error !== undefined) throw new Error(`${command}: ${answer.error}`);
    return answer.result;
  }

  async end(): Promise<void> {
    if (this.#process.connected) this.#process.disconnect();
    await this.#ended;
  }
}
