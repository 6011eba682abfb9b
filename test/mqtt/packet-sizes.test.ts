/** The lengths of packets in a stream, wherever it is cut. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../src/base/index.js';
import { PacketSizes } from '../../transports/mqtt/packet-sizes.js';

function packet(length: number): Uint8Array {
  const header = [0x30];
  let rest = length;
  do {
    const more = rest >= 128;
    header.push((rest % 128) | (more ? 0x80 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  const whole = new Uint8Array(header.length + length).fill(0xff);
  whole.set(header);
  return whole;
}

test('packets up to the limit pass, at every length of a length', () => {
  for (const length of [0, 1, 127, 128, 16_383, 16_384, 100_000]) {
    const bytes = packet(length);
    assert.equal(new PacketSizes(bytes.length).take(bytes), undefined, `${length}`);
    assert.equal(new PacketSizes(bytes.length - 1).take(bytes), bytes.length, `${length}`);
  }
});

test('a packet that is too large is noticed by its header', () => {
  const sizes = new PacketSizes(1_000_000);
  assert.equal(sizes.take(Uint8Array.of(0x30, 0xff, 0xff)), undefined);
  assert.equal(sizes.take(Uint8Array.of(0xff)), undefined);
  assert.equal(sizes.take(Uint8Array.of(0x7f)), 268_435_460);
});

test('a length that never ends does not go on for ever', () => {
  assert.ok((new PacketSizes(1_000).take(Uint8Array.of(0x30, 0xff, 0xff, 0xff, 0xff, 0xff)) ?? 0) > 1_000);
});

test('packets are followed wherever the stream is cut', () => {
  const seed = Number(process.env['FUZZ_SEED'] ?? 20_261_122);
  const random = seededRandom(seed);
  const upTo = (limit: number): number => Math.floor(random.next() * limit);
  for (let round = 0; round < 200; round++) {
    const lengths = Array.from({ length: 1 + upTo(20) }, () => upTo(random.next() < 0.5 ? 4 : 40_000));
    const stream = Buffer.concat([...lengths.map(packet), packet(50_000)]);
    const sizes = new PacketSizes(50_000);
    let noticed: number | undefined;
    for (let at = 0; at < stream.length && noticed === undefined;) {
      const end = at + 1 + upTo(random.next() < 0.5 ? 3 : 30_000);
      noticed = sizes.take(stream.subarray(at, end));
      at = end;
    }
    assert.equal(noticed, 50_004, `seed ${seed}, round ${round}`);
  }
});
