import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BlipConnection } from '../../src/blip/index.js';
import { diesOf, drain, exchange, feed, onlyRequest, onlyResponse } from './drive.js';
import {
  ack,
  ACKMSG,
  ACKRPY,
  hex,
  MORE,
  MSG,
  NOREPLY,
  payload,
  RawReceiver,
  RawSender,
  RPY,
  varint,
} from './raw-peer.js';

const KILOBYTE = 1_000;

describe('the sender', () => {
  /** A connection with one long message to send; the frames it sends until it waits. */
  function stalled(response: boolean): { connection: BlipConnection; wire: () => number[]; type: number } {
    const connection = new BlipConnection({ compressionLevel: 0 });
    const message = { properties: {}, body: new Uint8Array(600 * KILOBYTE) };
    if (response)
      connection.sendResponse(onlyRequest(connection.receive(new RawSender().frame(1, MSG, payload({})))), message);
    else connection.sendRequest(message);
    const receiver = new RawReceiver();
    const wire = (): number[] => drain(connection).map((frame) => receiver.read(frame).wireLength);
    return { connection, wire, type: response ? ACKRPY : ACKMSG };
  }

  for (const response of [false, true]) {
    const what = response ? 'response' : 'request';

    test(`stops a ${what} at 128,000 unacknowledged bytes, checked after each frame`, () => {
      const { wire } = stalled(response);
      const sizes = wire();
      assert.equal(sizes.length, 8, 'as a real core');
      assert.equal(sum(sizes), 8 * 16_382);
      assert(sum(sizes) >= 128_000 && sum(sizes) - 16_382 < 128_000);
      assert.deepEqual(wire(), []);
    });

    test(`goes on with a ${what} after an acknowledgement, as far as it reaches`, () => {
      const { connection, wire, type } = stalled(response);
      let sent = sum(wire());
      assert.deepEqual(connection.receive(ack(type, 1, sent - 128_000)), []);
      assert.deepEqual(wire(), [], '128,000 are still too many');
      connection.receive(ack(type, 1, sent - 127_999));
      const one = wire();
      assert.equal(one.length, 1, 'exactly one more frame');
      sent += sum(one);
      connection.receive(ack(type, 1, sent));
      assert.equal(wire().length, 8);
    });

    test(`ignores acknowledgements for a ${what} that are old, from the future, or of the other kind`, () => {
      const { connection, wire, type } = stalled(response);
      const sent = sum(wire());
      const other = type === ACKMSG ? ACKRPY : ACKMSG;
      for (const frame of [
        ack(type, 1, sent + 1),
        ack(other, 1, sent),
        ack(type, 2, sent),
        ack(type, 1, 2 ** 60),
        ack(type, 1, 0),
      ]) {
        assert.deepEqual(connection.receive(frame), []);
        assert.deepEqual(wire(), []);
      }
      connection.receive(ack(type, 1, sent));
      connection.receive(ack(type, 1, 5));
      assert.equal(wire().length, 8, 'an old count takes nothing back');
    });

    test(`ends a ${what} with nothing left to wait for`, () => {
      const { connection, wire, type } = stalled(response);
      let total = 0;
      for (let sizes = wire(); sizes.length > 0; sizes = wire()) {
        total += sum(sizes);
        connection.receive(ack(type, 1, total));
      }
      assert.equal(total - 4 * Math.ceil(total / 16_382), 600 * KILOBYTE + 1);
      assert.equal(connection.queuedBytes, 0);
      connection.receive(ack(type, 1, total));
    });
  }

  test('stops each message for itself', () => {
    const connection = new BlipConnection({ compressionLevel: 0 });
    for (let count = 0; count < 2; count++)
      connection.sendRequest({ properties: {}, body: new Uint8Array(200 * KILOBYTE) });
    assert.equal(drain(connection).length, 16);
    connection.sendRequest({ properties: {}, body: new Uint8Array(10) });
    assert.equal(drain(connection).length, 1, 'small ones still go through');
    connection.receive(ack(ACKMSG, 2, 8 * 16_382));
    const numbers = drain(connection).map((frame) => frame[0]);
    assert.deepEqual([...new Set(numbers)], [2]);
    assert.equal(connection.queuedBytes, 200 * KILOBYTE + 1 - 8 * 16_378, 'parked bytes are queued bytes');
  });

  test('ends the connection for an acknowledgement whose count is cut short', () => {
    diesOf('BLIP_FRAME_INVALID', new BlipConnection(), hex('01 34'));
    diesOf('BLIP_FRAME_INVALID', new BlipConnection(), hex('01 34 80'));
    diesOf('BLIP_FRAME_INVALID', new BlipConnection(), Buffer.concat([hex('01 35'), Buffer.alloc(11, 0x80)]));
  });
});

describe('the receiver', () => {
  const acks = (connection: BlipConnection): string[] =>
    drain(connection).map((frame) => Buffer.from(frame).toString('hex'));
  const counts = (type: number, totals: readonly number[]): string[] =>
    totals.map((total) => ack(type, 1, total).toString('hex'));

  /** A message in frames that are 10,004 bytes on the wire, except the last. */
  function frames(flags: number, count: number): Buffer[] {
    const content = payload({}, new Uint8Array(10_000 * count - 1));
    return new RawSender().frames(
      1,
      flags,
      content,
      Array.from({ length: count - 1 }, () => 10_000),
    );
  }

  test('acknowledges every 50,000 bytes, checksums included, also with the last frame', () => {
    const connection = new BlipConnection();
    const seen: string[] = [];
    for (const frame of frames(MSG, 30)) {
      connection.receive(frame);
      seen.push(...acks(connection));
    }
    assert.deepEqual(seen, counts(ACKMSG, [50_020, 100_040, 150_060, 200_080, 250_100, 300_120]));
  });

  test('acknowledges a response as a response, and what is sent without reply too', () => {
    const asking = new BlipConnection();
    asking.sendRequest({ properties: {} });
    drain(asking);
    onlyResponse(feed(asking, frames(RPY, 5)));
    assert.deepEqual(acks(asking), counts(ACKRPY, [50_020]));

    const silent = new BlipConnection();
    onlyRequest(feed(silent, frames(MSG | NOREPLY, 5)));
    assert.deepEqual(acks(silent), counts(ACKMSG, [50_020]));
  });

  test('sends one acknowledgement with the latest count when it could not send them one by one', () => {
    const connection = new BlipConnection();
    feed(connection, frames(MSG, 12));
    assert.deepEqual(acks(connection), counts(ACKMSG, [100_040]));
  });

  test('acknowledges a single long frame at once, and whole', () => {
    const connection = new BlipConnection();
    connection.receive(new RawSender().frame(1, MSG, payload({}, new Uint8Array(200 * KILOBYTE))));
    assert.deepEqual(acks(connection), counts(ACKMSG, [200 * KILOBYTE + 1 + 4]));
    assert.equal(Buffer.from(ack(ACKMSG, 1, 0)).toString('hex'), '013400');
  });

  test('acknowledges exactly 50,000 bytes, and not one less', () => {
    const exact = new BlipConnection();
    onlyRequest(exact.receive(new RawSender().frame(1, MSG, payload({}, new Uint8Array(50_000 - 5)))));
    assert.deepEqual(acks(exact), counts(ACKMSG, [50_000]));
    const connection = new BlipConnection();
    onlyRequest(connection.receive(new RawSender().frame(1, MSG, payload({}, new Uint8Array(49_999 - 5)))));
    assert.deepEqual(acks(connection), []);
  });

  test('counts compressed bytes as they were on the wire', () => {
    const connection = new BlipConnection();
    const content = payload({}, Buffer.alloc(400 * KILOBYTE, 'again and '));
    onlyRequest(
      feed(
        connection,
        new RawSender().frames(
          1,
          MSG | 0x08,
          content,
          Array.from({ length: 39 }, () => 10_000),
        ),
      ),
    );
    assert.deepEqual(acks(connection), []);
  });

  test('puts acknowledgements before everything else', () => {
    const connection = new BlipConnection();
    connection.sendRequest({ properties: {}, urgent: true });
    feed(connection, frames(MSG | MORE, 6));
    const [first, second] = drain(connection);
    assert.deepEqual(Buffer.from(first ?? []), ack(ACKMSG, 1, 50_020));
    assert.equal(second?.[1], 0x10);
  });
});

test('two connections pass long messages both ways without anybody stalling', () => {
  const [a, b] = [new BlipConnection(), new BlipConnection({ compressionLevel: 0 })];
  const bodies = [3_000 * KILOBYTE, 128_000, 1_234_567].map((size) => Buffer.alloc(size, varint(size)));
  for (const body of bodies) {
    a.sendRequest({ properties: {}, body });
    b.sendRequest({ properties: {}, body, noReply: true });
  }
  const first = exchange(a, b);
  for (const events of [first.a, first.b]) {
    assert.equal(events.length, bodies.length);
    for (const event of events) {
      assert(event.type === 'request');
      assert(bodies[event.request.number - 1]?.equals(event.request.body));
    }
  }
  for (const event of first.b)
    if (event.type === 'request') b.sendResponse(event.request, { properties: {}, body: event.request.body });
  const second = exchange(a, b);
  assert.equal(second.a.length, bodies.length);
  for (const event of second.a)
    assert(event.type === 'response' && bodies.some((body) => body.equals(event.response.body)));
  assert.equal(a.queuedBytes + b.queuedBytes, 0);
});

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
