/** Every connection and layer of this room passes the suite that transports have to pass. */
import { seededRandom, utf8, type Clock } from '../../src/base/index.js';
import {
  byteStreamConnection,
  faulty,
  loopbackByteStreamPair,
  LoopbackEndpoint,
  loopbackPair,
  traced,
  type LoopbackOptions,
  type MessageEndpointConnection,
} from '../../src/endpoint/index.js';
import { connectionConformance, type ConnectionPair, type ConnectionSetup } from '../conformance/index.js';
import { connectOptions } from '../support/connect-options.js';
import { countingClock } from '../support/counting-clock.js';

const SEED = 20_260_801;
const MAX_MESSAGE_SIZE = 200_000;
const HIGH_WATER_MARK = 65_536;

type Wrap = (connection: MessageEndpointConnection, clock: Clock) => MessageEndpointConnection;

function loopbackSetup(options: LoopbackOptions, wrap: Wrap = (connection) => connection): ConnectionSetup {
  const clock = countingClock();
  const linkOptions = { maxMessageSize: MAX_MESSAGE_SIZE, highWaterMark: HIGH_WATER_MARK, ...options, clock };
  return {
    connect() {
      const { a, b, cut } = loopbackPair(linkOptions);
      return { near: wrap(a, clock), far: wrap(b, clock), vanish: cut };
    },
    refuse() {
      const endpoint = new LoopbackEndpoint((connection) => void connection.close(), 'nobody', options);
      return wrap(endpoint.createConnection(connectOptions({ clock })), clock);
    },
    maxMessageSize: MAX_MESSAGE_SIZE,
    maxBufferedBytes: HIGH_WATER_MARK + 4_096,
    leftovers: () => clock.pending(),
  };
}

/** `near` frames as client, `far` as server; with `swapped` the passive end is the client, to show that it does not matter. */
function byteStreamSetup(medium: 'whole chunks' | 'cut chunks', swapped = false): ConnectionSetup {
  const clock = countingClock();
  const random = seededRandom(SEED);
  const options = { maxMessageSize: MAX_MESSAGE_SIZE, heartbeatMs: 300_000, closeTimeoutMs: 100, clock, random };
  const makePair = () =>
    medium === 'whole chunks' ? loopbackPair({ clock }) : loopbackByteStreamPair({ clock, random });
  return {
    connect(): ConnectionPair {
      const { a, b, cut } = makePair();
      return {
        near: byteStreamConnection(a, { ...options, role: swapped ? 'server' : 'client' }),
        far: byteStreamConnection(b, { ...options, role: swapped ? 'client' : 'server' }),
        vanish: cut,
        injectGarbage: (end) => (end === 'near' ? b : a).send(utf8('this is no frame')),
      };
    },
    refuse() {
      const { a, b } = makePair();
      void b.close();
      return byteStreamConnection(a, { ...options, role: 'client' });
    },
    maxMessageSize: MAX_MESSAGE_SIZE,
    maxBufferedBytes: HIGH_WATER_MARK + 32_768,
    leftovers: () => clock.pending(),
  };
}

connectionConformance('loopback', () => loopbackSetup({}));
connectionConformance('loopback with latency', () => loopbackSetup({ latencyMs: 2 }));
connectionConformance('loopback that waits for each message', () => loopbackSetup({ highWaterMark: 0 }));
connectionConformance('byte stream over loopback', () => byteStreamSetup('whole chunks'));
connectionConformance('byte stream over loopback with the roles swapped', () => byteStreamSetup('whole chunks', true));
connectionConformance(`byte stream cut at random, seed ${SEED}`, () => byteStreamSetup('cut chunks'));
connectionConformance('traced loopback', () =>
  loopbackSetup({}, (connection, clock) => traced(connection, () => undefined, { clock, hexBytes: 8 })),
);
connectionConformance('faulty loopback without faults', () =>
  loopbackSetup({}, (connection, clock) => faulty(connection, { clock, random: seededRandom(SEED) })),
);
connectionConformance('faulty loopback that only delays', () =>
  loopbackSetup({}, (connection, clock) =>
    faulty(connection, { clock, random: seededRandom(SEED), delay: { chance: 0.01, minMs: 0, maxMs: 3 } }),
  ),
);
