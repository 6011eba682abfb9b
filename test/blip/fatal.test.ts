import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import zlib from 'node:zlib';
import { BlipConnection, type BlipOptions } from '../../src/blip/index.js';
import type { ErrorCode } from '../../src/errors.js';
import { diesOf, drain, feed } from './drive.js';
import { ack, ACKMSG, COMPRESSED, ERR, hex, MORE, MSG, NOREPLY, payload, RawSender, RPY, varint } from './raw-peer.js';

const EMPTY = payload({});
const HELLO = payload({ Profile: 'hello' }, 'hello');

/** What the peer has sent before, in order, and the frame that ends the connection. */
type Story = (sender: RawSender, connection: BlipConnection) => readonly Uint8Array[];

interface Fatal {
  readonly title: string;
  readonly code: ErrorCode;
  readonly frames: Story;
  readonly options?: BlipOptions;
}

/** A connection that has sent request 1 completely, for the peer to answer. */
function asked(connection: BlipConnection, noReply = false): void {
  connection.sendRequest({ properties: {}, noReply });
  drain(connection);
}

/** Specification 2.10, and ground truth 3.2. */
const FATAL: readonly Fatal[] = [
  // Headers
  { title: 'an empty frame', code: 'BLIP_FRAME_INVALID', frames: () => [hex('')] },
  { title: 'a frame of one byte', code: 'BLIP_FRAME_INVALID', frames: () => [hex('01')] },
  { title: 'a number without end', code: 'BLIP_FRAME_INVALID', frames: () => [hex('ff ff ff ff')] },
  {
    title: 'a number of eleven bytes',
    code: 'BLIP_FRAME_INVALID',
    frames: () => [hex('80 80 80 80 80 80 80 80 80 80 01 00 00 00 00 00')],
  },
  { title: 'flags without end', code: 'BLIP_FRAME_INVALID', frames: () => [hex('01 80')] },
  {
    title: 'flags of eleven bytes',
    code: 'BLIP_FRAME_INVALID',
    frames: () => [hex('01 80 80 80 80 80 80 80 80 80 80 01 00 00 00 00')],
  },
  ...[3, 6, 7].map((type): Fatal => ({
    title: `a frame of type ${type}, right in everything else`,
    code: 'BLIP_FRAME_INVALID',
    frames: (sender) => [sender.frame(1, type, EMPTY)],
  })),

  // Checksums
  ...['', '00', '00 00', '00 00 00'].map((rest): Fatal => ({
    title: `${hex(rest).length} bytes after the header`,
    code: 'BLIP_FRAME_INVALID',
    frames: () => [Buffer.concat([hex('01 00'), hex(rest)])],
  })),
  {
    title: 'a compressed frame without room for its checksum',
    code: 'BLIP_FRAME_INVALID',
    frames: () => [hex('01 08 00 00')],
  },
  {
    title: 'a wrong checksum',
    code: 'BLIP_CHECKSUM_MISMATCH',
    frames: (sender) => [damaged(sender.frame(1, MSG, EMPTY))],
  },
  {
    title: 'a wrong checksum of an empty payload',
    code: 'BLIP_CHECKSUM_MISMATCH',
    frames: () => [hex('01 00 00 00 00 01')],
  },
  {
    title: 'a lost frame',
    code: 'BLIP_CHECKSUM_MISMATCH',
    frames: (sender) => [sender.frame(1, MSG, EMPTY), sender.frame(2, MSG, EMPTY)].slice(1),
  },
  {
    title: 'a repeated frame',
    code: 'BLIP_CHECKSUM_MISMATCH',
    frames: (sender) => [sender.frame(1, MSG, EMPTY)].flatMap((frame) => [frame, Buffer.from(frame)]),
  },
  {
    title: 'frames in the wrong order',
    code: 'BLIP_CHECKSUM_MISMATCH',
    frames: (sender) => [sender.frame(1, MSG | MORE, EMPTY), sender.frame(1, MSG, HELLO)].reverse().slice(0, 1),
  },

  // Compression
  {
    title: 'garbage instead of deflated data',
    code: 'BLIP_INFLATE_FAILED',
    frames: (sender) => [sender.frameOf(1, MSG | COMPRESSED, hex('ff fe fd fc'), EMPTY)],
  },
  {
    title: 'deflated data that ends for good',
    code: 'BLIP_INFLATE_FAILED',
    frames: (sender) => [sender.frameOf(1, MSG | COMPRESSED, zlib.deflateRawSync(HELLO), HELLO)],
  },
  {
    title: 'deflated data cut short',
    code: 'BLIP_CHECKSUM_MISMATCH',
    frames: (sender) => [sender.frameOf(1, MSG | COMPRESSED, sender.deflate(HELLO).subarray(0, 8), HELLO)],
  },
  {
    title: 'a checksum over the compressed bytes',
    code: 'BLIP_CHECKSUM_MISMATCH',
    frames: (sender) => {
      const body = sender.deflate(HELLO).subarray(0, -4);
      return [sender.frameOf(1, MSG | COMPRESSED, body, body)];
    },
  },
  {
    title: 'a deflate bomb',
    code: 'BLIP_INFLATED_TOO_LARGE',
    frames: (sender) => [sender.frame(1, MSG | COMPRESSED, payload({}, Buffer.alloc(17 * 1024 * 1024)))],
  },
  {
    title: 'a frame that inflates to more than maxInflatedSize',
    code: 'BLIP_INFLATED_TOO_LARGE',
    options: { maxInflatedSize: 20_000 },
    frames: (sender) => [sender.frame(1, MSG | COMPRESSED, Buffer.alloc(20_001))],
  },

  // Numbers
  { title: 'request number 0', code: 'BLIP_NUMBER_INVALID', frames: (sender) => [sender.frame(0, MSG, EMPTY)] },
  {
    title: 'a first request with number 2',
    code: 'BLIP_NUMBER_INVALID',
    frames: (sender) => [sender.frame(2, MSG, EMPTY)],
  },
  {
    title: 'a gap in the numbers',
    code: 'BLIP_NUMBER_INVALID',
    frames: (sender) => [sender.frame(1, MSG, EMPTY), sender.frame(3, MSG, EMPTY)],
  },
  {
    title: 'a frame for a complete request',
    code: 'BLIP_NUMBER_INVALID',
    frames: (sender) => [sender.frame(1, MSG, EMPTY), sender.frame(1, MSG, EMPTY)],
  },
  {
    title: 'a frame for a complete request without reply',
    code: 'BLIP_NUMBER_INVALID',
    frames: (sender) => [sender.frame(1, NOREPLY, EMPTY), sender.frame(1, MSG, EMPTY)],
  },
  {
    title: 'a number beyond 2^53',
    code: 'BLIP_NUMBER_INVALID',
    frames: (sender) => [sender.frame(2 ** 60, MSG, EMPTY)],
  },

  // Responses
  ...[RPY, ERR].flatMap((type): Fatal[] => [
    {
      title: `type ${type}: a response to nothing`,
      code: 'BLIP_RESPONSE_UNEXPECTED',
      frames: (sender) => [sender.frame(1, type, EMPTY)],
    },
    {
      title: `type ${type}: a second response`,
      code: 'BLIP_RESPONSE_UNEXPECTED',
      frames: (sender, connection) => {
        asked(connection);
        return [sender.frame(1, RPY, EMPTY), sender.frame(1, type, EMPTY)];
      },
    },
    {
      title: `type ${type}: a response to a request without reply`,
      code: 'BLIP_RESPONSE_UNEXPECTED',
      frames: (sender, connection) => {
        asked(connection, true);
        return [sender.frame(1, type, EMPTY)];
      },
    },
    {
      title: `type ${type}: a response to a request that is only queued`,
      code: 'BLIP_RESPONSE_UNEXPECTED',
      frames: (sender, connection) => {
        connection.sendRequest({ properties: {} });
        return [sender.frame(1, type, EMPTY)];
      },
    },
    {
      title: `type ${type}: a response to a request that is half sent`,
      code: 'BLIP_RESPONSE_UNEXPECTED',
      frames: (sender, connection) => {
        connection.sendRequest({ properties: {}, body: new Uint8Array(20_000) });
        connection.pollFrame();
        return [sender.frame(1, type, EMPTY)];
      },
    },
    {
      title: `type ${type}: a response with a number that was never used`,
      code: 'BLIP_RESPONSE_UNEXPECTED',
      frames: (sender, connection) => {
        asked(connection);
        return [sender.frame(2, type, EMPTY)];
      },
    },
  ]),

  // Properties
  {
    title: 'a first frame without a payload',
    code: 'BLIP_PROPERTIES_INVALID',
    frames: (sender) => [sender.frame(1, MSG, hex(''))],
  },
  {
    title: 'a first frame without a payload, more coming',
    code: 'BLIP_PROPERTIES_INVALID',
    frames: (sender) => [sender.frame(1, MSG | MORE, hex(''))],
  },
  {
    title: 'an empty compressed frame as the first',
    code: 'BLIP_PROPERTIES_INVALID',
    frames: (sender) => [sender.frameOf(1, MSG | COMPRESSED, hex(''), hex(''))],
  },
  {
    title: 'the length of the properties split over two frames',
    code: 'BLIP_PROPERTIES_INVALID',
    frames: (sender) => sender.frames(1, MSG, payload({ a: 'x'.repeat(200) }), [1]).slice(0, 1),
  },
  {
    title: 'an over-long length of the properties',
    code: 'BLIP_PROPERTIES_INVALID',
    frames: (sender) => [sender.frame(1, MSG, Buffer.alloc(11, 0x80))],
  },
  {
    title: 'properties longer than their message',
    code: 'BLIP_PROPERTIES_INVALID',
    frames: (sender) => [sender.frame(1, MSG, hex('05 61 00 62 00'))],
  },
  {
    title: 'a message of several frames that ends before its properties',
    code: 'BLIP_PROPERTIES_INVALID',
    frames: (sender) => sender.frames(1, MSG, hex('09 61 00 62 00'), [2, 1]),
  },
  {
    title: 'properties that do not end with NUL',
    code: 'BLIP_PROPERTIES_INVALID',
    frames: (sender) => [sender.frame(1, MSG, hex('03 61 00 62'))],
  },
  {
    title: 'properties over several frames that do not end with NUL',
    code: 'BLIP_PROPERTIES_INVALID',
    frames: (sender) => sender.frames(1, MSG, hex('03 61 00 62 00'), [2, 1]),
  },
  {
    title: 'properties that are not UTF-8',
    code: 'BLIP_PROPERTIES_INVALID',
    frames: (sender) => [sender.frame(1, MSG, hex('04 61 00 c3 00'))],
  },
  {
    title: 'more than 102,400 bytes of properties',
    code: 'BLIP_PROPERTIES_TOO_LARGE',
    frames: (sender) => [sender.frame(1, MSG, varint(102_401))],
  },
  {
    title: 'a length of properties beyond 2^53',
    code: 'BLIP_PROPERTIES_TOO_LARGE',
    frames: (sender) => [sender.frame(1, MSG, varint(2 ** 60))],
  },
  {
    title: 'properties of a response that are not ended',
    code: 'BLIP_PROPERTIES_INVALID',
    frames: (sender, connection) => {
      asked(connection);
      return [sender.frame(1, RPY, hex('01 61'))];
    },
  },

  // Limits
  {
    title: 'a frame longer than maxFrameSize',
    code: 'BLIP_FRAME_TOO_LARGE',
    frames: (sender) => [sender.frame(1, MSG, payload({}, Buffer.alloc(1024 * 1024 - 6)))],
  },
  {
    title: 'an acknowledgement longer than maxFrameSize',
    code: 'BLIP_FRAME_TOO_LARGE',
    options: { maxFrameSize: 16_384 },
    frames: () => [Buffer.concat([ack(ACKMSG, 1, 1), Buffer.alloc(16_382)])],
  },
  {
    title: 'a message longer than maxMessageSize',
    code: 'BLIP_MESSAGE_TOO_LARGE',
    options: { maxMessageSize: 50_000 },
    frames: (sender) => sender.frames(1, MSG, payload({}, Buffer.alloc(50_000)), [16_000, 16_000, 18_000]),
  },
  {
    title: 'a response longer than maxMessageSize',
    code: 'BLIP_MESSAGE_TOO_LARGE',
    options: { maxMessageSize: 50_000 },
    frames: (sender, connection) => {
      asked(connection);
      return [sender.frame(1, RPY, payload({}, Buffer.alloc(50_000)))];
    },
  },
  {
    title: 'properties longer than maxPropertiesSize',
    code: 'BLIP_PROPERTIES_TOO_LARGE',
    options: { maxPropertiesSize: 1_024 },
    frames: (sender) => [sender.frame(1, MSG, payload({ a: 'x'.repeat(1_022) }))],
  },
  {
    title: 'more unfinished requests than maxOpenRequests',
    code: 'BLIP_TOO_MANY_REQUESTS',
    options: { maxOpenRequests: 3 },
    frames: (sender) => [1, 2, 3, 4].map((number) => sender.frame(number, MSG | MORE, EMPTY)),
  },
  {
    title: 'unfinished messages of more than maxBufferedBytes',
    code: 'BLIP_BUFFER_FULL',
    options: { maxBufferedBytes: 16_384 },
    frames: (sender) => [1, 2].map((number) => sender.frame(number, MSG | MORE, payload({}, Buffer.alloc(8_192)))),
  },
  {
    title: 'an unfinished response of more than maxBufferedBytes',
    code: 'BLIP_BUFFER_FULL',
    options: { maxBufferedBytes: 16_384 },
    frames: (sender, connection) => {
      asked(connection);
      return sender.frames(1, RPY, payload({}, Buffer.alloc(20_000)), [10_000, 8_000]).slice(0, 2);
    },
  },
];

describe('ends the connection for', () => {
  for (const { title, code, frames, options } of FATAL) {
    test(`${title}: ${code}`, () => {
      const connection = new BlipConnection(options);
      const story = frames(new RawSender(), connection);
      feed(connection, story.slice(0, -1));
      diesOf(code, connection, story.at(-1) ?? hex(''));
    });
  }

  test('what it has to end for, and for nothing that it had before', () => {
    const connection = new BlipConnection();
    connection.sendRequest({ properties: {}, body: new Uint8Array(200_000) });
    drain(connection);
    const sender = new RawSender();
    connection.receive(sender.frame(1, MSG, HELLO));
    connection.receive(sender.frame(2, MSG | MORE, HELLO));
    const message = diesOf('BLIP_CHECKSUM_MISMATCH', connection, damaged(sender.frame(2, MSG, HELLO)));
    assert.match(message, /message 2 has checksum [0-9a-f]{8}, its content [0-9a-f]{8}/);
  });
});

function damaged(frame: Buffer): Buffer {
  frame[frame.length - 1] = (frame.at(-1) ?? 0) ^ 1;
  return frame;
}
