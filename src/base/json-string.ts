/**
 * Strings of canonical JSON text (specification 5.2): only what must be escaped is, controls other than \n \r \t and the
 * byte 7F as \u00xx in lower case, everything beyond ASCII as it is.
 */

/** The text of `value` with its quotes, or `undefined` if half of a surrogate pair in it cannot be written as UTF-8. */
export function stringText(value: string): string | undefined {
  if (!NEEDS_CARE.test(value)) return `"${value}"`;
  if (LONE_SURROGATE.test(value)) return undefined;
  return `"${value.replace(ESCAPED, escapeOf)}"`;
}

/** Whether `text` holds half of a surrogate pair. */
export function hasLoneSurrogate(text: string): boolean {
  return LONE_SURROGATE.test(text);
}

function escapeOf(character: string): string {
  return SHORT_ESCAPES[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
};
/* eslint-disable no-control-regex -- control characters are what these look for */
const NEEDS_CARE = /["\\\u0000-\u001f\u007f\ud800-\udfff]/;
const ESCAPED = /["\\\u0000-\u001f\u007f]/g;
/* eslint-enable no-control-regex */
/** With the flag `u` a pair is one character, so that only halves are surrogates. */
const LONE_SURROGATE = /\p{Surrogate}/u;
