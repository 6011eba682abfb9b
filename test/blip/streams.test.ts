import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '../../src/base/index.js';
import {
  BlipConnection,
  type BlipEvent,
  type BlipOptions,
  type SentRequest,
  StreamedBody,
} from '../../src/blip/index.js';
import { diesOf, drain, feed, onlyRequest, onlyResponse, record, throwsCode } from './drive.js';
import {
  ack,
  ACKRPY,
  COMPRESSED,
  ERR,
  MORE,
  MSG,
  payload,
  type RawFrame,
  RawReceiver,
  RawSender,
  RPY,
  URGENT,
} from './raw-peer.js';

const FRAME = 16_384;

/** A connection that was asked for something, and what it sends. */
class Answering {
  readonly connection: BlipConnection;
  readonly body: StreamedBody;
  /** How often a frame took something. */
  taken = 0;
  readonly #receiver = new RawReceiver();

  constructor(options: { readonly compressed?: boolean; readonly urgent?: boolean } & BlipOptions = {}) {
    const { compressed = false, urgent = false, ...blip } = options;
    this.connection = new BlipConnection(blip);
    this.body = new StreamedBody(() => this.taken++);
    const request = onlyRequest(
      this.connection.receive(new RawSender().frame(1, MSG | (urgent ? URGENT : 0), payload({}))),
    );
    this.connection.sendResponse(request, { properties: { a: 'b' }, body: this.body, compressed });
  }

  frames(): RawFrame[] {
    return drain(this.connection).map((frame) => this.#receiver.read(frame));
  }
}

const contents = (frames: readonly RawFrame[]): Buffer => Buffer.concat(frames.map(({ content }) => content));

describe('a body that is still being made', () => {
  test('goes out as it comes, and its last frame when it has ended', () => {
    const { connection, body, frames } = bound(new Answering());
    const head = frames();
    assert.deepEqual([head.length, head[0]?.more], [1, true], 'the properties do not wait for the body');
    assert.deepEqual(contents(head), payload({ a: 'b' }));
    assert.deepEqual(frames(), []);
    assert.equal(connection.queuedMessages, 1);
    body.push(Buffer.from('one'));
    body.push(Buffer.from('two'));
    assert.equal(connection.queuedBytes, 6);
    const middle = frames();
    assert.deepEqual([middle.length, middle[0]?.more, contents(middle).toString()], [1, true, 'onetwo']);
    assert.deepEqual(frames(), []);
    body.end();
    const last = frames();
    assert.deepEqual([last.length, last[0]?.flags, last[0]?.content.length], [1, RPY, 0]);
    assert.deepEqual(frames(), []);
    assert.deepEqual([connection.queuedBytes, connection.queuedMessages], [0, 0]);
  });

  test('is one frame like any other if all of it is there', () => {
    const { body, frames } = bound(new Answering());
    body.push(Buffer.from('all'));
    body.end();
    const [only, ...more] = frames();
    assert.deepEqual(more, []);
    assert.equal(only?.more, false);
    assert.deepEqual(only?.content, payload({ a: 'b' }, 'all'));
  });

  for (const compressed of [false, true]) {
    test(`fills frames whatever the sizes of its pieces${compressed ? ', compressed' : ''}`, () => {
      const random = seededRandom(3);
      const { connection, body, frames } = bound(new Answering({ compressed }));
      const pieces = [1, 40_000, 15, 0, 16_378, 3, 50_000, 7].map((size) => Buffer.from(random.bytes(size)));
      const seen: RawFrame[] = [];
      for (const piece of pieces) {
        body.push(piece);
        if (random.next() < 0.5) seen.push(...frames());
      }
      body.end();
      seen.push(...frames());
      assert.deepEqual(contents(seen), payload({ a: 'b' }, Buffer.concat(pieces)));
      assert(seen.every(({ length }) => length <= FRAME));
      assert.deepEqual([...new Set(seen.map(({ more }) => more))], [true, false]);
      assert.equal(
        seen.some(({ flags }) => (flags & COMPRESSED) !== 0),
        compressed,
      );
      assert.equal(connection.queuedBytes, 0);
    });
  }

  test('does not hold up other messages while nothing of it is there', () => {
    for (const urgent of [false, true]) {
      const { connection, body, frames } = bound(new Answering({ urgent }));
      frames();
      connection.sendRequest({ properties: {}, body: new Uint8Array(40_000) });
      body.push(Buffer.from('first'));
      connection.sendRequest({ properties: { small: 'one' } });
      const ended = frames().filter(({ more }) => !more);
      assert.deepEqual(
        ended.map(({ number, type }) => [number, type]),
        [
          [2, MSG],
          [1, MSG],
        ],
      );
      assert.deepEqual([connection.queuedMessages, connection.queuedBytes], [1, 0]);
    }
  });

  test('stops at 128,000 bytes without acknowledgement, and where it ends meanwhile it ends after one', () => {
    const { connection, body, frames } = bound(new Answering({ compressionLevel: 0 }));
    body.push(new Uint8Array(200_000));
    const sent = frames().reduce((total, { wireLength }) => total + wireLength, 0);
    assert(sent >= 128_000 && sent < 128_000 + FRAME);
    body.end();
    assert.deepEqual(frames(), []);
    connection.receive(ack(ACKRPY, 1, sent));
    assert.equal(frames().at(-1)?.more, false);
  });

  test('whose last frame meets a peer that has acknowledged nothing waits with it', () => {
    const { connection, body, frames } = bound(new Answering({ compressionLevel: 0 }));
    body.push(new Uint8Array(8 * (FRAME - 6) - payload({ a: 'b' }).length));
    const sent = frames().reduce((total, { wireLength }) => total + wireLength, 0);
    assert.deepEqual([sent >= 128_000, body.buffered], [true, 0]);
    body.end();
    assert.deepEqual(frames(), []);
    connection.receive(ack(ACKRPY, 1, sent));
    assert.deepEqual(
      frames().map(({ more, content }) => [more, content.length]),
      [[false, 0]],
    );
  });

  test('says when it wants more', () => {
    const answering = new Answering();
    const { body } = answering;
    assert.equal(body.hasRoom, true);
    body.push(new Uint8Array(64 * 1024 - 1));
    assert.equal(body.hasRoom, true);
    body.push(new Uint8Array(2));
    assert.deepEqual([body.hasRoom, body.buffered, answering.taken], [false, 64 * 1024 + 1, 0]);
    answering.connection.pollFrame();
    assert.deepEqual([body.hasRoom, answering.taken], [true, 1]);
  });

  test('is let go of when the connection ends', () => {
    const answering = new Answering();
    const { connection, body } = answering;
    drain(connection);
    body.push(new Uint8Array(100_000));
    connection.close();
    assert.deepEqual([body.buffered, answering.taken, connection.queuedBytes], [0, 1, 0]);
    body.push(new Uint8Array(10));
    body.end();
    assert.deepEqual([body.buffered, connection.pollFrame()], [0, undefined]);
  });

  test('refuses what makes no sense, and nothing has changed then', () => {
    const { connection, body, frames } = bound(new Answering());
    throwsCode('ARGUMENT_INVALID', () => body.push('text' as unknown as Uint8Array));
    const request = onlyRequest(new BlipConnection().receive(new RawSender().frame(1, MSG, payload({}))));
    throwsCode('ARGUMENT_INVALID', () => connection.sendResponse(request, { properties: {}, body }));
    body.push(Buffer.from('x'));
    body.end();
    throwsCode('ARGUMENT_INVALID', () => body.push(Buffer.from('y')));
    assert.deepEqual(contents(frames()), payload({ a: 'b' }, 'x'));
  });
});

/** A connection that asked for a stream, and the peer that answers it. */
class Asking {
  readonly connection: BlipConnection;
  readonly asked: SentRequest;
  readonly sender = new RawSender();

  constructor(maxStreamedBytes = 10_000_000, options: BlipOptions = {}) {
    this.connection = new BlipConnection(options);
    this.asked = this.connection.sendRequest({ properties: {}, maxStreamedBytes });
    drain(this.connection);
  }

  /** Counts that were acknowledged. */
  acks(): string[] {
    return drain(this.connection).map((frame) => Buffer.from(frame).toString('hex'));
  }
}

const types = (events: readonly BlipEvent[]): string => events.map(({ type }) => type).join(' ');
const parts = (events: readonly BlipEvent[]): Buffer =>
  Buffer.concat(events.map((event) => (event.type === 'part' ? event.bytes : Buffer.alloc(0))));

describe('a response that is read while it comes', () => {
  test('is a head, parts and an end', () => {
    const { connection, asked, sender } = new Asking();
    const events = connection.receive(sender.frame(1, RPY, payload({ a: 'b' }, 'body')));
    assert.equal(types(events), 'head part end');
    const [head] = events;
    assert(head?.type === 'head' && head.request === asked);
    assert.deepEqual(record(head.properties), { a: 'b' });
    assert.equal(parts(events).toString(), 'body');
    assert.equal(connection.unreadBytes, 4);
    connection.consumed(asked, 4);
    assert.equal(connection.unreadBytes, 0);
  });

  test('has no part if it is empty', () => {
    const { connection, sender } = new Asking();
    assert.equal(types(connection.receive(sender.frame(1, RPY, payload({})))), 'head end');
    assert.equal(connection.unreadBytes, 0);
  });

  for (const flags of [0, COMPRESSED]) {
    test(`is the same wherever it is cut${flags === 0 ? '' : ', compressed'}`, () => {
      const random = seededRandom(7);
      const body = Buffer.from(random.bytes(3_000));
      const message = payload({ name: 'value', other: 'x'.repeat(200) }, body);
      for (let round = 0; round < 50; round++) {
        const { connection, sender } = new Asking();
        const sizes = [2 + Math.floor(random.next() * 300)];
        for (let left = 30; left > 0; left--) sizes.push(Math.floor(random.next() * 90));
        const events = feed(connection, sender.frames(1, RPY | flags, message, sizes));
        assert.equal(types(events).replace(/(?:part ?)+/, 'part '), 'head part end');
        assert.deepEqual(parts(events), body);
      }
    });
  }

  test('gives parts in memory of their own', () => {
    const { connection, sender } = new Asking();
    const frame = sender.frame(1, RPY, payload({}, 'body'));
    const events = connection.receive(frame);
    frame.fill(0xee);
    assert.equal(parts(events).toString(), 'body');
  });

  test('is acknowledged as far as it was read, whatever else is going on', () => {
    const { connection, asked, sender } = new Asking();
    const message = payload({}, new Uint8Array(99_999));
    const events = feed(
      connection,
      sender.frames(
        1,
        RPY,
        message,
        Array.from({ length: 10 }, () => 10_000),
      ),
    );
    assert.equal(types(events).split(' ').length, 1 + 10 + 1);
    assert.deepEqual(acksOf(connection), []);

    const slow = new Asking();
    const received = feed(
      slow.connection,
      slow.sender.frames(
        1,
        RPY | MORE,
        message,
        Array.from({ length: 9 }, () => 10_000),
      ),
    );
    assert.equal(parts(received).length, 99_999);
    assert.deepEqual(slow.acks(), []);
    const [other] = feed(slow.connection, [slow.sender.frame(1, MSG, payload({}, new Uint8Array(60_000)))]);
    assert(other?.type === 'request');
    assert.deepEqual(slow.acks().length, 1, 'the request is acknowledged');
    slow.connection.consumed(slow.asked, 49_998);
    assert.deepEqual(slow.acks(), []);
    slow.connection.consumed(slow.asked, 1);
    assert.deepEqual(slow.acks(), [ack(ACKRPY, 1, 50_020).toString('hex')], 'five frames of 10,004 have been read');
    slow.connection.consumed(slow.asked, 50_000);
    assert.deepEqual(slow.acks(), [ack(ACKRPY, 1, 100_040).toString('hex')]);
    assert.equal(asked.maxStreamedBytes, 10_000_000);
  });

  test('counts empty frames, which nobody reads', () => {
    const { connection, asked, sender } = new Asking();
    feed(connection, [sender.frame(1, RPY | MORE, payload({}, new Uint8Array(49_995)))]);
    feed(connection, [sender.frame(1, RPY | MORE, Buffer.alloc(0))]);
    assert.deepEqual(acksOf(connection), []);
    connection.consumed(asked, 49_995);
    assert.deepEqual(acksOf(connection), [ack(ACKRPY, 1, 50_004).toString('hex')]);
  });

  test('stops a peer that keeps to the protocol, and lets it go on', () => {
    const b = new BlipConnection({ compressionLevel: 0 });
    const a = new BlipConnection();
    const asked = a.sendRequest({ properties: {}, maxStreamedBytes: 400_000 });
    const request = onlyRequest(feed(b, drain(a)));
    b.sendResponse(request, { properties: {}, body: new Uint8Array(400_000) });
    let unread = 0;
    let read = 0;
    for (let round = 0; read < 400_000; round++) {
      assert(round < 20, 'it goes on');
      for (let frames = drain(b); frames.length > 0; frames = drain(b)) {
        for (const event of feed(a, frames)) if (event.type === 'part') unread += event.bytes.length;
        feed(b, drain(a));
      }
      assert(unread <= 128_000 + FRAME, `${unread} are unread`);
      a.consumed(asked, unread);
      read += unread;
      unread = 0;
      feed(b, drain(a));
    }
    assert.deepEqual([a.unreadBytes, b.queuedMessages], [0, 0]);
  });

  test('that is an error is a response as always', () => {
    const { connection, sender } = new Asking(0);
    const response = onlyResponse(
      feed(
        connection,
        sender.frames(1, ERR, payload({ 'Error-Domain': 'HTTP', 'Error-Code': '404' }, 'missing'), [9, 20]),
      ),
    );
    assert.deepEqual(response.error, { domain: 'HTTP', code: 404, message: 'missing' });
  });

  test('that is an error is bounded as always', () => {
    const { connection, sender } = new Asking(1e9, { maxMessageSize: 16_384 });
    connection.receive(sender.frame(1, ERR | MORE, payload({}, new Uint8Array(16_000))));
    diesOf('BLIP_MESSAGE_TOO_LARGE', connection, sender.frame(1, ERR, new Uint8Array(400)));
  });

  test('may be larger than any other message, but not than was expected', () => {
    const { connection, asked, sender } = new Asking(40_000, { maxMessageSize: 16_384, maxBufferedBytes: 16_384 });
    for (let count = 0; count < 4; count++) {
      const content = count === 0 ? payload({}, new Uint8Array(10_000)) : new Uint8Array(10_000);
      connection.receive(sender.frame(1, RPY | MORE, content));
      connection.consumed(asked, 10_000);
    }
    diesOf('BLIP_MESSAGE_TOO_LARGE', connection, sender.frame(1, RPY, new Uint8Array(1)));

    const exact = new Asking(3);
    assert.equal(types(exact.connection.receive(exact.sender.frame(1, RPY, payload({}, 'abc')))), 'head part end');
  });

  test('ends the connection if the peer goes on without acknowledgement, in large or in tiny frames', () => {
    for (const size of [10_000, 1]) {
      const { connection, sender } = new Asking(1e9, { maxBufferedBytes: 1_000_000 });
      connection.receive(sender.frame(1, RPY | MORE, payload({})));
      let frames = 0;
      throwsCode('BLIP_BUFFER_FULL', () => {
        for (; frames < 10_000; frames++) connection.receive(sender.frame(1, RPY | MORE, new Uint8Array(size)));
      });
      assert(frames * (size + 256) <= 1_000_000);
      throwsCode('BLIP_CLOSED', () => connection.receive(Buffer.alloc(9)));
    }
  });

  test('ends the connection if it ends before its properties do, or they are too large', () => {
    const short = new Asking();
    short.connection.receive(short.sender.frame(1, RPY | MORE, Buffer.from([9, 65])));
    diesOf('BLIP_PROPERTIES_INVALID', short.connection, short.sender.frame(1, RPY, Buffer.from([0])));
    const large = new Asking(10, { maxPropertiesSize: 1_024 });
    diesOf('BLIP_PROPERTIES_TOO_LARGE', large.connection, large.sender.frame(1, RPY | MORE, Buffer.from([0x81, 0x08])));
  });

  test('is accepted once, like any other', () => {
    const { connection, sender } = new Asking();
    connection.receive(sender.frame(1, RPY, payload({}, 'body')));
    diesOf('BLIP_RESPONSE_UNEXPECTED', connection, sender.frame(1, RPY, payload({})));
  });

  test('cannot be read more than it is, nor after the end of the connection', () => {
    const { connection, asked, sender } = new Asking();
    throwsCode('ARGUMENT_INVALID', () => connection.consumed(asked, 1));
    connection.receive(sender.frame(1, RPY | MORE, payload({}, 'body')));
    throwsCode('ARGUMENT_INVALID', () => connection.consumed(asked, 5));
    connection.consumed(asked, 3);
    throwsCode('ARGUMENT_INVALID', () => connection.consumed(asked, 2));
    connection.close();
    assert.equal(connection.unreadBytes, 0);
    connection.consumed(asked, 1);
    throwsCode('ARGUMENT_INVALID', () => new BlipConnection().sendRequest({ properties: {}, maxStreamedBytes: -1 }));
  });
});

function acksOf(connection: BlipConnection): string[] {
  return drain(connection).map((frame) => Buffer.from(frame).toString('hex'));
}

function bound(answering: Answering) {
  const { connection, body } = answering;
  return { connection, body, frames: () => answering.frames() };
}
