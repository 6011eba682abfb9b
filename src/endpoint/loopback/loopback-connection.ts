/**
 * One end of a loopback link. Made in pairs, by `loopbackPair` and `LoopbackEndpoint`. Reasons travel as WebSocket close
 * codes, so that an end sees what it would see of a remote peer.
 */
import { deferred, type Timer } from '../../base/index.js';
import { closeCodeToError, errorToCloseCode } from '../close-codes.js';
import { MessagingError, type Message } from '../connection.js';
import { MessageConnection, type MessageConnectionOptions } from '../message-connection.js';
import { lostError } from '../messaging-error.js';
import { Pipe, type PipeOptions, type PipeTarget } from './pipe.js';

export interface LoopbackConnectionOptions extends MessageConnectionOptions, PipeOptions {
  /** Called when this end is opened, before it waits for the other to be opened too. What it throws refuses the connection. */
  readonly onOpen?: () => void;
  /** How long it waits for the other end. @default for ever */
  readonly connectTimeoutMs?: number;
}

export class LoopbackConnection extends MessageConnection implements PipeTarget {
  readonly #options: LoopbackConnectionOptions;
  /** The other end, until this one is released. */
  #peer: LoopbackConnection | undefined;
  /** To the other end. */
  #pipe: Pipe | undefined;
  #isWaiting = false;
  readonly #connected = deferred();
  #timer: Timer | undefined;

  constructor(options: LoopbackConnectionOptions) {
    super(options);
    this.#options = options;
  }

  /** Ties two fresh ends together. */
  static tie(a: LoopbackConnection, b: LoopbackConnection): void {
    a.#peer = b;
    b.#peer = a;
    a.#pipe = new Pipe(b, a.#options);
    b.#pipe = new Pipe(a, b.#options);
  }

  /** A message came out of the pipe. */
  arrive(message: Message): void | Promise<void> {
    return this.deliver(message);
  }

  /** The goodbye came out of the pipe. */
  peerLeft(error: MessagingError | undefined): void {
    const { code, reason } = errorToCloseCode(error);
    this.end(closeCodeToError(code, reason));
  }

  /** The link broke without a word. */
  vanish(): void {
    this.end(lostError('the loopback link was cut'));
  }

  protected async openMedium(): Promise<void> {
    this.#options.onOpen?.();
    this.#isWaiting = true;
    const { connectTimeoutMs, latencyMs, clock } = this.#options;
    const peer = this.#peer;
    if (peer !== undefined && peer.#isWaiting) {
      const connect = (): void => {
        this.#connected.resolve();
        peer.#connected.resolve();
      };
      if (latencyMs === 0) connect();
      else this.#timer = clock.setTimer(latencyMs, connect);
    } else if (connectTimeoutMs !== undefined) {
      this.#timer = clock.setTimer(connectTimeoutMs, () => this.end(timeoutError(connectTimeoutMs)));
    }
    await this.#connected.promise;
    this.#timer?.cancel();
  }

  protected sendMessage(message: Message): void | Promise<void> {
    return this.#pipe?.push(new Uint8Array(message)); // a copy: the two ends share no memory
  }

  protected closeMedium(error: MessagingError | undefined): void | Promise<void> {
    return error === undefined ? this.#pipe?.pushGoodbye() : this.#pipe?.abort(error);
  }

  protected releaseMedium(): void {
    this.#timer?.cancel();
    this.#pipe?.drop();
    const peer = this.#peer;
    this.#peer = undefined;
    // One that was told goodbye has ended already. For one that was not, the link broke.
    if (peer !== undefined) queueMicrotask(() => peer.vanish());
  }
}

function timeoutError(timeoutMs: number): MessagingError {
  return new MessagingError('CONNECTION_TIMEOUT', `nobody accepted within ${timeoutMs / 1000} s`, {
    recoverable: true,
  });
}
