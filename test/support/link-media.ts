/** The media that have a link below: brokers of several makes, a serial line, a bus. All real but for the wire of the line. */
import type { TestContext } from 'node:test';
import { MqttEndpoint, MqttEndpointListener, type BrokerOptions } from '../../transports/mqtt/index.js';
import { SerialEndpoint, SerialEndpointListener } from '../../transports/serial/index.js';
import { openSerialLine, serialLineProblem, type SerialLine } from '../conformance/index.js';
import { AedesBroker } from './aedes-broker.js';
import { cleanup } from './cleanup.js';
import { mosquittoProblem, startMosquitto } from './mosquitto.js';
import type { Medium, Server } from './secure-peers.js';

let names = 0;

/** A broker for each test, and what breaks every connection over it. */
interface TestBroker {
  readonly options: BrokerOptions;
  cut(): void | Promise<void>;
}

/** By the name of the server: one that comes in its place is at the same broker. */
const brokers = new Map<string, TestBroker>();

async function mosquitto(context: TestContext, protocolVersion: 4 | 5): Promise<TestBroker> {
  const broker = await startMosquitto(context, { listeners: ['mqtt'] });
  const cut = async (): Promise<void> => {
    await broker.kill();
    await broker.restart();
  };
  return { options: { url: broker.url('mqtt'), protocolVersion }, cut };
}

async function aedes(context: TestContext): Promise<TestBroker> {
  const broker = await AedesBroker.start(context);
  return {
    options: { url: broker.url, protocolVersion: 4 },
    cut: () => broker.clientIds.forEach((clientId) => broker.dropClient(clientId)),
  };
}

export const mqtt = overBroker('mqtt', mosquittoProblem(), (context) => mosquitto(context, 5));
export const mqtt311 = overBroker('mqtt 3.1.1', mosquittoProblem(), (context) => mosquitto(context, 4));
export const mqttAedes = overBroker('mqtt through aedes', undefined, aedes);

function overBroker(
  name: string,
  problem: string | undefined,
  start: (context: TestContext) => Promise<TestBroker>,
): Medium {
  return {
    name,
    skip: problem ?? false,
    async listen(context, peer, { inPlaceOf, ...options } = {}): Promise<Server> {
      const serverName = inPlaceOf?.name ?? `listener-${++names}`;
      const broker = brokers.get(serverName) ?? (await start(context));
      brokers.set(serverName, broker);
      const listener = new MqttEndpointListener({
        ...{ collections: [peer.metrics], broker: broker.options, name: serverName },
        ...options,
      });
      cleanup(context, () => listener.stop());
      await listener.start();
      const clientBroker = { ...broker.options, clientId: `device-${serverName}` };
      return {
        ...{ peer, listener, name: serverName, knownAs: `${serverName}/${peer.database.name}`, hasCertificate: true },
        target: (database = peer.database.name) =>
          new MqttEndpoint({ broker: clientBroker, peer: serverName, database }),
        stop: () => listener.stop(),
        cut: () => broker.cut(),
      };
    },
  };
}

/** As fast as pseudo-terminals are told to be: what a slow line does is the business of other tests. */
const BAUD_RATE = 4_000_000;
const lines = new Map<string, SerialLine>();

export const serial = overLine('serial', false);
export const bus = overLine('bus', true);

function overLine(name: string, isBus: boolean): Medium {
  return {
    name,
    skip: serialLineProblem() ?? false,
    async listen(context, peer, { inPlaceOf, ...options } = {}): Promise<Server> {
      const serverName = inPlaceOf?.name ?? `line ${++names}`;
      const line = lines.get(serverName) ?? (await openSerialLine({ halfDuplex: isBus, ends: isBus ? 3 : 2 }));
      lines.set(serverName, line);
      cleanup(context, () => line.close());
      const [far, near] = line.ends.map(({ path }) => ({ path, baudRate: BAUD_RATE }));
      if (far === undefined || near === undefined) throw new Error('a line has two ends');
      const listener = new SerialEndpointListener({
        ...{ collections: [peer.metrics], ...far, ...(isBus ? { nodes: [1, 2] } : {}) },
        ...options,
      });
      cleanup(context, () => listener.stop());
      await listener.start();
      return {
        ...{ peer, listener, name: serverName, knownAs: `${serverName}/${peer.database.name}`, hasCertificate: true },
        target: (database = peer.database.name) =>
          new SerialEndpoint({ ...near, peer: serverName, database, ...(isBus ? { address: 2 } : {}) }),
        stop: () => listener.stop(),
        cut: async () => {
          await line.unplug(1);
          await line.replug(1);
        },
      };
    },
  };
}
