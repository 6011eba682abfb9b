/**
 * One WebSocket as a connection of the engine, from either side: the client's is opened here, the listener's comes
 * upgraded. A BLIP frame is a WebSocket message (specification 1.6); pings, pongs and close frames stay in here.
 *
 * Invariant: the WebSocket is paused until the engine listens and while the engine wants a rest, so what the peer sends
 * waits in the kernel's buffers and then at the peer, not here.
 */
import type { Socket } from 'node:net';
import type { RawData, WebSocket } from 'ws';
import {
  closeCodeToError,
  errorToCloseCode,
  Heartbeat,
  MessageConnection,
  MessagingError,
  type Clock,
  type Message,
} from '../../src/index.js';
import { codeOf } from './network-errors.js';
import { MAX_MESSAGE_SIZE } from './web-socket-options.js';

/** A WebSocket that is upgraded and paused, with the socket it runs on. */
export interface UpgradedSocket {
  readonly webSocket: WebSocket;
  readonly socket: Socket;
}

/** Opens a WebSocket. Rejects with a {@link MessagingError}, or with the reason of `signal`, and leaves nothing open then. */
export type Connect = (signal: AbortSignal) => Promise<UpgradedSocket>;

export interface WebSocketConnectionOptions {
  readonly clock: Clock;
  /** How long nothing may arrive before the peer is probed. In milliseconds. */
  readonly heartbeatMs: number;
}

export class WebSocketConnection extends MessageConnection {
  readonly #heartbeat: Heartbeat;
  /** Absent for a connection that was accepted. */
  readonly #connect: Connect | undefined;
  /** Fires when the opening is not wanted any more. */
  readonly #abandon = new AbortController();
  /** Settles when `#connect` has, one way or the other. */
  #connecting: Promise<unknown> = Promise.resolve();
  #link: UpgradedSocket | undefined;
  /** Resolves when the WebSocket is closed and its socket too. */
  #ended: Promise<void> = Promise.resolve();
  /** What the socket said last, for an end that the peer gave no reason for. */
  #socketError: unknown;
  /** Messages that the engine has not taken yet. */
  #untaken = 0;
  #corked = false;

  /** @param source how to open it, or what a listener has accepted */
  constructor(source: Connect | UpgradedSocket, options: WebSocketConnectionOptions) {
    super({ clock: options.clock, maxMessageSize: MAX_MESSAGE_SIZE });
    this.#heartbeat = new Heartbeat({
      clock: options.clock,
      heartbeatMs: options.heartbeatMs,
      isReading: () => !this.paused,
      onProbe: () => this.#link?.webSocket.ping(),
      onSilent: (silentMs) => this.end(silent(silentMs)),
    });
    this.#connect = typeof source === 'function' ? source : undefined;
    if (typeof source !== 'function') this.#attach(source);
  }

  get protocol(): string | undefined {
    return this.#link?.webSocket.protocol;
  }

  protected async openMedium(): Promise<void> {
    if (this.#connect !== undefined) {
      const connecting = this.#connect(this.#abandon.signal);
      this.#connecting = connecting.catch(() => undefined);
      this.#attach(await connecting);
      if (this.status !== 'opening') return; // closed in the very moment: `releaseMedium` lets go of the link
    }
    this.#heartbeat.start();
    this.#link?.webSocket.resume();
  }

  protected sendMessage(message: Message): void | Promise<void> {
    const link = this.#link;
    if (link === undefined || link.webSocket.readyState !== link.webSocket.OPEN) return this.#lost();
    const { webSocket } = link;
    this.#cork(link.socket);
    if (webSocket.bufferedAmount < HIGH_WATER_MARK) return webSocket.send(message);
    return new Promise((resolve, reject) => {
      webSocket.send(message, (error) => {
        if (error) this.#lost(error).catch(reject);
        else resolve();
      });
    });
  }

  protected async closeMedium(error: MessagingError | undefined): Promise<void> {
    if (this.#link === undefined) return;
    const { webSocket } = this.#link;
    const { code, reason } = errorToCloseCode(error);
    webSocket.close(code, reason);
    webSocket.resume(); // to see the peer's close frame; messages before it go nowhere
    await this.#ended;
  }

  protected async releaseMedium(error: MessagingError | undefined): Promise<void> {
    this.#heartbeat.stop();
    this.#abandon.abort(error);
    await this.#connecting;
    this.#link?.webSocket.terminate();
    await this.#ended;
  }

  #attach(link: UpgradedSocket): void {
    const { webSocket, socket } = link;
    this.#link = link;
    this.#ended = new Promise((resolve) => {
      webSocket.once('close', (code: number, reason: Buffer) => {
        this.end(this.#endError(code, reason.toString('utf8')));
        resolve();
      });
    });
    webSocket.on('message', (data) => this.#take(webSocket, data));
    webSocket.on('error', (error) => this.fail(violation(error)));
    // Every byte counts as a sign of life, so that one long message over a slow line does.
    socket.on('data', () => this.#heartbeat.heard());
    socket.on('error', (error) => (this.#socketError = error));
  }

  /** Rejects once the end has been reported: the peer's reason, which may be on its way, is better than ours. */
  async #lost(cause?: unknown): Promise<never> {
    await this.#ended;
    throw new MessagingError('CONNECTION_LOST', 'the connection ended', { recoverable: true, cause });
  }

  #take(webSocket: WebSocket, data: RawData): void {
    const taken = this.deliver(bytesOf(data));
    if (taken === undefined) return;
    this.#untaken++;
    webSocket.pause();
    void taken.then(() => {
      if (--this.#untaken === 0) webSocket.resume();
    });
  }

  #endError(code: number, reason: string): MessagingError {
    const error = closeCodeToError(code, reason);
    const socketCode = codeOf(this.#socketError);
    if (socketCode === undefined || error.code !== 'CONNECTION_LOST') return error;
    return new MessagingError(error.code, `${error.message} (${socketCode})`, {
      recoverable: true,
      cause: this.#socketError,
    });
  }

  /** Lets messages that are sent in one turn of the event loop leave in one write, and one TLS record. */
  #cork(socket: Socket): void {
    if (this.#corked) return;
    this.#corked = true;
    socket.cork();
    process.nextTick(() => {
      this.#corked = false;
      socket.uncork();
    });
  }
}

/** Above this much unsent data nobody is told that more is welcome (specification 1.6). */
const HIGH_WATER_MARK = 65_536;

/** A plain array of bytes: the methods of a `Buffer` mean other things. */
function bytesOf(data: RawData): Uint8Array {
  const whole = Array.isArray(data) ? Buffer.concat(data) : data;
  return whole instanceof Uint8Array
    ? new Uint8Array(whole.buffer, whole.byteOffset, whole.length)
    : new Uint8Array(whole);
}

/** What `ws` found wrong with the peer's frames. */
function violation(error: Error): MessagingError {
  const code = codeOf(error) ?? '';
  if (code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' || code === 'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH') {
    const message = `the peer sent a message of more than ${MAX_MESSAGE_SIZE} bytes`;
    return new MessagingError('CONNECTION_MESSAGE_TOO_LARGE', message, {
      recoverable: false,
      closeCode: 1009,
      cause: error,
    });
  }
  const message = `the peer broke the rules of WebSocket: ${error.message}`;
  return new MessagingError('CONNECTION_PROTOCOL_ERROR', message, {
    recoverable: false,
    closeCode: 1002,
    cause: error,
  });
}

function silent(silentMs: number): MessagingError {
  const message = `nothing arrived for ${Math.round(silentMs / 1000)} s, not even an answer to a ping`;
  return new MessagingError('CONNECTION_LOST', message, { recoverable: true, closeCode: 1006 });
}
