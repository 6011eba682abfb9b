import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { type RandomSource, seededRandom } from '../../src/base/index.js';
import { BlipConnection, type BlipOptions } from '../../src/blip/index.js';
import { isHawserError } from '../../src/errors.js';
import { effort } from '../support/effort.js';
import { messageOf, throwsCode } from './drive.js';
import { ACKMSG, COMPRESSED, ERR, MORE, MSG, NOREPLY, payload, RawSender, RPY, varint } from './raw-peer.js';

/** Any seed must do: `FUZZ_SEED=7 node --import tsx --test test/blip/fuzz.test.ts`. */
const FIRST_SEED = Number(process.env['FUZZ_SEED'] ?? 1);
const FRAMES = effort(100_000);

const LIMITS: BlipOptions = {
  maxFrameSize: 32_768,
  maxInflatedSize: 32_768,
  maxMessageSize: 18_000,
  maxPropertiesSize: 1_024,
  maxOpenRequests: 5,
  maxBufferedBytes: 16_384,
  windowBits: 9,
};

test(`${FRAMES} damaged frames give a message or a coded error, whatever is damaged`, async () => {
  const outcomes = new Map<string, number>();
  const residentBefore = process.memoryUsage.rss();
  let damaged = 0;
  for (let seed = FIRST_SEED; damaged < FRAMES; seed++) {
    // Lets go of the streams behind the peer's own zlib calls, so that the memory measured is not theirs.
    if (seed % 100 === 0) await setImmediate();
    const random = seededRandom(seed);
    const peer = new HostilePeer(random);
    try {
      session(random, peer, (outcome) => outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1));
      damaged += peer.damaged;
    } catch (error) {
      assert.fail(`seed ${seed}, frame ${peer.previous.toString('hex').slice(0, 400)}: ${String(error)}`);
    }
  }
  await setImmediate();
  const grown = process.memoryUsage.rss() - residentBefore;
  assert(grown < 256 * 1024 * 1024, `memory grew by ${grown} bytes`);

  // The fuzzer is worth something only if it gets past the checksum and into every corner.
  for (const outcome of EXPECTED_OUTCOMES)
    assert((outcomes.get(outcome) ?? 0) > 0, `never: ${outcome}; ${show(outcomes)}`);
  for (const outcome of outcomes.keys())
    assert(EXPECTED_OUTCOMES.includes(outcome), `unexpected: ${outcome}; ${show(outcomes)}`);
});

const EXPECTED_OUTCOMES = [
  'request',
  'response',
  'head',
  'part',
  'end',
  'nothing',
  'BLIP_FRAME_INVALID',
  'BLIP_FRAME_TOO_LARGE',
  'BLIP_CHECKSUM_MISMATCH',
  'BLIP_INFLATE_FAILED',
  'BLIP_INFLATED_TOO_LARGE',
  'BLIP_NUMBER_INVALID',
  'BLIP_RESPONSE_UNEXPECTED',
  'BLIP_PROPERTIES_INVALID',
  'BLIP_PROPERTIES_TOO_LARGE',
  'BLIP_MESSAGE_TOO_LARGE',
  'BLIP_TOO_MANY_REQUESTS',
  'BLIP_BUFFER_FULL',
];

/** One connection until it ends, at most 200 frames. */
function session(random: RandomSource, peer: HostilePeer, report: (outcome: string) => void): void {
  const connection = new BlipConnection(LIMITS);
  for (let count = below(random, 4); count > 0; count--)
    connection.sendRequest({
      properties: {},
      noReply: random.next() < 0.2,
      ...(random.next() < 0.5 ? { maxStreamedBytes: below(random, 20_000) } : {}),
    });
  const reads = random.next() < 0.5;
  if (random.next() < 0.05) connection.sendRequest({ properties: {}, body: new Uint8Array(200_000) });
  for (let fed = 1; fed <= 200; fed++) {
    while (connection.pollFrame() !== undefined);
    const frame = peer.nextFrame();
    try {
      const events = connection.receive(frame);
      if (events.length === 0) report('nothing');
      for (const event of events) {
        report(event.type);
        if (event.type === 'part' && reads) connection.consumed(event.request, below(random, event.bytes.length + 1));
        if (event.type === 'head' || event.type === 'part' || event.type === 'end') continue;
        const { body, properties } = messageOf(event);
        assert(body.length <= 18_000, 'a body beyond the limit');
        for (const [name, value] of properties.entries()) assert(!`${name}${value}`.includes('\0'));
        if (event.type === 'request' && !event.request.noReply && random.next() < 0.5)
          connection.sendResponse(event.request);
      }
    } catch (error) {
      if (!isHawserError(error)) throw error;
      report(error.code);
      throwsCode('BLIP_CLOSED', () => connection.receive(frame));
      assert.equal(connection.pollFrame(), undefined);
      return;
    }
  }
  connection.close();
}

/** Sends mostly right frames, and damage at every depth: before the checksum is made, so that it fits, and after. */
class HostilePeer {
  /** How many of its frames were damaged. */
  damaged = 0;
  /** The frame before. */
  previous = Buffer.alloc(0);
  readonly #random: RandomSource;
  readonly #sender = new RawSender();
  /** How much of what it sends is damaged: some connections have to live long enough to get somewhere. */
  readonly #hostility: number;
  #number = 1;
  #unfinished: number[] = [];

  constructor(random: RandomSource) {
    this.#random = random;
    this.#hostility = random.next() < 0.2 ? 0.1 : 0.95;
  }

  nextFrame(): Buffer {
    const random = this.#random;
    const depth = random.next() < this.#hostility ? below(random, 6) : -1;
    let frame: Buffer;
    if (depth === 0) frame = Buffer.from(random.bytes(below(random, 40)));
    else if (depth === 1) frame = this.#deflatedNoise();
    else if (depth === 2) frame = this.#anything();
    else frame = this.#right(depth === 3);
    if (depth === 4) frame = this.#damage(frame);
    if (depth === 5)
      frame =
        [
          this.previous,
          Buffer.concat([frame, random.bytes(1 + below(random, 5))]),
          frame.subarray(0, below(random, 8)),
        ][below(random, 3)] ?? frame;
    this.previous = Buffer.from(frame);
    if (depth >= 0) this.damaged++;
    return frame;
  }

  /** A frame that fits into the conversation; the content of its message may be damaged. */
  #right(damaged: boolean): Buffer {
    const random = this.#random;
    if (random.next() < 0.1)
      return Buffer.concat([
        varint(below(random, 5)),
        varint(ACKMSG + below(random, 2)),
        varint(below(random, 200_000)),
      ]);
    const goOn = this.#unfinished.length > 0 && random.next() < 0.5;
    const number = goOn ? (this.#unfinished[below(random, this.#unfinished.length)] ?? 1) : this.#number++;
    const more = random.next() < 0.35 ? MORE : 0;
    this.#unfinished = this.#unfinished.filter((one) => one !== number);
    if (more !== 0) this.#unfinished.push(number);
    let content = goOn ? this.#text() : payload({ Profile: 'rev', id: `doc${number}` }, this.#text());
    if (damaged) content = this.#damage(content);
    const compressed = random.next() < 0.5 && content.length > 0 ? COMPRESSED : 0;
    return this.#sender.frame(number, (random.next() < 0.2 ? NOREPLY : MSG) | compressed | more, content);
  }

  /** Any number, type and flags, with the checksum that fits. */
  #anything(): Buffer {
    const random = this.#random;
    const type = random.next() < 0.8 ? ([MSG, RPY, ERR][below(random, 3)] ?? MSG) : below(random, 8);
    const flags = type | (below(random, 32) << 3);
    const number = below(random, random.next() < 0.1 ? 2 ** 40 : 8);
    const content =
      random.next() < 0.5
        ? payload({ 'Error-Code': String(below(random, 900)) }, this.#text())
        : Buffer.from(random.bytes(below(random, 30)));
    return this.#sender.frame(number, flags, content);
  }

  /** A compressed frame with damaged data whose checksum fits if it can be inflated at all. */
  #deflatedNoise(): Buffer {
    const random = this.#random;
    const content = payload({ Profile: 'x' }, this.#text());
    const body =
      random.next() < 0.3
        ? Buffer.from(random.bytes(1 + below(random, 60)))
        : this.#damage(this.#sender.deflate(content).subarray(0, -4));
    let inflated = content;
    try {
      inflated = this.#sender.inflate(body);
    } catch {
      // Then the checksum cannot fit.
    }
    return this.#sender.frameOf(this.#number++, COMPRESSED | (random.next() < 0.3 ? MORE : 0), body, inflated);
  }

  #damage(bytes: Buffer): Buffer {
    const random = this.#random;
    const damaged = Buffer.from(bytes);
    for (let count = 1 + below(random, 3); count > 0 && damaged.length > 0; count--) {
      // The first bytes are where most of the meaning is.
      const place = below(random, random.next() < 0.7 ? Math.min(8, damaged.length) : damaged.length);
      damaged[place] = random.next() < 0.5 ? below(random, 256) : (damaged[place] ?? 0) ^ (1 << below(random, 8));
    }
    const cut = random.next() < 0.2 ? below(random, damaged.length + 1) : 0;
    return random.next() < 0.5 ? damaged.subarray(cut) : damaged.subarray(0, damaged.length - cut);
  }

  #text(): Buffer {
    const random = this.#random;
    const roll = random.next();
    if (roll < 0.8) return Buffer.from('{"rpm":1200,"temperature":81.5}'.slice(0, below(random, 32)));
    if (roll < 0.95) return Buffer.alloc(below(random, 1_000), random.bytes(1 + below(random, 20)));
    return Buffer.alloc(below(random, roll < 0.98 ? 10_000 : 40_000), 'long ');
  }
}

function show(outcomes: ReadonlyMap<string, number>): string {
  return [...outcomes].map(([outcome, count]) => `${outcome} ${count}`).join(', ');
}

function below(random: RandomSource, limit: number): number {
  return Math.floor(random.next() * limit);
}
