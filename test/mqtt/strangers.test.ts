/**
 * Strangers at a broker without access rules, who publish whatever they like on the topics of a listener: what they cost is
 * bounded, and an honest device syncs all the while.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { deferred, seededRandom, systemClock } from '../../src/base/index.js';
import type { HawserError } from '../../src/index.js';
import { startData } from '../../transports/link/machine/packet.js';
import { ListenerTopics } from '../../transports/mqtt/topics.js';
import { countingClock } from '../support/counting-clock.js';
import { mosquittoProblem } from '../support/mosquitto.js';
import { assertExchange, nextEnd, nextOffline } from '../support/mqtt-peers.js';
import { besiege } from '../support/siege-of-a-bridge.js';
import { hello } from '../support/stranger.js';

const SETTINGS = { skip: mosquittoProblem() ?? false, timeout: 120_000 };
const topics = new ListenerTopics('test', 'hawser', 'bridge');
const EVERY_DOWN = 'hawser/v1/bridge/down/+/+';
const SEED = 5;

/** The name of the connection with that number. */
const nameOf = (number: number): string => number.toString(16).padStart(16, '0');

describe('a stranger', SETTINGS, () => {
  test(`who publishes noise everywhere disturbs nobody, seed ${SEED}`, async (context) => {
    const { stranger, refusals, assertUndisturbed } = await besiege(context);
    const random = seededRandom(SEED);
    const below = (rest: string): string => `hawser/v1/bridge${rest}`;
    const everywhere = [
      ...[topics.up('pump', nameOf(1)), topics.up('x', nameOf(2)), topics.down('pump', nameOf(1)), topics.gone('x')],
      ...['', '/', '/up', '/up/pump', '/up/pump/1', `/up/pump/${nameOf(1)}/more`].map(below),
      ...[`/up//${nameOf(1)}`, '/down/pump', '/gone', '/gone//', '/gone/x/y', '/present/x', '/other'].map(below),
    ];
    for (let round = 0; round < 20; round++) {
      for (const topic of everywhere) {
        // Half of it begins like a packet of a link.
        const noise = random.bytes(Math.floor(random.next() * 200));
        if (noise.length > 0 && random.next() < 0.5) noise[0] = 0x10 * (1 + Math.floor(random.next() * 7));
        stranger.client.publish(topic, noise);
      }
    }
    await assertUndisturbed();
    assert.deepEqual(refusals, []);
  });

  test('whose noise the broker keeps is not heard by who comes later', async (context) => {
    const { stranger, listener, honest, near, far, refusals, troubles } = await besiege(context);
    for (const topic of [
      topics.up('x', nameOf(1)),
      topics.gone('pump'),
      topics.gone('x'),
      topics.down('pump', nameOf(1)),
    ]) {
      stranger.client.publish(topic, hello(), { retain: true });
    }
    stranger.client.publish(topics.present, Buffer.from('noise'), { retain: true });
    const ended = nextEnd(listener); // for a message on `gone` reaches at once who listens already
    await listener.stop();
    await ended;
    await stranger.client.subscribe([EVERY_DOWN]);
    await listener.start();
    await honest.whenIdle();
    await assertExchange(near, far);
    assert.deepEqual([refusals, troubles], [[], []]);
    assert.ok(
      stranger.received.every(({ topic }) => !topic.includes('/down/x/')),
      'nobody was greeted for an old hello',
    );
  });

  test('who says hello under thousands of names costs little', async (context) => {
    const clock = countingClock();
    const { stranger, assertUndisturbed } = await besiege(context, { clock });
    await stranger.client.subscribe([EVERY_DOWN]);
    const unmade = (): number => clock.pending().filter((timer) => timer === 'timer of 15000 ms').length;
    const FLOOD = 3_000;
    for (let number = 0; number < FLOOD; number++) {
      stranger.client.publish(topics.up(`device-${number}`, nameOf(number)), hello());
    }
    for (let welcomed = 0; welcomed < FLOOD;) {
      const { topic } = await stranger.next();
      if (topic.startsWith('hawser/v1/bridge/down/device-')) welcomed++;
      assert.ok(unmade() <= 256, `${unmade()} connections are not made`);
    }
    assert.equal(unmade(), 256);
    await assertUndisturbed();
  });

  test('who speaks on connections that there are not is told so 20 times a second at the most', async (context) => {
    const { stranger, assertUndisturbed } = await besiege(context);
    await stranger.client.subscribe([EVERY_DOWN]);
    const from = systemClock.monotonic();
    for (let number = 0; number < 500; number++) {
      stranger.client.publish(topics.up('x', nameOf(number)), startData(1 + number, 0, 10));
    }
    stranger.client.publish(topics.up('y', nameOf(1)), hello());
    let resets = 0;
    for (let topic = ''; !topic.includes('/down/y/');) {
      const next = await stranger.next();
      topic = next.topic;
      if (topic.includes('/down/x/')) resets++;
    }
    const seconds = Math.ceil((systemClock.monotonic() - from) / 1_000);
    assert.ok(resets >= 20 && resets <= 20 * (seconds + 1), `${resets} resets in ${seconds} s`);
    await assertUndisturbed();
  });

  test('who publishes what is too large is heard by nobody, with MQTT 5', async (context) => {
    const { stranger, assertUndisturbed } = await besiege(context);
    stranger.client.publish(topics.up('x', nameOf(1)), new Uint8Array(2_000_000));
    stranger.client.publish(topics.up('pump', nameOf(1)), new Uint8Array(200_000));
    await assertUndisturbed();
  });

  test('and with 3.1.1 costs the listener its connection, which comes back', async (context) => {
    const { stranger, listener, troubles, honest, near, far } = await besiege(context, {}, { protocolVersion: 4 });
    const offline = nextOffline(honest);
    const trouble = deferred<HawserError>();
    listener.on('error', (error) => trouble.resolve(error));
    stranger.client.publish(topics.up('x', nameOf(1)), new Uint8Array(2_000_000));
    assert.match((await trouble.promise).message, /a packet of 20000\d\d bytes came, which is too large/);
    assert.equal((await offline)?.code, 'CONNECTION_LOST');
    await assertExchange(near, far);
    assert.equal(troubles.length, 1);
  });

  test('who makes a link and says no more is given up after handshakeTimeout, and told of once', async (context) => {
    const { stranger, refusals, listener, assertUndisturbed } = await besiege(context, {
      limits: { handshakeTimeout: 1 },
    });
    const refused = deferred();
    listener.on('refused', () => refused.resolve());
    await stranger.makeLink(topics, 'x');
    await assertUndisturbed();
    await refused.promise;
    await assertUndisturbed();
    assert.deepEqual(
      refusals.map(({ address, error }) => [address, error.code]),
      [['mqtt:x', 'CONNECTION_TIMEOUT']],
    );
  });

  test('who makes a link and speaks no TLS is turned away, and told of once', async (context) => {
    const { stranger, refusals, listener, assertUndisturbed } = await besiege(context);
    const refused = deferred();
    listener.on('refused', () => refused.resolve());
    const link = await stranger.makeLink(topics, 'x');
    link.send(Buffer.from('GET / HTTP/1.1\r\n\r\n'));
    await refused.promise;
    await assertUndisturbed();
    assert.deepEqual(
      refusals.map(({ address, error }) => [address, error.code]),
      [['mqtt:x', 'TLS_HANDSHAKE_FAILED']],
    );
  });

  test('who makes links without end gets no more than the limits allow', async (context) => {
    const limits = { maxHandshakesPerAddress: 4 };
    const { stranger, refusals, listener, assertUndisturbed } = await besiege(context, { limits });
    const tenRefused = deferred();
    listener.on('refused', () => void (refusals.length === 10 && tenRefused.resolve()));
    for (let number = 0; number < 14; number++) await stranger.makeLink(topics, 'x');
    await tenRefused.promise;
    await assertUndisturbed();
    assert.deepEqual([...new Set(refusals.map(({ error }) => error.code))], ['LISTENER_BUSY']);
  });
});
