/**
 * What a run needs beside itself: a temporary folder, processes, relays. Invariant: all of it is gone when the run is over,
 * also after an error and after Ctrl-C.
 */
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Peer, type PeerOptions } from './peer.js';
import { CountingRelay } from './relay.js';

/** Those that are not cleared yet. */
const stages = new Set<Stage>();

/** Runs `work` on a stage of its own, which is cleared when it is over. */
export async function onStage<T>(work: (stage: Stage) => Promise<T>): Promise<T> {
  const stage = new Stage();
  try {
    return await work(stage);
  } finally {
    await stage.clear();
  }
}

/** Runs a command of the benchmarks. After Ctrl-C, or a SIGTERM, the stages are cleared and the process ends. */
export async function untilInterrupted(command: () => Promise<void>): Promise<void> {
  const interrupted = new Promise<number>((resolve) => {
    process.once('SIGINT', () => resolve(130)).once('SIGTERM', () => resolve(143));
  });
  // What the command makes of it, that its processes go away, is nobody's concern any more.
  const exitCode = await Promise.race([command(), interrupted]);
  if (exitCode === undefined) return;
  await Promise.all([...stages].map((stage) => stage.clear()));
  process.exit(exitCode);
}

export class Stage {
  readonly #folder = mkdtempSync(join(tmpdir(), 'hawser-bench-'));
  /** The last is undone first. */
  readonly #undo: (() => unknown)[] = [() => rm(this.#folder, { recursive: true, force: true })];
  #cleared: Promise<void> | undefined;

  /** For {@link onStage}. */
  constructor() {
    stages.add(this);
  }

  /** The path of a folder that is there for this run alone. It need not exist yet. */
  folder(name: string): string {
    return join(this.#folder, name);
  }

  peer(options?: PeerOptions): Peer {
    const peer = new Peer(options);
    this.after(() => peer.end());
    return peer;
  }

  async relay(port: number): Promise<CountingRelay> {
    const relay = await CountingRelay.to(port);
    this.after(() => relay.close());
    return relay;
  }

  /** Has something undone when the run is over. Throws if it is. */
  after(undo: () => unknown): void {
    if (this.#cleared !== undefined) {
      void undo();
      throw new Error('the run is over');
    }
    this.#undo.push(undo);
  }

  /** Idempotent. */
  clear(): Promise<void> {
    this.#cleared ??= this.#clear();
    return this.#cleared;
  }

  async #clear(): Promise<void> {
    const failures: unknown[] = [];
    for (let undo = this.#undo.pop(); undo !== undefined; undo = this.#undo.pop()) {
      try {
        await undo();
      } catch (error) {
        failures.push(error); // the rest goes all the same
      }
    }
    stages.delete(this);
    if (failures.length > 0) throw new AggregateError(failures, 'not everything of a run could be put away');
  }
}
