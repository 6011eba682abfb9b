/**
 * What both halves of the handshake share: the first message is taken aside, those after it pass to the engine.
 *
 * Invariant: what comes after the first message and before there is an engine for it breaks the rules, so nothing piles up.
 */
import { deferred } from '../../base/index.js';
import type { Message, MessageEndpointConnection, MessagingError, ReplicatorConnection } from '../connection.js';
import { lostError, notOpenError, toMessagingError } from '../messaging-error.js';
import { ReceiveGate } from '../receive-gate.js';
import { HandshakeError } from './messages.js';

export class HandshakeLine implements ReplicatorConnection {
  readonly inner: MessageEndpointConnection;
  readonly #first = deferred<Message>();
  readonly #broken = deferred<never>();
  #hasFirst = false;
  #error: MessagingError | undefined;
  #gate: ReceiveGate | undefined;

  constructor(inner: MessageEndpointConnection) {
    this.inner = inner;
    this.#broken.promise.catch(() => undefined); // who waits for it hears of it
  }

  /** Opens the connection below. */
  open(): Promise<void> {
    return this.orBroken(this.inner.open(this));
  }

  /** The first message. */
  first(): Promise<Message> {
    return this.orBroken(this.#first.promise);
  }

  /** `work`, or the reason for which nothing is to be waited for any more. */
  orBroken<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#broken.promise]);
  }

  /** Messages after the first, and the end, go there from now on. */
  passTo(gate: ReceiveGate): void {
    this.#gate = gate;
  }

  breakWith(error: MessagingError): void {
    this.#error ??= error;
    this.#broken.reject(error);
  }

  /** Closes the connection below. Never rejects: a medium that cannot even be closed must not end the process. */
  async hangUp(error?: MessagingError): Promise<void> {
    try {
      await this.inner.close(error);
    } catch {
      // it is given up either way
    }
  }

  throwIfBroken(): void {
    if (this.#error !== undefined) throw this.#error;
  }

  receive(message: Message): void | Promise<void> {
    if (!this.#hasFirst) {
      this.#hasFirst = true;
      this.#first.resolve(message);
      return;
    }
    if (this.#gate !== undefined) return this.#gate.receive(message);
    this.breakWith(new HandshakeError('the peer goes on although its handshake was not answered'));
  }

  close(error?: MessagingError): void {
    this.breakWith(error ?? lostError('the connection ended during the handshake'));
    this.#gate?.close(error);
  }
}

/** The connection below, once `exchange` has resolved to the sub-protocol; until then `open` waits. */
export class ExchangingConnection implements MessageEndpointConnection {
  readonly #line: HandshakeLine;
  readonly #exchange: () => Promise<string>;
  #gate: ReceiveGate | undefined;
  #isClosed = false;
  #protocol: string | undefined;

  constructor(line: HandshakeLine, exchange: () => Promise<string>) {
    this.#line = line;
    this.#exchange = exchange;
  }

  get protocol(): string | undefined {
    return this.#protocol;
  }

  open(replicatorConnection: ReplicatorConnection): Promise<void> {
    if (this.#gate !== undefined || this.#isClosed) {
      return Promise.reject(notOpenError('open: a connection can be opened once, and not after it was closed'));
    }
    const onOverflow = (error: MessagingError): void => {
      gate.close(error);
      void this.#line.hangUp(error);
    };
    const gate = new ReceiveGate(replicatorConnection, { onOverflow });
    this.#gate = gate;
    this.#line.passTo(gate); // the engine is spoken to as soon as the answer is there
    return gate.during(this.#open());
  }

  send(message: Message): Promise<void> {
    if (this.#protocol === undefined) return Promise.reject(notOpenError('send: the connection is not open yet'));
    return this.#line.inner.send(message);
  }

  close(error?: MessagingError): Promise<void> {
    this.#isClosed = true;
    this.#gate?.shut();
    this.#line.breakWith(error ?? notOpenError('open: the connection was closed during the handshake'));
    return this.#line.hangUp(error);
  }

  async #open(): Promise<void> {
    try {
      this.#protocol = await this.#exchange();
    } catch (cause) {
      const error = toMessagingError(cause, 'handshake');
      // A refusal is the peer's own word; of what it did wrong it is told.
      void this.#line.hangUp(error instanceof HandshakeError ? error : undefined);
      throw error;
    }
  }
}
