/** Two ends of a medium of packets in memory, which loses and re-orders them by a seed. */
import { systemClock, type RandomSource } from '../../src/base/index.js';
import { MessagingError } from '../../src/endpoint/index.js';
import type { PacketMedium, PacketSink } from '../../transports/link/index.js';

export interface PacketPairOptions {
  readonly random: RandomSource;
  /** The chance of each packet to be lost. @default 0 */
  readonly loss?: number;
  /** How long packets take; those that take longer are overtaken. @default 0 to 0 */
  readonly latencyMs?: { readonly from: number; readonly to: number };
}

export interface PacketPair {
  readonly a: MemoryMedium;
  readonly b: MemoryMedium;
}

export function packetPair(options: PacketPairOptions): PacketPair {
  const a: MemoryMedium = new MemoryMedium(options, () => b);
  const b: MemoryMedium = new MemoryMedium(options, () => a);
  return { a, b };
}

export class MemoryMedium implements PacketMedium {
  readonly #options: PacketPairOptions;
  readonly #other: () => MemoryMedium;
  #sink: PacketSink | undefined;
  /** What listens before the medium was opened: the side that waits to be called. */
  onPacket: ((packet: Uint8Array) => void) | undefined;

  constructor(options: PacketPairOptions, other: () => MemoryMedium) {
    this.#options = options;
    this.#other = other;
  }

  readonly isWritable = true;

  async open(sink: PacketSink): Promise<void> {
    this.#sink = sink;
  }

  write(packet: Uint8Array): void {
    const { random, loss = 0, latencyMs = { from: 0, to: 0 } } = this.#options;
    if (random.next() < loss) return;
    const latency = latencyMs.from + random.next() * (latencyMs.to - latencyMs.from);
    // Not by the clock of the ends: what is on its way is not theirs any more.
    systemClock.setTimer(latency, () => this.#other().receive(packet.slice()));
  }

  receive(packet: Uint8Array): void {
    if (this.#sink !== undefined) this.#sink.packet(packet);
    else this.onPacket?.(packet);
  }

  /** As a cable that is pulled at this end. */
  cut(): void {
    this.#sink?.lost(new MessagingError('CONNECTION_LOST', 'the cable was pulled', { recoverable: true }));
  }

  close(): void {
    this.#sink = undefined;
  }
}
