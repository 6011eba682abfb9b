/** The handle of a peer of `peer-process.mjs`, on this processor or on an emulated one. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { deferred, type Deferred } from '../../src/index.js';
import { cleanup } from '../support/cleanup.js';

/** ID and revision of a document; null if it was deleted. */
export type Revision = readonly [id: string, revisionID: string | null];

export interface Contents {
  readonly documents: readonly (readonly [id: string, revisionID: string, text: string, blobDigest: string | null])[];
  readonly tombstones: readonly (readonly [id: string, revisionID: string])[];
}

/** Where an emulated peer runs: the copy of the package, and the program in it that is its Node. */
export interface Machine {
  readonly stage: string;
  readonly node: string;
}

interface Message {
  readonly number?: number;
  readonly result?: unknown;
  readonly error?: string;
  readonly status?: string;
}

const PROGRAM = 'test/arm/peer-process.mjs';
const repository = fileURLToPath(new URL('../..', import.meta.url));

export class Peer {
  readonly #process: ChildProcess;
  readonly #ended: Promise<string>;
  /** What its replicator said, for failures. */
  readonly #statuses: string[] = [];
  /** What it was told and has not answered, by number. */
  readonly #pending = new Map<number, Deferred<unknown>>();
  #errors = '';
  #numbers = 0;

  /** @param machine undefined for one on this processor */
  constructor(context: TestContext, machine: Machine | undefined) {
    const { stage, ...node } = machine ?? { stage: repository };
    // Without `execArgv` it would inherit ours, and with them the compiler that runs us.
    const options = { execArgv: [], ...('node' in node ? { execPath: node.node } : {}) };
    this.#process = fork(join(stage, PROGRAM), [], {
      ...options,
      cwd: stage,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#errors += text));
    this.#process.on('message', (message: Message) => this.#receive(message));
    this.#ended = once(this.#process, 'close').then(([code, signal]) => String(code ?? signal));
    cleanup(context, () => this.kill());
  }

  /** Has it do something and resolves to the result; rejects with its error, and if it ends before. */
  do<T = object>(command: string, parameters: object = {}): Promise<T> {
    const number = ++this.#numbers;
    const answer = deferred<unknown>();
    this.#pending.set(number, answer);
    const ended = this.#ended.then((how): never => {
      throw new Error(`the process ended with ${how} during ${command}: ${this.#errors}`);
    });
    this.#process.send({ ...parameters, number, command }, () => undefined);
    return Promise.race([answer.promise, ended]) as Promise<T>;
  }

  #receive({ number, result, error, status }: Message): void {
    if (status !== undefined) this.#statuses.push(status);
    const answer = this.#pending.get(number ?? 0);
    if (error === undefined) answer?.resolve(result);
    else answer?.reject(new Error(error));
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#ended;
  }

  /** Ends it in order. Resolves to its exit status and what it wrote to standard error. */
  async leave(): Promise<{ readonly status: string; readonly errors: string }> {
    // Where this end lets go, Node never tells that the process has closed.
    this.#process.send({ command: 'leave' });
    return { status: await this.#ended, errors: this.#errors };
  }

  /** What its replicator said last. */
  get statuses(): string {
    return this.#statuses.slice(-12).join(', ');
  }
}
