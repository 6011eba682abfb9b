import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BlipConnection, type BlipOptions } from '../../src/blip/index.js';
import { drain, feed, onlyRequest, onlyResponse, record, text } from './drive.js';
import { ack, ACKMSG, ACKRPY, COMPRESSED, ERR, hex, MORE, MSG, payload, RawSender, RPY, URGENT } from './raw-peer.js';

const EMPTY = payload({});
const HELLO = payload({ Profile: 'hello' }, 'hello');

describe('accepts', () => {
  const connectionWith = (options?: BlipOptions): { connection: BlipConnection; sender: RawSender } => ({
    connection: new BlipConnection(options),
    sender: new RawSender(),
  });

  test('unknown flag bits, in one byte and in more', () => {
    const { connection, sender } = connectionWith();
    assert.equal(onlyRequest(connection.receive(sender.frame(1, MSG | 0x80, HELLO))).number, 1);
    assert.equal(onlyRequest(connection.receive(sender.frame(2, 0x3f80 | URGENT, HELLO))).urgent, true);
    assert.equal(onlyRequest(connection.receive(sender.frame(3, 2 ** 60, HELLO))).urgent, false);
  });

  test('unknown properties, duplicates and a name without a value', () => {
    const { connection, sender } = connectionWith();
    const properties = onlyRequest(
      connection.receive(sender.frame(1, MSG, hex('0a 78 00 31 00 78 00 32 00 79 00'))),
    ).properties;
    assert.equal(properties.get('x'), '1');
    assert.equal(properties.get('y'), undefined);
  });

  test('acknowledgements of messages it does not know, whatever follows the count', () => {
    const { connection, sender } = connectionWith();
    for (const type of [ACKMSG, ACKRPY]) {
      assert.deepEqual(connection.receive(ack(type, 77, 5)), []);
      assert.deepEqual(connection.receive(Buffer.concat([ack(type, 0, 5), hex('ff ff ff')])), []);
    }
    assert.deepEqual(connection.receive(Buffer.from('hello')), [], 'which happens to be one');
    onlyRequest(connection.receive(sender.frame(1, MSG, HELLO)));
    assert.equal(connection.pollFrame(), undefined);
  });

  test('acknowledgements with the wrong flags', () => {
    const { connection } = connectionWith();
    assert.deepEqual(connection.receive(hex('01 04 05')), []);
    assert.deepEqual(connection.receive(hex('01 4c 05')), []);
  });

  test('a compressed frame with an empty body, and inflates the next one as if it had not been', () => {
    const { connection, sender } = connectionWith();
    onlyRequest(connection.receive(sender.frame(1, COMPRESSED, HELLO)));
    connection.receive(sender.frame(2, COMPRESSED | MORE, HELLO));
    assert.equal(text(onlyRequest(connection.receive(sender.frameOf(2, COMPRESSED, hex(''), hex('')))).body), 'hello');
    assert.equal(text(onlyRequest(connection.receive(sender.frame(3, COMPRESSED, HELLO))).body), 'hello');
  });

  test('an empty plain frame anywhere but first', () => {
    const { connection, sender } = connectionWith();
    const frames = [sender.frame(1, MORE, HELLO), sender.frame(1, MORE, hex('')), sender.frame(1, MSG, hex(''))];
    assert.equal(text(onlyRequest(feed(connection, frames)).body), 'hello');
  });

  test('a compressed frame whose trailer was not cut off, and goes on', () => {
    const { connection, sender } = connectionWith();
    for (let number = 1; number <= 4; number++) {
      const whole = sender.deflate(HELLO);
      const body = number % 2 === 1 ? whole : whole.subarray(0, -4);
      assert.equal(
        text(onlyRequest(connection.receive(sender.frameOf(number, COMPRESSED, body, HELLO))).body),
        'hello',
      );
    }
  });

  test('plain frames between compressed ones, which stay out of the window', () => {
    const { connection, sender } = connectionWith();
    for (let number = 1; number <= 6; number++) {
      const content = payload({ number: String(number) }, 'the same text in every message');
      const request = onlyRequest(connection.receive(sender.frame(number, number % 2 ? COMPRESSED : MSG, content)));
      assert.deepEqual(record(request.properties), { number: String(number) });
    }
  });

  test('requests and responses with the same number at the same time', () => {
    const { connection, sender } = connectionWith();
    asked(connection);
    const [request, response] = [payload({ what: 'request' }, 'abc'), payload({ what: 'response' }, 'xyz')];
    const events = feed(connection, [
      sender.frame(1, RPY | MORE, response.subarray(0, 5)),
      sender.frame(1, MSG | MORE, request.subarray(0, 7)),
      sender.frame(1, RPY | MORE, response.subarray(5, 16)),
      sender.frame(1, MSG, request.subarray(7)),
      sender.frame(1, RPY, response.subarray(16)),
    ]);
    assert.equal(text(onlyRequest(events.slice(0, 1)).body), 'abc');
    assert.equal(text(onlyResponse(events.slice(1)).body), 'xyz');
  });

  test('long frames up to maxFrameSize', () => {
    const { connection, sender } = connectionWith();
    for (const [index, size] of [17_000, 40_000, 200_000, 1_048_563].entries()) {
      const body = onlyRequest(connection.receive(sender.frame(index + 1, MSG, payload({}, Buffer.alloc(size))))).body;
      assert.equal(body.length, size);
      drain(connection);
    }
    const largest = sender.frame(5, MSG, payload({}, Buffer.alloc(1024 * 1024 - 7)));
    assert.equal(largest.length, 1024 * 1024);
    onlyRequest(connection.receive(largest));
  });

  test('exactly as much as each limit allows', () => {
    const { connection, sender } = connectionWith({
      maxInflatedSize: 20_000,
      maxMessageSize: 50_000,
      maxPropertiesSize: 1_024,
      maxOpenRequests: 3,
      maxBufferedBytes: 16_384,
    });
    onlyRequest(connection.receive(sender.frame(1, COMPRESSED, payload({}, Buffer.alloc(19_999)))));
    onlyRequest(connection.receive(sender.frame(2, MSG, payload({}, Buffer.alloc(49_999)))));
    onlyRequest(connection.receive(sender.frame(3, MSG, payload({ a: 'x'.repeat(1_021) }))));
    for (let round = 0; round < 3; round++) {
      const numbers = [4, 5, 6].map((number) => number + 3 * round);
      const open = numbers.map((number, index) =>
        sender.frame(number, MORE, payload({}, Buffer.alloc(index === 0 ? 16_381 : 0))),
      );
      assert.deepEqual(feed(connection, open), [], 'what was finished does not count any more');
      assert.equal(
        feed(
          connection,
          numbers.map((number) => sender.frame(number, MSG, Buffer.from('end'))),
        ).length,
        3,
      );
    }
  });

  test('102,400 bytes of properties over several frames', () => {
    const { connection, sender } = connectionWith();
    const properties = { a: 'x'.repeat(102_397) };
    const frames = sender.frames(
      1,
      MSG,
      payload(properties, 'body'),
      Array.from({ length: 6 }, () => 16_000),
    );
    const request = onlyRequest(feed(connection, frames));
    assert.deepEqual(record(request.properties), properties);
    assert.equal(text(request.body), 'body');
  });

  test('error responses with little in them', () => {
    const { connection, sender } = connectionWith();
    for (let number = 1; number <= 3; number++) asked(connection);
    const errors = [
      sender.frame(1, ERR, EMPTY),
      sender.frame(2, ERR, payload({ 'Error-Domain': '', 'Error-Code': 'many' }, Buffer.from('caf\xe9', 'latin1'))),
      sender.frame(3, ERR, payload({ 'Error-Domain': 'LiteCore', 'Error-Code': '26' }, 'no')),
    ].map((frame) => onlyResponse(connection.receive(frame)).error);
    assert.deepEqual(errors, [
      { domain: 'BLIP', code: 599, message: '' },
      { domain: 'BLIP', code: 599, message: 'caf\ufffd' },
      { domain: 'LiteCore', code: 26, message: 'no' },
    ]);
  });
});

/** The connection has sent its next request completely, for the peer to answer. */
function asked(connection: BlipConnection): void {
  connection.sendRequest({ properties: {} });
  drain(connection);
}
