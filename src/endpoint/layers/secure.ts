/**
 * Node's own TLS over any connection: who reads, changes or repeats messages on the way sees ciphertext, and ends the
 * connection at most. The reason of an end travels inside; the connection below is never told one that was meant for the peer.
 *
 * Invariant: nothing of the application is sent or delivered before the peer has proved who it is (`secure-handshake.ts`).
 * Invariant: a connection that ends without the peer's goodbye, which only the peer can have written, was cut: it counts as lost.
 * Invariant: a pause of the engine stops the reading of TLS, and that the connection below; a slow connection slows `send`.
 */
import type { TLSSocket } from 'node:tls';
import { checkInteger, checkOptions, deferred, type Clock } from '../../base/index.js';
import { HawserError } from '../../errors.js';
import { peerChain, type PeerChain } from '../../security/index.js';
import { closeCodeToError, errorToCloseCode, type CloseReason } from '../close-codes.js';
import { MessagingError, type Message, type MessageEndpointConnection } from '../connection.js';
import { MessageConnection } from '../message-connection.js';
import { isMessagingError, lostError } from '../messaging-error.js';
import { tlsError } from '../tls-errors.js';
import { ConnectionStream } from './connection-stream.js';
import { encodeGoodbye, encodeMessage, SecureDecoder, type SecureEvent } from './secure-framing.js';
import { judge, startTls, type SecureClientOptions, type SecureServerOptions } from './secure-handshake.js';

interface SharedOptions {
  readonly clock: Clock;
  /** The largest message in either direction, in bytes. @default 1 MiB */
  readonly maxMessageSize?: number;
  /** What may wait when the connection below goes on delivering while it is asked to pause, in bytes. @default 4 MiB */
  readonly maxBufferedBytes?: number;
  /** How long the farewell may take, in milliseconds. @default 5,000 */
  readonly closeTimeoutMs?: number;
}

export type SecureOptions = (SecureClientOptions | SecureServerOptions) & SharedOptions;

export interface SecureConnection extends MessageEndpointConnection {
  /** What the peer has shown; undefined before `open` has resolved. To a server: only if it asked for it. */
  readonly peer: PeerChain | undefined;
}

/**
 * Wraps `inner`, a connection that carries messages of at least 64 KiB, into one that carries them encrypted. `inner` belongs
 * to the result, which opens and closes it. How long `open` may take is for the caller to limit.
 *
 * @throws HawserError `ARGUMENT_INVALID` or `OPTION_UNKNOWN`
 */
export function secureConnection(inner: MessageEndpointConnection, options: SecureOptions): SecureConnection {
  const { role } = options;
  if (role !== 'client' && role !== 'server') {
    throw new HawserError('ARGUMENT_INVALID', `secureConnection: role must be 'client' or 'server'`);
  }
  checkOptions('secureConnection', options, [
    ...SHARED_OPTIONS,
    ...(role === 'client' ? CLIENT_OPTIONS : SERVER_OPTIONS),
  ]);
  return new TlsConnection(inner, options);
}

class TlsConnection extends MessageConnection implements SecureConnection {
  readonly #inner: MessageEndpointConnection;
  readonly #options: SecureOptions;
  readonly #stream: ConnectionStream;
  readonly #decoder: SecureDecoder;
  #tls: TLSSocket | undefined;
  #peer: PeerChain | undefined;
  /** Whether messages can flow. */
  #isUp = false;
  /** TLS itself failed: the alert that says why is on its way, and nothing else. */
  #tlsFailed = false;
  #corked = false;
  /** The peer's goodbye, if it came. */
  #peerGoodbye: CloseReason | undefined;
  /** Resolves when the peer has said goodbye or is gone. */
  readonly #peerLeft = deferred();
  /** Whether our goodbye was taken by the connection below: then that is closed in order, to flush it. */
  #saidGoodbye = false;

  constructor(inner: MessageEndpointConnection, options: SecureOptions) {
    const { clock, closeTimeoutMs, maxMessageSize = DEFAULT_MAX_MESSAGE_SIZE } = options;
    super({ clock, maxMessageSize, ...(closeTimeoutMs === undefined ? {} : { closeTimeoutMs }) });
    checkInteger('maxMessageSize', maxMessageSize, 1, MAX_MESSAGE_SIZE);
    const maxBufferedBytes = options.maxBufferedBytes ?? DEFAULT_MAX_BUFFERED_BYTES;
    this.#inner = inner;
    this.#options = options;
    this.#stream = new ConnectionStream(inner, checkInteger('maxBufferedBytes', maxBufferedBytes, MIN_BUFFERED_BYTES));
    this.#decoder = new SecureDecoder(maxMessageSize);
  }

  get peer(): PeerChain | undefined {
    return this.#peer;
  }

  protected async openMedium(): Promise<void> {
    await this.#stream.open();
    if (this.status !== 'opening') return; // closed meanwhile
    const tls = await this.#startTls();
    this.#tls = tls;
    if (this.status !== 'opening') return void tls.destroy();
    const peer = peerChain(tls);
    if (this.#options.role === 'client') await judge(peer, this.#options, this.clock);
    if (this.status !== 'opening') return;
    this.#peer = peer;
    this.#isUp = true;
    tls.on('data', (chunk: Uint8Array) => this.#take(tls, chunk));
    tls.on('end', () => this.#ended(undefined));
    tls.on('error', (error: Error) => this.#ended(error));
    tls.on('close', () => this.#ended(undefined));
    if (tls.destroyed || tls.readableEnded) this.#ended(undefined); // while the server was being judged
  }

  protected sendMessage(message: Message): void | Promise<void> {
    const tls = this.#tls;
    if (tls?.writable !== true) throw this.#whyEnded(undefined);
    this.#cork(tls);
    const frame = encodeMessage(message);
    if (tls.writableLength < (this.#inner.highWaterMark ?? HIGH_WATER_MARK)) return void tls.write(frame);
    return new Promise((resolve, reject) => {
      tls.write(frame, (error) => (error ? reject(this.#whyEnded(error)) : resolve()));
    });
  }

  protected async closeMedium(error: MessagingError | undefined): Promise<void> {
    const tls = this.#tls;
    if (!this.#isUp || tls?.writable !== true) return;
    tls.write(encodeGoodbye(this.#peerGoodbye ?? errorToCloseCode(error)));
    await new Promise<void>((resolve) => {
      tls.once('close', () => resolve());
      tls.end(() => {
        this.#saidGoodbye = true;
        resolve();
      });
    });
    // After a violation nothing more is understood, a goodbye neither.
    if (!this.#decoder.finished) await this.#peerLeft.promise;
  }

  protected async releaseMedium(error: MessagingError | undefined): Promise<void> {
    const isUp = this.#isUp;
    this.#isUp = false;
    this.#tls?.destroy();
    this.#stream.destroy();
    if (this.#saidGoodbye || this.#tlsFailed) await this.#inner.close();
    else if (this.#tls === undefined) await this.#inner.close(error);
    // Why is between the two ends. Below it is said only that what waits there is not wanted any more.
    else await this.#inner.close(isUp ? lostError('the farewell was given up') : undefined);
  }

  async #startTls(): Promise<TLSSocket> {
    try {
      return await startTls(this.#stream, this.#options);
    } catch (cause) {
      throw this.#whyEnded(cause);
    }
  }

  /** The reason for an end that the peer did not announce, or of TLS that could not be set up. */
  #whyEnded(cause: unknown): MessagingError {
    const { innerEnd, failure } = this.#stream;
    const address = this.#options.role === 'client' ? this.#options.name : 'the client';
    const ofTls = tlsError(cause, address, this.#options.role);
    if (ofTls !== undefined) this.#tlsFailed = true;
    if (!this.#isUp) {
      if (isMessagingError(cause)) return cause;
      return (
        ofTls ?? failure ?? innerEnd?.error ?? lostError(`${address}: the connection ended while TLS was being set up`)
      );
    }
    // A server may refuse a certificate late: with TLS 1.3 its client has finished before.
    if (ofTls !== undefined && ofTls.code !== 'TLS_HANDSHAKE_FAILED') return ofTls;
    if (ofTls !== undefined) return lostError(`what arrived was changed on the way: ${ofTls.message}`, cause);
    if (failure !== undefined && failure.code !== 'CONNECTION_NOT_OPEN') return failure;
    // Whatever the medium says of it, anybody on the way can have made it say that.
    const said = innerEnd?.error === undefined ? '' : `: ${innerEnd.error.message}`;
    return lostError(`the connection was cut without a goodbye${said}`, innerEnd?.error ?? cause);
  }

  #ended(cause: Error | undefined): void {
    this.#peerLeft.resolve();
    // The one who closes waits for it, or cannot write any more.
    if (this.status === 'opening' || this.status === 'open') this.end(this.#whyEnded(cause));
  }

  #take(tls: TLSSocket, chunk: Uint8Array): void {
    this.#decoder.push(chunk);
    const taken = this.#readAll();
    if (taken === undefined) return;
    tls.pause();
    void taken.then(() => tls.resume());
  }

  /** Handles what has arrived; synchronously as far as the engine takes it at once. */
  #readAll(): void | Promise<void> {
    for (let event = this.#decoder.next(); event !== undefined; event = this.#decoder.next()) {
      const taken = this.#handle(event);
      if (taken !== undefined) return taken.then(() => this.#readAll());
    }
  }

  #handle(event: SecureEvent): void | Promise<void> {
    switch (event.kind) {
      case 'message':
        return this.deliver(event.payload);
      case 'goodbye':
        this.#peerGoodbye = event;
        this.#peerLeft.resolve();
        // The one who closes has said goodbye already, or is about to.
        if (this.status !== 'closing') this.fail(closeCodeToError(event.code, event.reason));
        return;
      case 'violation': {
        const code = event.closeCode === 1009 ? 'CONNECTION_MESSAGE_TOO_LARGE' : 'CONNECTION_PROTOCOL_ERROR';
        return this.fail(new MessagingError(code, event.message, { recoverable: false, closeCode: event.closeCode }));
      }
    }
  }

  /** Lets messages that are sent in one turn of the event loop leave in one write, and few TLS records. */
  #cork(tls: TLSSocket): void {
    if (this.#corked) return;
    this.#corked = true;
    tls.cork();
    process.nextTick(() => {
      this.#corked = false;
      tls.uncork();
    });
  }
}

/** Above this much unsent data nobody is told that more is welcome (specification 1.6). */
const HIGH_WATER_MARK = 65_536;
const DEFAULT_MAX_MESSAGE_SIZE = 1_048_576;
/** The length above it means a goodbye, and no buffer of Node is that large. */
const MAX_MESSAGE_SIZE = 0x7fff_0000;
const DEFAULT_MAX_BUFFERED_BYTES = 4_194_304;
/** Any message that a connection has to carry, and one that was read already. */
const MIN_BUFFERED_BYTES = 131_072;
const SHARED_OPTIONS = ['role', 'clock', 'maxMessageSize', 'maxBufferedBytes', 'closeTimeoutMs'];
const CLIENT_OPTIONS = ['name', 'trust', 'identity', 'onServerCertificate'];
const SERVER_OPTIONS = ['identity', 'authenticator'];
