/**
 * What an application gives as the body of a document, checked and written as canonical text in one pass (specification
 * 5.2). That text is what is stored, hashed and sent, so it is made once. Never changes what it is given, and on bad input
 * throws one error that names the place as a JSON pointer.
 */
import { types } from 'node:util';
import { HawserError, isHawserError, type ErrorCode } from '../errors.js';
import { compareUtf8, utf8Length } from './bytes.js';
import { fits64Bits, numberText } from './json-number.js';
import { hasLoneSurrogate, stringText } from './json-string.js';
import type { JsonValue } from './json-value.js';

export interface WriteBodyOptions {
  /** How many objects and arrays may be open at once, the document itself counted. */
  readonly maxDepth: number;
  /** How many bytes of UTF-8 the text may take. */
  readonly maxBytes: number;
  /**
   * Called for every object that is neither plain nor an array nor a Date, with its JSON pointer: what to write instead
   * of it, or `undefined` to refuse it. This is how a blob becomes its dictionary.
   */
  readonly replaceObject?: (value: object, path: string) => JsonValue | undefined;
}

/**
 * The canonical text of `value`, which must be a plain object. A safe integer is written as an integer, every other number
 * as a double, a `bigint` as an integer, a Date as its ISO text; a property that is `undefined` is left out.
 *
 * @throws HawserError `DOCUMENT_PROPERTY_RESERVED`, `DOCUMENT_KEY_EMPTY`, `DOCUMENT_CYCLIC`, `DOCUMENT_NUMBER_INVALID`,
 *   `DOCUMENT_STRING_INVALID`, `DOCUMENT_TOO_DEEP`, `DOCUMENT_TOO_LARGE`, `DOCUMENT_VALUE_UNSUPPORTED`
 */
export function writeBody(value: unknown, options: WriteBodyOptions): string {
  const writer = new BodyWriter(options);
  try {
    return writer.body(value);
  } catch (error) {
    if (isHawserError(error)) throw error;
    // A getter or a proxy of the application threw.
    return writer.fail('DOCUMENT_VALUE_UNSUPPORTED', undefined, 'something that cannot be read', error);
  }
}

type Key = string | number;

class BodyWriter {
  readonly #options: WriteBodyOptions;
  /** The objects and arrays that are being written, outermost first. */
  readonly #open: object[] = [];
  /** The key of each of them in the one before; one shorter, as the document has none. */
  readonly #path: Key[] = [];
  /**
   * Bytes left, counting each unit of text as one, and neither commas nor escapes. That is never too many, and bounds the
   * work where the same object is reached along many ways, which can multiply without end.
   */
  #room: number;

  constructor(options: WriteBodyOptions) {
    this.#options = options;
    this.#room = options.maxBytes;
  }

  body(value: unknown): string {
    if (!isPlainObject(value)) {
      throw new HawserError(
        'DOCUMENT_VALUE_UNSUPPORTED',
        `the body of a document must be a plain object, not ${nameOf(value)}`,
      );
    }
    const text = this.#object(value);
    if (utf8Length(text) > this.#options.maxBytes) this.#tooLarge(undefined);
    return text;
  }

  /** @param key of the offending value in the container that is being written, `undefined` for the container itself */
  fail(code: ErrorCode, key: Key | undefined, what: string, cause?: unknown): never {
    const pointer = this.#pointer(key);
    const place = pointer === '' ? 'at the top level' : `at ${pointer}`;
    throw new HawserError(code, `the document holds ${what} ${place}`, { cause });
  }

  #object(value: Readonly<Record<string, unknown>>): string {
    this.#open.push(value);
    let text = '{';
    for (const key of inOrder(Object.keys(value))) {
      const item = value[key];
      if (item === undefined) continue;
      const name = this.#key(key);
      text += `${text.length === 1 ? '' : ','}${name}:${this.#value(item, key)}`;
    }
    this.#open.pop();
    return `${text}}`;
  }

  #array(value: readonly unknown[]): string {
    this.#open.push(value);
    let text = '[';
    for (let index = 0; index < value.length; index++) {
      text += index === 0 ? this.#value(value[index], index) : `,${this.#value(value[index], index)}`;
    }
    this.#open.pop();
    return `${text}]`;
  }

  #value(value: unknown, key: Key): string {
    switch (typeof value) {
      case 'string':
        return this.#string(value, key);
      case 'number':
        if (!Number.isFinite(value)) this.fail('DOCUMENT_NUMBER_INVALID', key, `the number ${value}`);
        return this.#scalar(numberText(value), key);
      case 'boolean':
        return this.#scalar(value ? 'true' : 'false', key);
      case 'bigint':
        if (!fits64Bits(value)) this.fail('DOCUMENT_NUMBER_INVALID', key, 'an integer beyond 64 bits');
        return this.#scalar(String(value), key);
      case 'object':
        return value === null ? this.#scalar('null', key) : this.#container(value, key);
      default:
        return this.fail('DOCUMENT_VALUE_UNSUPPORTED', key, nameOf(value));
    }
  }

  #container(value: object, key: Key): string {
    if (Array.isArray(value) || isPlainObject(value)) return this.#nested(value, key);
    if (types.isDate(value)) return this.#date(value, key);
    const replacement = this.#options.replaceObject?.(value, this.#pointer(key));
    // What replaces it is plain: a replacement that wants to be replaced would never end.
    if (replacement === undefined || isUnknownObject(replacement)) {
      return this.fail('DOCUMENT_VALUE_UNSUPPORTED', key, nameOf(value));
    }
    return this.#value(replacement, key);
  }

  #nested(value: readonly unknown[] | Readonly<Record<string, unknown>>, key: Key): string {
    if (this.#open.includes(value)) this.fail('DOCUMENT_CYCLIC', key, 'one of the objects around it');
    const { maxDepth } = this.#options;
    if (this.#open.length >= maxDepth) {
      this.fail('DOCUMENT_TOO_DEEP', key, `more than ${maxDepth} objects and arrays inside each other`);
    }
    this.#take(2, key);
    this.#path.push(key);
    const text = Array.isArray(value) ? this.#array(value) : this.#object(value as Readonly<Record<string, unknown>>);
    this.#path.pop();
    return text;
  }

  #date(value: Date, key: Key): string {
    if (Number.isNaN(Date.prototype.getTime.call(value)))
      this.fail('DOCUMENT_VALUE_UNSUPPORTED', key, 'an invalid Date');
    return this.#scalar(`"${Date.prototype.toISOString.call(value)}"`, key);
  }

  #scalar(text: string, key: Key): string {
    this.#take(text.length, key);
    return text;
  }

  #string(value: string, key: Key): string {
    this.#take(value.length + 2, key);
    return stringText(value) ?? this.fail('DOCUMENT_STRING_INVALID', key, 'half of a surrogate pair');
  }

  #key(key: string): string {
    if (key === '') this.fail('DOCUMENT_KEY_EMPTY', key, 'an empty key');
    if (this.#open.length === 1 && key.startsWith('_'))
      this.fail('DOCUMENT_PROPERTY_RESERVED', key, 'a reserved property');
    this.#take(key.length + 3, key);
    return stringText(key) ?? this.fail('DOCUMENT_STRING_INVALID', key, 'a key with half of a surrogate pair');
  }

  #take(length: number, key: Key): void {
    this.#room -= length;
    if (this.#room < 0) this.#tooLarge(key);
  }

  #tooLarge(key: Key | undefined): never {
    return this.fail('DOCUMENT_TOO_LARGE', key, `more than ${this.#options.maxBytes} bytes, noticed`);
  }

  #pointer(key: Key | undefined): string {
    const path = key === undefined ? this.#path : [...this.#path, key];
    return path.map((part) => `/${pointerPart(part)}`).join('');
  }
}

/** By UTF-8 bytes. JavaScript's own order, by UTF-16 units, differs only where a key holds characters beyond U+FFFF. */
function inOrder(keys: string[]): string[] {
  keys.sort();
  return keys.some((key) => ANY_SURROGATE.test(key)) ? keys.sort(compareUtf8) : keys;
}

function pointerPart(part: Key): string {
  const text = String(part).replaceAll('~', '~0').replaceAll('/', '~1');
  return hasLoneSurrogate(text) ? text.replace(LONE_SURROGATES, '\ufffd') : text;
}

/** Made by a literal, `Object.create(null)` or `JSON.parse`, also in another context of `node:vm`. */
function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return true;
  return (
    typeof prototype === 'object' &&
    Object.getPrototypeOf(prototype) === null &&
    Object.hasOwn(prototype, 'isPrototypeOf')
  );
}

/** Whether `value` is an object that only its owner knows how to write. */
function isUnknownObject(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !isPlainObject(value) &&
    !types.isDate(value)
  );
}

/** What a person would call it. */
function nameOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return 'an array';
  if (typeof value !== 'object') return `a ${typeof value}`;
  const prototype: unknown = Object.getPrototypeOf(value);
  const name =
    typeof prototype === 'object' && prototype !== null
      ? (prototype as { constructor?: { name?: unknown } }).constructor?.name
      : undefined;
  const instance = typeof name === 'string' && name !== '' ? `an instance of ${name}` : 'an object of a class';
  return 'toJSON' in value ? `${instance}, whose toJSON is not called,` : instance;
}

const ANY_SURROGATE = /[\ud800-\udfff]/;
const LONE_SURROGATES = /\p{Surrogate}/gu;
