/**
 * Somebody at a broker without access rules who hears all packets and forges others: whom he means begins anew at worst, and is
 * never stopped for good.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodeAcknowledgement, encodeClose, encodeReset, startData } from '../../transports/link/machine/packet.js';
import { ListenerTopics } from '../../transports/mqtt/topics.js';
import { mosquittoProblem } from '../support/mosquitto.js';
import { assertExchange, nextEnd, nextOffline } from '../support/mqtt-peers.js';
import { besiege, type Siege } from '../support/siege-of-a-bridge.js';

const SETTINGS = { skip: mosquittoProblem() ?? false, timeout: 120_000 };
const topics = new ListenerTopics('test', 'hawser', 'bridge');
const NOTHING = { next: 0, credit: 0, ahead: [], wantsAnswer: false };

describe('an eavesdropper who', SETTINGS, () => {
  /** The honest device goes offline, and syncs again by itself. */
  const assertRecovers = async ({ near, far, honest, troubles }: Siege, attack: () => void): Promise<void> => {
    const offline = nextOffline(honest);
    attack();
    await near.metrics.save('noticed with the next packet', {});
    assert.equal((await offline)?.retryable, true);
    await assertExchange(near, far);
    assert.deepEqual(troubles, []);
  };

  test('says that a device is gone ends its connection, and it returns', async (context) => {
    const met = await besiege(context);
    const ended = nextEnd(met.listener);
    await assertRecovers(met, () => met.stranger.client.publish(topics.gone('pump'), new Uint8Array(0)));
    assert.equal((await ended).error?.code, 'CONNECTION_LOST');
  });

  test('says that the listener is gone ends all connections, and they return', async (context) => {
    const met = await besiege(context);
    const ended = nextEnd(met.listener);
    await assertRecovers(met, () => met.stranger.client.publish(topics.present, new Uint8Array(0)));
    assert.match(
      (await ended).error?.message ?? '',
      /has gone/,
      'the listener is told, and need not wait for its silence',
    );
    assert.equal(met.listener.status.connectionCount, 1);
  });

  /** What the packets of both directions are for, and where they go. */
  const eavesdrop = async ({ stranger, near, far }: Siege) => {
    await stranger.client.subscribe([topics.everyUp, 'hawser/v1/bridge/down/+/+']);
    const exchange = assertExchange(near, far);
    const tags = new Map<'up' | 'down', { readonly topic: string; readonly tag: number }>();
    while (tags.size < 2) {
      const { topic, payload } = await stranger.next();
      const tag = Buffer.from(payload).readUIntBE(1, 3);
      tags.set(topic.includes('/up/') ? 'up' : 'down', { topic, tag });
    }
    await exchange;
    const { up = assert.fail(), down = assert.fail() } = Object.fromEntries(tags);
    return { up: { ...up, otherTag: down.tag }, down: { ...down, otherTag: up.tag } };
  };

  for (const [what, forge] of [
    ['ends a link in the name of the other end', ({ tag }) => encodeClose(tag, 1008, 'go away for ever', 500)],
    ['says that there is no link', ({ otherTag }) => encodeReset(otherTag)],
    ['puts in words of his own', ({ tag }) => startData(tag, 0, 100)],
    ['says what nobody can have said', ({ tag }) => encodeAcknowledgement(tag, { ...NOTHING, next: 1_000 }, 500)],
  ] as const satisfies [string, (heard: { readonly tag: number; readonly otherTag: number }) => Uint8Array][]) {
    for (const direction of ['up', 'down'] as const) {
      test(`${what}, ${direction}, makes them begin anew at worst`, async (context) => {
        const met = await besiege(context);
        const heard = (await eavesdrop(met))[direction];
        met.stranger.client.publish(heard.topic, forge(heard));
        await assertExchange(met.near, met.far);
        await met.honest.whenIdle();
      });
    }
  }
});
