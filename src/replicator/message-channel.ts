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
  lostError,
  MessagingError,
  toMessagingError,
  type Message,
  type MessageEndpointConnection,
  type ReplicatorConnection,
} from '../endpoint/index.js';
import { HawserError, isHawserError } from '../errors.js';

export interface MessageChannelOptions {
  readonly connection: MessageEndpointConnection;
  readonly blip?: BlipOptions;
  /** Called for each request of the peer, in order of completion. It answers through `respond`, now or later. */
  readonly onRequest: (request: IncomingRequest) => void;
  /** Asked after each message: a promise stops the reading until it resolves, so that work in hand stays bounded. */
  readonly readingGate?: () => Promise<void> | undefined;
  readonly logger: Logger;
}

export class MessageChannel implements ReplicatorConnection {
  readonly #options: MessageChannelOptions;
  readonly #blip: BlipConnection;
  readonly #waiting = new Map<SentRequest, Deferred<IncomingResponse>>();
  readonly #ended = deferred<MessagingError | undefined>();
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
    this.#schedulePump();
  }

  /** Uncompressed bytes that wait for the medium. */
  get queuedBytes(): number {
    return this.#isEnded ? 0 : this.#blip.queuedBytes;
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
        if (event.type === 'request') {
          this.#options.onRequest(event.request);
        } else {
          this.#waiting.get(event.request)?.resolve(event.response);
          this.#waiting.delete(event.request);
        }
      }
    } catch (error) {
      void this.#fail(error);
      return;
    }
    this.#schedulePump();
    return this.#options.readingGate?.();
  }

  close(error?: MessagingError): void {
    if (this.#isEnded) return;
    const reason = error === undefined ? undefined : toMessagingError(error, 'the connection ended');
    this.#end(reason);
    void this.#close(reason);
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
        if (frame === undefined) break;
        this.#bytesSent += frame.length;
        await this.#options.connection.send(frame);
      }
    } catch (error) {
      await this.#fail(sendError(error));
    } finally {
      this.#pumping = false;
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
    for (const answer of this.#waiting.values()) answer.reject(closedError(error));
    this.#waiting.clear();
    this.#ended.resolve(error);
  }
}

const EMPTY: OutgoingMessage = { properties: {} };

/** A connection that is not open any more has ended without having said so yet: that may pass, whatever the code says. */
function sendError(error: unknown): MessagingError {
  const reason = toMessagingError(error, 'a message could not be sent');
  return reason.code === 'CONNECTION_NOT_OPEN' ? lostError('the connection ended while sending', error) : reason;
}

/** A fault of the peer's frames ends the connection with 1011, as a Couchbase Lite core ends it (specification 2.10). */
function asMessagingError(error: unknown): MessagingError {
  if (error instanceof MessagingError) return error;
  if (isHawserError(error)) {
    return new MessagingError(error.code, error.message, { recoverable: false, closeCode: 1011, cause: error });
  }
  const message = error instanceof Error ? error.message : String(error);
  return new MessagingError('CONNECTION_FAILED', message, { recoverable: false, closeCode: 1011, cause: error });
}

function closedError(cause?: MessagingError): HawserError {
  return new HawserError(
    'BLIP_CLOSED',
    'the connection ended before the request was answered',
    cause === undefined ? {} : { cause },
  );
}
