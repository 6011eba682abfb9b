/**
 * The bodies that a channel moves in pieces, because they are too large for the memory: answers that are read while they
 * come, and answers that are sent while they are read. One object belongs to one channel.
 */
import { deferred, type Deferred } from '../base/index.js';
import type {
  BlipConnection,
  BlipEvent,
  IncomingRequest,
  IncomingResponse,
  MessageProperties,
  OutgoingMessage,
  RemoteError,
  SentRequest,
} from '../blip/index.js';
import type { HawserError } from '../errors.js';
import type { BodySender } from './body-sender.js';
import { ReceivedBody } from './received-body.js';

/** An answer whose body is read while it comes. */
export interface StreamedResponse {
  readonly response: { readonly properties: MessageProperties; readonly error?: RemoteError };
  /**
   * To be read by one loop, to its end or until the loop is left, or to be discarded: what nobody reads holds up the peer's
   * message. Fails with `BLIP_CLOSED` when the connection ends before the body does. Empty for an error.
   */
  readonly body: ReceivedBody;
}

export class ChannelStreams {
  readonly #blip: BlipConnection;
  readonly #changed: () => void;
  readonly #waiting = new Map<SentRequest, Deferred<StreamedResponse>>();
  readonly #received = new Map<SentRequest, ReceivedBody>();
  readonly #senders = new Set<BodySender>();
  #gate: Deferred<void> | undefined;

  /** @param changed called when there may be something to send */
  constructor(blip: BlipConnection, changed: () => void) {
    this.#blip = blip;
    this.#changed = changed;
  }

  request(message: OutgoingMessage, maxBytes: number): Promise<StreamedResponse> {
    const answer = deferred<StreamedResponse>();
    this.#waiting.set(this.#blip.sendRequest({ ...message, maxStreamedBytes: maxBytes }), answer);
    this.#changed();
    return answer.promise;
  }

  /** An answer is waited for, or the rest of one. */
  get isWaiting(): boolean {
    return this.#waiting.size > 0 || this.#received.size > 0;
  }

  /** Sends an answer whose first piece has been read. Resolves when frames have taken all of it. Throws as `sendResponse`. */
  respond(request: IncomingRequest, message: Omit<OutgoingMessage, 'body'>, sender: BodySender): Promise<void> {
    this.#blip.sendResponse(request, { ...message, body: sender.body });
    this.#senders.add(sender);
    return sender.send(this.#changed).finally(() => this.#senders.delete(sender));
  }

  /** An answer that is no stream, which only errors are. */
  handleResponse(request: SentRequest, response: IncomingResponse): void {
    this.#waiting.get(request)?.resolve({ response, body: emptyBody() });
    this.#waiting.delete(request);
  }

  handle(event: Exclude<BlipEvent, { readonly type: 'request' | 'response' }>): void {
    const { request } = event;
    if (event.type === 'head') {
      const body = new ReceivedBody((bytes) => this.#consumed(request, bytes));
      this.#received.set(request, body);
      this.#waiting.get(request)?.resolve({ response: { properties: event.properties }, body });
      this.#waiting.delete(request);
    } else if (event.type === 'part') {
      this.#received.get(request)?.push(event.bytes);
    } else {
      this.#received.get(request)?.finish();
      this.#received.delete(request);
    }
  }

  /**
   * A promise while the connection should not be read. Flow control counts compressed bytes: behind the 128,000 at which a
   * peer stops there may be a hundred million.
   */
  gate(): Promise<void> | undefined {
    if (this.#blip.unreadBytes <= MAX_UNREAD_BYTES) return undefined;
    this.#gate ??= deferred();
    return this.#gate.promise;
  }

  /** The connection has ended. */
  end(error: HawserError): void {
    for (const answer of this.#waiting.values()) answer.reject(error);
    for (const body of this.#received.values()) body.finish(error);
    for (const sender of this.#senders) sender.stop(error);
    this.#waiting.clear();
    this.#received.clear();
    this.#openGate();
  }

  #consumed(request: SentRequest, bytes: number): void {
    this.#blip.consumed(request, bytes);
    if (this.#blip.unreadBytes <= MAX_UNREAD_BYTES / 2) this.#openGate();
    this.#changed();
  }

  #openGate(): void {
    this.#gate?.resolve();
    this.#gate = undefined;
  }
}

function emptyBody(): ReceivedBody {
  const body = new ReceivedBody(() => undefined);
  body.finish();
  return body;
}

/** Bytes of streamed answers that were received and not read, above which nothing is read from the connection. */
const MAX_UNREAD_BYTES = 1024 * 1024;
