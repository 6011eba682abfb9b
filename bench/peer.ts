/** The handle of a benchmark's process: tells it what to do, and looks at it from outside. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { bytesWrittenBy, memoryOf, type Memory } from './proc.js';

export interface PeerOptions {
  /** A file of this folder that obeys commands. @default 'peer-process.mjs' */
  readonly program?: string;
  /** Speak to hawser peers as to strangers. @default false */
  readonly plain?: boolean;
  /** Let it collect garbage when it is told to. @default false */
  readonly exposeGC?: boolean;
  /** Further flags of Node. */
  readonly flags?: readonly string[];
}

export class Peer {
  readonly #process: ChildProcess;

  constructor({ program = 'peer-process.mjs', plain = false, exposeGC = false, flags = [] }: PeerOptions = {}) {
    const path = fileURLToPath(new URL(program, import.meta.url));
    // Without `execArgv` it would inherit ours, and with them the compiler that runs us.
    this.#process = fork(path, plain ? ['--plain'] : [], {
      execArgv: [...flags, ...(exposeGC ? ['--expose-gc'] : [])],
    });
  }

  /** Tells the process to do something and waits until it has; rejects with its error. One at a time. */
  async do<T = object>(command: string, parameters: object = {}): Promise<T> {
    if (this.#hasEnded) throw new Error(`the process had ended before ${command}`);
    const over = new AbortController();
    const ended = once(this.#process, 'exit', { signal: over.signal }).then(([code, signal]) => {
      throw new Error(`the process ended with ${String(code ?? signal)} during ${command}`);
    });
    ended.catch(() => undefined);
    const answered = once(this.#process, 'message', { signal: over.signal });
    answered.catch(() => undefined);
    // Where it cannot be sent the process is about to end.
    this.#process.send({ ...parameters, command }, () => undefined);
    try {
      const [answer] = (await Promise.race([answered, ended])) as [{ result: T; error?: string }];
      if (answer.error !== undefined) throw new Error(`${command}: ${answer.error}`);
      return answer.result;
    } finally {
      over.abort();
    }
  }

  /** Seconds of processor time that it has used so far. */
  async cpuSeconds(): Promise<number> {
    return (await this.do<{ seconds: number }>('cpu')).seconds;
  }

  get memory(): Memory {
    return memoryOf(this.#pid);
  }

  get bytesWritten(): number {
    return bytesWrittenBy(this.#pid);
  }

  /** Ends it at once: what it has on disk goes anyway. */
  async end(): Promise<void> {
    if (this.#hasEnded) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
  }

  get #hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  get #pid(): number {
    if (this.#process.pid === undefined) throw new Error('the process could not be started');
    return this.#process.pid;
  }
}

/** What `work` costs each of `peers`, in seconds of processor time. */
export async function cpuSecondsOf<T>(
  peers: readonly Peer[],
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly cpuSeconds: readonly number[] }> {
  const all = (): Promise<number[]> => Promise.all(peers.map((peer) => peer.cpuSeconds()));
  const before = await all();
  const result = await work();
  const after = await all();
  return { result, cpuSeconds: after.map((seconds, index) => seconds - (before[index] ?? 0)) };
}
