/** How a simulated serial line is configured. */
import { checkInteger, checkOptions, HawserError } from '../../../src/index.js';
import type { SerialLineErrors } from './damage.js';
import type { Relay } from './relays.js';

export interface SerialLineOptions extends SerialLineErrors {
  /** How many devices there are, 2 to 33; more than 2 need `halfDuplex`. @default 2 */
  readonly ends?: number;
  /** Bytes leave an end at a tenth of it per second. 0 for as fast as it goes. @default 0 */
  readonly baudRate?: number;
  /**
   * A bus, as RS-485: what one end says all others hear, and when two talk at the same time the bytes that overlap are
   * garbled for everybody. With a baud rate of 0 bytes take no time and never overlap. @default false
   */
  readonly halfDuplex?: boolean;
  /** The same seed, the same damage to the same bytes. @default 1 */
  readonly seed?: number;
  /** The program that holds the devices. @default `python3` where there is one, else `socat` */
  readonly relay?: Relay;
}

/** Throws `OPTION_UNKNOWN` or `ARGUMENT_INVALID`. */
export function checkSerialLineOptions(options: SerialLineOptions): Required<Omit<SerialLineOptions, 'relay'>> {
  checkOptions('openSerialLine', options, [...KNOWN_OPTIONS, ...KNOWN_ERRORS]);
  const { ends = 2, baudRate = 0, halfDuplex = false, seed = 1, relay } = options;
  checkInteger('openSerialLine: ends', ends, 2, 33);
  checkInteger('openSerialLine: baudRate', baudRate, 0, 12_000_000);
  checkInteger('openSerialLine: seed', seed, 0);
  const check = (holds: boolean, what: string): void => {
    if (!holds) throw new HawserError('ARGUMENT_INVALID', `openSerialLine: ${what}`);
  };
  check(typeof halfDuplex === 'boolean', 'halfDuplex must be true or false');
  check(ends === 2 || halfDuplex, 'more than 2 ends need halfDuplex: true');
  check(relay === undefined || relay === 'python3' || relay === 'socat', 'relay must be python3 or socat');
  return { ends, baudRate, halfDuplex, seed, ...ratesOf('openSerialLine', options) };
}

/** Throws `OPTION_UNKNOWN` or `ARGUMENT_INVALID`. */
export function checkSerialLineErrors(errors: SerialLineErrors): Required<SerialLineErrors> {
  checkOptions('setErrors', errors, KNOWN_ERRORS);
  return ratesOf('setErrors', errors);
}

function ratesOf(where: string, errors: SerialLineErrors): Required<SerialLineErrors> {
  const { bitErrorRate = 0, dropRate = 0, insertRate = 0 } = errors;
  const rates = { bitErrorRate, dropRate, insertRate };
  for (const [name, rate] of Object.entries(rates)) {
    if (typeof rate === 'number' && rate >= 0 && rate <= 1) continue;
    throw new HawserError('ARGUMENT_INVALID', `${where}: ${name} must be a number from 0 to 1, not ${String(rate)}`);
  }
  return rates;
}

const KNOWN_OPTIONS = ['ends', 'baudRate', 'halfDuplex', 'seed', 'relay'];
const KNOWN_ERRORS = ['bitErrorRate', 'dropRate', 'insertRate'];
