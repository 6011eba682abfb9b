/** The broker as a medium, at a device: what is left of it when it is closed, whatever it was doing. */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { deferred } from '../../src/base/index.js';
import type { MessagingError } from '../../src/endpoint/index.js';
import type { PacketSink } from '../../transports/link/index.js';
import { checkBroker } from '../../transports/mqtt/broker-options.js';
import { DeviceMedium } from '../../transports/mqtt/device-medium.js';
import { ListenerTopics } from '../../transports/mqtt/topics.js';
import { AedesBroker } from '../support/aedes-broker.js';
import { BrokerRecorder, failureOf } from '../support/broker-recorder.js';
import { memoryLogger } from '../support/memory-logger.js';
import { CONNACK_5, ScriptedBroker } from '../support/scripted-broker.js';
import { turns, turnsUntil } from '../support/turns.js';
import { VirtualClock } from '../support/virtual-clock.js';

const LIMIT = { timeout: 120_000 };
const topics = new ListenerTopics('test', 'test', 'bridge');
let devices = 0;

interface Recorded extends PacketSink {
  readonly packets: Uint8Array[];
  readonly losses: MessagingError[];
}

function recorded(): Recorded {
  const [packets, losses]: [Uint8Array[], MessagingError[]] = [[], []];
  return {
    ...{ packets, losses },
    packet: (packet) => void packets.push(packet),
    writable: () => undefined,
    lost: (error) => void losses.push(error),
  };
}

function mediumAt(url: string, clientId = `device-${++devices}`) {
  const [clock, logger, sink] = [new VirtualClock(), memoryLogger(), recorded()];
  const medium = new DeviceMedium({ broker: checkBroker('test', url), clientId, topics, clock, logger });
  return { clock, logger, sink, medium };
}

async function aedesAt(context: TestContext) {
  const aedes = await AedesBroker.start(context);
  const listener = await BrokerRecorder.connect(context, aedes.url);
  return { aedes, listener };
}

describe('a medium that is closed', LIMIT, () => {
  test('does not wait for a broker that never answers its subscription', async (context) => {
    const broker = await ScriptedBroker.start(context, CONNACK_5);
    const { clock, sink, medium } = mediumAt(broker.url);
    const opening = failureOf(medium.open(sink));
    await broker.heard(Buffer.from('/down/').toString('hex'));
    await medium.close(); // the broker hangs up when it is asked to
    assert.equal((await opening).recoverable, true);
    assert.deepEqual([clock.pendingTimers, sink.losses], [0, []]);
  });

  test('nor does it while another connection goes on with the same client', async (context) => {
    const broker = await ScriptedBroker.start(context, CONNACK_5);
    const [one, other] = [mediumAt(broker.url, 'shared'), mediumAt(broker.url, 'shared')];
    const opening = one.medium.open(one.sink);
    void failureOf(other.medium.open(other.sink));
    await broker.heard(Buffer.from('/down/').toString('hex'));
    await one.medium.close();
    assert.equal(one.medium.isWritable, false);
    await other.medium.close();
    await failureOf(opening);
    assert.deepEqual([one.sink.losses, other.sink.losses], [[], []]);
  });

  test('is not awakened by what comes later', async (context) => {
    const { aedes, listener } = await aedesAt(context);
    const { clock, logger, sink, medium } = mediumAt(aedes.url, 'late');
    const asked = deferred<() => void>();
    aedes.hooks.authorizeSubscribe = (client, subscription, done) => {
      if (client?.id === 'late') asked.resolve(() => done(null, subscription));
      else done(null, subscription);
    };
    const opening = failureOf(medium.open(sink));
    const grant = await asked.promise;
    const closing = medium.close();
    grant();
    await Promise.all([closing, opening]);
    listener.publish(topics.present, '');
    await turns();
    assert.deepEqual([medium.isWritable, sink.losses, sink.packets, logger.lines], [false, [], [], []]);
    assert.equal(clock.pendingTimers, 0);
  });

  test('may be closed before it was opened, and twice', async (context) => {
    const { aedes } = await aedesAt(context);
    const { sink, medium } = mediumAt(aedes.url);
    await medium.close();
    assert.equal((await failureOf(medium.open(sink))).code, 'CONNECTION_NOT_OPEN');
    await Promise.all([medium.close(), medium.close()]);
    assert.deepEqual(aedes.clientIds.length, 1, 'the listener alone');
  });
});

describe('a medium that is open', LIMIT, () => {
  test('hears at once that the listener has gone, and takes nothing that was retained', async (context) => {
    const { aedes, listener } = await aedesAt(context);
    listener.publish(topics.present, '1', true);
    const { sink, medium } = mediumAt(aedes.url);
    await medium.open(sink);
    const down = medium.up.replace('/up/', '/down/');
    listener.publish(down, 'now');
    await turnsUntil(() => sink.packets.length === 1);
    listener.publish(topics.present, '', true);
    await turnsUntil(() => sink.losses.length === 1);
    assert.deepEqual([sink.losses[0]?.code, sink.losses[0]?.recoverable], ['CONNECTION_LOST', true]);
    await medium.close();
    assert.equal(medium.isWritable, false);
  });

  test('does without that where the broker does not let it, and says so in the log', async (context) => {
    const { aedes, listener } = await aedesAt(context);
    aedes.hooks.authorizeSubscribe = (_client, subscription, done) =>
      done(null, subscription.topic === topics.present ? null : subscription);
    const { logger, sink, medium } = mediumAt(aedes.url);
    await medium.open(sink);
    await turnsUntil(() => logger.lines.length === 1);
    assert.match(logger.lines[0] ?? '', /may not be read/);
    listener.publish(medium.up.replace('/up/', '/down/'), 'now');
    await turnsUntil(() => sink.packets.length === 1);
    assert.deepEqual(sink.losses, []);
    await medium.close();
  });
});
