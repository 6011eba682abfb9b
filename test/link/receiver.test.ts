/** The receiving end of one direction by itself: order, acknowledgements, what it keeps, and the messages in the stream. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '../../src/base/index.js';
import { IncomingMessages, OutgoingMessages } from '../../transports/link/machine/message-stream.js';
import { NUMBER_MODULUS } from '../../transports/link/machine/packet.js';
import { Receiver, type ReceiverOptions } from '../../transports/link/machine/receiver.js';
import { MAX_AHEAD } from '../../transports/link/machine/sender.js';
import { message } from './pair.js';

const SEED = Number(process.env['FUZZ_SEED'] ?? 1);
const OPTIONS: ReceiverOptions = {
  window: 1_000,
  maxMessageSize: 500,
  packetsPerAcknowledgement: 3,
  acknowledgementDelayMs: 20,
};

describe('the stream of messages', () => {
  test('is length and bytes, as the README says', () => {
    const stream = streamOf([Buffer.from('abc'), new Uint8Array(0), new Uint8Array(300)]);
    assert.equal(Buffer.from(stream.subarray(0, 7)).toString('hex'), '0361626300ac02');
    assert.equal(stream.length, 307);
  });

  test(`comes out as it went in, wherever it is cut, seed ${SEED}`, () => {
    const random = seededRandom(SEED);
    const sizes = [0, 1, 127, 128, 129, 0, 0, 16_383, 16_384, 70_000, 3];
    const messages = sizes.map((size, index) => message(size, index));
    for (let round = 0; round < 50; round++) {
      const outgoing = new OutgoingMessages();
      const incoming = new IncomingMessages(70_000);
      for (const one of messages) outgoing.add(one);
      while (outgoing.size > 0) {
        const most = round === 0 ? 1 : Math.floor(random.next() * (round < 25 ? 10 : 30_000)) + 1;
        const packet = new Uint8Array(7 + Math.min(most, outgoing.size));
        outgoing.moveTo(packet, 7);
        assert.equal(incoming.push(packet.subarray(7)), undefined);
      }
      const heard = sizes.map(() => incoming.next());
      const cost = heard.reduce((sum, one) => sum + (one?.cost ?? 0), 0);
      assert.deepEqual(
        heard.map((one) => one?.bytes),
        messages,
      );
      assert.equal(incoming.hasNext, false);
      assert.equal(cost, streamOf(messages).length);
    }
  });

  const tooLong: readonly [string, number[]][] = [
    ['a length above the limit', [0xf5, 0x03]],
    ['a length of five bytes above the limit', [0xff, 0xff, 0xff, 0xff, 0x7f]],
    ['a length that does not end', [0x80, 0x80, 0x80, 0x80, 0x80, 0x00]],
  ];
  for (const [what, bytes] of tooLong) {
    test(`refuses ${what}, in one piece and byte by byte`, () => {
      assert.match(new IncomingMessages(500).push(Uint8Array.from(bytes)) ?? '', /longer than 500 bytes/);
      const incoming = new IncomingMessages(500);
      const problems = bytes.map((byte) => incoming.push(Uint8Array.of(byte)));
      assert.ok(problems.some((problem) => problem !== undefined));
    });
  }

  test('keeps a quarter of a million empty messages as the bytes that they are, for a peer may send as many', () => {
    const incoming = new IncomingMessages(500);
    for (let packet = 0; packet < 250_000; packet++) incoming.push(new Uint8Array(1));
    assert.equal(incoming.waitingBytes, 250_000);
    let count = 0;
    while (incoming.next() !== undefined) count++;
    assert.equal(count, 250_000);
  });

  test('finds what is wrong behind a message when that was taken', () => {
    const incoming = new IncomingMessages(500);
    assert.equal(incoming.push(Uint8Array.of(1, 97, 0xff, 0xff, 0x7f)), undefined);
    assert.deepEqual(incoming.next(), { bytes: Uint8Array.of(97), cost: 2 });
    assert.match(incoming.problem ?? '', /longer than 500 bytes/);
    assert.equal(incoming.next(), undefined);
  });

  test('takes a message of exactly the limit', () => {
    const incoming = new IncomingMessages(500);
    assert.equal(incoming.push(streamOf([message(500)])), undefined);
    assert.deepEqual(incoming.next(), { bytes: message(500), cost: 502 });
  });
});

describe('a receiver', () => {
  test('acknowledges every third packet at once, and fewer after the delay', () => {
    const receiver = new Receiver(OPTIONS);
    const at = [0, 1, 2].map((number) => {
      assert.equal(receiver.receive(number, new Uint8Array(5), 100 + number), undefined);
      return receiver.acknowledgeAt;
    });
    assert.deepEqual(at, [120, 120, 102]);
    receiver.acknowledged();
    assert.equal(receiver.acknowledgeAt, Infinity);
  });

  for (const [what, numbers] of [
    ['a gap', [1]],
    ['the end of a gap', [1, 0]],
    ['a packet that came before', [0, 0]],
    ['a packet behind a gap that came before', [1, 1]],
  ] as const) {
    test(`acknowledges ${what} at once`, () => {
      const receiver = new Receiver(OPTIONS);
      numbers.forEach((number, index) => {
        receiver.acknowledged();
        assert.equal(receiver.receive(number, new Uint8Array(5), index), undefined);
      });
      assert.equal(receiver.acknowledgeAt, numbers.length - 1);
    });
  }

  test(`puts packets in order whatever their order and however often they come, seed ${SEED}`, () => {
    const random = seededRandom(SEED);
    for (let round = 0; round < 100; round++) {
      const messages = Array.from({ length: 20 }, (_, index) => message(Math.floor(random.next() * 45), index));
      const stream = streamOf(messages);
      const packets: [number, Uint8Array][] = [];
      for (let at = 0; at < stream.length;) {
        const size = 1 + Math.floor(random.next() * 30);
        packets.push([packets.length, stream.subarray(at, at + size)]);
        at += size;
      }
      const receiver = new Receiver(OPTIONS);
      const heard: Uint8Array[] = [];
      const shuffled = [...packets, ...packets.slice(0, 5)].sort(() => random.next() - 0.5);
      for (const [number, payload] of shuffled) {
        assert.equal(receiver.receive(number, payload, 0), undefined);
        for (let next = receiver.nextMessage(); next !== undefined; next = receiver.nextMessage()) {
          heard.push(next.bytes);
          receiver.taken(next.cost, 0);
        }
      }
      assert.deepEqual(heard, messages);
      assert.equal(receiver.next, packets.length);
      assert.deepEqual(receiver.ahead, []);
      assert.equal(receiver.credit, stream.length + OPTIONS.window);
    }
  });

  test('tells what is behind gaps', () => {
    const receiver = new Receiver(OPTIONS);
    for (const number of [0, 9, 3, 2, 5]) receiver.receive(number, new Uint8Array(1), 0);
    assert.deepEqual(receiver.ahead, [
      { from: 1, count: 2 },
      { from: 4, count: 1 },
      { from: 8, count: 1 },
    ]);
  });

  test('keeps a copy of what is behind a gap, for the memory may be used again', () => {
    const receiver = new Receiver(OPTIONS);
    const memory = Uint8Array.of(97, 98);
    receiver.receive(1, memory, 0);
    memory.fill(0);
    receiver.receive(0, Uint8Array.of(2), 0);
    assert.deepEqual(receiver.nextMessage()?.bytes, Uint8Array.of(97, 98));
  });

  test('ends the link for one byte more than was granted, in order or ahead', () => {
    const inOrder = new Receiver(OPTIONS);
    assert.match(inOrder.receive(0, new Uint8Array(1_001), 0) ?? '', /more arrived than was granted/);
    const ahead = new Receiver(OPTIONS);
    for (let number = 1; number <= 10; number++) {
      assert.equal(ahead.receive(number, new Uint8Array(100), 0), undefined);
    }
    assert.match(ahead.receive(11, new Uint8Array(1), 0) ?? '', /more arrived than was granted/);
  });

  test('drops what is too far ahead, and what looks as if it were', () => {
    const receiver = new Receiver(OPTIONS);
    for (const number of [MAX_AHEAD, MAX_AHEAD + 1, NUMBER_MODULUS / 2, NUMBER_MODULUS - 1]) {
      assert.equal(receiver.receive(number, new Uint8Array(1), 0), undefined);
    }
    assert.deepEqual(receiver.ahead, []);
    assert.equal(receiver.acknowledgeAt, Infinity);
    receiver.receive(MAX_AHEAD - 1, new Uint8Array(1), 0);
    assert.deepEqual(receiver.ahead, [{ from: MAX_AHEAD - 1, count: 1 }]);
  });

  test('says that it takes more when a quarter of the window is free again', () => {
    const receiver = new Receiver(OPTIONS);
    receiver.receive(0, streamOf([message(200), message(48), message(199), message(499)]), 0);
    receiver.acknowledged();
    const costs = Array.from({ length: 4 }, () => receiver.nextMessage()?.cost ?? 0);
    assert.deepEqual(costs, [202, 49, 201, 501]);
    receiver.taken(202, 1);
    assert.equal(receiver.acknowledgeAt, Infinity);
    receiver.taken(49, 2);
    assert.equal(receiver.acknowledgeAt, 2);
    assert.equal(receiver.credit, OPTIONS.window + 251);
  });
});

function streamOf(messages: readonly Uint8Array[]): Uint8Array {
  const outgoing = new OutgoingMessages();
  for (const one of messages) outgoing.add(one);
  const stream = new Uint8Array(outgoing.size);
  outgoing.moveTo(stream, 0);
  return stream;
}
