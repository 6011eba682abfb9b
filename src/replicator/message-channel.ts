/**
 * Couples the BLIP machine with a connection: requests become promises, incoming requests go to a handler, frames flow
 * while the medium takes them. One channel serves exactly one connection.
 *
 * It knows no Profile and keeps no timer. Invariant: frames go out in the order in which the machine made them, one
 * `send` at a time, so the medium's back-pressure reaches the machine, whose queue holds what waits.
 */
import { deferred, type Deferred, type Logger } from '../base/index.js';
import {
  BlipConnection,
  type BlipOptions,
  type IncomingRequest,
  type IncomingResponse,
  type OutgoingMessage,
  type OutgoingRequest,
  type RemoteError,
  type SentRequest,
} from '../blip/index.js';
import {
  type MessagingError,
  toMessagingError,
  type Message,
  type MessageEndpointConnection,
  type ReplicatorConnection,
} from '../endpoint/index.js';
import { HawserError } from '../errors.js';
import { BodySender } from './body-sender.js';
import type { BufferShare, ShareBuffers } from './buffer-budget.js';
import { asMessagingError, brokenBodyError, closedError, sendError } from './channel-errors.js';
import { ChannelStreams, type StreamedResponse } from './channel-streams.js';

export interface MessageChannelOptions {
  readonly connection: MessageEndpointConnection;
  readonly blip?: BlipOptions;
  /** Called for each request of the peer, in order of completion. It answers through `respond`, now or later. */
  readonly onRequest: (request: IncomingRequest) => void;
  /** Asked after each message: a promise stops the reading until it resolves, so that work in hand stays bounded. */
  readonly readingGate?: () => Promise<void> | undefined;
  /** Takes part in what the connections of a listener may hold together. @default its own limits are all there is */
  readonly shareBuffers?: ShareBuffers | undefined;
  /** Called when something was sent and nothing is left to be. */
  readonly onSent?: (() => void) | undefined;
  readonly logger: Logger;
}

export class MessageChannel implements ReplicatorConnection {
  readonly #options: MessageChannelOptions;
  readonly #blip: BlipConnection;
  readonly #waiting = new Map<SentRequest, Deferred<IncomingResponse>>();
  readonly #streams: ChannelStreams;
  readonly #ended = deferred<MessagingError | undefined>();
  readonly #share: BufferShare | undefined;
  #isEnded = false;
  /** The one call of the connection's `close`. */
  #closed: Promise<void> | undefined;
  #isOpen = false;
  #pumping = false;
  #bytesSent = 0;
  #bytesReceived = 0;

  constructor(options: MessageChannelOptions) {
    this.#options = options;
    this.#blip = new BlipConnection(options.blip);
    this.#streams = new ChannelStreams(this.#blip, () => this.#schedulePump());
    this.#share = options.shareBuffers?.((error) => void this.#fail(error));
  }

  /** Opens the connection. Rejects with a MessagingError; the channel has then ended. */
  async open(): Promise<void> {
    try {
      await this.#options.connection.open(this);
    } catch (error) {
      const reason = toMessagingError(error, 'the connection could not be opened');
      this.#end(reason);
      throw reason;
    }
    this.#isOpen = true;
    this.#schedulePump();
  }

  /** Resolves when the connection is over, to the reason if it was not orderly. Never rejects. */
  get ended(): Promise<MessagingError | undefined> {
    return this.#ended.promise;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Bytes of frames handed to and received from the connection. */
  get traffic(): { readonly sent: number; readonly received: number } {
    return { sent: this.#bytesSent, received: this.#bytesReceived };
  }

  /** Sends a request and resolves to its answer, which may be an error reply. Rejects with `BLIP_CLOSED` when the connection ends first. */
  request(message: OutgoingMessage): Promise<IncomingResponse> {
    if (this.#isEnded) return Promise.reject(closedError());
    const answer = deferred<IncomingResponse>();
    this.#waiting.set(this.#blip.sendRequest(message), answer);
    this.#schedulePump();
    return answer.promise;
  }

  /**
   * As {@link request}, for an answer whose body is too large for the memory: it can be read while it comes, in pieces, and
   * the peer goes on as fast as they are read. A body of more than `maxBytes` ends the connection.
   */
  requestStream(message: OutgoingMessage, options: { readonly maxBytes: number }): Promise<StreamedResponse> {
    if (this.#isEnded) return Promise.reject(closedError());
    return this.#streams.request(message, options.maxBytes);
  }

  /** Sends a request that wants no answer. */
  notify(message: Omit<OutgoingRequest, 'noReply'>): void {
    if (this.#isEnded) return;
    this.#blip.sendRequest({ ...message, noReply: true });
    this.#schedulePump();
  }

  /** Answers a request; ignored where none is wanted or the connection is over. */
  respond(request: IncomingRequest, answer: OutgoingMessage | { readonly error: RemoteError } = EMPTY): void {
    if (this.#isEnded || request.noReply) return;
    if ('error' in answer) this.#blip.sendError(request, answer.error);
    else this.#blip.sendResponse(request, answer);
    this.#limitQueue();
    this.#schedulePump();
  }

  /**
   * Answers with a body that is read while it is sent, as fast as the peer takes it. Resolves when all of it has gone out.
   * Rejects with `BLIP_CLOSED` when the connection ends before, and with what the body failed with: if that was before its
   * first piece nothing was sent, and the request can be answered with an error; later the connection ends, because a
   * message that has begun cannot be taken back. The body is let go of in every case. Ignored where no answer is wanted.
   */
  async respondStream(
    request: IncomingRequest,
    message: Omit<OutgoingMessage, 'body'>,
    body: AsyncIterable<Uint8Array>,
  ): Promise<void> {
    if (request.noReply) return;
    const sender = new BodySender(body);
    let hasBegun = false;
    try {
      await sender.begin();
      if (this.#isEnded) throw closedError();
      const sent = this.#streams.respond(request, message, sender);
      hasBegun = true;
      this.#limitQueue();
      await sent;
    } catch (error) {
      if (hasBegun) void this.#fail(brokenBodyError(error));
      throw error;
    } finally {
      await sender.close();
    }
  }

  /** The peer owes us something: an answer, an acknowledgement, or that it reads. */
  get isWaiting(): boolean {
    return !this.#isEnded && (this.#waiting.size > 0 || this.#streams.isWaiting || this.#blip.queuedMessages > 0);
  }

  /** False while we hold up the connection ourselves. */
  get isReading(): boolean {
    return (this.#options.readingGate?.() ?? this.#streams.gate()) === undefined;
  }

  /** Messages that wait for the medium or for the peer's acknowledgements. */
  get queuedMessages(): number {
    return this.#blip.queuedMessages;
  }

  /** Uncompressed bytes that wait for the medium. */
  get queuedBytes(): number {
    return this.#isEnded ? 0 : this.#blip.queuedBytes;
  }

  /** Nothing was sent for a while, see {@link BlipConnection.rest}. */
  rest(): void {
    this.#blip.rest();
  }

  /** Ends the connection: orderly without an error. Resolves when nothing is left open. */
  async shutDown(error?: MessagingError): Promise<void> {
    this.#end(error);
    await this.#close(error);
  }

  // What the connection calls.

  receive(message: Message): void | Promise<void> {
    if (this.#isEnded) return;
    try {
      this.#bytesReceived += message.length;
      for (const event of this.#blip.receive(message)) {
        if (event.type === 'request') this.#options.onRequest(event.request);
        else if (event.type === 'response') this.#handleResponse(event.request, event.response);
        else this.#streams.handle(event);
      }
    } catch (error) {
      void this.#fail(error);
      return;
    }
    this.#account();
    this.#schedulePump();
    return this.#options.readingGate?.() ?? this.#streams.gate();
  }

  close(error?: MessagingError): void {
    if (this.#isEnded) return;
    const reason = error === undefined ? undefined : toMessagingError(error, 'the connection ended');
    this.#end(reason);
    void this.#close(reason);
  }

  #handleResponse(request: SentRequest, response: IncomingResponse): void {
    const answer = this.#waiting.get(request);
    if (answer === undefined) return this.#streams.handleResponse(request, response);
    this.#waiting.delete(request);
    answer.resolve(response);
  }

  /** A peer that asks and asks and reads no answer is given up. What we send by ourselves is bounded where it is made. */
  #limitQueue(): void {
    const { queuedMessages, queuedBytes } = this.#blip;
    if (queuedMessages <= MAX_QUEUED_MESSAGES && queuedBytes <= MAX_QUEUED_BYTES) return this.#account();
    const message = `the peer does not read: ${queuedMessages} messages of ${queuedBytes} bytes wait for it`;
    void this.#fail(new HawserError('BLIP_BUFFER_FULL', message));
  }

  /** What the peer makes us hold, for the budget of all. */
  #account(): void {
    if (this.#share !== undefined && !this.#isEnded) {
      this.#share.set(this.#blip.bufferedBytes + this.#blip.queuedBytes);
    }
  }

  /** Whatever is sent in one turn of the event loop is queued before the first frame is made, so that urgency counts. */
  #schedulePump(): void {
    if (this.#pumping || !this.#isOpen || this.#isEnded) return;
    this.#pumping = true;
    queueMicrotask(() => void this.#pump());
  }

  async #pump(): Promise<void> {
    try {
      for (;;) {
        if (this.#isEnded) return;
        const frame = this.#blip.pollFrame();
        if (frame === undefined) return this.#options.onSent?.();
        this.#bytesSent += frame.length;
        await this.#options.connection.send(frame);
      }
    } catch (error) {
      await this.#fail(sendError(error));
    } finally {
      this.#pumping = false;
      this.#account();
    }
  }

  async #fail(error: unknown): Promise<void> {
    if (this.#isEnded) return;
    const reason = asMessagingError(error);
    this.#options.logger.log('warning', 'network', `connection ended: ${reason.code}: ${reason.message}`);
    await this.shutDown(reason);
  }

  /** Never rejects: what a transport throws at its end concerns nobody any more. */
  #close(error: MessagingError | undefined): Promise<void> {
    this.#closed ??= this.#closeConnection(error);
    return this.#closed;
  }

  async #closeConnection(error: MessagingError | undefined): Promise<void> {
    try {
      await this.#options.connection.close(error);
    } catch (cause) {
      const detail = cause instanceof Error ? cause.message : String(cause);
      this.#options.logger.log('warning', 'network', `closing a connection failed: ${detail}`);
    }
  }

  #end(error: MessagingError | undefined): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#blip.close();
    this.#share?.end();
    const closed = closedError(error);
    for (const answer of this.#waiting.values()) answer.reject(closed);
    this.#waiting.clear();
    this.#streams.end(closed);
    this.#ended.resolve(error);
  }
}

const EMPTY: OutgoingMessage = { properties: {} };

/** Messages that may wait for a peer that does not read; an honest one with full windows has a twentieth. */
const MAX_QUEUED_MESSAGES = 20_000;
/** The same in bytes; what an honest peer makes wait is a few MiB and one large document. */
const MAX_QUEUED_BYTES = 64 * 1024 * 1024;
