/** How much a stranger may cost a listener: numbers with defaults, checked once. */
import { checkInteger, checkOptions, checkSeconds } from '../base/index.js';

export interface ListenerLimits {
  /** Peers at a time; the next is answered 503 and tries again later. @default 1,000 */
  readonly maxConnections?: number;
  /** Peers at a time from one address (of an IPv6 address the first 64 bits). @default 100 */
  readonly maxConnectionsPerAddress?: number;
  /** Connections that are not let in yet; for one more the oldest is given up. @default 128 */
  readonly maxHandshakes?: number;
  /** The same for one address. @default 32 */
  readonly maxHandshakesPerAddress?: number;
  /** How long a peer may take to be let in, TLS and password included. In seconds; 0 for the default. @default 15 */
  readonly handshakeTimeout?: number;
  /** The longest wait after failed log-ins, which doubles with each. In seconds; 0 for the default. @default 60 */
  readonly maxLoginDelay?: number;
  /** Bytes of one message of a peer, properties and body. From 16 KiB on. @default 32 MiB */
  readonly maxMessageSize?: number;
  /** Bytes of the properties of a message. From 1 KiB on. @default 102,400 */
  readonly maxPropertiesSize?: number;
  /** Messages of a peer that have begun and are not complete. @default 1,000 */
  readonly maxOpenRequests?: number;
  /** Bytes that one compressed frame may inflate to. From 16 KiB on. @default 17 MiB */
  readonly maxInflatedSize?: number;
  /** Bytes of all unfinished messages of a peer together. From 16 KiB on. @default 64 MiB */
  readonly maxBufferedBytes?: number;
  /**
   * Bytes of unfinished messages and of unread answers of all peers together; beyond that, the peer that holds most is ended.
   * @default 256 MiB
   */
  readonly maxTotalBufferedBytes?: number;
}

/** Complete and checked. Throws `OPTION_UNKNOWN` or `ARGUMENT_INVALID`, naming the limit. */
export function checkLimits(where: string, limits: ListenerLimits = {}): Required<ListenerLimits> {
  checkOptions(`${where}: limits`, limits, [...Object.keys(SECONDS), ...Object.keys(COUNTS)]);
  const seconds = Object.entries(SECONDS).map(([name, standard]) => {
    const given = limits[name as keyof ListenerLimits];
    return [name, checkSeconds(`${where}: limits.${name}`, given) || standard];
  });
  const counts = Object.entries(COUNTS).map(([name, { standard, minimum, maximum }]) => {
    const given = limits[name as keyof ListenerLimits];
    return [name, given === undefined ? standard : checkInteger(`${where}: limits.${name}`, given, minimum, maximum)];
  });
  return Object.freeze(Object.fromEntries([...seconds, ...counts]) as Required<ListenerLimits>);
}

/** Those that hold for the messages of a peer, as a connection takes them. */
export function messageLimits(limits: Required<ListenerLimits>) {
  const { maxMessageSize, maxPropertiesSize, maxOpenRequests, maxInflatedSize, maxBufferedBytes } = limits;
  return { maxMessageSize, maxPropertiesSize, maxOpenRequests, maxInflatedSize, maxBufferedBytes };
}

const SECONDS = { handshakeTimeout: 15, maxLoginDelay: 60 };

const KIB = 1024;
const MIB = 1024 * KIB;
/** The bounds of BLIP: what it would refuse is refused here, in the words of the listener and before anybody connects. */
const MAX_BYTES = 2 ** 31 - 1;
const peers = (standard: number) => ({ standard, minimum: 1, maximum: Number.MAX_SAFE_INTEGER });
const bytes = (standard: number, minimum = 16 * KIB) => ({ standard, minimum, maximum: MAX_BYTES });
const COUNTS = {
  maxConnections: peers(1_000),
  maxConnectionsPerAddress: peers(100),
  maxHandshakes: peers(128),
  maxHandshakesPerAddress: peers(32),
  maxMessageSize: bytes(32 * MIB),
  maxPropertiesSize: bytes(102_400, KIB),
  maxOpenRequests: bytes(1_000, 1),
  maxInflatedSize: bytes(17 * MIB),
  maxBufferedBytes: bytes(64 * MIB),
  maxTotalBufferedBytes: { standard: 256 * MIB, minimum: 16 * KIB, maximum: Number.MAX_SAFE_INTEGER },
};
