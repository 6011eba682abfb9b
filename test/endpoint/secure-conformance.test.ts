/** The secure layer passes the suite that transports have to pass, on media of several kinds. */
import { before } from 'node:test';
import { seededRandom, type Clock } from '../../src/base/index.js';
import {
  byteStreamConnection,
  faulty,
  loopbackByteStreamPair,
  loopbackPair,
  secureConnection,
  type LoopbackPair,
  type MessageEndpointConnection,
} from '../../src/endpoint/index.js';
import type { TLSIdentity } from '../../src/security/index.js';
import { connectionConformance, type ConnectionPair, type ConnectionSetup } from '../conformance/index.js';
import { selfSignedIdentity } from '../support/certificates.js';
import { countingClock } from '../support/counting-clock.js';

const SEED = 20_261_124;
const MAX_MESSAGE_SIZE = 200_000;
const HIGH_WATER_MARK = 65_536;
/** What waits in Node's TLS at both ends: a high-water mark, a message above it, and records being decrypted. */
const WITHIN_TLS = 3 * 65_536;

let identity: TLSIdentity;
before(async () => {
  identity = await selfSignedIdentity('a device');
});

type Wrap = (connection: MessageEndpointConnection, clock: Clock, end: 'near' | 'far') => MessageEndpointConnection;

/** @param medium what is below, whose own limits are `buffered` bytes */
function secureSetup(
  medium: (clock: Clock) => LoopbackPair,
  buffered: number,
  wrap: Wrap = (connection) => connection,
): ConnectionSetup {
  const clock = countingClock();
  const options = { clock, maxMessageSize: MAX_MESSAGE_SIZE, closeTimeoutMs: 100 };
  const client = (connection: MessageEndpointConnection): MessageEndpointConnection =>
    secureConnection(connection, {
      ...options,
      role: 'client',
      name: 'the device',
      trust: { pinnedServerCertificate: identity.certificate },
    });
  return {
    connect(): ConnectionPair {
      const { a, b, cut } = medium(clock);
      return {
        near: client(wrap(a, clock, 'near')),
        far: secureConnection(wrap(b, clock, 'far'), { ...options, role: 'server', identity }),
        vanish: cut,
        // Not awaited: the end that it comes to closes the link, maybe before it counts as sent.
        injectGarbage: (end) =>
          void (end === 'near' ? b : a).send(seededRandom(SEED).bytes(100)).catch(() => undefined),
      };
    },
    refuse() {
      const { a, b } = medium(clock);
      void b.close();
      return client(wrap(a, clock, 'near'));
    },
    maxMessageSize: MAX_MESSAGE_SIZE,
    maxBufferedBytes: buffered + WITHIN_TLS,
    leftovers: () => clock.pending(),
  };
}

connectionConformance('secure over loopback', () => secureSetup((clock) => loopbackPair({ clock }), HIGH_WATER_MARK));
connectionConformance('secure over loopback that carries no more than it must', () =>
  secureSetup((clock) => loopbackPair({ clock, maxMessageSize: 65_536, highWaterMark: 0 }), HIGH_WATER_MARK),
);
connectionConformance('secure over loopback that only delays', () =>
  secureSetup(
    (clock) => loopbackPair({ clock }),
    2 * HIGH_WATER_MARK,
    (connection, clock) =>
      faulty(connection, { clock, random: seededRandom(SEED), delay: { chance: 0.05, minMs: 0, maxMs: 3 } }),
  ),
);
connectionConformance(`secure over a byte stream cut at random, seed ${SEED}`, () => {
  const random = seededRandom(SEED);
  const setup = secureSetup(
    (clock) => loopbackByteStreamPair({ clock, random }),
    2 * HIGH_WATER_MARK,
    (connection, clock, end) =>
      byteStreamConnection(connection, {
        role: end === 'near' ? 'client' : 'server',
        clock,
        random,
        closeTimeoutMs: 100,
      }),
  );
  return setup;
});
