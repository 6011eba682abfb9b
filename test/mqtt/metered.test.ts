/** Lines that cost money, or are narrow: what leaves in how much time, and what leaves first. */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { seededRandom, systemClock } from '../../src/base/index.js';
import { MqttEndpoint, SharedRate, type LinkPriority } from '../../transports/mqtt/index.js';
import { mosquittoProblem, startMosquitto } from '../support/mosquitto.js';
import { deviceOf, startBridge, startDevice } from '../support/mqtt-peers.js';
import { contents, openPeer, whenChanged, type Peer } from '../support/peers.js';
import { watchedLine } from '../support/watched-line.js';

const SETTINGS = { skip: mosquittoProblem() ?? false, timeout: 120_000 };
/** What is ahead of time, and the log-in at the broker, which is not metered. */
const BURST_SECONDS = 0.03;
const LOG_IN = 1_000;

/** So many documents of a kilobyte, which nothing makes smaller. */
async function fill({ name, metrics }: Peer, count: number): Promise<void> {
  const random = seededRandom(count);
  for (let index = 0; index < count; index++) {
    await metrics.save(`${name}-${index}`, { noise: Buffer.from(random.bytes(720)).toString('base64') });
  }
}

/** A line on which no more may pass than so many bytes a second, from now on. Resolves to its URL and what is wrong. */
async function meteredLine(context: TestContext, port: number, rate: number, packet: number) {
  const from = systemClock.monotonic();
  const excesses: string[] = [];
  const line = { url: '', bytes: 0, excesses, seconds: () => (systemClock.monotonic() - from) / 1_000 };
  const near = await watchedLine(context, port, (count) => {
    line.bytes += count;
    // What is late was not too early: only from the beginning on can it be counted.
    const most = rate * (line.seconds() + BURST_SECONDS) + packet + LOG_IN;
    if (line.bytes > most) excesses.push(`${line.bytes} bytes, ${Math.round(most)} at most`);
  });
  line.url = `mqtt://127.0.0.1:${near}`;
  return line;
}

describe('maxBytesPerSecond', SETTINGS, () => {
  const RATE = 25_000;
  const PACKET = RATE / 2 + 200;

  test('holds for what a device sends', async (context) => {
    const broker = await startMosquitto(context);
    const [far, near] = [await openPeer(context, 'far'), await openPeer(context, 'near')];
    await fill(near, 90);
    await startBridge(context, far, broker.url());
    const line = await meteredLine(context, broker.port(), RATE, PACKET);
    await startDevice(context, near, line.url, { endpoint: { maxBytesPerSecond: RATE } });
    assert.deepEqual(line.excesses, []);
    assert.ok(line.seconds() > 2, `it was over after ${line.seconds()} s`);
    assert.deepEqual(await contents(near.metrics), await contents(far.metrics));
  });

  test('holds for what a listener sends to all devices together', async (context) => {
    const broker = await startMosquitto(context);
    const far = await openPeer(context, 'far');
    await fill(far, 25);
    const line = await meteredLine(context, broker.port(), RATE, PACKET);
    await startBridge(context, far, line.url, { maxBytesPerSecond: RATE });
    const peers = [await openPeer(context, 'one'), await openPeer(context, 'two'), await openPeer(context, 'three')];
    await Promise.all(
      peers.map((peer, index) => startDevice(context, peer, { url: broker.url(), clientId: `device-${index}` })),
    );
    assert.deepEqual(line.excesses, []);
    assert.ok(line.seconds() > 2, `it was over after ${line.seconds()} s`);
    for (const { metrics } of peers) assert.equal(await metrics.count(), 25);
  });
});

test('on a shared rate what is high arrives before what is low', SETTINGS, async (context) => {
  const broker = await startMosquitto(context);
  const [far, logs, alarms] = [
    await openPeer(context, 'far'),
    await openPeer(context, 'log'),
    await openPeer(context, 'alarm'),
  ];
  await startBridge(context, far, broker.url());
  const sharedRate = new SharedRate({ bytesPerSecond: 25_000 });
  const endpointOf = ({ name }: Peer, priority: LinkPriority): MqttEndpoint =>
    new MqttEndpoint({
      ...{ broker: { url: broker.url(), clientId: name }, peer: 'bridge', database: 'far' },
      ...{ sharedRate, priority, maxPacketSize: 2_000 },
    });
  const [low, high] = [endpointOf(logs, 'low'), endpointOf(alarms, 'high')];
  const sent = (): number[] => [low, high].map(({ statistics }) => statistics?.sentBytes ?? 0);
  await startDevice(context, alarms, broker.url(), { target: high });
  const arrived: string[] = [];
  far.metrics.on('change', ({ documentIDs }) => arrived.push(...documentIDs));
  await fill(logs, 150);
  deviceOf(context, logs, broker.url(), { target: low }).start();
  await whenChanged(far.metrics, async () => arrived.length > 0);
  await fill(alarms, 25);
  const [lowBefore = 0, highBefore = 0] = sent();
  await whenChanged(far.metrics, async () => arrived.filter((id) => id.startsWith('alarm')).length === 25);
  const [lowAfter = 0, highAfter = 0] = sent();
  assert.ok(!arrived.includes('log-149'), 'the log was there first, and has to wait');
  // It has its turn once a second, and while the alarms wait for an answer.
  const part = (lowAfter - lowBefore) / (highAfter - highBefore);
  assert.ok(part < 0.5, `the log has sent ${Math.round(part * 100)} % of what the alarms have`);
});
