/** How a link behaves on its medium. */
import type { RateShare } from './shared-rate.js';

export interface LinkOptions {
  /** The largest packet that the medium carries, in bytes: 32 to 65,536. The smaller one of both ends counts. */
  readonly maxPacketSize: number;
  /** What the medium adds to each packet, in bytes: it counts for the rate. */
  readonly packetOverhead: number;
  /** The largest message in either direction, in bytes. */
  readonly maxMessageSize: number;
  /** Bytes that may arrive before the application has taken any. */
  readonly window: number;
  /** Packets that may overtake another one before that counts as lost; 0 where the medium keeps the order. */
  readonly maxReordering: number;
  /** Whether a loss means that somebody in the middle had no room, rather than noise. */
  readonly congestionControl: boolean;
  /** How long the first answer may take, in milliseconds. */
  readonly initialTimeoutMs: number;
  readonly minTimeoutMs: number;
  readonly maxTimeoutMs: number;
  /** After how many packets at the latest they are acknowledged. */
  readonly packetsPerAcknowledgement: number;
  /** How long an acknowledgement may wait for more to acknowledge, in milliseconds. */
  readonly acknowledgementDelayMs: number;
  /** A peer that has not been heard for this long is asked whether it is there, in milliseconds. The passive end waits a tenth longer. */
  readonly keepAliveMs: number;
  /** A peer that owes an answer and is not heard for this long is given up, in milliseconds. */
  readonly giveUpMs: number;
  /** The part in a line whose rate is limited. */
  readonly rate?: RateShare;
}
