/**
 * The devices of a listener, as the broker brings them: packets come up from all of them, and go down to each.
 *
 * Invariant: what a stranger can make it keep is bounded: an entry for each connection, and so many that are not made yet.
 */
import { MessagingError, systemRandom, type Clock, type ListenerHost, type Timer } from '../../src/index.js';
import {
  Acceptor,
  isHello,
  LinkConnection,
  randomTag,
  resetFor,
  type Link,
  type LinkOptions,
  type PacketMedium,
} from '../link/index.js';
import { HIGH_WATER_MARK } from './link-profile.js';
import type { ListenerTopics } from './topics.js';

export interface ServedDevicesOptions {
  readonly topics: ListenerTopics;
  readonly host: ListenerHost;
  /** Of a link on which packets leave on that topic. */
  readonly linkOptions: (topic: string) => LinkOptions;
  /** Publishes; whether more is welcome. */
  readonly publish: (topic: string, packet: Uint8Array) => boolean;
}

/** One connection of a device, made or not. */
interface Device {
  readonly clientId: string;
  readonly down: string;
  readonly link: LinkOptions;
  readonly acceptor: Acceptor;
  /** Once a link was made. */
  connection: LinkConnection | undefined;
  /** Gives up one that is not made. */
  timer: Timer | undefined;
  /** Says what the rate of the line held back: nobody else does before a link is made. */
  wake: Timer | undefined;
}

export class ServedDevices {
  readonly #options: ServedDevicesOptions;
  /** By client ID and connection. */
  readonly #devices = new Map<string, Device>();
  #unmade = 0;
  #isWritable = true;
  #resetsUntil = 0;
  #resets = 0;

  constructor(options: ServedDevicesOptions) {
    this.#options = options;
  }

  /** Something was published below the topics of the listener. */
  message(topic: string, payload: Uint8Array): void {
    const meaning = this.#options.topics.parse(topic);
    if (meaning?.kind === 'gone') this.#gone(meaning.clientId);
    if (meaning?.kind === 'up') this.#packet(meaning.clientId, meaning.connection, payload);
  }

  /** The broker takes more again. Who fills it is the last the next time: the others would never have their turn. */
  writable(): void {
    this.#isWritable = true;
    for (const [key, device] of this.#devices) {
      this.#pump(device);
      if (this.#isWritable) continue;
      if (this.#devices.delete(key)) this.#devices.set(key, device);
      return;
    }
  }

  /** The broker is gone, or left: so are all devices. */
  lost(error: MessagingError): void {
    for (const [key, device] of this.#devices) {
      this.#forget(key, device);
      device.connection?.sink.lost(error);
    }
    this.#isWritable = true;
  }

  #gone(clientId: string): void {
    const error = new MessagingError('CONNECTION_LOST', `${clientId}: the broker has lost it`, { recoverable: true });
    for (const [key, device] of this.#devices) {
      if (device.clientId !== clientId) continue;
      device.connection?.sink.lost(error); // says good-bye: the broker may be wrong, or somebody lies
      this.#forget(key, device);
    }
  }

  #packet(clientId: string, name: string, packet: Uint8Array): void {
    const key = `${clientId}/${name}`;
    const device = this.#devices.get(key) ?? (isHello(packet) ? this.#meet(key, clientId, name) : undefined);
    if (device === undefined) return this.#reset(clientId, name, packet);
    const made = device.acceptor.receive(packet, this.#clock.monotonic());
    if (made !== undefined) this.#accept(key, device, made);
    this.#pump(device);
  }

  #meet(key: string, clientId: string, name: string): Device {
    if (this.#unmade >= MAX_UNMADE) this.#dropOldest();
    const { topics, linkOptions } = this.#options;
    const down = topics.down(clientId, name);
    const link = linkOptions(down);
    const acceptor = new Acceptor(link, () => randomTag(systemRandom));
    const device: Device = { clientId, down, link, acceptor, connection: undefined, timer: undefined, wake: undefined };
    device.timer = this.#clock.setTimer(UNMADE_MS, () => this.#forget(key, device), { background: true });
    this.#devices.set(key, device);
    this.#unmade++;
    return device;
  }

  #accept(key: string, device: Device, link: Link): void {
    this.#made(device);
    const connection = new LinkConnection(
      this.#mediumOf(key, device, () => {
        device.acceptor.forget(link);
        if (device.connection === connection) this.#forget(key, device);
      }),
      link,
      { clock: this.#clock, link: device.link, highWaterMark: HIGH_WATER_MARK },
    );
    const before = device.connection;
    device.connection = connection;
    before?.sink.writable(); // it sees that it was replaced
    this.#options.host.accept(connection, `mqtt:${device.clientId}`);
  }

  /** Takes nothing from a device that is forgotten: the line may be another by now, or none. */
  #mediumOf(key: string, device: Device, onClose: () => void): PacketMedium {
    const isWritable = (): boolean => this.#isWritable && this.#devices.get(key) === device;
    return {
      open: async () => undefined,
      get isWritable() {
        return isWritable();
      },
      write: (packet) => this.#publish(device.down, packet),
      close: onClose,
    };
  }

  #pump(device: Device): void {
    const now = this.#clock.monotonic();
    while (this.#isWritable) {
      const packet = device.acceptor.poll(now);
      if (packet === undefined) break;
      this.#publish(device.down, packet);
    }
    device.wake?.cancel();
    const at = this.#isWritable ? device.acceptor.wakeAt(now) : Infinity;
    const wake = (): void => this.#pump(device);
    device.wake = at === Infinity ? undefined : this.#clock.setTimer(at - now, wake, { background: true });
    device.connection?.sink.writable();
  }

  #publish(topic: string, packet: Uint8Array): void {
    this.#isWritable = this.#options.publish(topic, packet);
  }

  /** Tells who speaks on a link that there is not. Not without bound: whoever may publish can invent any number of them. */
  #reset(clientId: string, name: string, packet: Uint8Array): void {
    const reset = resetFor(packet);
    if (reset === undefined) return;
    const now = this.#clock.monotonic();
    if (now >= this.#resetsUntil) {
      this.#resetsUntil = now + 1_000;
      this.#resets = 0;
    }
    if (this.#resets++ < MAX_RESETS) this.#publish(this.#options.topics.down(clientId, name), reset);
  }

  #dropOldest(): void {
    for (const [key, device] of this.#devices) {
      if (device.connection === undefined) return this.#forget(key, device);
    }
  }

  #forget(key: string, device: Device): void {
    if (this.#devices.get(key) !== device) return;
    this.#devices.delete(key);
    device.wake?.cancel();
    this.#made(device);
    device.link.rate?.release();
  }

  /** It is not one of those any more that may never be made. */
  #made(device: Device): void {
    if (device.timer === undefined) return;
    device.timer.cancel();
    device.timer = undefined;
    this.#unmade--;
  }

  get #clock(): Clock {
    return this.#options.host.clock;
  }
}

/** Connections of which only a hello has come. */
const MAX_UNMADE = 256;
/** As long as a peer may take to be let in. */
const UNMADE_MS = 15_000;
/** A second. */
const MAX_RESETS = 20;
