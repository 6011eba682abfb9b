/**
 * The one machine on which an example is shown: it starts the programs of the devices as processes of their own, reads what they
 * say, kills and stops them, and leaves nothing behind, however it ends. The programs know nothing of it: they are configured by
 * their environment, write lines, and end at SIGTERM, as they do on a device.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

/** A line that a program has said, and where one looks on from. */
export interface Said {
  readonly match: RegExpExecArray;
  readonly next: number;
}

export class Stage {
  /** Where the databases are; removed in the end. */
  readonly folder: string;
  /** Fires when it is interrupted, or when a program fails: whatever is waited for is given up then. */
  readonly signal: AbortSignal;
  readonly #failure = new AbortController();
  readonly #programs: Program[] = [];
  readonly #endings: (() => Promise<void> | void)[] = [];
  readonly #patience: NodeJS.Timeout;

  constructor(folder: string, interruption: AbortSignal) {
    this.folder = folder;
    this.signal = AbortSignal.any([interruption, this.#failure.signal]);
    this.#patience = setTimeout(() => {
      this.#failure.abort(new Error(`nobody has said anything for ${PATIENCE_MS / 1_000} seconds`));
    }, PATIENCE_MS);
  }

  /** For people. */
  tell(text: string): void {
    console.log(text);
  }

  /** Starts a program with its settings. Passwords are in there and not on the command line, which everybody can read. */
  start(name: string, module: URL, settings: Readonly<Record<string, string>>): Program {
    this.signal.throwIfAborted();
    const program = new Program(name, module, settings, {
      signal: this.signal,
      onNews: () => this.#patience.refresh(),
      onLost: (error) => this.#failure.abort(error),
    });
    this.#programs.push(program);
    return program;
  }

  /** What is to be done in the end, the last one first; the programs have ended by then. */
  defer(ending: () => Promise<void> | void): void {
    this.#endings.push(ending);
  }

  /** Ends every program, and then what was deferred. Idempotent. */
  async end(): Promise<void> {
    clearTimeout(this.#patience);
    await Promise.all(this.#programs.map((program) => program.end(CLEANUP_TIMEOUT_MS)));
    for (const ending of this.#endings.splice(0).reverse()) await ending();
  }
}

interface Watcher {
  readonly signal: AbortSignal;
  readonly onNews: () => void;
  readonly onLost: (error: Error) => void;
}

/** A process as the one that started it sees it. */
export class Program {
  readonly name: string;
  readonly #process: ChildProcess;
  readonly #watcher: Watcher;
  readonly #lines: string[] = [];
  readonly #news = new EventEmitter().setMaxListeners(0);
  readonly #ended: Promise<void>;
  #isWanted = true;

  constructor(name: string, module: URL, settings: Readonly<Record<string, string>>, watcher: Watcher) {
    this.name = name;
    this.#watcher = watcher;
    this.#process = fork(fileURLToPath(module), {
      env: { ...process.env, ...settings },
      execArgv: [...process.execArgv, '--import', TIE],
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    running.add(this.#process);
    const output = createInterface(this.#process.stdout ?? Readable.from([]));
    output.on('line', (line) => this.#hear(line));
    // Not its event `close`, which waits for the tie as well.
    this.#ended = Promise.all([once(this.#process, 'exit'), once(output, 'close')]).then(() => {
      running.delete(this.#process);
      const { exitCode, signalCode } = this.#process;
      if (this.#isWanted) watcher.onLost(new Error(`${name} ended with ${signalCode ?? `status ${exitCode}`}`));
    });
  }

  /** How many lines it has said. */
  get said(): number {
    return this.#lines.length;
  }

  /** Resolves with the first line that matches, of those from `from` on that it has said or will say. */
  async line(pattern: RegExp, from = 0): Promise<Said> {
    for (let index = from; ; index++) {
      while (index >= this.#lines.length) {
        this.#watcher.signal.throwIfAborted();
        await once(this.#news, 'line', { signal: this.#watcher.signal });
      }
      const match = pattern.exec(this.#lines[index] ?? '');
      if (match !== null) return { match, next: index + 1 };
    }
  }

  /** Resolves when it has said `word` with a number that is large enough, such as `stored 40`. */
  async counted(word: string, least: number): Promise<void> {
    for (let from = 0, count = 0; count < least;) {
      const { match, next } = await this.line(new RegExp(`^${word} (\\d+)$`), from);
      count = Number(match[1]);
      from = next;
    }
  }

  /** The last number that it has said after `word`. */
  count(word: string): number {
    const line = this.#lines.filter((text) => new RegExp(`^${word} \\d+$`).test(text)).at(-1);
    return Number(line?.slice(word.length) ?? 0);
  }

  /** SIGKILL: it can say nothing and finish nothing. */
  async kill(): Promise<void> {
    this.#isWanted = false;
    this.#process.kill('SIGKILL');
    await this.#ended;
  }

  /** As a service manager does it: SIGTERM. Throws if it does not end well. */
  async stop(): Promise<void> {
    await this.end(STOP_TIMEOUT_MS);
    const { exitCode, signalCode } = this.#process;
    if (exitCode !== 0) throw new Error(`${this.name} ended with ${signalCode ?? `status ${exitCode}`}`);
  }

  /** The same, however it ends; SIGKILL when that takes too long. */
  async end(timeoutMs: number): Promise<void> {
    this.#isWanted = false;
    this.#process.kill('SIGTERM');
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), timeoutMs);
    await this.#ended;
    clearTimeout(timer);
  }

  #hear(line: string): void {
    this.#lines.push(line);
    if (!COUNTER.test(line)) console.log(`${this.name}: ${line}`);
    this.#watcher.onNews();
    this.#news.emit('line');
  }
}

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** `stored 40`: waited for, and not shown. */
const COUNTER = /^\w+ \d+$/;
const TIE = new URL('tie.mjs', import.meta.url).href;
const STOP_TIMEOUT_MS = 30_000;
/** What is left when the story is over, or was interrupted. */
const CLEANUP_TIMEOUT_MS = 3_000;
const PATIENCE_MS = 60_000;
