/**
 * A process of the demo as the one that started it sees it: started, listened to, killed or ended. Whatever happens to
 * the parent, the child ends: in order when told, at once when the parent exits, by itself when the tie to it breaks.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Order, Report } from './parent.js';

export interface StationOptions {
  /** For people. */
  readonly name: string;
  /** The module it runs, beside this one; or the URL of another. */
  readonly module: string;
  /** Options of Node. @default those of this process */
  readonly execArgv?: readonly string[];
  readonly args: readonly string[];
  /** Its settings. Passwords are in here, and not on the command line, which every user of the machine can read. */
  readonly settings: Readonly<Record<string, string>>;
  readonly onReport: (report: Report) => void;
  /** A line it wrote to standard error. */
  readonly onLine: (line: string) => void;
  /** It ended and nobody wanted it to. */
  readonly onLost: (error: Error) => void;
}

export class Station {
  readonly #process: ChildProcess;
  readonly #ended: Promise<void>;
  #isWanted = true;

  constructor({ name, module, execArgv = process.execArgv, args, settings, ...on }: StationOptions) {
    const { onReport, onLine, onLost } = on;
    this.#process = fork(fileURLToPath(new URL(module, import.meta.url)), args, {
      execArgv: [...execArgv],
      env: { ...process.env, ...settings },
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    });
    running.add(this.#process);
    this.#process.on('message', (message: Report) => onReport(message));
    const lines = createInterface(this.#process.stderr ?? Readable.from([]));
    lines.on('line', (line) => onLine(`${name}: ${line}`));
    // Not its event `close`, which does not come after `disconnect` has been called.
    this.#ended = Promise.all([once(this.#process, 'exit'), once(lines, 'close')]).then(
      () => {
        const { exitCode, signalCode } = this.#process;
        if (this.#isWanted)
          onLost(new Error(`the process of ${name} ended with ${signalCode ?? `status ${exitCode}`}`));
      },
      (error: unknown) => onLost(new Error(`the process of ${name} could not be started`, { cause: error })),
    );
    this.#process.once('exit', () => running.delete(this.#process));
  }

  /** Of its process; undefined if it could not be started. */
  get pid(): number | undefined {
    return this.#process.pid;
  }

  order(order: Order): void {
    if (this.#process.connected) this.#process.send(order, () => undefined);
  }

  /** SIGKILL: it can say nothing and finish nothing. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.#isWanted = false;
    this.#process.kill('SIGKILL');
    await this.#ended;
  }

  /** Lets it close its database and end; kills it if that takes too long. */
  async stop(): Promise<void> {
    this.#isWanted = false;
    if (this.#process.connected) this.#process.disconnect();
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await this.#ended;
    clearTimeout(timer);
  }
}

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

const STOP_TIMEOUT_MS = 5_000;
