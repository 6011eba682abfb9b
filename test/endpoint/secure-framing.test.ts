/** What lies inside TLS: lengths, messages, the goodbye; and whatever else a peer may send. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { concatBytes, seededRandom, utf8, type RandomSource } from '../../src/base/index.js';
import {
  encodeGoodbye,
  encodeMessage,
  SecureDecoder,
  type SecureEvent,
} from '../../src/endpoint/layers/secure-framing.js';

const LIMIT = 100_000;

/** All events of bytes that arrive in these pieces. */
function decode(pieces: readonly Uint8Array[], decoder = new SecureDecoder(LIMIT)): SecureEvent[] {
  const events: SecureEvent[] = [];
  for (const piece of pieces) {
    decoder.push(piece);
    for (let event = decoder.next(); event !== undefined; event = decoder.next()) events.push(event);
  }
  return events;
}

function cut(bytes: Uint8Array, random: RandomSource, most: number): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = 1 + Math.floor(random.next() * most);
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

function hex(text: string): Uint8Array {
  return Buffer.from(text.replaceAll(' ', ''), 'hex');
}

describe('frames inside TLS', () => {
  test('are a length of four bytes and the message; the goodbye has the length that no message has', () => {
    assert.deepEqual(encodeMessage(utf8('abc')), hex('00000003 616263'));
    assert.deepEqual(encodeMessage(new Uint8Array(0)), hex('00000000'));
    assert.deepEqual(encodeGoodbye({ code: 1000, reason: '' }), hex('ffffffff 03e8 00'));
    assert.deepEqual(encodeGoodbye({ code: 4002, reason: 'é!' }), hex('ffffffff 0fa2 03 c3a921'));
  });

  for (const seed of [1, 2, 3]) {
    test(`come out as they went in, however they are cut, seed ${seed}`, () => {
      const random = seededRandom(seed);
      const sizes = [0, 1, 3, 4, 5, 16_383, 16_384, 16_385, LIMIT, 0, ...Array.from({ length: 50 }, (_, i) => i * 7)];
      const messages = sizes.map((size) => random.bytes(size));
      const bytes = concatBytes([...messages.map(encodeMessage), encodeGoodbye({ code: 1001, reason: 'bye' })]);
      for (const most of [1, 7, 1_000, 70_000, 1_000_000]) {
        const expected = [
          ...messages.map((payload) => ({ kind: 'message', payload: new Uint8Array(payload) })),
          { kind: 'goodbye', code: 1001, reason: 'bye' },
        ];
        assert.deepEqual(decode(cut(bytes, random, most)), expected, `pieces of ${most} bytes at most`);
      }
    });
  }

  test('are in memory of their own', () => {
    const bytes = concatBytes([encodeMessage(utf8('first')), encodeMessage(utf8('second'))]);
    const events = decode([bytes]);
    bytes.fill(0);
    assert.deepEqual(
      events.map((event) => (event.kind === 'message' ? Buffer.from(event.payload).toString() : event.kind)),
      ['first', 'second'],
    );
  });

  for (const [what, bytes, closeCode] of [
    ['a length above the limit', '000186a1', 1009],
    ['a length that a signed number would take for negative', '80000000', 1009],
    ['a length that is almost a goodbye', 'fffffffe', 1009],
    ['a goodbye with a code that is a local marker', 'ffffffff 03ee 00', 1002],
    ['a goodbye with no code', 'ffffffff 0000 00', 1002],
    ['a goodbye with a reason that is too long', 'ffffffff 03e8 7c', 1002],
  ] as const) {
    test(`refuses ${what}, and reads no further`, () => {
      const decoder = new SecureDecoder(LIMIT);
      const events = decode([hex(bytes), encodeMessage(utf8('more'))], decoder);
      assert.deepEqual(
        events.map((event) => [event.kind, event.kind === 'violation' ? event.closeCode : undefined]),
        [['violation', closeCode]],
      );
      assert.equal(decoder.finished, true);
    });
  }

  test('after the goodbye nothing is read', () => {
    const events = decode([concatBytes([encodeGoodbye({ code: 1000, reason: '' }), encodeMessage(utf8('late'))])]);
    assert.deepEqual(events, [{ kind: 'goodbye', code: 1000, reason: '' }]);
  });

  test('a message that is announced costs no memory before it comes', () => {
    const before = process.memoryUsage().arrayBuffers;
    const decoders = Array.from({ length: 200 }, () => new SecureDecoder(0x7fff_0000));
    for (const decoder of decoders) assert.deepEqual(decode([hex('7fff0000'), new Uint8Array(10)], decoder), []);
    const grown = process.memoryUsage().arrayBuffers - before;
    assert.ok(grown < 16 * 1_048_576, `${grown} bytes for 2,000`);
  });

  for (let seed = 100; seed < 130; seed++) {
    test(`survives random bytes, seed ${seed}`, () => {
      const random = seededRandom(seed);
      for (let round = 0; round < 200; round++) {
        const bytes = random.bytes(1 + Math.floor(random.next() * 300));
        if (random.next() < 0.7) bytes.fill(0, 0, 2); // or nearly every length would be above the limit
        const whole = decode([bytes]);
        assert.deepEqual(decode(cut(bytes, random, 5)), whole, 'cutting makes no difference');
        const taken = whole.reduce((sum, event) => sum + (event.kind === 'message' ? event.payload.length + 4 : 0), 0);
        assert.ok(taken <= bytes.length);
      }
    });
  }
});
