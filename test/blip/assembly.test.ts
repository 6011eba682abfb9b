import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type RandomSource, seededRandom } from '../../src/base/index.js';
import {
  BlipConnection,
  type BlipEvent,
  type IncomingRequest,
  type IncomingResponse,
  type SentRequest,
} from '../../src/blip/index.js';
import { drain, messageOf, onlyRequest, record } from './drive.js';
import { COMPRESSED, ERR, MORE, MSG, NOREPLY, payload, RawSender, RPY, URGENT } from './raw-peer.js';

const SEEDS = Array.from({ length: 25 }, (_, index) => 1_000 + index);

interface Message {
  readonly id: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

test('messages of a peer that interleaves their frames at random arrive whole', () => {
  for (const seed of SEEDS) {
    const random = seededRandom(seed);
    const connection = new BlipConnection();
    const sender = new RawSender();
    const asked = Array.from({ length: 10 }, () => connection.sendRequest({ properties: {} }));
    drain(connection);

    const expected = new Map<string, Message>();
    const arrived = new Set<string>();
    const open: { key: string; number: number; flags: number; content: Buffer; offset: number; begun: boolean }[] = [];
    const begin = (number: number, flags: number): void => {
      const message = someMessage(random, 40_000);
      const key = `${(flags & 7) === MSG ? 'request' : 'response'} ${number}`;
      expected.set(key, message);
      open.push({ key, number, flags, content: payload(message.properties, message.body), offset: 0, begun: false });
    };
    asked.forEach((_, index) => begin(index + 1, random.next() < 0.5 ? RPY : ERR));
    let lastRequest = 0;

    while (open.length > 0) {
      if (lastRequest < 10 && random.next() < 0.3)
        begin(++lastRequest, random.next() < 0.2 ? NOREPLY : random.next() < 0.2 ? URGENT : MSG);
      // Requests must begin in the order of their numbers; everything else is free.
      const firstUnbegun = open.find(({ flags, begun }) => (flags & 7) === MSG && !begun);
      const choices = open.filter((one) => one.begun || (one.flags & 7) !== MSG || one === firstUnbegun);
      const one = choices[below(random, choices.length)];
      assert(one);
      one.begun = true;
      const size = random.next() < 0.2 ? below(random, 4) : below(random, 16_000);
      // The length of the properties must be in the first frame.
      const piece = one.content.subarray(one.offset, one.offset + (one.offset === 0 ? Math.max(size, 3) : size));
      one.offset += piece.length;
      const last = one.offset === one.content.length;
      const compressed = random.next() < 0.6 && piece.length > 0 ? COMPRESSED : 0;
      const events = connection.receive(sender.frame(one.number, one.flags | compressed | (last ? 0 : MORE), piece));
      if (last) {
        open.splice(open.indexOf(one), 1);
        const [event] = events;
        assert(event && events.length === 1, `seed ${seed}: ${one.key} is complete`);
        checkEvent(event, one, expected.get(one.key), `seed ${seed}, ${one.key}`);
        if (event.type === 'response') assert.equal(event.request, asked[one.number - 1]);
        arrived.add(one.key);
      } else {
        assert.deepEqual(events, [], `seed ${seed}: ${one.key} is not complete`);
      }
    }
    assert.deepEqual([...arrived].sort(), [...expected.keys()].sort(), `seed ${seed}`);
  }
});

test('two connections understand each other whatever is sent when, and whenever frames are moved', () => {
  for (const seed of SEEDS) {
    const random = seededRandom(seed);
    const a = new Talker(random, seed);
    const b = new Talker(random, seed);
    let toSend = 60;
    const step = (from: Talker, to: Talker): boolean => {
      if (toSend > 0 && random.next() < 0.3) {
        toSend--;
        from.ask();
        return true;
      }
      return random.next() < 0.6 ? from.sendFrame(to) : from.receiveFrame(to);
    };
    // Both only send and receive while they have something to: a hundred steps in vain are the end.
    for (let inVain = 0; inVain < 100;) {
      inVain = (random.next() < 0.5 ? step(a, b) : step(b, a)) ? 0 : inVain + 1;
    }
    assert.equal(toSend, 0);
    for (const { open, silent, wire, connection } of [a, b]) {
      assert.deepEqual(
        [open.size, silent.size, wire.length, connection.queuedBytes],
        [0, 0, 0, 0],
        `seed ${seed}: nothing is left`,
      );
    }
  }
});

/** One end of a connection that asks at random and answers every question with the question. */
class Talker {
  readonly connection: BlipConnection;
  /** Requests without their response yet, and those that get none by their ID, until the other end has them. */
  readonly open = new Map<SentRequest, Message>();
  readonly silent = new Map<string, Message>();
  /** Frames on their way to this end. */
  readonly wire: Uint8Array[] = [];
  readonly #random: RandomSource;
  readonly #seed: number;

  constructor(random: RandomSource, seed: number) {
    this.#random = random;
    this.#seed = seed;
    this.connection = new BlipConnection({ compressionLevel: below(random, 10), windowBits: 9 + below(random, 7) });
  }

  ask(): void {
    const chance = (probability: number): boolean => this.#random.next() < probability;
    const message = someMessage(this.#random, chance(0.3) ? 200_000 : 500);
    const noReply = chance(0.2);
    const request = this.connection.sendRequest({ ...message, noReply, compressed: chance(0.7), urgent: chance(0.3) });
    if (noReply) this.silent.set(message.id, message);
    else this.open.set(request, message);
  }

  /** Whether there was one. */
  sendFrame(to: Talker): boolean {
    const frame = this.connection.pollFrame();
    if (frame === undefined) return false;
    assert(frame.length <= 16_384, `seed ${this.#seed}: a frame of ${frame.length} bytes`);
    to.wire.push(frame);
    return true;
  }

  /** Whether there was one. */
  receiveFrame(from: Talker): boolean {
    const frame = this.wire.shift();
    if (frame === undefined) return false;
    for (const event of this.connection.receive(frame)) {
      if (event.type === 'response') this.#takeResponse(event.request, event.response);
      else if (event.type === 'request' && event.request.noReply) this.#takeSilent(event.request, from);
      else if (event.type === 'request') this.#answer(event.request);
    }
    return true;
  }

  #takeResponse(request: SentRequest, response: IncomingResponse): void {
    this.#compare(response, this.open.get(request));
    this.open.delete(request);
  }

  #takeSilent(request: IncomingRequest, from: Talker): void {
    const id = request.properties.get('id') ?? '';
    this.#compare(request, from.silent.get(id));
    from.silent.delete(id);
  }

  #answer(request: IncomingRequest): void {
    const compressed = this.#random.next() < 0.5;
    this.connection.sendResponse(request, { properties: record(request.properties), body: request.body, compressed });
  }

  #compare(received: IncomingRequest | IncomingResponse, sent: Message | undefined): void {
    assert.deepEqual(record(received.properties), sent?.properties, `seed ${this.#seed}`);
    assert(sent?.body.equals(received.body), `seed ${this.#seed}: message ${sent?.id}`);
  }
}

let nextId = 0;

function someMessage(random: RandomSource, longest: number): Message {
  const id = String(nextId++);
  const properties: Record<string, string> = { id };
  for (let count = below(random, 6); count > 0; count--) {
    properties[`name${count}-é`.slice(0, 3 + below(random, 5))] = 'value '.repeat(
      below(random, random.next() < 0.1 ? 200 : 8),
    );
  }
  const length = below(random, longest);
  const noise = Buffer.from(random.bytes(Math.min(length, 2_000)));
  return { id, properties, body: Buffer.alloc(length, noise.length > 0 ? noise : 0) };
}

function checkEvent(
  event: BlipEvent,
  sent: { number: number; flags: number },
  expected: Message | undefined,
  where: string,
): void {
  const content = messageOf(event);
  assert.deepEqual(record(content.properties), expected?.properties, where);
  assert(expected?.body.equals(content.body), where);
  if (event.type === 'request') {
    const { number, noReply, urgent } = onlyRequest([event]);
    assert.deepEqual(
      [number, noReply, urgent],
      [sent.number, (sent.flags & NOREPLY) !== 0, (sent.flags & URGENT) !== 0],
      where,
    );
  } else {
    assert(event.type === 'response', where);
    assert.equal(event.response.error !== undefined, (sent.flags & 7) === ERR, where);
  }
}

function below(random: RandomSource, limit: number): number {
  return Math.floor(random.next() * limit);
}
