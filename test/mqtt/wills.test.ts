/** When a broker publishes the will of a client, and when not. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AedesBroker } from '../support/aedes-broker.js';
import { BrokerRecorder } from '../support/broker-recorder.js';
import { startChild } from '../support/child-process.js';
import { cleanup } from '../support/cleanup.js';
import { mosquittoProblem, startMosquitto } from '../support/mosquitto.js';
import { BROKERS } from '../support/mqtt-brokers.js';
import { TcpRelay } from '../support/tcp-relay.js';

const withoutMosquitto = { skip: mosquittoProblem() ?? false };
const GONE = { topic: 'gone', payload: new TextEncoder().encode('gone'), retain: false };

describe('the will', () => {
  for (const kind of BROKERS) {
    test(
      `is published when the line is cut, and not after end(): ${kind.name}`,
      { skip: kind.skip },
      async (context) => {
        const { url, ...broker } = await kind.start(context);
        const { protocol, port, host } = new URL(url);
        const relay = await TcpRelay.start(Number(port));
        cleanup(context, () => relay.close());
        const watcher = await BrokerRecorder.connect(context, { url, ...broker });
        await watcher.client.subscribe(['gone']);
        const throughRelay = { ...broker, url: `${protocol}//${host.replace(port, String(relay.port))}` };

        const orderly = await BrokerRecorder.connect(context, throughRelay, { will: GONE });
        await orderly.client.end();
        watcher.publish('gone', 'marker');
        assert.equal((await watcher.next()).text, 'marker');

        const cut = await BrokerRecorder.connect(context, throughRelay, { will: GONE });
        relay.cut();
        assert.equal((await watcher.next()).text, 'gone');
        const { code, recoverable } = await cut.lost;
        assert.deepEqual([code, recoverable], ['CONNECTION_LOST', true]);
      },
    );
  }

  test(
    'is published when the process is killed, and not when it leaves by itself',
    withoutMosquitto,
    async (context) => {
      const mosquitto = await startMosquitto(context);
      const watcher = await BrokerRecorder.connect(context, mosquitto.url());
      await watcher.client.subscribe(['gone']);

      const orderly = startChild(context, 'mqtt-child.ts', ['connect', mosquitto.url(), 'gone']);
      assert.equal(await orderly.line(), 'connected', orderly.errors());
      assert.equal(await orderly.finish(), 0); // no handle is left, or it would go on for ever
      watcher.publish('gone', 'marker');
      assert.equal((await watcher.next()).text, 'marker');

      const killed = startChild(context, 'mqtt-child.ts', ['connect', mosquitto.url(), 'gone']);
      assert.equal(await killed.line(), 'connected', killed.errors());
      await killed.kill();
      assert.equal((await watcher.next()).text, 'gone');
    },
  );

  test('may be empty and retained, and then takes away what was retained', async (context) => {
    const aedes = await AedesBroker.start(context);
    const brokers = [aedes.url];
    if (mosquittoProblem() === undefined) brokers.push((await startMosquitto(context)).url());
    for (const url of brokers) {
      const relay = await TcpRelay.start(Number(new URL(url).port));
      cleanup(context, () => relay.close());
      const will = { topic: 'present', payload: new Uint8Array(), retain: true };
      const listener = await BrokerRecorder.connect(context, `mqtt://127.0.0.1:${relay.port}`, { will });
      listener.publish('present', 'yes', true);
      const device = await BrokerRecorder.connect(context, url);
      await device.client.subscribe(['present']);
      assert.equal((await device.next()).text, 'yes');
      relay.cut();
      assert.equal((await device.next()).text, '');
      const later = await BrokerRecorder.connect(context, url);
      await later.client.subscribe(['present']);
      later.publish('present', 'nothing was retained');
      assert.equal((await later.next()).text, 'nothing was retained');
    }
  });
});

describe('another client with the same ID', () => {
  for (const kind of BROKERS) {
    test(
      `takes the place of the first, whose will is published: ${kind.name}`,
      { skip: kind.skip },
      async (context) => {
        const broker = await kind.start(context);
        const watcher = await BrokerRecorder.connect(context, broker);
        await watcher.client.subscribe(['gone']);
        const first = await BrokerRecorder.connect(context, broker, { clientId: 'pump', will: GONE });
        const second = await BrokerRecorder.connect(context, broker, { clientId: 'pump' });
        const { code, recoverable, message } = await first.lost;
        assert.deepEqual([code, recoverable], ['CONNECTION_LOST', true]);
        assert.match(message, /"pump"/);
        assert.equal((await watcher.next()).text, 'gone');
        await second.client.subscribe(['a']);
        second.publish('a', 'still here');
        assert.equal((await second.next()).text, 'still here');
        assert.deepEqual(second.losses, []);
      },
    );
  }
});
