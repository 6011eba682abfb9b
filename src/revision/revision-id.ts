/**
 * Revision IDs of protocol generation 3: `<generation>-<digest>` (specification 5.1). Everywhere else in the engine a
 * revision ID is its text; only this file takes one apart.
 */
import { hash } from 'node:crypto';
import { varintLength } from '../base/index.js';
import { HawserError } from '../errors.js';

export interface RevisionID {
  /** How many revisions the path from the first one to this one has: 1 to 2^32 − 1. */
  readonly generation: number;
  /** Lower-case hexadecimal of whole bytes: 20 for Couchbase Lite and hawser, 16 for Sync Gateway. */
  readonly digest: string;
}

/** The strict check that every stored revision passes. Zeros in front of the generation are taken and dropped (0.4.18). */
export function parseRevisionID(text: string): RevisionID | undefined {
  if (text.length > MAX_TEXT_LENGTH) return undefined;
  const match = REVISION_ID.exec(text);
  const digest = match?.[2];
  if (digest === undefined) return undefined;
  const generation = Number(match?.[1]);
  if (generation < 1 || generation > MAX_GENERATION) return undefined;
  if (varintLength(generation) + digest.length / 2 > MAX_BINARY_LENGTH) return undefined;
  return { generation, digest };
}

export function formatRevisionID(id: RevisionID): string {
  return `${id.generation}-${id.digest}`;
}

/** The text of a revision ID in its one form. @throws HawserError `REVISION_ID_INVALID` */
export function normalizeRevisionID(text: string): string {
  const id = parseRevisionID(text);
  if (id === undefined) throw invalidRevisionID(text);
  return formatRevisionID(id);
}

/**
 * The loose check of `changes` and `proposeChanges` (0.4.3): an entry that fails it spoils its whole message, any other
 * is only refused when its `rev` arrives.
 */
export function isPlausibleRevisionID(text: string): boolean {
  return text.includes('-');
}

/** The number before the hyphen; 0 where there is none, so that what is no revision ID comes before every one that is. */
export function generationOf(text: string): number {
  const generation = Number.parseInt(text, 10);
  return generation > 0 ? generation : 0;
}

/** Orders by generation, then by the bytes of the digest; a digest that another one begins with comes first. */
export function compareRevisionIDs(a: string, b: string): number {
  const generations = generationOf(a) - generationOf(b);
  if (generations !== 0) return generations;
  const x = a.slice(a.indexOf('-') + 1);
  const y = b.slice(b.indexOf('-') + 1);
  return x < y ? -1 : x > y ? 1 : 0;
}

/**
 * The ID of a new revision, made exactly as Couchbase Lite makes it (specification 5.2), so that the same edit on two
 * devices is the same revision.
 *
 * @param parentID of the revision it replaces, `undefined` for the first one of a document
 * @param canonicalBody as `writeBody` or `canonicalJson` make it; `{}` for a deletion
 * @throws HawserError `REVISION_ID_INVALID` if `parentID` is none
 */
export function createRevisionID(parentID: string | undefined, deleted: boolean, canonicalBody: string): string {
  const parent = parentID === undefined ? '' : normalizeRevisionID(parentID);
  // A valid ID has fewer than 128 characters, so its length is one byte in UTF-8, as the digest wants it.
  const input = `${String.fromCharCode(parent.length)}${parent}${deleted ? '\u0001' : '\u0000'}${canonicalBody}`;
  const generation = generationOf(parent) + 1;
  if (generation > MAX_GENERATION) throw invalidRevisionID(`${generation}-`);
  return `${generation}-${hash('sha1', input, 'hex')}`;
}

export function invalidRevisionID(text: string): HawserError {
  const shown = text.length > 100 ? `${text.slice(0, 100)}…` : text;
  return new HawserError('REVISION_ID_INVALID', `${JSON.stringify(shown)} is not a revision ID`);
}

const REVISION_ID = /^([0-9]+)-((?:[0-9a-f]{2})+)$/;
const MAX_GENERATION = 2 ** 32 - 1;
/** Bytes of a generation as varint and its digest: a core takes 41 bytes of digest with a generation of one (ground truth 3.1). */
const MAX_BINARY_LENGTH = 42;
/** Refuses what is far too long before looking closer; leaves room for zeros in front of the generation. */
const MAX_TEXT_LENGTH = 120;
