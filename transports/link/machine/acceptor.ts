/**
 * The passive side of a medium that brings one peer: answers hellos, and keeps the link that a peer has proved to be of now. It
 * lives for as long as the medium, links come and go.
 *
 * Invariant: at most one link and one candidate, however many hellos come.
 */
import { Link } from './link.js';
import type { LinkOptions } from './link-options.js';
import { decodePacket, encodeReset, MAX_TAG, type Greeting, type Packet } from './packet.js';

export class Acceptor {
  readonly #options: LinkOptions;
  readonly #newTag: () => number;
  #link: Link | undefined;
  #candidate: Link | undefined;
  /** The tag of a packet that belongs to no link: its sender has to know. */
  #unknownTag: number | undefined;
  #resetAt = -Infinity;

  /** @param newTag gives numbers from 1 to {@link MAX_TAG} at random */
  constructor(options: LinkOptions, newTag: () => number) {
    this.#options = options;
    this.#newTag = newTag;
  }

  /** Takes a packet. Returns a link that has just been made, and takes the place of the one before. */
  receive(bytes: Uint8Array, now: number): Link | undefined {
    const packet = decodePacket(bytes);
    if (packet === undefined) return undefined;
    if (packet.kind === 'hello') {
      this.#greeted(packet.greeting, now);
      return undefined;
    }
    const candidate = this.#candidate;
    if (candidate !== undefined && packet.tag === candidate.tag) {
      candidate.take(packet, now);
      return this.#promote(candidate);
    }
    const link = this.#link;
    if (link !== undefined && (packet.tag === link.tag || packet.kind === 'reset')) link.take(packet, now);
    else if (wantsReset(packet)) this.#unknownTag = packet.tag;
    return undefined;
  }

  /** What has to be said that is not of a link that was made: poll it until it returns nothing. */
  poll(now: number): Uint8Array | undefined {
    const packet = this.#candidate?.poll(now) ?? this.#endedLink?.poll(now);
    if (packet !== undefined) return packet;
    const tag = this.#unknownTag;
    this.#unknownTag = undefined;
    if (tag === undefined || now - this.#resetAt < RESET_PAUSE_MS) return undefined;
    this.#resetAt = now;
    return encodeReset(tag);
  }

  /** When {@link poll} has to be called again although nothing came; infinite if never. */
  wakeAt(now: number): number {
    return Math.min(this.#candidate?.wakeAt(now) ?? Infinity, this.#endedLink?.wakeAt(now) ?? Infinity);
  }

  /** The link is not wanted any more: its packets are of nobody from now on. */
  forget(link: Link): void {
    if (this.#link === link) this.#link = undefined;
  }

  /** It still answers a close that is repeated. */
  get #endedLink(): Link | undefined {
    return this.#link?.state === 'ended' ? this.#link : undefined;
  }

  #greeted(hello: Greeting, now: number): void {
    const candidate = this.#candidate;
    if (candidate?.accepts(hello) === true) candidate.take({ kind: 'hello', tag: 0, greeting: hello }, now);
    else if (this.#link?.accepts(hello) !== true)
      this.#candidate = Link.accept(hello, this.#freshTag(), this.#options, now);
  }

  #promote(candidate: Link): Link | undefined {
    // One that was closed before it began stays, to answer that close.
    if (candidate.state === 'accepting' || candidate.state === 'ended') return undefined;
    this.#candidate = undefined;
    this.#link?.replaced();
    this.#link = candidate;
    return candidate;
  }

  /** Never that of a link which may still have packets on the way. */
  #freshTag(): number {
    for (;;) {
      const tag = this.#newTag();
      if (tag >= 1 && tag <= MAX_TAG && tag !== this.#link?.tag && tag !== this.#candidate?.tag) return tag;
    }
  }
}

/** What to answer to a packet that belongs to no link: its sender has to know. Nothing to one that expects none. */
export function resetFor(bytes: Uint8Array): Uint8Array | undefined {
  const packet = decodePacket(bytes);
  return packet !== undefined && wantsReset(packet) ? encodeReset(packet.tag) : undefined;
}

/**
 * What the passive end of a medium may say that knows of no link, as after a restart: who believes to have one with it asks, and
 * is told that there is none. Otherwise it would not notice before it has something to say.
 */
export function rollCall(): Uint8Array {
  return encodeReset(0);
}

/** Whether a packet can begin a link. */
export function isHello(bytes: Uint8Array): boolean {
  return decodePacket(bytes)?.kind === 'hello';
}

function wantsReset({ kind }: Packet): boolean {
  return kind === 'data' || kind === 'acknowledgement' || kind === 'close';
}

/** At most so often is a stranger told that he is one. */
const RESET_PAUSE_MS = 100;
