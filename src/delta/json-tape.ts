/**
 * JSON text as a list of where each value begins and ends. A delta leaves most of a document as it is, so values are moved
 * as pieces of text and their numbers, escapes and white space survive; and twelve bytes a value stay affordable for a
 * body that a peer made of ten million small ones.
 */
import {
  isNumberStart,
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COMMA,
  JsonCursor,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
} from '../base/index.js';

/**
 * Entries are numbered in the order of the text, the outermost value is 0. The entries of a container follow its own; those
 * of an object are a key and a value in turn.
 */
export class JsonTape {
  readonly text: string;
  /** How many objects and arrays are open at once at most. */
  depth = 0;
  #length = 0;
  /** Three numbers an entry: where it starts, where it ends, and the entry that follows it and all it contains. */
  #entries: Int32Array;

  /** @throws HawserError `DOCUMENT_BODY_INVALID` for what is not JSON, or holds half of a surrogate pair */
  constructor(text: string) {
    this.text = text;
    this.#entries = new Int32Array(FIELDS * (16 + (text.length >> 3)));
    this.#read();
  }

  start(entry: number): number {
    return this.#entries[entry * FIELDS] ?? 0;
  }

  end(entry: number): number {
    return this.#entries[entry * FIELDS + 1] ?? 0;
  }

  /** The entry behind `entry` and everything in it: its next sibling, or {@link after} of what contains both. */
  after(entry: number): number {
    return this.#entries[entry * FIELDS + 2] ?? 0;
  }

  isEmpty(container: number): boolean {
    return this.after(container) === container + 1;
  }

  /** The first code unit of the text of an entry, which tells its type. */
  unit(entry: number): number {
    return this.text.charCodeAt(this.start(entry));
  }

  slice(entry: number): string {
    return this.text.slice(this.start(entry), this.end(entry));
  }

  /** The value of a string or a key. */
  stringValue(entry: number): string {
    const inner = this.text.slice(this.start(entry) + 1, this.end(entry) - 1);
    return inner.includes('\\') ? (JSON.parse(`"${inner}"`) as string) : inner;
  }

  /** Keeps its own stack: the depth of a text cannot exhaust that of the program. */
  #read(): void {
    const cursor = new JsonCursor(this.text, true);
    const open: number[] = [];
    for (;;) {
      const unit = cursor.next();
      const entry = this.#add(cursor.at);
      if (unit === OPEN_BRACE || unit === OPEN_BRACKET) {
        cursor.at++;
        if (open.length >= this.depth) this.depth = open.length + 1;
        const isObject = unit === OPEN_BRACE;
        if (cursor.next() !== (isObject ? CLOSE_BRACE : CLOSE_BRACKET)) {
          open.push(entry);
          if (isObject) this.#key(cursor);
          continue;
        }
        cursor.at++;
      } else {
        passScalar(cursor, unit);
      }
      this.#close(entry, cursor.at);

      // A value is complete: so is every container that ends behind it.
      for (;;) {
        const container = open.at(-1);
        if (container === undefined) {
          cursor.end();
          return;
        }
        const isObject = this.unit(container) === OPEN_BRACE;
        const separator = cursor.next();
        if (separator === COMMA) {
          cursor.at++;
          if (isObject) this.#key(cursor);
          break;
        }
        if (separator !== (isObject ? CLOSE_BRACE : CLOSE_BRACKET)) cursor.unexpected(cursor.at);
        cursor.at++;
        open.pop();
        this.#close(container, cursor.at);
      }
    }
  }

  #key(cursor: JsonCursor): void {
    cursor.key();
    this.#close(this.#add(cursor.keyStart - 1), cursor.keyEnd + 1);
  }

  #add(start: number): number {
    const at = this.#length * FIELDS;
    if (at === this.#entries.length) {
      const larger = new Int32Array(at * 2);
      larger.set(this.#entries);
      this.#entries = larger;
    }
    this.#entries[at] = start;
    return this.#length++;
  }

  #close(entry: number, end: number): void {
    this.#entries[entry * FIELDS + 1] = end;
    this.#entries[entry * FIELDS + 2] = this.#length;
  }
}

function passScalar(cursor: JsonCursor, unit: number): void {
  if (unit === QUOTE) {
    cursor.string();
  } else if (isNumberStart(unit)) {
    // Not the cursor's own: a number beyond the range of a double is refused where a body is stored, here it is only moved.
    NUMBER.lastIndex = cursor.at;
    if (!NUMBER.test(cursor.text)) cursor.unexpected(cursor.at + 1);
    cursor.at = NUMBER.lastIndex;
  } else {
    cursor.word();
  }
}

const FIELDS = 3;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/y;
