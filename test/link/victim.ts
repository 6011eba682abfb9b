/** A link at the mercy of a test, which is its peer, keeps to no rule, and checks after each packet what must be true all the same. */
import assert from 'node:assert/strict';
import type { RandomSource } from '../../src/base/index.js';
import { Acceptor, Link, type LinkOptions } from '../../transports/link/machine/index.js';
import {
  decodePacket,
  encodeAcknowledgement,
  encodeClose,
  encodeClosed,
  encodeGreeting,
  encodeReset,
  startData,
} from '../../transports/link/machine/packet.js';
import { LINK, type End } from './pair.js';

export const OPTIONS: LinkOptions = { ...LINK, window: 2_000, maxMessageSize: 1_000, maxReordering: 3 };
export const PEER_TAG = 0x777777;
/** What a packet may cause at most: data have limits of their own. */
const MAX_ANSWERS = 2;

/** A link, the peer of which is the test. */
export class Victim {
  now = 0;
  link: Link | undefined;
  readonly acceptor: Acceptor | undefined;
  /** Packets that left. */
  readonly said: Uint8Array[] = [];
  takenBytes = 0;
  readonly ends = new Set<string>();

  constructor(
    end: End,
    options: LinkOptions = OPTIONS,
    greeting: Partial<{ credit: number; maxPacketSize: number }> = {},
  ) {
    const mine = { version: 1, tag: PEER_TAG, maxPacketSize: 107, credit: 5_000, ...greeting };
    if (end === 'active') {
      this.link = Link.connect(0xa0a0a0, options, 0);
      this.poll();
      this.hear(encodeGreeting('welcome', this.link.tag, mine));
    } else {
      let tags = 0xb0b0b0;
      this.acceptor = new Acceptor(options, () => tags++);
      this.hear(encodeGreeting('hello', 0, mine));
      this.hear(encodeAcknowledgement(0xb0b0b0, { next: 0, credit: mine.credit, ahead: [], wantsAnswer: true }, 107));
    }
    assert.equal(this.link?.state, 'open');
  }

  get tag(): number {
    return this.link?.tag ?? 0;
  }

  /** The tag in the welcome that it said last: of a link that is being made. */
  get candidateTag(): number {
    const welcomes = this.said.map(decodePacket).filter((packet) => packet?.kind === 'welcome');
    const last = welcomes.at(-1);
    return last?.kind === 'welcome' ? last.greeting.tag : 0;
  }

  /** A packet comes. What leaves because of it, and all that must be true afterwards, is checked. */
  hear(bytes: Uint8Array): void {
    if (this.acceptor === undefined) this.link?.receive(bytes, this.now);
    else {
      const made = this.acceptor.receive(bytes, this.now);
      if (made !== undefined) {
        if (this.link?.end !== undefined) this.ends.add(this.link.end.kind);
        this.link = made;
        this.takenBytes = 0;
      }
    }
    const answers = this.poll().filter((packet) => decodePacket(packet)?.kind !== 'data');
    assert.ok(answers.length <= MAX_ANSWERS, `${answers.length} packets leave for one that came`);
  }

  poll(): Uint8Array[] {
    const packets: Uint8Array[] = [];
    const next = (): Uint8Array | undefined => this.link?.poll(this.now) ?? this.acceptor?.poll(this.now);
    for (let packet = next(); packet !== undefined; packet = next()) {
      packets.push(packet);
      assert.ok(packets.length <= 1_100, 'poll does not come to an end');
      assert.ok(packet.length <= OPTIONS.maxPacketSize);
    }
    this.said.push(...packets);
    if (this.said.length > 50) this.said.splice(0, this.said.length - 50);
    this.#check();
    return packets;
  }

  /** The application takes one message. */
  take(): void {
    const next = this.link?.nextMessage();
    if (next === undefined) return;
    this.takenBytes += next.cost;
    this.link?.taken(next.cost, this.now);
    this.poll();
  }

  /** Time passes, and whatever is due meanwhile happens. */
  pass(ms: number): void {
    const until = this.now + ms;
    for (let steps = 0; ; steps++) {
      assert.ok(steps < 5_000, 'it is woken again and again');
      const at = Math.min(this.link?.wakeAt(this.now) ?? Infinity, this.acceptor?.wakeAt(this.now) ?? Infinity);
      if (at > until) break;
      this.now = at;
      this.poll();
    }
    this.now = until;
    this.poll();
  }

  #check(): void {
    const { link, now } = this;
    assert.ok((this.acceptor?.wakeAt(now) ?? Infinity) > now);
    if (link === undefined) return;
    assert.ok(link.wakeAt(now) > now, `nothing to send, and a wake-up at ${link.wakeAt(now)}`);
    const kept = link.statistics.receivedBytes - this.takenBytes;
    assert.ok(kept <= OPTIONS.window + OPTIONS.maxMessageSize + 5, `${kept} bytes are kept`);
    if (link.end === undefined) return;
    this.ends.add(link.end.kind);
    assert.equal(link.state, 'ended');
    assert.equal(link.queuedBytes, 0);
    assert.equal(link.wakeAt(now), Infinity);
  }
}

/** A packet as only somebody who has read along can make it. */
export function forge(random: RandomSource, victim: Victim): Uint8Array {
  const upTo = (most: number): number => Math.floor(random.next() * most);
  const whose = random.next();
  const tag = whose < 0.9 ? victim.tag : whose < 0.95 ? victim.candidateTag : upTo(2 ** 24);
  const near = (): number => (random.next() < 0.9 ? upTo(60) : upTo(2 ** 24));
  const sizes = [1, 2, 100, 100, 1_000, 3_000];
  const roll = random.next();
  if (roll < 0.35) {
    const bytes = startData(tag, near(), sizes[upTo(sizes.length)] ?? 1);
    // Lengths of messages, often: 0 to 127, or long ones.
    for (let at = 7; at < bytes.length; at++) bytes[at] = random.next() < 0.7 ? 0 : upTo(256);
    return bytes;
  }
  if (roll < 0.75) {
    const credits = [0, 2_000, 5_000, 1_000_000, 2 ** 31, 2 ** 32 - 1];
    const credit = credits[upTo(credits.length)] ?? 0;
    const ack = { next: upTo(30), credit, ahead: [], wantsAnswer: random.next() < 0.5 };
    const bytes = encodeAcknowledgement(tag, random.next() < 0.95 ? ack : { ...ack, next: near() }, 107);
    if (random.next() < 0.5) return bytes;
    return new Uint8Array([...bytes, ...random.bytes(2 * upTo(random.next() < 0.1 ? 5_000 : 10))]);
  }
  if (roll < 0.85) {
    const greeting = {
      version: upTo(3),
      tag: random.next() < 0.5 ? PEER_TAG : 1 + upTo(100),
      maxPacketSize: 32 + upTo(2 ** 24 - 32),
    };
    return encodeGreeting(random.next() < 0.5 ? 'hello' : 'welcome', tag, { ...greeting, credit: upTo(2 ** 32) });
  }
  if (roll < 0.97) {
    const heard = victim.said[upTo(victim.said.length)] ?? encodeClosed(tag);
    const bytes = heard.slice();
    if (random.next() < 0.7) bytes.set(Uint8Array.of(tag >>> 16, (tag >>> 8) & 0xff, tag & 0xff), 1);
    for (let change = upTo(3); change > 0; change--) bytes[upTo(bytes.length)] = upTo(256);
    return bytes;
  }
  if (roll < 0.99) return random.bytes(upTo(40));
  const farewells = [
    encodeClose(tag, upTo(65_536), 'x'.repeat(upTo(200)), 300),
    encodeClosed(tag),
    encodeReset(PEER_TAG),
  ];
  return farewells[upTo(3)] ?? encodeClosed(tag);
}
