/** Brokers that do not let us in, and what is no broker: with which error, whether it is tried again, and that nothing is left. */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { inspect } from 'node:util';
import type { BrokerOptions } from '../../transports/mqtt/broker-options.js';
import { AedesBroker } from '../support/aedes-broker.js';
import { BrokerRecorder, failureOf } from '../support/broker-recorder.js';
import { startChild } from '../support/child-process.js';
import { countingClock } from '../support/counting-clock.js';
import { mosquittoProblem, startMosquitto } from '../support/mosquitto.js';
import { startTcpServer, unusedPort } from '../support/raw-servers.js';
import { ScriptedBroker } from '../support/scripted-broker.js';
import { VirtualClock } from '../support/virtual-clock.js';

const withoutMosquitto = { skip: mosquittoProblem() ?? false };
const PASSWORD = 'correct-horse-47';
const WRONG = 'wrong-staple-11';

/** Connects in vain; resolves to the error. */
async function refusal(context: TestContext, broker: BrokerOptions | string) {
  const clock = countingClock();
  const recorder = new BrokerRecorder(context, broker, { clock });
  const error = await failureOf(recorder.client.connect());
  assert.deepEqual(clock.pending(), []);
  assert.deepEqual(recorder.losses, []);
  assert.ok(!inspect(error, { depth: 9, showHidden: true }).includes(WRONG));
  return error;
}

describe('the way to a broker', () => {
  test('ends where nobody listens', async (context) => {
    const port = await unusedPort();
    for (const scheme of ['mqtt', 'mqtts', 'ws', 'wss']) {
      const { code, recoverable, message } = await refusal(context, `${scheme}://127.0.0.1:${port}`);
      assert.deepEqual([code, recoverable], ['CONNECTION_REFUSED', true]);
      assert.ok(message.startsWith(`127.0.0.1:${port}: `), message);
    }
  });

  test('ends at a name that nobody knows', async (context) => {
    const { code, recoverable } = await refusal(context, 'mqtt://no-such-host.invalid');
    assert.deepEqual([code, recoverable], ['CONNECTION_HOST_UNKNOWN', true]);
  });

  test('is given up where nobody answers, after connectTimeout', async (context) => {
    const broker = await ScriptedBroker.start(context, '');
    for (const url of [broker.url, broker.url.replace('mqtt', 'mqtts'), broker.url.replace('mqtt', 'ws')]) {
      const clock = new VirtualClock();
      const { client } = new BrokerRecorder(context, { url, connectTimeout: 7 }, { clock });
      const failure = failureOf(client.connect());
      await broker.connections(1 + broker.received.length);
      await clock.advance(7_000);
      const { code, recoverable, message } = await failure;
      assert.deepEqual([code, recoverable], ['CONNECTION_TIMEOUT', true]);
      assert.match(message, /7000 ms/);
      assert.equal(clock.pendingTimers, 0);
    }
  });

  test('leads to what is no broker', async (context) => {
    const http = (status: string) => `HTTP/1.1 ${status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`;
    const answer = async (text: string) =>
      startTcpServer(context, (socket) => socket.once('data', () => socket.end(text)));
    const lines: readonly (readonly [string, string, string, boolean])[] = [
      ['mqtt', 'SSH-2.0-OpenSSH_9.2\r\n', 'CONNECTION_PROTOCOL_ERROR', false],
      ['mqtt', http('400 Bad Request'), 'CONNECTION_PROTOCOL_ERROR', false],
      ['mqtt', '', 'CONNECTION_LOST', true],
      ['mqtts', http('400 Bad Request'), 'TLS_HANDSHAKE_FAILED', false],
      ['ws', 'SSH-2.0-OpenSSH_9.2\r\n', 'CONNECTION_PROTOCOL_ERROR', false],
      ['ws', http('200 OK'), 'CONNECTION_REJECTED', false],
      ['ws', http('401 Unauthorized'), 'AUTHENTICATION_FAILED', false],
      ['ws', http('503 Busy'), 'CONNECTION_UNAVAILABLE', true],
      ['ws', '', 'CONNECTION_LOST', true],
    ];
    for (const [scheme, text, code, recoverable] of lines) {
      const error = await refusal(context, `${scheme}://127.0.0.1:${await answer(text)}`);
      assert.deepEqual([error.code, error.recoverable], [code, recoverable], `${scheme} ${text}: ${error.message}`);
    }
  });

  test('says what may be wrong when a broker hangs up without a word', async (context) => {
    const port = await startTcpServer(context, (socket) => socket.once('data', () => socket.end()));
    assert.match((await refusal(context, `mqtt://127.0.0.1:${port}`)).message, /speaks TLS.*protocolVersion: 4/);
  });
});

describe('a refusal in the CONNACK', () => {
  for (const [reason, code, recoverable] of [
    [0x02, 'BROKER_REFUSED', false],
    [0x03, 'CONNECTION_UNAVAILABLE', true],
    [0x04, 'BROKER_ACCESS_DENIED', false],
    [0x05, 'BROKER_ACCESS_DENIED', false],
    [0x06, 'BROKER_REFUSED', false],
    [0x80, 'BROKER_REFUSED', true],
    [0x85, 'BROKER_REFUSED', false],
    [0x86, 'BROKER_ACCESS_DENIED', false],
    [0x87, 'BROKER_ACCESS_DENIED', false],
    [0x88, 'CONNECTION_UNAVAILABLE', true],
    [0x89, 'CONNECTION_UNAVAILABLE', true],
    [0x8a, 'BROKER_ACCESS_DENIED', false],
    [0x97, 'CONNECTION_UNAVAILABLE', true],
    [0x9a, 'BROKER_REFUSED', false],
    [0x9d, 'BROKER_REFUSED', false],
    [0x9f, 'CONNECTION_UNAVAILABLE', true],
    [0xff, 'BROKER_REFUSED', false],
  ] as const) {
    const hex = reason.toString(16).padStart(2, '0');
    test(`0x${hex} is ${code}`, async (context) => {
      const isNew = reason >= 0x80;
      const broker = await ScriptedBroker.start(context, isNew ? `20 03 00 ${hex} 00` : `20 02 00 ${hex}`);
      const error = await refusal(context, { url: broker.url, protocolVersion: isNew ? 5 : 4 });
      assert.deepEqual([error.code, error.recoverable], [code, recoverable]);
      assert.ok(error.message.includes(`0x${hex}`), error.message);
    });
  }

  test('comes for a wrong password, in both versions and from aedes', withoutMosquitto, async (context) => {
    const mosquitto = await startMosquitto(context, { users: { mate: PASSWORD } });
    const aedes = await AedesBroker.start(context);
    aedes.hooks.authenticate = (_client, username, password, done) => {
      done(null, username === 'mate' && String(password) === PASSWORD);
    };
    for (const options of [
      { url: mosquitto.url() },
      { url: mosquitto.url(), protocolVersion: 4 as const },
      { url: aedes.url },
    ]) {
      for (const credentials of [{}, { username: 'mate', password: WRONG }, { username: 'cook', password: PASSWORD }]) {
        const { code, recoverable } = await refusal(context, { ...options, ...credentials });
        assert.deepEqual([code, recoverable], ['BROKER_ACCESS_DENIED', false]);
      }
      await BrokerRecorder.connect(context, { ...options, username: 'mate', password: PASSWORD });
    }
  });
});

describe('the version of MQTT', () => {
  test('is 3.1.1 for a broker that refuses 5, which is asked once and remembered', async (context) => {
    const aedes = await AedesBroker.start(context);
    const first = await BrokerRecorder.connect(context, aedes.url);
    assert.equal(first.client.protocolVersion, 4);
    assert.equal(aedes.connections, 2);
    const second = await BrokerRecorder.connect(context, aedes.url);
    assert.equal(second.client.protocolVersion, 4);
    assert.equal(aedes.connections, 3);
  });

  test('is 3.1.1 also if the refusal has the form of MQTT 5', async (context) => {
    const broker = await ScriptedBroker.start(context, '20 03 00 84 00');
    const { client } = new BrokerRecorder(context, broker.url);
    const failure = failureOf(client.connect());
    assert.deepEqual([(await failure).code, broker.received.length], ['BROKER_REFUSED', 2]);
    // The level in the CONNECT, after the name of the protocol.
    assert.deepEqual(
      broker.received.map((hex) => /00044d515454(..)/.exec(hex)?.[1]),
      ['05', '04'],
    );
  });

  test('is not tried twice if it was asked for', async (context) => {
    const aedes = await AedesBroker.start(context);
    assert.equal((await refusal(context, { url: aedes.url, protocolVersion: 5 })).code, 'BROKER_REFUSED');
    assert.equal(aedes.connections, 1);
  });

  test('is not doubted when the broker hangs up: it may just be starting', async (context) => {
    let connections = 0;
    const port = await startTcpServer(context, (socket) => {
      connections++;
      socket.once('data', () => socket.end());
    });
    assert.equal((await refusal(context, `mqtt://127.0.0.1:${port}`)).code, 'CONNECTION_LOST');
    assert.equal(connections, 1);
  });
});

test('without the package mqtt the error says how to install it', async (context) => {
  const hook = new URL('../support/without-mqtt.mjs', import.meta.url).href;
  const child = startChild(context, 'mqtt-child.ts', ['connect', 'mqtt://127.0.0.1:1'], ['--import', hook]);
  assert.match((await child.line()) ?? child.errors(), /^DEPENDENCY_MISSING .*npm install mqtt$/);
});
