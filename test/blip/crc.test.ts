import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../src/base/index.js';
import { crc32, tableCrc32 } from '../../src/blip/crc.js';

for (const [name, checksum] of Object.entries({ 'the chosen one': crc32, 'the table': tableCrc32 })) {
  test(`${name}: gives the check value of specification 2.6`, () => {
    assert.equal(checksum(Buffer.from('123456789'), 0), 0xcbf43926);
  });

  test(`${name}: nothing leaves the value as it was`, () => {
    assert.equal(checksum(new Uint8Array(0), 0), 0);
    assert.equal(checksum(new Uint8Array(0), 0xdeadbeef), 0xdeadbeef);
  });

  test(`${name}: continues from a previous value wherever the bytes are cut`, () => {
    const bytes = seededRandom(1).bytes(64);
    const whole = checksum(bytes, 0);
    for (let cut = 0; cut <= bytes.length; cut++) {
      assert.equal(checksum(bytes.subarray(cut), checksum(bytes.subarray(0, cut), 0)), whole, `cut at ${cut}`);
    }
  });

  test(`${name}: agrees with the definition bit by bit, for any length and alignment`, () => {
    const seed = 20;
    const random = seededRandom(seed);
    const memory = random.bytes(400);
    for (let round = 0; round < 500; round++) {
      const start = Math.floor(random.next() * 16);
      const bytes = memory.subarray(start, start + Math.floor(random.next() * 300));
      const previous = Math.floor(random.next() * 2 ** 32);
      assert.equal(checksum(bytes, previous), bitByBit(bytes, previous), `seed ${seed}, round ${round}`);
    }
  });
}

function bitByBit(bytes: Uint8Array, previous: number): number {
  let crc = ~previous >>> 0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}
