/** Subscriptions that a broker denies, or does not answer. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AedesBroker } from '../support/aedes-broker.js';
import { BrokerRecorder, failureOf } from '../support/broker-recorder.js';
import { mosquittoProblem, startMosquitto } from '../support/mosquitto.js';
import { CONNACK_311, CONNACK_5, ScriptedBroker } from '../support/scripted-broker.js';

const withoutMosquitto = { skip: mosquittoProblem() ?? false };

describe('a subscription', () => {
  test('that aedes denies is BROKER_ACCESS_DENIED, with the topic', async (context) => {
    const aedes = await AedesBroker.start(context);
    aedes.hooks.authorizeSubscribe = (_client, subscription, done) => {
      done(null, subscription.topic === 'mine' ? subscription : null);
    };
    const { client } = await BrokerRecorder.connect(context, aedes.url);
    const error = await failureOf(client.subscribe(['mine', 'theirs']));
    assert.deepEqual([error.code, error.recoverable], ['BROKER_ACCESS_DENIED', false]);
    assert.match(error.message, /"theirs".*0x80/);
    await client.subscribe(['mine']);
  });

  test('that is denied with MQTT 5 is BROKER_ACCESS_DENIED, with the reason', async (context) => {
    const broker = await ScriptedBroker.start(context, CONNACK_5);
    const { client } = await BrokerRecorder.connect(context, broker.url);
    const failure = failureOf(client.subscribe(['a', 'b']));
    await broker.heard('00 01 61 00 00 01 62 00');
    const messageId = /82..(....)00000161/.exec(broker.received.at(-1) ?? '')?.[1] ?? '';
    broker.say(`90 05 ${messageId} 00 00 87`);
    const { code, message } = await failure;
    assert.equal(code, 'BROKER_ACCESS_DENIED');
    assert.match(message, /"b".*not authorised \(0x87\)/);
  });

  test('that nobody answers fails with the connection', async (context) => {
    const broker = await ScriptedBroker.start(context, CONNACK_311);
    const recorder = await BrokerRecorder.connect(context, { url: broker.url, protocolVersion: 4 });
    const failure = failureOf(recorder.client.subscribe(['a']));
    await broker.heard('00 01 61 00');
    broker.hangUp();
    assert.equal((await failure).code, 'CONNECTION_LOST');
    assert.equal((await recorder.lost).code, 'CONNECTION_LOST');
  });

  test('before the client is connected, or to what is no topic, is a mistake', async (context) => {
    const aedes = await AedesBroker.start(context);
    const { client } = new BrokerRecorder(context, aedes.url);
    assert.equal((await failureOf(client.subscribe(['a']))).code, 'CONNECTION_NOT_OPEN');
    assert.throws(() => client.publish('a', new Uint8Array()), { code: 'CONNECTION_NOT_OPEN' });
    await client.connect();
    assert.equal((await failureOf(client.subscribe(['a/#/b']))).code, 'ARGUMENT_INVALID');
  });

  test(
    'to what the access rules of Mosquitto forbid is granted, and brings nothing',
    withoutMosquitto,
    async (context) => {
      const acl = 'pattern readwrite fleet/v1/+/+/%c/#\n';
      const mosquitto = await startMosquitto(context, { acl });
      const pump = await BrokerRecorder.connect(context, mosquitto.url(), { clientId: 'pump' });
      const winch = await BrokerRecorder.connect(context, mosquitto.url(), { clientId: 'winch' });
      await winch.client.subscribe(['fleet/v1/bridge/up/#', 'fleet/v1/bridge/down/#', 'fleet/v1/bridge/gone/#']);
      pump.publish('fleet/v1/bridge/up/pump/1', 'for others');
      pump.publish('fleet/v1/bridge/gone/pump', 'for others');
      pump.publish('fleet/v1/bridge/up/winch/1', 'in the name of another');
      await pump.client.end(); // Mosquitto has seen them all
      winch.publish('fleet/v1/bridge/up/winch/1', 'own');
      winch.publish('fleet/v1/bridge/gone/winch', 'own, without a connection');
      assert.equal((await winch.next()).text, 'own');
      assert.equal((await winch.next()).text, 'own, without a connection');
    },
  );
});
