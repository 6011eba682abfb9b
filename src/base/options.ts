/** Checks of what a caller passes in. A misspelt option is an error, not a default. */
import { HawserError } from '../errors.js';

/** Throws `OPTION_UNKNOWN` for a key of `options` that is not in `known`, and `ARGUMENT_INVALID` for what is no object. */
export function checkOptions(where: string, options: object | undefined, known: readonly string[]): void {
  if (options === undefined) return;
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new HawserError('ARGUMENT_INVALID', `${where}: options must be an object`);
  }
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) {
      throw new HawserError('OPTION_UNKNOWN', `${where}: unknown option "${key}" (known: ${known.join(', ')})`);
    }
  }
}

/** Throws `ARGUMENT_INVALID` unless `value` is an integer within the bounds (inclusive). */
export function checkInteger(
  where: string,
  value: unknown,
  minimum: number,
  maximum = Number.MAX_SAFE_INTEGER,
): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < minimum || value > maximum) {
    throw new HawserError(
      'ARGUMENT_INVALID',
      `${where} must be an integer from ${minimum} to ${maximum}, not ${String(value)}`,
    );
  }
  return value;
}

/**
 * The number of seconds given, 0 where none is. Throws `ARGUMENT_INVALID` for a negative one, for what is no number, and for
 * more than a timer can hold, which is a little over three weeks.
 */
export function checkSeconds(where: string, value: number | undefined): number {
  if (value === undefined) return 0;
  if (typeof value !== 'number' || !(value >= 0) || value > MAX_SECONDS) {
    const message = `${where} must be a number of seconds from 0 to ${MAX_SECONDS}, not ${String(value)}`;
    throw new HawserError('ARGUMENT_INVALID', message);
  }
  return value;
}

const MAX_SECONDS = 2_000_000;
