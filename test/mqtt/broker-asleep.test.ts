/** A broker that neither answers nor hangs up. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BrokerRecorder, failureOf } from '../support/broker-recorder.js';
import { mosquittoProblem, startMosquitto } from '../support/mosquitto.js';
import { CONNACK_5, ScriptedBroker } from '../support/scripted-broker.js';
import { VirtualClock } from '../support/virtual-clock.js';

const withoutMosquitto = { skip: mosquittoProblem() ?? false };

describe('a broker that falls asleep', () => {
  test('is given up by the keep-alive, with MQTT 5 in the time that the broker wants', async (context) => {
    for (const [greeting, seconds] of [
      [CONNACK_5, 20],
      ['20 06 00 00 03 13 00 08', 8],
    ] as const) {
      const broker = await ScriptedBroker.start(context, greeting);
      const clock = new VirtualClock();
      const recorder = await BrokerRecorder.connect(context, { url: broker.url, keepAlive: 20 }, { clock });
      await clock.advance(seconds * 1_000);
      await broker.heard('c0 00');
      await clock.advance(seconds * 499);
      assert.deepEqual(recorder.losses, []);
      await clock.advance(seconds);
      const { code, recoverable, message } = await recorder.lost;
      assert.deepEqual([code, recoverable], ['CONNECTION_LOST', true]);
      assert.match(message, /not even an answer to a ping/);
      assert.equal(clock.pendingTimers, 0);
    }
  });

  test('is not given up while it answers', async (context) => {
    const broker = await ScriptedBroker.start(context, CONNACK_5);
    const clock = new VirtualClock();
    const recorder = await BrokerRecorder.connect(context, { url: broker.url, keepAlive: 20 }, { clock });
    for (let pings = 1; pings < 4; pings++) {
      await clock.advance(20_000 - (pings > 1 ? 1 : 0));
      await broker.heard('c000'.repeat(pings));
      broker.say('d0 00 30 04 00 01 61 00');
      await recorder.next(); // so that the answer before it has come
      await clock.advance(1);
    }
    assert.deepEqual(recorder.losses, []);
  });

  for (const listener of ['mqtt', 'mqtts', 'ws', 'wss'] as const) {
    test(`is left after 5 s: ${listener}`, withoutMosquitto, async (context) => {
      const mosquitto = await startMosquitto(context, { listeners: [listener] });
      const trust =
        listener.endsWith('s') && listener !== 'ws' ? { trustedCertificates: mosquitto.identity.certificate } : {};
      const clock = new VirtualClock();
      const { client, losses } = await BrokerRecorder.connect(
        context,
        { url: mosquitto.url(listener), ...trust },
        { clock },
      );
      mosquitto.sleep();
      const subscribing = failureOf(client.subscribe(['a']));
      let ended = false;
      const ending = client.end().then(() => (ended = true));
      await clock.advance(4_999);
      assert.equal(ended, false);
      await clock.advance(1);
      await ending;
      assert.equal((await subscribing).code, 'CONNECTION_LOST');
      assert.deepEqual([losses, clock.pendingTimers], [[], 0]);
    });
  }

  test('is left at once while it has not let us in', withoutMosquitto, async (context) => {
    const mosquitto = await startMosquitto(context, { listeners: ['mqtts', 'ws'] });
    mosquitto.sleep();
    const certificate = { trustedCertificates: mosquitto.identity.certificate };
    for (const broker of [
      { url: mosquitto.url() },
      { url: mosquitto.url('ws') },
      { url: mosquitto.url('mqtts'), ...certificate },
    ]) {
      const clock = new VirtualClock();
      const { client } = new BrokerRecorder(context, broker, { clock });
      const failure = failureOf(client.connect());
      await clock.advance(1_000);
      await client.end();
      assert.equal((await failure).code, 'CONNECTION_NOT_OPEN');
      assert.equal(clock.pendingTimers, 0);
    }
  });
});
