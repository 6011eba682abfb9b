/** What a client does with a broker that works, over every way to one. */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { seededRandom, type Clock } from '../../src/base/index.js';
import type { BrokerOptions } from '../../transports/mqtt/broker-options.js';
import { BrokerRecorder, failureOf } from '../support/broker-recorder.js';
import { countingClock } from '../support/counting-clock.js';
import { mosquittoProblem, startMosquitto } from '../support/mosquitto.js';
import { BROKERS } from '../support/mqtt-brokers.js';
import { TcpRelay } from '../support/tcp-relay.js';
import { cleanup } from '../support/cleanup.js';

/** Connected. */
function connected(context: TestContext, broker: BrokerOptions | string, clock?: Clock): Promise<BrokerRecorder> {
  return BrokerRecorder.connect(context, broker, clock === undefined ? {} : { clock });
}

const seed = Number(process.env['FUZZ_SEED'] ?? 20_261_122);
const withoutMosquitto = { skip: mosquittoProblem() ?? false };

for (const kind of BROKERS) {
  describe(kind.name, { skip: kind.skip }, () => {
    test('takes and brings messages, whole and in order', async (context) => {
      const broker = await kind.start(context);
      const [near, far] = [new BrokerRecorder(context, broker), new BrokerRecorder(context, broker)];
      await Promise.all([near.client.connect(), far.client.connect()]);
      assert.equal(near.client.protocolVersion, kind.version);
      await far.client.subscribe(['fleet/up', 'fleet/other']);
      const random = seededRandom(seed);
      const texts = Array.from(
        { length: kind.many },
        (_, index) => `${index} ${'x'.repeat(random.next() ** 3 * 20_000)}`,
      );
      for (const text of texts) {
        if (!near.publish('fleet/up', text)) await near.writable();
      }
      for (const [index, text] of texts.entries()) {
        const received = await far.next();
        assert.ok(received.text === text && received.topic === 'fleet/up', `seed ${seed}, message ${index}`);
      }
    });

    test('brings a message to who subscribed, empty ones too, and no longer to who unsubscribed', async (context) => {
      const recorder = await connected(context, await kind.start(context));
      const { client } = recorder;
      await client.subscribe(['a', 'b']);
      recorder.publish('a', '');
      assert.deepEqual(await recorder.next(), { topic: 'a', text: '', retained: false });
      await client.unsubscribe(['a']);
      recorder.publish('a', 'unheard');
      recorder.publish('c', 'unheard');
      recorder.publish('b', 'heard');
      assert.equal((await recorder.next()).text, 'heard');
    });

    test('keeps a retained message, and forgets it for an empty one', async (context) => {
      const broker = await kind.start(context);
      const listener = await connected(context, broker);
      listener.publish('present', 'yes', true);
      await listener.client.end();
      const device = await connected(context, broker);
      await device.client.subscribe(['present']);
      assert.deepEqual(await device.next(), { topic: 'present', text: 'yes', retained: true });
      device.publish('present', '', true);
      assert.deepEqual(await device.next(), { topic: 'present', text: '', retained: false });
      const later = await connected(context, broker);
      await later.client.subscribe(['present']);
      later.publish('present', 'not retained');
      assert.equal((await later.next()).text, 'not retained');
    });

    test('is left without a trace, whether it was connected or not', async (context) => {
      const broker = await kind.start(context);
      const clock = countingClock();
      const recorder = await connected(context, broker, clock);
      const ends = [recorder.client.end(), recorder.client.end()];
      await Promise.all(ends);
      assert.deepEqual(clock.pending(), []);
      assert.equal(recorder.publish('a', 'goes nowhere'), false);
      assert.equal((await failureOf(recorder.client.connect())).code, 'CONNECTION_NOT_OPEN');
      const unused = new BrokerRecorder(context, broker, { clock });
      await unused.client.end();
      assert.equal((await failureOf(unused.client.connect())).code, 'CONNECTION_NOT_OPEN');
      assert.deepEqual([recorder.losses, unused.losses], [[], []]);
    });

    test('can be left at any moment while it connects', async (context) => {
      const broker = await kind.start(context);
      const clock = countingClock();
      for (let turns = 0; turns < 12; turns++) {
        const { client, losses } = new BrokerRecorder(context, broker, { clock });
        const connecting = client.connect().then(
          () => 'connected',
          (error: { code?: string }) => error.code,
        );
        for (let turn = 0; turn < turns; turn++) await nextTurn();
        await client.end();
        assert.match(String(await connecting), /^(?:connected|CONNECTION_NOT_OPEN)$/);
        assert.deepEqual([losses, clock.pending()], [[], []]);
      }
    });

    test('is not waited for when the signal fires', async (context) => {
      const broker = await kind.start(context);
      const clock = countingClock();
      const stop = new AbortController();
      const { client } = new BrokerRecorder(context, broker, { clock });
      const connecting = client.connect(stop.signal);
      stop.abort(new Error('enough'));
      await assert.rejects(connecting, /enough/);
      assert.deepEqual(clock.pending(), []);
    });
  });
}

describe('topic aliases', withoutMosquitto, () => {
  test('name more topics than the broker has numbers for, and none is mistaken for another', async (context) => {
    const mosquitto = await startMosquitto(context); // ten aliases
    const far = await connected(context, mosquitto.url());
    await far.client.subscribe(['a/#']);
    const near = await connected(context, mosquitto.url());
    const random = seededRandom(seed);
    for (let index = 0; index < 600; index++) {
      const topic = `a/${Math.floor(random.next() * (index < 300 ? 10 : 35))}`;
      near.publish(topic, `${index} ${topic}`);
      const { topic: shown, text } = await far.next();
      assert.deepEqual([shown, text], [topic, `${index} ${topic}`], `seed ${seed}`);
    }
  });

  test('save the topic in all publishes but the first', async (context) => {
    const mosquitto = await startMosquitto(context);
    const relay = await TcpRelay.start(mosquitto.port());
    cleanup(context, () => relay.close());
    const near = await connected(context, `mqtt://127.0.0.1:${relay.port}`);
    const topic = 'a'.repeat(100);
    await near.client.subscribe([topic]);
    const before = relay.receivedFromClients;
    for (let index = 0; index < 100; index++) {
      near.publish(topic, 'x'.repeat(10));
      await near.next();
    }
    const each = (relay.receivedFromClients - before - topic.length) / 100;
    assert.ok(each < 20, `${each} bytes for each of 10`);
  });
});

describe('the limit of a broker for packets', withoutMosquitto, () => {
  test('is known with MQTT 5, and not with 3.1.1', async (context) => {
    const mosquitto = await startMosquitto(context, { config: ['max_packet_size 5000'] });
    assert.equal((await connected(context, mosquitto.url())).client.maxPacketSize, 5_000);
    const old = await connected(context, { url: mosquitto.url(), protocolVersion: 4 });
    assert.equal(old.client.maxPacketSize, undefined);
  });

  test('is not there if the broker has none', async (context) => {
    const mosquitto = await startMosquitto(context);
    assert.equal((await connected(context, mosquitto.url())).client.maxPacketSize, undefined);
  });
});
