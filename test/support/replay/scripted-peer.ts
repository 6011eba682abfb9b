/**
 * One end of a connection that a test speaks for: real BLIP frames out and in, every message of both sides written into a
 * transcript. It knows no rule of the replication protocol; what to say comes from outside.
 */
import { deferred } from '../../../src/base/index.js';
import {
  BlipConnection,
  type IncomingRequest,
  type IncomingResponse,
  type SentRequest,
} from '../../../src/blip/index.js';
import type { Message, MessageEndpointConnection, MessagingError, ReplicatorConnection } from '../../../src/index.js';
import type { Deadline } from './deadline.js';
import { Transcript, type ReplayReply, type ReplayRequest, type Side } from './transcript.js';

/** What a recorded message gives to the one that is sent in its place. */
export type Script = Pick<ReplayRequest, 'properties' | 'body' | 'compressed'>;

export class ScriptedPeer implements ReplicatorConnection {
  readonly transcript = new Transcript();
  readonly #connection: MessageEndpointConnection;
  readonly #side: Side;
  readonly #deadline: Deadline;
  readonly #onRequest: (request: ReplayRequest) => void;
  readonly #blip = new BlipConnection();
  readonly #sent = new Map<SentRequest, ReplayRequest>();
  readonly #received = new Map<ReplayRequest, IncomingRequest>();
  readonly #ended = deferred<MessagingError | undefined>();
  #sending: Promise<void> = Promise.resolve();
  #isOver = false;

  /** @param side which one this end is */
  constructor(
    connection: MessageEndpointConnection,
    side: Side,
    deadline: Deadline,
    onRequest: (request: ReplayRequest) => void = () => undefined,
  ) {
    this.#connection = connection;
    this.#side = side;
    this.#deadline = deadline;
    this.#onRequest = onRequest;
  }

  open(): Promise<void> {
    return this.#connection.open(this);
  }

  /** Resolves when the other end has ended the connection, to its reason. */
  get ended(): Promise<MessagingError | undefined> {
    return this.#ended.promise;
  }

  /** What is said after the connection has ended is said to nobody. */
  request(script: Script & Pick<ReplayRequest, 'urgent' | 'noReply'>): ReplayRequest {
    const { properties, body, compressed, urgent, noReply } = script;
    const request: ReplayRequest = { kind: 'request', from: this.#side, properties, body, compressed, urgent, noReply };
    if (this.#isOver) return request;
    this.transcript.add(request);
    const sent = this.#blip.sendRequest({ properties, body: Buffer.from(body), compressed, urgent, noReply });
    this.#sent.set(sent, request);
    this.#flush();
    return request;
  }

  /** @param script its error, if it is one, stands in its properties and its body as in a recording */
  respond(to: ReplayRequest, script: Script & Pick<ReplayReply, 'error'>): void {
    const { properties, body, compressed, error } = script;
    const incoming = this.#received.get(to);
    if (incoming === undefined || to.noReply || this.#isOver) return;
    this.transcript.add({ kind: 'reply', from: this.#side, to, properties, body, compressed, error });
    if (error === undefined) {
      this.#blip.sendResponse(incoming, { properties, body: Buffer.from(body), compressed });
    } else {
      const [domain = '', code = '0'] = error.split('/');
      this.#blip.sendError(incoming, { domain, code: Number(code), message: body.toString() });
    }
    this.#flush();
  }

  /** Ends the connection, with 1000 unless there is a reason. */
  async leave(error?: MessagingError): Promise<void> {
    await this.#sending;
    this.#isOver = true;
    this.#blip.close();
    await this.#connection.close(error);
  }

  receive(message: Message): void {
    if (this.#isOver) return;
    try {
      for (const event of this.#blip.receive(message)) {
        if (event.type === 'request') this.#handle(event.request);
        else if (event.type === 'response') this.#handleReply(event.request, event.response);
      }
      this.#flush();
    } catch (error) {
      this.#deadline.fail(error);
    }
  }

  close(error?: MessagingError): void {
    this.#isOver = true;
    this.#blip.close();
    this.#ended.resolve(error);
    void this.#connection.close();
  }

  #handle(incoming: IncomingRequest): void {
    const { urgent, noReply } = incoming;
    const properties = Object.fromEntries(incoming.properties.entries());
    const from = this.#side === 'active' ? 'passive' : 'active';
    const body = Buffer.from(incoming.body);
    const request: ReplayRequest = { kind: 'request', from, properties, body, compressed: false, urgent, noReply };
    this.#received.set(request, incoming);
    this.transcript.add(request);
    this.#onRequest(request);
  }

  #handleReply(sent: SentRequest, response: IncomingResponse): void {
    const to = this.#sent.get(sent);
    if (to === undefined) throw new Error('a reply came to a request that was not sent');
    this.transcript.add({
      kind: 'reply',
      from: this.#side === 'active' ? 'passive' : 'active',
      to,
      properties: Object.fromEntries(response.properties.entries()),
      body: Buffer.from(response.body),
      compressed: false,
      error: response.error === undefined ? undefined : `${response.error.domain}/${response.error.code}`,
    });
  }

  #flush(): void {
    for (let frame = this.#blip.pollFrame(); frame !== undefined; frame = this.#blip.pollFrame()) {
      const next = frame;
      // The connection may end meanwhile: `ended` tells.
      this.#sending = this.#sending.then(() => this.#connection.send(next)).catch(() => undefined);
    }
  }
}
