/** A listener at the other end of a serial line, or the gateway of a bus. */
import {
  checkInteger,
  checkOptions,
  HawserError,
  MessageEndpoint,
  type ConnectOptions,
  type Endpoint,
  type MessageEndpointConnection,
} from '../../src/index.js';
import { LinkConnection, SharedRate, type LinkStatistics } from '../link/index.js';
import { MAX_ADDRESS } from './bus-frame.js';
import { BusMedium } from './bus-medium.js';
import { LineMedium } from './line-medium.js';
import { busLink, checkLineOptions, LINE_OPTIONS, lineProfile, type LineOptions } from './line-profile.js';
import { checkPortOptions, PORT_OPTIONS, type SerialPortOptions } from './port-options.js';

export interface SerialEndpointOptions extends SerialPortOptions, LineOptions {
  /**
   * What the listener at the other end is called here. Checkpoints are kept under this name, and not under that of the device, so
   * that an adapter can be plugged in elsewhere.
   */
  readonly peer: string;
  /** The name of its database. @default the name of the peer */
  readonly database?: string;
  /** On a bus: the address of this node, 1 to 32. @default the line has two ends */
  readonly address?: number;
  /** Speak without encryption. @default false */
  readonly disableTLS?: boolean;
}

export class SerialEndpoint implements Endpoint {
  readonly remoteID: string;
  readonly #options: SerialEndpointOptions;
  readonly #port: Required<SerialPortOptions>;
  #connection: LinkConnection | undefined;

  /** @throws HawserError `ARGUMENT_INVALID` or `OPTION_UNKNOWN` */
  constructor(options: SerialEndpointOptions) {
    const where = 'SerialEndpoint';
    if (options === undefined) throw new HawserError('ARGUMENT_INVALID', `${where}: options are required`);
    checkOptions(where, options, [...PORT_OPTIONS, ...LINE_OPTIONS, 'peer', 'database', 'address', 'disableTLS']);
    const { peer, database = peer, address, disableTLS } = options;
    this.#port = checkPortOptions(where, portOptionsOf(options));
    checkLineOptions(where, options);
    for (const [name, value] of Object.entries({ peer, database })) {
      if (typeof value === 'string' && value !== '') continue;
      throw new HawserError('ARGUMENT_INVALID', `${where}: ${name} must be a name`);
    }
    if (address !== undefined) checkInteger(`${where}: address`, address, 1, MAX_ADDRESS);
    if (disableTLS !== undefined && typeof disableTLS !== 'boolean') {
      throw new HawserError('ARGUMENT_INVALID', `${where}: disableTLS must be true or false`);
    }
    this.#options = Object.freeze({ ...options });
    this.remoteID = database === peer ? `serial:${peer}` : `serial:${peer}/${database}`;
  }

  /** At 9,600 baud 24 s, at 1,200 a minute and a half: TLS alone says 2 KB or more. In milliseconds. */
  get connectTimeoutMs(): number {
    return lineProfile(this.#port, this.#options, 0).openingMs;
  }

  /** What the link of the last connection has done; undefined before the first. */
  get statistics(): LinkStatistics | undefined {
    return this.#connection?.statistics;
  }

  /** @throws MessagingError `ARGUMENT_INVALID` for a listener that is to be recognised without TLS */
  createConnection(options: ConnectOptions): MessageEndpointConnection {
    const { peer, database = peer, disableTLS = false } = this.#options;
    const connection = this.#link(options);
    const delegate = { createConnection: () => connection };
    const layers = { tls: !disableTLS, handshake: true, database };
    const secured = new MessageEndpoint(this.remoteID, undefined, 'messageStream', delegate, layers);
    const created = secured.createConnection(options);
    this.#connection = connection;
    return created;
  }

  #link({ clock, connectTimeoutMs, heartbeatMs }: ConnectOptions): LinkConnection {
    const { address } = this.#options;
    const { link, bytesPerSecond, lineBytesPerSecond, highWaterMark } = lineProfile(
      this.#port,
      this.#options,
      heartbeatMs,
    );
    const medium = { port: this.#port, maxPacketSize: link.maxPacketSize, lineBytesPerSecond, clock };
    const source = { name: this.remoteID, connectTimeoutMs };
    if (address !== undefined) {
      const options = { clock, link: busLink(link), highWaterMark };
      return new LinkConnection(new BusMedium({ ...medium, address }), source, options);
    }
    const rate = new SharedRate({ bytesPerSecond }).share();
    return new LinkConnection(new LineMedium(medium), source, { clock, link: { ...link, rate }, highWaterMark });
  }
}

/** Those of the options that are the port's. */
export function portOptionsOf(options: SerialPortOptions): SerialPortOptions {
  const entries = Object.entries(options).filter(([name]) => PORT_OPTIONS.includes(name));
  return Object.fromEntries(entries) as unknown as SerialPortOptions;
}
