/** Which contents of blobs a text of JSON refers to. */

/**
 * Every digest that stands anywhere in `text`, however it is written: bodies of peers are kept as they came, some escape
 * the slash or spell characters as numbers, and a text may stand within a text. It may find more than is meant, a digest
 * in a sentence, but never less: what it does not find is deleted.
 */
export function blobDigestsIn(text: string): string[] {
  const plain = text.includes('\\u')
    ? text.replace(ESCAPED, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))
    : text;
  if (!plain.includes(PREFIX)) return [];
  return [...plain.matchAll(DIGEST)].map(([digest]) => digest.replaceAll('\\', ''));
}

const PREFIX = 'sha1-';
/**
 * A character below 128 as a number; with more than one backslash in a text within a text. Looked for only where a row of
 * backslashes begins: a body of nothing else would be searched again from each of them.
 */
const ESCAPED = /(?<!\\)\\+u00([0-7][0-9a-fA-F])/g;
const DIGEST = /sha1-(?:[A-Za-z0-9+]|\\*\/){27}=/g;
