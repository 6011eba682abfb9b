/** A listener that is reached through a broker. */
import {
  checkOptions,
  HawserError,
  MessageEndpoint,
  systemRandom,
  type ConnectOptions,
  type Endpoint,
  type MessageEndpointConnection,
} from '../../src/index.js';
import { LinkConnection, type LinkStatistics } from '../link/index.js';
import { checkBroker, type Broker, type BrokerOptions } from './broker-options.js';
import { DeviceMedium } from './device-medium.js';
import {
  checkMeteredOptions,
  HIGH_WATER_MARK,
  lineOptions,
  linkOptions,
  METERED_OPTIONS,
  type LineOptions,
  type MeteredOptions,
} from './link-profile.js';
import { ListenerTopics, newConnectionName } from './topics.js';

export interface MqttEndpointOptions extends MeteredOptions {
  /**
   * Where it is and who we are there. Give each device a `clientId` of its own, by which the broker can hold it to its topics.
   * @default of the clientId: one for this process, at random
   */
  readonly broker: BrokerOptions | string;
  /** The name of the listener. */
  readonly peer: string;
  /** What all topics begin with. @default 'hawser' */
  readonly prefix?: string;
  /** The name of the listener's database. @default the name of the listener */
  readonly database?: string;
  /** Let the broker, and whoever can read there, see everything. @default false */
  readonly disableTLS?: boolean;
}

export class MqttEndpoint implements Endpoint {
  /** Does not name the broker: the same listener behind another one is the same remote. */
  readonly remoteID: string;
  readonly #options: MqttEndpointOptions;
  readonly #broker: Broker;
  readonly #line: LineOptions;
  readonly #topics: ListenerTopics;
  #connection: LinkConnection | undefined;

  /** @throws HawserError `ARGUMENT_INVALID`, `OPTION_UNKNOWN` or `IDENTITY_UNSUITABLE` */
  constructor(options: MqttEndpointOptions) {
    const where = 'MqttEndpoint';
    if (options === undefined) throw new HawserError('ARGUMENT_INVALID', `${where}: options are required`);
    checkOptions(where, options, [...METERED_OPTIONS, 'broker', 'peer', 'prefix', 'database', 'disableTLS']);
    const { broker, peer, prefix = DEFAULT_PREFIX, database = peer, disableTLS } = options;
    this.#broker = checkBroker(`${where}: broker`, broker);
    this.#topics = new ListenerTopics(where, prefix, peer);
    checkMeteredOptions(where, options);
    const check = (holds: boolean, what: string): void => {
      if (!holds) throw new HawserError('ARGUMENT_INVALID', `${where}: ${what}`);
    };
    check(typeof database === 'string' && database !== '', 'database must be a name');
    check(disableTLS === undefined || typeof disableTLS === 'boolean', 'disableTLS must be true or false');
    this.#options = Object.freeze({ ...options });
    this.#line = lineOptions(options);
    this.remoteID = `mqtt:${prefix}/${peer}${database === peer ? '' : `/${database}`}`;
  }

  /** Who this device is to the broker. */
  get clientId(): string {
    return this.#broker.clientId ?? ofThisProcess;
  }

  /** What the link of the last connection has done; undefined before the first. */
  get statistics(): LinkStatistics | undefined {
    return this.#connection?.statistics;
  }

  /** @throws MessagingError `ARGUMENT_INVALID` for a listener that is to be recognised without TLS */
  createConnection(options: ConnectOptions): MessageEndpointConnection {
    const { peer, database = peer, disableTLS = false } = this.#options;
    const { clock, logger, heartbeatMs, connectTimeoutMs } = options;
    const medium = new DeviceMedium({
      ...{ broker: this.#broker, clientId: this.clientId, topics: this.#topics },
      ...{ clock, logger },
    });
    const connection = new LinkConnection(
      medium,
      { name: this.remoteID, connectTimeoutMs },
      {
        clock,
        link: linkOptions(this.#line, medium.up, heartbeatMs, { webSocket: this.#broker.webSocket }),
        highWaterMark: HIGH_WATER_MARK,
      },
    );
    const delegate = { createConnection: () => connection };
    const layers = { tls: !disableTLS, handshake: true, database };
    const created = new MessageEndpoint(this.remoteID, undefined, 'messageStream', delegate, layers).createConnection(
      options,
    );
    this.#connection = connection;
    return created;
  }
}

/** What topics begin with unless something else is wanted. */
export const DEFAULT_PREFIX = 'hawser';

/** Of devices whose application has not given them one. */
const ofThisProcess = `hawser-${newConnectionName(systemRandom)}`;
