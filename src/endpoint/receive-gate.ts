/**
 * Stands between a medium and the engine and keeps the promises of {@link ReplicatorConnection} that every transport
 * would otherwise have to keep by itself:
 *
 * Invariant: no message passes before the promise of `open` has resolved; what comes earlier waits, bounded.
 * Invariant: the engine hears of at most one end, after the messages that came before it, and of none after `shut`.
 * Invariant: a promise returned by `receive` resolves, at the latest when the gate is shut: no transport waits for ever.
 */
import { deferred, type Deferred } from '../base/index.js';
import { MessagingError, type Message, type ReplicatorConnection } from './connection.js';

export interface ReceiveGateOptions {
  /** How many bytes may wait for `open`. @default 1 MiB + 64 KiB */
  readonly maxHeldBytes?: number;
  /** Called once when more than that arrives; the message is dropped. The owner is expected to end the connection. */
  readonly onOverflow: (error: MessagingError) => void;
}

export class ReceiveGate implements ReplicatorConnection {
  /** The engine; `undefined` once it must not be called any more. */
  #target: ReplicatorConnection | undefined;
  readonly #options: ReceiveGateOptions;
  /** False until `open` has resolved and what was held has passed. */
  #passing = false;
  readonly #held: { readonly message: Message; readonly taken: Deferred<void> }[] = [];
  #heldBytes = 0;
  /** An end that was reported while messages were held. */
  #heldEnd: { readonly error: MessagingError | undefined } | undefined;
  /** Promises given to the transport whose message the engine has not taken yet. */
  readonly #waiting = new Set<Deferred<void>>();

  constructor(target: ReplicatorConnection, options: ReceiveGateOptions) {
    this.#target = target;
    this.#options = options;
  }

  /** Whether the engine asked for a pause, or has not opened yet: then silence is not the peer's. */
  get paused(): boolean {
    return this.#waiting.size > 0 || this.#held.length > 0;
  }

  /**
   * Wraps the promise that `open` returns: the gate lets messages pass right after the caller has been told.
   * Return its result from a function that is not `async`, which would tell the caller some microtasks too late.
   */
  during(opening: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      opening.then(
        () => {
          resolve();
          queueMicrotask(() => this.#pass()); // behind the reactions to resolve()
        },
        (error: unknown) => {
          this.shut();
          // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- passes on what it was given
          reject(error);
        },
      );
    });
  }

  receive(message: Message): void | Promise<void> {
    if (this.#target === undefined || this.#heldEnd !== undefined) return;
    if (this.#passing) return this.#hand(this.#target, message);
    const maxHeldBytes = this.#options.maxHeldBytes ?? DEFAULT_MAX_HELD_BYTES;
    if (this.#heldBytes + message.length > maxHeldBytes) {
      this.#options.onOverflow(
        bufferFullError(`more than ${maxHeldBytes} bytes arrived before the connection was open`),
      );
      return;
    }
    this.#heldBytes += message.length + HELD_MESSAGE_COST;
    const taken = deferred();
    this.#held.push({ message, taken });
    return taken.promise;
  }

  close(error?: MessagingError): void {
    if (this.#target === undefined || this.#heldEnd !== undefined) return;
    if (!this.#passing) {
      this.#heldEnd = { error };
      return;
    }
    const target = this.#target;
    this.shut();
    target.close(error);
  }

  /** Nothing passes any more. To be called when the engine closes the connection itself. Idempotent. */
  shut(): void {
    this.#target = undefined;
    for (const { taken } of this.#held.splice(0)) taken.resolve();
    for (const waiting of this.#waiting) waiting.resolve();
    this.#waiting.clear();
  }

  #pass(): void {
    // The engine may be called into here and cause further messages, so the list is read until it is empty.
    for (let next = this.#held.shift(); next !== undefined; next = this.#held.shift()) {
      if (this.#target === undefined) {
        next.taken.resolve();
        continue;
      }
      const taken = this.#hand(this.#target, next.message);
      if (taken === undefined) next.taken.resolve();
      else void taken.then(() => next.taken.resolve());
    }
    this.#heldBytes = 0;
    this.#passing = true;
    const end = this.#heldEnd;
    this.#heldEnd = undefined;
    if (end !== undefined) this.close(end.error);
  }

  #hand(target: ReplicatorConnection, message: Message): void | Promise<void> {
    const taken = target.receive(message);
    if (taken === undefined) return;
    const waiting = deferred();
    this.#waiting.add(waiting);
    const done = (): void => {
      this.#waiting.delete(waiting);
      waiting.resolve();
    };
    taken.then(done, done);
    return waiting.promise;
  }
}

/** The error for a transport that goes on delivering although it was asked to wait. */
export function bufferFullError(message: string): MessagingError {
  return new MessagingError('CONNECTION_BUFFER_FULL', message, { recoverable: true });
}

const DEFAULT_MAX_HELD_BYTES = 1_048_576 + 65_536;
/** What a waiting message costs beside its bytes, so that many empty ones are bounded too. */
const HELD_MESSAGE_COST = 64;
