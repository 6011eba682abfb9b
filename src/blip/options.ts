/**
 * The options of a connection, their defaults and bounds. The limits guard this side against its peer: each has an error
 * code of its own and ends the connection when passed. What is sent keeps to the limits of the protocol, not to these.
 */
import { checkInteger, checkOptions } from '../base/index.js';

export interface BlipOptions {
  /**
   * How hard to compress what is sent, 1 (fast) to 9 (small); 0 never compresses.
   * @default 6
   */
  readonly compressionLevel?: number;
  /**
   * Log2 of the window of the sending compressor, 9 to 15. Its memory is about 280 KiB at 15, 190 at 13, 140 at 9.
   * The receiving side always has the full window, because the peer may use it.
   * @default 15
   */
  readonly windowBits?: number;
  /**
   * Bytes of one incoming frame, header and checksum included; passed: `BLIP_FRAME_TOO_LARGE`.
   * A conforming peer sends up to 16,384, so that less is refused.
   * @default 1,048,576
   */
  readonly maxFrameSize?: number;
  /**
   * Bytes that one compressed frame may inflate to; passed: `BLIP_INFLATED_TOO_LARGE`.
   * The default is what deflate can make of a frame of 16 KiB at the most, so that no honest frame meets it.
   * @default 17,825,792
   */
  readonly maxInflatedSize?: number;
  /**
   * Bytes of one incoming message, properties and body; passed: `BLIP_MESSAGE_TOO_LARGE`.
   * @default 33,554,432
   */
  readonly maxMessageSize?: number;
  /**
   * Bytes of the properties of an incoming message; passed: `BLIP_PROPERTIES_TOO_LARGE`.
   * @default 102,400, the limit of the protocol
   */
  readonly maxPropertiesSize?: number;
  /**
   * Incoming requests that have begun and are not complete; passed: `BLIP_TOO_MANY_REQUESTS`.
   * @default 1,000
   */
  readonly maxOpenRequests?: number;
  /**
   * Bytes of all unfinished incoming messages together; passed: `BLIP_BUFFER_FULL`. The memory behind them may be twice that.
   * @default 67,108,864
   */
  readonly maxBufferedBytes?: number;
}

/** The options with every default filled in, in one object that nobody else can change. */
export type ResolvedBlipOptions = { readonly [Name in keyof BlipOptions]-?: number };

/** Throws `OPTION_UNKNOWN` or `ARGUMENT_INVALID`, naming the option. */
export function resolveOptions(options: BlipOptions | undefined): ResolvedBlipOptions {
  checkOptions('BlipConnection', options, Object.keys(BOUNDS));
  const pick = (name: keyof BlipOptions): number => {
    const { standard, minimum, maximum } = BOUNDS[name];
    const value = options?.[name];
    return value === undefined ? standard : checkInteger(`BlipConnection: ${name}`, value, minimum, maximum);
  };
  return {
    compressionLevel: pick('compressionLevel'),
    windowBits: pick('windowBits'),
    maxFrameSize: pick('maxFrameSize'),
    maxInflatedSize: pick('maxInflatedSize'),
    maxMessageSize: pick('maxMessageSize'),
    maxPropertiesSize: pick('maxPropertiesSize'),
    maxOpenRequests: pick('maxOpenRequests'),
    maxBufferedBytes: pick('maxBufferedBytes'),
  };
}

interface Bounds {
  readonly standard: number;
  readonly minimum: number;
  readonly maximum: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;
/** A message is shorter than 2^32 bytes (specification 2.3); Node's buffers end earlier. */
const MAX_BYTES = 2 ** 31 - 1;

const BOUNDS: Record<keyof BlipOptions, Bounds> = {
  compressionLevel: { standard: 6, minimum: 0, maximum: 9 },
  windowBits: { standard: 15, minimum: 9, maximum: 15 },
  maxFrameSize: { standard: MIB, minimum: 16 * KIB, maximum: MAX_BYTES },
  maxInflatedSize: { standard: 17 * MIB, minimum: 16 * KIB, maximum: MAX_BYTES },
  maxMessageSize: { standard: 32 * MIB, minimum: 16 * KIB, maximum: MAX_BYTES },
  maxPropertiesSize: { standard: 102_400, minimum: 1 * KIB, maximum: MAX_BYTES },
  maxOpenRequests: { standard: 1_000, minimum: 1, maximum: MAX_BYTES },
  maxBufferedBytes: { standard: 64 * MIB, minimum: 16 * KIB, maximum: MAX_BYTES },
};
