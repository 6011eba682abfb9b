/**
 * Looks over the body of a document that came from a peer, without making values of it: the text itself is what is stored
 * (its numbers survive exactly that way), so all that is wanted is whether it may be stored. This runs on every received
 * revision.
 */
import {
  isNumberStart,
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COMMA,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  JsonCursor,
} from './json-cursor.js';

export interface BodyFacts {
  /** Whether a top-level key begins with "_"; {@link withoutReservedKeys} removes those. */
  readonly reservedKeys: boolean;
  /** Whether an object with `"@type":"blob"` is anywhere inside. */
  readonly hasBlobs: boolean;
}

/**
 * Checks that `text` is strictly valid JSON and an object, and more than that what other peers refuse as well (ground truth
 * 3.1): no repeated or empty key, no half of a surrogate pair, no number beyond the range of a double, and no more than
 * `maxDepth` objects and arrays open at once.
 *
 * @throws HawserError `DOCUMENT_BODY_INVALID` with the reason and the position
 */
export function checkBody(text: string, limits: { readonly maxDepth: number }): BodyFacts {
  const check = new BodyCheck(text, limits.maxDepth);
  check.body();
  return { reservedKeys: check.reservedKeys, hasBlobs: check.hasBlobs };
}

/**
 * `text` without the top-level members whose key begins with "_" (specification 3.9.2), each removed with one comma and the
 * white space around it; every other character stays as it was.
 *
 * @param text has passed {@link checkBody}
 * @throws HawserError `DOCUMENT_BODY_INVALID` for what is not an object
 */
export function withoutReservedKeys(text: string): string {
  const cursor = new JsonCursor(text, false);
  if (cursor.next() !== OPEN_BRACE) cursor.unexpected(cursor.at);
  const open = ++cursor.at;
  if (cursor.next() === CLOSE_BRACE) return text;
  const kept: string[] = [];
  let removed = false;
  for (let start = open; ;) {
    cursor.key();
    const isReserved = cursor.keyValue().startsWith('_');
    passValue(cursor);
    const end = cursor.next();
    if (isReserved) removed = true;
    else kept.push(text.slice(start, cursor.at));
    if (end === CLOSE_BRACE) break;
    if (end !== COMMA) cursor.unexpected(cursor.at);
    start = ++cursor.at;
  }
  return removed ? text.slice(0, open) + kept.join(',') + text.slice(cursor.at) : text;
}

/** Moves behind the value at the cursor and the white space after it, looking only at brackets and strings. */
function passValue(cursor: JsonCursor): void {
  for (let depth = 0; ;) {
    const unit = cursor.next();
    if (unit === QUOTE) {
      cursor.string();
      continue;
    }
    if (depth === 0 && (unit === COMMA || unit === CLOSE_BRACE)) return;
    if (Number.isNaN(unit)) cursor.unexpected(cursor.at);
    if (unit === OPEN_BRACE || unit === OPEN_BRACKET) depth++;
    else if (unit === CLOSE_BRACE || unit === CLOSE_BRACKET) depth--;
    cursor.at++;
  }
}

/** Recursive, so `maxDepth` must stay far below the depth of the program's stack (some thousands). */
class BodyCheck {
  reservedKeys = false;
  hasBlobs = false;
  readonly #cursor: JsonCursor;
  readonly #maxDepth: number;

  constructor(text: string, maxDepth: number) {
    this.#cursor = new JsonCursor(text, true);
    this.#maxDepth = maxDepth;
  }

  body(): void {
    const cursor = this.#cursor;
    if (cursor.next() !== OPEN_BRACE) cursor.fail('the body is not an object', cursor.at);
    this.#object(1);
    cursor.end();
  }

  #object(depth: number): void {
    const cursor = this.#cursor;
    this.#enter(depth);
    if (cursor.next() === CLOSE_BRACE) {
      cursor.at++;
      return;
    }
    const keys: string[] = [];
    let many: Set<string> | undefined;
    for (;;) {
      cursor.key();
      const key = cursor.keyValue();
      if (key === '') cursor.fail('an empty key', cursor.keyStart - 1);
      if (many === undefined ? keys.includes(key) : many.has(key)) this.#repeated(key);
      if (many !== undefined) many.add(key);
      else if (keys.push(key) > FEW_KEYS) many = new Set(keys);
      if (depth === 1 && key.startsWith('_')) this.reservedKeys = true;
      if (cursor.next() === QUOTE) {
        const start = cursor.at + 1;
        cursor.string();
        if (key === '@type' && cursor.unquote(start, cursor.at - 1, cursor.escaped) === 'blob') this.hasBlobs = true;
      } else {
        this.#value(depth);
      }
      const separator = cursor.next();
      if (separator !== COMMA && separator !== CLOSE_BRACE) cursor.unexpected(cursor.at);
      cursor.at++;
      if (separator === CLOSE_BRACE) return;
    }
  }

  #array(depth: number): void {
    const cursor = this.#cursor;
    this.#enter(depth);
    if (cursor.next() === CLOSE_BRACKET) {
      cursor.at++;
      return;
    }
    for (;;) {
      this.#value(depth);
      const separator = cursor.next();
      if (separator !== COMMA && separator !== CLOSE_BRACKET) cursor.unexpected(cursor.at);
      cursor.at++;
      if (separator === CLOSE_BRACKET) return;
    }
  }

  /** @param depth how many objects and arrays are open around the value */
  #value(depth: number): void {
    const cursor = this.#cursor;
    const unit = cursor.next();
    if (unit === QUOTE) cursor.string();
    else if (isNumberStart(unit)) cursor.number();
    else if (unit === OPEN_BRACE) this.#object(depth + 1);
    else if (unit === OPEN_BRACKET) this.#array(depth + 1);
    else cursor.word();
  }

  #enter(depth: number): void {
    const cursor = this.#cursor;
    if (depth > this.#maxDepth)
      cursor.fail(`more than ${this.#maxDepth} objects and arrays inside each other`, cursor.at);
    cursor.at++;
  }

  #repeated(key: string): never {
    const shown = JSON.stringify(key.slice(0, SHOWN_LENGTH));
    return this.#cursor.fail(`the key ${shown} is repeated`, this.#cursor.keyStart - 1);
  }
}

/** Up to here a search through a list is cheaper than a set. */
const FEW_KEYS = 16;
/** How much of a key that a peer chose is repeated in a message. */
const SHOWN_LENGTH = 100;
