/** Lets devices replicate that reach it through a broker: any number of them, over one connection to there. */
import { MediumListener, type ListenerHost, type ListenerMedium, type MediumListenerOptions } from '../../src/index.js';
import { checkBroker, type Broker, type BrokerOptions } from './broker-options.js';
import { DEFAULT_PREFIX } from './endpoint.js';
import { checkMeteredOptions, METERED_OPTIONS, type MeteredOptions } from './link-profile.js';
import { ServedBroker } from './served-broker.js';
import { ListenerTopics } from './topics.js';

export interface MqttEndpointListenerOptions extends MediumListenerOptions, MeteredOptions {
  /**
   * Where it is and who we are there. @default of the clientId: `hawser-` and the name, so that a listener that comes back takes
   * the place of the one that has crashed
   */
  readonly broker: BrokerOptions | string;
  /** What devices know it by. @default the name of the database */
  readonly name?: string;
  /** What all topics begin with. @default 'hawser' */
  readonly prefix?: string;
}

export class MqttEndpointListener extends MediumListener {
  /** What devices know it by. */
  readonly name: string;
  readonly #options: MqttEndpointListenerOptions;
  readonly #broker: Broker;
  readonly #topics: ListenerTopics;

  /**
   * @throws HawserError `OPTION_UNKNOWN`; `ARGUMENT_INVALID` for a wrong value, no collections, collections of two databases, or
   *   an authenticator of certificates without TLS; `IDENTITY_UNSUITABLE` for a certificate that is not for its use
   */
  constructor(options: MqttEndpointListenerOptions) {
    const where = 'MqttEndpointListener';
    super(where, options, [...METERED_OPTIONS, 'broker', 'name', 'prefix']);
    checkMeteredOptions(where, options);
    this.name = options.name ?? options.collections[0]?.database.name ?? '';
    this.#topics = new ListenerTopics(where, options.prefix ?? DEFAULT_PREFIX, this.name);
    this.#broker = checkBroker(`${where}: broker`, options.broker);
    this.#options = Object.freeze({ ...options });
  }

  protected openMedium(host: ListenerHost): Promise<ListenerMedium> {
    return ServedBroker.open({
      broker: this.#broker,
      clientId: this.#broker.clientId ?? `hawser-${this.name}`,
      topics: this.#topics,
      metered: this.#options,
      heartbeatMs: (this.#options.heartbeat || DEFAULT_HEARTBEAT) * 1_000,
      host,
    });
  }
}

/** As a client: the machine of the link sees to it that one side asks and the other only answers. */
const DEFAULT_HEARTBEAT = 300;
