/** Two connections in one process that are tied to each other: the medium for tests, and for two databases of one program. */
import { checkInteger, checkOptions, systemClock, type Clock } from '../../base/index.js';
import type { MessageEndpointConnection } from '../connection.js';
import { LoopbackConnection, type LoopbackConnectionOptions } from './loopback-connection.js';

export interface LoopbackOptions {
  /** How long a message takes to arrive, in milliseconds. 0 delivers by microtask. @default 0 */
  readonly latencyMs?: number;
  /** The largest message, in bytes. @default 1 MiB */
  readonly maxMessageSize?: number;
  /**
   * How many bytes may be on their way to an end that does not take them (a message counts 64 bytes beside its own)
   * before `send` waits. 0 waits for every message until it was taken. @default 65,536
   */
  readonly highWaterMark?: number;
  /** @default the clock of the machine */
  readonly clock?: Clock;
}

export interface LoopbackPair {
  /** Opens once both ends are being opened. */
  readonly a: MessageEndpointConnection;
  readonly b: MessageEndpointConnection;
  /** Breaks the link without a farewell: each open end reports `CONNECTION_LOST`. */
  readonly cut: () => void;
}

/** Two ends of a fresh link. */
export function loopbackPair(options?: LoopbackOptions): LoopbackPair {
  checkOptions('loopbackPair', options, LOOPBACK_OPTIONS);
  return makeLoopbackPair(resolveLoopbackOptions(options));
}

/** For this room: with options of the two ends apart. */
export function makeLoopbackPair(
  optionsOfA: LoopbackConnectionOptions,
  optionsOfB: LoopbackConnectionOptions = optionsOfA,
): LoopbackPair {
  const a = new LoopbackConnection(optionsOfA);
  const b = new LoopbackConnection(optionsOfB);
  LoopbackConnection.tie(a, b);
  const cut = (): void => {
    a.vanish();
    b.vanish();
  };
  return { a, b, cut };
}

/** Fills in the defaults. @throws HawserError `ARGUMENT_INVALID` */
export function resolveLoopbackOptions(options: LoopbackOptions = {}): LoopbackConnectionOptions {
  return {
    clock: options.clock ?? systemClock,
    latencyMs: checkInteger('latencyMs', options.latencyMs ?? 0, 0),
    maxMessageSize: checkInteger('maxMessageSize', options.maxMessageSize ?? DEFAULT_MAX_MESSAGE_SIZE, 1),
    highWaterMark: checkInteger('highWaterMark', options.highWaterMark ?? DEFAULT_HIGH_WATER_MARK, 0),
  };
}

export const LOOPBACK_OPTIONS = ['latencyMs', 'maxMessageSize', 'highWaterMark', 'clock'];
const DEFAULT_MAX_MESSAGE_SIZE = 1_048_576;
const DEFAULT_HIGH_WATER_MARK = 65_536;
