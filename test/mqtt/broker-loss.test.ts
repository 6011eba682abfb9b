/** How a broker ends a connection, with or without a word, and what makes us end it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { WebSocketServer } from 'ws';
import { BrokerRecorder, failureOf } from '../support/broker-recorder.js';
import { cleanup } from '../support/cleanup.js';
import { mosquittoProblem, startMosquitto } from '../support/mosquitto.js';
import { CONNACK_5, ScriptedBroker } from '../support/scripted-broker.js';

const withoutMosquitto = { skip: mosquittoProblem() ?? false };

describe('the farewell of a broker that speaks MQTT 5', () => {
  for (const [what, farewell, text] of [
    ['tells of another client with our ID', 'e0 01 8e', /another client has connected with the ID "pump"/],
    ['tells that it shuts down', 'e0 02 8b 00', /it is shutting down \(0x8b\)/],
    ['tells that it heard nothing', 'e0 02 8d 00', /it heard nothing from us for too long/],
    ['tells a reason that nobody knows', 'e0 02 f1 00', /no MQTT/],
    ['gives no reason', 'e0 00', /no reason/],
  ] as const) {
    test(what, async (context) => {
      const broker = await ScriptedBroker.start(context, CONNACK_5);
      const recorder = await BrokerRecorder.connect(context, broker.url, { clientId: 'pump' });
      broker.say(farewell);
      const { code, recoverable, message } = await recorder.lost;
      assert.deepEqual([code, recoverable], ['CONNECTION_LOST', true]);
      assert.match(message, text);
    });
  }
});

describe('a broker that ends', () => {
  for (const how of ['stop', 'kill'] as const) {
    for (const listener of ['mqtt', 'ws'] as const) {
      test(`by ${how} is lost, and found again where it was: ${listener}`, withoutMosquitto, async (context) => {
        const mosquitto = await startMosquitto(context, { listeners: [listener] });
        const before = await BrokerRecorder.connect(context, mosquitto.url(listener));
        await mosquitto[how]();
        const { code, recoverable } = await before.lost;
        assert.deepEqual([code, recoverable], ['CONNECTION_LOST', true]);
        assert.equal(before.publish('a', 'goes nowhere'), false);
        assert.equal((await failureOf(before.client.subscribe(['a']))).code, 'CONNECTION_LOST');
        const meanwhile = new BrokerRecorder(context, mosquitto.url(listener));
        assert.equal((await failureOf(meanwhile.client.connect())).code, 'CONNECTION_REFUSED');
        await mosquitto.restart();
        const after = await BrokerRecorder.connect(context, mosquitto.url(listener));
        await after.client.subscribe(['a']);
        after.publish('a', 'again');
        assert.equal((await after.next()).text, 'again');
        assert.equal(before.losses.length, 1);
      });
    }
  }
});

describe('what a broker sends', () => {
  test('may name a topic by a number', async (context) => {
    const broker = await ScriptedBroker.start(context, CONNACK_5);
    const recorder = await BrokerRecorder.connect(context, broker.url);
    assert.match(broker.received[0] ?? '', /220040/); // it may use 64
    broker.say('30 08 00 01 61 03 23 00 05 31');
    broker.say('30 07 00 00 03 23 00 05 32');
    assert.deepEqual(
      [await recorder.next(), await recorder.next()].map(({ topic, text }) => [topic, text]),
      [
        ['a', '1'],
        ['a', '2'],
      ],
    );
  });

  for (const [what, hex, text] of [
    ['a number that was never given a topic', '30 07 00 00 03 23 00 05 32', /no MQTT/],
    ['what is no packet', '00 00', /no MQTT/],
    ['a packet with wrong flags', 'd7 00', /no MQTT/],
    ['a second CONNACK', CONNACK_5, /no MQTT/],
    ['a packet above the limit, of which only the beginning has come', '30 ff ff ff 7f 00 01 61', /268435460 bytes/],
  ] as const) {
    test(`may be ${what}: then it is lost`, async (context) => {
      const broker = await ScriptedBroker.start(context, CONNACK_5);
      const recorder = await BrokerRecorder.connect(context, broker.url);
      broker.say(hex);
      const { code, recoverable, message } = await recorder.lost;
      assert.deepEqual([code, recoverable], ['CONNECTION_LOST', true]);
      assert.match(message, text);
    });
  }

  test('is limited with MQTT 5 by the broker itself, with 3.1.1 by us', withoutMosquitto, async (context) => {
    const mosquitto = await startMosquitto(context);
    const near = await BrokerRecorder.connect(context, mosquitto.url());
    for (const protocolVersion of [5, 4] as const) {
      const far = await BrokerRecorder.connect(
        context,
        { url: mosquitto.url(), protocolVersion },
        { maxIncomingSize: 1_000 },
      );
      await far.client.subscribe(['a']);
      near.publish('a', 'x'.repeat(990));
      near.publish('a', 'x'.repeat(2_000));
      near.publish('a', 'x');
      assert.equal((await far.next()).text.length, 990);
      if (protocolVersion === 5) assert.equal((await far.next()).text, 'x');
      else assert.match((await far.lost).message, /too large/);
    }
  });

  test(
    'may be more than a WebSocket message may hold: then it is lost, though the broker does not answer the close',
    { timeout: 120_000 },
    async (context) => {
      const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => 'mqtt' });
      cleanup(context, () => {
        for (const webSocket of server.clients) webSocket.terminate();
        server.close();
      });
      await once(server, 'listening');
      server.on('connection', (webSocket) => webSocket.once('message', () => webSocket.send(bytes(CONNACK_5))));
      const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const recorder = await BrokerRecorder.connect(context, url, { maxIncomingSize: 1_000 });
      for (const webSocket of server.clients) {
        webSocket.pause();
        webSocket.send(new Uint8Array(10_000));
      }
      assert.equal((await recorder.lost).code, 'CONNECTION_LOST');
    },
  );
});

function bytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(' ', ''), 'hex');
}
