/**
 * Two ends of a link, a medium between them that does what a test says, and a time of its own. What the ends hand to the medium
 * and what their applications hear is written down.
 */
import assert from 'node:assert/strict';
import { Acceptor, Link, type LinkOptions } from '../../transports/link/machine/index.js';
import { decodePacket, type Packet } from '../../transports/link/machine/packet.js';

export type End = 'active' | 'passive';

/** A packet that was handed to the medium. */
export interface Post {
  readonly from: End;
  readonly at: number;
  readonly bytes: Uint8Array;
  readonly packet: Packet;
}

/** How long each copy of a packet takes: none for one that is lost. */
export type Medium = (post: Post) => readonly number[];

export const LATENCY_MS = 50;
export const ROUND_TRIP_MS = 2 * LATENCY_MS;

export const LINK: LinkOptions = {
  maxPacketSize: 107, // 100 bytes of payload
  packetOverhead: 0,
  maxMessageSize: 65_536,
  window: 10_000,
  maxReordering: 0,
  congestionControl: false,
  initialTimeoutMs: 1_000,
  minTimeoutMs: 50,
  maxTimeoutMs: 4_000,
  packetsPerAcknowledgement: 2,
  acknowledgementDelayMs: 20,
  keepAliveMs: 10_000,
  giveUpMs: 20_000,
};

export class Pair {
  now = 0;
  active: Link;
  passive: Link | undefined;
  acceptor: Acceptor;
  readonly options: Readonly<Record<End, LinkOptions>>;
  readonly posts: Post[] = [];
  readonly heard: Record<End, Uint8Array[]> = { active: [], passive: [] };
  /** Whether the application takes what arrives. */
  readonly isTaking: Record<End, boolean> = { active: true, passive: true };
  medium: Medium = perfect;
  readonly #transit: { readonly at: number; readonly to: End; readonly bytes: Uint8Array }[] = [];
  #tags = 0xa00000;

  constructor(options: Partial<LinkOptions> = {}, passive: Partial<LinkOptions> = options) {
    this.options = { active: { ...LINK, ...options }, passive: { ...LINK, ...passive } };
    this.active = Link.connect(this.#tag(), this.options.active, this.now);
    this.acceptor = new Acceptor(this.options.passive, () => this.#tag());
  }

  /** A pair that has opened, and is idle. */
  static opened(options: Partial<LinkOptions> = {}, passive: Partial<LinkOptions> = options): Pair {
    const pair = new Pair(options, passive);
    pair.run(ROUND_TRIP_MS * 2);
    assert.equal(pair.active.state, 'open');
    assert.equal(pair.passive?.state, 'open');
    pair.posts.length = 0;
    return pair;
  }

  /** The link of the passive end, which must have been made. */
  get made(): Link {
    assert.ok(this.passive !== undefined, 'no link was made');
    return this.passive;
  }

  /** Switched off and on again. */
  restart(end: End): void {
    if (end === 'active') this.active = Link.connect(this.#tag(), this.options.active, this.now);
    else {
      this.passive = undefined;
      this.acceptor = new Acceptor(this.options.passive, () => this.#tag());
    }
  }

  /** Puts a packet on the way to `to`, whoever made it. */
  inject(to: End, bytes: Uint8Array, latencyMs = 0): void {
    this.#transit.push({ at: this.now + latencyMs, to, bytes });
  }

  run(ms: number): void {
    this.runUntil(() => false, ms, false);
  }

  /** Lets time pass until `isDone`; fails if that takes longer than `limitMs`, unless it is not expected. */
  runUntil(isDone: () => boolean, limitMs = 600_000, isExpected = true): void {
    const limit = this.now + limitMs;
    this.#pump();
    for (let steps = 0; !isDone(); steps++) {
      assert.ok(steps < 1_000_000, `too much happens: ${this.#state}`);
      const next = this.#next();
      if (next > limit) {
        assert.ok(!isExpected, `not done within ${limitMs} ms: ${this.#state}`);
        this.now = limit;
        return;
      }
      this.now = Math.max(this.now, next);
      const due = this.#transit.filter(({ at }) => at <= this.now).sort((a, b) => a.at - b.at);
      for (const transit of due) this.#transit.splice(this.#transit.indexOf(transit), 1);
      for (const { to, bytes } of due) this.#arrive(to, bytes);
      this.#pump();
    }
  }

  /** What was sent since `from`, as text: `active data 3`. */
  trace(from = 0): string[] {
    return this.posts.slice(from).map(({ from: end, packet }) => `${end} ${describePacket(packet)}`);
  }

  count(kind: Packet['kind'], from?: End): number {
    return this.posts.filter((post) => post.packet.kind === kind && (from ?? post.from) === post.from).length;
  }

  #tag(): number {
    return this.#tags++;
  }

  #arrive(to: End, bytes: Uint8Array): void {
    if (to === 'active') return this.active.receive(bytes, this.now);
    this.passive = this.acceptor.receive(bytes, this.now) ?? this.passive;
  }

  #pump(): void {
    this.#take('active', this.active);
    this.#take('passive', this.passive);
    this.#send('active', (now) => this.active.poll(now));
    this.#send('passive', (now) => this.passive?.poll(now) ?? this.acceptor.poll(now));
    // Whoever has nothing to send and wants to be called at once would keep a processor busy.
    for (const at of this.#wakings()) assert.ok(at > this.now, `nothing to send, and a wake-up at ${at}`);
  }

  #take(end: End, link: Link | undefined): void {
    if (link === undefined || !this.isTaking[end]) return;
    for (let message = link.nextMessage(); message !== undefined; message = link.nextMessage()) {
      this.heard[end].push(message.bytes);
      link.taken(message.cost, this.now);
    }
  }

  #send(from: End, poll: (now: number) => Uint8Array | undefined): void {
    let count = 0;
    for (let bytes = poll(this.now); bytes !== undefined; bytes = poll(this.now)) {
      assert.ok(++count < 10_000, 'poll does not come to an end');
      const packet = decodePacket(bytes);
      assert.ok(packet !== undefined, 'an impossible packet');
      const post = { from, at: this.now, bytes, packet };
      this.posts.push(post);
      for (const latency of this.medium(post)) {
        this.inject(from === 'active' ? 'passive' : 'active', bytes.slice(), latency);
      }
    }
  }

  #wakings(): number[] {
    const { now } = this;
    return [this.active.wakeAt(now), this.passive?.wakeAt(now) ?? Infinity, this.acceptor.wakeAt(now)];
  }

  #next(): number {
    return Math.min(...this.#wakings(), ...this.#transit.map(({ at }) => at));
  }

  get #state(): string {
    return `active ${this.active.state}, passive ${this.passive?.state}, last ${this.trace(this.posts.length - 10).join('; ')}`;
  }
}

/** In order and without loss. */
export const perfect: Medium = () => [LATENCY_MS];

/** Loses the first packets that `isHit` fits, so many, and carries the rest. */
export function losing(count: number, isHit: (post: Post) => boolean): Medium {
  let left = count;
  return (post) => {
    if (left === 0 || !isHit(post)) return [LATENCY_MS];
    left--;
    return [];
  };
}

/** Bytes that tell which they are. */
export function message(size: number, index = 0): Uint8Array {
  return Uint8Array.from({ length: size }, (_, at) => (at * 7 + index) & 0xff);
}

function describePacket(packet: Packet): string {
  if (packet.kind === 'data') return `data ${packet.number}`;
  if (packet.kind !== 'acknowledgement') return packet.kind;
  const ahead = packet.ahead.map(({ from, count }) => ` +${from}..${from + count - 1}`).join('');
  return `${packet.wantsAnswer ? 'question' : 'acknowledgement'} ${packet.next}${ahead}`;
}
