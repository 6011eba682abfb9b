/** Carries out the edit of a text that a delta describes (specification 7.3). */
import { fromUtf8, utf8 } from '../base/index.js';

/** The new text, or what is wrong with the edit. */
export type EditResult = { readonly text: string; readonly wrong?: undefined } | { readonly wrong: string };

/**
 * Counts are UTF-8 bytes. They must take up the old text exactly and never split a character.
 *
 * @param ops `<n>=` keeps n bytes, `<n>-` drops them, `<n>+<bytes>|` inserts them
 */
export function editText(oldText: string, ops: string): EditResult {
  const old = utf8(oldText);
  const edit = utf8(ops);
  // Every byte of the result is one of these, so nothing grows however the counts are chosen.
  const result = new Uint8Array(old.length + edit.length);
  let length = 0;
  let oldAt = 0;
  let at = 0;
  if (edit.length === 0) return { wrong: 'an empty edit of a text' };
  while (at < edit.length) {
    let count = 0;
    const digits = at;
    for (; isDigit(edit[at]) && at - digits < MAX_DIGITS; at++) count = count * 10 + ((edit[at] ?? 0) - ZERO_DIGIT);
    if (at === digits) return { wrong: `no count at byte ${at} of an edit of a text` };
    const op = edit[at++];
    if (op === PLUS) {
      // The bar behind it shows that the inserted bytes are whole characters.
      if (edit[at + count] !== BAR) return { wrong: `an insertion without an end at byte ${at} of an edit of a text` };
      copy(edit, at, count, result, length);
      length += count;
      at += count + 1;
    } else if (op === EQUALS || op === MINUS) {
      if (count > old.length - oldAt) return { wrong: 'an edit of a text that is longer than the text' };
      if (op === EQUALS) {
        copy(old, oldAt, count, result, length);
        length += count;
      }
      oldAt += count;
      if (isContinuation(old[oldAt])) return { wrong: `an edit of a text that splits the character at byte ${oldAt}` };
    } else {
      return { wrong: `an unknown instruction at byte ${at - 1} of an edit of a text` };
    }
  }
  if (oldAt !== old.length) return { wrong: `an edit of ${oldAt} of the ${old.length} bytes of a text` };
  const text = fromUtf8(result.subarray(0, length));
  return text === undefined ? { wrong: 'an edit of a text that leaves half a character' } : { text };
}

function copy(from: Uint8Array, start: number, count: number, to: Uint8Array, at: number): void {
  // An edit may be millions of tiny pieces: a view for each would cost more than its bytes.
  if (count <= FEW_BYTES) for (let index = 0; index < count; index++) to[at + index] = from[start + index] ?? 0;
  else to.set(from.subarray(start, start + count), at);
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO_DIGIT && byte <= ZERO_DIGIT + 9;
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

const ZERO_DIGIT = 0x30;
const EQUALS = 0x3d;
const MINUS = 0x2d;
const PLUS = 0x2b;
const BAR = 0x7c;
/** No text is longer than ten digits can say. */
const MAX_DIGITS = 10;
const FEW_BYTES = 32;
