import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  BlipConnection,
  type BlipOptions,
  type IncomingRequest,
  type OutgoingRequest,
  type RemoteError,
} from '../../src/blip/index.js';
import { drain, exchange, onlyRequest, onlyResponse, record, text, throwsCode } from './drive.js';
import { MSG, NOREPLY, payload, RawSender } from './raw-peer.js';

describe('options', () => {
  test('are refused by name when unknown', () => {
    const misspelt = { maxFramesize: 1 } as BlipOptions;
    assert.match(
      throwsCode('OPTION_UNKNOWN', () => new BlipConnection(misspelt)),
      /"maxFramesize"/,
    );
  });

  const BAD: Record<keyof BlipOptions, readonly unknown[]> = {
    compressionLevel: [-1, 10, 1.5, '6', null],
    windowBits: [8, 16, NaN],
    maxFrameSize: [16_383, 2 ** 31],
    maxInflatedSize: [16_383, Infinity],
    maxMessageSize: [0, 2 ** 31],
    maxPropertiesSize: [1_023, 2 ** 31],
    maxOpenRequests: [0, -1],
    maxBufferedBytes: [16_383, true],
  };
  for (const [name, values] of Object.entries(BAD)) {
    test(`refuses a ${name} out of bounds, naming it`, () => {
      for (const value of values) {
        assert.match(
          throwsCode('ARGUMENT_INVALID', () => new BlipConnection({ [name]: value })),
          new RegExp(name),
        );
      }
    });
  }
});

describe('misuse', () => {
  const asked = (flags = MSG): { connection: BlipConnection; request: IncomingRequest } => {
    const connection = new BlipConnection();
    return {
      connection,
      request: onlyRequest(connection.receive(new RawSender().frame(1, flags, payload({ Profile: 'x' })))),
    };
  };

  test('messages that cannot be sent are refused and leave nothing behind', () => {
    const connection = new BlipConnection();
    const bad = [
      undefined,
      {},
      { properties: null },
      { properties: { a: 1 } },
      { properties: {}, body: 'text' },
      { properties: { a: '\0' } },
    ];
    for (const message of bad) throwsCode('ARGUMENT_INVALID', () => connection.sendRequest(message as OutgoingRequest));
    assert.equal(connection.queuedBytes, 0);
    connection.sendRequest({ properties: {} });
    assert.equal(connection.pollFrame()?.[0], 1, 'no number was used up');
  });

  test('a refused answer leaves the request unanswered', () => {
    const { connection, request } = asked();
    throwsCode('ARGUMENT_INVALID', () => connection.sendResponse(request, { properties: { a: '\0' } }));
    for (const error of [
      { domain: 'HTTP', code: 1.5, message: '' },
      { domain: 'HTTP', code: 2 ** 31, message: '' },
      { domain: 'HTTP', code: '404', message: '' },
      { domain: 'a\0b', code: 1, message: '' },
      { domain: 'HTTP', code: 404 },
      undefined,
    ]) {
      throwsCode('ARGUMENT_INVALID', () => connection.sendError(request, error as RemoteError));
    }
    assert.equal(connection.pollFrame(), undefined);
    connection.sendResponse(request);
    assert.equal(drain(connection).length, 1);
  });

  test('a request is answered once', () => {
    const { connection, request } = asked();
    connection.sendResponse(request);
    assert.match(
      throwsCode('ARGUMENT_INVALID', () => connection.sendResponse(request)),
      /has been answered/,
    );
    throwsCode('ARGUMENT_INVALID', () => connection.sendError(request, { domain: 'HTTP', code: 500, message: '' }));
    assert.equal(drain(connection).length, 1);
  });

  test('a request without reply is not answered', () => {
    const { connection, request } = asked(NOREPLY);
    assert.equal(request.noReply, true);
    assert.match(
      throwsCode('ARGUMENT_INVALID', () => connection.sendResponse(request)),
      /no reply/,
    );
    throwsCode('ARGUMENT_INVALID', () => connection.sendError(request, { domain: 'HTTP', code: 500, message: '' }));
    assert.equal(connection.pollFrame(), undefined);
  });

  test('a request is answered only where it came from', () => {
    const { request } = asked();
    const { connection } = asked();
    assert.match(
      throwsCode('ARGUMENT_INVALID', () => connection.sendResponse(request)),
      /another connection/,
    );
    throwsCode('ARGUMENT_INVALID', () => connection.sendResponse({ ...request, noReply: false }));
  });

  test('a frame that is no bytes is refused and does not end the connection', () => {
    const { connection, request } = asked();
    throwsCode('ARGUMENT_INVALID', () => connection.receive('frame' as unknown as Uint8Array));
    connection.sendResponse(request);
  });
});

describe('a conversation', () => {
  test('carries requests, responses and errors both ways', () => {
    const [a, b] = [new BlipConnection(), new BlipConnection()];
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      const one = from.sendRequest({
        properties: { Profile: 'one', ключ: 'значение' },
        body: Buffer.from('body one'),
        compressed: true,
      });
      const two = from.sendRequest({ properties: { Profile: 'two' }, urgent: true });
      const three = from.sendRequest({ properties: { Profile: 'three' }, noReply: true });
      assert.deepEqual(
        [one, two, three].map(({ noReply }) => noReply),
        [false, false, true],
      );

      const received = exchange(from, to).b.map((event) => onlyRequest([event]));
      assert.deepEqual(
        received.map(({ properties }) => properties.get('Profile')),
        ['one', 'two', 'three'],
      );
      assert.deepEqual(
        received.map(({ urgent, noReply }) => [urgent, noReply]),
        [
          [false, false],
          [true, false],
          [false, true],
        ],
      );
      const [first, second] = received;
      assert(first && second);
      assert.deepEqual(record(first.properties), { Profile: 'one', ключ: 'значение' });
      assert.equal(text(first.body), 'body one');

      to.sendError(second, { domain: 'HTTP', code: 404, message: 'no такого' });
      to.sendResponse(first, { properties: { rev: '1-ab' }, body: Buffer.from('answer'), compressed: true });
      const events = exchange(from, to).a;
      const answer = (request: object) =>
        onlyResponse(events.filter((event) => event.type === 'response' && event.request === request));
      assert.deepEqual(answer(two).error, { domain: 'HTTP', code: 404, message: 'no такого' });
      assert.equal(answer(one).error, undefined);
      assert.deepEqual(record(answer(one).properties), { rev: '1-ab' });
      assert.equal(text(answer(one).body), 'answer');
      assert.equal(events.length, 2);
    }
  });

  test('tells requests with equal content apart by identity', () => {
    const [a, b] = [new BlipConnection(), new BlipConnection()];
    const sent = [1, 2, 3].map(() => a.sendRequest({ properties: {} }));
    const received = exchange(a, b).b;
    for (const event of received.reverse()) b.sendResponse(onlyRequest([event]));
    const answered = exchange(a, b).a.map((event) => (event.type === 'response' ? event.request : undefined));
    assert.deepEqual(
      answered.map((request) => sent.findIndex((one) => one === request)),
      [2, 1, 0],
    );
  });

  test('takes frames that are Uint8Arrays inside of larger memory', () => {
    const connection = new BlipConnection();
    const frame = new RawSender().frame(1, MSG, payload({ Profile: 'x' }, 'body'));
    const memory = new Uint8Array(frame.length + 20).fill(0xee);
    memory.set(frame, 7);
    const request = onlyRequest(connection.receive(memory.subarray(7, 7 + frame.length)));
    assert.equal(request.properties.get('Profile'), 'x');
    assert.equal(text(request.body), 'body');
  });

  test('gives out bodies that later frames do not change', () => {
    const [a, b] = [new BlipConnection(), new BlipConnection()];
    const bodies = ['first', 'second', 'third'].map((word) => Buffer.from(`${word} `.repeat(2_000)));
    const received: Uint8Array[] = [];
    for (const body of bodies) {
      a.sendRequest({ properties: {}, body, compressed: true });
      for (const frame of drain(a)) {
        for (const event of b.receive(frame)) received.push(onlyRequest([event]).body);
        frame.fill(0xee);
      }
    }
    assert.deepEqual(received.map(text), bodies.map(text));
  });
});

describe('close', () => {
  test('ends everything, as often as it is called', () => {
    const [connection, peer] = [new BlipConnection(), new BlipConnection()];
    connection.sendRequest({ properties: {}, body: Buffer.alloc(100), compressed: true });
    exchange(connection, peer);
    peer.sendRequest({ properties: {}, body: Buffer.alloc(200), compressed: true });
    const request = onlyRequest(exchange(connection, peer).a);
    connection.sendRequest({ properties: {} });

    connection.close();
    connection.close();
    assert.equal(connection.pollFrame(), undefined);
    assert.equal(connection.queuedBytes, 0);
    throwsCode('BLIP_CLOSED', () => connection.sendRequest({ properties: {} }));
    throwsCode('BLIP_CLOSED', () => connection.sendResponse(request));
    throwsCode('BLIP_CLOSED', () => connection.sendError(request, { domain: 'HTTP', code: 500, message: '' }));
    throwsCode('BLIP_CLOSED', () => connection.receive(new Uint8Array(10)));
  });

  test('is possible before anything was sent', () => {
    const connection = new BlipConnection();
    connection.close();
    throwsCode('BLIP_CLOSED', () => connection.sendRequest({ properties: {} }));
  });
});
