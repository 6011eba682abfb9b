/** The two messages of the handshake, and what a peer may send instead. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom, utf8 } from '../../src/base/index.js';
import { isMessagingError, MAX_HANDSHAKE_SIZE, type HandshakeRequest, type Message } from '../../src/endpoint/index.js';
import { decodeReply, decodeRequest, encodeReply, encodeRequest } from '../../src/endpoint/handshake/messages.js';

const LIMIT = { timeout: 120_000 };
const PROTOCOLS = ['BLIP_3+CBMobile_3', 'BLIP_3+CBMobile_2'];
const REQUEST: HandshakeRequest = { path: '/vessel/_blipsync', protocols: PROTOCOLS };
const RIGHT = { hawser: 1, path: '/vessel/_blipsync', protocols: PROTOCOLS };

function json(value: unknown): Message {
  return utf8(JSON.stringify(value));
}

function textOf(message: Message): unknown {
  return JSON.parse(Buffer.from(message).toString());
}

describe('the messages of the handshake', LIMIT, () => {
  it('are the JSON that the design has', () => {
    const authorization = 'Basic Y3Jldzpqb25hcw==';
    assert.deepEqual(textOf(encodeRequest({ ...REQUEST, authorization })), { ...RIGHT, authorization });
    assert.deepEqual(textOf(encodeReply({ status: 101, protocol: 'p' })), { status: 101, protocol: 'p' });
    const refusal = { status: 429, reason: 'wait', retryAfter: 4 };
    assert.deepEqual(textOf(encodeReply(refusal)), refusal);
  });

  it('are understood with fields that this version does not know', () => {
    assert.deepEqual(decodeRequest(json({ ...RIGHT, cookie: 'a=b', later: { x: [] }, __proto__: { y: 1 } })), {
      ...REQUEST,
      cookie: 'a=b',
    });
    assert.deepEqual(decodeReply(json({ status: 101, protocol: 'p', later: 1 })), { status: 101, protocol: 'p' });
  });

  for (const [what, message, words] of [
    ['nothing', new Uint8Array(0), /not a handshake/],
    ['no JSON', utf8('hello'), /not a handshake/],
    ['no UTF-8', Uint8Array.of(0x7b, 0xff, 0x7d), /not a handshake/],
    ['a BLIP frame', Buffer.from('0100' + '00'.repeat(20), 'hex'), /not a handshake/],
    ['a list', json([RIGHT]), /not a handshake/],
    ['null', json(null), /not a handshake/],
    ['deep nesting', utf8('['.repeat(4_000) + ']'.repeat(4_000)), /not a handshake/],
    ['too much', json({ ...RIGHT, x: 'x'.repeat(MAX_HANDSHAKE_SIZE) }), /8192 are allowed/],
    ['no version', json({ ...RIGHT, hawser: undefined }), /"hawser"/],
    ['a version in words', json({ ...RIGHT, hawser: '1' }), /"hawser"/],
    ['no path', json({ ...RIGHT, path: undefined }), /"path"/],
    ['a path that is a number', json({ ...RIGHT, path: 5 }), /"path"/],
    ['no protocols', json({ ...RIGHT, protocols: undefined }), /"protocols"/],
    ['protocols that are text', json({ ...RIGHT, protocols: 'BLIP' }), /"protocols"/],
    ['protocols that are numbers', json({ ...RIGHT, protocols: [1] }), /"protocols"/],
    ['an authorization that is null', json({ ...RIGHT, authorization: null }), /"authorization"/],
    ['a cookie that is a list', json({ ...RIGHT, cookie: ['a'] }), /"cookie"/],
  ] as const) {
    it(`are refused for ${what}, in words`, () => {
      assert.throws(() => decodeRequest(message), { code: 'CONNECTION_PROTOCOL_ERROR', message: words });
    });
  }

  it('of another version are refused as a mismatch', () => {
    for (const hawser of [0, 2, 1.5, -1]) {
      assert.throws(() => decodeRequest(json({ ...RIGHT, hawser })), { code: 'CONNECTION_PROTOCOL_MISMATCH' });
    }
  });

  for (const reply of [
    {},
    { status: '101', protocol: 'p' },
    { status: 101 },
    { status: 99 },
    { status: 600 },
    { status: 401.5 },
    { status: 401, reason: 5 },
    { status: 429, retryAfter: 'soon' },
  ]) {
    it(`that answer ${JSON.stringify(reply)} are refused`, () => {
      assert.throws(() => decodeReply(json(reply)), { code: 'CONNECTION_PROTOCOL_ERROR' });
    });
  }

  it('have room for the longest reason, cut', () => {
    const bytes = encodeReply({ status: 401, reason: '\u0001'.repeat(100_000) });
    assert.ok(bytes.length <= MAX_HANDSHAKE_SIZE);
    assert.equal(decodeReply(bytes).status, 401);
  });

  it('do not take what does not fit', () => {
    const authorization = `Basic ${'x'.repeat(MAX_HANDSHAKE_SIZE)}`;
    assert.throws(() => encodeRequest({ ...REQUEST, authorization }), { code: 'ARGUMENT_INVALID' });
  });

  for (let seed = 1; seed <= 20; seed++) {
    it(`are decoded or refused, whatever becomes of them, seed ${seed}`, () => {
      const random = seededRandom(seed);
      const right = json({ ...RIGHT, authorization: 'Basic abc', cookie: 'a=b' });
      for (let round = 0; round < 300; round++) {
        const bytes = new Uint8Array(random.next() < 0.1 ? random.bytes(50) : right);
        for (let change = 0; change < 3; change++) {
          bytes[Math.floor(random.next() * bytes.length)] = Math.floor(random.next() * 256);
        }
        const message = bytes.subarray(
          0,
          random.next() < 0.3 ? Math.floor(random.next() * bytes.length) : bytes.length,
        );
        for (const decode of [decodeRequest, decodeReply]) {
          try {
            decode(message);
          } catch (error) {
            assert.ok(isMessagingError(error), String(error));
          }
        }
      }
    });
  }
});
