/** The place of a listener at a broker: how often it comes back, and that nothing of it is left. */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { deferred, type Timer } from '../../src/base/index.js';
import type { MessageEndpointConnection, MessagingError } from '../../src/endpoint/index.js';
import type { HawserError } from '../../src/errors.js';
import { checkBroker, type BrokerOptions } from '../../transports/mqtt/broker-options.js';
import { ServedBroker, type ServedBrokerOptions } from '../../transports/mqtt/served-broker.js';
import { ListenerTopics } from '../../transports/mqtt/topics.js';
import { AedesBroker } from '../support/aedes-broker.js';
import { BrokerRecorder, failureOf } from '../support/broker-recorder.js';
import { cleanup } from '../support/cleanup.js';
import { hello, Stranger } from '../support/stranger.js';
import { turns, turnsUntil } from '../support/turns.js';
import { VirtualClock } from '../support/virtual-clock.js';

const LIMIT = { timeout: 120_000 };
const topics = new ListenerTopics('test', 'test', 'bridge');
/** For connecting, and for saying good-bye. */
const TIME_LIMITS = [15_000, 5_000];

/** A clock that knows which pauses were begun: timers that are neither those of a keep-alive nor time limits. */
class PauseClock extends VirtualClock {
  readonly pauses: number[] = [];

  override setTimer(delayMs: number, callback: () => void, options: { readonly background?: boolean } = {}): Timer {
    if (options.background !== true && !TIME_LIMITS.includes(delayMs)) this.pauses.push(delayMs);
    return super.setTimer(delayMs, callback, options);
  }
}

interface Place {
  readonly clock: PauseClock;
  readonly reports: HawserError[];
  readonly accepted: MessageEndpointConnection[];
  readonly open: () => Promise<ServedBroker>;
}

function placeAt(context: TestContext, broker: BrokerOptions): Place {
  const clock = new PauseClock();
  const [reports, accepted]: [HawserError[], MessageEndpointConnection[]] = [[], []];
  const options: ServedBrokerOptions = {
    ...{ broker: checkBroker('test', { protocolVersion: 4, keepAlive: 3_600, ...broker }), clientId: 'bridge', topics },
    ...{ metered: {}, heartbeatMs: 330_000 },
    host: {
      clock,
      accept: (connection) => void accepted.push(connection),
      report: (error) => void reports.push(error),
    },
  };
  const open = async (): Promise<ServedBroker> => {
    const served = await ServedBroker.open(options);
    cleanup(context, () => served.close());
    return served;
  };
  return { clock, reports, accepted, open };
}

interface FickleBroker {
  readonly aedes: AedesBroker;
  /** What becomes of the listener when it subscribes. */
  whim: 'granted' | 'cut off' | 'ignored';
}

async function fickle(context: TestContext, whim: FickleBroker['whim']): Promise<FickleBroker> {
  const broker: FickleBroker = { aedes: await AedesBroker.start(context), whim };
  broker.aedes.hooks.authorizeSubscribe = (client, subscription, done) => {
    if (client?.id !== 'bridge' || broker.whim === 'granted') done(null, subscription);
    else if (broker.whim === 'cut off') broker.aedes.dropClient('bridge');
  };
  return broker;
}

describe('a listener at a broker', LIMIT, () => {
  test('that hangs up in the middle of the start is not there, and does not come back', async (context) => {
    const { aedes } = await fickle(context, 'cut off');
    const { clock, reports, open } = placeAt(context, { url: aedes.url });
    assert.equal((await failureOf(open())).code, 'CONNECTION_LOST');
    await turns();
    assert.deepEqual([clock.pendingTimers, reports], [0, []], 'whoever started it knows');
  });

  test('comes back after 1, 2, 4 … 30 s, one attempt at a time, and tells of each problem once', async (context) => {
    const broker = await fickle(context, 'granted');
    const { clock, reports, open } = placeAt(context, { url: broker.aedes.url });
    await open();
    broker.whim = 'cut off';
    broker.aedes.dropClient('bridge');
    for (const [index, longest] of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000].entries()) {
      await turnsUntil(() => clock.pauses.length > index);
      await turns();
      const pause = clock.pauses[index] ?? 0;
      assert.ok(pause > longest * 0.75 && pause <= longest, `pauses: ${clock.pauses.join(', ')}`);
      assert.deepEqual([clock.pauses.length, clock.pendingTimers], [index + 1, 1]);
      await clock.advance(pause);
    }
    await turnsUntil(() => clock.pauses.length === 8);
    broker.whim = 'granted';
    await clock.advance(clock.pauses[7] ?? 0);
    await turnsUntil(() => broker.aedes.clientIds.length === 1);
    assert.deepEqual(
      reports.map(({ code }) => code),
      ['CONNECTION_LOST', 'CONNECTION_LOST'],
      'the loss, and why it could not come back',
    );
  });

  test('that loses it again and again is left in peace for longer and longer', async (context) => {
    const aedes = await AedesBroker.start(context);
    const { clock, open } = placeAt(context, { url: aedes.url });
    const watcher = await BrokerRecorder.connect(context, { url: aedes.url, protocolVersion: 4 });
    await open();
    await watcher.client.subscribe([topics.present]);
    assert.equal((await watcher.next()).text, '1');
    const lose = async (): Promise<number> => {
      aedes.dropClient('bridge');
      const losses = clock.pauses.length + 1;
      await turnsUntil(() => clock.pauses.length === losses);
      const pause = clock.pauses.at(-1) ?? 0;
      await clock.advance(pause);
      while ((await watcher.next()).text !== '1');
      return pause;
    };
    const pauses: number[] = [];
    for (let loss = 0; loss < 6; loss++) pauses.push(await lose());
    assert.ok((pauses[5] ?? 0) >= 22_000, `as with another that has its ID: ${pauses.join(', ')}`);
    await clock.advance(30_000);
    assert.ok((await lose()) >= 22_000, `so it is for as long as the other waits`);
    await clock.advance(61_000);
    assert.ok((await lose()) <= 1_000, 'after a good minute it is as on the first day');
  });
});

describe('a listener that leaves', LIMIT, () => {
  test('leaves no timer and no connection of a device, made or not', async (context) => {
    const aedes = await AedesBroker.start(context);
    const { clock, accepted, open } = placeAt(context, { url: aedes.url });
    const served = await open();
    const stranger = await Stranger.connect(context, { url: aedes.url, protocolVersion: 4 });
    await stranger.client.subscribe(['test/v1/bridge/down/x/+']);
    stranger.client.publish(topics.up('x', '0123456789abcdef'), hello());
    await stranger.next();
    await stranger.makeLink(topics, 'y');
    await turnsUntil(() => accepted.length === 1);
    const [connection] = accepted;
    const ended = deferred<MessagingError | undefined>();
    await connection?.open({ receive: () => undefined, close: (error) => ended.resolve(error) });
    await served.close();
    assert.equal((await ended.promise)?.code, 'CONNECTION_NOT_OPEN');
    assert.equal(clock.pendingTimers, 0);
  });

  test('does not wait for a broker that neither lets it in nor answers', async (context) => {
    for (const whim of ['no CONNACK', 'no SUBACK'] as const) {
      const broker = await fickle(context, 'granted');
      const { clock, open } = placeAt(context, { url: broker.aedes.url });
      const served = await open();
      const asked = deferred();
      broker.whim = 'ignored';
      if (whim === 'no CONNACK') broker.aedes.hooks.authenticate = () => asked.resolve();
      else broker.aedes.hooks.authorizeSubscribe = () => asked.resolve();
      broker.aedes.dropClient('bridge');
      await turnsUntil(() => clock.pauses.length === 1);
      await clock.advance(clock.pauses[0] ?? 0);
      await asked.promise;
      await served.close();
      await turns();
      assert.equal(clock.pendingTimers, 0, whim);
    }
  });
});
