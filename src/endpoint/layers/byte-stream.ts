/**
 * Whole messages over a connection that carries a stream of bytes: RFC 6455 framing without the HTTP upgrade
 * (specification 1.7). The active side frames as a WebSocket client, the passive one as a server; ping, pong and close
 * have their usual meaning. The inner connection speaks the same interface, with chunks of any size for messages.
 *
 * Invariant: frames leave one at a time and in order, control frames between messages; at most one pong waits.
 * Invariant: a chunk is answered with a promise until the engine has taken the messages in it.
 */
import { checkInteger, checkOptions, deferred, type Clock, type RandomSource } from '../../base/index.js';
import { HawserError } from '../../errors.js';
import { closeCodeToError, errorToCloseCode } from '../close-codes.js';
import { MessagingError, type Message, type MessageEndpointConnection } from '../connection.js';
import { MessageConnection } from '../message-connection.js';
import { lostError, toMessagingError } from '../messaging-error.js';
import { bufferFullError } from '../receive-gate.js';
import { Heartbeat } from './heartbeat.js';
import { encodeClosePayload, encodeFrame, FrameDecoder, Opcode, type FrameEvent } from './websocket-framing.js';

export interface ByteStreamOptions {
  /** The active side is the client, whose frames are masked. */
  readonly role: 'client' | 'server';
  readonly clock: Clock;
  /** Where masks come from. */
  readonly random: RandomSource;
  /** How long nothing may arrive before the peer is probed, in milliseconds; 0 for never. @default 300,000 */
  readonly heartbeatMs?: number;
  /** The largest message in either direction, in bytes. @default 1 MiB, which is also what a Couchbase Lite peer takes */
  readonly maxMessageSize?: number;
  /** What may wait when the medium goes on delivering while it is asked to pause, in bytes. @default 4 MiB */
  readonly maxBufferedBytes?: number;
  /** How long the close handshake may take, in milliseconds. @default 5,000 */
  readonly closeTimeoutMs?: number;
}

/**
 * Wraps `inner`, a connection whose messages are chunks of a byte stream, into one that carries whole messages. `inner`
 * belongs to the result, which opens and closes it.
 *
 * @throws HawserError `ARGUMENT_INVALID` or `OPTION_UNKNOWN`
 */
export function byteStreamConnection(
  inner: MessageEndpointConnection,
  options: ByteStreamOptions,
): MessageEndpointConnection {
  checkOptions('byteStreamConnection', options, KNOWN_OPTIONS);
  if (options.role !== 'client' && options.role !== 'server') {
    throw new HawserError('ARGUMENT_INVALID', `byteStreamConnection: role must be 'client' or 'server'`);
  }
  return new ByteStreamConnection(inner, options);
}

class ByteStreamConnection extends MessageConnection {
  readonly #inner: MessageEndpointConnection;
  readonly #isClient: boolean;
  readonly #random: RandomSource;
  readonly #maxBufferedBytes: number;
  readonly #decoder: FrameDecoder;
  readonly #heartbeat: Heartbeat;
  /** Whether the inner connection is open and has not ended. */
  #isUp = false;
  /** Settles when the frame that is being written was taken, and those waiting behind it. */
  #writing: Promise<void> | undefined;
  /** The payload of the ping to be answered next; a newer ping replaces it (RFC 6455 5.5.3). */
  #pingToAnswer: Uint8Array | undefined;
  /** Set while messages of earlier chunks wait for the engine; later chunks then wait in the decoder. */
  #reading: Promise<void> | undefined;
  /** The peer's close frame, if it came. */
  #peerClose: { readonly code: number | undefined } | undefined;
  readonly #peerClosed = deferred();
  /** Whether our close frame was handed to the medium: then the inner connection is closed in order, to flush it. */
  #saidGoodbye = false;

  constructor(inner: MessageEndpointConnection, options: ByteStreamOptions) {
    const maxMessageSize = options.maxMessageSize ?? DEFAULT_MAX_MESSAGE_SIZE;
    const { clock, closeTimeoutMs } = options;
    super({ clock, maxMessageSize, ...(closeTimeoutMs === undefined ? {} : { closeTimeoutMs }) });
    this.#inner = inner;
    this.#isClient = options.role === 'client';
    this.#random = options.random;
    this.#maxBufferedBytes = checkInteger(
      'maxBufferedBytes',
      options.maxBufferedBytes ?? DEFAULT_MAX_BUFFERED_BYTES,
      1,
    );
    this.#decoder = new FrameDecoder({ from: this.#isClient ? 'server' : 'client', maxMessageSize });
    this.#heartbeat = new Heartbeat({
      clock,
      heartbeatMs: checkInteger('heartbeatMs', options.heartbeatMs ?? DEFAULT_HEARTBEAT_MS, 0),
      isReading: () => !this.paused,
      onProbe: () => void this.#write(Opcode.ping, EMPTY).catch(ignore),
      onSilent: (silentMs) =>
        this.end(lostError(`nothing arrived for ${Math.round(silentMs / 1000)} s, not even an answer to a ping`)),
    });
  }

  get protocol(): string | undefined {
    return this.#inner.protocol;
  }

  protected async openMedium(): Promise<void> {
    await this.#inner.open({
      receive: (chunk) => this.#takeChunk(chunk),
      close: (error) => this.#innerEnded(error),
    });
    if (this.status !== 'opening') return; // closed meanwhile
    this.#isUp = true;
    this.#heartbeat.start();
  }

  protected sendMessage(message: Message): Promise<void> {
    return this.#write(Opcode.binary, message);
  }

  protected async closeMedium(error: MessagingError | undefined): Promise<void> {
    if (!this.#isUp) return;
    if (this.#peerClose !== undefined) {
      await this.#writeClose(encodeClosePayload(this.#peerClose.code, ''));
      return;
    }
    const { code, reason } = errorToCloseCode(error);
    await this.#writeClose(encodeClosePayload(code, reason));
    // After a violation nothing more is understood, an answer neither.
    if (!this.#decoder.finished) await this.#peerClosed.promise;
  }

  protected async releaseMedium(error: MessagingError | undefined): Promise<void> {
    this.#heartbeat.stop();
    const gaveUp = this.#isUp ? lostError('the close handshake was given up') : undefined;
    this.#isUp = false;
    await this.#inner.close(this.#saidGoodbye ? undefined : (error ?? gaveUp));
  }

  async #writeClose(payload: Uint8Array): Promise<void> {
    await this.#write(Opcode.close, payload);
    this.#saidGoodbye = true;
  }

  /** Hands a frame to the medium when those before it were taken. */
  #write(opcode: Opcode, payload: Uint8Array): Promise<void> {
    const previous = this.#writing;
    const written =
      previous === undefined ? this.#writeNow(opcode, payload) : previous.then(() => this.#writeNow(opcode, payload));
    const settled = written.then(ignore, ignore).then(() => {
      if (this.#writing === settled) this.#writing = undefined;
    });
    this.#writing = settled;
    return written;
  }

  async #writeNow(opcode: Opcode, payload: Uint8Array): Promise<void> {
    const frame = encodeFrame(opcode, payload, this.#isClient ? this.#random.bytes(4) : undefined);
    try {
      await this.#inner.send(frame);
    } catch (cause) {
      const error = toMessagingError(cause, 'the byte stream could not be written to');
      // That the medium is not open any more is the medium's news, not a mistake of our caller.
      throw error.code === 'CONNECTION_NOT_OPEN' ? lostError('the byte stream ended', cause) : error;
    }
  }

  #takeChunk(chunk: Uint8Array): void | Promise<void> {
    this.#heartbeat.heard();
    this.#decoder.push(chunk);
    if (this.#decoder.waitingBytes > this.#maxBufferedBytes) {
      this.fail(
        bufferFullError(`more than ${this.#maxBufferedBytes} bytes arrived while the medium was asked to wait`),
      );
      return;
    }
    if (this.#reading !== undefined) return this.#reading;
    const reading = this.#readAll();
    if (reading === undefined) return;
    this.#reading = reading.finally(() => (this.#reading = undefined));
    return this.#reading;
  }

  /** Handles what has arrived; synchronously as far as the engine takes it at once. */
  #readAll(): void | Promise<void> {
    for (let event = this.#decoder.next(); event !== undefined; event = this.#decoder.next()) {
      const taken = this.#handle(event);
      if (taken !== undefined) return this.#readOn(taken);
    }
  }

  async #readOn(taken: Promise<void>): Promise<void> {
    await taken;
    for (let event = this.#decoder.next(); event !== undefined; event = this.#decoder.next()) await this.#handle(event);
  }

  #handle(event: FrameEvent): void | Promise<void> {
    switch (event.kind) {
      case 'message':
        return this.deliver(event.payload);
      case 'ping':
        return this.#answerPing(event.payload);
      case 'pong':
        return;
      case 'close':
        this.#peerClose = { code: event.code };
        this.#peerClosed.resolve();
        if (this.status === 'closing') return; // the one who closes is waiting for it, or will answer it
        return this.fail(closeCodeToError(event.code ?? NO_CODE_IN_FRAME, event.reason));
      case 'violation': {
        const code = event.closeCode === 1009 ? 'CONNECTION_MESSAGE_TOO_LARGE' : 'CONNECTION_PROTOCOL_ERROR';
        return this.fail(new MessagingError(code, event.message, { recoverable: false, closeCode: event.closeCode }));
      }
    }
  }

  #answerPing(payload: Uint8Array): void {
    const isWaiting = this.#pingToAnswer !== undefined;
    this.#pingToAnswer = payload;
    if (isWaiting) return;
    const previous = this.#writing ?? Promise.resolve();
    void previous.then(() => {
      const latest = this.#pingToAnswer;
      this.#pingToAnswer = undefined;
      if (latest !== undefined && this.status === 'open') return this.#write(Opcode.pong, latest).catch(ignore);
    });
  }

  /** The medium ended. What came before it is read first: a close frame may be among it, which says why. */
  #innerEnded(error: MessagingError | undefined): void {
    this.#isUp = false;
    const report = (): void => this.end(error ?? lostError('the byte stream ended without a close frame'));
    if (this.#reading === undefined) report();
    else void this.#reading.then(report);
  }
}

const EMPTY = new Uint8Array(0);
const ignore = (): void => undefined;

/** A close frame without a code is reported as this (RFC 6455 7.1.5). */
const NO_CODE_IN_FRAME = 1005;
const DEFAULT_HEARTBEAT_MS = 300_000;
const DEFAULT_MAX_MESSAGE_SIZE = 1_048_576;
const DEFAULT_MAX_BUFFERED_BYTES = 4_194_304;
const KNOWN_OPTIONS = [
  'role',
  'clock',
  'random',
  'heartbeatMs',
  'maxMessageSize',
  'maxBufferedBytes',
  'closeTimeoutMs',
];
