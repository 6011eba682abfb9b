/** How a broker may be given, and what is made of it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { isHawserError } from '../../src/errors.js';
import { checkBroker, type BrokerOptions } from '../../transports/mqtt/broker-options.js';
import { issue, selfSignedIdentity } from '../support/certificates.js';

const SECRET = 'correct-horse-47';

describe('a broker that is refused', () => {
  for (const [what, broker] of Object.entries<unknown>({
    'no options': undefined,
    'no URL': {},
    'what is no URL': 'broker.local',
    'a URL without a host': 'mqtt:broker.local',
    'an empty host': 'mqtt://:1883',
    'another scheme': 'http://broker.local',
    'a scheme that every object has': 'constructor://broker.local',
    'a user in the URL': 'mqtt://mate@broker.local',
    'a password in the URL': `mqtt://mate:${SECRET}@broker.local`,
    'a query': 'ws://broker.local/mqtt?clientId=other',
    'a fragment': 'mqtt://broker.local#a',
    'a path without a WebSocket': 'mqtt://broker.local/mqtt',
    'port 0': 'mqtt://broker.local:0',
    'a host that is none': 'mqtt://a%20b',
    'an empty username': { url: 'mqtt://b', username: '' },
    'a username with NUL': { url: 'mqtt://b', username: 'a\0' },
    'a password that is no text': { url: 'mqtt://b', username: 'a', password: 47 },
    'a password that is too long': { url: 'mqtt://b', username: 'a', password: 'x'.repeat(65_536) },
    'a password without a username': { url: 'mqtt://b', password: SECRET },
    'a client ID for another level': { url: 'mqtt://b', clientId: 'a/b' },
    'an empty client ID': { url: 'mqtt://b', clientId: '' },
    'an identity that is none': { url: 'mqtts://b', identity: {} },
    'MQTT 3.1': { url: 'mqtt://b', protocolVersion: 3 },
    'a keep-alive in parts of a second': { url: 'mqtt://b', keepAlive: 0.5 },
    'a keep-alive that is too long': { url: 'mqtt://b', keepAlive: 65_536 },
    'a negative timeout': { url: 'mqtt://b', connectTimeout: -1 },
    'certificates that are none': { url: 'mqtts://b', trustedCertificates: 'no PEM' },
    'no certificates': { url: 'mqtts://b', trustedCertificates: [] },
    'a damaged certificate': {
      url: 'mqtts://b',
      trustedCertificates: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----',
    },
  })) {
    test(`has ${what}`, () => {
      let error: unknown;
      assert.throws(
        () => checkBroker('MqttEndpoint: broker', broker as BrokerOptions),
        (reason: unknown) => ((error = reason), true),
      );
      assert.ok(isHawserError(error), inspect(error));
      assert.equal(error.code, 'ARGUMENT_INVALID');
      assert.match(error.message, /^MqttEndpoint: broker/);
      assert.ok(!inspect(error).includes(SECRET));
    });
  }

  test('has an option that is not known', () => {
    const options = { url: 'mqtt://b', user: 'mate' } as BrokerOptions;
    assert.throws(() => checkBroker('test', options), { code: 'OPTION_UNKNOWN' });
  });

  test('has certificates and no TLS, in which they would be ignored', async () => {
    const identity = await selfSignedIdentity('pump');
    for (const url of ['mqtt://b', 'ws://b']) {
      assert.throws(() => checkBroker('test', { url, identity }), /use (mqtts|wss):/);
      assert.throws(() => checkBroker('test', { url, trustedCertificates: identity.certificate }), /use (mqtts|wss):/);
    }
  });

  test('is shown a certificate that is for listeners only', async () => {
    const identity = await selfSignedIdentity('pump', { keyUsages: ['serverAuth'] });
    assert.throws(() => checkBroker('test', { url: 'mqtts://b', identity }), { code: 'IDENTITY_UNSUITABLE' });
  });
});

describe('the URL of a broker', () => {
  for (const [given, [url, host, port, path, secure, webSocket]] of Object.entries({
    'mqtt://Broker.Local': ['mqtt://broker.local', 'broker.local', 1883, '', false, false],
    'mqtt://broker.local:1883/': ['mqtt://broker.local', 'broker.local', 1883, '', false, false],
    'mqtts://broker.local:1883': ['mqtts://broker.local:1883', 'broker.local', 1883, '', true, false],
    'mqtts://10.0.0.1': ['mqtts://10.0.0.1', '10.0.0.1', 8883, '', true, false],
    'mqtt://[::1]:2000': ['mqtt://[::1]:2000', '::1', 2000, '', false, false],
    'mqtt://bücher.example': ['mqtt://xn--bcher-kva.example', 'xn--bcher-kva.example', 1883, '', false, false],
    'mqtt://sensor_hub': ['mqtt://sensor_hub', 'sensor_hub', 1883, '', false, false],
    'ws://broker.local:80': ['ws://broker.local', 'broker.local', 80, '/', false, true],
    'wss://broker.local/mqtt': ['wss://broker.local/mqtt', 'broker.local', 443, '/mqtt', true, true],
    'wss://[fd00::1]:8084/a/b': ['wss://[fd00::1]:8084/a/b', 'fd00::1', 8084, '/a/b', true, true],
  } as const)) {
    test(`${given} leads to ${host}, port ${port}`, () => {
      const broker = checkBroker('test', given);
      const { url: kept, host: name, port: number, path: way, secure: isSecure, webSocket: isWebSocket } = broker;
      assert.deepEqual([kept, name, number, way, isSecure, isWebSocket], [url, host, port, path, secure, webSocket]);
    });
  }
});

describe('what is kept', () => {
  test('is complete, frozen, and no longer that of the caller', () => {
    const options = { url: 'mqtt://b', username: 'mate', keepAlive: 0, connectTimeout: 0 };
    const broker = checkBroker('test', options);
    options.username = 'other';
    assert.ok(Object.isFrozen(broker));
    assert.deepEqual([broker.username, broker.keepAlive, broker.connectTimeout], ['mate', 30, 15]);
    assert.deepEqual(
      [broker.protocolVersion, broker.clientId, broker.trustedCertificates],
      [undefined, undefined, undefined],
    );
  });

  test('takes certificates as they come: one, several, and PEM text of many', async () => {
    const [one, other] = [(await issue('one', { ca: true })).certificate, (await issue('other')).certificate];
    const names = (trustedCertificates: NonNullable<BrokerOptions['trustedCertificates']>) =>
      checkBroker('test', { url: 'mqtts://b', trustedCertificates }).trustedCertificates?.map(({ subject }) => subject);
    assert.deepEqual(names(one), ['CN=one']);
    assert.deepEqual(names(`# roots\n${one.toString()}\n${other.toString()}`), ['CN=one', 'CN=other']);
    assert.deepEqual(names([one.toString(), other]), ['CN=one', 'CN=other']);
  });

  test('shows no secret, however it is printed', async () => {
    const identity = await selfSignedIdentity('pump');
    const broker = checkBroker('test', { url: 'mqtts://b', username: 'mate', password: SECRET, identity });
    assert.equal(broker.password, SECRET);
    const keyLine = identity.privateKeyPem().split('\n')[2] as string;
    for (const text of [inspect(broker, { showHidden: true, depth: 9 }), JSON.stringify(broker)]) {
      assert.ok(!text.includes(SECRET) && !text.includes(keyLine), text);
    }
    assert.match(inspect(broker), /mate/);
    assert.match(inspect(broker), /\*\*\*/);
  });
});
