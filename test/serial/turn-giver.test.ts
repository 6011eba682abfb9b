/**
 * Who speaks when on a bus, in virtual time: the gateway of a bus with its nodes as it knows them, and a line of which each
 * byte takes as long as at 115,200 baud. On pseudo-terminals it would be the machine that decides who answers in time.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom, type RandomSource } from '../../src/base/index.js';
import { decodeBusFrame, encodeBusFrame } from '../../transports/serial/bus-frame.js';
import { BusNode } from '../../transports/serial/bus-node.js';
import { encodeFrame, FrameDecoder } from '../../transports/serial/framing.js';
import { busLink, lineProfile } from '../../transports/serial/line-profile.js';
import { checkPortOptions } from '../../transports/serial/port-options.js';
import { TurnGiver } from '../../transports/serial/turn-giver.js';
import { VirtualClock } from '../support/virtual-clock.js';

const SEED = Number(process.env['FUZZ_SEED'] ?? 20_261_129);
const TURNAROUND_MS = 50;
const PROFILE = lineProfile(checkPortOptions('test', { path: '/dev/ttyS0', baudRate: 115_200 }), {}, 5_000);
const GATEWAY = 0;

interface BusOptions {
  readonly random: RandomSource;
  readonly asked: readonly number[];
  readonly present: readonly number[];
  /** How long a node takes until it begins its answer, in milliseconds. */
  readonly answersAfter: (random: RandomSource) => number;
}

class VirtualBus {
  readonly clock = new VirtualClock();
  /** How often one began to speak while another did, or when the gateway had gone on to the next. */
  outOfTurn = 0;
  /** How often each node has said something. */
  readonly turns = new Map<number, number>();
  /** How often the gateway asked each address. */
  readonly questions = new Map<number, number>();
  readonly #options: BusOptions;
  readonly #gateway: TurnGiver;
  #talker = GATEWAY;
  /** Whom the gateway asked last. */
  #asked = GATEWAY;
  #isFreeAt = 0;

  constructor(options: BusOptions) {
    this.#options = options;
    const { clock } = this;
    const { highWaterMark, lineBytesPerSecond } = PROFILE;
    const link = busLink(PROFILE.link);
    const nodes = options.asked.map(
      (address) =>
        new BusNode({
          ...{ address, path: '/dev/ttyS0', turnaroundMs: TURNAROUND_MS, clock, link, highWaterMark },
          accept: () => assert.fail('nobody connects here'),
        }),
    );
    this.#gateway = new TurnGiver({
      ...{ nodes, maxPacketSize: link.maxPacketSize, lineBytesPerSecond, clock },
      port: { writable: true, write: (bytes) => this.#say(GATEWAY, bytes) },
    });
    this.#gateway.start();
  }

  /** Bytes follow those that the same one has not finished with. */
  #say(talker: number, bytes: Uint8Array): void {
    const now = this.clock.monotonic();
    if (now < this.#isFreeAt && talker !== this.#talker) this.outOfTurn++;
    this.#talker = talker;
    this.#isFreeAt = Math.max(now, this.#isFreeAt) + (1_000 * bytes.length) / PROFILE.lineBytesPerSecond;
    const copy = bytes.slice();
    this.clock.setTimer(this.#isFreeAt - now, () => this.#arrived(talker, copy));
  }

  #arrived(talker: number, bytes: Uint8Array): void {
    if (talker !== GATEWAY) return this.#gateway.received(bytes);
    const { present, answersAfter, random } = this.#options;
    for (const content of new FrameDecoder({ maxContent: 1_000 }).push(bytes)) {
      const frame = decodeBusFrame(content);
      if (frame?.passesTurn !== true) continue;
      const { address } = frame;
      this.#asked = address;
      this.questions.set(address, (this.questions.get(address) ?? 0) + 1);
      if (!present.includes(address)) continue;
      this.clock.setTimer(answersAfter(random), () => {
        this.turns.set(address, (this.turns.get(address) ?? 0) + 1);
        if (this.#asked !== address) this.outOfTurn++;
        const answer = { fromGateway: false, address, passesTurn: true, packet: undefined };
        this.#say(address, encodeFrame(encodeBusFrame(answer), true));
      });
    }
  }
}

const ALL = Array.from({ length: 32 }, (_, index) => index + 1);

describe(`the turns on a bus, seed ${SEED}`, () => {
  it('never let two speak at once, with 32 addresses of which two are somebody', async () => {
    const bus = new VirtualBus({
      ...{ random: seededRandom(SEED), asked: ALL, present: [5, 31] },
      answersAfter: (random) => random.next() * (TURNAROUND_MS - 5),
    });
    await bus.clock.advance(60_000);
    assert.equal(bus.outOfTurn, 0);
    const [first = 0, second = 0] = [bus.turns.get(5), bus.turns.get(31)];
    // 50 ms pause after an empty answer, 25 ms for one on average, and what the absent take.
    assert.ok(first > 300 && Math.abs(first - second) <= 2, `${first} and ${second} turns in a minute`);
  });

  it('cost those who are there no more than one question to an absent one in 250 ms', async () => {
    const bus = new VirtualBus({
      ...{ random: seededRandom(SEED), asked: ALL, present: [5, 31] },
      answersAfter: () => 1,
    });
    await bus.clock.advance(10_000); // until it is known who is absent
    const before = new Map(bus.questions);
    await bus.clock.advance(60_000);
    const asked = ALL.filter((address) => address !== 5 && address !== 31).map(
      (address) => (bus.questions.get(address) ?? 0) - (before.get(address) ?? 0),
    );
    const total = asked.reduce((sum, count) => sum + count, 0);
    assert.ok(total <= 240 + 1, `${total} questions in a minute`);
    assert.ok(Math.min(...asked) >= 5, `nobody is forgotten: ${asked.join()}`);
  });

  it('are given more time by a gateway to whose questions the answers come late', async () => {
    const bus = new VirtualBus({
      ...{ random: seededRandom(SEED), asked: [1, 2, 3], present: [1, 2, 3] },
      answersAfter: (random) => TURNAROUND_MS * (1 + 2 * random.next()),
    });
    await bus.clock.advance(60_000);
    const { outOfTurn } = bus;
    await bus.clock.advance(60_000);
    assert.ok(outOfTurn > 0, 'they were late at first');
    assert.equal(bus.outOfTurn, outOfTurn, 'and are waited for since');
  });
});
