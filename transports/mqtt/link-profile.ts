/** How a link behaves through a broker, and what it may use of the line to there. */
import { checkInteger, HawserError } from '../../src/index.js';
import {
  checkPriority,
  MAX_PACKET_SIZE,
  MIN_PACKET_SIZE,
  SharedRate,
  type LinkOptions,
  type LinkPriority,
} from '../link/index.js';
import { publishOverhead } from './topics.js';

export interface MeteredOptions {
  /**
   * The largest payload of a message to the broker, in bytes: 32 to 65,536. @default 16,384, through a WebSocket what makes a packet
   * of 4,000, on a metered line what leaves within half a second; less if the broker takes no more
   */
  readonly maxPacketSize?: number;
  /** Bytes a second that may leave, for a line that costs money or is needed by others. @default as fast as it goes */
  readonly maxBytesPerSecond?: number;
  /** The same for several endpoints together: whose priority is higher goes first. */
  readonly sharedRate?: SharedRate;
  /** @default 'normal' */
  readonly priority?: LinkPriority;
}

/** The names, for the options of whatever has a link among other things. */
export const METERED_OPTIONS: readonly string[] = ['maxPacketSize', 'maxBytesPerSecond', 'sharedRate', 'priority'];

/** Throws `ARGUMENT_INVALID`. */
export function checkMeteredOptions(where: string, options: MeteredOptions): void {
  const { maxPacketSize, maxBytesPerSecond, sharedRate, priority } = options;
  if (maxPacketSize !== undefined) {
    checkInteger(`${where}: maxPacketSize`, maxPacketSize, MIN_PACKET_SIZE, MAX_PACKET_SIZE);
  }
  if (maxBytesPerSecond !== undefined) checkInteger(`${where}: maxBytesPerSecond`, maxBytesPerSecond, 10);
  if (priority !== undefined) checkPriority(where, priority);
  const check = (holds: boolean, what: string): void => {
    if (!holds) throw new HawserError('ARGUMENT_INVALID', `${where}: ${what}`);
  };
  check(sharedRate === undefined || sharedRate instanceof SharedRate, 'sharedRate must be a SharedRate');
  check(sharedRate === undefined || maxBytesPerSecond === undefined, 'give sharedRate or maxBytesPerSecond, not both');
}

/** What the links of one line have in common, however many they are. */
export type LineOptions = Omit<MeteredOptions, 'maxBytesPerSecond'>;

/** One rate for all links that are made with them. */
export function lineOptions({ maxBytesPerSecond, ...others }: MeteredOptions): LineOptions {
  if (maxBytesPerSecond === undefined) return others;
  return { ...others, sharedRate: new SharedRate({ bytesPerSecond: maxBytesPerSecond }) };
}

export interface BrokerTraits {
  readonly webSocket: boolean;
  /** The largest packet that it takes, in bytes, if it has said so. */
  readonly maxPacketSize?: number | undefined;
}

/**
 * @param topic on which packets leave
 * @param keepAliveMs how long a quiet peer is left in peace
 */
export function linkOptions(
  options: LineOptions,
  topic: string,
  keepAliveMs: number,
  broker: BrokerTraits,
): LinkOptions {
  const { sharedRate, priority } = options;
  const usual = broker.webSocket ? WEB_SOCKET_PACKET - publishOverhead(topic) : DEFAULT_PACKET_SIZE;
  const { maxPacketSize = Math.min(usual, timelySize(sharedRate)) } = options;
  return {
    maxPacketSize: Math.min(maxPacketSize, largestPayload(topic, broker.maxPacketSize)),
    packetOverhead: publishOverhead(topic) + TCP_OVERHEAD,
    maxMessageSize: 65_536,
    window: 262_144,
    maxReordering: 3,
    congestionControl: true,
    initialTimeoutMs: 1_000,
    minTimeoutMs: 200,
    maxTimeoutMs: 8_000,
    packetsPerAcknowledgement: 4,
    acknowledgementDelayMs: 20,
    keepAliveMs,
    giveUpMs: 20_000,
    ...(sharedRate === undefined ? {} : { rate: sharedRate.share(priority) }),
  };
}

/** What is on its way nobody overtakes: neither what is more urgent, nor an answer that the other end waits for. */
function timelySize(rate: SharedRate | undefined): number {
  if (rate === undefined) return Infinity;
  return Math.max(MIN_TIMELY_SIZE, Math.floor(rate.bytesPerSecond * TIMELY_SECONDS));
}

/** What a message on `topic` may hold at the most, in bytes; infinite where the broker has not said so. */
export function largestPayload(topic: string, brokerLimit: number | undefined): number {
  if (brokerLimit === undefined) return Infinity;
  return Math.max(MIN_PACKET_SIZE, brokerLimit - publishOverhead(topic));
}

/** Above this much unsent data nobody is told that more is welcome. */
export const HIGH_WATER_MARK = 65_536;
/** A message of TLS fills it, and brokers that set limits allow more. */
const DEFAULT_PACKET_SIZE = 16_384;
/** Mosquitto 2.0 writes 4,096 bytes to a WebSocket at once, and what is beyond a tenth of a second later. */
const WEB_SOCKET_PACKET = 4_000;
const TIMELY_SECONDS = 0.5;
/** Smaller ones would be topics more than anything else. */
const MIN_TIMELY_SIZE = 128;
/** The headers of TCP and IP. */
const TCP_OVERHEAD = 40;
