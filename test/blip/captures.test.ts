import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { BlipConnection, type BlipEvent, type SentRequest } from '../../src/blip/index.js';
import { readFrameHeader } from '../../src/blip/frame-header.js';
import { FrameReader } from '../../src/blip/frame-reader.js';
import { DictionaryInflater } from '../../src/blip/inflate.js';
import { sharedData, skipWithout } from '../support/shared-data.js';
import { drain, messageOf, record } from './drive.js';
import { NOREPLY, URGENT } from './raw-peer.js';

interface CapturedFrame {
  readonly dir: 'c2s' | 's2c';
  readonly hex: string;
  readonly decoded: {
    readonly msgNo: number;
    readonly type: string;
    readonly flags: number;
    readonly complete?: boolean;
    readonly properties?: Readonly<Record<string, string>>;
    /** Text, or `hex:` and digits. */
    readonly body?: string;
  };
}

describe('recorded traffic of a real core', skipWithout('captures'), () => {
  const folder = sharedData('captures');
  const files = folder === undefined ? [] : readdirSync(folder).filter((file) => file.endsWith('.json'));
  const recordings = files
    .map((file) => ({ file, frames: framesOf(join(folder ?? '', file)) }))
    .filter(({ frames }) => frames.length > 0);

  test('is there', () => {
    assert(recordings.length >= 15, `${recordings.length} recordings`);
    const types = new Set(recordings.flatMap(({ frames }) => frames.map(({ decoded }) => decoded.type)));
    assert.deepEqual([...types].sort(), ['ERR', 'MSG', 'RPY']);
  });

  for (const { file, frames } of recordings) {
    test(`${file}: every frame decodes to what the recording says`, () => {
      const ends = { c2s: new Replayed(), s2c: new Replayed() };
      for (const [index, frame] of frames.entries()) {
        const [from, to] = frame.dir === 'c2s' ? [ends.c2s, ends.s2c] : [ends.s2c, ends.c2s];
        if (frame.decoded.type === 'MSG' && frame.decoded.complete) from.ask(frame.decoded);
        check(to.connection.receive(Buffer.from(frame.hex, 'hex')), frame, to, `frame ${index}`);
      }
    });

    test(`${file}: the fallback inflates it too`, () => {
      for (const direction of ['c2s', 's2c'] as const) {
        const reader = new FrameReader(new DictionaryInflater(1024 * 1024));
        for (const { hex } of frames.filter(({ dir }) => dir === direction)) {
          const frame = Buffer.from(hex, 'hex');
          // Throws unless what it inflates to has the right checksum.
          reader.read(frame, readFrameHeader(frame));
        }
      }
    });
  }
});

/** One end: what it received is the recording's; what it must have sent, so that the responses fit, is sent to nobody. */
class Replayed {
  readonly connection = new BlipConnection();
  readonly #sent: SentRequest[] = [];

  ask({ msgNo, properties, flags }: CapturedFrame['decoded']): void {
    this.#sent.push(this.connection.sendRequest({ properties: properties ?? {}, noReply: (flags & NOREPLY) !== 0 }));
    assert.equal(
      this.#sent.length,
      msgNo,
      'requests of recordings are numbered in the order in which they are complete',
    );
    drain(this.connection);
  }

  sent(number: number): SentRequest | undefined {
    return this.#sent[number - 1];
  }
}

function check(events: readonly BlipEvent[], { decoded }: CapturedFrame, receiver: Replayed, where: string): void {
  const [event] = events;
  assert.equal(events.length, decoded.complete ? 1 : 0, where);
  if (event === undefined) return;
  const content = messageOf(event);
  assert.deepEqual(record(content.properties), decoded.properties, where);
  const body = decoded.body ?? '';
  const expected = body.startsWith('hex:') ? Buffer.from(body.slice(4), 'hex') : Buffer.from(body);
  assert.equal(Buffer.from(content.body).toString('hex'), expected.toString('hex'), where);
  if (event.type === 'request') {
    const { number, noReply, urgent } = event.request;
    assert.deepEqual([decoded.type, number], ['MSG', decoded.msgNo], where);
    assert.deepEqual([noReply, urgent], [(decoded.flags & NOREPLY) !== 0, (decoded.flags & URGENT) !== 0], where);
  } else {
    assert(event.type === 'response', where);
    assert.equal(event.request, receiver.sent(decoded.msgNo), where);
    assert.equal(event.response.error !== undefined, decoded.type === 'ERR', where);
    assert.equal(event.response.error?.message, decoded.type === 'ERR' ? body : undefined, where);
  }
}

function framesOf(path: string): readonly CapturedFrame[] {
  const recording = JSON.parse(readFileSync(path, 'utf8')) as { frames?: readonly CapturedFrame[] };
  return recording.frames ?? [];
}
