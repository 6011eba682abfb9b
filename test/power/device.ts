/** A process of `device-process.mjs`, from outside: on a disk of its own, killed and started again, with its log book. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LogBook } from './log-book.js';

const PROCESS = fileURLToPath(new URL('device-process.mjs', import.meta.url));

export interface DeviceOptions {
  readonly name: string;
  readonly parent: string;
  readonly fullSync: boolean;
  readonly role: 'listen' | 'replicate';
  readonly env?: NodeJS.ProcessEnv;
}

export class Device {
  readonly name: string;
  /** The folder of its database. */
  readonly folder: string;
  readonly fullSync: boolean;
  readonly book = new LogBook();
  readonly #role: 'listen' | 'replicate';
  readonly #env: NodeJS.ProcessEnv;
  #child: ChildProcessWithoutNullStreams | undefined;
  #ended: Promise<unknown> = Promise.resolve();
  #errors = '';
  #told = 0;
  /** Codes of saves that were refused. */
  readonly refusals = new Set<string>();
  /** What its replicator told of itself, each as `ACTIVITY CODE`. */
  readonly statuses: string[] = [];
  #look: (line: string) => void = () => undefined;

  /** @param parent the folder that its own lies in */
  constructor({ name, parent, fullSync, role, env = {} }: DeviceOptions) {
    this.name = name;
    this.folder = join(parent, name);
    this.fullSync = fullSync;
    this.#role = role;
    this.#env = env;
  }

  get log(): string {
    return join(this.folder, 'db.sqlite3-wal');
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  /** @returns the port that it listens on, if it does */
  async start(port: string): Promise<string> {
    const mode = this.fullSync ? 'full' : 'normal';
    const child = spawn(process.execPath, [PROCESS, this.name, this.folder, mode, this.#role, port], {
      stdio: 'pipe',
      env: { ...process.env, NODE_TEST_CONTEXT: undefined, ...this.#env },
    });
    this.#child = child;
    this.#ended = once(child, 'close');
    this.#errors = '';
    this.#told = 0;
    child.stdin.on('error', () => undefined); // killed before it could read
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#errors += text));
    // A pipe takes a line so short whole or not at all.
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.startsWith('status ')) this.statuses.push(line.slice(7));
      if (line.startsWith('failed ')) this.refusals.add(line.slice(7));
      if (/^(begin|saved|batch) /.test(line)) this.book.read(line);
      if (/^(saved|batch) /.test(line)) this.#told++;
      this.#look(line);
    });
    const [, actual = port] = await this.#until(/^open ?(\d*)$/);
    return actual;
  }

  tell(command: string): void {
    this.#child?.stdin.write(`${command}\n`);
  }

  /** Says something, and resolves to the answer. */
  async ask(command: string, answer: RegExp): Promise<RegExpExecArray> {
    const answered = this.#until(answer);
    this.tell(command);
    return answered;
  }

  /** Resolves when so many saves have been acknowledged since the start, or the process saves nothing more. */
  async saved(count: number): Promise<void> {
    while (this.#told < count && this.refusals.size === 0) await this.#until(/^(saved|batch|failed) /);
  }

  /** Ends it as a power cut would: no handler runs. Resolves when it is gone and everything it said has been read. */
  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL');
    await this.#ended;
    this.#child = undefined;
    this.#look = () => undefined;
  }

  async #until(wanted: RegExp): Promise<RegExpExecArray> {
    const found = new Promise<RegExpExecArray>((resolve) => {
      this.#look = (line) => {
        const match = wanted.exec(line);
        if (match !== null) resolve(match);
      };
    });
    const ended = this.#ended.then(() => {
      throw new Error(`${this.name} ended before it said ${wanted}: ${this.#errors}`);
    });
    ended.catch(() => undefined); // it may end later, when nobody waits any more
    return Promise.race([found, ended]);
  }
}
