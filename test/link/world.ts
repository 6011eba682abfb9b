/**
 * Two ends of a link and the medium between them, on a clock of their own: everything that can happen to packets happens to
 * these, by a seed. What the ends say and hear is written down and compared.
 */
import assert from 'node:assert/strict';
import { crc32 } from '../../src/blip/crc.js';
import { seededRandom, type RandomSource } from '../../src/base/index.js';
import { Acceptor, Link, MAX_TAG, type LinkOptions } from '../../transports/link/machine/index.js';

export interface Faults {
  /** Chances for each packet. */
  readonly loss: number;
  readonly duplication: number;
  readonly corruption: number;
  /** How much longer than the usual latency a packet may take, in milliseconds: they overtake each other. */
  readonly jitterMs: number;
}

export interface WorldOptions {
  readonly latencyMs: number;
  readonly faults: Faults;
  readonly link: LinkOptions;
  /** Messages that each end hands over in each life; the active end one at least, by which the passive one knows it. */
  readonly messages: { readonly active: number; readonly passive: number };
  readonly maxMessageSize: number;
  /** How long an application may leave a message lying, in milliseconds. */
  readonly idleMs: number;
  /** How often an end is switched off and on again. */
  readonly reboots: number;
  /** When faults and reboots end, in milliseconds. */
  readonly calmFromMs: number;
}

interface Transit {
  readonly at: number;
  readonly order: number;
  readonly bytes: Uint8Array;
  readonly to: Side;
}

/** One end, through all its lives. */
class Side {
  link: Link | undefined;
  acceptor: Acceptor | undefined;
  /** Which life of a link this is: its messages carry it. */
  life = 0;
  /** Messages sent in this life. */
  sent = 0;
  /** Whose messages are heard, and how many were. */
  heardLife: number | undefined;
  heard = 0;
  takenBytes = 0;
  /** Taken by the application and not done with. */
  readonly open: { readonly cost: number; readonly at: number }[] = [];
  speakAt = 0;
  readonly endings: string[] = [];
  readonly name: 'active' | 'passive';

  constructor(name: 'active' | 'passive') {
    this.name = name;
  }
}

export class World {
  now = 0;
  readonly #options: WorldOptions;
  readonly #random: RandomSource;
  readonly #active = new Side('active');
  readonly #passive = new Side('passive');
  readonly #transit: Transit[] = [];
  #transits = 0;
  #lives = 0;
  #reboots: number[];
  #faults: Faults;
  /** Packets that arrived in one piece. */
  delivered = 0;

  constructor(seed: number, options: WorldOptions) {
    this.#random = seededRandom(seed);
    this.#options = options;
    this.#faults = options.faults;
    this.#reboots = Array.from({ length: options.reboots }, () => this.#random.next() * options.calmFromMs).sort(
      (a, b) => a - b,
    );
    this.#boot(this.#active);
    this.#boot(this.#passive);
  }

  /** Lets time pass until everything was said and heard. Throws when that does not come about. */
  run(): void {
    const limit = this.#options.calmFromMs + CALM_LIMIT_MS;
    for (let steps = 0; !this.#isDone(); steps++) {
      assert.ok(this.now < limit, `not done ${CALM_LIMIT_MS} ms after the last fault: ${this.#describe()}`);
      assert.ok(steps < 200_000, `too much happens: ${this.#describe()}`);
      const next = this.#nextTime();
      assert.ok(Number.isFinite(next), `nothing will ever happen: ${this.#describe()}`);
      this.now = Math.max(this.now, next);
      this.#step();
    }
  }

  get endings(): readonly string[] {
    return [...this.#active.endings, ...this.#passive.endings];
  }

  #boot(side: Side): void {
    side.life = ++this.#lives;
    side.sent = 0;
    side.heard = 0;
    side.heardLife = undefined;
    side.takenBytes = 0;
    side.open.length = 0;
    side.speakAt = this.now;
    if (side.name === 'active') {
      side.link = Link.connect(this.#tag(), this.#options.link, this.now);
    } else {
      side.link = undefined;
      side.acceptor = new Acceptor(this.#options.link, () => this.#tag());
    }
  }

  #tag(): number {
    return 1 + Math.floor(this.#random.next() * MAX_TAG);
  }

  #step(): void {
    if (this.now >= this.#options.calmFromMs) {
      this.#faults = { loss: 0, duplication: 0, corruption: 0, jitterMs: 0 };
    }
    while ((this.#reboots[0] ?? Infinity) <= this.now) {
      this.#reboots.shift();
      this.#boot(this.#random.next() < 0.5 ? this.#active : this.#passive);
    }
    for (const { bytes, to } of this.#arrivals()) this.#arrive(to, bytes);
    for (const side of [this.#active, this.#passive]) {
      this.#consume(side);
      this.#speak(side);
      this.#pump(side);
      this.#listen(side);
    }
  }

  #arrivals(): Transit[] {
    const due = this.#transit.filter(({ at }) => at <= this.now).sort((a, b) => a.at - b.at || a.order - b.order);
    for (const transit of due) this.#transit.splice(this.#transit.indexOf(transit), 1);
    return due;
  }

  #arrive(to: Side, framed: Uint8Array): void {
    // As every medium that may damage a packet: what does not fit its checksum is dropped.
    const bytes = framed.subarray(4);
    if (new DataView(framed.buffer, framed.byteOffset).getUint32(0) !== crc32(bytes, 0)) return;
    this.delivered++;
    if (to.name === 'active') {
      to.link?.receive(bytes, this.now);
      return;
    }
    const made = to.acceptor?.receive(bytes, this.now);
    if (made === undefined) return;
    const { acceptor } = to;
    if (to.link !== undefined) to.endings.push(to.link.end?.kind ?? 'none');
    this.#boot(to); // a new life, on the same acceptor
    to.acceptor = acceptor;
    to.link = made;
  }

  /** The application is done with what it has taken some time ago, and takes more. */
  #consume(side: Side): void {
    for (const message of side.open.filter(({ at }) => at <= this.now)) {
      side.open.splice(side.open.indexOf(message), 1);
      side.link?.taken(message.cost, this.now);
      side.takenBytes += message.cost;
    }
  }

  #listen(side: Side): void {
    const { link } = side;
    if (link === undefined) return;
    const { window, maxMessageSize } = this.#options.link;
    const kept = link.statistics.receivedBytes - side.takenBytes;
    assert.ok(kept <= window + maxMessageSize + 5, `the ${side.name} end keeps ${kept} bytes`);
    while (side.open.length < 3) {
      const message = link.nextMessage();
      if (message === undefined) break;
      this.#check(side, message.bytes);
      side.open.push({ cost: message.cost, at: this.now + this.#random.next() * this.#options.idleMs });
    }
    if (link.end === undefined || side.open.length > 0) return;
    assert.notEqual(link.end.kind, 'violation', `honest ends do not break the rules: ${link.end.reason}`);
    side.endings.push(link.end.kind);
    if (side.name === 'active') this.#boot(side);
    else {
      side.acceptor?.forget(link);
      side.link = undefined;
    }
  }

  #speak(side: Side): void {
    const { link } = side;
    if (link?.state !== 'open' || side.sent >= this.#options.messages[side.name] || this.now < side.speakAt) return;
    if (link.queuedBytes > 4_000) return;
    const size = Math.floor(this.#random.next() ** 3 * this.#options.maxMessageSize);
    link.send(messageOf(side.life, side.sent++, size));
    side.speakAt = this.now + (this.#random.next() < 0.7 ? 0 : this.#random.next() * 500);
  }

  #check(side: Side, bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const life = view.getUint32(0);
    side.heardLife ??= life;
    assert.equal(life, side.heardLife, `the ${side.name} end heard two peers on one link`);
    assert.equal(view.getUint32(4), side.heard, `the ${side.name} end misses a message, or has one twice`);
    assert.ok(Buffer.compare(bytes, messageOf(life, side.heard, bytes.length - 8)) === 0, 'a message is damaged');
    side.heard++;
  }

  #pump(side: Side): void {
    const poll = (): Uint8Array | undefined =>
      side.link?.poll(this.now) ?? (side.name === 'passive' ? side.acceptor?.poll(this.now) : undefined);
    for (let packet = poll(); packet !== undefined; packet = poll()) {
      assert.ok(packet.length <= this.#options.link.maxPacketSize, 'a packet is too large');
      this.#post(side === this.#active ? this.#passive : this.#active, packet);
    }
  }

  #post(to: Side, packet: Uint8Array): void {
    const { loss, duplication, corruption, jitterMs } = this.#faults;
    if (this.#random.next() < loss) return;
    const copies = this.#random.next() < duplication ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      const bytes = new Uint8Array(4 + packet.length);
      new DataView(bytes.buffer).setUint32(0, crc32(packet, 0));
      bytes.set(packet, 4);
      if (this.#random.next() < corruption) {
        const bit = Math.floor(this.#random.next() * bytes.length * 8);
        bytes[bit >> 3]! ^= 1 << (bit & 7);
      }
      const at = this.now + this.#options.latencyMs + this.#random.next() * jitterMs;
      this.#transit.push({ at, order: this.#transits++, bytes, to });
    }
  }

  #nextTime(): number {
    const times = [...this.#transit.map(({ at }) => at), this.#reboots[0] ?? Infinity];
    if (this.now < this.#options.calmFromMs) times.push(this.#options.calmFromMs);
    for (const side of [this.#active, this.#passive]) {
      times.push(side.link?.wakeAt(this.now) ?? Infinity, ...side.open.map(({ at }) => at));
      if (side.name === 'passive') times.push(side.acceptor?.wakeAt(this.now) ?? Infinity);
      if (
        side.link?.state === 'open' &&
        side.sent < this.#options.messages[side.name] &&
        side.link.queuedBytes <= 4_000
      ) {
        times.push(Math.max(this.now, side.speakAt));
      }
    }
    return Math.min(...times);
  }

  /** Both ends have said everything to each other in this life. */
  #isDone(): boolean {
    if (this.now < this.#options.calmFromMs) return false;
    const [active, passive] = [this.#active, this.#passive];
    const { messages } = this.#options;
    const areHeard = passive.heard === messages.active && active.heard === messages.passive;
    const isOne =
      (passive.heardLife ?? active.life) === active.life && (active.heardLife ?? passive.life) === passive.life;
    return isOne && areHeard && passive.link?.state === 'open' && active.open.length + passive.open.length === 0;
  }

  #describe(): string {
    return [this.#active, this.#passive]
      .map(
        (side) => `${side.name}: ${side.link?.state} sent ${side.sent} heard ${side.heard} ends ${side.endings.join()}`,
      )
      .join('; ');
  }
}

/** Recognisable: life and index, then bytes that follow from them. */
function messageOf(life: number, index: number, size: number): Uint8Array {
  const bytes = new Uint8Array(8 + size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, life);
  view.setUint32(4, index);
  for (let at = 8; at < bytes.length; at++) bytes[at] = (life * 31 + index * 7 + at) & 0xff;
  return bytes;
}

const CALM_LIMIT_MS = 600_000;
