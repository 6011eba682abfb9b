/** What a collection, a scope and a document may be called (features: the limits of Couchbase Lite). */
import { utf8Length } from '../base/index.js';
import { HawserError } from '../errors.js';

export const DEFAULT_NAME = '_default';

/** Names a collection in messages and on the wire: `metrics` in the default scope, otherwise `scope.metrics`. */
export function fullName(scope: string, name: string): string {
  return scope === DEFAULT_NAME ? name : `${scope}.${name}`;
}

/** Throws `COLLECTION_NAME_INVALID`. `_default` names what always exists: the default scope, and the collection in it. */
export function checkCollection(scope: unknown, name: unknown): { readonly scope: string; readonly name: string } {
  if (typeof scope !== 'string' || (scope !== DEFAULT_NAME && !NAME_PATTERN.test(scope))) {
    throw nameInvalid('scope', scope);
  }
  if (typeof name !== 'string' || !((name === DEFAULT_NAME && scope === DEFAULT_NAME) || NAME_PATTERN.test(name))) {
    throw nameInvalid('collection', name);
  }
  return { scope, name };
}

function nameInvalid(what: string, name: unknown): HawserError {
  const rule = 'is not 1 to 251 of A-Z a-z 0-9 _ - %, not beginning with _ or %';
  return new HawserError('COLLECTION_NAME_INVALID', `${what} name ${shown(name)} ${rule}`);
}

const NAME_PATTERN = /^[A-Za-z0-9-][A-Za-z0-9_%-]{0,250}$/;

/** Why `id` cannot be a document's ID, or undefined if it can (specification 10, pitfall 26). */
export function documentIDProblem(id: unknown): string | undefined {
  if (typeof id !== 'string') return `is of type ${typeof id}, not a string`;
  if (id === '') return 'is empty';
  if (id.startsWith('_')) return 'begins with "_"';
  if (CONTROL_CHARACTERS.test(id)) return 'holds a control character';
  if (!id.isWellFormed()) return 'holds half of a surrogate pair';
  // A UTF-16 unit is at most three bytes, so most IDs need no count.
  if (id.length > MAX_DOCUMENT_ID_BYTES / 3 && utf8Length(id) > MAX_DOCUMENT_ID_BYTES) {
    return `is ${utf8Length(id)} bytes long, the limit is ${MAX_DOCUMENT_ID_BYTES}`;
  }
  return undefined;
}

/** Throws `DOCUMENT_ID_INVALID` with the reason. */
export function checkDocumentID(id: unknown): string {
  const problem = documentIDProblem(id);
  if (problem !== undefined) throw new HawserError('DOCUMENT_ID_INVALID', `document ID ${shown(id)} ${problem}`);
  return id as string;
}

const MAX_DOCUMENT_ID_BYTES = 240;
// eslint-disable-next-line no-control-regex -- control characters are what it looks for
const CONTROL_CHARACTERS = /[\u0000-\u001f]/;

/** A value that somebody passed in, for a message about it. */
export function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
