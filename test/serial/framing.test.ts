/** Frames on a serial line, fed with hex: COBS with a CRC-32, and whatever a bad line makes of them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { crc32 } from 'node:zlib';
import { isHawserError, seededRandom, type RandomSource } from '../../src/index.js';
import {
  encodeFrame,
  FrameDecoder,
  MAX_FRAME_CONTENT,
  maxFrameLength,
  type FrameStatistics,
} from '../../transports/serial/framing.js';

/** Any seed must do. */
const FIRST_SEED = Number(process.env['FUZZ_SEED'] ?? 20_261_203);

describe('encodeFrame', () => {
  const vectors: readonly (readonly [title: string, content: string, frame: string])[] = [
    ['the digits of every CRC-32 (cbf43926)', '313233343536373839', '0e313233343536373839cbf4392600'],
    ['one byte', '01', '06 01 a505df1b 00'],
    ['a zero (d202ef8d)', '00', '01 05 d202ef8d 00'],
    ['four zeros (2144df1c)', '00000000', '01 01 01 01 05 2144df1c 00'],
    ['zeros around a byte', '00 11 00', '01 02 11 05 ac98fa02 00'],
  ];
  for (const [title, content, frame] of vectors) {
    test(`writes ${title}`, () => {
      assert.equal(hex(encodeFrame(bytes(content))), hex(bytes(frame)));
      assert.equal(hex(encodeFrame(bytes(content), true)), `00${hex(bytes(frame))}`);
    });
  }

  // Where runs of 254 begin and end, with the checksum written out so that the expectation stands on its own.
  for (const length of [248, 249, 250, 251, 252, 253, 254, 255, 256, 504, 505, 508, 509, 762]) {
    test(`writes ${length} bytes without a zero, and the same after a zero and before one`, () => {
      for (const content of [filled(length), joined([0], filled(length)), joined(filled(length), [0])]) {
        const frame = encodeFrame(content);
        assert.equal(hex(frame), hex(joined(plainCobs(withCrc(content)), [0])));
        assert.ok(frame.length <= maxFrameLength(content.length) - 1);
        assert.equal(frame.indexOf(0), frame.length - 1);
        assert.deepEqual(decode([frame]).contents.map(hex), [hex(content)]);
      }
    });
  }

  test('leaves the content as it was, and keeps nothing of it', () => {
    const content = bytes('01 00 02');
    const frame = encodeFrame(content);
    const before = hex(frame);
    assert.equal(hex(content), '010002');
    content.fill(7);
    assert.equal(hex(frame), before);
  });

  test('carries 65,600 bytes of every kind, and never takes more than it says', () => {
    const random = seededRandom(1);
    for (const content of [
      random.bytes(MAX_FRAME_CONTENT),
      new Uint8Array(MAX_FRAME_CONTENT),
      filled(MAX_FRAME_CONTENT),
    ]) {
      const frame = encodeFrame(content, true);
      assert.ok(frame.length <= maxFrameLength(MAX_FRAME_CONTENT), String(frame.length));
      const { contents } = decode([frame]);
      assert.ok(contents.length === 1 && Buffer.compare(contents[0] as Uint8Array, content) === 0);
    }
    assert.equal(encodeFrame(filled(MAX_FRAME_CONTENT), true).length, maxFrameLength(MAX_FRAME_CONTENT));
  });

  test('refuses no content, and more than fits', () => {
    for (const length of [0, MAX_FRAME_CONTENT + 1]) {
      assert.throws(
        () => encodeFrame(new Uint8Array(length)),
        (error) => isHawserError(error) && error.code === 'ARGUMENT_INVALID',
      );
    }
  });
});

describe('FrameDecoder', () => {
  const good = encodeFrame(bytes('68 65 6c 6c 6f'));
  const streams: readonly (readonly [
    title: string,
    stream: Uint8Array,
    contents: readonly string[],
    seen: FrameStatistics,
  ])[] = [
    ['a frame', good, ['68656c6c6f'], seen(1, 0, 0)],
    ['a frame that begins with a zero', joined([0], good), ['68656c6c6f'], seen(1, 0, 0)],
    ['two frames', joined(good, good), ['68656c6c6f', '68656c6c6f'], seen(2, 0, 0)],
    ['zeros between frames', joined([0, 0, 0], good, [0, 0], good), ['68656c6c6f', '68656c6c6f'], seen(2, 0, 0)],
    ['half a frame', good.subarray(0, 5), [], seen(0, 0, 0)],
    ['the second half of a frame before a whole one', joined(good.subarray(4), good), ['68656c6c6f'], seen(1, 1, 6)],
    ['noise before a frame that begins with a zero', joined([9, 8, 7, 0], good), ['68656c6c6f'], seen(1, 1, 3)],
    ['noise before a frame that does not', joined([9, 8, 7], good, good), ['68656c6c6f'], seen(1, 1, 13)],
    ['a checksum alone: nothing', bytes('05 ff ff ff ff 00'), [], seen(0, 1, 5)],
    ['a frame of no content', bytes('01 01 01 01 01 00'), [], seen(0, 1, 5)],
    ['a run beyond the end', bytes('0f 31 32 00'), [], seen(0, 1, 3)],
    [
      'a needless last run after a full one',
      joined([255], withCrc(filled(250)), [1, 0]),
      [hex(filled(250))],
      seen(1, 0, 0),
    ],
  ];
  for (const [title, stream, contents, statistics] of streams) {
    test(`reads ${title}, wherever it is cut`, () => {
      for (let cut = 0; cut <= stream.length; cut++) {
        const found = decode([stream.subarray(0, cut), stream.subarray(cut)]);
        assert.deepEqual(found.contents.map(hex), contents, `cut at ${cut}`);
        assert.deepEqual(found.statistics, statistics, `cut at ${cut}`);
      }
      const single = decode(Array.from(stream, (_, index) => stream.subarray(index, index + 1)));
      assert.deepEqual(single.contents.map(hex), contents, 'byte by byte');
      assert.deepEqual(single.statistics, statistics, 'byte by byte');
    });
  }

  test('notices each flipped bit of a frame', () => {
    for (let bit = 0; bit < 8 * (good.length - 1); bit++) {
      const spoilt = Uint8Array.from(good);
      spoilt[bit >> 3] = (spoilt[bit >> 3] as number) ^ (1 << (bit & 7));
      assert.deepEqual(decode([spoilt]).contents, [], `bit ${bit}`);
    }
  });

  test('takes content up to its limit and not a byte more', () => {
    for (const maxContent of [1, 250, 1_000, MAX_FRAME_CONTENT - 1]) {
      for (const make of [filled, (length: number) => new Uint8Array(length)]) {
        const frames = [maxContent, maxContent + 1, 1].map((length) => encodeFrame(make(length)));
        const { contents, statistics } = decode(frames, maxContent);
        assert.deepEqual(
          contents.map(({ length }) => length),
          [maxContent, 1],
        );
        assert.equal(statistics.damaged, 1);
      }
    }
    for (const maxContent of [0, MAX_FRAME_CONTENT + 1, 1.5]) {
      assert.throws(() => new FrameDecoder({ maxContent }), /maxContent must be an integer from 1 to 65600/);
    }
  });

  test('holds no more than a frame of noise without end, counts it once, and is in step again after it', () => {
    const decoder = new FrameDecoder({ maxContent: 500 });
    const noise = filled(10_000);
    const before = process.memoryUsage().arrayBuffers;
    for (let round = 0; round < 1_000; round++) assert.deepEqual(decoder.push(noise), []);
    assert.ok(process.memoryUsage().arrayBuffers - before < 1_000_000);
    assert.deepEqual(decoder.push(joined([0], good)).map(hex), ['68656c6c6f']);
    assert.deepEqual(decoder.statistics, seen(1, 1, 10_000_000));
  });

  test('hands out memory of its own and leaves the chunk as it was, also if that is a Buffer', () => {
    const chunk = Buffer.from(joined(encodeFrame(filled(600)), good));
    const before = chunk.toString('hex');
    const contents = new FrameDecoder({ maxContent: 1_000 }).push(chunk);
    assert.equal(contents.length, 2);
    for (const content of contents) {
      assert.ok(!Buffer.isBuffer(content));
      content.fill(0);
    }
    assert.equal(chunk.toString('hex'), before);
  });

  test('reads a large frame that comes byte by byte in linear time', () => {
    const content = seededRandom(3).bytes(MAX_FRAME_CONTENT);
    const decoder = new FrameDecoder({ maxContent: MAX_FRAME_CONTENT });
    const found: Uint8Array[] = [];
    for (let round = 0; round < 10; round++) {
      for (const byte of encodeFrame(content)) found.push(...decoder.push(Uint8Array.of(byte)));
    }
    assert.equal(found.length, 10);
    assert.ok(found.every((each) => Buffer.compare(each, content) === 0));
  });
});

describe(`frames on a bad line, seeds from ${FIRST_SEED}`, () => {
  const ROUNDS = 3_000;

  test(`what was not touched arrives, and nothing else (${ROUNDS} streams)`, () => {
    for (let seed = FIRST_SEED; seed < FIRST_SEED + ROUNDS; seed++) {
      const random = seededRandom(seed);
      const below = (limit: number): number => Math.floor(random.next() * limit);
      const stream: Uint8Array[] = [];
      const expected: string[] = [];
      for (let count = 1 + below(8); count > 0; count--) {
        const content = randomContent(random);
        const frame = encodeFrame(content, true);
        const choice = random.next();
        if (choice < 0.2) stream.push(random.bytes(below(300)));
        else if (choice < 0.4) stream.push(damage(frame, random));
        else {
          stream.push(frame);
          expected.push(hex(content));
        }
      }
      const { contents, statistics } = decode(cutAnyhow(joined(...stream), random));
      assert.deepEqual(contents.map(hex), expected, `seed ${seed}`);
      assert.equal(statistics.frames, expected.length, `seed ${seed}`);
    }
  });

  test(`where random bytes are cut changes nothing (${ROUNDS} streams)`, () => {
    for (let seed = FIRST_SEED; seed < FIRST_SEED + ROUNDS; seed++) {
      const random = seededRandom(seed);
      // Zeros at every rate: from one run without end to hardly anything else.
      const rate = random.next() ** 3;
      const stream = random.bytes(Math.floor(random.next() * 3_000)).map((byte) => (random.next() < rate ? 0 : byte));
      const whole = decode([stream], 300);
      const cut = decode(cutAnyhow(stream, random), 300);
      assert.deepEqual(cut, whole, `seed ${seed}`);
      const last = stream.lastIndexOf(0);
      const noise = stream.subarray(0, last + 1).filter((byte) => byte !== 0).length;
      assert.ok(whole.statistics.noiseBytes >= noise, `seed ${seed}`);
    }
  });
});

function decode(
  chunks: readonly Uint8Array[],
  maxContent = MAX_FRAME_CONTENT,
): { contents: Uint8Array[]; statistics: FrameStatistics } {
  const decoder = new FrameDecoder({ maxContent });
  const contents = chunks.flatMap((chunk) => decoder.push(chunk));
  return { contents, statistics: decoder.statistics };
}

function seen(frames: number, damaged: number, noiseBytes: number): FrameStatistics {
  return { frames, damaged, noiseBytes };
}

/** Of all sizes, with many zeros, with few and with none. */
function randomContent(random: RandomSource): Uint8Array {
  const length = 1 + Math.floor(random.next() ** 4 * 3_000);
  const rate = random.next() ** 2;
  return random.bytes(length).map((byte) => (random.next() < rate ? 0 : byte || 1));
}

/** Flips, removes or adds bytes, so that the frame is another one for sure, also if the change is in its zeros. */
function damage(frame: Uint8Array, random: RandomSource): Uint8Array {
  const inside = [...frame.subarray(1, -1)];
  const at = Math.floor(random.next() * inside.length);
  const choice = random.next();
  if (choice < 0.4) inside[at] = (inside[at] as number) ^ (1 << Math.floor(random.next() * 8));
  else if (choice < 0.6) inside.splice(at, 1 + Math.floor(random.next() * 5));
  else if (choice < 0.8) inside.splice(at, 0, 1 + Math.floor(random.next() * 255));
  else inside.length = at;
  return Uint8Array.from([0, ...inside]); // without its last zero: the next frame brings one
}

function cutAnyhow(stream: Uint8Array, random: RandomSource): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < stream.length;) {
    const length = 1 + Math.floor(random.next() * (random.next() < 0.3 ? 3 : 400));
    chunks.push(stream.subarray(at, at + length));
    at += length;
  }
  return chunks;
}

/** COBS as its authors describe it, byte by byte: what ours is compared with. */
function plainCobs(content: Uint8Array): Uint8Array {
  const out: number[] = [];
  let run: number[] = [];
  for (const [index, byte] of content.entries()) {
    if (byte !== 0) run.push(byte);
    if (byte === 0 || run.length === 254) {
      out.push(run.length + 1, ...run);
      const isLast = index === content.length - 1;
      if (byte !== 0 && isLast) return Uint8Array.from(out);
      run = [];
    }
  }
  return Uint8Array.from([...out, run.length + 1, ...run]);
}

function withCrc(content: Uint8Array): Uint8Array {
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(crc32(content));
  return joined(content, crc);
}

/** No zero among them. */
function filled(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index % 255) + 1);
}

function joined(...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));
}

function hex(data: Uint8Array): string {
  return Buffer.from(data).toString('hex');
}
