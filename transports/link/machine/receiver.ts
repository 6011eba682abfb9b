/**
 * One direction of a link, at the end that receives: packets in the order of their numbers become the stream, and that messages.
 *
 * Invariant: what is kept here is at most the window and one message. The window opens only when the application has taken what
 * came before, so that a slow reader slows the sender.
 */
import { IncomingMessages, type IncomingMessage } from './message-stream.js';
import { expand, NUMBER_MODULUS, type NumberRange } from './packet.js';
import { MAX_AHEAD } from './sender.js';

export interface ReceiverOptions {
  /** Bytes that may come before the application has taken any. */
  readonly window: number;
  readonly maxMessageSize: number;
  /** After how many packets at the latest an acknowledgement leaves. */
  readonly packetsPerAcknowledgement: number;
  /** How long the first of them may wait for others, in milliseconds. */
  readonly acknowledgementDelayMs: number;
}

export class Receiver {
  readonly #options: ReceiverOptions;
  readonly #messages: IncomingMessages;
  /** Packets behind a gap, by number. */
  readonly #ahead = new Map<number, Uint8Array>();
  #aheadBytes = 0;
  #next = 0;
  /** Bytes of the stream in order. */
  #arrivedBytes = 0;
  /** Cost of messages that the application was given and has not done with. */
  #givenBytes = 0;
  #granted: number;
  /** What the sender was told last. */
  #toldCredit: number;
  #unacknowledged = 0;
  #acknowledgeAt = Infinity;

  constructor(options: ReceiverOptions) {
    this.#options = options;
    this.#messages = new IncomingMessages(options.maxMessageSize);
    this.#granted = options.window;
    this.#toldCredit = options.window;
  }

  /** Everything before this number has arrived. */
  get next(): number {
    return this.#next;
  }

  /** Bytes that the sender may send, from the beginning. */
  get credit(): number {
    return this.#granted;
  }

  /** Payload bytes that arrived in order. */
  get receivedBytes(): number {
    return this.#arrivedBytes;
  }

  /** When an acknowledgement has to leave; infinite if none has to. */
  get acknowledgeAt(): number {
    return this.#acknowledgeAt;
  }

  /** What arrived ahead of a gap, relative to {@link next}. */
  get ahead(): NumberRange[] {
    if (this.#ahead.size === 0) return [];
    const numbers = [...this.#ahead.keys()].sort((a, b) => a - b);
    const ranges: { from: number; count: number }[] = [];
    for (const number of numbers) {
      const last = ranges.at(-1);
      if (last !== undefined && this.#next + last.from + last.count === number) last.count++;
      else ranges.push({ from: number - this.#next, count: 1 });
    }
    return ranges;
  }

  /** Takes a packet. Returns what is wrong with it, if that ends the link. */
  receive(truncated: number, payload: Uint8Array, now: number): string | undefined {
    const number = expand(truncated, this.#next, NUMBER_MODULUS);
    if (number < this.#next || this.#ahead.has(number)) {
      this.acknowledge(now); // it was sent again: ours was lost
      return undefined;
    }
    if (number >= this.#next + MAX_AHEAD) return undefined;
    if (this.#arrivedBytes + this.#aheadBytes + payload.length > this.#granted) {
      return 'more arrived than was granted';
    }
    if (number > this.#next) {
      // A copy: what it is a part of may be much larger, or used again by the medium.
      this.#ahead.set(number, payload.slice());
      this.#aheadBytes += payload.length;
      this.acknowledge(now);
      return undefined;
    }
    const filledGap = this.#ahead.size > 0;
    const problem = this.#takeInOrder(payload);
    if (problem !== undefined) return problem;
    this.#unacknowledged++;
    const { packetsPerAcknowledgement, acknowledgementDelayMs } = this.#options;
    if (filledGap || this.#unacknowledged >= packetsPerAcknowledgement) this.acknowledge(now);
    else this.#acknowledgeAt = Math.min(this.#acknowledgeAt, now + acknowledgementDelayMs);
    return undefined;
  }

  get hasMessage(): boolean {
    return this.#messages.hasNext;
  }

  /** What is wrong with what has arrived, if that ends the link. */
  get problem(): string | undefined {
    return this.#messages.problem;
  }

  /** The next whole message. Its cost has to be given to {@link taken}. What comes behind it is looked at now: see {@link problem}. */
  nextMessage(): IncomingMessage | undefined {
    const message = this.#messages.next();
    this.#givenBytes += message?.cost ?? 0;
    return message;
  }

  /** The application has done with messages of that cost. */
  taken(cost: number, now: number): void {
    this.#givenBytes -= cost;
    this.#grant();
    // Every little bit would be a packet of its own; none at all would leave a sender waiting that has used everything up.
    if (this.#granted - this.#toldCredit >= this.#options.window / 4) this.acknowledge(now);
  }

  /** An acknowledgement has to leave now. */
  acknowledge(now: number): void {
    this.#acknowledgeAt = Math.min(this.#acknowledgeAt, now);
  }

  /** One has left. */
  acknowledged(): void {
    this.#acknowledgeAt = Infinity;
    this.#unacknowledged = 0;
    this.#toldCredit = this.#granted;
  }

  #takeInOrder(first: Uint8Array): string | undefined {
    for (let payload: Uint8Array | undefined = first; payload !== undefined; payload = this.#ahead.get(this.#next)) {
      if (this.#ahead.delete(this.#next)) this.#aheadBytes -= payload.length;
      this.#next++;
      this.#arrivedBytes += payload.length;
      const problem = this.#messages.push(payload);
      if (problem !== undefined) return problem;
    }
    this.#grant();
    return undefined;
  }

  /** Never less than before: what was granted cannot be taken back. */
  #grant(): void {
    const untaken = this.#messages.waitingBytes + this.#givenBytes;
    this.#granted = Math.max(this.#granted, this.#arrivedBytes - untaken + this.#options.window);
  }
}
