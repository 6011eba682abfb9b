/** Sets the library mqtt to work on a socket that is open already, with or without a WebSocket around it. */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { IClientOptions, MqttClient } from 'mqtt';
import type { Broker } from './broker-options.js';
import type { MqttLibrary } from './load-mqtt.js';

/** What the broker publishes when the connection ends without a farewell. */
export interface Will {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retain: boolean;
}

export interface StartOptions {
  readonly broker: Broker;
  readonly clientId: string;
  readonly version: 4 | 5;
  readonly will: Will | undefined;
  /** The largest packet that is taken, in bytes. */
  readonly maxIncomingSize: number;
}

/** The CONNECT is on its way when this returns. Reconnects never, and waits for nothing: that is up to the caller. */
export function startClient(library: MqttLibrary, socket: Socket, options: StartOptions): MqttClient {
  const { broker } = options;
  const settings = clientOptions(options);
  if (!broker.webSocket) return new library.MqttClient(() => socket, settings);
  const client = library.connect({
    ...settings,
    protocol: broker.secure ? 'wss' : 'ws',
    hostname: broker.host.includes(':') ? `[${broker.host}]` : broker.host,
    port: broker.port,
    path: broker.path,
    wsOptions: { ...webSocketOptions(options.maxIncomingSize), createConnection: () => socket },
  });
  // What is wrong with a WebSocket ends it in order, for which the other side would be given half a minute.
  const stream = client.stream as Duplex;
  const destroy = stream._destroy.bind(stream);
  stream._destroy = (error, done) => {
    destroy(error, done);
    socket.destroy();
  };
  return client;
}

function clientOptions({ broker, clientId, version, will, maxIncomingSize }: StartOptions): IClientOptions {
  return {
    clientId,
    protocolVersion: version,
    clean: true,
    keepalive: broker.keepAlive,
    ...(broker.username === undefined ? {} : { username: broker.username }),
    ...(broker.password === undefined ? {} : { password: broker.password }),
    ...(will === undefined ? {} : { will: { ...will, payload: bufferOf(will.payload), qos: 0 } }),
    ...(version === 4
      ? {}
      : {
          properties: { maximumPacketSize: maxIncomingSize, topicAliasMaximum: MAX_ALIASES },
          autoAssignTopicAlias: true,
        }),
    reconnectPeriod: 0,
    // Its clock is not ours: who waits for the CONNACK, and for answers to pings, is the caller.
    connectTimeout: MAX_TIMEOUT_MS,
    timerVariant: { set: () => 0, clear: () => undefined },
    // Otherwise it makes itself 65,536 small buffers, which are 14 MB.
    writeCache: false,
    // With DEBUG=mqttjs* set it would print the password.
    log: () => undefined,
  };
}

function webSocketOptions(maxIncomingSize: number): NonNullable<IClientOptions['wsOptions']> {
  return {
    perMessageDeflate: false,
    followRedirects: false,
    // A message may hold several packets.
    maxPayload: 4 * maxIncomingSize,
    // The library writes a packet in small pieces, which would each become a WebSocket message and a TCP segment.
    writev(
      this: unknown,
      chunks: ArrayLike<{ readonly chunk: Uint8Array }>,
      callback: (error?: Error | null) => void,
    ): void {
      const pieces = Array.from(chunks, ({ chunk }) => chunk);
      (this as Duplex)._write(Buffer.concat(pieces), 'utf8', callback); // the encoding of a buffer is not looked at
    },
  };
}

/** The same memory: the library knows the length of buffers only. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** How many topics the broker may shorten to a number. */
const MAX_ALIASES = 64;
const MAX_TIMEOUT_MS = 2 ** 31 - 1;
