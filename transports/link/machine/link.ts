/**
 * The reliable link: whole messages, once and in order, over a medium that may lose, repeat and re-order packets, or an end with
 * a reason. One object for each link at each end.
 *
 * A state machine without I/O: packets, messages and the time go in; packets, messages and the end are asked for. After every
 * call {@link Link.poll} until it returns nothing, look for messages and the end, and come back at {@link Link.wakeAt} at the
 * latest. A call too many is harmless.
 *
 * Making a link takes three packets: hello, welcome, and any packet that carries the tag of the welcome. Only the third proves
 * that the first was not an old one, so a link that exists is not given up for a hello (`acceptor.ts`).
 */
import { HawserError } from '../../../src/index.js';
import { linkOutcome, type LinkEnd } from './link-end.js';
import type { LinkOptions } from './link-options.js';
import { Liveness } from './liveness.js';
import type { IncomingMessage } from './message-stream.js';
import {
  CREDIT_MODULUS,
  decodePacket,
  encodeAcknowledgement,
  encodeClose,
  encodeClosed,
  encodeGreeting,
  expand,
  LINK_VERSION,
  NUMBER_MODULUS,
  type Greeting,
  type Packet,
} from './packet.js';
import { Receiver } from './receiver.js';
import { RoundTrip } from './round-trip.js';
import { Sender } from './sender.js';

/**
 * `connecting`: said hello. `accepting`: heard a hello, and the peer has not proved yet that it is of now. `flushing`: to be
 * closed when everything has arrived. `closing`: said so, and waiting for the peer to have heard it.
 */
export type LinkState = 'connecting' | 'accepting' | 'open' | 'flushing' | 'closing' | 'ended';

/** What a link has done so far. Bytes are those of the stream: messages with their lengths. */
export interface LinkStatistics {
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** Packets of all kinds that were handed to the medium, and those that were understood. */
  readonly sentPackets: number;
  readonly receivedPackets: number;
  /** Packets that went out again. */
  readonly retransmissions: number;
  /** From a packet to its acknowledgement, in milliseconds; undefined before the first. */
  readonly roundTripMs: number | undefined;
}

export class Link {
  readonly #options: LinkOptions;
  /** What the peer puts into packets for this end. */
  readonly tag: number;
  readonly #roundTrip: RoundTrip;
  readonly #receiver: Receiver;
  readonly #liveness: Liveness;
  #state: LinkState;
  /** From the peer's greeting on. */
  #sender: Sender | undefined;
  #peerTag = 0;
  #maxPacketSize: number;
  #end: LinkEnd | undefined;
  #closing: { readonly code: number; readonly reason: string } = { code: 1000, reason: '' };
  /** A packet that is not a part of the regular flow and has to leave. */
  #due: 'hello' | 'welcome' | 'close' | 'closed' | undefined;
  /** When hello or close has to be repeated, and how often it was said. */
  #repeatAt = Infinity;
  #attempts = 0;
  #sentPackets = 0;
  #receivedPackets = 0;

  /**
   * The active end.
   * @param tag 1 to {@link MAX_TAG}, chosen at random
   */
  static connect(tag: number, options: LinkOptions, now: number): Link {
    const link = new Link(tag, options, now, 'connecting');
    link.#due = 'hello';
    return link;
  }

  /** The passive end, for a hello that has come. */
  static accept(hello: Greeting, tag: number, options: LinkOptions, now: number): Link {
    const link = new Link(tag, options, now, 'accepting');
    link.#meet(hello);
    link.#due = 'welcome';
    return link;
  }

  private constructor(tag: number, options: LinkOptions, now: number, state: LinkState) {
    this.tag = tag;
    this.#options = options;
    this.#state = state;
    this.#maxPacketSize = options.maxPacketSize;
    this.#roundTrip = new RoundTrip(options);
    this.#receiver = new Receiver(options);
    const { giveUpMs } = options;
    const keepAliveMs = options.keepAliveMs * (state === 'accepting' ? PASSIVE_PATIENCE : 1);
    this.#liveness = new Liveness({ keepAliveMs, giveUpMs, roundTrip: this.#roundTrip }, now);
  }

  get state(): LinkState {
    return this.#state;
  }

  /** Why it ended, once it has. Messages that came before are still there. */
  get end(): LinkEnd | undefined {
    return this.#end;
  }

  /** Bytes that {@link send} was given and that have not been sent for the first time. */
  get queuedBytes(): number {
    return this.#sender?.queuedBytes ?? 0;
  }

  get statistics(): LinkStatistics {
    return {
      sentBytes: this.#sender?.sentBytes ?? 0,
      receivedBytes: this.#receiver.receivedBytes,
      sentPackets: this.#sentPackets,
      receivedPackets: this.#receivedPackets,
      retransmissions: this.#sender?.retransmissions ?? 0,
      roundTripMs: this.#roundTrip.smoothedMs,
    };
  }

  // In

  /** Hands over a message, which belongs to the link from now on. Only while it is open; how much waits is for the caller to limit. */
  send(message: Uint8Array): void {
    if (this.#state !== 'open' || this.#sender === undefined) {
      throw new HawserError('CONNECTION_NOT_OPEN', `the link is ${this.#state}`);
    }
    this.#sender.add(message);
  }

  /** A packet has come. What is none of this link's is ignored. */
  receive(bytes: Uint8Array, now: number): void {
    const packet = decodePacket(bytes);
    if (packet !== undefined) this.take(packet, now);
  }

  take(packet: Packet, now: number): void {
    if (packet.kind === 'hello') return this.#tookHello(packet.greeting);
    if (packet.kind === 'reset') return this.#tookReset(packet.tag);
    if (packet.tag !== this.tag || this.#state === 'ended') return this.#tookLate(packet);
    this.#receivedPackets++;
    this.#understood(packet, now);
    const owesMore = this.#state === 'closing' || this.#sender?.isWaiting === true;
    this.#liveness.heard(now, owesMore, this.#isBlocked);
  }

  /** Whether a hello is that of this link. */
  accepts(hello: Greeting): boolean {
    return hello.tag === this.#peerTag;
  }

  /**
   * Ends the link and tells the peer.
   * @param code a close code of WebSocket (RFC 6455 7.4)
   * @param flush only after everything that was handed over has arrived
   */
  close(code: number, reason: string, flush: boolean): void {
    if (this.#state === 'ended' || this.#state === 'closing') return;
    this.#closing = { code, reason };
    if (this.#state === 'connecting') return this.#finish(linkOutcome('done'));
    if (flush && this.#sender?.isDone === false) {
      this.#state = 'flushing';
      return;
    }
    this.#sayClose();
  }

  /** Nothing is sent any more: another link has taken the place of this one. */
  replaced(): void {
    this.#due = undefined; // it may have ended before
    this.#finish(linkOutcome('replaced'));
  }

  // Out

  get hasMessage(): boolean {
    return this.#receiver.hasMessage;
  }

  /** The next whole message. Its cost is to be given to {@link taken} when the application has done with it. */
  nextMessage(): IncomingMessage | undefined {
    const message = this.#receiver.nextMessage();
    if (this.#receiver.problem !== undefined) this.#violated(this.#receiver.problem);
    return message;
  }

  taken(cost: number, now: number): void {
    this.#receiver.taken(cost, now);
  }

  /** The next packet to hand to the medium now, if there is one. */
  poll(now: number): Uint8Array | undefined {
    this.passTime(now);
    const { rate, packetOverhead } = this.#options;
    if (!this.#hasPacket(now)) {
      // A share may be that of a link that is made, and of the one that is being made as well.
      if (this.#state !== 'accepting' && this.#state !== 'ended') rate?.pass();
      return undefined;
    }
    if (rate !== undefined && rate.readyAt(now) > now) return undefined;
    const control = this.#control(now);
    const packet = control ?? this.#sender?.next(now);
    if (packet === undefined) return undefined;
    this.#sentPackets++;
    const leaves = rate?.spend(packet.length + packetOverhead, now) ?? now;
    if (control === undefined) {
      this.#liveness.owes(now);
      this.#sender?.leavesAt(leaves);
    }
    return packet;
  }

  /** When {@link poll} may have something although nothing came in; infinite if never. */
  wakeAt(now: number): number {
    if (this.#hasPacket(now)) return this.#options.rate?.readyAt(now) ?? now;
    if (this.#state === 'ended') return Infinity;
    return Math.min(this.#repeatAt, this.#liveness.silentAt, this.#askAt, this.#acknowledgeAt, this.#timeoutAt);
  }

  /** When the peer is given up if it is not heard; infinite while it owes nothing. For a medium that takes no packet now. */
  get silentAt(): number {
    return this.#state === 'ended' ? Infinity : this.#liveness.silentAt;
  }

  // What comes in

  #understood(packet: Exclude<Packet, { kind: 'hello' | 'reset' }>, now: number): void {
    switch (packet.kind) {
      case 'welcome':
        return this.#tookWelcome(packet.greeting);
      case 'close':
        this.#finish({ kind: 'closed', code: packet.code, reason: packet.reason });
        this.#due = 'closed';
        return;
      case 'closed':
        if (this.#state === 'closing') this.#finish(linkOutcome('done'));
        return;
      case 'data':
      case 'acknowledgement':
        if (this.#state === 'accepting') this.#state = 'open';
        if (this.#sender === undefined || this.#state === 'closing') return;
        if (packet.kind === 'data') this.#tookData(packet, now);
        else this.#tookAcknowledgement(packet, this.#sender, now);
    }
  }

  #tookHello(greeting: Greeting): void {
    // Its welcome was lost. Any other hello is the business of the acceptor.
    if (this.#state === 'accepting' && this.accepts(greeting)) this.#due = 'welcome';
  }

  /** Without a tag it is from an end that knows of no link: the answer to a question tells whether it means this one. */
  #tookReset(tag: number): void {
    if (tag === 0) this.#liveness.ask();
    else if (tag === this.#peerTag) this.#finish(linkOutcome('restarted'));
  }

  #tookWelcome(greeting: Greeting): void {
    if (this.#state !== 'connecting') {
      if (this.accepts(greeting)) this.#liveness.ask(); // it has not heard from us since
      return;
    }
    if (greeting.version !== LINK_VERSION) {
      return this.#finish(linkOutcome('version', `it speaks version ${greeting.version}, not ${LINK_VERSION}`));
    }
    this.#meet(greeting);
    this.#state = 'open';
    this.#due = undefined;
    this.#repeatAt = Infinity;
    this.#liveness.ask(); // until it is answered, for without it the peer would not know that there is a link
  }

  #tookData({ number, payload }: Extract<Packet, { kind: 'data' }>, now: number): void {
    const problem = this.#receiver.receive(number, payload, now);
    if (problem !== undefined) this.#violated(problem);
  }

  #tookAcknowledgement(packet: Extract<Packet, { kind: 'acknowledgement' }>, sender: Sender, now: number): void {
    const next = expand(packet.next, sender.nextNumber, NUMBER_MODULUS);
    const credit = expand(packet.credit, sender.credit, CREDIT_MODULUS);
    if (packet.wantsAnswer) this.#receiver.acknowledge(now);
    if (!sender.acknowledged(next, packet.ahead, credit, now)) return this.#violated('it has got what was never sent');
    if (this.#state === 'flushing' && sender.isDone) this.#sayClose();
  }

  /** After the end only the one who closes is told that he was heard. */
  #tookLate({ kind, tag }: Packet): void {
    if (kind === 'close' && tag === this.tag && this.#end?.kind === 'closed') this.#due = 'closed';
  }

  #meet({ tag, maxPacketSize, credit }: Greeting): void {
    this.#peerTag = tag;
    this.#maxPacketSize = Math.min(this.#options.maxPacketSize, maxPacketSize);
    this.#sender = new Sender({
      tag,
      maxPacketSize: this.#maxPacketSize,
      credit,
      maxReordering: this.#options.maxReordering,
      congestionControl: this.#options.congestionControl,
      roundTrip: this.#roundTrip,
    });
  }

  // What goes out

  #hasPacket(now: number): boolean {
    if (this.#due !== undefined) return true;
    if (this.#sender === undefined || this.#state === 'ended' || this.#state === 'closing') return false;
    return this.#isAcknowledgementDue(now) || (this.#state !== 'accepting' && this.#sender.hasNext);
  }

  #isAcknowledgementDue(now: number): boolean {
    return this.#liveness.isQuestionDue || now >= this.#acknowledgeAt;
  }

  #control(now: number): Uint8Array | undefined {
    const due = this.#due;
    this.#due = undefined;
    switch (due) {
      case 'hello':
        this.#repeatLater(now);
        return encodeGreeting('hello', 0, this.#greeting);
      case 'welcome':
        return encodeGreeting('welcome', this.#peerTag, this.#greeting);
      case 'close':
        this.#repeatLater(now);
        this.#liveness.owes(now);
        return encodeClose(this.#peerTag, this.#closing.code, this.#closing.reason, this.#maxPacketSize);
      case 'closed':
        return encodeClosed(this.#peerTag);
      case undefined:
        return this.#isAcknowledgementDue(now) ? this.#acknowledgement(now) : undefined;
    }
  }

  #acknowledgement(now: number): Uint8Array {
    const wantsAnswer = this.#liveness.isQuestionDue;
    if (wantsAnswer) this.#liveness.asked(now);
    const { next, credit, ahead } = this.#receiver;
    this.#receiver.acknowledged();
    return encodeAcknowledgement(this.#peerTag, { next, credit, ahead, wantsAnswer }, this.#maxPacketSize);
  }

  get #greeting(): Greeting {
    const { maxPacketSize, window } = this.#options;
    return { version: LINK_VERSION, tag: this.tag, maxPacketSize, credit: window };
  }

  #repeatLater(now: number): void {
    this.#repeatAt = now + this.#roundTrip.timeoutMs(Math.min(this.#attempts++, MAX_DOUBLINGS));
  }

  // Time

  /** For a medium that takes no packet now; {@link poll} does it by itself. */
  passTime(now: number): void {
    if (this.#state === 'ended') return;
    if (now >= this.#liveness.silentAt) {
      const { giveUpMs } = this.#options;
      return this.#finish(linkOutcome('silent', `nothing was heard for ${Math.round(giveUpMs / 1_000)} s`));
    }
    if (now >= this.#repeatAt) {
      this.#repeatAt = Infinity;
      if (this.#state === 'connecting') this.#due = 'hello';
      else if (this.#state === 'closing') this.#due = 'close';
    }
    if (now >= this.#timeoutAt) this.#sender?.timedOut(now);
    if (now >= this.#askAt) this.#liveness.ask();
  }

  get #isFlowing(): boolean {
    return this.#state === 'open' || this.#state === 'flushing';
  }

  get #timeoutAt(): number {
    return this.#isFlowing ? (this.#sender?.timeoutAt ?? Infinity) : Infinity;
  }

  get #acknowledgeAt(): number {
    return this.#isFlowing ? this.#receiver.acknowledgeAt : Infinity;
  }

  get #askAt(): number {
    return this.#isFlowing ? this.#liveness.askAt(this.#isBlocked) : Infinity;
  }

  get #isBlocked(): boolean {
    return this.#sender?.isBlocked === true;
  }

  #violated(what: string): void {
    if (this.#state === 'ended') return;
    this.#finish(linkOutcome('violation', what));
    this.#closing = { code: VIOLATION_CODE, reason: what };
    this.#due = 'close'; // once: nobody waits for an answer
  }

  #sayClose(): void {
    this.#state = 'closing';
    this.#due = 'close';
    this.#attempts = 0;
  }

  #finish(end: LinkEnd): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#end = end;
    this.#due = undefined;
    this.#sender?.dropQueue();
    this.#options.rate?.pass();
  }
}

/** Hello and farewell are repeated at least this often: after the first wait, doubled so many times. */
const MAX_DOUBLINGS = 2;
/** The passive end waits longer before it asks, so that on an idle link one asks and the other only answers. */
const PASSIVE_PATIENCE = 1.1;
/** A passing error: what was damaged on the way, and not noticed, must not end a replication for good. */
const VIOLATION_CODE = 4001;
