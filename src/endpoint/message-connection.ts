/**
 * An optional base class for connections: it holds the status, the order of sends and the once-only close, and leaves a
 * medium four hooks. It knows no medium, and nobody has to use it: the engine sees {@link MessageEndpointConnection} only.
 *
 * Invariant: hooks run one at a time in this order: `openMedium`, any number of `sendMessage` (never two at once),
 * `closeMedium` if we are the ones who end it, `releaseMedium` always, once and last (`closeMedium` and `releaseMedium`
 * may come while an `openMedium` or `sendMessage` hangs).
 * Invariant: an end is reported once: by the rejected `open`, by `ReplicatorConnection.close`, or to whoever called `close`.
 */
import { checkInteger, deferred, type Clock, type Deferred } from '../base/index.js';
import { HawserError } from '../errors.js';
import {
  MessagingError,
  type Message,
  type MessageEndpointConnection,
  type ReplicatorConnection,
} from './connection.js';
import { lostError, notOpenError, toMessagingError } from './messaging-error.js';
import { ReceiveGate } from './receive-gate.js';

export type ConnectionStatus = 'new' | 'opening' | 'open' | 'closing' | 'closed';

export interface MessageConnectionOptions {
  readonly clock: Clock;
  /** The largest message that `send` accepts, in bytes. */
  readonly maxMessageSize: number;
  /** How long a farewell may take, the messages still queued included. @default 5,000 (specification 1.6) */
  readonly closeTimeoutMs?: number;
}

export abstract class MessageConnection implements MessageEndpointConnection {
  protected readonly clock: Clock;
  readonly maxMessageSize: number;
  readonly #closeTimeoutMs: number;
  #status: ConnectionStatus = 'new';
  /** The way to the engine, from `open` on. */
  #gate: ReceiveGate | undefined;
  /** Settles the promise of `open`. */
  #opening: Deferred<void> | undefined;
  /** Messages handed over and not yet taken by the medium; the first is with `sendMessage`. Bounded by the caller, who awaits. */
  readonly #queue: { readonly message: Message; readonly sent: Deferred<void> }[] = [];
  #pumping = false;
  /** Resolves when the queue is empty, for the one who closes. */
  #drained: Deferred<void> | undefined;
  /** Resolves when the medium ends while we are saying goodbye: there is nobody left to say it to. */
  readonly #mediumEnded = deferred();
  /** Why it ended, for an `open` that comes after. */
  #endError: MessagingError | undefined;
  #released: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: MessageConnectionOptions) {
    this.clock = options.clock;
    this.maxMessageSize = checkInteger('maxMessageSize', options.maxMessageSize, 1);
    this.#closeTimeoutMs = checkInteger('closeTimeoutMs', options.closeTimeoutMs ?? DEFAULT_CLOSE_TIMEOUT_MS, 0);
  }

  /** Connects. A rejection ends the connection; `close` may come while it is pending. */
  protected abstract openMedium(): Promise<void>;

  /** Hands one message to the medium; returns nothing if it takes more at once. A rejection ends the connection. */
  protected abstract sendMessage(message: Message): void | Promise<void>;

  /**
   * Tells the peer goodbye, after the messages before it. Called at most once, in any status (before `open` it refuses
   * the peer), and given up after the close timeout. `error` is the reason; without one it is an orderly end.
   */
  protected abstract closeMedium(error: MessagingError | undefined): void | Promise<void>;

  /** Lets go of everything, at once. `error` is why, if it was not orderly. */
  protected abstract releaseMedium(error: MessagingError | undefined): void | Promise<void>;

  // Not async: the gate has to know the very promise that the caller gets.
  open(replicatorConnection: ReplicatorConnection): Promise<void> {
    if (this.#status !== 'new') {
      const error = this.#gate === undefined && this.#endError !== undefined ? this.#endError : undefined;
      return Promise.reject(error ?? notOpenError(`open: the connection is ${this.#status}; it can be opened once`));
    }
    this.#status = 'opening';
    const opening = deferred();
    this.#opening = opening;
    this.#gate = new ReceiveGate(replicatorConnection, { onOverflow: (error) => this.fail(error) });
    const opened = this.#gate.during(opening.promise);
    promiseOf(() => this.openMedium()).then(
      () => {
        if (this.#status !== 'opening') return;
        this.#status = 'open';
        opening.resolve();
      },
      (cause: unknown) => this.end(toMessagingError(cause, 'the connection could not be opened')),
    );
    return opened;
  }

  send(message: Message): Promise<void> {
    if (!(message instanceof Uint8Array)) {
      return Promise.reject(new HawserError('ARGUMENT_INVALID', 'send: a message must be a Uint8Array'));
    }
    if (this.#status !== 'open') {
      return Promise.reject(
        notOpenError(`send: the connection is ${this.#status === 'new' ? 'not open yet' : this.#status}`),
      );
    }
    if (message.length > this.maxMessageSize) {
      return Promise.reject(
        new MessagingError(
          'CONNECTION_MESSAGE_TOO_LARGE',
          `send: a message of ${message.length} bytes exceeds the limit of ${this.maxMessageSize}`,
          { recoverable: false },
        ),
      );
    }
    const sent = deferred();
    this.#queue.push({ message, sent });
    if (!this.#pumping) void this.#pump();
    return sent.promise;
  }

  close(error?: MessagingError): Promise<void> {
    this.#closed ??= this.#shutDown(error);
    return this.#closed;
  }

  /** For the hooks. */
  protected get status(): ConnectionStatus {
    return this.#status;
  }

  /** Whether what was delivered has not been taken yet, so that a medium which stopped reading knows why it is quiet. */
  protected get paused(): boolean {
    return this.#gate?.paused ?? false;
  }

  /** The medium brought a message, which now belongs to the engine. Stop reading until a returned promise resolves. */
  protected deliver(message: Message): void | Promise<void> {
    return this.#gate?.receive(message);
  }

  /** The medium is gone: nobody is left to be told goodbye. Idempotent, allowed in every status. */
  protected end(error?: MessagingError): void {
    this.#finish(error, undefined);
  }

  /** We end it because of `error`, and the peer is told. Idempotent, allowed in every status. */
  protected fail(error: MessagingError): void {
    this.#finish(error, () => this.#sayGoodbye(error, false));
  }

  #finish(error: MessagingError | undefined, goodbye: (() => Promise<void>) | undefined): void {
    if (this.#status === 'closing') this.#mediumEnded.resolve();
    if (this.#status === 'closing' || this.#status === 'closed') return;
    const reason = error ?? lostError('the connection ended');
    this.#status = 'closed';
    this.#endError = reason;
    this.#dropQueue(reason);
    this.#opening?.reject(reason);
    this.#released = goodbye === undefined ? this.#release(error) : goodbye().then(() => this.#release(error));
    this.#gate?.close(error);
  }

  async #shutDown(error: MessagingError | undefined): Promise<void> {
    this.#gate?.shut();
    if (this.#status === 'closed') return this.#released;
    const flush = this.#status === 'open' && error === undefined;
    this.#status = 'closing';
    this.#opening?.reject(error ?? notOpenError('open: the connection was closed while it was opening'));
    if (!flush) this.#dropQueue(notOpenError('send: the connection was closed before the message was sent'));
    await this.#sayGoodbye(error, flush);
    this.#status = 'closed';
    this.#dropQueue(notOpenError('send: the connection was closed before the message was sent'));
    await this.#release(error);
  }

  async #sayGoodbye(error: MessagingError | undefined, flush: boolean): Promise<void> {
    const timeout = deferred();
    const timer = this.clock.setTimer(this.#closeTimeoutMs, () => timeout.resolve());
    const goodbye = async (): Promise<void> => {
      if (flush && this.#pumping) await (this.#drained ??= deferred()).promise;
      await this.closeMedium(error);
    };
    await Promise.race([goodbye().catch(ignore), this.#mediumEnded.promise, timeout.promise]);
    timer.cancel();
  }

  async #release(error: MessagingError | undefined): Promise<void> {
    await promiseOf(() => this.releaseMedium(error)).catch(ignore);
  }

  async #pump(): Promise<void> {
    this.#pumping = true;
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      try {
        const taken = this.sendMessage(next.message);
        if (taken !== undefined) await taken;
      } catch (cause) {
        const error = toMessagingError(cause, 'a message could not be sent');
        this.end(error);
        this.#dropQueue(error); // in case we were closing already
      }
      if (this.#queue[0] !== next) break; // the queue was dropped
      this.#queue.shift();
      next.sent.resolve();
    }
    this.#pumping = false;
    this.#drained?.resolve();
  }

  #dropQueue(error: MessagingError): void {
    for (const { sent } of this.#queue.splice(0)) sent.reject(error);
  }
}

const DEFAULT_CLOSE_TIMEOUT_MS = 5_000;

const ignore = (): void => undefined;

/** Runs `hook` now; what it throws becomes a rejection. */
async function promiseOf(hook: () => void | Promise<void>): Promise<void> {
  await hook();
}
