/**
 * How a label becomes the name of a file. Any text may be a label, so all but small letters, digits, `-` and `_` are written
 * as the hex digits of their bytes: no label leaves the folder, and no two meet in one file, not even where the file
 * system takes `A` for `a` or composes accents.
 */
import { HawserError } from '../errors.js';

/** @throws `IDENTITY_LABEL_INVALID` if it is no text of 1 to 64 bytes of UTF-8 */
export function fileNameOf(label: string): string {
  const bytes = typeof label === 'string' && label.length <= MAX_LABEL ? Buffer.from(label, 'utf8') : undefined;
  if (bytes === undefined || bytes.length === 0 || bytes.length > MAX_LABEL || !isWellFormed(label)) {
    throw new HawserError('IDENTITY_LABEL_INVALID', `a label is a text of 1 to ${MAX_LABEL} bytes of UTF-8`);
  }
  const escaped = [...bytes].map((byte) => {
    const character = String.fromCharCode(byte);
    return PLAIN.test(character) ? character : `%${byte.toString(16).padStart(2, '0')}`;
  });
  return escaped.join('') + EXTENSION;
}

/** `undefined` for a file that is none of ours. */
export function labelOf(fileName: string): string | undefined {
  if (!fileName.endsWith(EXTENSION)) return undefined;
  try {
    const label = decodeURIComponent(fileName.slice(0, -EXTENSION.length));
    return fileNameOf(label) === fileName ? label : undefined;
  } catch {
    return undefined;
  }
}

/** Without halves of surrogate pairs, which would all be written as the same bytes. */
function isWellFormed(text: string): boolean {
  return !/\p{Cs}/u.test(text);
}

const MAX_LABEL = 64;
const PLAIN = /[a-z0-9_-]/;
const EXTENSION = '.identity';
