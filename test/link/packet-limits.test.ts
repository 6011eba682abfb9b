/** What has to be cut to fit into a packet: ranges, reasons, and numbers of which only the lower bits are written. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '../../src/base/index.js';
import {
  CREDIT_MODULUS,
  decodePacket,
  encodeAcknowledgement,
  encodeClose,
  expand,
  NUMBER_MODULUS,
  type NumberRange,
} from '../../transports/link/machine/packet.js';

const FIRST_SEED = Number(process.env['FUZZ_SEED'] ?? 1);
const LARGE = 1_024;

describe('ranges of an acknowledgement', () => {
  test(`come back as they were, whatever their gaps and lengths, seed ${FIRST_SEED}`, () => {
    const random = seededRandom(FIRST_SEED);
    const edges = [1, 2, 254, 255, 256, 509, 510, 511, 1_000];
    const size = (): number => edges[Math.floor(random.next() * edges.length)] ?? 1;
    for (let round = 0; round < 2_000; round++) {
      const ahead: NumberRange[] = [];
      for (let end = 0, left = Math.floor(random.next() * 6); left > 0; left--) {
        const range = { from: end + size(), count: size() };
        ahead.push(range);
        end = range.from + range.count;
      }
      const maxSize = round % 2 === 0 ? LARGE : 32;
      const bytes = encode(ahead, maxSize);
      assert.ok(bytes.length <= maxSize);
      const packet = decodePacket(bytes);
      assert.ok(packet?.kind === 'acknowledgement');
      // In a small packet the first ones have room.
      const numbers = numbersOf(packet.ahead);
      assert.deepEqual(numbers, numbersOf(ahead).slice(0, numbers.length));
      if (maxSize === LARGE) assert.equal(numbers.length, numbersOf(ahead).length);
    }
  });

  test('fill a packet of 32 bytes with ten, the nearest first', () => {
    const ahead = Array.from({ length: 20 }, (_, index) => ({ from: 1 + 3 * index, count: 2 }));
    const packet = decodePacket(encode(ahead, 32));
    assert.ok(packet?.kind === 'acknowledgement');
    assert.deepEqual(packet.ahead, ahead.slice(0, 10));
  });
});

describe('the reason of a close', () => {
  for (const maxSize of [32, 33, 34, 35]) {
    test(`is cut between characters to fit into ${maxSize} bytes`, () => {
      const bytes = encodeClose(1, 4000, 'größer, größer, größer, größer', maxSize);
      const packet = decodePacket(bytes);
      assert.ok(bytes.length <= maxSize && bytes.length >= maxSize - 1);
      assert.ok(packet?.kind === 'close' && 'größer, größer, größer, größer'.startsWith(packet.reason));
    });
  }
});

describe('expand', () => {
  for (const modulus of [NUMBER_MODULUS, CREDIT_MODULUS]) {
    test(`finds the number closest to what is known, around every multiple of ${modulus}`, () => {
      for (const near of [
        0,
        1,
        modulus / 2,
        modulus - 1,
        modulus,
        modulus + 1,
        5 * modulus - 1,
        5 * modulus,
        2 ** 50,
      ]) {
        for (const apart of [0, 1, -1, 1_000, -1_000, modulus / 2 - 1, 1 - modulus / 2]) {
          const number = near + apart;
          if (number >= 0) assert.equal(expand(number % modulus, near, modulus), number, `${number} near ${near}`);
        }
      }
    });

    test(`never goes below zero, modulo ${modulus}`, () => {
      assert.equal(expand(modulus - 1, 0, modulus), modulus - 1);
      assert.equal(expand(modulus - 1, 100, modulus), modulus - 1);
      assert.equal(expand(modulus - 1, modulus, modulus), modulus - 1);
    });
  }
});

function encode(ahead: readonly NumberRange[], maxSize: number): Uint8Array {
  return encodeAcknowledgement(1, { next: 6, credit: 65_546, ahead, wantsAnswer: false }, maxSize);
}

function numbersOf(ranges: readonly NumberRange[]): number[] {
  return ranges.flatMap(({ from, count }) => Array.from({ length: count }, (_, index) => from + index));
}
