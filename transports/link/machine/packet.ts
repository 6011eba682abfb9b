/**
 * The packets of the reliable link, byte by byte (README.md, "Packets"). Everything is big-endian. The medium keeps their
 * boundaries and drops what was damaged; what it repeats, re-orders or brings from an earlier life of a peer is sorted out above.
 *
 * Every packet begins with its kind and the *tag* of the one it is for: a number that each end chooses anew for each link, so
 * that nothing of another link is ever taken for a part of this one.
 */

/** What each end says of itself when a link is made. */
export interface Greeting {
  readonly version: number;
  /** What the other end has to put into its packets. */
  readonly tag: number;
  /** The largest packet that this end takes, in bytes. */
  readonly maxPacketSize: number;
  /** How many bytes this end takes before it grants more. */
  readonly credit: number;
}

/** Packets that arrived ahead of a gap: from the number `from` on, `count` of them. */
export interface NumberRange {
  readonly from: number;
  readonly count: number;
}

/** Numbers and credit come truncated, see {@link expand}. */
export type Packet =
  | { readonly kind: 'hello'; readonly tag: number; readonly greeting: Greeting }
  | { readonly kind: 'welcome'; readonly tag: number; readonly greeting: Greeting }
  | { readonly kind: 'data'; readonly tag: number; readonly number: number; readonly payload: Uint8Array }
  | {
      readonly kind: 'acknowledgement';
      readonly tag: number;
      /** Everything before it has arrived. */
      readonly next: number;
      /** Bytes of the stream that may be sent, from the beginning of the link. */
      readonly credit: number;
      /** Relative to `next`: how far behind it the range begins. */
      readonly ahead: readonly NumberRange[];
      readonly wantsAnswer: boolean;
    }
  | { readonly kind: 'close'; readonly tag: number; readonly code: number; readonly reason: string }
  | { readonly kind: 'closed'; readonly tag: number }
  | { readonly kind: 'reset'; readonly tag: number };

/** The version of the link spoken here. */
export const LINK_VERSION = 1;
/** Tags are 1 to this; 0 stands for "not known yet". */
export const MAX_TAG = 0xff_ffff;
/** Bytes before the payload of a data packet. */
export const DATA_HEADER_SIZE = 7;
/** A link works on any medium that carries packets of this size. */
export const MIN_PACKET_SIZE = 32;
export const MAX_PACKET_SIZE = 65_536;
/** Numbers of packets are written modulo this. */
export const NUMBER_MODULUS = 2 ** 24;
/** Amounts of credit are written modulo this. */
export const CREDIT_MODULUS = 2 ** 32;

const KINDS = { hello: 0x10, welcome: 0x20, data: 0x30, acknowledgement: 0x40, close: 0x50, closed: 0x60, reset: 0x70 };
/** In an acknowledgement: the sender wants one back. */
const WANTS_ANSWER = 0x01;
const GREETING_SIZE = 15;
const ACKNOWLEDGEMENT_SIZE = 11;
const CLOSE_SIZE = 6;
/** As in a close frame of WebSocket: it may end up in a log. */
const MAX_REASON = 123;
const MAX_RUN = 255;

export function encodeGreeting(kind: 'hello' | 'welcome', tag: number, greeting: Greeting): Uint8Array {
  const { bytes, view } = start(GREETING_SIZE, KINDS[kind], tag);
  bytes[4] = greeting.version;
  writeUint24(view, 5, greeting.tag);
  writeUint24(view, 8, greeting.maxPacketSize);
  view.setUint32(11, greeting.credit);
  return bytes;
}

/** A packet with room for `size` bytes of payload behind {@link DATA_HEADER_SIZE} bytes of header. */
export function startData(tag: number, number: number, size: number): Uint8Array {
  const { bytes, view } = start(DATA_HEADER_SIZE + size, KINDS.data, tag);
  writeUint24(view, 4, number % NUMBER_MODULUS);
  return bytes;
}

/** @param ahead in ascending order, apart from each other; what does not fit into `maxSize` bytes is left out */
export function encodeAcknowledgement(
  tag: number,
  { next, credit, ahead, wantsAnswer }: Omit<Extract<Packet, { kind: 'acknowledgement' }>, 'kind' | 'tag'>,
  maxSize: number,
): Uint8Array {
  const pairs = pairsOf(ahead, Math.floor((maxSize - ACKNOWLEDGEMENT_SIZE) / 2) * 2);
  const kind = KINDS.acknowledgement | (wantsAnswer ? WANTS_ANSWER : 0);
  const { bytes, view } = start(ACKNOWLEDGEMENT_SIZE + pairs.length, kind, tag);
  writeUint24(view, 4, next % NUMBER_MODULUS);
  view.setUint32(7, credit % CREDIT_MODULUS);
  bytes.set(pairs, ACKNOWLEDGEMENT_SIZE);
  return bytes;
}

/** @param reason is cut to what fits into `maxSize` bytes */
export function encodeClose(tag: number, code: number, reason: string, maxSize: number): Uint8Array {
  const text = new Uint8Array(maxSize - CLOSE_SIZE);
  const { written } = encoder.encodeInto(reason, text); // never half a character
  const { bytes, view } = start(CLOSE_SIZE + written, KINDS.close, tag);
  view.setUint16(4, code);
  bytes.set(text.subarray(0, written), CLOSE_SIZE);
  return bytes;
}

export function encodeClosed(tag: number): Uint8Array {
  return start(4, KINDS.closed, tag).bytes;
}

/** @param tag that of the packet which belongs to no link here */
export function encodeReset(tag: number): Uint8Array {
  return start(4, KINDS.reset, tag).bytes;
}

/** The packet in `bytes`, or undefined if it is none. A payload is a view of `bytes`. */
export function decodePacket(bytes: Uint8Array): Packet | undefined {
  if (bytes.length < 4 || bytes.length > MAX_PACKET_SIZE) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const tag = readUint24(view, 1);
  switch (bytes[0]) {
    case KINDS.hello:
    case KINDS.welcome:
      return decodeGreeting(bytes[0] === KINDS.hello ? 'hello' : 'welcome', tag, view);
    case KINDS.data:
      if (bytes.length <= DATA_HEADER_SIZE) return undefined;
      return { kind: 'data', tag, number: readUint24(view, 4), payload: bytes.subarray(DATA_HEADER_SIZE) };
    case KINDS.acknowledgement:
    case KINDS.acknowledgement | WANTS_ANSWER:
      return decodeAcknowledgement(tag, bytes, view);
    case KINDS.close:
      if (bytes.length < CLOSE_SIZE) return undefined;
      return {
        kind: 'close',
        tag,
        code: view.getUint16(4),
        reason: decoder.decode(bytes.subarray(CLOSE_SIZE, CLOSE_SIZE + MAX_REASON)),
      };
    case KINDS.closed:
      return bytes.length === 4 ? { kind: 'closed', tag } : undefined;
    case KINDS.reset:
      return bytes.length === 4 ? { kind: 'reset', tag } : undefined;
    default:
      return undefined;
  }
}

/** The number that was truncated to `value`: the one closest to `near`, which is not truncated. Never negative. */
export function expand(value: number, near: number, modulus: number): number {
  const candidate = near - (near % modulus) + value;
  if (candidate - near > modulus / 2 && candidate >= modulus) return candidate - modulus;
  return near - candidate > modulus / 2 ? candidate + modulus : candidate;
}

/** A later version may say more behind what is known: it is ignored. */
function decodeGreeting(kind: 'hello' | 'welcome', tag: number, view: DataView): Packet | undefined {
  if (view.byteLength < GREETING_SIZE) return undefined;
  const greeting = {
    version: view.getUint8(4),
    tag: readUint24(view, 5),
    maxPacketSize: readUint24(view, 8),
    credit: view.getUint32(11),
  };
  const isPossible = greeting.tag !== 0 && greeting.maxPacketSize >= MIN_PACKET_SIZE;
  return isPossible ? { kind, tag, greeting } : undefined;
}

function decodeAcknowledgement(tag: number, bytes: Uint8Array, view: DataView): Packet | undefined {
  if (bytes.length < ACKNOWLEDGEMENT_SIZE || bytes.length % 2 !== ACKNOWLEDGEMENT_SIZE % 2) return undefined;
  return {
    kind: 'acknowledgement',
    tag,
    next: readUint24(view, 4),
    credit: view.getUint32(7),
    ahead: rangesOf(bytes.subarray(ACKNOWLEDGEMENT_SIZE)),
    wantsAnswer: bytes[0] !== KINDS.acknowledgement,
  };
}

/** Each range as how many are missing before it and how many there are; longer ones as several pairs. */
function pairsOf(ahead: readonly NumberRange[], room: number): number[] {
  const pairs: number[] = [];
  let end = 0;
  for (const { from, count } of ahead) {
    for (let missing = from - end; missing > MAX_RUN; missing -= MAX_RUN, end += MAX_RUN) pairs.push(MAX_RUN, 0);
    for (let left = count; left > 0; left -= MAX_RUN) {
      const run = Math.min(left, MAX_RUN);
      pairs.push(from + count - left - end, run);
      end = from + count - left + run;
    }
  }
  return pairs.slice(0, room);
}

function rangesOf(pairs: Uint8Array): NumberRange[] {
  const ranges: NumberRange[] = [];
  let end = 0;
  for (let index = 0; index + 1 < pairs.length; index += 2) {
    const from = end + (pairs[index] ?? 0);
    const count = pairs[index + 1] ?? 0;
    if (count > 0) ranges.push({ from, count });
    end = from + count;
  }
  return ranges;
}

function start(size: number, kind: number, tag: number): { readonly bytes: Uint8Array; readonly view: DataView } {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  bytes[0] = kind;
  writeUint24(view, 1, tag);
  return { bytes, view };
}

function writeUint24(view: DataView, offset: number, value: number): void {
  view.setUint16(offset, value >>> 8);
  view.setUint8(offset + 2, value & 0xff);
}

function readUint24(view: DataView, offset: number): number {
  return view.getUint16(offset) * 256 + view.getUint8(offset + 2);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
