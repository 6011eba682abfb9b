/** A line between two ends, at the end that listens: the port stays open, peers come and go. */
import { lostError, systemRandom, type ListenerHost, type ListenerMedium, type Timer } from '../../src/index.js';
import {
  Acceptor,
  LinkConnection,
  randomTag,
  rollCall,
  SharedRate,
  type Link,
  type LinkOptions,
  type PacketMedium,
} from '../link/index.js';
import { FrameDecoder } from './framing.js';
import { KeptPort } from './kept-port.js';
import { LineFrames } from './line-frames.js';
import { ROLL_CALL_MS, type LineProfile } from './line-profile.js';
import type { SerialPortOptions } from './port-options.js';

export interface ServedLineOptions {
  readonly port: SerialPortOptions;
  readonly profile: LineProfile;
  readonly host: ListenerHost;
}

export class ServedLine implements ListenerMedium {
  readonly #options: ServedLineOptions;
  readonly #port: KeptPort;
  readonly #link: LinkOptions;
  readonly #outgoing: LineFrames;
  #acceptor: Acceptor;
  #incoming: FrameDecoder;
  /** One, and for a moment the one before. */
  readonly #connections = new Set<LinkConnection>();
  #timer: Timer | undefined;
  /** While there is no connection. */
  #rollCallTimer: Timer | undefined;
  #isClosed = false;

  /** Opens the port, or rejects with a MessagingError. */
  static async open(options: ServedLineOptions): Promise<ServedLine> {
    const line = new ServedLine(options);
    await line.#port.open();
    line.#callRoll();
    return line;
  }

  private constructor(options: ServedLineOptions) {
    const { port, profile, host } = options;
    this.#options = options;
    const rate = new SharedRate({ bytesPerSecond: profile.bytesPerSecond });
    this.#link = { ...profile.link, rate: rate.share() };
    this.#outgoing = new LineFrames({ clock: host.clock, bytesPerSecond: profile.lineBytesPerSecond });
    this.#acceptor = this.#newAcceptor();
    this.#incoming = this.#newDecoder();
    this.#port = new KeptPort({
      port,
      clock: host.clock,
      onData: (bytes) => this.#received(bytes),
      onWritable: () => this.#pump(),
      onLost: (error) => {
        host.report(error);
        this.#acceptor = this.#newAcceptor();
        this.#incoming = this.#newDecoder();
        for (const { sink } of this.#connections) sink.lost(error);
      },
      onReopened: () => this.#callRoll(),
      onProblem: (error) => host.report(error),
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#rollCallTimer?.cancel();
    await this.#port.close();
    // One that came while the listener was closing the others.
    for (const { sink } of this.#connections) sink.lost(lostError('the port was closed'));
  }

  #newAcceptor(): Acceptor {
    return new Acceptor(this.#link, () => randomTag(systemRandom));
  }

  #newDecoder(): FrameDecoder {
    return new FrameDecoder({ maxContent: this.#options.profile.link.maxPacketSize });
  }

  /** A peer that has nothing to say would not notice that its link is gone, and nothing of ours would reach it. */
  #callRoll(): void {
    if (this.#connections.size > 0) return;
    if (this.#port.writable) this.#write(rollCall());
    this.#callRollLater();
  }

  #callRollLater(): void {
    this.#rollCallTimer?.cancel();
    if (this.#isClosed) return;
    this.#rollCallTimer = this.#options.host.clock.setTimer(ROLL_CALL_MS, () => this.#callRoll());
  }

  #write(packet: Uint8Array): void {
    this.#port.write(this.#outgoing.encode(packet));
  }

  #received(bytes: Uint8Array): void {
    const now = this.#options.host.clock.monotonic();
    for (const packet of this.#incoming.push(bytes)) {
      const made = this.#acceptor.receive(packet, now);
      if (made !== undefined) this.#accept(made);
    }
    this.#pump();
  }

  #pump(): void {
    const now = this.#options.host.clock.monotonic();
    while (this.#port.writable) {
      const packet = this.#acceptor.poll(now);
      if (packet === undefined) break;
      this.#write(packet);
    }
    for (const { sink } of this.#connections) sink.writable();
    this.#timer?.cancel();
    const wakeAt = this.#port.writable ? this.#acceptor.wakeAt(now) : Infinity;
    if (wakeAt < Infinity)
      this.#timer = this.#options.host.clock.setTimer(Math.max(0, wakeAt - now), () => this.#pump());
  }

  #accept(link: Link): void {
    const { profile, port, host } = this.#options;
    const options = { clock: host.clock, link: this.#link, highWaterMark: profile.highWaterMark };
    const connection: LinkConnection = new LinkConnection(
      this.#mediumOf(link, () => this.#left(connection)),
      link,
      options,
    );
    this.#connections.add(connection);
    this.#rollCallTimer?.cancel();
    host.accept(connection, `serial:${port.path}`);
  }

  #left(connection: LinkConnection): void {
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#callRollLater();
  }

  /** The line as one link sees it. */
  #mediumOf(link: Link, onClose: () => void): PacketMedium {
    const port = this.#port;
    const acceptor = this.#acceptor;
    return {
      open: async () => undefined,
      get isWritable() {
        return port.writable;
      },
      write: (packet) => this.#write(packet),
      close: () => {
        onClose();
        acceptor.forget(link);
      },
    };
  }
}
