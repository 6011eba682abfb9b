/**
 * A loopback link that forgets where a message began: what arrives is cut and joined at random places, as a serial line
 * or a TCP socket would. For testing whatever restores messages from a byte stream.
 */
import { checkInteger, concatBytes, type RandomSource } from '../../base/index.js';
import type { Message, MessageEndpointConnection, MessagingError, ReplicatorConnection } from '../connection.js';
import { notOpenError } from '../messaging-error.js';
import { loopbackPair, type LoopbackOptions, type LoopbackPair } from './loopback-pair.js';

export interface LoopbackByteStreamOptions extends LoopbackOptions {
  /** Decides where the bytes are cut: the same seed, the same cuts. */
  readonly random: RandomSource;
  /** The longest chunk that arrives, in bytes. @default 1,500 */
  readonly maxChunkSize?: number;
}

/** Two ends of a fresh link whose messages are chunks of a byte stream. */
export function loopbackByteStreamPair(options: LoopbackByteStreamOptions): LoopbackPair {
  const { random, maxChunkSize = DEFAULT_MAX_CHUNK_SIZE, ...loopbackOptions } = options;
  checkInteger('maxChunkSize', maxChunkSize, 1);
  const pair = loopbackPair(loopbackOptions);
  return {
    a: new RechunkedConnection(pair.a, random, maxChunkSize),
    b: new RechunkedConnection(pair.b, random, maxChunkSize),
    cut: pair.cut,
  };
}

class RechunkedConnection implements MessageEndpointConnection {
  readonly #inner: MessageEndpointConnection;
  readonly #random: RandomSource;
  readonly #maxChunkSize: number;
  #target: ReplicatorConnection | undefined;
  #isOpened = false;
  /** What arrived and was not cut yet: {@link PAUSE_ABOVE_BYTES} and one message at most. */
  #waiting: Message[] = [];
  #waitingBytes = 0;
  #running: Promise<void> | undefined;

  constructor(inner: MessageEndpointConnection, random: RandomSource, maxChunkSize: number) {
    this.#inner = inner;
    this.#random = random;
    this.#maxChunkSize = maxChunkSize;
  }

  open(replicatorConnection: ReplicatorConnection): Promise<void> {
    if (this.#isOpened) return Promise.reject(notOpenError('open: a connection can be opened once'));
    this.#isOpened = true;
    this.#target = replicatorConnection;
    return this.#inner.open({ receive: (bytes) => this.#take(bytes), close: (error) => void this.#end(error) });
  }

  send(chunk: Message): Promise<void> {
    return this.#inner.send(chunk);
  }

  close(error?: MessagingError): Promise<void> {
    this.#target = undefined;
    return this.#inner.close(error);
  }

  #take(bytes: Message): void | Promise<void> {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#running ??= this.#run();
    if (this.#waitingBytes > PAUSE_ABOVE_BYTES) return this.#running;
  }

  async #run(): Promise<void> {
    await Promise.resolve(); // what arrives in the same turn is joined
    while (this.#waiting.length > 0) {
      const whole = concatBytes(this.#waiting);
      this.#waiting = [];
      this.#waitingBytes = 0;
      let at = 0;
      while (at < whole.length) {
        const size = 1 + Math.floor(this.#random.next() * this.#maxChunkSize);
        const taken = this.#target?.receive(whole.slice(at, at + size));
        at += size;
        if (taken !== undefined) await taken;
      }
    }
    this.#running = undefined;
  }

  async #end(error: MessagingError | undefined): Promise<void> {
    await this.#running;
    this.#target?.close(error);
  }
}

const DEFAULT_MAX_CHUNK_SIZE = 1_500;
const PAUSE_ABOVE_BYTES = 16_384;
