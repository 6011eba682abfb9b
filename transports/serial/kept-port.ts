/**
 * The port of a listener: opened again whenever it was lost, for an adapter that is unplugged comes back.
 *
 * Invariant: once `close` was called no callback comes, and when it has resolved nothing is open, and nothing will be.
 */
import { isHawserError, type Clock, type HawserError, type MessagingError, type Timer } from '../../src/index.js';
import { closeDrained } from './line-medium.js';
import { Port } from './port.js';
import type { SerialPortOptions } from './port-options.js';

export interface KeptPortOptions {
  readonly port: SerialPortOptions;
  readonly clock: Clock;
  readonly onData: (bytes: Uint8Array) => void;
  readonly onWritable: () => void;
  /** It is gone; it comes back by itself. */
  readonly onLost: (error: MessagingError) => void;
  readonly onReopened: () => void;
  /** Why it cannot be opened again, if not because it is not plugged in. Told once for each reason, however often it is tried. */
  readonly onProblem: (error: HawserError) => void;
}

export class KeptPort {
  readonly #options: KeptPortOptions;
  #port: Port | undefined;
  #timer: Timer | undefined;
  #isClosed = false;
  #reopening: Promise<void> = Promise.resolve();
  #lastProblem: string | undefined;

  constructor(options: KeptPortOptions) {
    this.#options = options;
  }

  /** Opens it for the first time. Rejects with a MessagingError: then it is not tried again. */
  async open(): Promise<void> {
    await this.#open();
  }

  get writable(): boolean {
    return this.#port?.writable === true;
  }

  write(bytes: Uint8Array): void {
    this.#port?.write(bytes);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#reopening;
    if (this.#port !== undefined) await closeDrained(this.#port, this.#options.clock);
    this.#port = undefined;
  }

  async #open(): Promise<void> {
    const { port: options, onData, onWritable } = this.#options;
    const unlessClosed = (tell: () => void): void => {
      if (!this.#isClosed) tell();
    };
    const port = new Port(options, {
      onData: (bytes) => unlessClosed(() => onData(bytes)),
      onWritable: () => unlessClosed(onWritable),
      onLost: (error) => unlessClosed(() => this.#lost(port, error)),
    });
    this.#port = port;
    try {
      await port.open();
    } catch (error) {
      this.#port = undefined;
      await port.close();
      throw error;
    }
  }

  #lost(port: Port, error: MessagingError): void {
    this.#port = undefined;
    this.#lastProblem = 'SERIAL_PORT_NOT_FOUND'; // that it is not there has just been said
    this.#options.onLost(error);
    this.#reopening = port.close();
    this.#tryLater();
  }

  #tryLater(): void {
    this.#timer = this.#options.clock.setTimer(PAUSE_MS, () => {
      this.#reopening = this.#reopening.then(() => this.#reopen());
    });
  }

  async #reopen(): Promise<void> {
    if (this.#isClosed) return;
    try {
      await this.#open();
    } catch (cause) {
      if (this.#isClosed) return;
      const error = isHawserError(cause) ? cause : undefined;
      if (error !== undefined && error.code !== this.#lastProblem) this.#options.onProblem(error);
      this.#lastProblem = error?.code;
      return this.#tryLater();
    }
    if (this.#isClosed || this.#port === undefined) return;
    this.#lastProblem = undefined;
    this.#options.onReopened();
  }
}

/** Between two attempts: an adapter that is plugged in is there within a second. */
const PAUSE_MS = 1_000;
