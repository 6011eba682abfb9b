/** WebSocket connections, with and without TLS, pass the suite that every transport has to pass. */
import { utf8 } from '../../src/base/index.js';
import type { TLSIdentity } from '../../src/security/index.js';
import { URLEndpoint } from '../../transports/websocket/index.js';
import { MAX_MESSAGE_SIZE } from '../../transports/websocket/web-socket-options.js';
import { connectionConformance, type ConnectionSetup } from '../conformance/index.js';
import { selfSignedIdentity } from '../support/certificates.js';
import { connectOptions } from '../support/connect-options.js';
import { countingClock } from '../support/counting-clock.js';
import { impatient } from '../support/impatient-clock.js';
import { TcpRelay } from '../support/tcp-relay.js';
import { startWebSocketHost } from '../support/web-socket-host.js';

/** What the kernel takes on the way: the buffers of four sockets, which grow. */
const KERNEL_BUFFERS = 48 * 1_048_576;

async function setup(scheme: 'ws' | 'wss', identity?: TLSIdentity): Promise<ConnectionSetup> {
  const timers = countingClock();
  const clock = impatient(timers);
  const host = await startWebSocketHost({ clock, ...(identity === undefined ? {} : { identity }) });
  const relays: TcpRelay[] = [];
  const options = connectOptions({ clock, trust: { acceptOnlySelfSignedServerCertificate: true } });
  return {
    async connect() {
      const relay = await TcpRelay.start(host.port);
      relays.push(relay);
      return {
        near: new URLEndpoint(`${scheme}://127.0.0.1:${relay.port}/db`).createConnection(options),
        far: host.accepted(),
        vanish: () => relay.cut(),
        injectGarbage: (end) =>
          relay.inject(end === 'near' ? 'client' : 'server', utf8('this is no frame, and no TLS record')),
      };
    },
    refuse: () => new URLEndpoint(`${scheme}://127.0.0.1:${host.port}/unknown`).createConnection(options),
    maxMessageSize: MAX_MESSAGE_SIZE,
    maxBufferedBytes: KERNEL_BUFFERS,
    leftovers: () => timers.pending(),
    async teardown() {
      await host.close();
      await Promise.all(relays.map((relay) => relay.close()));
    },
  };
}

const identity = await selfSignedIdentity('conformance');

connectionConformance('ws', () => setup('ws'));
connectionConformance('wss', () => setup('wss', identity));
