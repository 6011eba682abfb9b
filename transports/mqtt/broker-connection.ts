/**
 * One connection to a broker, from a socket that is open to its end, in one version of MQTT. The library reads and writes
 * packets; whatever waits, ends or gives up does so here.
 *
 * Invariant: when `ended` has resolved, the socket is closed and no timer is set.
 */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ClientSubscribeCallback, IConnackPacket, MqttClient, Packet } from 'mqtt';
import { deferred, MessagingError, type Clock } from '../../src/index.js';
import {
  codeOf,
  connectError,
  farewellError,
  givenUpError,
  isVersionRefusal,
  nonsenseError,
  silentEndError,
  subscriptionError,
  unansweredError,
} from './broker-errors.js';
import { destroyed, nameOf } from './dial.js';
import { KeepAlive } from './keep-alive.js';
import type { MqttLibrary } from './load-mqtt.js';
import { PacketSizes } from './packet-sizes.js';
import { bufferOf, startClient, type StartOptions } from './start-client.js';

export interface BrokerConnectionOptions extends StartOptions {
  readonly clock: Clock;
  /** The payload is the receiver's. `retained` says that the broker had kept it. */
  readonly onMessage: (topic: string, payload: Uint8Array, retained: boolean) => void;
  /** More is welcome again. */
  readonly onWritable: () => void;
}

export class BrokerConnection {
  readonly #options: BrokerConnectionOptions;
  readonly #address: string;
  readonly #socket: Socket;
  readonly #client: MqttClient;
  readonly #stream: Duplex;
  readonly #opened = deferred();
  readonly #ended = deferred<MessagingError>();
  #keepAlive: KeepAlive | undefined;
  #accepted: IConnackPacket | undefined;
  /** Why it ends, as soon as that is known. */
  #reason: MessagingError | undefined;
  /** What the stream raised, for an end that nobody gave a reason for. */
  #streamError: unknown;
  #refusedVersion = false;
  #isEnding = false;
  #isFull = false;

  /** Sends the CONNECT. The socket belongs to the connection from now on. */
  constructor(library: MqttLibrary, socket: Socket, options: BrokerConnectionOptions) {
    this.#options = options;
    this.#address = nameOf(options.broker);
    this.#socket = socket;
    this.#opened.promise.catch(() => undefined); // told by `ended` too
    socket.on('error', (error) => (this.#streamError ??= error));
    this.#client = startClient(library, socket, options);
    this.#stream = this.#client.stream;
    this.#listen();
  }

  /** Resolves when the broker has let us in; rejects with a {@link MessagingError} if it ends first. */
  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  /** Resolves when it has ended, to the reason. */
  get ended(): Promise<MessagingError> {
    return this.#ended.promise;
  }

  /** Whether the broker wants to hear another version of MQTT. */
  get refusedVersion(): boolean {
    return this.#refusedVersion;
  }

  /** The largest packet that the broker takes, in bytes, if it has said so. */
  get maxPacketSize(): number | undefined {
    return this.#accepted?.properties?.maximumPacketSize;
  }

  /** Resolves when the broker has granted all of them; rejects with `BROKER_ACCESS_DENIED`, or with why it ended. */
  subscribe(topics: readonly string[]): Promise<void> {
    const done = deferred();
    const lost = (): void => void this.ended.then((reason) => done.reject(reason));
    const answered: ClientSubscribeCallback = (error, _granted, packet) => {
      const codes = (packet?.granted ?? []).map(Number);
      const denied = codes.findIndex((code) => code >= 0x80);
      if (denied >= 0) done.reject(subscriptionError(topics[denied] ?? '', codes[denied] ?? 0, this.#address));
      else if (error === null || error === undefined) done.resolve();
      else if (packet !== undefined || this.#stream.destroyed) lost();
      else done.reject(new MessagingError('ARGUMENT_INVALID', error.message, { recoverable: false }));
    };
    if (this.#stream.writable) this.#client.subscribe([...topics], { qos: 0 }, answered);
    else lost(); // the library would keep it for a connection that never comes
    return done.promise;
  }

  /** Resolves when nothing more comes from there, at the latest when it has ended. */
  unsubscribe(topics: readonly string[]): Promise<void> {
    const done = deferred();
    if (this.#stream.writable) this.#client.unsubscribe([...topics], () => done.resolve());
    else done.resolve();
    return done.promise;
  }

  /** Whether more is welcome; after false, `onWritable` says when. What is published after the end goes nowhere. */
  publish(topic: string, payload: Uint8Array, retain: boolean): boolean {
    if (!this.#stream.writable) return false;
    this.#client.publish(topic, bufferOf(payload), { qos: 0, retain });
    // With so much in it the stream has asked for a rest, and will say by `drain` that it is empty.
    if (this.#stream.writableLength >= HIGH_WATER_MARK) this.#isFull = true;
    return !this.#isFull;
  }

  /** Says good-bye, so that the will is not published, and resolves when it has ended. Bounded: the broker may be asleep. */
  async end(): Promise<void> {
    if (!this.#isEnding) {
      this.#isEnding = true;
      this.#keepAlive?.stop();
      const { clock } = this.#options;
      this.#reason ??= givenUpError(this.#address, 'it was ended here');
      if (this.#accepted === undefined) this.#socket.destroy();
      else this.#stream.end(DISCONNECT);
      const timer = clock.setTimer(END_TIMEOUT_MS, () => this.#socket.destroy());
      void this.ended.then(() => timer.cancel());
    }
    await this.ended;
  }

  #listen(): void {
    const { maxIncomingSize, onMessage, onWritable } = this.#options;
    const sizes = new PacketSizes(maxIncomingSize);
    this.#stream.on('data', (chunk: Buffer) => {
      this.#keepAlive?.heard();
      const size = sizes.take(chunk);
      if (size !== undefined)
        this.#give(givenUpError(this.#address, `a packet of ${size} bytes came, which is too large`));
    });
    this.#stream.on('error', (error) => (this.#streamError ??= error));
    this.#stream.on('drain', () => {
      if (!this.#isFull) return;
      this.#isFull = false;
      if (!this.#isEnding) onWritable();
    });
    this.#stream.once('close', () => void this.#finish());
    // The rest is what the library makes of the packets.
    this.#client.on('packetreceive', (packet) => this.#look(packet));
    this.#client.on('connect', (packet) => this.#open(packet));
    this.#client.on('message', (topic, payload, { retain }) => {
      if (!this.#isEnding) onMessage(topic, new Uint8Array(payload), retain);
    });
    this.#client.on('error', (error) => {
      if (codeOf(error) !== undefined) return; // of the stream, which has told us by itself
      this.#give(
        this.#accepted === undefined
          ? nonsenseError(this.#address, error.message, error)
          : givenUpError(this.#address, `the broker sent what is no MQTT (${error.message})`, error),
      );
    });
  }

  /** At packets that end a connection, before the library does something about them. */
  #look(packet: Packet): void {
    if (packet.cmd === 'disconnect') {
      this.#give(farewellError(packet.reasonCode ?? 0, this.#options.clientId, this.#address));
    } else if (packet.cmd === 'connack') {
      const code = packet.reasonCode ?? packet.returnCode ?? 0;
      if (this.#accepted !== undefined) {
        this.#give(givenUpError(this.#address, 'the broker sent what is no MQTT (a second CONNACK)'));
      } else if (code !== 0) {
        this.#refusedVersion = isVersionRefusal(code);
        this.#give(connectError(code, this.#address));
      }
    }
  }

  #open(packet: IConnackPacket): void {
    if (this.#stream.destroyed) return;
    const { clock, broker } = this.#options;
    this.#accepted = packet;
    this.#keepAlive = new KeepAlive({
      clock,
      intervalMs: (packet.properties?.serverKeepAlive ?? broker.keepAlive) * 1_000,
      onPing: () => this.#client.sendPing(),
      onSilent: (ms) => {
        const silence = `nothing arrived for ${Math.round(ms / 1_000)} s, not even an answer to a ping`;
        this.#give(givenUpError(this.#address, silence));
      },
    });
    this.#opened.resolve();
  }

  /** Ends it at once. The first reason counts. */
  #give(reason: MessagingError): void {
    this.#reason ??= reason;
    this.#keepAlive?.stop();
    this.#socket.destroy();
  }

  async #finish(): Promise<void> {
    this.#keepAlive?.stop();
    await destroyed(this.#socket);
    const { broker, clientId, version } = this.#options;
    const wrongPort = broker.secure ? undefined : 'if it speaks TLS, the URL needs an s';
    const onlyOld = version === 5 ? 'if it knows MQTT 3.1.1 only, set protocolVersion: 4' : undefined;
    const hint = [wrongPort, onlyOld].filter((text) => text !== undefined).join('; ');
    this.#reason ??=
      this.#accepted === undefined
        ? unansweredError(this.#streamError, this.#address, hint)
        : silentEndError(clientId, this.#address, this.#streamError);
    this.#opened.reject(this.#reason);
    this.#ended.resolve(this.#reason);
  }
}

/** The same in both versions (MQTT 5, 3.14: without more it is a normal disconnection). */
const DISCONNECT = Uint8Array.of(0xe0, 0);
const END_TIMEOUT_MS = 5_000;
/** Above this much unsent data nobody is told that more is welcome. */
const HIGH_WATER_MARK = 65_536;
