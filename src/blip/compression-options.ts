/** How hard an application wants to compress what it sends, and what that may cost. */
import { checkInteger, checkOptions } from '../base/index.js';
import type { BlipOptions } from './options.js';

export interface CompressionOptions {
  /**
   * 1 (fast) to 9 (small); 0 never compresses. Of documents of 250 bytes in batches level 1 makes 44 bytes each, 6 makes 41 at
   * twice the time, and 9 another half a byte at three times the time. @default 6
   */
  readonly level?: number;
  /**
   * Log2 of how many bytes the compressor looks back on, 9 to 15. It takes about 280 KiB of memory for each connection at 15,
   * 190 at 13 and 140 at 9. With 13 batches are no larger, but what is sent to strangers is. @default 15, or 13 with the small profile of the database
   */
  readonly windowBits?: number;
}

/**
 * As a connection takes them. Throws `OPTION_UNKNOWN` or `ARGUMENT_INVALID`, naming the option.
 *
 * @param standard where `windowBits` is not given
 */
export function checkCompression(
  where: string,
  options: CompressionOptions = {},
  standard: { readonly windowBits: number },
): BlipOptions {
  checkOptions(`${where}: compression`, options, ['level', 'windowBits']);
  const { level, windowBits = standard.windowBits } = options;
  return {
    ...(level === undefined ? {} : { compressionLevel: checkInteger(`${where}: compression.level`, level, 0, 9) }),
    windowBits: checkInteger(`${where}: compression.windowBits`, windowBits, 9, 15),
  };
}
