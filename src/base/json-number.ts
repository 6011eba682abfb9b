/**
 * Numbers of JSON text, as a Couchbase Lite core writes and reads them (specification 5.2, ground truth 11): integers of 64
 * bits are exact, larger ones become doubles, and a double always shows a point or an exponent, so `1` and `1.0` stay two
 * different values. The texts given to this file have been checked against the grammar of JSON before.
 */

/** The text of a double: shortest digits that read back the same, fixed from 1e-4 to below 1e16, else with an exponent. */
export function doubleText(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e-4 && size < 1e16) {
    const text = String(value);
    return Number.isInteger(value) ? `${text}.0` : text;
  }
  if (size === 0) return Object.is(value, -0) ? '-0.0' : '0.0';
  const text = value.toExponential();
  // The exponent has at least two digits: 1e-7 is written 1e-07.
  const digit = text.length - 1;
  const sign = text.charCodeAt(digit - 1);
  return sign === PLUS || sign === MINUS ? `${text.slice(0, digit)}0${text.slice(digit)}` : text;
}

/** The text of a finite JavaScript number: a safe integer is an integer, every other number is a double. */
export function numberText(value: number): string {
  return Number.isSafeInteger(value) && !Object.is(value, -0) ? String(value) : doubleText(value);
}

/** Whether a peer could store this as int64 or uint64. */
export function fits64Bits(value: bigint): boolean {
  return value >= MIN_INT64 && value <= MAX_UINT64;
}

/** The value of the text of an integer: a safe number, a bigint of 64 bits, or the nearest double, which may be infinite. */
export function integerValue(text: string): number | bigint {
  // Adding zero turns -0 into 0: a core reads the integer -0 as 0, only -0.0 keeps its sign.
  const value = Number(text) + 0;
  if (Number.isSafeInteger(value) || text.length > MAX_INTEGER_LENGTH) return value;
  const exact = BigInt(text);
  return fits64Bits(exact) ? exact : value;
}

/** The canonical text of the text of a number; an integer stays one if 64 bits hold it. */
export function canonicalNumber(text: string, isInteger: boolean): string {
  if (!isInteger) return doubleText(Number(text));
  const value = integerValue(text);
  return typeof value === 'bigint' || Number.isSafeInteger(value) ? String(value) : doubleText(value);
}

const PLUS = 0x2b;
const MINUS = 0x2d;
const MIN_INT64 = -(2n ** 63n);
const MAX_UINT64 = 2n ** 64n - 1n;
/** Characters of the longest integer of 64 bits: -9223372036854775808 and 18446744073709551615 have twenty. */
const MAX_INTEGER_LENGTH = 20;
