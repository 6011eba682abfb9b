/** A broker that does not read: how much a client keeps for it, and when it says that more is welcome. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { describe, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { deferred, systemClock } from '../../src/base/index.js';
import { BrokerConnection } from '../../transports/mqtt/broker-connection.js';
import { checkBroker } from '../../transports/mqtt/broker-options.js';
import { loadMqtt } from '../../transports/mqtt/load-mqtt.js';
import { BrokerRecorder } from '../support/broker-recorder.js';
import { mosquittoProblem, startMosquitto } from '../support/mosquitto.js';
import { CONNACK_5, ScriptedBroker } from '../support/scripted-broker.js';
import { publishOverhead } from '../../transports/mqtt/topics.js';

const withoutMosquitto = { skip: mosquittoProblem() ?? false };
const PACKET = 10_000;
const PAYLOAD = 'x'.repeat(PACKET - publishOverhead('a'));
/** What is kept before more is unwelcome, and the packet that passes it. */
const MAX_KEPT = 65_536 + PACKET;

/** Publishes until the broker's system takes nothing more; resolves to the number of packets. */
async function fill(recorder: BrokerRecorder): Promise<number> {
  for (let published = 0; ;) {
    const before = recorder.writables;
    let kept = PACKET;
    for (published++; recorder.publish('a', PAYLOAD); published++) kept += PACKET;
    assert.ok(kept <= MAX_KEPT, `${kept} bytes are kept`);
    // Too few turns would only make this test fill less.
    for (let turn = 0; turn < 300 && recorder.writables === before; turn++) await nextTurn();
    if (recorder.writables === before) return published;
  }
}

test('a client keeps little for a broker that does not read, and says once when more is welcome', async (context) => {
  const broker = await ScriptedBroker.start(context, CONNACK_5);
  const recorder = await BrokerRecorder.connect(context, broker.url);
  broker.pause();
  const published = await fill(recorder);
  assert.ok(published * PACKET > 65_536, 'the system takes something');
  const before = recorder.writables;
  assert.equal(recorder.publish('a', 'not welcome'), false);
  broker.resume();
  await recorder.writable();
  assert.equal(recorder.publish('a', 'welcome'), true);
  await broker.heard(Buffer.from('not welcome').toString('hex'));
  await broker.heard(Buffer.from('welcome').toString('hex'));
  assert.equal(recorder.writables, before + 1);
});

test('nobody is told that more is welcome who did not ask, or has left', async (context) => {
  const broker = await ScriptedBroker.start(context, CONNACK_5);
  const asking = await BrokerRecorder.connect(context, broker.url);
  const quarter = 'x'.repeat(30_000); // above the mark of the stream, below ours
  assert.equal(asking.publish('a', quarter), true);
  await broker.heard(Buffer.from(quarter).toString('hex'));
  assert.equal(asking.writables, 0);
  broker.pause();
  await fill(asking);
  const before = asking.writables;
  const ending = asking.client.end();
  broker.resume();
  await ending;
  assert.equal(asking.writables, before);
});

test('once full, nobody is welcome before all is gone: one of several would otherwise wait for ever', async () => {
  const socket = new HeldSocket();
  let writables = 0;
  const connection = new BrokerConnection(await loadMqtt(), socket as unknown as Socket, {
    broker: checkBroker('test', 'mqtt://broker.local'),
    ...{ clientId: 'pump', version: 5, will: undefined, maxIncomingSize: 1_000, clock: systemClock },
    onMessage: () => undefined,
    onWritable: () => writables++,
  });
  socket.push(Buffer.from(CONNACK_5.replaceAll(' ', ''), 'hex'));
  await socket.release(); // the CONNECT
  await connection.opened;
  assert.equal(connection.publish('a', new Uint8Array(60_000), false), true);
  await socket.held();
  assert.equal(connection.publish('a', new Uint8Array(10_000), false), false);
  await socket.release();
  await socket.held();
  assert.equal(connection.publish('a', new Uint8Array(1), false), false);
  assert.equal(writables, 0);
  await socket.release();
  await socket.release();
  assert.equal(writables, 1);
  assert.equal(connection.publish('a', new Uint8Array(1), false), true);
  await socket.release();
  const ending = connection.end();
  await socket.release();
  socket.push(null);
  await ending;
});

/** What is written stays on its way until it is released. */
class HeldSocket extends Duplex {
  #done: (() => void) | undefined;
  #began = deferred();

  override _read(): void {
    // everything is pushed
  }

  override _writev(_chunks: unknown, done: () => void): void {
    this.#done = done;
    this.#began.resolve();
  }

  /** Resolves when something is on its way. */
  async held(): Promise<void> {
    await this.#began.promise;
  }

  /** Resolves when that has been noticed. */
  async release(): Promise<void> {
    await this.held();
    this.#began = deferred();
    this.#done?.();
    await nextTurn();
  }
}

describe('a Mosquitto that sleeps and wakes', withoutMosquitto, () => {
  for (const listener of ['mqtt', 'mqtts', 'ws', 'wss'] as const) {
    test(`gets everything: ${listener}`, async (context) => {
      const mosquitto = await startMosquitto(context, { listeners: [listener] });
      const isSecure = listener === 'mqtts' || listener === 'wss';
      const trust = isSecure ? { trustedCertificates: mosquitto.identity.certificate } : {};
      const near = await BrokerRecorder.connect(context, { url: mosquitto.url(listener), ...trust });
      const far = await BrokerRecorder.connect(context, mosquitto.url());
      await far.client.subscribe(['a']);
      mosquitto.sleep();
      const published = await fill(near);
      const before = near.writables;
      mosquitto.wake();
      for (let index = 0; index < published; index++) assert.equal((await far.next()).text.length, PAYLOAD.length);
      if (near.writables === before) await near.writable();
      assert.equal(near.publish('a', 'last'), true);
      assert.equal((await far.next()).text, 'last');
      assert.deepEqual([near.losses, far.losses], [[], []]);
    });
  }
});
