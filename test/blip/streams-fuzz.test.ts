import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type RandomSource, seededRandom } from '../../src/base/index.js';
import { BlipConnection, type SentRequest, StreamedBody } from '../../src/blip/index.js';
import { effort } from '../support/effort.js';

/** Any seed must do: `FUZZ_SEED=7 node --import tsx --test test/blip/streams-fuzz.test.ts`. */
const FIRST_SEED = Number(process.env['FUZZ_SEED'] ?? 1);
const SESSIONS = effort(150);

test(`${SESSIONS} sessions of streams among other messages: nothing lost, nothing mixed up, little in memory`, () => {
  let cut = 0;
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SESSIONS; seed++) {
    const session = new Session(seededRandom(seed));
    try {
      if (!session.run()) cut++;
    } catch (error) {
      assert.fail(`seed ${seed}: ${String(error)}`);
    }
  }
  assert(cut > 0 && cut < SESSIONS / 2, `${cut} sessions were cut`);
});

/** A body that goes out on one side, and what has come of it on the other. */
interface Transfer {
  readonly content: Buffer;
  readonly body: StreamedBody;
  pushed: number;
  received: Buffer[];
  unread: number;
  ended: boolean;
}

/** One end asks for streams, the other answers; both send other messages in between. Each step is a random one. */
class Session {
  readonly #random: RandomSource;
  readonly #asking: BlipConnection;
  readonly #answering: BlipConnection;
  readonly #transfers: Transfer[] = [];
  readonly #asked = new Map<SentRequest, Transfer>();
  readonly #wire = { toAsking: [] as Uint8Array[], toAnswering: [] as Uint8Array[] };
  #others = { sent: 0, received: 0 };

  constructor(random: RandomSource) {
    this.#random = random;
    const compressionLevel = this.#below(2) * 6;
    this.#asking = new BlipConnection({ compressionLevel });
    this.#answering = new BlipConnection({ compressionLevel });
  }

  /** False if the connection was cut. */
  run(): boolean {
    for (let count = 1 + this.#below(4); count > 0; count--) this.#begin();
    const steps = this.#random.next() < 0.2 ? this.#below(300) : 50_000;
    for (let step = 0; step < steps; step++) {
      this.#step();
      if (this.#transfers.every(({ ended, unread }) => ended && unread === 0)) {
        this.#check();
        return true;
      }
    }
    this.#asking.close();
    this.#answering.close();
    for (const { body, content } of this.#transfers) {
      if (!body.isEnded) body.push(content.subarray(0, 10));
      assert.equal(body.isOwned ? body.buffered : 0, 0);
    }
    assert.equal(steps === 50_000, false, 'it does not stall');
    return false;
  }

  #begin(): void {
    const size = this.#random.next() < 0.3 ? this.#below(20) : this.#below(400_000);
    const noise = Buffer.from(this.#random.bytes(size));
    const content =
      this.#random.next() < 0.5 ? noise : Buffer.alloc(size, noise.subarray(0, 100).toString('hex') || ' ');
    const transfer = { content, body: new StreamedBody(), pushed: 0, received: [], unread: 0, ended: false };
    this.#transfers.push(transfer);
    const properties = { index: String(this.#transfers.length - 1) };
    this.#asked.set(this.#asking.sendRequest({ properties, maxStreamedBytes: size }), transfer);
  }

  #step(): void {
    const transfer = this.#transfers[this.#below(this.#transfers.length)] as Transfer;
    switch (this.#below(6)) {
      case 0:
        return this.#push(transfer);
      case 1:
        return this.#consume(transfer);
      case 2:
        return this.#poll(this.#asking, this.#wire.toAnswering);
      case 3:
        return this.#poll(this.#answering, this.#wire.toAsking);
      case 4:
        return this.#deliver();
      default:
        if (this.#random.next() > 0.1) return;
        this.#others.sent++;
        this.#answering.sendRequest({
          properties: {},
          body: new Uint8Array(this.#below(30_000)),
          urgent: this.#random.next() < 0.5,
          noReply: true,
        });
    }
  }

  #push(transfer: Transfer): void {
    const { body, content, pushed } = transfer;
    if (body.isEnded || !body.isOwned || !body.hasRoom) return;
    const size = Math.min(1 + this.#below(70_000), content.length - pushed);
    body.push(content.subarray(pushed, pushed + size));
    transfer.pushed += size;
    if (transfer.pushed === content.length && this.#random.next() < 0.7) body.end();
  }

  #consume(transfer: Transfer): void {
    for (const [asked, one] of this.#asked) {
      if (one !== transfer || transfer.unread === 0) continue;
      const bytes = 1 + this.#below(transfer.unread);
      this.#asking.consumed(asked, bytes);
      transfer.unread -= bytes;
    }
  }

  #poll(connection: BlipConnection, wire: Uint8Array[]): void {
    for (let count = this.#below(5); count > 0; count--) {
      const frame = connection.pollFrame();
      if (frame !== undefined) wire.push(frame);
    }
  }

  #deliver(): void {
    for (const frame of this.#wire.toAnswering.splice(0, this.#below(5))) {
      for (const event of this.#answering.receive(frame)) {
        assert(event.type === 'request');
        const transfer = this.#transfers[event.request.properties.integer('index') ?? -1] as Transfer;
        const compressed = this.#random.next() < 0.7;
        this.#answering.sendResponse(event.request, { properties: {}, body: transfer.body, compressed });
      }
    }
    for (const frame of this.#wire.toAsking.splice(0, this.#below(5))) {
      for (const event of this.#asking.receive(frame)) {
        if (event.type === 'request') {
          this.#others.received++;
          continue;
        }
        const transfer = this.#asked.get(event.request);
        assert(transfer !== undefined && !transfer.ended && event.type !== 'response');
        if (event.type === 'end') transfer.ended = true;
        if (event.type === 'part') {
          transfer.received.push(Buffer.from(event.bytes));
          transfer.unread += event.bytes.length;
        }
      }
    }
    const unread = this.#transfers.reduce((total, one) => total + one.unread, 0);
    assert.equal(this.#asking.unreadBytes, unread);
    for (const { body } of this.#transfers) assert(body.buffered < 64 * 1024 + 70_000);
  }

  #check(): void {
    for (const { content, received } of this.#transfers) assert(Buffer.concat(received).equals(content));
    while (this.#others.received < this.#others.sent) {
      this.#poll(this.#answering, this.#wire.toAsking);
      this.#deliver();
      this.#poll(this.#asking, this.#wire.toAnswering);
    }
    assert.deepEqual([this.#asking.unreadBytes, this.#answering.queuedMessages], [0, 0]);
  }

  #below(limit: number): number {
    return Math.floor(this.#random.next() * limit);
  }
}
