/**
 * A reliable link as a connection of the engine, from either end: the machine decides, and this lends it a medium and a clock.
 *
 * Invariant: nothing is kept without bound. A message is refused while `highWaterMark` bytes wait to be sent; what the engine
 * does not take stays within the window of the link; the medium is offered a packet only when it wants one.
 */
import {
  closeCodeToError,
  deferred,
  errorToCloseCode,
  MessageConnection,
  MessagingError,
  systemRandom,
  type Clock,
  type Deferred,
  type Message,
  type RandomSource,
  type Timer,
} from '../../src/index.js';
import { Link, MAX_TAG, type LinkEnd, type LinkOptions, type LinkStatistics } from './machine/index.js';

/** What carries packets: it keeps their boundaries, drops what was damaged, and may lose, repeat and re-order the rest. */
export interface PacketMedium {
  /** Connects. Resolves when packets can flow; rejects with a {@link MessagingError}. Called once. */
  open(sink: PacketSink): Promise<void>;
  /** Whether it takes a packet now. If not, it calls {@link PacketSink.writable} when it does. */
  readonly isWritable: boolean;
  /** Must not change the packet: the same bytes may have to leave again. */
  write(packet: Uint8Array): void;
  /** The largest packet, in bytes, where that is only known once the medium is open. */
  readonly maxPacketSize?: number | undefined;
  /** Lets go of everything. Idempotent, allowed in every state. */
  close(): void | Promise<void>;
}

/** What a medium tells. */
export interface PacketSink {
  /** A packet came; its memory is not used again. */
  packet(packet: Uint8Array): void;
  /** It takes packets again, or the link has taken some: what is due is written before this returns. */
  writable(): void;
  /** It is gone. */
  lost(error: MessagingError): void;
}

export interface LinkConnectionOptions {
  readonly clock: Clock;
  readonly link: LinkOptions;
  /** Bytes that may wait to be sent before `send` waits. */
  readonly highWaterMark: number;
  /** How long the farewell may take, what is unsent included. In milliseconds. @default 5,000 */
  readonly closeTimeoutMs?: number;
}

/** How the active end reaches the passive one. */
export interface LinkConnect {
  /** Who is called, for errors. */
  readonly name: string;
  readonly connectTimeoutMs: number;
  readonly random?: RandomSource;
}

export class LinkConnection extends MessageConnection {
  /** How much the layers above should keep unsent at the most: whatever waits longer delays what is urgent. */
  readonly highWaterMark: number;
  /** For the medium, which gets it when it is opened; one that brought the link may call it before. */
  readonly sink: PacketSink = {
    packet: (packet) => this.#received(packet),
    writable: () => this.#pump(),
    lost: (error) => this.#lost(error),
  };
  readonly #medium: PacketMedium;
  readonly #options: LinkConnectionOptions;
  readonly #connect: LinkConnect | undefined;
  #link: Link | undefined;
  /** Resolves when the peer has answered, rejects if it will not. */
  readonly #opened = deferred();
  readonly #ended = deferred();
  /** Resolves when there is room to send again. */
  #room: Deferred<void> | undefined;
  /** The engine listens, and has taken everything that it was given. */
  #isReading = false;
  #timer: Timer | undefined;
  #timerAt = Infinity;
  #isWakeDue = false;
  #isReleased = false;

  /** @param source how to reach the passive end, or at that end the link that was made */
  constructor(medium: PacketMedium, source: LinkConnect | Link, options: LinkConnectionOptions) {
    const { clock, link, closeTimeoutMs, highWaterMark } = options;
    super({
      clock,
      maxMessageSize: link.maxMessageSize,
      ...(closeTimeoutMs === undefined ? {} : { closeTimeoutMs }),
    });
    this.highWaterMark = highWaterMark;
    this.#medium = medium;
    this.#options = options;
    this.#opened.promise.catch(() => undefined); // who waits for it hears of it
    if (source instanceof Link) this.#link = source;
    else this.#connect = source;
  }

  /** What the link has done so far; undefined before the medium was open. */
  get statistics(): LinkStatistics | undefined {
    return this.#link?.statistics;
  }

  protected async openMedium(): Promise<void> {
    await this.#medium.open(this.sink);
    if (this.status !== 'opening') return;
    this.#isReading = true;
    if (this.#connect === undefined) return this.#wake();
    const { name, connectTimeoutMs, random = systemRandom } = this.#connect;
    const maxPacketSize = Math.min(this.#options.link.maxPacketSize, this.#medium.maxPacketSize ?? Infinity);
    this.#link = Link.connect(randomTag(random), { ...this.#options.link, maxPacketSize }, this.clock.monotonic());
    const timer = this.clock.setTimer(connectTimeoutMs, () => {
      const message = `${name}: nobody answered within ${connectTimeoutMs / 1_000} s`;
      this.#opened.reject(new MessagingError('CONNECTION_TIMEOUT', message, { recoverable: true }));
    });
    this.#wake();
    try {
      await this.#opened.promise;
    } finally {
      timer.cancel();
    }
  }

  protected sendMessage(message: Message): void | Promise<void> {
    const link = this.#link;
    if (link?.state !== 'open') throw whyEnded(link?.end);
    link.send(message);
    this.#wake();
    if (link.queuedBytes < this.#options.highWaterMark) return;
    this.#room = deferred();
    return this.#room.promise;
  }

  protected async closeMedium(error: MessagingError | undefined): Promise<void> {
    this.#opened.resolve(); // nobody waits for it any more
    const link = this.#link;
    if (link === undefined) return;
    const { code, reason } = errorToCloseCode(error);
    link.close(code, reason, error === undefined);
    this.#wake();
    await this.#ended.promise;
  }

  protected async releaseMedium(error: MessagingError | undefined): Promise<void> {
    this.#isReleased = true;
    this.#timer?.cancel();
    this.#ended.resolve();
    this.#opened.resolve();
    this.#room?.reject(whyEnded(this.#link?.end));
    this.#sayLastWord(error);
    this.#options.link.rate?.release();
    await this.#medium.close();
  }

  /** A farewell that waited in vain for the rest to arrive is said now, once: the peer need not find out by itself. */
  #sayLastWord(error: MessagingError | undefined): void {
    const link = this.#link;
    if (link === undefined || link.end !== undefined || link.state === 'closing' || !this.#medium.isWritable) return;
    const { code, reason } = errorToCloseCode(error);
    link.close(code, reason, false);
    const packet = link.poll(this.clock.monotonic());
    if (packet !== undefined) this.#medium.write(packet);
  }

  #received(packet: Uint8Array): void {
    this.#link?.receive(packet, this.clock.monotonic());
    this.#wake();
  }

  #lost(error: MessagingError): void {
    this.#opened.reject(error);
    this.#ended.resolve();
    this.end(error);
  }

  /** Has everything done that is due, once for all that happens in one turn of the event loop. */
  #wake(): void {
    if (this.#isWakeDue || this.#isReleased) return;
    this.#isWakeDue = true;
    process.nextTick(() => {
      this.#isWakeDue = false;
      this.#pump();
    });
  }

  #pump(): void {
    const link = this.#link;
    if (link === undefined || this.#isReleased) return;
    this.#deliver(link);
    const now = this.clock.monotonic();
    // Time limits of packets mean nothing while none can leave; that of a peer which is not heard does.
    if (now >= link.silentAt) link.passTime(now);
    while (this.#medium.isWritable) {
      const packet = link.poll(now);
      if (packet === undefined) break;
      this.#medium.write(packet);
    }
    if (link.state === 'open') this.#opened.resolve();
    if (link.queuedBytes < this.#options.highWaterMark) this.#room?.resolve();
    if (link.end !== undefined) this.#linkEnded(link, link.end);
    this.#setTimer(link, now);
  }

  /** Gives the engine what it takes. */
  #deliver(link: Link): void {
    while (this.#isReading) {
      const message = link.nextMessage();
      if (message === undefined) return;
      const taken = this.deliver(message.bytes);
      if (taken === undefined) {
        link.taken(message.cost, this.clock.monotonic());
        continue;
      }
      this.#isReading = false;
      void taken.then(() => {
        this.#isReading = true;
        link.taken(message.cost, this.clock.monotonic());
        this.#wake();
      });
    }
  }

  #linkEnded(link: Link, end: LinkEnd): void {
    this.#ended.resolve();
    this.#opened.reject(whyEnded(end));
    // The engine gets what came before the end, however long it takes.
    if (this.#isReading && !link.hasMessage) this.end(whyEnded(end));
  }

  /** A timer that fires too early does no harm, one that is set anew for each packet costs. */
  #setTimer(link: Link, now: number): void {
    const at = this.#medium.isWritable ? link.wakeAt(now) : link.silentAt;
    if (at >= this.#timerAt || this.#isReleased) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = this.clock.setTimer(Math.max(0, at - now), () => {
      this.#timerAt = Infinity;
      this.#pump();
    });
  }
}

/** What the end of a link is to the engine. */
function whyEnded(end: LinkEnd | undefined): MessagingError {
  if (end?.kind === 'closed') return closeCodeToError(end.code, end.reason);
  const reason = end?.reason ?? 'the link has ended';
  switch (end?.kind) {
    case 'violation':
      // It may have been the medium: the next connection will tell.
      return new MessagingError('CONNECTION_PROTOCOL_ERROR', reason, { recoverable: true });
    case 'version':
      return new MessagingError('CONNECTION_PROTOCOL_MISMATCH', reason, { recoverable: false });
    case 'done':
      return new MessagingError('CONNECTION_NOT_OPEN', reason, { recoverable: false });
    default:
      return new MessagingError('CONNECTION_LOST', reason, { recoverable: true });
  }
}

/** A tag that was never used here, as far as chance goes. */
export function randomTag(random: RandomSource): number {
  return 1 + Math.floor(random.next() * MAX_TAG);
}
