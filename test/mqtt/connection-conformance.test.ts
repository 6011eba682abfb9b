/** Connections through a broker pass the suite that every transport has to pass, with brokers of several makes and versions. */
import { describe, type TestContext } from 'node:test';
import { deferred, type Deferred } from '../../src/base/index.js';
import type { MessageEndpointConnection } from '../../src/endpoint/index.js';
import { LinkConnection } from '../../transports/link/index.js';
import { checkBroker, type BrokerOptions } from '../../transports/mqtt/broker-options.js';
import { DeviceMedium } from '../../transports/mqtt/device-medium.js';
import { HIGH_WATER_MARK, linkOptions } from '../../transports/mqtt/link-profile.js';
import { ServedBroker } from '../../transports/mqtt/served-broker.js';
import { ListenerTopics } from '../../transports/mqtt/topics.js';
import { connectionConformance, type ConnectionSetup } from '../conformance/index.js';
import { AedesBroker } from '../support/aedes-broker.js';
import { countingClock } from '../support/counting-clock.js';
import { impatient } from '../support/impatient-clock.js';
import { mosquittoProblem, startMosquitto } from '../support/mosquitto.js';

interface TestBroker {
  readonly options: BrokerOptions;
  /** Breaks all connections without a farewell. */
  cut(): void | Promise<void>;
}

/** What lies in the buffers of two sockets and of the broker, before a stopped reader is felt. */
const BUFFERS = 262_144;
const KEEP_ALIVE_MS = 300_000;
const prefix = 'test';
let devices = 0;

/** The suite has no test to hang a broker on: one stands for all its cases. */
function standing<T>(start: (context: TestContext) => Promise<T>): {
  readonly value: Promise<T>;
  end(): Promise<void>;
} {
  const ends: (() => unknown)[] = [];
  const context = { after: (end: () => unknown) => void ends.push(end) } as unknown as TestContext;
  const end = async (): Promise<void> => {
    for (const one of ends.reverse()) await one();
  };
  return { value: start(context), end };
}

async function setup(start: (context: TestContext) => Promise<TestBroker>): Promise<ConnectionSetup> {
  const timers = countingClock();
  const clock = impatient(timers);
  const standingBroker = standing(start);
  const broker = await standingBroker.value;
  const topics = new ListenerTopics('test', prefix, 'bridge');
  const waiting: Deferred<MessageEndpointConnection>[] = [];
  const options = checkBroker('test', broker.options);
  const served = await ServedBroker.open({
    ...{ broker: options, clientId: 'bridge', topics, metered: {}, heartbeatMs: KEEP_ALIVE_MS },
    host: {
      clock,
      accept: (connection) => waiting.shift()?.resolve(connection),
      report: () => undefined, // the broker is cut on purpose
    },
  });
  const near = (to: ListenerTopics, connectTimeoutMs: number): LinkConnection => {
    const medium = new DeviceMedium({ broker: options, clientId: `device-${++devices}`, topics: to, clock });
    const link = linkOptions({}, medium.up, KEEP_ALIVE_MS, options);
    return new LinkConnection(
      medium,
      { name: 'the far end', connectTimeoutMs },
      { clock, link, highWaterMark: HIGH_WATER_MARK },
    );
  };
  return {
    connect() {
      const far = deferred<MessageEndpointConnection>();
      waiting.push(far);
      return { near: near(topics, 10_000), far: far.promise, vanish: () => broker.cut() };
    },
    refuse: () => near(new ListenerTopics('test', prefix, 'nobody'), 300),
    maxMessageSize: 65_536,
    maxBufferedBytes: 262_144 + HIGH_WATER_MARK + BUFFERS,
    leftovers: () => timers.pending(),
    async teardown() {
      await served.close();
      await standingBroker.end();
    },
  };
}

async function mosquitto(context: TestContext, protocolVersion: 4 | 5): Promise<TestBroker> {
  const broker = await startMosquitto(context);
  return { options: { url: broker.url(), protocolVersion }, cut: () => broker.kill() };
}

async function aedes(context: TestContext): Promise<TestBroker> {
  const broker = await AedesBroker.start(context);
  return {
    options: { url: broker.url, protocolVersion: 4 },
    cut: () => broker.clientIds.forEach((clientId) => broker.dropClient(clientId)),
  };
}

describe('through Mosquitto', { skip: mosquittoProblem() ?? false }, () => {
  connectionConformance('MQTT 5', () => setup((context) => mosquitto(context, 5)));
  connectionConformance('MQTT 3.1.1', () => setup((context) => mosquitto(context, 4)));
});
connectionConformance('MQTT 3.1.1 through aedes', () => setup(aedes));
