/**
 * The connections of a listener that are not yet WebSockets: in TLS, in HTTP, waiting for a password to be checked, or
 * refused and not yet gone. Each has a deadline and their number a limit, so that strangers who connect and say nothing
 * cost little and keep nobody waiting.
 *
 * A TLS socket and the TCP socket below it are the same connection here: both are known by their addresses.
 */
import type { Socket } from 'node:net';
import type { Clock, Timer } from '../../src/index.js';

export interface HandshakesOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Told once for each connection that is given up. */
  readonly onGivenUp: (address: string, why: string) => void;
}

export class Handshakes {
  readonly #options: HandshakesOptions;
  /** Oldest first. */
  readonly #unfinished = new Map<string, { readonly socket: Socket; readonly timer: Timer }>();

  constructor(options: HandshakesOptions) {
    this.#options = options;
  }

  /** A connection has come in. */
  add(socket: Socket): void {
    const key = keyOf(socket);
    if (key === undefined) return void socket.destroy(); // gone already
    const { clock, timeoutMs } = this.#options;
    const giveUp = (why: string): void => {
      this.#options.onGivenUp(socket.remoteAddress ?? 'unknown', why);
      this.#remove(key, socket);
      socket.destroy();
    };
    const timer = clock.setTimer(timeoutMs, () => giveUp(`the handshake was not finished after ${timeoutMs} ms`));
    this.#unfinished.set(key, { socket, timer });
    socket.once('close', () => this.#remove(key, socket));
    if (this.#unfinished.size <= MAX_UNFINISHED) return;
    const [oldest] = this.#unfinished.values();
    if (oldest === undefined) return;
    this.#options.onGivenUp(
      oldest.socket.remoteAddress ?? 'unknown',
      `more than ${MAX_UNFINISHED} handshakes are unfinished`,
    );
    this.#drop(oldest.socket);
  }

  /** The connection is a WebSocket now. */
  finish(socket: Socket): void {
    const key = keyOf(socket);
    if (key !== undefined) this.#remove(key);
  }

  destroyAll(): void {
    for (const { socket } of [...this.#unfinished.values()]) this.#drop(socket);
  }

  #drop(socket: Socket): void {
    const key = keyOf(socket);
    if (key !== undefined) this.#remove(key);
    socket.destroy();
  }

  #remove(key: string, socket?: Socket): void {
    const entry = this.#unfinished.get(key);
    if (entry === undefined || (socket !== undefined && entry.socket !== socket)) return;
    entry.timer.cancel();
    this.#unfinished.delete(key);
  }
}

function keyOf({ localAddress, remoteAddress, remotePort }: Socket): string | undefined {
  return remoteAddress === undefined ? undefined : `${localAddress} ${remoteAddress} ${remotePort}`;
}

/** What a listener holds at most of connections that nobody has identified. */
const MAX_UNFINISHED = 128;
