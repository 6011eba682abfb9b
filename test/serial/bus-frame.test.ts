/** What a frame says on a bus; and that the frames in the README of the transport are those that leave. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { decodeBusFrame, encodeBusFrame } from '../../transports/serial/bus-frame.js';
import { encodeFrame, FrameDecoder } from '../../transports/serial/framing.js';

const readme = readFileSync(new URL('../../transports/serial/README.md', import.meta.url), 'utf8');
const vectors = [...readme.matchAll(/^\| `([0-9a-f ]+)`[^|]*\| `([0-9a-f ]+)` \|$/gm)];

describe('the frames in the README', () => {
  test('are there', () => assert.equal(vectors.length, 3));

  for (const [, content = '', frame = ''] of vectors) {
    test(`are what leaves: ${content}`, () => {
      const bytes = Buffer.from(content.replaceAll(' ', ''), 'hex');
      assert.equal(Buffer.from(encodeFrame(bytes, true)).toString('hex'), frame.replaceAll(' ', ''));
      const [decoded] = new FrameDecoder({ maxContent: 10 }).push(Buffer.from(frame.replaceAll(' ', ''), 'hex'));
      assert.deepEqual(Buffer.from(decoded ?? []), bytes);
    });
  }

  test('are those of a turn that passes to node 5, and back', () => {
    const turn = { address: 5, passesTurn: true, packet: undefined };
    assert.deepEqual([...encodeBusFrame({ ...turn, fromGateway: true })], [0xc5]);
    assert.deepEqual([...encodeBusFrame({ ...turn, fromGateway: false })], [0x45]);
  });
});

describe('a frame on a bus', () => {
  for (const fromGateway of [true, false]) {
    for (const passesTurn of [true, false]) {
      test(`comes out as it went in: from the ${fromGateway ? 'gateway' : 'node'}, turn ${String(passesTurn)}`, () => {
        for (const address of [1, 17, 32]) {
          for (const packet of [undefined, Uint8Array.of(1, 0, 2)]) {
            const frame = { fromGateway, address, passesTurn, packet };
            assert.deepEqual(decodeBusFrame(encodeBusFrame(frame)), frame);
          }
        }
      });
    }
  }

  test('is none with an address that there cannot be', () => {
    for (const head of [0, 33, 63, 0x80, 0xc0]) assert.equal(decodeBusFrame(Uint8Array.of(head, 1)), undefined);
    assert.equal(decodeBusFrame(new Uint8Array(0)), undefined);
  });
});
