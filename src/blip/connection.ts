/**
 * One end of a BLIP 3 connection as a value that takes frames and messages and yields messages and frames (specification 2):
 * no socket, timer or promise. The caller moves the frames, whole and in order, and closes the medium when `receive` throws.
 *
 * Invariant: after a fatal error or `close` no frame comes out any more, and both native contexts are freed.
 */
import { HawserError } from '../errors.js';
import {
  ERROR_RESPONSE,
  readAcknowledgement,
  readFrameHeader,
  REQUEST,
  REQUEST_ACK,
  RESPONSE,
  RESPONSE_ACK,
} from './frame-header.js';
import { FrameReader } from './frame-reader.js';
import { FrameWriter } from './frame-writer.js';
import { Inbox } from './inbox.js';
import { createInflater } from './inflate.js';
import {
  type BlipEvent,
  checkMessage,
  type IncomingRequest,
  type OutgoingMessage,
  type OutgoingRequest,
  ReceivedRequest,
  type RemoteError,
  SentRequest,
  type StreamedMessage,
} from './message.js';
import { type BlipOptions, type ResolvedBlipOptions, resolveOptions } from './options.js';
import { Outbox } from './outbox.js';
import { OutgoingTransfer } from './outgoing-transfer.js';

export class BlipConnection {
  readonly #options: ResolvedBlipOptions;
  readonly #reader: FrameReader;
  readonly #writer: FrameWriter;
  readonly #outbox = new Outbox();
  readonly #inbox: Inbox;
  #closed = false;

  /** Throws `OPTION_UNKNOWN` or `ARGUMENT_INVALID`, naming the option. */
  constructor(options?: BlipOptions) {
    this.#options = resolveOptions(options);
    this.#reader = new FrameReader(createInflater(this.#options.maxInflatedSize));
    this.#writer = new FrameWriter(this.#options.compressionLevel, this.#options.windowBits);
    this.#inbox = new Inbox(this.#options, this.#outbox, this);
  }

  /**
   * Queues a request. Its response comes out of {@link receive} with the returned object. Throws `ARGUMENT_INVALID` for
   * what cannot be sent, `BLIP_CLOSED` on a connection that has ended.
   */
  sendRequest(request: OutgoingRequest): SentRequest {
    this.#checkOpen();
    checkMessage(request);
    const sent = new SentRequest(request.noReply === true, request.maxStreamedBytes);
    const options = { number: 0, urgent: request.urgent === true, request: sent };
    this.#outbox.add(new OutgoingTransfer(REQUEST, request, options));
    return sent;
  }

  /**
   * Queues the answer to a request, by default an empty one, with the request's urgency. Answers may be given in any
   * order. After each piece of a streamed body, and its end, call {@link pollFrame} again. Throws as {@link sendRequest}, and `ARGUMENT_INVALID` for a request that wants no reply, was answered, or came
   * from another connection.
   */
  sendResponse(to: IncomingRequest, message: OutgoingMessage | StreamedMessage = EMPTY_SUCCESS): void {
    this.#answer(RESPONSE, to, message);
  }

  /** Answers with an error (specification 2.9). Throws as {@link sendResponse}. */
  sendError(to: IncomingRequest, error: RemoteError): void {
    const { domain, code, message } = error ?? {};
    if (typeof domain !== 'string' || typeof message !== 'string' || (code | 0) !== code) {
      throw new HawserError(
        'ARGUMENT_INVALID',
        'An error has a text as domain and as message, and a signed 32-bit integer as code',
      );
    }
    const properties = { 'Error-Domain': domain, 'Error-Code': String(code) };
    this.#answer(ERROR_RESPONSE, to, { properties, body: Buffer.from(message, 'utf8') });
  }

  /**
   * Takes one frame from the peer, and its memory with it. Returns the messages that are complete now, and what came of a
   * response that is read as a stream (`head`, any number of `part`, `end`, in this order). Every
   * error of the peer is fatal: it is thrown with its code once, and from then on the connection throws `BLIP_CLOSED`.
   * Call {@link pollFrame} afterwards: there may be something to acknowledge, or a message to go on with.
   */
  receive(frame: Uint8Array): BlipEvent[] {
    this.#checkOpen();
    if (!(frame instanceof Uint8Array)) throw new HawserError('ARGUMENT_INVALID', 'A frame must be a Uint8Array');
    try {
      return this.#handleFrame(
        Buffer.isBuffer(frame) ? frame : Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength),
      );
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * The next frame to put on the wire, which must happen, and in this order. The memory belongs to the caller.
   * `undefined` when there is none, and on a connection that has ended; call again after sending or receiving. More calls
   * are harmless.
   */
  pollFrame(): Uint8Array | undefined {
    if (this.#closed) return undefined;
    const acknowledgement = this.#inbox.pollAcknowledgement();
    if (acknowledgement !== undefined) return acknowledgement;
    const message = this.#outbox.next();
    if (message === undefined) return undefined;
    const before = message.available;
    const frame = this.#writer.write(message, this.#outbox.frameBudget(message));
    this.#outbox.settle(message, before - message.available);
    return frame;
  }

  /**
   * The reader of a streamed response has dealt with `bytes` more of its body. Only that is acknowledged, so the peer stops
   * at 128,000 bytes if the reader does; call {@link pollFrame} afterwards. Throws `ARGUMENT_INVALID` for more bytes than
   * the reader was given; nothing happens after the last of them, and on a connection that has ended.
   */
  consumed(request: SentRequest, bytes: number): void {
    if (!this.#closed) this.#inbox.consumed(request, bytes);
  }

  /** Bytes of streamed responses that their readers were given and have not dealt with. */
  get unreadBytes(): number {
    return this.#inbox.unreadBytes;
  }

  /** Bytes of incoming messages that are not complete, and of streamed responses that were not dealt with. */
  get bufferedBytes(): number {
    return this.#inbox.bufferedBytes;
  }

  /** Messages of which something is in no frame yet. */
  get queuedMessages(): number {
    return this.#outbox.queuedMessages;
  }

  /** Bytes of queued messages, before compression, that are in no frame yet: what waits for the medium or for the peer. */
  get queuedBytes(): number {
    return this.#outbox.queuedBytes;
  }

  /** Nothing was sent for a while: gives back what the compressor takes, 280 KiB. What is sent next compresses from scratch. */
  rest(): void {
    this.#writer.rest();
  }

  /** Forgets everything and frees what is native. Requests without a response stay without. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#outbox.clear();
    this.#inbox.clear();
    this.#reader.close();
    this.#writer.close();
  }

  #answer(type: number, to: IncomingRequest, message: OutgoingMessage | StreamedMessage): void {
    this.#checkOpen();
    if (!(to instanceof ReceivedRequest)) {
      throw new HawserError('ARGUMENT_INVALID', 'Only a request that was received can be answered');
    }
    checkMessage(message);
    const transfer = new OutgoingTransfer(type, message, { number: to.number, urgent: to.urgent, request: undefined });
    to.claimAnswer(this);
    this.#outbox.add(transfer);
  }

  #handleFrame(frame: Buffer): BlipEvent[] {
    if (frame.length > this.#options.maxFrameSize) {
      throw new HawserError(
        'BLIP_FRAME_TOO_LARGE',
        `A frame of ${frame.length} bytes exceeds maxFrameSize, ${this.#options.maxFrameSize}`,
      );
    }
    const header = readFrameHeader(frame);
    if (header.type === REQUEST_ACK || header.type === RESPONSE_ACK) {
      this.#outbox.acknowledge(header.type === RESPONSE_ACK, header.number, readAcknowledgement(frame, header));
      return [];
    }
    return this.#inbox.handlePayload(header, this.#reader.read(frame, header));
  }

  #checkOpen(): void {
    if (this.#closed) throw new HawserError('BLIP_CLOSED', 'The connection has ended');
  }
}

const EMPTY_SUCCESS: OutgoingMessage = { properties: {} };
