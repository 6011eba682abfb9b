/** Random documents and random texts of them, for tests of properties. Everything follows from the seed. */
import type { JsonValue, RandomSource } from '../../src/base/index.js';

export type JsonObject = { [key: string]: JsonValue };

export function randomInteger(random: RandomSource, below: number): number {
  return Math.floor(random.next() * below);
}

export function pick<T>(random: RandomSource, items: readonly [T, ...T[]]): T {
  return items[randomInteger(random, items.length)] ?? items[0];
}

/** A document that may be saved: no key is empty, no top-level key begins with "_". */
export function randomDocument(random: RandomSource): JsonObject {
  const body = randomObject(random, 4);
  return Object.fromEntries(Object.entries(body).filter(([key]) => !key.startsWith('_')));
}

function randomObject(random: RandomSource, depth: number): JsonObject {
  const entries = Array.from({ length: randomInteger(random, 8) }, (): [string, JsonValue] => [
    randomKey(random),
    randomValue(random, depth - 1),
  ]);
  // Object.fromEntries defines properties, so that __proto__ is one like any other.
  return Object.fromEntries(entries);
}

function randomKey(random: RandomSource): string {
  if (random.next() < 0.05) return pick(random, ['__proto__', 'constructor', 'toJSON', '0', '10', '@type', '_under']);
  return randomText(random, 1 + randomInteger(random, 6));
}

export function randomValue(random: RandomSource, depth: number): JsonValue {
  const choice = randomInteger(random, depth > 0 ? 10 : 8);
  switch (choice) {
    case 0:
      return pick(random, [null, true, false]);
    case 1:
    case 2:
      return randomText(random, randomInteger(random, 12));
    case 3:
      return randomInteger(random, 2000) - 1000;
    case 4:
      return randomDouble(random);
    case 5:
      return Math.round((random.next() - 0.5) * 1e6) / 100;
    case 6:
      return pick(random, [
        0,
        -0,
        1,
        1e15,
        1e16,
        1e21,
        1e-4,
        1e-5,
        1e-6,
        1e-7,
        5e-324,
        Number.MAX_VALUE,
        2 ** 53,
        -(2 ** 53),
        2 ** 53 - 1,
        0.1,
        1e300,
      ]);
    case 7:
      return random.next() < 0.7 ? randomText(random, 3) : randomBigint(random);
    case 8:
      return randomObject(random, depth);
    default:
      return Array.from({ length: randomInteger(random, 6) }, () => randomValue(random, depth - 1));
  }
}

/** Any finite double, all exponents alike. */
function randomDouble(random: RandomSource): number {
  for (;;) {
    const value = new DataView(random.bytes(8).buffer).getFloat64(0);
    if (Number.isFinite(value)) return value;
  }
}

/** An integer of 64 bits that a double cannot hold exactly. */
function randomBigint(random: RandomSource): bigint {
  const size = 2n ** 53n + BigInt(randomInteger(random, 2 ** 50)) * BigInt(1 + randomInteger(random, 1000));
  return pick(random, [size, -size, 2n ** 64n - 1n, -(2n ** 63n), 2n ** 53n, 2n ** 53n + 1n]);
}

export function randomText(random: RandomSource, length: number): string {
  return Array.from({ length }, () => {
    const kind = random.next();
    if (kind < 0.75) return String.fromCodePoint(0x20 + randomInteger(random, 0x5f));
    if (kind < 0.82) return String.fromCodePoint(randomInteger(random, 0x20));
    if (kind < 0.9) return pick(random, ['"', '\\', '/', '\u007f', '\u2028', 'é', '\uffee', '\ue000']);
    if (kind < 0.95) return String.fromCodePoint(0x80 + randomInteger(random, 0xd800 - 0x80));
    return String.fromCodePoint(0x10000 + randomInteger(random, 0x100000));
  }).join('');
}

/** Some text of `value`: white space, order of keys, escapes and forms of numbers as chance has it. */
export function looseText(value: JsonValue, random: RandomSource): string {
  const space = (): string => pick(random, ['', '', '', ' ', '\n', '\t', '\r\n  ']);
  const text = (): string => {
    if (typeof value === 'string') return looseString(value, random);
    if (typeof value === 'number') return looseNumber(value, random);
    if (Array.isArray(value)) return `[${value.map((item) => looseText(item, random)).join(',') || space()}]`;
    if (typeof value === 'object' && value !== null) {
      const members = Object.entries(value).map(
        ([key, item]) => `${space()}${looseString(key, random)}${space()}:${looseText(item, random)}`,
      );
      members.sort(() => random.next() - 0.5);
      return `{${members.join(',') || space()}}`;
    }
    return String(value);
  };
  return space() + text() + space();
}

function looseString(value: string, random: RandomSource): string {
  const units = Array.from(value, (character) => {
    const isForced = character < ' ' || character === '"' || character === '\\';
    if (!isForced && random.next() < 0.8) return character;
    return Array.from({ length: character.length }, (_, index) => {
      const hex = character.charCodeAt(index).toString(16).padStart(4, '0');
      return `\\u${random.next() < 0.5 ? hex : hex.toUpperCase()}`;
    }).join('');
  });
  return `"${units.join('')}"`;
}

function looseNumber(value: number, random: RandomSource): string {
  if (Object.is(value, -0)) return pick(random, ['-0.0', '-0e0', '-0.00E+5']);
  if (Number.isSafeInteger(value)) return String(value);
  const text = value.toExponential();
  return pick(random, [
    text,
    text.replace('e', 'E'),
    text.replace('e+', 'e'),
    text.replace('e', 'e').replace('e-', 'e-00'),
  ]);
}
