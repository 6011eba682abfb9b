import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BlipConnection, type BlipEvent, type OutgoingRequest, type SentRequest } from '../../src/blip/index.js';
import { drain, feed, messageOf, onlyRequest, onlyResponse, record, text } from './drive.js';
import {
  ack,
  ACKMSG,
  ACKRPY,
  COMPRESSED,
  ERR,
  hex,
  MORE,
  NOREPLY,
  payload,
  RawReceiver,
  RawSender,
  RPY,
  URGENT,
} from './raw-peer.js';

interface Step {
  readonly from: 'A' | 'P';
  readonly number: number;
  readonly flags: number;
  readonly properties: Readonly<Record<string, string>>;
  readonly body: string;
  readonly frame: Buffer;
}

const step = (
  from: 'A' | 'P',
  number: number,
  flags: number,
  properties: Step['properties'],
  body: string,
  frame: string,
): Step => ({
  from,
  number,
  flags,
  properties,
  body,
  frame: hex(frame),
});

/** Specification, appendix C. */
const TRANSCRIPT: readonly Step[] = [
  step(
    'A',
    1,
    0x00,
    { Profile: 'getCollections' },
    '{"checkpoint_ids":["cp-1"],"collections":["_default"]}',
    `
    01 00 17 50 72 6F 66 69 6C 65 00 67 65 74 43 6F 6C 6C 65 63 74 69 6F 6E 73 00 7B 22 63 68 65 63
    6B 70 6F 69 6E 74 5F 69 64 73 22 3A 5B 22 63 70 2D 31 22 5D 2C 22 63 6F 6C 6C 65 63 74 69 6F 6E
    73 22 3A 5B 22 5F 64 65 66 61 75 6C 74 22 5D 7D AC 13 68 B3`,
  ),
  step('P', 1, 0x01, {}, '[{}]', '01 01 00 5B 7B 7D 5D 0D C1 D2 FD'),
  step(
    'A',
    2,
    0x00,
    {
      Profile: 'subChanges',
      collection: '0',
      batch: '200',
      sendReplacementRevs: 'true',
      versioning: 'rev-trees',
      revocations: 'true',
    },
    '',
    `
    02 00 69 50 72 6F 66 69 6C 65 00 73 75 62 43 68 61 6E 67 65 73 00 63 6F 6C 6C 65 63 74 69 6F 6E
    00 30 00 62 61 74 63 68 00 32 30 30 00 73 65 6E 64 52 65 70 6C 61 63 65 6D 65 6E 74 52 65 76 73
    00 74 72 75 65 00 76 65 72 73 69 6F 6E 69 6E 67 00 72 65 76 2D 74 72 65 65 73 00 72 65 76 6F 63
    61 74 69 6F 6E 73 00 74 72 75 65 00 F0 ED E0 2F`,
  ),
  step('P', 2, 0x01, {}, '', '02 01 00 11 03 A0 FE'),
  step(
    'P',
    1,
    0x18,
    { Profile: 'changes', collection: '0' },
    '[[1,"doc1","1-d1dc992e156a4424081ece7390d7533d57a1d403"]]',
    `
    01 18 04 C1 4B 0A 80 20 10 00 D0 B9 48 1B D7 06 8E 9F CC 5B B4 17 17 32 33 95 20 0A D5 FD E9 BD
    E5 78 E6 D9 BA 00 DD 75 5C F2 02 CD DE 85 BE 36 07 18 C8 19 B5 E2 49 A8 B4 C2 95 91 29 25 2B 18
    B6 EA BD F5 66 47 21 89 2E 19 8E C1 39 0E B1 22 7B E3 54 29 3F 00 3A C8 A2 A1`,
  ),
  step(
    'A',
    1,
    0x19,
    { maxHistory: '50', blobs: 'true', deltas: 'true' },
    '[[]]',
    `
    01 19 52 CD 4D AC F0 C8 2C 2E C9 2F AA 64 30 35 60 48 CA C9 4F 2A 66 28 29 2A 4D 65 48 49 CD 29
    49 84 B2 A3 A3 63 63 01 00 28 7E 88 A7`,
  ),
  step(
    'P',
    2,
    0x30,
    { Profile: 'changes', collection: '0' },
    '[]',
    `
    02 30 1D 50 72 6F 66 69 6C 65 00 63 68 61 6E 67 65 73 00 63 6F 6C 6C 65 63 74 69 6F 6E 00 30 00
    5B 5D E5 E9 48 7E`,
  ),
  step(
    'P',
    3,
    0x08,
    { Profile: 'rev', collection: '0', id: 'doc1', rev: '1-d1dc992e156a4424081ece7390d7533d57a1d403', sequence: '1' },
    '{"name":"Fred"}',
    `
    03 08 8A 86 19 5B 94 5A 86 6A 64 66 0A 03 C8 40 B0 04 F1 46 32 14 A7 16 96 A6 E6 25 A7 32 18 32
    54 2B E5 25 E6 A6 2A 59 29 B9 15 A5 A6 28 D5 02 00 EA 99 7C 2D`,
  ),
  step('A', 3, 0x01, {}, '', '03 01 00 9A 98 A7 4E'),
  step(
    'A',
    3,
    0x00,
    { Profile: 'setCheckpoint', collection: '0', client: 'cp-1', rev: '' },
    '{"time":1712345678,"remote":1}',
    `
    03 00 34 50 72 6F 66 69 6C 65 00 73 65 74 43 68 65 63 6B 70 6F 69 6E 74 00 63 6F 6C 6C 65 63 74
    69 6F 6E 00 30 00 63 6C 69 65 6E 74 00 63 70 2D 31 00 72 65 76 00 00 7B 22 74 69 6D 65 22 3A 31
    37 31 32 33 34 35 36 37 38 2C 22 72 65 6D 6F 74 65 22 3A 31 7D D8 33 AC 28`,
  ),
  step('P', 3, 0x01, { rev: '1-cc' }, '', '03 01 09 72 65 76 00 31 2D 63 63 00 27 0A A6 CB'),
];

/** Specification 2.12. */
const PROPOSAL = { Profile: 'proposeChanges', collection: '0', conflictIncludesRev: 'true' };
const EXAMPLE: readonly (Step & { readonly request: OutgoingRequest })[] = [
  example(
    1,
    0x00,
    { Profile: 'getCheckpoint', client: 'cp-abc' },
    '',
    `
    01 00 24 | 50 72 6F 66 69 6C 65 00 67 65 74 43 68 65 63 6B 70 6F 69 6E 74 00
    63 6C 69 65 6E 74 00 63 70 2D 61 62 63 00 55 75 19 7F`,
  ),
  example(
    2,
    0x18,
    PROPOSAL,
    '[["doc1","1-cd809becc169215072fd567eebd8b8de","",29]]',
    `
    02 18 04 C1 31 0E C3 20 0C 00 40 BF C5 33 95 20 52 12 18 3A 75 EA 16 75 8D 32 14 DB B4 48 08 47
    40 FA FE DE DD B7 A6 29 17 81 B3 E9 A9 5D 1E DF 77 FD 48 07 D2 52 84 46 D6 0A 16 48 6B 2A 99 C6
    B3 52 B9 58 FA 4B 7E 30 DA 25 B0 EF C8 4A 0E 0D BA 1B B1 B7 21 0A 91 5B C2 E4 66 BB 4E 89 E7 65
    15 89 EC A3 67 41 83 68 A6 70 1C 7F 00 | B2 32 6A 2C`,
  ),
  example(
    3,
    0x30,
    { Profile: 'changes', collection: '0' },
    '[]',
    `
    03 30 1D 50 72 6F 66 69 6C 65 00 63 68 61 6E 67 65 73 00 63 6F 6C 6C 65 63 74 69 6F 6E 00 30 00 5B 5D | B1 0E 25 EC`,
  ),
  example(
    4,
    0x18,
    PROPOSAL,
    '[["doc2","1-cd809becc169215072fd567eebd8b8de","",29]]',
    '04 18 B2 A5 82 95 46 A4 59 09 00 | C0 30 35 AF',
  ),
];
const EXAMPLE_ERROR = hex(`
  01 02 21 45 72 72 6F 72 2D 44 6F 6D 61 69 6E 00 48 54 54 50 00 45 72 72 6F 72 2D 43 6F 64 65 00 34 30 34 00
  6D 69 73 73 69 6E 67 | 92 10 DE BC`);
const EXAMPLE_SUCCESS = hex('02 01 00 | 10 47 00 F4');

function example(
  number: number,
  flags: number,
  properties: Step['properties'],
  body: string,
  frame: string,
): Step & { request: OutgoingRequest } {
  return { ...step('A', number, flags, properties, body, frame), request: request(flags, properties, body) };
}

function request(flags: number, properties: Step['properties'], body: string): OutgoingRequest {
  return {
    properties,
    body: Buffer.from(body),
    compressed: (flags & COMPRESSED) !== 0,
    urgent: (flags & URGENT) !== 0,
    noReply: (flags & NOREPLY) !== 0,
  };
}

describe('the worked example of specification 2.12', () => {
  test('is what we send: plain frames to the byte, compressed ones inflated', () => {
    const connection = new BlipConnection();
    const [ours, theirs] = [new RawReceiver(), new RawReceiver()];
    for (const { frame, flags, number, request } of EXAMPLE) {
      connection.sendRequest(request);
      const sent = connection.pollFrame();
      const [mine, vector] = [ours.read(sent), theirs.read(frame)];
      assert.deepEqual(
        { ...mine, wireLength: 0, length: 0 },
        { ...vector, wireLength: 0, length: 0 },
        `request ${number}`,
      );
      if ((flags & COMPRESSED) === 0) assert.equal(Buffer.from(sent ?? []).toString('hex'), frame.toString('hex'));
      else assert(mine.length <= vector.length + 4, `the shared window is used: ${mine.length}, ${vector.length}`);
    }
  });

  test('is what we read', () => {
    const connection = new BlipConnection();
    for (const { frame, number, flags, properties, body } of EXAMPLE) {
      const received = onlyRequest(connection.receive(Buffer.from(frame)));
      assert.deepEqual(record(received.properties), properties);
      assert.equal(text(received.body), body);
      assert.equal(received.number, number);
      assert.equal(received.urgent, (flags & URGENT) !== 0);
      assert.equal(received.noReply, (flags & NOREPLY) !== 0);
    }
  });

  test('answers as there, an urgent request urgently', () => {
    const connection = new BlipConnection();
    const [first, second] = EXAMPLE.map(({ frame }) => connection.receive(Buffer.from(frame)));
    connection.sendError(onlyRequest(first ?? []), { domain: 'HTTP', code: 404, message: 'missing' });
    connection.sendResponse(onlyRequest(second ?? []));
    const urgentSuccess = Buffer.from(EXAMPLE_SUCCESS);
    urgentSuccess[1] = RPY | URGENT;
    assert.deepEqual(drain(connection).map(toHex), [EXAMPLE_ERROR, urgentSuccess].map(toHex));
  });

  test('gives the answers there to the requests they belong to', () => {
    const connection = new BlipConnection();
    const sent = EXAMPLE.map(({ request }) => connection.sendRequest(request));
    drain(connection);
    const [failure, success] = feed(
      connection,
      [EXAMPLE_ERROR, EXAMPLE_SUCCESS].map((frame) => Buffer.from(frame)),
    );
    assert(failure?.type === 'response' && success?.type === 'response');
    assert.equal(failure.request, sent[0]);
    assert.deepEqual(failure.response.error, { domain: 'HTTP', code: 404, message: 'missing' });
    assert.equal(success.request, sent[1]);
    assert.equal(success.response.error, undefined);
    assert.deepEqual(record(success.response.properties), {});
    assert.equal(success.response.body.length, 0);
  });

  test('acknowledges as there', () => {
    assert.deepEqual(ack(ACKMSG, 5, 50_012), hex('05 34 DC 86 03'));
    assert.deepEqual(ack(ACKRPY, 5, 100_230), hex('05 35 86 8F 06'));
  });
});

describe('the transcript of appendix C', () => {
  test('is what two connections of ours read and send', () => {
    const ends = { A: new BlipConnection(), P: new BlipConnection() };
    const ours = { A: new RawReceiver(), P: new RawReceiver() };
    const theirs = { A: new RawReceiver(), P: new RawReceiver() };
    const sent = new Map<string, SentRequest>();
    const received = new Map<string, BlipEvent>();
    for (const [index, { from, number, flags, properties, body, frame }] of TRANSCRIPT.entries()) {
      const where = `block ${index + 1}`;
      const to = from === 'A' ? 'P' : 'A';
      const message = request(flags, properties, body);
      if ((flags & 7) === RPY) {
        const asked = received.get(`${to}${number}`);
        assert(asked?.type === 'request', where);
        ends[from].sendResponse(asked.request, message);
      } else {
        sent.set(`${from}${number}`, ends[from].sendRequest(message));
      }
      const mine = ends[from].pollFrame();
      assert.equal(ends[from].pollFrame(), undefined);
      const [read, expected] = [ours[from].read(mine), theirs[from].read(frame)];
      assert.deepEqual({ ...read, wireLength: 0, length: 0 }, { ...expected, wireLength: 0, length: 0 }, where);
      if ((flags & COMPRESSED) === 0) assert.equal(toHex(mine), toHex(frame), where);

      const [event] = ends[to].receive(Buffer.from(frame));
      assert(event, where);
      const content = messageOf(event);
      assert.deepEqual(record(content.properties), properties, where);
      assert.equal(text(content.body), body, where);
      if (event.type === 'request') received.set(`${from}${number}`, event);
      else assert.equal(event.request, sent.get(`${to}${number}`), where);
    }
  });
});

describe('a message cut into frames', () => {
  const messages = [...EXAMPLE, ...TRANSCRIPT.filter(({ flags }) => (flags & 7) === 0)];
  for (const [index, { properties, body, flags }] of messages.entries()) {
    const content = payload(properties, body);
    const expected = { properties, body, noReply: (flags & NOREPLY) !== 0, urgent: (flags & URGENT) !== 0 };
    const seen = (events: readonly BlipEvent[]): unknown => {
      const { properties, body, noReply, urgent } = onlyRequest(events);
      return { properties: record(properties), body: text(body), noReply, urgent };
    };

    test(`is the same wherever it is cut (vector ${index + 1}, ${properties['Profile']}, flags ${flags})`, () => {
      for (let cut = 1; cut <= content.length; cut++) {
        for (const [first, last] of [
          [flags, flags],
          [flags ^ COMPRESSED, flags],
          [flags, flags ^ COMPRESSED],
        ] as const) {
          const sender = new RawSender();
          const frames = [
            sender.frame(1, first | MORE, content.subarray(0, cut)),
            // An empty rest goes plain: cut === content.length is the empty final frame.
            sender.frame(1, cut === content.length ? last & ~COMPRESSED : last, content.subarray(cut)),
          ];
          assert.deepEqual(seen(feed(new BlipConnection(), frames)), expected, `cut at ${cut}`);
        }
      }
    });

    test(`is the same in frames of one byte (vector ${index + 1})`, () => {
      const frames = new RawSender().frames(
        1,
        flags,
        content,
        Array.from(content.subarray(1), () => 1),
      );
      assert.equal(frames.length, content.length);
      assert.deepEqual(seen(feed(new BlipConnection(), frames)), expected);
    });
  }

  test('may be an error, whose first frame decides that it is one', () => {
    const connection = new BlipConnection();
    connection.sendRequest({ properties: { Profile: 'x' } });
    drain(connection);
    const content = payload({ 'Error-Domain': 'HTTP', 'Error-Code': '-7' }, 'gone');
    const sender = new RawSender();
    const frames = [sender.frame(1, ERR | MORE, content.subarray(0, 20)), sender.frame(1, RPY, content.subarray(20))];
    assert.deepEqual(onlyResponse(feed(connection, frames)).error, { domain: 'HTTP', code: -7, message: 'gone' });
  });
});

function toHex(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString('hex');
}
