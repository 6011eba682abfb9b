/** The names of topics, from either side. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '../../src/base/index.js';
import {
  checkLevel,
  checkPrefix,
  ListenerTopics,
  newConnectionName,
  publishOverhead,
} from '../../transports/mqtt/topics.js';

const invalid = { code: 'ARGUMENT_INVALID' };
const CONNECTION = '0123456789abcdef';
const topics = new ListenerTopics('test', 'fleet/7', 'bridge');

describe('a prefix', () => {
  for (const [what, prefix] of Object.entries({
    'nothing at all': '',
    'a slash before it': '/fleet',
    'a slash after it': 'fleet/',
    'nothing between two slashes': 'fleet//7',
    'a slash alone': '/',
    'a plus': 'fleet/+',
    'a hash': 'fleet/#',
    'a dollar first': '$SYS',
    'a control character': 'fl\neet',
    'a NUL': 'fleet\0',
    'a control character of Latin-1': 'fl\u0085eet',
    'what is no character': 'fleet\uffff',
    'half a surrogate pair': 'fleet\ud800',
    '201 bytes': 'x'.repeat(201),
    '201 bytes of UTF-8': 'é'.repeat(100) + 'x',
    'a number': 7,
  })) {
    test(`may not be or have ${what}`, () => assert.throws(() => checkPrefix('test', prefix), invalid));
  }

  test('may have slashes, dollars inside, and up to 200 bytes', () => {
    for (const prefix of ['a', 'fleet/7/€', 'fleet/$7', 'x'.repeat(200), 'é'.repeat(100)]) checkPrefix('test', prefix);
  });
});

describe('a client ID or the name of a listener', () => {
  test('has 1 to 64 bytes, and nothing that means something in a topic', () => {
    for (const name of ['', 'a/b', '+', 'a#', 'a\tb', 'x'.repeat(65), 'é'.repeat(33), '\udc00', undefined, null, 7]) {
      assert.throws(() => checkLevel('test', name), invalid, String(name));
    }
    for (const name of ['a', 'engine room', '$1', 'x'.repeat(64), 'é'.repeat(32), '🛥️']) checkLevel('test', name);
  });

  test('is named in the message, with what is wrong', () => {
    assert.throws(
      () => new ListenerTopics('MqttEndpoint', 'fleet', 'a/b'),
      /MqttEndpoint: the name of the listener .*"\/"/,
    );
    assert.throws(() => new ListenerTopics('MqttEndpoint', '/', 'a'), /MqttEndpoint: the prefix must not begin or end/);
  });
});

describe('the topics of a listener', () => {
  test('are as they are written down', () => {
    assert.equal(topics.up('pump', CONNECTION), `fleet/7/v1/bridge/up/pump/${CONNECTION}`);
    assert.equal(topics.down('pump', CONNECTION), `fleet/7/v1/bridge/down/pump/${CONNECTION}`);
    assert.equal(topics.gone('pump'), 'fleet/7/v1/bridge/gone/pump');
    assert.equal(topics.present, 'fleet/7/v1/bridge/present');
    assert.equal(topics.everyUp, 'fleet/7/v1/bridge/up/+/+');
    assert.equal(topics.everyGone, 'fleet/7/v1/bridge/gone/+');
  });

  test('are read back', () => {
    const clientId = 'engine room é';
    assert.deepEqual(topics.parse(topics.up(clientId, CONNECTION)), { kind: 'up', clientId, connection: CONNECTION });
    assert.deepEqual(topics.parse(topics.down(clientId, CONNECTION)), {
      kind: 'down',
      clientId,
      connection: CONNECTION,
    });
    assert.deepEqual(topics.parse(topics.gone(clientId)), { kind: 'gone', clientId });
    assert.deepEqual(topics.parse(topics.present), { kind: 'present' });
  });

  test('may be called like a part of them', () => {
    const nested = new ListenerTopics('test', 'v1/up', 'up');
    assert.deepEqual(nested.parse(nested.gone('gone')), { kind: 'gone', clientId: 'gone' });
    assert.deepEqual(nested.parse('v1/up/v1/up/present'), { kind: 'present' });
  });

  for (const topic of [
    '',
    'fleet/7',
    'fleet/7/v1/bridge',
    'fleet/7/v1/bridge/',
    'fleet/7/v1/bridge/other',
    'fleet/7/v1/bridge/present/x',
    'fleet/7/v1/bridge2/present',
    'fleet/7/v2/bridge/present',
    'fleet/8/v1/bridge/present',
    'x/fleet/7/v1/bridge/present',
    `fleet/7/v1/bridge/up/pump`,
    `fleet/7/v1/bridge/up//${CONNECTION}`,
    `fleet/7/v1/bridge/up/pump/${CONNECTION}/x`,
    `fleet/7/v1/bridge/up/pump/${CONNECTION.toUpperCase()}`,
    `fleet/7/v1/bridge/up/pump/${CONNECTION}0`,
    `fleet/7/v1/bridge/up/pump/${CONNECTION.slice(1)}`,
    `fleet/7/v1/bridge/up/pump/${CONNECTION}\n`,
    `fleet/7/v1/bridge/up/${'x'.repeat(65)}/${CONNECTION}`,
    `fleet/7/v1/bridge/over/pump/${CONNECTION}`,
    'fleet/7/v1/bridge/gone',
    'fleet/7/v1/bridge/gone/',
    'fleet/7/v1/bridge/gone/a\u0007',
    'fleet/7/v1/bridge/gone/pump/x',
  ]) {
    test(`do not include ${JSON.stringify(topic.slice(0, 60))}`, () => assert.equal(topics.parse(topic), undefined));
  }
});

test('the name of a connection is 16 lower-case hex digits, from the random source', () => {
  const name = newConnectionName(seededRandom(1));
  assert.match(name, /^[0-9a-f]{16}$/);
  assert.equal(newConnectionName(seededRandom(1)), name);
  assert.notEqual(newConnectionName(seededRandom(2)), name);
});

test('the overhead of a publish counts the topic in bytes', () => {
  assert.equal(publishOverhead('é') - publishOverhead(''), 2);
});
