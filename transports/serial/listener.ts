/** Lets the peer at the other end of a serial line replicate, or the nodes of a bus, to which it gives the turn. */
import {
  checkInteger,
  HawserError,
  MediumListener,
  type ListenerMedium,
  type ListenerHost,
  type MediumListenerOptions,
} from '../../src/index.js';
import { MAX_ADDRESS } from './bus-frame.js';
import { BusGateway } from './bus-gateway.js';
import { portOptionsOf } from './endpoint.js';
import { checkLineOptions, LINE_OPTIONS, lineProfile, type LineOptions } from './line-profile.js';
import { checkPortOptions, PORT_OPTIONS, type SerialPortOptions } from './port-options.js';
import { ServedLine } from './served-line.js';

export interface SerialEndpointListenerOptions extends MediumListenerOptions, SerialPortOptions, LineOptions {
  /** The addresses of the nodes on a bus, 1 to 32. @default the line has two ends */
  readonly nodes?: readonly number[];
  /**
   * On a bus: how long a node may take to begin its answer, in milliseconds, 1 to 1,000. Adapters on USB take up to 20.
   * @default 50
   */
  readonly turnaround?: number;
}

export class SerialEndpointListener extends MediumListener {
  readonly #options: SerialEndpointListenerOptions;
  readonly #port: Required<SerialPortOptions>;

  /**
   * @throws HawserError `OPTION_UNKNOWN`; `ARGUMENT_INVALID` for a wrong value, no collections, collections of two databases, or
   *   an authenticator of certificates without TLS; `IDENTITY_UNSUITABLE` for a certificate that is not for servers
   */
  constructor(options: SerialEndpointListenerOptions) {
    const where = 'SerialEndpointListener';
    super(where, patient(where, options), [...PORT_OPTIONS, ...LINE_OPTIONS, 'nodes', 'turnaround']);
    checkLineOptions(where, options);
    checkNodes(where, options);
    this.#port = checkPortOptions(where, portOptionsOf(options));
    this.#options = Object.freeze({ ...options });
  }

  /** The device. */
  get path(): string {
    return this.#port.path;
  }

  protected openMedium(host: ListenerHost): Promise<ListenerMedium> {
    const { nodes, turnaround = DEFAULT_TURNAROUND_MS, heartbeat } = this.#options;
    const profile = lineProfile(this.#port, this.#options, (heartbeat || DEFAULT_HEARTBEAT) * 1_000);
    const options = { port: this.#port, profile, host };
    if (nodes === undefined) return ServedLine.open(options);
    return BusGateway.open({ ...options, addresses: nodes, turnaroundMs: turnaround });
  }
}

/** The options, with the time that TLS takes on a slow line, unless another was given. */
function patient(where: string, options: SerialEndpointListenerOptions): SerialEndpointListenerOptions {
  if (options === undefined || options.limits?.handshakeTimeout !== undefined) return options;
  const { openingMs } = lineProfile(checkPortOptions(where, portOptionsOf(options)), options, 0);
  return { ...options, limits: { ...options.limits, handshakeTimeout: openingMs / 1_000 } };
}

function checkNodes(where: string, { nodes, turnaround }: SerialEndpointListenerOptions): void {
  if (turnaround !== undefined) checkInteger(`${where}: turnaround`, turnaround, 1, 1_000);
  if (nodes === undefined) return;
  if (!Array.isArray(nodes) || nodes.length === 0 || new Set(nodes).size < nodes.length) {
    throw new HawserError('ARGUMENT_INVALID', `${where}: nodes must be a list of addresses, each once`);
  }
  for (const address of nodes) checkInteger(`${where}: nodes`, address, 1, MAX_ADDRESS);
}

const DEFAULT_TURNAROUND_MS = 50;
/** As a client: the machine of the link sees to it that one side asks and the other only answers. */
const DEFAULT_HEARTBEAT = 300;
