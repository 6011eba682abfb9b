/** Connections over the reliable link pass the suite that transports have to pass, on media that lose and re-order packets. */
import { deferred, seededRandom } from '../../src/base/index.js';
import type { MessageEndpointConnection } from '../../src/endpoint/index.js';
import { Acceptor, LinkConnection, randomTag, type LinkOptions } from '../../transports/link/index.js';
import { connectionConformance, type ConnectionSetup } from '../conformance/index.js';
import { countingClock } from '../support/counting-clock.js';
import { packetPair, type PacketPairOptions } from '../support/packet-pair.js';

const SEED = Number(process.env['FUZZ_SEED'] ?? 20_261_128);

const LINK: LinkOptions = {
  maxPacketSize: 1_000,
  packetOverhead: 0,
  maxMessageSize: 65_536,
  window: 65_536,
  maxReordering: 3,
  congestionControl: false,
  initialTimeoutMs: 100,
  minTimeoutMs: 20,
  maxTimeoutMs: 400,
  packetsPerAcknowledgement: 2,
  acknowledgementDelayMs: 5,
  keepAliveMs: 10_000,
  giveUpMs: 1_000,
};

function setup(link: LinkOptions, faults: Partial<PacketPairOptions> = {}): ConnectionSetup {
  const clock = countingClock();
  const random = seededRandom(SEED);
  const options = { clock, link, highWaterMark: 16_384, closeTimeoutMs: 250 };
  const connect = { name: 'the far end', connectTimeoutMs: 2_000, random };
  return {
    connect() {
      const { a, b } = packetPair({ random, ...faults });
      const far = deferred<MessageEndpointConnection>();
      const acceptor = new Acceptor(link, () => randomTag(random));
      b.onPacket = (packet) => {
        const made = acceptor.receive(packet, clock.monotonic());
        for (let answer = acceptor.poll(0); answer !== undefined; answer = acceptor.poll(0)) b.write(answer);
        if (made !== undefined) far.resolve(new LinkConnection(b, made, options));
      };
      return {
        near: new LinkConnection(a, connect, options),
        far: far.promise,
        vanish: () => {
          a.cut();
          b.cut();
        },
      };
    },
    refuse: () => new LinkConnection(packetPair({ random }).a, { ...connect, connectTimeoutMs: 300 }, options),
    maxMessageSize: link.maxMessageSize,
    maxBufferedBytes: link.window + options.highWaterMark + 4_096,
    leftovers: () => clock.pending(),
  };
}

connectionConformance(`link, seed ${SEED}`, () => setup(LINK));
connectionConformance(`link that loses and re-orders, seed ${SEED}`, () =>
  setup(LINK, { loss: 0.05, latencyMs: { from: 1, to: 6 } }),
);
connectionConformance(`link with the smallest packets, seed ${SEED}`, () =>
  setup({ ...LINK, maxPacketSize: 64, congestionControl: true }, { loss: 0.002 }),
);
