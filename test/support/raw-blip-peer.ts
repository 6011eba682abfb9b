/**
 * The far end of a link that speaks BLIP as it is told: requests go out as given, replies come back as promises, requests
 * of the code under test wait until they are asked for or go to a handler. It knows no rule of the replication protocol.
 */
import { deferred, type Deferred } from '../../src/base/index.js';
import { BlipConnection, type IncomingRequest, type IncomingResponse, type SentRequest } from '../../src/blip/index.js';
import type { Message, MessageEndpointConnection, MessagingError, ReplicatorConnection } from '../../src/index.js';

export interface RawReply {
  /** `HTTP/404`; undefined for a success. */
  readonly error: string | undefined;
  readonly properties: Readonly<Record<string, string>>;
  readonly text: string;
}

export interface RawRequest {
  readonly profile: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly text: string;
  readonly noReply: boolean;
  readonly incoming: IncomingRequest;
}

export type RawHandler = (request: RawRequest, peer: RawBlipPeer) => void | Promise<void>;

export class RawBlipPeer implements ReplicatorConnection {
  /** Everything that came, in order. */
  readonly requests: RawRequest[] = [];
  /** What the other side did wrong at the level of BLIP, such as answering twice. */
  readonly faults: unknown[] = [];
  readonly connection: MessageEndpointConnection;
  readonly #onRequest: RawHandler | undefined;
  readonly #blip = new BlipConnection();
  readonly #waiting = new Map<SentRequest, Deferred<RawReply>>();
  readonly #ended = deferred<MessagingError | undefined>();
  /** Requests of each Profile that nobody asked for yet, and those who ask. */
  readonly #unread = new Map<string, RawRequest[]>();
  readonly #readers = new Map<string, Deferred<RawRequest>[]>();
  #pumping = false;
  #isOpen = false;
  #isOver = false;
  /** While set, nothing is read. */
  pause: Promise<void> | undefined;

  /** @param onRequest called for each request; without it requests wait for {@link next} */
  constructor(connection: MessageEndpointConnection, onRequest?: RawHandler) {
    this.connection = connection;
    this.#onRequest = onRequest;
  }

  async open(): Promise<void> {
    await this.connection.open(this);
    this.#isOpen = true;
    this.#flush();
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Resolves when the connection is over, to the reason of the other side. */
  get ended(): Promise<MessagingError | undefined> {
    return this.#ended.promise;
  }

  /** Sends a request. Resolves to its reply; rejects when the connection ends before. */
  request(
    properties: Readonly<Record<string, string>>,
    body: string | Uint8Array = '',
    flags: { readonly compressed?: boolean; readonly urgent?: boolean } = {},
  ): Promise<RawReply> {
    const reply = deferred<RawReply>();
    reply.promise.catch(() => undefined); // whether anybody waits for it or not
    if (this.#isOver) reply.reject(new Error('the connection is over'));
    else this.#waiting.set(this.#blip.sendRequest({ properties, body: Buffer.from(body), ...flags }), reply);
    this.#flush();
    return reply.promise;
  }

  /** Sends a request that wants no reply. */
  notify(properties: Readonly<Record<string, string>>, body: string | Uint8Array = ''): void {
    if (this.#isOver) return;
    this.#blip.sendRequest({ properties, body: Buffer.from(body), noReply: true });
    this.#flush();
  }

  /** The next request with this Profile. */
  next(profile: string): Promise<RawRequest> {
    const unread = this.#unread.get(profile)?.shift();
    if (unread !== undefined) return Promise.resolve(unread);
    const reader = deferred<RawRequest>();
    if (this.#isOver) reader.reject(new Error(`the connection is over, and no ${profile} came`));
    this.#readers.set(profile, [...(this.#readers.get(profile) ?? []), reader]);
    return reader.promise;
  }

  reply(request: RawRequest, body: string | Uint8Array = '', properties: Readonly<Record<string, string>> = {}): void {
    if (this.#isOver || request.noReply) return;
    this.#blip.sendResponse(request.incoming, { properties, body: Buffer.from(body) });
    this.#flush();
  }

  /** @param error `HTTP/409` */
  refuse(request: RawRequest, error: string, message = ''): void {
    if (this.#isOver || request.noReply) return;
    const [domain = '', code = '0'] = error.split('/');
    this.#blip.sendError(request.incoming, { domain, code: Number(code), message });
    this.#flush();
  }

  /** Frames that the machine did not make. */
  sendFrame(frame: Uint8Array): Promise<void> {
    return this.connection.send(frame);
  }

  async leave(error?: MessagingError): Promise<void> {
    this.#end(error);
    await this.connection.close(error);
  }

  receive(message: Message): void | Promise<void> {
    if (this.#isOver) return;
    try {
      for (const event of this.#blip.receive(message)) {
        if (event.type === 'request') this.#handle(event.request);
        else if (event.type === 'response') this.#handleReply(event.request, event.response);
      }
    } catch (error) {
      this.faults.push(error);
      void this.leave();
      return;
    }
    this.#flush();
    return this.pause;
  }

  close(error?: MessagingError): void {
    this.#end(error);
    void this.connection.close();
  }

  #end(error: MessagingError | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#blip.close();
    const over = error ?? new Error('the connection is over');
    for (const reply of this.#waiting.values()) reply.reject(over);
    for (const readers of this.#readers.values()) for (const reader of readers) reader.reject(over);
    this.#ended.resolve(error);
  }

  #handle(incoming: IncomingRequest): void {
    const properties = Object.fromEntries(incoming.properties.entries());
    const profile = properties['Profile'] ?? '';
    const text = Buffer.from(incoming.body).toString();
    const request: RawRequest = { profile, properties, text, noReply: incoming.noReply, incoming };
    this.requests.push(request);
    if (this.#onRequest !== undefined) {
      Promise.resolve(this.#onRequest(request, this)).catch((error: unknown) => this.faults.push(error));
      return;
    }
    const reader = this.#readers.get(profile)?.shift();
    if (reader !== undefined) reader.resolve(request);
    else this.#unread.set(profile, [...(this.#unread.get(profile) ?? []), request]);
  }

  #handleReply(sent: SentRequest, response: IncomingResponse): void {
    const { error } = response;
    this.#waiting.get(sent)?.resolve({
      error: error === undefined ? undefined : `${error.domain}/${error.code}`,
      properties: Object.fromEntries(response.properties.entries()),
      text: Buffer.from(response.body).toString(),
    });
    this.#waiting.delete(sent);
  }

  #flush(): void {
    if (this.#pumping || !this.#isOpen) return;
    this.#pumping = true;
    void this.#pump();
  }

  async #pump(): Promise<void> {
    await Promise.resolve();
    for (let frame = this.#blip.pollFrame(); frame !== undefined; frame = this.#blip.pollFrame()) {
      // The connection may end meanwhile: `ended` tells.
      await this.connection.send(frame).catch(() => undefined);
    }
    this.#pumping = false;
  }
}
