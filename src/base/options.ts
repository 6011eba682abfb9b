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
