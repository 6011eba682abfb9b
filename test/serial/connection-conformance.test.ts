/** Connections over a serial line, and over a bus, pass the suite that every transport has to pass. */
import { describe } from 'node:test';
import { deferred, type Clock, type Deferred } from '../../src/base/index.js';
import type { MessageEndpointConnection } from '../../src/endpoint/index.js';
import { LinkConnection, SharedRate } from '../../transports/link/index.js';
import { BusGateway } from '../../transports/serial/bus-gateway.js';
import { BusMedium } from '../../transports/serial/bus-medium.js';
import { LineMedium } from '../../transports/serial/line-medium.js';
import { busLink, lineProfile } from '../../transports/serial/line-profile.js';
import { checkPortOptions } from '../../transports/serial/port-options.js';
import { ServedLine } from '../../transports/serial/served-line.js';
import {
  connectionConformance,
  openSerialLine,
  serialLineProblem,
  type ConnectionSetup,
} from '../conformance/index.js';
import { countingClock } from '../support/counting-clock.js';
import { impatient } from '../support/impatient-clock.js';

/** So fast that the suite takes seconds. */
const BAUD_RATE = 4_000_000;
const ADDRESS = 7;
const KEEP_ALIVE_MS = 300_000;

async function setup(isBus: boolean): Promise<ConnectionSetup> {
  const timers = countingClock();
  const clock = impatient(timers);
  const line = await openSerialLine({ halfDuplex: isBus });
  const [nearPort, farPort] = line.ends.map(({ path }) => checkPortOptions('test', { path, baudRate: BAUD_RATE }));
  if (nearPort === undefined || farPort === undefined) throw new Error('a line has two ends');
  const profile = lineProfile(farPort, {}, KEEP_ALIVE_MS);
  const waiting: Deferred<MessageEndpointConnection>[] = [];
  const host = {
    clock,
    accept: (connection: MessageEndpointConnection) => waiting.shift()?.resolve(connection),
    report: () => undefined, // the line is cut on purpose
  };
  const served = isBus
    ? await BusGateway.open({ port: farPort, addresses: [ADDRESS, 8], turnaroundMs: 50, profile, host })
    : await ServedLine.open({ port: farPort, profile, host });
  const near = (connectTimeoutMs: number): LinkConnection => {
    const source = { name: 'the far end', connectTimeoutMs };
    const options = { clock, highWaterMark: profile.highWaterMark };
    return isBus ? overBus(nearPort, source, options) : overLine(nearPort, source, options);
  };
  return {
    connect() {
      const far = deferred<MessageEndpointConnection>();
      waiting.push(far);
      return {
        near: near(10_000),
        far: far.promise,
        async vanish() {
          await Promise.all([line.unplug(0), line.unplug(1)]);
          await Promise.all([line.replug(0), line.replug(1)]);
        },
      };
    },
    async refuse() {
      await line.unplug(1); // nobody is at the other end
      return near(300);
    },
    maxMessageSize: profile.link.maxMessageSize,
    maxBufferedBytes: profile.link.window + profile.highWaterMark + 8_192,
    manyLinks: false,
    leftovers: () => timers.pending(),
    async teardown() {
      await served.close();
      await line.close();
    },
  };

  function overLine(port: typeof farPort & object, ...[source, options]: LinkArguments): LinkConnection {
    const rate = new SharedRate({ bytesPerSecond: profile.bytesPerSecond }).share();
    const { lineBytesPerSecond, link } = profile;
    const medium = new LineMedium({ port, maxPacketSize: link.maxPacketSize, lineBytesPerSecond, clock });
    return new LinkConnection(medium, source, { ...options, link: { ...profile.link, rate } });
  }

  function overBus(port: typeof farPort & object, ...[source, options]: LinkArguments): LinkConnection {
    const { lineBytesPerSecond, link } = profile;
    const medium = new BusMedium({
      port,
      address: ADDRESS,
      maxPacketSize: link.maxPacketSize,
      lineBytesPerSecond,
      clock,
    });
    return new LinkConnection(medium, source, { ...options, link: busLink(link) });
  }
}

type LinkArguments = [
  { readonly name: string; readonly connectTimeoutMs: number },
  { readonly clock: Clock; readonly highWaterMark: number },
];

describe('on pseudo-terminals', { skip: serialLineProblem() ?? false }, () => {
  connectionConformance('serial', () => setup(false));
  connectionConformance('a node on a bus', () => setup(true));
});
