/** What happens to brokers, lines and processes while devices replicate: each is noticed at once, and nothing is lost. */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { deferred, type Replicator } from '../../src/index.js';
import { MqttEndpoint } from '../../transports/mqtt/index.js';
import { BrokerRecorder } from '../support/broker-recorder.js';
import { startChild } from '../support/child-process.js';
import { cleanup } from '../support/cleanup.js';
import { mosquittoProblem, startMosquitto, type MosquittoOptions } from '../support/mosquitto.js';
import { assertExchange, deviceOf, nextEnd, nextOffline, startBridge, startDevice } from '../support/mqtt-peers.js';
import { contents, openPeer, whenChanged, type Peer } from '../support/peers.js';
import { TcpRelay } from '../support/tcp-relay.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const SETTINGS = { skip: mosquittoProblem() ?? false, timeout: 120_000 };
/** Nothing is to be noticed by it, but where it is the matter. */
const keepAlive = 3_600;

async function meet(context: TestContext, options?: MosquittoOptions) {
  const broker = await startMosquitto(context, options);
  return { broker, url: broker.url(), far: await openPeer(context, 'far'), near: await openPeer(context, 'near') };
}

async function relayTo(
  context: TestContext,
  port: number,
): Promise<{ readonly relay: TcpRelay; readonly url: string }> {
  const relay = await TcpRelay.start(port);
  cleanup(context, () => relay.close());
  return { relay, url: `mqtt://127.0.0.1:${relay.port}` };
}

async function fill({ name, metrics }: Peer, count: number, padding = ''): Promise<void> {
  const save = (index: number): Promise<unknown> => metrics.save(`${name}-${index}`, { index, padding });
  await Promise.all(Array.from({ length: count }, (_, index) => save(index)));
}

async function assertEqual(near: Peer, far: Peer, count: number): Promise<void> {
  assert.equal(await far.metrics.count(), count);
  assert.deepEqual(await contents(near.metrics), await contents(far.metrics));
}

/** The first documents are through. */
function begun(replicator: Replicator): Promise<void> {
  const first = deferred();
  replicator.on('documents', () => first.resolve());
  return first.promise;
}

describe('a device', SETTINGS, () => {
  test('whose line is cut is missed by the listener at once, and comes back', async (context) => {
    const { broker, far, near } = await meet(context);
    const { relay, url } = await relayTo(context, broker.port());
    const listener = await startBridge(context, far, { url: broker.url(), keepAlive });
    const device = await startDevice(context, near, { url, keepAlive, clientId: 'pump' });
    const [ended, offline] = [nextEnd(listener), nextOffline(device)];
    relay.cut();
    const { error, address } = await ended;
    assert.deepEqual([error?.code, address], ['CONNECTION_LOST', 'mqtt:pump']);
    assert.match(error?.message ?? '', /the broker has lost it/);
    assert.equal((await offline)?.code, 'CONNECTION_LOST');
    await assertExchange(near, far);
    assert.equal(listener.status.connectionCount, 1);
  });

  test('that is killed is missed at once', async (context) => {
    const { url, far } = await meet(context);
    const listener = await startBridge(context, far, { url, keepAlive });
    const child = startChild(context, 'mqtt-sync-process.ts', [
      'replicate',
      await temporaryDirectory(context),
      url,
      'pump',
    ]);
    for (let line = ''; !line.startsWith('idle');) line = (await child.line()) ?? assert.fail(child.errors());
    const ended = nextEnd(listener);
    await child.kill();
    assert.match((await ended).error?.message ?? '', /the broker has lost it/);
    assert.equal(listener.status.connectionCount, 0);
  });

  test('whose ID another client takes loses its session, and tries again', async (context) => {
    const { url, far, near } = await meet(context);
    const listener = await startBridge(context, far, { url, keepAlive });
    const device = await startDevice(context, near, { url, keepAlive, clientId: 'pump' });
    const [ended, offline] = [nextEnd(listener), nextOffline(device)];
    const other = await BrokerRecorder.connect(context, url, { clientId: 'pump' });
    const error = await offline;
    assert.deepEqual([error?.code, error?.retryable], ['CONNECTION_LOST', true]);
    assert.match(error?.message ?? '', /another client (has )?connected with the ID "pump"/);
    assert.equal((await ended).error?.code, 'CONNECTION_LOST');
    await other.lost; // by the device, which comes back
    await assertExchange(near, far);
  });

  test('that reaches the broker under another address goes on from its checkpoint', async (context) => {
    const { broker, far, near } = await meet(context);
    const [one, other] = [await relayTo(context, broker.port()), await relayTo(context, broker.port())];
    await startBridge(context, far, broker.url());
    await fill(near, 400, 'x'.repeat(200));
    const first = await startDevice(context, near, { url: one.url, clientId: 'pump' });
    await first.stop();
    await near.metrics.save('one more', {});
    const told: string[] = [];
    const second = deviceOf(context, near, { url: other.url, clientId: 'pump' });
    second.on('documents', ({ documents }) => told.push(...documents.map(({ id }) => id)));
    second.start();
    await second.whenIdle();
    await second.stop();
    assert.deepEqual(told, ['one more']);
    const cost = other.relay.receivedFromClients / one.relay.receivedFromClients;
    assert.ok(cost < 0.5, `${other.relay.receivedFromClients} bytes, after ${one.relay.receivedFromClients}`);
    await assertEqual(near, far, 401);
  });
});

describe('a broker', SETTINGS, () => {
  test('that is killed in the middle of a replication and restarted has lost nothing', async (context) => {
    const { broker, url, far, near } = await meet(context);
    await fill(near, 2_000, 'x'.repeat(100));
    await fill(far, 500);
    await startBridge(context, far, { url, keepAlive });
    const device = deviceOf(context, near, { url, keepAlive, clientId: 'pump' });
    const half = begun(device);
    device.start();
    await half;
    const offline = nextOffline(device);
    await broker.kill();
    assert.equal((await offline)?.code, 'CONNECTION_LOST');
    await near.metrics.save('meanwhile', {});
    await broker.restart();
    await device.whenIdle();
    await assertEqual(near, far, 2_501);
  });

  test('that falls asleep is given up, and used again when it wakes up', async (context) => {
    const { broker, url, far, near } = await meet(context);
    const sleepy = { url, keepAlive: 1, connectTimeout: 1 };
    const listener = await startBridge(context, far, { ...sleepy });
    const missed = deferred<string>();
    listener.on('error', ({ message }) => missed.resolve(message));
    const device = await startDevice(context, near, { ...sleepy, clientId: 'pump' });
    const [offline, ended] = [nextOffline(device), nextEnd(listener)];
    broker.sleep();
    assert.equal((await offline)?.code, 'CONNECTION_LOST');
    assert.match(await missed.promise, /nothing arrived for \d s, not even an answer to a ping/);
    assert.equal((await ended).error?.code, 'CONNECTION_LOST');
    await near.metrics.save('meanwhile', {});
    broker.wake();
    await whenChanged(far.metrics, async () => (await far.metrics.get('meanwhile')) !== undefined);
    await assertExchange(near, far);
  });

  test('whose queues are full drops packets, and nothing is lost', async (context) => {
    const config = ['max_queued_messages 5', 'max_inflight_messages 1'];
    const { broker, far, near } = await meet(context, { listeners: ['ws'], config });
    await fill(far, 1_000, 'x'.repeat(300));
    await fill(near, 200);
    await startBridge(context, far, broker.url('ws'), { maxPacketSize: 500 });
    const endpoint = { maxPacketSize: 500 };
    await startDevice(context, near, { url: broker.url('ws'), clientId: 'pump' }, { endpoint });
    await assertEqual(near, far, 1_200);
    assert.match(broker.log, /messages are being dropped for client/);
  });
});

describe('a broker that takes small packets only', SETTINGS, () => {
  for (const [what, config] of [
    ['as it says', ['max_packet_size 1500']],
    ['as it does not say with MQTT 3.1.1', ['message_size_limit 1000']],
    ['and hangs up on others', ['max_packet_size 1100']],
  ] as const) {
    test(what, async (context) => {
      const { url, far, near } = await meet(context, { config });
      await fill(near, 100, 'x'.repeat(500));
      await fill(far, 100, 'y'.repeat(500));
      const isTold = what === 'as it says';
      const metered = isTold ? {} : { maxPacketSize: 1_000 };
      const options = { url, ...(isTold ? {} : { protocolVersion: 4 as const }) };
      const listener = await startBridge(context, far, options, metered);
      const losses: unknown[] = [];
      listener.on('error', (error) => losses.push(error));
      await startDevice(context, near, { ...options, clientId: 'pump' }, { endpoint: metered });
      await assertEqual(near, far, 200);
      assert.deepEqual(losses, []);
    });
  }
});

test('the identity of the remote database does not name the broker', () => {
  const at = (broker: string, other = {}): string => new MqttEndpoint({ broker, peer: 'bridge', ...other }).remoteID;
  assert.equal(at('mqtt://one'), at('wss://two:444/mqtt'));
  assert.notEqual(at('mqtt://one'), at('mqtt://one', { peer: 'engine' }));
  assert.notEqual(at('mqtt://one'), at('mqtt://one', { prefix: 'fleet' }));
  assert.notEqual(at('mqtt://one'), at('mqtt://one', { database: 'log' }));
});
