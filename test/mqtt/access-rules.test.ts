/** The configuration of Mosquitto that the README shows, as it stands there: who can do what, and to whom not. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test, type TestContext } from 'node:test';
import { MqttEndpointListener, type BrokerOptions } from '../../transports/mqtt/index.js';
import { ListenerTopics } from '../../transports/mqtt/topics.js';
import { BrokerRecorder, failureOf } from '../support/broker-recorder.js';
import { cleanup } from '../support/cleanup.js';
import {
  localhostIdentity,
  mosquittoPasswordLine,
  mosquittoProblem,
  startConfiguredMosquitto,
} from '../support/mosquitto.js';
import { assertExchange, startBridge, startDevice } from '../support/mqtt-peers.js';
import { openPeer } from '../support/peers.js';
import { hello } from '../support/stranger.js';

const readme = readFileSync(new URL('../../transports/mqtt/README.md', import.meta.url), 'utf8');
const topics = new ListenerTopics('test', 'hawser', 'bridge');
const NAME = '0123456789abcdef';
const USERS = ['bridge', 'pump', 'tank'];

function block(language: string): string {
  return new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'm').exec(readme)?.[1] ?? assert.fail(`no ${language}`);
}

async function startBroker(context: TestContext) {
  const identity = await localhostIdentity();
  const files = {
    'certs/broker.crt': identity.certificatePem(),
    'certs/broker.key': identity.privateKeyPem(),
    'hawser.passwords': USERS.map((user) => mosquittoPasswordLine(user, `${user}'s`)).join(''),
    'hawser.acl': block('acl'),
  };
  return startConfiguredMosquitto(context, block('conf'), files, identity);
}

for (const protocolVersion of [5, 4] as const) {
  describe(
    `with the configuration of the README, MQTT ${protocolVersion}`,
    {
      skip: mosquittoProblem() ?? false,
      timeout: 120_000,
    },
    () => {
      const meet = async (context: TestContext) => {
        const broker = await startBroker(context);
        const as = (user: string): BrokerOptions => ({
          ...{ url: broker.url('mqtts'), trustedCertificates: broker.identity.certificate, protocolVersion },
          ...{ username: user, password: `${user}'s`, clientId: user },
        });
        const [far, near] = [await openPeer(context, 'far'), await openPeer(context, 'near')];
        const listener = await startBridge(context, far, as('bridge'));
        const device = await startDevice(context, near, as('pump'));
        const statuses: string[] = [];
        device.on('status', ({ activity }) => void statuses.push(activity));
        /** The session of the pump is the same still. */
        const assertUndisturbed = async (): Promise<void> => {
          await assertExchange(near, far);
          assert.ok(!statuses.includes('offline'), statuses.join(', '));
          assert.deepEqual(
            listener.peers.map(({ address }) => address),
            ['mqtt:pump'],
          );
        };
        const tank = (options?: Parameters<typeof BrokerRecorder.connect>[2]): Promise<BrokerRecorder> =>
          BrokerRecorder.connect(context, as('tank'), { clientId: 'tank', ...options });
        return { broker, as, far, near, listener, assertUndisturbed, tank };
      };
      /** What it has published before has been judged when its own topic brings this. */
      const marked = async (recorder: BrokerRecorder): Promise<string[]> => {
        const marker = topics.down('tank', NAME);
        await recorder.client.subscribe([marker]);
        recorder.publish(marker, 'marker');
        const before: string[] = [];
        for (;;) {
          const { topic } = await recorder.next();
          if (topic === marker) return before;
          before.push(topic);
        }
      };

      test('a device syncs under its own ID', async (context) => {
        const { assertUndisturbed } = await meet(context);
        await assertUndisturbed();
      });

      test('what a device publishes on the topics of another reaches nobody', async (context) => {
        const { assertUndisturbed, listener, far, tank } = await meet(context);
        const refusals: unknown[] = [];
        listener.on('refused', (refusal) => refusals.push(refusal));
        const other = await tank();
        for (const topic of [
          topics.up('pump', NAME),
          topics.down('pump', NAME),
          topics.up('new', NAME),
          topics.present,
        ]) {
          other.client.publish(topic, hello());
          other.client.publish(topic, hello(), { retain: true });
          other.client.publish(topic, new Uint8Array(0), { retain: true });
        }
        assert.deepEqual(await marked(other), []);
        await assertUndisturbed();
        assert.deepEqual(refusals, []);
        assert.equal(await far.metrics.count(), 2);
      });

      test('a device cannot end the session of another', async (context) => {
        const { assertUndisturbed, tank } = await meet(context);
        const other = await tank({ will: { topic: topics.gone('pump'), payload: new Uint8Array(0), retain: false } });
        other.publish(topics.gone('pump'), '');
        assert.deepEqual(await marked(other), []);
        // Its will is judged as whatever it publishes.
        const again = await tank();
        await other.lost;
        assert.deepEqual(await marked(again), []);
        await assertUndisturbed();
      });

      test('nor by taking its ID, which is that of who knows the password', async (context) => {
        const { as, assertUndisturbed } = await meet(context);
        const posing = await BrokerRecorder.connect(context, as('tank'), { clientId: 'pump' });
        assert.deepEqual(await marked(posing), []);
        await assertUndisturbed();
        const wrong = new BrokerRecorder(context, { ...as('pump'), password: "tank's" });
        assert.equal((await failureOf(wrong.client.connect())).code, 'BROKER_ACCESS_DENIED');
        await assertUndisturbed();
      });

      test('a device hears nothing that is for others', async (context) => {
        const { assertUndisturbed, tank } = await meet(context);
        const other = await tank();
        const wide = ['#', 'hawser/v1/bridge/#', topics.everyUp, topics.everyGone, 'hawser/v1/bridge/down/+/+'];
        for (const topic of wide) await other.client.subscribe([topic]).catch(() => undefined);
        await assertUndisturbed();
        const heard = await marked(other);
        assert.deepEqual(
          heard.filter((topic) => topic !== topics.present),
          [],
        );
      });

      test('may see whether the listener is there', async (context) => {
        const { listener, tank } = await meet(context);
        const other = await tank();
        await other.client.subscribe([topics.present]);
        assert.deepEqual(await other.next(), { topic: topics.present, text: '1', retained: true });
        await listener.stop();
        assert.equal((await other.next()).text, '');
      });

      test('a device that poses as the listener is not found by anybody', async (context) => {
        const { as, assertUndisturbed, far } = await meet(context);
        const third = await openPeer(context, 'third');
        const impostor = new MqttEndpointListener({
          ...{ collections: [third.metrics], name: 'bridge', broker: { ...as('tank'), clientId: 'hawser-bridge' } },
        });
        cleanup(context, () => impostor.stop());
        await impostor.start(); // Mosquitto grants every subscription, and delivers what may be read
        const device = await openPeer(context, 'device');
        const found = await startDevice(context, device, as('pump'));
        await found.stop();
        assert.equal(await device.metrics.count(), await far.metrics.count());
        await impostor.stop();
        await assertUndisturbed();
        assert.equal(impostor.status.connectionCount, 0);
        assert.equal(await third.metrics.count(), 0);
      });
    },
  );
}
