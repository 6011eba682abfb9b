/** Brokers of several makes and versions, on which the same must hold. */
import type { TestContext } from 'node:test';
import type { BrokerOptions } from '../../transports/mqtt/broker-options.js';
import { AedesBroker } from './aedes-broker.js';
import { mosquittoProblem, startMosquitto, type MosquittoListener } from './mosquitto.js';

export interface BrokerKind {
  readonly name: string;
  /** Why it is skipped, or false. */
  readonly skip: string | false;
  readonly version: 4 | 5;
  /** How many messages are many: Mosquitto 2.0 writes 4 KiB to a WebSocket, and the rest of a packet a tenth of a second later. */
  readonly many: number;
  /** Starts one that ends with the test; resolves to how it is reached. */
  start(context: TestContext): Promise<BrokerOptions>;
}

export const BROKERS: readonly BrokerKind[] = [
  mosquitto('mqtt', 5),
  mosquitto('mqtt', 4),
  mosquitto('mqtts', 5),
  mosquitto('ws', 5),
  mosquitto('wss', 4),
  {
    name: 'aedes',
    skip: false,
    version: 4,
    many: 200,
    start: async (context) => ({ url: (await AedesBroker.start(context)).url }),
  },
];

function mosquitto(listener: MosquittoListener, version: 4 | 5): BrokerKind {
  return {
    name: `Mosquitto over ${listener}: with MQTT ${version === 5 ? '5' : '3.1.1'}`,
    skip: mosquittoProblem() ?? false,
    version,
    many: listener.startsWith('ws') ? 20 : 200,
    start: async (context) => {
      const broker = await startMosquitto(context, { listeners: [listener] });
      const isSecure = listener === 'mqtts' || listener === 'wss';
      const trust = isSecure ? { trustedCertificates: broker.identity.certificate } : {};
      return { url: broker.url(listener), ...trust, ...(version === 4 ? { protocolVersion: 4 } : {}) };
    },
  };
}
