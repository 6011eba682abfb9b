/** The devices of a listener, without a broker: what each gets of a line that is full, metered or gone. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MessagingError, type MessageEndpointConnection } from '../../src/endpoint/index.js';
import { Link, SharedRate, type LinkOptions } from '../../transports/link/index.js';
import { lineOptions, linkOptions, type MeteredOptions } from '../../transports/mqtt/link-profile.js';
import { ServedDevices } from '../../transports/mqtt/served-devices.js';
import { ListenerTopics } from '../../transports/mqtt/topics.js';
import { turns } from '../support/turns.js';
import { VirtualClock } from '../support/virtual-clock.js';

const topics = new ListenerTopics('test', 'test', 'bridge');
const NAME = '0123456789abcdef';
const KEEP_ALIVE_MS = 300_000;
/** What a broker takes before it says that it is full. */
const ROOM = 65_536;

const LOST = new MessagingError('CONNECTION_LOST', 'the broker is gone', { recoverable: true });

/** The line to a broker that takes {@link ROOM} bytes until they are fetched from there. */
class Line {
  readonly clock = new VirtualClock();
  readonly connections: MessageEndpointConnection[] = [];
  readonly ends: (MessagingError | undefined)[] = [];
  readonly devices: ServedDevices;
  isThere = true;
  #published: { readonly topic: string; readonly packet: Uint8Array }[] = [];
  #bytes = 0;

  constructor(metered: MeteredOptions = {}) {
    const line = lineOptions(metered);
    this.devices = new ServedDevices({
      topics,
      linkOptions: (topic) => linkOptions(line, topic, KEEP_ALIVE_MS, { webSocket: false }),
      publish: (topic, packet) => {
        if (!this.isThere) return false;
        this.#published.push({ topic, packet });
        this.#bytes += packet.length;
        return this.#bytes < ROOM;
      },
      host: {
        clock: this.clock,
        accept: (connection) => {
          this.connections.push(connection);
          void connection.open({ receive: () => undefined, close: (error) => void this.ends.push(error) });
        },
        report: (error) => assert.fail(error),
      },
    });
  }

  /** What has been published since the last time; there is room again. */
  fetch(): { readonly topic: string; readonly packet: Uint8Array }[] {
    const fetched = this.#published;
    this.#published = [];
    this.#bytes = 0;
    return fetched;
  }
}

class Device {
  readonly #line: Line;
  readonly #clientId: string;
  readonly link: Link;
  received = 0;

  constructor(line: Line, clientId: string) {
    this.#line = line;
    this.#clientId = clientId;
    const options: LinkOptions = linkOptions({}, this.up, KEEP_ALIVE_MS, { webSocket: false });
    this.link = Link.connect(1 + clientId.length, options, line.clock.monotonic());
  }

  get up(): string {
    return topics.up(this.#clientId, NAME);
  }

  get down(): string {
    return topics.down(this.#clientId, NAME);
  }

  /** Says what it has to say. */
  speak(): void {
    const now = this.#line.clock.monotonic();
    for (let packet = this.link.poll(now); packet !== undefined; packet = this.link.poll(now)) {
      this.#line.devices.message(this.up, packet);
    }
  }

  take(packet: Uint8Array): void {
    const now = this.#line.clock.monotonic();
    this.link.receive(packet, now);
    for (let message = this.link.nextMessage(); message !== undefined; message = this.link.nextMessage()) {
      this.received += message.bytes.length;
      this.link.taken(message.cost, now);
    }
  }
}

/** Everything goes where it belongs, so many times. */
async function exchange(line: Line, devices: readonly Device[], rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (const device of devices) device.speak();
    await turns(1);
    for (const { topic, packet } of line.fetch()) devices.find(({ down }) => down === topic)?.take(packet);
    for (const device of devices) device.speak();
    line.devices.writable();
    await turns(1);
  }
}

test('a line that is always full brings something to every device', async () => {
  const line = new Line();
  const devices = ['a', 'bb', 'ccc'].map((clientId) => new Device(line, clientId));
  await exchange(line, devices, 3);
  assert.equal(line.connections.length, 3);
  const message = new Uint8Array(16_000);
  for (const connection of line.connections) {
    const fill = async (): Promise<never> => {
      for (;;) await connection.send(message);
    };
    fill().catch(() => undefined);
  }
  await exchange(line, devices, 120);
  const received = devices.map((device) => device.received);
  assert.ok(Math.min(...received) > Math.max(...received) / 3, `bytes: ${received.join(', ')}`);
  line.devices.lost(LOST);
});

test('after the loss of a line the next one serves who comes, whatever was being said', async () => {
  const line = new Line();
  const [leaving, next] = [new Device(line, 'leaving'), new Device(line, 'next')];
  await exchange(line, [leaving], 3);
  const [connection] = line.connections;
  void connection?.send(new Uint8Array(10)).catch(() => undefined);
  const closing = connection?.close(); // when everything has arrived
  await turns(1);
  line.isThere = false;
  line.devices.lost(LOST);
  await closing;
  line.isThere = true;
  line.fetch();
  next.speak();
  assert.equal(line.fetch().length, 1, 'a welcome');
  line.devices.lost(LOST);
  await turns(1);
  assert.equal(line.clock.pendingTimers, 0);
});

test('a device of which the broker says that it is gone is told so, for it may be wrong', async () => {
  const line = new Line();
  const device = new Device(line, 'pump');
  await exchange(line, [device], 3);
  line.devices.message(topics.gone('pump'), new Uint8Array(0));
  assert.deepEqual(
    line.ends.map((error) => error?.code),
    ['CONNECTION_LOST'],
  );
  await exchange(line, [device], 1);
  assert.equal(device.link.end?.kind, 'closed');
  assert.equal(line.clock.pendingTimers, 0);
});

describe('a line that is metered', () => {
  test('and very slow carries small packets, or nobody would hear from the other end for too long', async () => {
    const line = new Line({ maxBytesPerSecond: 500 });
    const device = new Device(line, 'pump');
    const second = async (): Promise<void> => {
      await line.clock.advance(1_000);
      for (const { packet } of line.fetch()) device.take(packet);
      device.speak();
    };
    device.speak();
    for (let passed = 0; passed < 3; passed++) await second();
    const [connection] = line.connections;
    for (let sent = 0; sent < 3; sent++) void connection?.send(new Uint8Array(16_000)).catch(() => undefined);
    for (let passed = 0; passed < 120; passed++) {
      if (passed % 5 === 1) device.link.send(new Uint8Array(10));
      await second();
      assert.deepEqual([device.link.end, line.ends], [undefined, []], `after ${passed} s`);
    }
    assert.ok(device.received >= 32_000, `${device.received} bytes came`);
    line.devices.lost(LOST);
  });

  test('and always busy lets a device in that comes later, although it says hello once', async () => {
    const line = new Line({ sharedRate: new SharedRate({ bytesPerSecond: 20_000 }) });
    const [busy, late] = [new Device(line, 'busy'), new Device(line, 'late')];
    const both = [busy, late];
    const exchangeFor = async (milliseconds: number): Promise<void> => {
      for (let passed = 0; passed < milliseconds; passed += 50) {
        await line.clock.advance(50);
        for (const { topic, packet } of line.fetch()) both.find(({ down }) => down === topic)?.take(packet);
        if (busy.link.state === 'open') busy.speak();
        if (late.link.state === 'open') late.speak();
      }
    };
    busy.speak();
    await exchangeFor(200);
    const fill = async (): Promise<never> => {
      for (;;) await (line.connections[0] as MessageEndpointConnection).send(new Uint8Array(4_000));
    };
    fill().catch(() => undefined);
    await exchangeFor(1_000);
    late.speak();
    await exchangeFor(2_500);
    assert.equal(late.link.state, 'open');
    line.devices.lost(LOST);
    assert.equal(line.clock.pendingTimers, 0);
  });
});
