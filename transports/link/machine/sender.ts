/**
 * One direction of a link, at the end that sends: the stream in numbered packets, which are repeated until they are acknowledged.
 *
 * A packet is lost when one that was sent later has arrived (RFC 9002 6.1), or when nothing comes back for the timeout of the
 * round trip: then the oldest goes out again, and the answer to it tells what else is missing.
 *
 * Invariant: no byte beyond the credit of the receiver leaves, and none {@link MAX_AHEAD} packets ahead of what has arrived.
 */
import { Congestion } from './congestion.js';
import { OutgoingMessages } from './message-stream.js';
import { DATA_HEADER_SIZE, startData, type NumberRange } from './packet.js';
import type { RoundTrip } from './round-trip.js';

export interface SenderOptions {
  /** The tag of the receiver. */
  readonly tag: number;
  readonly maxPacketSize: number;
  /** Bytes that may be sent at first. */
  readonly credit: number;
  /** How many packets may overtake another one before that counts as lost; 0 where the medium keeps the order. */
  readonly maxReordering: number;
  readonly congestionControl: boolean;
  readonly roundTrip: RoundTrip;
}

/** A packet that may still be on the way. */
interface Sent {
  readonly bytes: Uint8Array;
  /** The order of its first and its last transmission among all. */
  readonly firstOrder: number;
  order: number;
  sentAt: number;
  /** It has to go out again. */
  isLost: boolean;
}

export class Sender {
  readonly #options: SenderOptions;
  readonly #congestion: Congestion | undefined;
  readonly #queue = new OutgoingMessages();
  /** By number, in ascending order. */
  readonly #sent = new Map<number, Sent>();
  #nextNumber = 0;
  #nextOrder = 0;
  /** The latest transmission that is known to have arrived. */
  #arrivedOrder = -1;
  /** Payload bytes sent for the first time, from the beginning. */
  #sentBytes = 0;
  #credit: number;
  /** Payload bytes on the way that do not count as lost. */
  #flyingBytes = 0;
  #lostCount = 0;
  /** What was sent last. */
  #latest: Sent | undefined;
  /** Timeouts in a row. */
  #timeouts = 0;
  /** Answers in a row of which it is not known to what. */
  #doubts = 0;
  /** One packet has to leave in spite of congestion, for nothing comes back. */
  #isProbing = false;
  /** From when on the timeout counts: the last transmission or the last good news. */
  #timerFrom = 0;
  #retransmissions = 0;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#credit = options.credit;
    this.#congestion = options.congestionControl ? new Congestion(options.maxPacketSize) : undefined;
  }

  add(message: Uint8Array): void {
    this.#queue.add(message);
  }

  /** Bytes that were handed over and not sent yet. */
  get queuedBytes(): number {
    return this.#queue.size;
  }

  /** Payload bytes sent, repetitions not counted. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  get retransmissions(): number {
    return this.#retransmissions;
  }

  /** What the receiver has granted, from the beginning: what a truncated amount is close to. */
  get credit(): number {
    return this.#credit;
  }

  /** What the next packet will be numbered: what a truncated number is close to. */
  get nextNumber(): number {
    return this.#nextNumber;
  }

  /** Whether packets wait for their acknowledgement. */
  get isWaiting(): boolean {
    return this.#sent.size > 0;
  }

  /** Everything has arrived. */
  get isDone(): boolean {
    return this.#sent.size === 0 && this.#queue.size === 0;
  }

  /** There is something to send, nothing on the way, and the receiver takes nothing: nobody would speak any more. */
  get isBlocked(): boolean {
    return this.#sent.size === 0 && this.#queue.size > 0 && this.#creditLeft <= 0;
  }

  /** Whether {@link next} would return something. */
  get hasNext(): boolean {
    return this.#mayRepeat || this.#room > 0;
  }

  /** When {@link timedOut} has to be called; infinite if nothing is on the way. */
  get timeoutAt(): number {
    if (this.#sent.size === this.#lostCount) return Infinity;
    return this.#timerFrom + this.#options.roundTrip.timeoutMs(this.#timeouts);
  }

  /** The next packet to send now: what was lost first, then what was never sent. */
  next(now: number): Uint8Array | undefined {
    if (this.#sent.size === this.#lostCount) this.#timerFrom = now;
    if (this.#mayRepeat) return this.#repeat(now);
    const size = this.#room;
    if (size <= 0) return undefined;
    const bytes = startData(this.#options.tag, this.#nextNumber, size);
    this.#queue.moveTo(bytes, DATA_HEADER_SIZE);
    const order = this.#nextOrder++;
    this.#latest = { bytes, firstOrder: order, order, sentAt: now, isLost: false };
    this.#sent.set(this.#nextNumber++, this.#latest);
    this.#sentBytes += size;
    this.#flyingBytes += size;
    return bytes;
  }

  /**
   * Tells when the packet that {@link next} returned last will have left, where the medium is so slow that this takes a while:
   * only from then on can there be an answer.
   */
  leavesAt(time: number): void {
    this.#timerFrom = Math.max(this.#timerFrom, time);
    if (this.#latest !== undefined) this.#latest.sentAt = time;
  }

  /**
   * The receiver tells what it has. False if that is impossible.
   * @param next the number before which everything has arrived
   * @param credit from the beginning
   */
  acknowledged(next: number, ahead: readonly NumberRange[], credit: number, now: number): boolean {
    if (next > this.#nextNumber) return false;
    this.#credit = Math.max(this.#credit, credit);
    let newest: Sent | undefined;
    const take = (number: number, sent: Sent): void => {
      this.#remove(number, sent);
      if (newest === undefined || sent.order > newest.order) newest = sent;
    };
    for (const [number, sent] of this.#sent) {
      if (number >= next) break;
      take(number, sent);
    }
    // Only what may still be there is looked for: the peer says how far the ranges go.
    const oldest = this.#oldest;
    for (const { from, count } of ahead) {
      const end = Math.min(next + from + count, this.#nextNumber);
      for (let number = Math.max(next + from, oldest); number < end; number++) {
        const sent = this.#sent.get(number);
        if (sent !== undefined) take(number, sent);
      }
    }
    if (newest !== undefined) this.#progressed(newest, now);
    return true;
  }

  /** Nothing came back in time. */
  timedOut(now: number): void {
    this.#timeouts++;
    this.#timerFrom = now;
    this.#isProbing = true;
    this.#congestion?.timedOut(this.#nextOrder - 1);
    for (const sent of this.#sent.values()) {
      if (sent.isLost) continue;
      this.#lose(sent);
      break;
    }
  }

  /** Forgets what was not sent yet. */
  dropQueue(): void {
    this.#queue.clear();
  }

  get #creditLeft(): number {
    return this.#credit - this.#sentBytes;
  }

  /** The first packet that may still be on the way. */
  get #oldest(): number {
    return this.#sent.keys().next().value ?? this.#nextNumber;
  }

  /** Bytes of payload that the next new packet may have. */
  get #room(): number {
    if (this.#queue.size === 0 || this.#lostCount > 0 || this.#nextNumber - this.#oldest >= MAX_AHEAD) return 0;
    const wanted = Math.min(this.#queue.size, this.#options.maxPacketSize - DATA_HEADER_SIZE);
    return this.#mayFly(wanted) ? Math.min(wanted, this.#creditLeft) : 0;
  }

  get #mayRepeat(): boolean {
    return this.#lostCount > 0 && (this.#isProbing || this.#mayFly(this.#options.maxPacketSize - DATA_HEADER_SIZE));
  }

  /** Whether so many bytes more do not congest whatever is in the middle. */
  #mayFly(size: number): boolean {
    return this.#congestion === undefined || this.#flyingBytes + size <= this.#congestion.window;
  }

  #repeat(now: number): Uint8Array | undefined {
    this.#isProbing = false;
    for (const sent of this.#sent.values()) {
      if (!sent.isLost) continue;
      sent.isLost = false;
      sent.order = this.#nextOrder++;
      sent.sentAt = now;
      this.#lostCount--;
      this.#flyingBytes += payloadSize(sent);
      this.#retransmissions++;
      this.#latest = sent;
      return sent.bytes;
    }
    return undefined;
  }

  #remove(number: number, sent: Sent): void {
    this.#sent.delete(number);
    if (sent.isLost) this.#lostCount--;
    else this.#flyingBytes -= payloadSize(sent);
    this.#congestion?.arrived(payloadSize(sent));
  }

  #progressed(newest: Sent, now: number): void {
    const { roundTrip, maxReordering } = this.#options;
    this.#timerFrom = now;
    const elapsed = Math.max(0, now - newest.sentAt);
    const isRepeated = newest.order !== newest.firstOrder;
    // Of a repeated packet it is not known which one was answered: it measures nothing (Karn's rule).
    this.#doubts = isRepeated ? this.#doubts + 1 : 0;
    if (!isRepeated) roundTrip.measured(elapsed);
    // If that goes on, or nothing was ever measured, the timeout may be too short: it stays as long as it has become, and what
    // was repeated counts as answered before. A second time without any measurement means that everything was lost.
    const isKnown = roundTrip.smoothedMs !== undefined;
    const isTooShort = isKnown ? this.#doubts >= MAX_DOUBTS : this.#doubts === 1;
    if (isKnown && !isTooShort) this.#timeouts = 0;
    const isFirst = isRepeated && (isTooShort || elapsed < roundTrip.minimumMs);
    const order = isFirst ? newest.firstOrder : newest.order;
    this.#arrivedOrder = Math.max(this.#arrivedOrder, order);
    for (const sent of this.#sent.values()) {
      if (sent.isLost || sent.order + maxReordering >= this.#arrivedOrder) continue;
      this.#congestion?.lost(sent.order, this.#nextOrder - 1);
      this.#lose(sent);
    }
  }

  #lose(sent: Sent): void {
    sent.isLost = true;
    this.#lostCount++;
    this.#flyingBytes -= payloadSize(sent);
  }
}

function payloadSize({ bytes }: Sent): number {
  return bytes.length - DATA_HEADER_SIZE;
}

const MAX_DOUBTS = 8;
/** How far packets may be ahead of the first that is missing. */
export const MAX_AHEAD = 1_024;
