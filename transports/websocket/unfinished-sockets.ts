/**
 * The sockets of a listener that are not yet WebSockets: in TLS, in HTTP, waiting for a password to be checked, or refused and
 * not yet gone. Each is a pending handshake of the engine, which has the limits and the deadline for the whole way.
 *
 * A TLS socket and the TCP socket below it are the same connection here: both are known by their addresses.
 */
import type { Socket } from 'node:net';
import { HawserError, type PendingHandshake, type PendingHandshakes } from '../../src/index.js';

interface Unfinished {
  /** The one that came in. */
  readonly socket: Socket;
  readonly handshake: PendingHandshake;
}

export class UnfinishedSockets {
  readonly #handshakes: PendingHandshakes;
  readonly #unfinished = new Map<string, Unfinished>();

  constructor(handshakes: PendingHandshakes) {
    this.#handshakes = handshakes;
  }

  /** A connection has come in. */
  add(socket: Socket): void {
    const key = keyOf(socket);
    if (key === undefined) return void socket.destroy(); // gone already
    // The addresses can only be in use again if the one before is gone, unnoticed because nothing was read from it.
    const before = this.#unfinished.get(key);
    if (before !== undefined) {
      this.#lost(key, before);
      before.socket.destroy();
    }
    const entry: Unfinished = {
      socket,
      handshake: this.#handshakes.begin(socket.remoteAddress, () => {
        this.#remove(key, entry);
        socket.destroy();
      }),
    };
    this.#unfinished.set(key, entry);
    socket.once('close', () => this.#lost(key, entry));
  }

  /** It will not be let in. Its deadline goes on. */
  refuse(socket: Socket, error: HawserError): void {
    this.#of(socket)?.handshake.refuse(error);
  }

  /** It is a WebSocket now. False if it is too late for that. */
  finish(socket: Socket): boolean {
    const entry = this.#of(socket);
    entry?.handshake.finish();
    return entry !== undefined;
  }

  /** Fires when nobody waits for an answer any more. */
  signalOf(socket: Socket): AbortSignal | undefined {
    return this.#of(socket)?.handshake.signal;
  }

  #of(socket: Socket): Unfinished | undefined {
    return this.#unfinished.get(keyOf(socket) ?? '');
  }

  #lost(key: string, entry: Unfinished): void {
    entry.handshake.refuse(new HawserError('CONNECTION_LOST', 'the peer went away before it was let in'));
    entry.handshake.finish();
    this.#remove(key, entry);
  }

  #remove(key: string, entry: Unfinished): void {
    if (this.#unfinished.get(key) === entry) this.#unfinished.delete(key);
  }
}

/** Undefined for one that is gone: what became of it is told by the socket that came in. */
function keyOf({ localAddress, remoteAddress, remotePort }: Socket): string | undefined {
  return remoteAddress === undefined ? undefined : `${localAddress} ${remoteAddress} ${remotePort}`;
}
