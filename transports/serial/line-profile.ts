/**
 * How a link behaves on a serial line, from what the line can do: on a slow one packets are short, so that nothing urgent waits
 * long for the end of one, and answers are given more time.
 */
import { checkInteger } from '../../src/index.js';
import { MIN_PACKET_SIZE, type LinkOptions } from '../link/index.js';
import { frameOverhead } from './framing.js';
import type { SerialPortOptions } from './port-options.js';

export interface LineOptions {
  /**
   * The largest packet, in bytes: 32 to 4,096. Smaller ones lose less on a noisy line, larger ones cost less on a clean one; the
   * smaller one of both ends counts. @default what the line carries in 125 ms, 64 to 256
   */
  readonly maxPacketSize?: number;
  /** Leave the rest of the line to others. @default what the baud rate allows */
  readonly maxBytesPerSecond?: number;
}

export interface LineProfile {
  /** What may leave. */
  readonly bytesPerSecond: number;
  /** What the line carries at its baud rate. */
  readonly lineBytesPerSecond: number;
  readonly link: Omit<LinkOptions, 'rate'>;
  readonly highWaterMark: number;
  /** How long opening may take, TLS and handshake included. */
  readonly openingMs: number;
}

/** The names, for the options of whatever has a line among other things. */
export const LINE_OPTIONS: readonly string[] = ['maxPacketSize', 'maxBytesPerSecond'];

/** Throws `ARGUMENT_INVALID`. */
export function checkLineOptions(where: string, { maxPacketSize, maxBytesPerSecond }: LineOptions): void {
  if (maxPacketSize !== undefined) {
    checkInteger(`${where}: maxPacketSize`, maxPacketSize, MIN_PACKET_SIZE, LARGEST_PACKET);
  }
  if (maxBytesPerSecond !== undefined) checkInteger(`${where}: maxBytesPerSecond`, maxBytesPerSecond, 10);
}

/** @param keepAliveMs how long a quiet peer is left in peace */
export function lineProfile(
  port: Required<SerialPortOptions>,
  { maxPacketSize, maxBytesPerSecond = Infinity }: LineOptions,
  keepAliveMs: number,
): LineProfile {
  const bitsPerByte = 1 + 8 + (port.parity === 'none' ? 0 : 1) + port.stopBits;
  const lineBytesPerSecond = port.baudRate / bitsPerByte;
  const bytesPerSecond = Math.max(10, Math.floor(Math.min(lineBytesPerSecond * SHARE_OF_LINE, maxBytesPerSecond)));
  const packetSize = maxPacketSize ?? clamp(Math.round(bytesPerSecond / 8), 64, 256);
  const packetOverhead = frameOverhead(packetSize);
  const packetMs = (1_000 * (packetSize + packetOverhead)) / bytesPerSecond;
  // Where a packet takes longer than the usual wait for more of them, each would be acknowledged by one of its own.
  const acknowledgementDelayMs = clamp(Math.round(2 * packetMs), 20, 400);
  return {
    bytesPerSecond,
    lineBytesPerSecond,
    openingMs: Math.round(USUAL_OPENING_MS + (1_000 * OPENING_BYTES) / bytesPerSecond),
    highWaterMark: clamp(Math.round(bytesPerSecond / 2), 512, 16_384),
    link: {
      maxPacketSize: packetSize,
      packetOverhead,
      maxMessageSize: 65_536,
      window: 16_384,
      maxReordering: 0,
      congestionControl: false,
      initialTimeoutMs: 500 + 4 * packetMs,
      // An acknowledgement waits for others, and then may have to wait for a packet that has begun.
      minTimeoutMs: 100 + 2 * packetMs + acknowledgementDelayMs,
      maxTimeoutMs: 5_000 + 4 * packetMs,
      packetsPerAcknowledgement: 4,
      acknowledgementDelayMs,
      keepAliveMs,
      giveUpMs: GIVE_UP_MS,
    },
  };
}

/** A link of which each packet waits for its turn on a bus. */
export function busLink(link: Omit<LinkOptions, 'rate'>): LinkOptions {
  // What arrived in one turn is acknowledged in the next, and that may be a while if there are many nodes.
  return { ...link, acknowledgementDelayMs: 0, initialTimeoutMs: link.initialTimeoutMs + 1_500, minTimeoutMs: 500 };
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}

/** What every medium has. */
const USUAL_OPENING_MS = 15_000;
/** Of TLS with certificates of both sides and their issuers, with frames and a repetition or two. On a bus others have their turns between. */
const OPENING_BYTES = 8_192;
/** No two clocks are the same: what is sent a little slower than the line takes it never piles up in a buffer. */
const SHARE_OF_LINE = 0.98;
const LARGEST_PACKET = 4_096;
/** A line that is silent for less than this loses nothing but time. */
export const GIVE_UP_MS = 20_000;
/** How often an end that listens and is not connected asks whether anybody believes to be. */
export const ROLL_CALL_MS = 5_000;
