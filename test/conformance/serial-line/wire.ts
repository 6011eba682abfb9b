/**
 * The line in the middle: bytes leave an end at the pace of the line, are damaged, and reach the other ends. Knows no device.
 *
 * Invariant: the average pace is that of the baud rate however late timers fire, as long as they are late by no more than
 * `MAX_LATE_MS`. What is missed beyond that is lost time, not a burst.
 */
import type { Clock, Timer } from '../../../src/index.js';
import { Damage, type DamageCounts, type SerialLineErrors } from './damage.js';
import { Talker } from './talker.js';

export interface WireOptions {
  readonly ends: number;
  /** 0: bytes take no time. */
  readonly baudRate: number;
  /** What one end says is heard by all others, and two that talk at once garble each other. */
  readonly shared: boolean;
  readonly seed: number;
  readonly clock: Clock;
  readonly counts: WireCounts;
  /** False for an end that does not take its bytes: a line without a pace then waits for it. */
  readonly takesBytes: (end: number) => boolean;
  /** The bytes reach that end. They are not written to any more. */
  readonly onArrival: (end: number, bytes: Uint8Array) => void;
  /** The end may go on talking, after {@link Wire.isFull} was true of it. */
  readonly onRoom: (end: number) => void;
}

export interface WireCounts extends DamageCounts {
  /** Bytes that left an end, whatever became of them. */
  bytes: number;
  /** How often two ends began to talk at once. */
  collisions: number;
  garbledBytes: number;
  mutedBytes: number;
}

export class Wire {
  /** Swallows everything. */
  muted = false;
  readonly #options: WireOptions;
  readonly #byteMs: number;
  readonly #talkers: readonly Talker[];
  readonly #damages: readonly Damage[];
  /** What was carried and has not been handed over, in order. */
  #carried: Carried[] = [];
  #carriedSince = 0;
  /** When the last byte that was garbled had left. */
  #collidingUntil = -Infinity;
  #timer: Timer | undefined;

  constructor(options: WireOptions) {
    const { ends, baudRate, seed, counts } = options;
    this.#options = options;
    this.#byteMs = baudRate === 0 ? 0 : (BITS_PER_BYTE * 1000) / baudRate;
    this.#talkers = Array.from({ length: ends }, () => new Talker(this.#byteMs));
    this.#damages = Array.from({ length: ends }, (_, end) => new Damage(seed + end * SEED_STEP, counts));
  }

  set rates(rates: Required<SerialLineErrors>) {
    for (const damage of this.#damages) damage.rates = rates;
  }

  /** Whether the end should wait before it says more. */
  isFull(end: number): boolean {
    return this.#talker(end).size >= FIFO_SIZE;
  }

  /** The end says something. The bytes belong to the wire. */
  send(end: number, bytes: Uint8Array): void {
    this.#talker(end).push(bytes, this.#options.clock.monotonic());
    if (this.#byteMs === 0) this.run();
    else this.#timer ??= this.#options.clock.setTimer(1, () => this.run());
  }

  /** What the end said and has not left it is lost. */
  clear(end: number): void {
    this.#talker(end).clear();
  }

  /** Carries what is due. To be called when an end takes bytes again. */
  run(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const now = this.#options.clock.monotonic();
    for (const talker of this.#talkers) talker.delayUntil(now - MAX_LATE_MS - this.#byteMs);
    for (let end = this.#next(now); end !== undefined; end = this.#next(now)) this.#carry(end, now);
    const isBusy = this.#byteMs > 0 && this.#talkers.some(({ size }) => size > 0);
    if (!isBusy || now - this.#carriedSince >= this.#holdMs) this.#handOver();
    for (const [end, { size }] of this.#talkers.entries()) if (size <= FIFO_SIZE / 2) this.#options.onRoom(end);
    if (isBusy) this.#timer ??= this.#options.clock.setTimer(1, () => this.run());
  }

  stop(): void {
    this.#timer?.cancel();
    for (const talker of this.#talkers) talker.clear();
  }

  #talker(end: number): Talker {
    return this.#talkers[end] as Talker;
  }

  /** Whose byte leaves next, if one has left by `now`. */
  #next(now: number): number | undefined {
    let next: number | undefined;
    let first = Infinity;
    for (const [end, { nextEnd }] of this.#talkers.entries()) {
      if (nextEnd > now || nextEnd >= first || this.#mustWait(end)) continue;
      next = end;
      first = nextEnd;
    }
    return next;
  }

  /** With a pace, or on a bus, who does not listen misses something. */
  #mustWait(end: number): boolean {
    const { shared, takesBytes } = this.#options;
    return this.#byteMs === 0 && !shared && !takesBytes(1 - end);
  }

  #carry(end: number, now: number): void {
    const { counts, shared } = this.#options;
    const talker = this.#talker(end);
    const damage = this.#damages[end] as Damage;
    const { nextStart, nextEnd } = talker;
    const collides = shared && this.#talkers.some((other) => other !== talker && other.isTalking(nextStart, nextEnd));
    const byte = talker.take();
    counts.bytes++;
    if (collides) {
      counts.garbledBytes++;
      if (nextStart > this.#collidingUntil) counts.collisions++;
      this.#collidingUntil = nextEnd;
    }
    if (this.muted) {
      counts.mutedBytes++;
      return;
    }
    if (this.#carried.length === 0) this.#carriedSince = now;
    let last = this.#carried.at(-1);
    if (last?.from !== end) this.#carried.push((last = new Carried(end)));
    damage.carry(collides ? damage.garble(byte) : byte, last.push);
  }

  #handOver(): void {
    const carried = this.#carried;
    if (carried.length === 0) return;
    this.#carried = [];
    for (const { from, bytes } of carried) {
      if (bytes.length === 0) continue;
      for (let to = 0; to < this.#options.ends; to++) if (to !== from) this.#options.onArrival(to, bytes);
    }
  }

  /** With many who listen, each small piece would wake all their programs: only the end of what was said is in a hurry. */
  get #holdMs(): number {
    return this.#options.ends > 4 ? 4 : 0;
  }
}

/** Bytes of one end that left it in a row. */
class Carried {
  readonly from: number;
  #bytes = Buffer.allocUnsafe(64);
  #length = 0;

  constructor(from: number) {
    this.from = from;
  }

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  readonly push = (byte: number): void => {
    if (this.#length === this.#bytes.length) this.#bytes = Buffer.concat([this.#bytes], this.#length * 2);
    this.#bytes[this.#length++] = byte;
  };
}

/** A start bit, eight of data, a stop bit. */
const BITS_PER_BYTE = 10;

/** What an end may have said before it is asked to wait: about what the chip of a serial port and its driver hold. */
const FIFO_SIZE = 1024;

const MAX_LATE_MS = 8;

/** Any number: the ends shall not be damaged alike. */
const SEED_STEP = 0x9e3779b1;
