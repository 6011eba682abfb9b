/**
 * When the checkpoints of a session are saved (specification 4.4): some seconds after something changed, sooner when nothing
 * was saved for as long, and at once when somebody asks. A link that carries a small update now and then would otherwise carry
 * a checkpoint with each, and write it to both disks. One save is under way at a time, and calls during it share the one after
 * it, however long it takes.
 */
import { deferred, type Clock, type Timer } from '../base/index.js';
import { CHECKPOINT_DOCUMENTS, CHECKPOINT_INTERVAL_MS } from './tuning.js';

export interface CheckpointSaverOptions {
  readonly clock: Clock;
  /** Saves what changed. */
  readonly saveAll: () => Promise<void>;
  /** A save that nobody waits for has failed. */
  readonly onFailed: (error: unknown) => void;
}

export class CheckpointSaver {
  readonly #options: CheckpointSaverOptions;
  #saving: Promise<void> = Promise.resolve();
  /** The save that has not begun yet. */
  #queued: Promise<void> | undefined;
  #timer: Timer | undefined;
  /** When it was last saved, on the monotonic clock. */
  #savedAt = Number.NEGATIVE_INFINITY;
  #completed = 0;
  #savedCompleted = 0;
  #isClosed = false;

  constructor(options: CheckpointSaverOptions) {
    this.#options = options;
  }

  /**
   * Something changed: it is saved some seconds later, or now if much was done since the last time. A link that is cut then
   * has little to compare anew, however fast it was.
   * @param completed documents done in this session
   */
  schedule(completed: number): void {
    if (this.#isClosed) return;
    this.#completed = completed;
    if (completed - this.#savedCompleted >= CHECKPOINT_DOCUMENTS) return this.saveSoon();
    if (this.#timer !== undefined) return;
    this.#timer = this.#options.clock.setTimer(CHECKPOINT_INTERVAL_MS, () => {
      this.#timer = undefined;
      this.saveSoon();
    });
  }

  /** Everything is done for now: saves at once, unless that was done a moment ago. */
  settled(): void {
    if (this.#options.clock.monotonic() - this.#savedAt >= CHECKPOINT_INTERVAL_MS) this.saveSoon();
    else this.schedule(this.#completed);
  }

  /** As {@link save}, for nobody who would hear of a failure. */
  saveSoon(): void {
    this.save().catch((error: unknown) => this.#options.onFailed(error));
  }

  /** Resolves when all that had changed before the call is saved. */
  save(): Promise<void> {
    if (this.#queued !== undefined) return this.#queued;
    const next = this.#saving.then(() => {
      this.#queued = undefined;
      this.#savedAt = this.#options.clock.monotonic();
      this.#savedCompleted = this.#completed;
      return this.#options.saveAll();
    });
    this.#queued = next;
    this.#saving = next.catch(() => undefined);
    return next;
  }

  /** Saves if the peer still answers in good time; never rejects. */
  async saveBriefly(ended: Promise<unknown>): Promise<void> {
    const limit = deferred();
    const timer = this.#options.clock.setTimer(SAVE_BEFORE_STOP_MS, () => limit.resolve());
    await Promise.race([this.save().catch(() => undefined), limit.promise, ended]);
    timer.cancel();
  }

  /** Nothing is saved by itself any more. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}

const SAVE_BEFORE_STOP_MS = 2_000;
