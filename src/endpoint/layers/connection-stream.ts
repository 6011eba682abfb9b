/**
 * A connection as a stream of bytes, for Node's TLS to run on: what is written leaves in messages of the size that every
 * medium carries, however the peer's are cut.
 *
 * Invariant: nothing is kept without bound. A write is done when the connection takes more; a message is answered with a
 * promise while the reader is behind, and what comes in spite of that ends the stream.
 */
import { Duplex } from 'node:stream';
import { concatBytes, deferred, type Deferred } from '../../base/index.js';
import {
  MIN_MAX_MESSAGE_SIZE,
  type Message,
  type MessageEndpointConnection,
  type MessagingError,
} from '../connection.js';
import { toMessagingError } from '../messaging-error.js';
import { bufferFullError } from '../receive-gate.js';

export class ConnectionStream extends Duplex {
  readonly #inner: MessageEndpointConnection;
  readonly #maxBufferedBytes: number;
  /** Resolves when the reader has room again. */
  #room: Deferred<void> | undefined;
  #innerEnd: { readonly error: MessagingError | undefined } | undefined;
  #failure: MessagingError | undefined;

  constructor(inner: MessageEndpointConnection, maxBufferedBytes: number) {
    // Half-open: when the peer ends, what it said last is still to be read, and our own end is decided by the layer.
    super({ allowHalfOpen: true });
    this.#inner = inner;
    this.#maxBufferedBytes = maxBufferedBytes;
    this.on('error', () => undefined); // read from `failure`, by whoever sees the end
  }

  /** Opens the connection, and rejects as it does. Closing it is left to the owner of both. */
  open(): Promise<void> {
    return this.#inner.open({
      receive: (message) => this.#receive(message),
      close: (error) => {
        this.#innerEnd = { error };
        this.push(null);
      },
    });
  }

  /** How the connection ended, once it has. */
  get innerEnd(): { readonly error: MessagingError | undefined } | undefined {
    return this.#innerEnd;
  }

  /** Why the connection did not take a message, or could not be stopped from bringing more. */
  get failure(): MessagingError | undefined {
    return this.#failure;
  }

  override _read(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }

  override _writev(chunks: readonly { readonly chunk: Uint8Array }[], callback: (error?: Error | null) => void): void {
    this.#send(chunks.map(({ chunk }) => chunk)).then(
      () => callback(),
      (cause: unknown) => {
        this.#failure ??= toMessagingError(cause, 'the connection below TLS could not be written to');
        callback(this.#failure);
      },
    );
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#room?.resolve(); // nobody waits for a reader that has gone
    callback(error);
  }

  async #send(parts: readonly Uint8Array[]): Promise<void> {
    const [first] = parts;
    const bytes = parts.length === 1 && first !== undefined ? first : concatBytes(parts);
    for (let at = 0; at < bytes.length; at += MIN_MAX_MESSAGE_SIZE) {
      await this.#inner.send(bytes.subarray(at, at + MIN_MAX_MESSAGE_SIZE));
    }
  }

  #receive(message: Message): void | Promise<void> {
    if (this.destroyed || this.#innerEnd !== undefined || message.length === 0) return;
    if (this.readableLength + message.length > this.#maxBufferedBytes) {
      const text = `more than ${this.#maxBufferedBytes} bytes arrived while the connection below TLS was asked to wait`;
      this.#failure ??= bufferFullError(text);
      this.destroy(this.#failure);
      return;
    }
    if (this.push(message)) return;
    this.#room ??= deferred();
    return this.#room.promise;
  }
}
