/**
 * Reads JSON text into a tree of whatever the caller makes of it. Keeps its own stack, so that the depth of a text cannot
 * exhaust that of the program.
 */
import {
  isNumberStart,
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COMMA,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  type JsonCursor,
} from './json-cursor.js';

export interface TreeMaker<V> {
  string(value: string): V;
  /** @param text as it was written */
  number(text: string, isInteger: boolean): V;
  word(word: 'true' | 'false' | 'null'): V;
  array(items: V[]): V;
  /** Keys in the order of the text, repeated ones included; `values` runs beside them. */
  object(keys: string[], values: V[]): V;
}

/** Reads the whole text of `cursor`, which must hold one value and nothing behind it. */
export function readTree<V>(cursor: JsonCursor, make: TreeMaker<V>): V {
  const open: Container<V>[] = [];
  for (;;) {
    let value: V;
    const unit = cursor.next();
    if (unit === OPEN_BRACE || unit === OPEN_BRACKET) {
      cursor.at++;
      const keys: string[] | undefined = unit === OPEN_BRACE ? [] : undefined;
      if (cursor.next() !== (keys === undefined ? CLOSE_BRACKET : CLOSE_BRACE)) {
        if (keys !== undefined) keys.push(readKey(cursor));
        open.push({ keys, values: [] });
        continue;
      }
      cursor.at++;
      value = keys === undefined ? make.array([]) : make.object(keys, []);
    } else {
      value = readScalar(cursor, unit, make);
    }

    // A value is complete: hand it to what contains it, and close every container that ends behind it.
    for (;;) {
      const container = open.at(-1);
      if (container === undefined) {
        cursor.end();
        return value;
      }
      const { keys, values } = container;
      values.push(value);
      const separator = cursor.next();
      if (separator === COMMA) {
        cursor.at++;
        if (keys !== undefined) keys.push(readKey(cursor));
        break;
      }
      if (separator !== (keys === undefined ? CLOSE_BRACKET : CLOSE_BRACE)) cursor.unexpected(cursor.at);
      cursor.at++;
      value = keys === undefined ? make.array(values) : make.object(keys, values);
      open.pop();
    }
  }
}

/** An object or array whose end has not been read; `keys` only for an object, one ahead of `values` while a value is due. */
interface Container<V> {
  readonly keys: string[] | undefined;
  readonly values: V[];
}

function readKey(cursor: JsonCursor): string {
  cursor.key();
  return cursor.keyValue();
}

function readScalar<V>(cursor: JsonCursor, unit: number, make: TreeMaker<V>): V {
  const start = cursor.at;
  if (unit === QUOTE) {
    cursor.string();
    return make.string(cursor.unquote(start + 1, cursor.at - 1, cursor.escaped));
  }
  if (isNumberStart(unit)) {
    cursor.number();
    return make.number(cursor.text.slice(start, cursor.at), cursor.integer);
  }
  return make.word(cursor.word());
}
