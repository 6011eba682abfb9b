import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VarintReader, seededRandom, varintLength, writeVarint } from '../../src/base/index.js';

/** The vectors of specification 2.1. */
const VECTORS: readonly (readonly [number, string])[] = [
  [0, '00'],
  [1, '01'],
  [127, '7f'],
  [128, '8001'],
  [300, 'ac02'],
  [16384, '808001'],
  [4294967296, '8080808010'],
  [2 ** 60, '808080808080808010'],
];

test('refuses a number that is cut short and leaves the cursor where it was', () => {
  const reader = new VarintReader(Buffer.from('ac', 'hex'));
  assert.equal(reader.read(), undefined);
  assert.equal(reader.offset, 0);
  assert.equal(new VarintReader(new Uint8Array(0)).read(), undefined);
});

test('refuses a number of more than ten bytes', () => {
  const reader = new VarintReader(Buffer.from(`${'80'.repeat(10)}01`, 'hex'));
  assert.equal(reader.read(), undefined);
  assert.equal(reader.offset, 0);
  assert.equal(new VarintReader(Buffer.from(`${'80'.repeat(9)}01`, 'hex')).read(), 2 ** 63);
});

for (const [value, hex] of VECTORS) {
  test(`writes and reads ${value} as ${hex}`, () => {
    const target = new Uint8Array(12).fill(0xee);
    const end = writeVarint(target, 1, value);
    assert.equal(Buffer.from(target.subarray(1, end)).toString('hex'), hex);
    assert.equal(target[end], 0xee, 'writes nothing behind the number');
    assert.equal(varintLength(value), hex.length / 2);
    const reader = new VarintReader(target, 1);
    assert.equal(reader.read(), value);
    assert.equal(reader.offset, end);
  });
}

test('reads numbers one after the other', () => {
  const reader = new VarintReader(Buffer.from('ac027f8001', 'hex'));
  assert.deepEqual([reader.read(), reader.read(), reader.read(), reader.read()], [300, 127, 128, undefined]);
  assert.equal(reader.offset, 5);
});

test('reads back every number up to 2^53', () => {
  const random = seededRandom(21);
  const target = new Uint8Array(10);
  for (let round = 0; round < 5000; round++) {
    const value = Math.floor(random.next() * 2 ** Math.ceil(random.next() * 53));
    const end = writeVarint(target, 0, value);
    assert.equal(end, varintLength(value), `seed 21, ${value}`);
    assert.equal(new VarintReader(target.subarray(0, end)).read(), value, `seed 21, ${value}`);
  }
});
