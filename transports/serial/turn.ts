/**
 * One turn on a bus: packets up to a budget, the last of which passes the turn on; or an empty frame, if there is nothing to say.
 *
 * The first frame begins with a zero byte: where one driver lets go of the line and another takes hold of it, the line often
 * makes up a byte, which would be taken for the beginning of this frame otherwise, and cost the whole turn.
 */
import { BUS_HEADER_SIZE, encodeBusFrame, type BusFrame } from './bus-frame.js';
import { encodeFrame, frameOverhead } from './framing.js';

export class Turn {
  readonly #frame: Pick<BusFrame, 'fromGateway' | 'address'>;
  readonly #write: (bytes: Uint8Array) => void;
  #budget: number;
  /** Written last, and not sent yet: it may be the one that passes the turn on. */
  #held: Uint8Array | undefined;
  #packets = 0;
  #bytes = 0;

  /** @param budget bytes; the packet that goes beyond is the last */
  constructor(frame: Pick<BusFrame, 'fromGateway' | 'address'>, budget: number, write: (bytes: Uint8Array) => void) {
    this.#frame = frame;
    this.#budget = budget;
    this.#write = write;
  }

  get isOver(): boolean {
    return this.#budget <= 0;
  }

  /** Packets of this turn. */
  get packets(): number {
    return this.#packets;
  }

  /** Only while it is not over. */
  write(packet: Uint8Array): void {
    if (this.#held !== undefined) this.#send(this.#held, false);
    this.#held = packet;
    this.#packets++;
    const content = packet.length + BUS_HEADER_SIZE;
    this.#budget -= content + frameOverhead(content);
  }

  /** Passes the turn on. Returns the bytes that were sent in it. */
  end(): number {
    this.#budget = 0;
    this.#send(this.#held, true);
    return this.#bytes;
  }

  #send(packet: Uint8Array | undefined, passesTurn: boolean): void {
    const bytes = encodeFrame(encodeBusFrame({ ...this.#frame, passesTurn, packet }), this.#bytes === 0);
    this.#bytes += bytes.length;
    this.#write(bytes);
  }
}

/** Bytes that somebody may send in a turn: what the line carries in 50 ms, and one packet at least. */
export function turnBudget(lineBytesPerSecond: number): number {
  return Math.max(1, Math.round(lineBytesPerSecond * 0.05));
}

/** The most bytes that one may take: the last packet goes beyond the budget. */
export function longestTurn(lineBytesPerSecond: number, maxPacketSize: number): number {
  const content = maxPacketSize + BUS_HEADER_SIZE;
  return turnBudget(lineBytesPerSecond) + content + frameOverhead(content) + 1;
}
