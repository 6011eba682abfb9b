/**
 * The canonical text of a JSON object (specification 5.2), made from its text and not from its values, so that `1` and `1.0`
 * stay apart and integers of 64 bits stay exact. Two texts with the same canonical text are the same document.
 */
import { HawserError } from '../errors.js';
import { compareUtf8 } from './bytes.js';
import { JsonCursor, OPEN_BRACE } from './json-cursor.js';
import { canonicalNumber } from './json-number.js';
import { stringText } from './json-string.js';
import { readTree, type TreeMaker } from './json-tree.js';

/**
 * No white space, keys in the order of their UTF-8 bytes, one form for each number and string.
 *
 * @throws HawserError `DOCUMENT_BODY_INVALID` for what is not the text of an object, repeats a key, or holds half of a
 *   surrogate pair
 */
export function canonicalJson(text: string): string {
  const cursor = new JsonCursor(text, true);
  if (cursor.next() !== OPEN_BRACE) cursor.unexpected(cursor.at);
  return readTree(cursor, TEXTS);
}

const TEXTS: TreeMaker<string> = {
  string: quoted,
  number: canonicalNumber,
  word: (word) => word,
  array: (items) => `[${items.join(',')}]`,
  object(keys, values) {
    const members = keys.map((key, index) => ({ key, value: values[index] ?? '' }));
    members.sort((a, b) => compareUtf8(a.key, b.key));
    let text = '{';
    let last: string | undefined;
    for (const { key, value } of members) {
      if (key === last)
        throw new HawserError(
          'DOCUMENT_BODY_INVALID',
          `invalid JSON: the key ${JSON.stringify(key.slice(0, 100))} is repeated`,
        );
      text += `${last === undefined ? '' : ','}${quoted(key)}:${value}`;
      last = key;
    }
    return `${text}}`;
  },
};

/** Invariant: the cursor refuses halves of surrogate pairs, so every value has a text. */
function quoted(value: string): string {
  return stringText(value) ?? '';
}
