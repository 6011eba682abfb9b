import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  EMPTY_BYTES,
  compareUtf8,
  concatBytes,
  fromUtf8,
  seededRandom,
  utf8,
  utf8Length,
} from '../../src/base/index.js';
import { randomInteger, randomText } from './random-json.js';

test('refuses bytes that are not UTF-8', () => {
  for (const hex of ['ff', 'c3', 'eda080', 'c080', 'f4908080', '61e282']) {
    assert.equal(fromUtf8(Buffer.from(hex, 'hex')), undefined, hex);
  }
});

test('keeps a byte order mark and a NUL as they are', () => {
  assert.equal(fromUtf8(Buffer.from('efbbbf6100', 'hex')), '\ufeffa\0');
});

test('encodes, decodes and measures text as UTF-8', () => {
  for (const [text, hex] of [
    ['', ''],
    ['é', 'c3a9'],
    ['€', 'e282ac'],
    ['😀', 'f09f9880'],
  ] as const) {
    assert.equal(Buffer.from(utf8(text)).toString('hex'), hex);
    assert.equal(utf8Length(text), hex.length / 2);
    assert.equal(fromUtf8(Buffer.from(hex, 'hex')), text);
  }
});

test('concatenates parts in order', () => {
  assert.deepEqual(concatBytes([]), EMPTY_BYTES);
  assert.deepEqual(concatBytes([utf8('a'), EMPTY_BYTES, utf8('bc')]), utf8('abc'));
  const only = utf8('only');
  assert.equal(concatBytes([only]), only, 'does not copy a single part');
});

test('orders text by its UTF-8 bytes, where UTF-16 units would order otherwise', () => {
  assert.ok(compareUtf8('\uffee', '😀') < 0);
  assert.ok('\uffee' > '😀', 'the built-in order is the other one');
  assert.ok(compareUtf8('😀', '\ue000') > 0);
  assert.ok(compareUtf8('a', 'ab') < 0);
  assert.equal(compareUtf8('a😀', 'a😀'), 0);
});

test('orders any two texts as their bytes', () => {
  const random = seededRandom(7);
  for (let round = 0; round < 5000; round++) {
    const a = randomText(random, randomInteger(random, 4));
    const b = randomText(random, randomInteger(random, 4));
    const expected = Buffer.compare(utf8(a), utf8(b));
    assert.equal(Math.sign(compareUtf8(a, b)), expected, `seed 7: ${JSON.stringify([a, b])}`);
  }
});
