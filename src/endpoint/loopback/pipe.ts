/**
 * One direction of a loopback link: a bounded queue of messages on their way. Delivers by microtask, or after the
 * latency; never inside the call that sent.
 *
 * Invariant: at most `highWaterMark` bytes and one message are on their way to a receiver that does not take them, as
 * long as the sender waits for `push`.
 */
import { deferred, type Clock, type Deferred, type Timer } from '../../base/index.js';
import type { Message, MessagingError } from '../connection.js';

/** The end of a pipe. */
export interface PipeTarget {
  arrive(message: Message): void | Promise<void>;
  /** The other end said goodbye. The pipe carries nothing after it. */
  peerLeft(error: MessagingError | undefined): void;
}

export interface PipeOptions {
  readonly clock: Clock;
  readonly latencyMs: number;
  readonly highWaterMark: number;
}

interface InTransit {
  /** `undefined` for the goodbye. */
  readonly message: Message | undefined;
  readonly dueAt: number;
}

export class Pipe {
  readonly #target: PipeTarget;
  readonly #options: PipeOptions;
  readonly #queue: InTransit[] = [];
  #bytes = 0;
  #running = false;
  #ended = false;
  /** Resolves for the sender that waits until the queue is shorter. */
  #room: Deferred<void> | undefined;
  /** Resolves when the goodbye was delivered, or nothing will be any more. */
  readonly #told = deferred();
  #timer: Timer | undefined;

  constructor(target: PipeTarget, options: PipeOptions) {
    this.#target = target;
    this.#options = options;
  }

  /** Puts a message on its way; the pipe owns it. Resolves when there is room for another. */
  push(message: Message): void | Promise<void> {
    if (this.#ended) return;
    this.#bytes += message.length + MESSAGE_COST;
    this.#enqueue(message);
    if (this.#bytes <= this.#options.highWaterMark) return;
    this.#room ??= deferred();
    return this.#room.promise;
  }

  /** Says goodbye, behind the messages. Resolves when it arrived. */
  pushGoodbye(): Promise<void> {
    if (!this.#ended) this.#enqueue(undefined);
    return this.#told.promise;
  }

  /** Says goodbye for a reason, instead of the messages: nothing that is still on its way arrives. */
  async abort(error: MessagingError): Promise<void> {
    if (this.#ended) return;
    this.drop();
    await this.#sleep(this.#options.latencyMs);
    this.#target.peerLeft(error);
  }

  /** Nothing arrives any more. Idempotent. */
  drop(): void {
    this.#ended = true;
    this.#queue.length = 0;
    this.#timer?.cancel();
    this.#room?.resolve();
    this.#told.resolve();
  }

  #enqueue(message: Message | undefined): void {
    const { clock, latencyMs } = this.#options;
    this.#queue.push({ message, dueAt: latencyMs === 0 ? 0 : clock.monotonic() + latencyMs });
    if (this.#running) return;
    this.#running = true;
    queueMicrotask(() => void this.#run());
  }

  async #run(): Promise<void> {
    for (let next = this.#queue[0]; next !== undefined && !this.#ended; next = this.#queue[0]) {
      if (next.dueAt > 0) await this.#waitUntil(next.dueAt);
      if (this.#ended) break;
      if (next.message === undefined) {
        this.drop();
        this.#target.peerLeft(undefined);
        break;
      }
      const size = next.message.length;
      const taken = this.#target.arrive(next.message);
      if (taken !== undefined) await taken;
      if (this.#ended) break;
      this.#queue.shift();
      this.#bytes -= size + MESSAGE_COST;
      if (this.#bytes <= this.#options.highWaterMark) {
        this.#room?.resolve();
        this.#room = undefined;
      }
    }
    this.#running = false;
  }

  async #waitUntil(dueAt: number): Promise<void> {
    for (let left = this.#left(dueAt); left > 0 && !this.#ended; left = this.#left(dueAt)) await this.#sleep(left);
  }

  #left(dueAt: number): number {
    return dueAt - this.#options.clock.monotonic();
  }

  /** A dropped pipe never wakes from it. */
  async #sleep(delayMs: number): Promise<void> {
    if (delayMs === 0) return;
    const awake = deferred();
    this.#timer = this.#options.clock.setTimer(delayMs, () => awake.resolve());
    await awake.promise;
  }
}

/** What a message counts beside its bytes, so that empty ones are bounded too. */
export const MESSAGE_COST = 64;
