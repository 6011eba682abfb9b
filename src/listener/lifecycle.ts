/**
 * What can be started and stopped as often as one likes, by several callers at once: each start makes everything anew.
 *
 * Invariant: a start that failed was none, and one that was overtaken by a stop leaves nothing open.
 */
import { HawserError } from '../errors.js';

export interface LifecycleSteps<Running> {
  /** Opens everything, or rejects and leaves nothing open. */
  start(): Promise<Running>;
  stop(running: Running): Promise<void>;
}

interface Run<Running> {
  started: Promise<void>;
  /** Once it has started. */
  running: { readonly value: Running } | undefined;
}

export class Lifecycle<Running> {
  readonly #steps: LifecycleSteps<Running>;
  /** From `start` to `stop`. */
  #run: Run<Running> | undefined;
  /** The stop of the run before. */
  #stopping: Promise<void> = Promise.resolve();

  constructor(steps: LifecycleSteps<Running>) {
    this.#steps = steps;
  }

  /** What was started; undefined before that has been done and from the stop on. */
  get running(): Running | undefined {
    return this.#run?.running?.value;
  }

  /** Resolves at once if it is started already. Rejects as the step does, and with `LISTENER_STOPPED` if it is stopped meanwhile. */
  start(): Promise<void> {
    this.#run ??= this.#begin(this.#stopping);
    return this.#run.started;
  }

  /** Idempotent. Resolves when nothing is left open. */
  async stop(): Promise<void> {
    const run = this.#run;
    if (run !== undefined) {
      this.#run = undefined;
      this.#stopping = this.#end(run);
    }
    await this.#stopping;
  }

  #begin(after: Promise<void>): Run<Running> {
    const run: Run<Running> = { started: Promise.resolve(), running: undefined };
    const start = async (): Promise<void> => {
      await after;
      const value = await this.#steps.start();
      if (this.#run !== run) {
        await this.#steps.stop(value);
        throw new HawserError('LISTENER_STOPPED', 'the listener was stopped while it was starting');
      }
      run.running = { value };
    };
    const started = start();
    run.started = started.catch((error: unknown) => {
      if (this.#run === run) this.#run = undefined;
      throw error;
    });
    return run;
  }

  async #end(run: Run<Running>): Promise<void> {
    await run.started.catch(() => undefined);
    if (run.running !== undefined) await this.#steps.stop(run.running.value);
  }
}
