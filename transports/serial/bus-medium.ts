/** A bus as a medium of packets, at a node: it listens for its address, and speaks when it is given the turn. */
import { lostError, type Clock, type Timer } from '../../src/index.js';
import type { PacketMedium, PacketSink } from '../link/index.js';
import { BUS_HEADER_SIZE, decodeBusFrame } from './bus-frame.js';
import { FrameDecoder } from './framing.js';
import { closeDrained } from './line-medium.js';
import { GIVE_UP_MS } from './line-profile.js';
import { Port } from './port.js';
import type { SerialPortOptions } from './port-options.js';
import { Turn, turnBudget } from './turn.js';

export interface BusMediumOptions {
  readonly port: SerialPortOptions;
  /** Of this node, 1 to 32. */
  readonly address: number;
  readonly maxPacketSize: number;
  readonly lineBytesPerSecond: number;
  readonly clock: Clock;
}

export class BusMedium implements PacketMedium {
  readonly #options: BusMediumOptions;
  readonly #frames: FrameDecoder;
  #port: Port | undefined;
  #sink: PacketSink | undefined;
  /** While this node has the word. */
  #turn: Turn | undefined;
  /** When the gateway last said something to this node. */
  #calledAt = 0;
  #timer: Timer | undefined;

  constructor(options: BusMediumOptions) {
    this.#options = options;
    this.#frames = new FrameDecoder({ maxContent: options.maxPacketSize + BUS_HEADER_SIZE });
  }

  async open(sink: PacketSink): Promise<void> {
    this.#sink = sink;
    this.#port = new Port(this.#options.port, {
      onData: (bytes) => this.#received(bytes),
      onLost: (error) => this.#sink?.lost(error),
    });
    await this.#port.open();
    this.#calledAt = this.#options.clock.monotonic();
    this.#watch(GIVE_UP_MS);
  }

  get isWritable(): boolean {
    return this.#turn?.isOver === false;
  }

  write(packet: Uint8Array): void {
    this.#turn?.write(packet);
  }

  async close(): Promise<void> {
    this.#sink = undefined;
    this.#timer?.cancel();
    if (this.#port !== undefined) await closeDrained(this.#port, this.#options.clock);
  }

  /** A node that never has the turn says nothing, so its link waits for no answer either: only here it can be noticed. */
  #watch(ms: number): void {
    if (this.#sink === undefined) return;
    const { clock, address } = this.#options;
    this.#timer = clock.setTimer(ms, () => {
      const left = this.#calledAt + GIVE_UP_MS - clock.monotonic();
      if (left > 0) return this.#watch(left);
      this.#sink?.lost(lostError(`no gateway has asked address ${address} for ${GIVE_UP_MS / 1_000} s`));
    });
  }

  #received(bytes: Uint8Array): void {
    const { address, clock } = this.#options;
    let hasTurn = false;
    for (const content of this.#frames.push(bytes)) {
      const frame = decodeBusFrame(content);
      if (frame === undefined) continue;
      // A turn after which somebody else has spoken is over: this process was held up.
      hasTurn = false;
      if (!frame.fromGateway || frame.address !== address) continue;
      this.#calledAt = clock.monotonic();
      if (frame.packet !== undefined) this.#sink?.packet(frame.packet);
      hasTurn = frame.passesTurn;
    }
    if (hasTurn) this.#speak();
  }

  #speak(): void {
    const { address, lineBytesPerSecond } = this.#options;
    const turn = new Turn({ fromGateway: false, address }, turnBudget(lineBytesPerSecond), (bytes) =>
      this.#port?.write(bytes),
    );
    this.#turn = turn;
    this.#sink?.writable();
    this.#turn = undefined;
    turn.end();
  }
}
