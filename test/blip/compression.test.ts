import assert from 'node:assert/strict';
import { test } from 'node:test';
import zlib from 'node:zlib';
import { type RandomSource, seededRandom } from '../../src/base/index.js';
import { BlipConnection } from '../../src/blip/index.js';
import { Deflater } from '../../src/blip/deflate.js';
import { ContextInflater, createInflater, DictionaryInflater, type Inflater } from '../../src/blip/inflate.js';
import { NativeZlib, nativeZlibWorks } from '../../src/blip/native-zlib.js';
import { drain, onlyRequest, text, throwsCode } from './drive.js';
import { hex, RawSender, TRAILER } from './raw-peer.js';

const MIB = 1024 * 1024;

const WAYS: Record<string, (maxSize: number) => Inflater> = {
  'the native context': (maxSize) => new ContextInflater(maxSize),
  'the public function with a dictionary': (maxSize) => new DictionaryInflater(maxSize),
};

test('refuses ranges outside of a buffer, and a closed context, before the native side sees them', () => {
  const native = NativeZlib.inflater();
  const bytes = new Uint8Array(8);
  assert.throws(() => native.write(bytes, 0, 9, bytes, 0), RangeError);
  assert.throws(() => native.write(bytes, 5, 4, bytes, 0), RangeError);
  assert.throws(() => native.write(bytes, -1, 4, bytes, 0), RangeError);
  assert.throws(() => native.write(bytes, 0, 4, bytes, 8), RangeError);
  native.close();
  native.close();
  assert.throws(() => native.write(bytes, 0, 4, bytes, 0), RangeError);
});

test('uses the native context in this Node', () => {
  assert.equal(nativeZlibWorks(), true);
  assert(createInflater(MIB) instanceof ContextInflater);
  assert(Deflater.open(6, 15) instanceof Deflater);
  assert.equal(Deflater.open(0, 15), undefined, 'level 0 never compresses');
});

test('a sender may begin with a new compressor at any frame: the receiver goes on', () => {
  const sender = new BlipConnection();
  const receiver = new BlipConnection();
  const body = Buffer.from(
    JSON.stringify({ text: 'the same every time, and long enough to be worth a reference'.repeat(3) }),
  );
  const lengths: number[] = [];
  for (let message = 0; message < 6; message++) {
    if (message % 2 === 0) sender.rest();
    sender.sendRequest({ properties: { number: String(message) }, body, compressed: true });
    const [frame] = drain(sender);
    assert(frame !== undefined);
    lengths.push(frame.length);
    const request = onlyRequest(receiver.receive(frame));
    assert.deepEqual([request.properties.get('number'), text(request.body)], [String(message), body.toString()]);
  }
  // It was really given up: the first frame after it knows nothing of what came before.
  assert(
    Math.min(lengths[2] ?? 0, lengths[4] ?? 0) > Math.max(lengths[1] ?? 0, lengths[3] ?? 0, lengths[5] ?? 0) + 30,
    String(lengths),
  );
  sender.close();
  sender.rest();
  receiver.close();
});

for (const [name, create] of Object.entries(WAYS)) {
  test(`${name}: refuses garbage`, () => {
    throwsCode('BLIP_INFLATE_FAILED', () => create(MIB).inflate(hex('ff ff ff ff ff ff')));
    throwsCode('BLIP_INFLATE_FAILED', () => create(MIB).inflate(Buffer.from('no deflate data at all')));
  });

  test(`${name}: refuses data that refers to before its beginning`, () => {
    const sender = new RawSender();
    sender.remember(Buffer.from('what the receiver has never seen'));
    const body = sender.deflate(Buffer.from('what the receiver has never seen'));
    throwsCode('BLIP_INFLATE_FAILED', () => create(MIB).inflate(body));
  });

  test(`${name}: refuses data that ends for good, because nothing could follow`, () => {
    const ended = zlib.deflateRawSync(Buffer.from('the end'));
    throwsCode('BLIP_INFLATE_FAILED', () => create(MIB).inflate(ended));
    throwsCode('BLIP_INFLATE_FAILED', () => create(MIB).inflate(Buffer.concat([ended, Buffer.from('more')])));
  });

  test(`${name}: ends a deflate bomb at the limit`, () => {
    const zeros = Buffer.alloc(16 * MIB);
    const bomb = new RawSender().deflate(zeros).subarray(0, -4);
    assert(bomb.length < 17_000);
    const message = throwsCode('BLIP_INFLATED_TOO_LARGE', () => create(MIB).inflate(bomb));
    assert.match(message, /maxInflatedSize, 1048576/);
  });

  test(`${name}: takes exactly as much as the limit allows`, () => {
    for (const limit of [16_384, 65_535, 65_536, 65_537, 200_000]) {
      const content = seededRandom(limit).bytes(limit);
      const body = new RawSender().deflate(content).subarray(0, -4);
      assert(create(limit).inflate(body).equals(content), `limit ${limit}`);
      throwsCode('BLIP_INFLATED_TOO_LARGE', () => create(limit - 1).inflate(body));
    }
  });

  test(`${name}: tolerates a trailer that was not cut off, at any frame`, () => {
    const sender = new RawSender();
    const inflater = create(MIB);
    for (let round = 0; round < 12; round++) {
      const content = Buffer.from(`a frame that repeats itself, frame ${round}`);
      const body = sender.deflate(content);
      const stripped = round % 3 === 0 ? body : body.subarray(0, -4);
      assert.equal(inflater.inflate(stripped).toString(), content.toString());
    }
  });

  test(`${name}: keeps the window of 32 KiB from frame to frame`, () => {
    const sender = new RawSender();
    const inflater = create(MIB);
    const random = seededRandom(3);
    const first = Buffer.from(random.bytes(30_000));
    assert(inflater.inflate(sender.deflate(first).subarray(0, -4)).equals(first));
    const again = sender.deflate(first).subarray(0, -4);
    assert(again.length < 1_000, 'the second time refers to the first');
    assert(inflater.inflate(again).equals(first));
  });

  test(`${name}: closes twice`, () => {
    const inflater = create(MIB);
    inflater.inflate(new RawSender().deflate(Buffer.from('x')));
    inflater.close();
    inflater.close();
  });
}

test('both ways of inflating agree on any conversation, whatever level and window the sender has', () => {
  for (const [level, windowBits, seed] of [
    [1, 15, 1],
    [6, 15, 2],
    [9, 9, 3],
    [4, 12, 4],
  ] as const) {
    const random = seededRandom(seed);
    const deflater = openDeflater(level, windowBits);
    const inflaters = Object.values(WAYS).map((create) => create(MIB));
    const target = Buffer.alloc(20_480);
    for (let frame = 0; frame < 60; frame++) {
      const content = someContent(random, 1 + Math.floor(random.next() * 14_000));
      const packed = target.subarray(0, deflater.deflate(content, content.length, target, 0));
      for (const inflater of inflaters) {
        assert(inflater.inflate(packed).equals(content), `seed ${seed}, frame ${frame}`);
      }
    }
    deflater.close();
  }
});

test('deflated pieces fit into their frame for every window, however little they can be compressed', () => {
  const target = Buffer.alloc(20_480);
  for (let windowBits = 9; windowBits <= 15; windowBits++) {
    for (const level of [1, 2, 4, 6, 9]) {
      const seed = windowBits * 10 + level;
      const random = seededRandom(seed);
      const deflater = openDeflater(level, windowBits);
      const inflater = new ContextInflater(MIB);
      for (let frame = 0; frame < 12; frame++) {
        const room = frame % 2 === 0 ? 16_376 : 4_088;
        const content =
          frame < 6 ? Buffer.from(random.bytes(deflater.capacity(room))) : someContent(random, deflater.capacity(room));
        const end = deflater.deflate(content, content.length, target, 5);
        assert(end - 5 <= room, `seed ${seed}: ${content.length} bytes became ${end - 5}, room is ${room}`);
        assert(inflater.inflate(target.subarray(5, end)).equals(content), `seed ${seed}, frame ${frame}`);
      }
      deflater.close();
      inflater.close();
    }
  }
});

test('cuts the trailer off, and uses what it has sent before', () => {
  const deflater = openDeflater(6, 15);
  const target = Buffer.alloc(1_024);
  const content = Buffer.from('{"profile":"rev","id":"engine-1","rpm":1200}');
  const first = deflater.deflate(content, content.length, target, 0);
  assert(!target.subarray(0, first).subarray(-4).equals(TRAILER));
  assert(target.subarray(first, first + 4).equals(TRAILER), 'it was there');
  const second = deflater.deflate(content, content.length, target, 0);
  assert(second < first / 3, `${second} after ${first}`);
});

function openDeflater(level: number, windowBits: number): Deflater {
  const deflater = Deflater.open(level, windowBits);
  assert(deflater);
  return deflater;
}

/** Repetitive text, noise, or noise of few letters: what makes blocks of every kind. */
function someContent(random: RandomSource, length: number): Buffer {
  const kind = Math.floor(random.next() * 3);
  if (kind === 0) return Buffer.from(random.bytes(length));
  if (kind === 1) return Buffer.from(`{"temperature":${random.next()},"rpm":1200},`.repeat(length)).subarray(0, length);
  return Buffer.from(random.bytes(length).map((byte) => 97 + (byte & 7)));
}
