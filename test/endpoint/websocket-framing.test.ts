/** The framing of byte streams, fed with hex: specification 1.6.2 and RFC 6455 5. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { concatBytes, seededRandom, type RandomSource } from '../../src/base/index.js';
import {
  encodeClosePayload,
  encodeFrame,
  FrameDecoder,
  Opcode,
  type FrameEvent,
} from '../../src/endpoint/layers/websocket-framing.js';

const MAX_MESSAGE_SIZE = 1_048_576;

describe('FrameDecoder: broken rules', () => {
  const violations: readonly (readonly [title: string, from: 'client' | 'server', hex: string, closeCode?: number])[] =
    [
      ['the first reserved bit', 'server', 'c2 00'],
      ['the second reserved bit', 'server', 'a2 00'],
      ['the third reserved bit', 'server', '92 00'],
      ['opcode 3', 'server', '83 00'],
      ['opcode 7', 'server', '87 00'],
      ['opcode 11', 'server', '8b 00'],
      ['opcode 15', 'server', '8f 00'],
      ['an unmasked frame of the client', 'client', '82 00'],
      ['a masked frame of the server', 'server', '82 80 00 00 00 00'],
      ['a fragmented ping', 'server', '09 00'],
      ['a ping of 126 bytes', 'server', '89 7e 00 7e'],
      ['a close frame of 65,536 bytes', 'server', '88 7f 00 00 00 00 00 01 00 00'],
      ['a continuation of nothing', 'server', '80 00'],
      ['a new message inside a fragmented one', 'server', '02 01 aa 82 01 bb'],
      ['a length of 125 in two bytes', 'server', '82 7e 00 7d'],
      ['a length of 65,535 in eight bytes', 'server', '82 7f 00 00 00 00 00 00 ff ff'],
      ['a length with its highest bit set', 'server', '82 7f 80 00 00 00 00 00 00 00'],
      ['half of a close code', 'server', '88 01 03'],
      ['close code 1005', 'server', '88 02 03 ed'],
      ['close code 999', 'server', '88 02 03 e7'],
      ['a frame above the limit', 'server', '82 7f 00 00 00 00 00 10 00 01', 1009],
      ['a length beyond any memory', 'server', '82 7f 00 ff ff ff ff ff ff ff', 1009],
    ];
  for (const [title, from, hex, closeCode = 1002] of violations) {
    test(`refuses ${title} with ${closeCode}`, () => {
      const events = atEverySplit(from, bytes(hex));
      assert.deepEqual(events.map(summary), [`violation ${closeCode}`]);
    });
  }

  test('refuses fragments that exceed the limit together', () => {
    const decoder = new FrameDecoder({ from: 'server', maxMessageSize: 5 });
    decoder.push(bytes('02 03 aa bb cc 80 03 dd ee ff'));
    assert.equal(summary(decoder.next()), 'violation 1009');
    assert.equal(decoder.finished, true);
  });

  test('reads nothing after a violation, nor after a close frame', () => {
    for (const hex of ['c2 00 82 01 aa', '88 02 03 e8 82 01 aa']) {
      const decoder = new FrameDecoder({ from: 'server', maxMessageSize: MAX_MESSAGE_SIZE });
      decoder.push(bytes(hex));
      assert.notEqual(decoder.next(), undefined);
      decoder.push(bytes('82 01 bb'));
      assert.equal(decoder.next(), undefined);
      assert.equal(decoder.waitingBytes, 0);
    }
  });
});

describe('FrameDecoder: frames split at every byte', () => {
  const streams: readonly (readonly [
    title: string,
    from: 'client' | 'server',
    hex: string,
    expected: readonly string[],
  ])[] = [
    [
      'the example of the specification, by a server',
      'server',
      '82 07 02 01 00 8d ef 02 93',
      ['message 0201008def0293'],
    ],
    [
      'the example of the specification, by a client',
      'client',
      '82 87 37 fa 21 3d 35 fb 21 b0 d8 f8 b2',
      ['message 0201008def0293'],
    ],
    ['an empty message', 'server', '82 00', ['message ']],
    ['an empty masked message', 'client', '82 80 01 02 03 04', ['message ']],
    ['text as binary', 'server', '81 02 68 69', ['message 6869']],
    ['two messages in a row', 'server', '82 01 aa 82 01 bb', ['message aa', 'message bb']],
    ['three fragments', 'server', '02 01 aa 00 02 bb cc 80 01 dd', ['message aabbccdd']],
    ['fragments of nothing', 'server', '02 00 00 00 80 00', ['message ']],
    ['an empty last fragment', 'server', '02 01 aa 80 00', ['message aa']],
    [
      'a ping and a pong between fragments',
      'server',
      '02 01 aa 89 02 01 02 8a 00 80 01 bb',
      ['ping 0102', 'pong ', 'message aabb'],
    ],
    [
      'masked fragments with a masked ping between',
      'client',
      '02 81 01 02 03 04 ab 89 81 ff 00 00 00 ff 80 82 10 20 30 40 bb 8c',
      ['ping 00', 'message aaabac'],
    ],
    ['a close frame with code and reason', 'server', '88 03 0f a2 78', ['close 4002 x']],
    ['a close frame without a code', 'server', '88 00', ['close undefined ']],
    ['a message after a fragmented one', 'server', '02 01 aa 80 01 bb 82 01 cc', ['message aabb', 'message cc']],
  ];
  for (const [title, from, hex, expected] of streams) {
    test(`reads ${title}`, () => {
      assert.deepEqual(atEverySplit(from, bytes(hex)).map(summary), expected);
    });
  }

  test('keeps the code of a close frame whose reason was cut inside a character', () => {
    assert.deepEqual(atEverySplit('server', bytes('88 04 0f a1 c3 28')).map(summary), ['close 4001 \ufffd(']);
  });

  for (const from of ['client', 'server'] as const) {
    for (const length of [0, 1, 125, 126, 127, 65_535, 65_536]) {
      test(`reads what the encoder wrote: ${length} bytes by a ${from}`, () => {
        const payload = seededRandom(length).bytes(length);
        const frame = encodeFrame(Opcode.binary, payload, from === 'client' ? bytes('12 34 56 78') : undefined);
        // All splits within the header and around the end; the middle is all alike.
        for (const split of [...Array.from({ length: 20 }, (_, index) => index), frame.length - 1]) {
          const events = decode(from, [frame.subarray(0, split), frame.subarray(split)]);
          assert.equal(events.length, 1);
          const [event] = events;
          assert.ok(event?.kind === 'message' && Buffer.compare(event.payload, payload) === 0, `split at ${split}`);
        }
      });
    }
  }

  test('reads a large message that comes byte by byte in linear time and memory', () => {
    const payload = seededRandom(5).bytes(300_000);
    const frame = encodeFrame(Opcode.binary, payload, bytes('01 02 03 04'));
    const decoder = new FrameDecoder({ from: 'client', maxMessageSize: MAX_MESSAGE_SIZE });
    let event: FrameEvent | undefined;
    for (let index = 0; index < frame.length; index++) {
      decoder.push(frame.subarray(index, index + 1));
      event = decoder.next();
    }
    assert.ok(event?.kind === 'message' && Buffer.compare(event.payload, payload) === 0);
    assert.equal(decoder.waitingBytes, 0);
  });

  test('reads many chunks that were pushed before anybody read', () => {
    const frame = encodeFrame(Opcode.binary, seededRandom(6).bytes(5_000), undefined);
    const decoder = new FrameDecoder({ from: 'server', maxMessageSize: MAX_MESSAGE_SIZE });
    for (let index = 0; index < frame.length; index += 3) decoder.push(frame.subarray(index, index + 3));
    assert.ok(decoder.waitingBytes > frame.length);
    assert.equal(summary(decoder.next()).length, 'message '.length + 10_000);
    assert.equal(decoder.waitingBytes, 0);
  });

  test('hands out fresh memory and leaves the chunk as it was', () => {
    const chunk = bytes('82 81 ff ff ff ff 55');
    const decoder = new FrameDecoder({ from: 'client', maxMessageSize: 10 });
    decoder.push(chunk);
    const event = decoder.next();
    assert.ok(event?.kind === 'message');
    event.payload.fill(0);
    assert.equal(hex(chunk), '8281ffffffff55');
  });
});

describe('encodeFrame', () => {
  test('writes the examples of the specification', () => {
    const payload = bytes('02 01 00 8d ef 02 93');
    assert.equal(hex(encodeFrame(Opcode.binary, payload, undefined)), '82070201008def0293');
    assert.equal(hex(encodeFrame(Opcode.binary, payload, bytes('37 fa 21 3d'))), '828737fa213d35fb21b0d8f8b2');
    assert.equal(hex(encodeClosePayload(4002, 'x')), '0fa278');
    assert.equal(hex(encodeClosePayload(undefined, 'ignored')), '');
  });

  test('leaves the payload as it was', () => {
    const payload = bytes('01 02 03');
    encodeFrame(Opcode.binary, payload, bytes('ff ff ff ff'));
    assert.equal(hex(payload), '010203');
  });
});

describe('FrameDecoder: any input', () => {
  test('gives the same events however the stream is cut, and never throws (20,000 mutated streams)', () => {
    const random = seededRandom(0x5eed);
    const seen = new Map<string, number>();
    for (let round = 0; round < 20_000; round++) {
      const seed = Math.floor(random.next() * 2 ** 32);
      const source = seededRandom(seed);
      const from = source.next() < 0.5 ? 'client' : 'server';
      const stream = mutate(randomStream(source, from), source);
      const context = `round ${round}, seed ${seed}, ${from}: ${hex(stream)}`;
      const whole = run(() => decode(from, [stream], 300), context);
      const cut = run(() => decode(from, randomCuts(stream, source), 300), context);
      assert.deepEqual(cut.map(summary), whole.map(summary), context);
      for (const event of whole) {
        seen.set(event.kind, (seen.get(event.kind) ?? 0) + 1);
        if (event.kind === 'message') assert.ok(event.payload.length <= 300, context);
      }
    }
    // The mutations must not all die in the first byte.
    for (const kind of ['message', 'ping', 'pong', 'close', 'violation']) {
      assert.ok((seen.get(kind) ?? 0) > 500, `only ${seen.get(kind) ?? 0} of ${kind}`);
    }
  });
});

function run<T>(work: () => T, context: string): T {
  try {
    return work();
  } catch (cause) {
    throw new Error(`the decoder threw: ${context}`, { cause });
  }
}

/** A few valid frames. */
function randomStream(random: RandomSource, from: 'client' | 'server'): Uint8Array {
  const frames: Uint8Array[] = [];
  const frame = (opcode: Opcode, payload: Uint8Array, isFinal = true): void => {
    frames.push(encodeFrame(opcode, payload, from === 'client' ? random.bytes(4) : undefined, isFinal));
  };
  const payload = (max: number): Uint8Array => random.bytes(Math.floor(random.next() * max));
  for (let count = 1 + Math.floor(random.next() * 4); count > 0; count--) {
    const choice = random.next();
    if (choice < 0.4) frame(Opcode.binary, payload(200));
    else if (choice < 0.5) frame(Opcode.text, payload(20));
    else if (choice < 0.65) frame(Opcode.ping, payload(20));
    else if (choice < 0.75) frame(Opcode.pong, payload(20));
    else if (choice < 0.9) {
      frame(Opcode.binary, payload(20), false);
      if (random.next() < 0.5) frame(Opcode.ping, payload(5));
      frame(Opcode.continuation, payload(20));
    } else frame(Opcode.close, encodeClosePayload(1000 + Math.floor(random.next() * 4), 'so long'));
  }
  return concatBytes(frames);
}

/** Flips, inserts, removes and repeats bytes; sometimes nothing. */
function mutate(stream: Uint8Array, random: RandomSource): Uint8Array {
  let bytesNow = [...stream];
  for (let count = Math.floor(random.next() * 4); count > 0; count--) {
    const at = Math.floor(random.next() * bytesNow.length);
    const choice = random.next();
    if (choice < 0.5) bytesNow[at] = (bytesNow[at] ?? 0) ^ (1 << Math.floor(random.next() * 8));
    else if (choice < 0.7) bytesNow.splice(at, 0, Math.floor(random.next() * 256));
    else if (choice < 0.9) bytesNow.splice(at, 1 + Math.floor(random.next() * 3));
    else bytesNow = [...bytesNow, ...bytesNow.slice(at)];
  }
  return Uint8Array.from(bytesNow);
}

function randomCuts(stream: Uint8Array, random: RandomSource): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < stream.length;) {
    const size = 1 + Math.floor(random.next() * (random.next() < 0.5 ? 3 : 50));
    chunks.push(stream.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

/** Decodes `stream` cut in two at every place, and byte by byte; the events must be the same each time. */
function atEverySplit(from: 'client' | 'server', stream: Uint8Array): FrameEvent[] {
  const whole = decode(from, [stream]);
  for (let split = 0; split <= stream.length; split++) {
    const events = decode(from, [stream.subarray(0, split), stream.subarray(split)]);
    assert.deepEqual(events, whole, `split at ${split}`);
  }
  const single = Array.from(stream, (_, index) => stream.subarray(index, index + 1));
  assert.deepEqual(decode(from, single), whole, 'byte by byte');
  return whole;
}

function decode(
  from: 'client' | 'server',
  chunks: readonly Uint8Array[],
  maxMessageSize = MAX_MESSAGE_SIZE,
): FrameEvent[] {
  const decoder = new FrameDecoder({ from, maxMessageSize });
  const events: FrameEvent[] = [];
  for (const chunk of chunks) {
    decoder.push(chunk);
    for (let event = decoder.next(); event !== undefined; event = decoder.next()) events.push(event);
  }
  return events;
}

function summary(event: FrameEvent | undefined): string {
  if (event === undefined) return 'nothing';
  if (event.kind === 'close') return `close ${event.code} ${event.reason}`;
  if (event.kind === 'violation') return `violation ${event.closeCode}`;
  return `${event.kind} ${hex(event.payload)}`;
}

function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));
}

function hex(data: Uint8Array): string {
  return Buffer.from(data).toString('hex');
}
