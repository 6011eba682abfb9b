/**
 * JSON text to values, exact to 64 bits. Takes what `JSON.parse` takes, apart from numbers that no double can hold; rules
 * that only documents have (no repeated or empty keys, a bound on the depth) are those of {@link checkBody}.
 */
import { HawserError } from '../errors.js';
import { JsonCursor } from './json-cursor.js';
import { integerValue } from './json-number.js';
import { readTree, type TreeMaker } from './json-tree.js';
import type { JsonValue } from './json-value.js';

/**
 * Parses JSON. An integer that a double cannot hold exactly becomes a `bigint` if it fits int64 or uint64, else the nearest
 * double, as in a Couchbase Lite core (ground truth 11). `"__proto__"` is a key like any other.
 *
 * @throws HawserError `DOCUMENT_BODY_INVALID`, naming the position
 */
export function parseJson(text: string): JsonValue {
  if (!NEEDS_CARE.test(text)) {
    try {
      return JSON.parse(text) as JsonValue;
    } catch {
      // The engine's own message has no stable form and not always a position: the reader below finds it.
    }
  }
  return readTree(new JsonCursor(text, false), VALUES);
}

/** The object that `text` holds. @throws HawserError `DOCUMENT_BODY_INVALID`, also for any other JSON value */
export function parseJsonObject(text: string): { [key: string]: JsonValue } {
  const value = parseJson(text);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new HawserError('DOCUMENT_BODY_INVALID', 'invalid JSON: an object was expected');
}

const VALUES: TreeMaker<JsonValue> = {
  string: (value) => value,
  number: (text, isInteger) => (isInteger ? integerValue(text) : Number(text)),
  word: (word) => (word === 'null' ? null : word === 'true'),
  array: (items) => items,
  object(keys, values) {
    const object: { [key: string]: JsonValue } = {};
    keys.forEach((key, index) => {
      const value = values[index] ?? null;
      // An assignment to __proto__ would change the prototype instead of adding a property.
      if (key === '__proto__')
        Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
      else object[key] = value;
    });
    return object;
  },
};

/**
 * Where `JSON.parse` could be wrong: sixteen digits that are not a fraction (2^53 has sixteen), the integer -0, which is 0,
 * and exponents of three digits, which may lead beyond the range of a double. May also match inside a string: that costs time only.
 */
const NEEDS_CARE = /(?<![0-9.])[0-9]{16}|-0(?![0-9.eE])|[0-9][eE]\+?[0-9]{3}/;
