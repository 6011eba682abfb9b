/** The packets as README.md of the room has them, byte by byte, and everything that is none. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { seededRandom } from '../../src/base/index.js';
import {
  CREDIT_MODULUS,
  decodePacket,
  encodeAcknowledgement,
  encodeClose,
  encodeClosed,
  encodeGreeting,
  encodeReset,
  MAX_PACKET_SIZE,
  MAX_TAG,
  NUMBER_MODULUS,
  startData,
  type NumberRange,
  type Packet,
} from '../../transports/link/machine/packet.js';

const FIRST_SEED = Number(process.env['FUZZ_SEED'] ?? 1);
const README = new URL('../../transports/link/README.md', import.meta.url);

/** The vectors of the README, by their names there. */
const VECTORS: Readonly<Record<string, Packet>> = {
  hello: {
    kind: 'hello',
    tag: 0,
    greeting: { version: 1, tag: 0xa1b2c3, maxPacketSize: 1_024, credit: 65_536 },
  },
  welcome: {
    kind: 'welcome',
    tag: 0xa1b2c3,
    greeting: { version: 1, tag: 0x0d0e0f, maxPacketSize: 256, credit: 16_384 },
  },
  data: { kind: 'data', tag: 0x0d0e0f, number: 5, payload: bytesOf('03 61 62 63') },
  acknowledgement: acknowledgement([]),
  'acknowledgement, ranges': acknowledgement([
    { from: 2, count: 3 },
    { from: 10, count: 1 },
  ]),
  'acknowledgement, long gap and run': acknowledgement([
    { from: 300, count: 255 },
    { from: 555, count: 45 },
  ]),
  question: { ...acknowledgement([]), wantsAnswer: true },
  close: { kind: 'close', tag: 0x0d0e0f, code: 1001, reason: 'bye' },
  closed: { kind: 'closed', tag: 0xa1b2c3 },
  reset: { kind: 'reset', tag: 0x0d0e0f },
};

/** How much of each is needed at least: the rest is payload, ranges or a reason. */
const LEAST: Readonly<Record<Packet['kind'], number>> = {
  hello: 15,
  welcome: 15,
  data: 8,
  acknowledgement: 11,
  close: 6,
  closed: 4,
  reset: 4,
};

function acknowledgement(ahead: readonly NumberRange[]): Extract<Packet, { kind: 'acknowledgement' }> {
  return { kind: 'acknowledgement', tag: 0xa1b2c3, next: 6, credit: 65_546, ahead, wantsAnswer: false };
}

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
}

function encode(packet: Packet): Uint8Array {
  switch (packet.kind) {
    case 'hello':
    case 'welcome':
      return encodeGreeting(packet.kind, packet.tag, packet.greeting);
    case 'data': {
      const bytes = startData(packet.tag, packet.number, packet.payload.length);
      bytes.set(packet.payload, 7);
      return bytes;
    }
    case 'acknowledgement':
      return encodeAcknowledgement(packet.tag, packet, MAX_PACKET_SIZE);
    case 'close':
      return encodeClose(packet.tag, packet.code, packet.reason, MAX_PACKET_SIZE);
    case 'closed':
      return encodeClosed(packet.tag);
    case 'reset':
      return encodeReset(packet.tag);
  }
}

function vectorsOfReadme(): Map<string, Uint8Array> {
  const rows = readFileSync(README, 'utf8').matchAll(/^\| ([\w, ]+) \| `((?:[\da-f]{2} ?){4,})` \|/gm);
  return new Map([...rows].map(([, name = '', hex = '']) => [name, bytesOf(hex)]));
}

describe('the vectors of the README', () => {
  const vectors = vectorsOfReadme();

  test('are those which are known here', () => {
    assert.deepEqual([...vectors.keys()], Object.keys(VECTORS));
  });

  for (const [name, bytes] of vectors) {
    const packet = VECTORS[name];
    if (packet === undefined) continue;
    test(`${name}: encodes and decodes`, () => {
      assert.equal(hexOf(encode(packet)), hexOf(bytes));
      assert.deepEqual(decodePacket(bytes), packet);
    });

    test(`${name}: is no packet, or says less, when it is cut`, () => {
      for (let length = 0; length < bytes.length; length++) {
        const decoded = decodePacket(bytes.subarray(0, length));
        const isOdd = packet.kind === 'acknowledgement' && (length - 11) % 2 !== 0;
        if (length < LEAST[packet.kind] || isOdd) assert.equal(decoded, undefined, `${length} bytes`);
        else assert.equal(decoded?.kind, packet.kind, `${length} bytes`);
      }
    });
  }
});

describe('decodePacket', () => {
  test('takes no kind that is not known', () => {
    const known = new Set([0x10, 0x20, 0x30, 0x40, 0x41, 0x50, 0x60, 0x70]);
    for (let kind = 0; kind < 256; kind++) {
      const bytes = new Uint8Array(15).fill(64);
      bytes[0] = kind;
      if (!known.has(kind)) assert.equal(decodePacket(bytes), undefined, `kind ${kind}`);
    }
  });

  const malformed: readonly [string, string][] = [
    ['nothing', ''],
    ['a greeting without a tag', '10 00 00 00 01 00 00 00 00 04 00 00 01 00 00'],
    ['a greeting that takes packets of 31 bytes only', '10 00 00 00 01 a1 b2 c3 00 00 1f 00 01 00 00'],
    ['data without a payload', '30 0d 0e 0f 00 00 05'],
    ['half a range', '40 a1 b2 c3 00 00 06 00 01 00 0a 02'],
    ['a closed with something behind it', '60 a1 b2 c3 00'],
    ['a reset with something behind it', '70 a1 b2 c3 00'],
  ];
  for (const [what, hex] of malformed) {
    test(`refuses ${what}`, () => assert.equal(decodePacket(bytesOf(hex)), undefined));
  }

  test('refuses what is longer than the longest packet', () => {
    const longest = startData(1, 0, MAX_PACKET_SIZE - 7);
    assert.equal(decodePacket(longest)?.kind, 'data');
    assert.equal(decodePacket(startData(1, 0, MAX_PACKET_SIZE - 6)), undefined);
  });

  test('ignores what a later version says behind a greeting', () => {
    const bytes = new Uint8Array([...encode(VECTORS['hello'] as Packet), 1, 2, 3]);
    assert.deepEqual(decodePacket(bytes), VECTORS['hello']);
  });

  test('reads the smallest and the largest of everything', () => {
    for (const value of [1, MAX_TAG]) {
      const greeting = { version: 255, tag: value, maxPacketSize: 32, credit: 0xffff_ffff };
      assert.deepEqual(decodePacket(encodeGreeting('welcome', value, greeting)), {
        kind: 'welcome',
        tag: value,
        greeting,
      });
      const next = value === 1 ? 0 : NUMBER_MODULUS - 1;
      const packet = { ...acknowledgement([]), tag: value, next, credit: value === 1 ? 0 : CREDIT_MODULUS - 1 };
      assert.deepEqual(decodePacket(encode(packet)), packet);
    }
  });

  test('reads a packet that lies somewhere in a larger buffer', () => {
    const all = new Uint8Array(64).fill(0xee);
    for (const packet of Object.values(VECTORS)) {
      const bytes = encode(packet);
      all.set(bytes, 5);
      assert.deepEqual(decodePacket(all.subarray(5, 5 + bytes.length)), packet);
    }
  });

  test(`gives a packet or nothing for any bytes, and what it gives survives a round trip, seed ${FIRST_SEED}`, () => {
    const random = seededRandom(FIRST_SEED);
    const upTo = (most: number): number => Math.floor(random.next() * most);
    const originals = Object.values(VECTORS).map((packet) => encode(packet));
    const seen = new Set<string>();
    for (let round = 0; round < 50_000; round++) {
      let bytes = random.bytes(upTo(40));
      const original = originals[upTo(originals.length)];
      if (random.next() < 0.8 && original !== undefined) {
        bytes = original.slice(0, 1 + upTo(original.length + 3));
        for (let change = upTo(4); change > 0; change--) bytes[upTo(bytes.length)] = upTo(256);
      }
      const packet = decodePacket(bytes);
      seen.add(packet?.kind ?? 'nothing');
      if (packet === undefined) continue;
      assert.ok(packet.tag >= 0 && packet.tag <= MAX_TAG);
      assert.deepEqual(decodePacket(encode(packet)), packet, hexOf(bytes));
    }
    assert.equal(seen.size, 8, [...seen].join());
  });
});

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
