/** A listener at a broker: that it is there, that it is gone, and who is with it. */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { deferred } from '../../src/base/index.js';
import type { HawserError } from '../../src/errors.js';
import { ListenerTopics } from '../../transports/mqtt/topics.js';
import { BrokerRecorder, failureOf } from '../support/broker-recorder.js';
import { startChild } from '../support/child-process.js';
import { countingClock } from '../support/counting-clock.js';
import { mosquittoProblem, startMosquitto, type Mosquitto } from '../support/mosquitto.js';
import { assertExchange, bridgeOf, deviceOf, nextOffline, startBridge, startDevice } from '../support/mqtt-peers.js';
import { contents, openPeer, whenChanged, type Peer } from '../support/peers.js';
import { unusedPort } from '../support/raw-servers.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const topics = new ListenerTopics('test', 'hawser', 'bridge');
const SETTINGS = { skip: mosquittoProblem() ?? false, timeout: 120_000 };
/** Nothing in these tests is to be noticed by it. */
const keepAlive = 3_600;

/** What there is to read for who comes now. */
async function presence(context: TestContext, broker: Mosquitto): Promise<string> {
  const watcher = await BrokerRecorder.connect(context, broker.url());
  await watcher.client.subscribe([topics.present]);
  watcher.publish(topics.present, 'nothing');
  const { text } = await watcher.next();
  await watcher.client.end();
  return text;
}

describe('a listener', SETTINGS, () => {
  test('is there from start to stop, as often as one likes, and devices come back to it', async (context) => {
    const broker = await startMosquitto(context);
    const [far, near] = [await openPeer(context, 'far'), await openPeer(context, 'near')];
    const clock = countingClock();
    const listener = bridgeOf(context, far, broker.url(), { clock });
    assert.deepEqual(
      [listener.name, listener.isListening, await presence(context, broker)],
      ['bridge', false, 'nothing'],
    );
    await listener.start();
    assert.deepEqual([listener.isListening, await presence(context, broker)], [true, '1']);
    const device = await startDevice(context, near, { url: broker.url(), keepAlive, clientId: 'pump' });
    for (let round = 0; round < 2; round++) {
      await assertExchange(near, far);
      const offline = nextOffline(device);
      await listener.stop();
      assert.equal((await offline)?.code, 'CONNECTION_CLOSED_BY_PEER');
      assert.deepEqual([listener.isListening, listener.status.connectionCount], [false, 0]);
      assert.deepEqual([await presence(context, broker), clock.pending()], ['nothing', []]);
      await Promise.all([listener.start(), listener.start()]);
    }
    await assertExchange(near, far);
  });

  test('says who is there', async (context) => {
    const broker = await startMosquitto(context);
    const [far, near] = [await openPeer(context, 'far'), await openPeer(context, 'near')];
    const listener = await startBridge(context, far, broker.url());
    const activities: string[] = [];
    const gone = deferred();
    listener.on('connection', ({ activity, address }) => {
      activities.push(`${activity} ${address}`);
      if (activity === 'stopped') gone.resolve();
    });
    assert.deepEqual([listener.status, listener.peers], [{ connectionCount: 0, activeConnectionCount: 0 }, []]);
    const device = await startDevice(context, near, { url: broker.url(), clientId: 'pump' });
    assert.equal(listener.status.connectionCount, 1);
    assert.equal(listener.peers[0]?.address, 'mqtt:pump');
    await device.stop();
    await gone.promise;
    assert.deepEqual(activities.at(0), 'idle mqtt:pump');
    assert.deepEqual(activities.at(-1), 'stopped mqtt:pump');
    assert.deepEqual(listener.peers, []);
  });

  test('ends with its database', async (context) => {
    const broker = await startMosquitto(context);
    const [far, near] = [await openPeer(context, 'far'), await openPeer(context, 'near')];
    const listener = await startBridge(context, far, broker.url());
    const device = await startDevice(context, near, { url: broker.url(), keepAlive });
    const offline = nextOffline(device);
    await far.database.close();
    assert.equal((await offline)?.code, 'CONNECTION_CLOSED_BY_PEER');
    assert.deepEqual([listener.isListening, await presence(context, broker)], [false, 'nothing']);
  });

  test('that is killed is missed at once, and so is the empty place it leaves', async (context) => {
    const broker = await startMosquitto(context);
    const near = await openPeer(context, 'near');
    const folder = await temporaryDirectory(context);
    const start = async (): Promise<ReturnType<typeof startChild>> => {
      const child = startChild(context, 'mqtt-sync-process.ts', ['listen', folder, broker.url()]);
      assert.equal(await child.line(), 'listening', child.errors());
      return child;
    };
    const child = await start();
    const device = await startDevice(context, near, { url: broker.url(), keepAlive });
    const offline = nextOffline(device);
    await child.kill();
    assert.match((await offline)?.message ?? '', /has gone/);
    assert.equal(await presence(context, broker), 'nothing');
    await near.metrics.save('meanwhile', {});
    await start();
    await device.whenIdle();
    assert.equal(await device.isDocumentPending('meanwhile', near.metrics), false);
  });

  test('serves many devices at a time', async (context) => {
    const broker = await startMosquitto(context);
    const far = await openPeer(context, 'far');
    const listener = await startBridge(context, far, broker.url());
    const [DEVICES, PER_DEVICE] = [20, 10];
    const peers = await Promise.all(Array.from({ length: DEVICES }, (_, index) => openPeer(context, `near ${index}`)));
    for (const [index, { metrics }] of peers.entries()) {
      for (let number = 0; number < PER_DEVICE; number++) await metrics.save(`${index}-${number}`, { number });
    }
    const devices = peers.map((peer, index) =>
      deviceOf(context, peer, { url: broker.url(), clientId: `device-${index}` }),
    );
    for (const device of devices) device.start();
    const hasAll = ({ metrics }: Peer): Promise<void> =>
      whenChanged(metrics, async () => (await metrics.count()) === PER_DEVICE * DEVICES);
    await Promise.all([far, ...peers].map(hasAll));
    assert.equal(listener.status.connectionCount, DEVICES);
    for (const { metrics } of peers) assert.deepEqual(await contents(metrics), await contents(far.metrics));
  });
});

describe('a listener does not start', SETTINGS, () => {
  test('with a wrong password', async (context) => {
    const broker = await startMosquitto(context, { users: { bridge: 'right' } });
    const far = await openPeer(context, 'far');
    for (const protocolVersion of [5, 4] as const) {
      const options = { url: broker.url(), username: 'bridge', password: 'wrong', protocolVersion };
      const listener = bridgeOf(context, far, options);
      const { code, recoverable } = await failureOf(listener.start());
      assert.deepEqual([code, recoverable, listener.isListening], ['BROKER_ACCESS_DENIED', false, false]);
    }
  });

  test('at a broker that is not trusted', async (context) => {
    const broker = await startMosquitto(context, { listeners: ['mqtts'] });
    const far = await openPeer(context, 'far');
    const listener = bridgeOf(context, far, broker.url('mqtts'));
    assert.equal((await failureOf(listener.start())).code, 'TLS_CERTIFICATE_UNTRUSTED');
    assert.equal(listener.isListening, false);
  });

  test('at a broker that is not there, and does when it is', async (context) => {
    const broker = await startMosquitto(context);
    const far = await openPeer(context, 'far');
    const clock = countingClock();
    const nowhere = bridgeOf(context, far, `mqtt://127.0.0.1:${await unusedPort()}`, { clock });
    assert.equal((await failureOf(nowhere.start())).code, 'CONNECTION_REFUSED');
    const listener = bridgeOf(context, far, broker.url(), { clock });
    await broker.kill();
    assert.equal((await failureOf(listener.start())).code, 'CONNECTION_REFUSED');
    assert.deepEqual([listener.isListening, clock.pending()], [false, []]);
    await broker.restart();
    await listener.start();
    assert.equal(await presence(context, broker), '1');
  });

  test('when it is stopped meanwhile', async (context) => {
    const broker = await startMosquitto(context);
    const far = await openPeer(context, 'far');
    const listener = bridgeOf(context, far, broker.url());
    const starting = listener.start().catch((error: HawserError) => error.code);
    await listener.stop();
    assert.equal(await starting, 'LISTENER_STOPPED');
    assert.deepEqual([listener.isListening, await presence(context, broker)], [false, 'nothing']);
    await listener.start();
    assert.equal(await presence(context, broker), '1');
  });
});

describe('two listeners at one broker', SETTINGS, () => {
  test('are kept apart by their names, and by the prefix', async (context) => {
    const broker = await startMosquitto(context);
    const places = [{ name: 'bridge' }, { name: 'engine room' }, { name: 'bridge', prefix: 'other/fleet' }];
    for (const [index, place] of places.entries()) {
      const far = await openPeer(context, 'far');
      await startBridge(context, far, { url: broker.url(), clientId: `listener-${index}` }, place);
      await far.metrics.save(`of ${index}`, {});
    }
    const ids: string[] = [];
    for (const [index, { name, ...prefix }] of places.entries()) {
      const near = await openPeer(context, 'near');
      const endpoint = { peer: name, ...prefix };
      await startDevice(context, near, { url: broker.url(), clientId: `device-${index}` }, { endpoint });
      for await (const { id } of near.metrics.documents()) ids.push(id);
    }
    assert.deepEqual(ids, ['of 0', 'of 1', 'of 2']);
  });

  test('of one name: the second takes the place of the first, which says so', async (context) => {
    const broker = await startMosquitto(context);
    const [far, near] = [await openPeer(context, 'far'), await openPeer(context, 'near')];
    const first = await startBridge(context, far, broker.url());
    const reported = deferred<HawserError>();
    first.on('error', (error) => reported.resolve(error));
    const device = await startDevice(context, near, { url: broker.url(), keepAlive, clientId: 'pump' });
    const offline = nextOffline(device);
    const second = await startBridge(context, await openPeer(context, 'far'), broker.url());
    const { code, message } = await reported.promise;
    assert.equal(code, 'CONNECTION_LOST');
    assert.match(message, /another client (has )?connected with the ID "hawser-bridge"/);
    assert.equal((await offline)?.code, 'CONNECTION_LOST');
    await first.stop(); // as whoever reads that does
    await second.stop();
  });
});
