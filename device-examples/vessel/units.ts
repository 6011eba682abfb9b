/** How people read what documents hold in SI units. */
import type { Reading } from './readings.js';

/** Whether the reading is one that the table shows. */
export function isHeadline(reading: Reading): boolean {
  return headlineOf(reading) !== undefined;
}

/** In the units of the sea, with the value as stored beside it: `speed 5.8 kn (2.98 m/s)`. */
export function inHumanUnits(reading: Reading): string {
  const headline = headlineOf(reading);
  if (headline === undefined || typeof reading.value !== 'number') return `${reading.path} ${String(reading.value)}`;
  const { name, factor, unit, digits, storedUnit } = headline;
  const shown = (reading.value * factor).toLocaleString('en', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return `${name}${shown} ${unit} (${reading.value.toFixed(2)} ${storedUnit})`;
}

interface Headline {
  readonly path: RegExp;
  readonly name: string;
  /** From the unit that is stored to the one that is shown. */
  readonly factor: number;
  readonly unit: string;
  readonly digits: number;
  readonly storedUnit: string;
}

function headlineOf({ path, context }: Reading): Headline | undefined {
  return context === undefined ? HEADLINES.find((headline) => headline.path.test(path)) : undefined;
}

const KNOTS = 3_600 / 1_852;
const HEADLINES: readonly Headline[] = [
  { path: /^navigation\.speedOverGround$/, name: 'speed ', factor: KNOTS, unit: 'kn', digits: 1, storedUnit: 'm/s' },
  {
    path: /^environment\.wind\.speedApparent$/,
    name: 'wind ',
    factor: KNOTS,
    unit: 'kn',
    digits: 1,
    storedUnit: 'm/s',
  },
  { path: /^propulsion\.\w+\.revolutions$/, name: '', factor: 60, unit: 'rpm', digits: 0, storedUnit: 'Hz' },
];
