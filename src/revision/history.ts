/**
 * The `history` property of a `rev` message: the ancestors of a revision as text, newest first, separated by commas
 * (specification 5.4).
 *
 * A history may have one gap, just before the ancestor that sender and receiver share: a sender that may name only so many
 * revisions leaves out what lies between (0.4.2).
 */
import { HawserError } from '../errors.js';
import { MAX_HISTORY } from './branch.js';
import { formatRevisionID, generationOf, invalidRevisionID, parseRevisionID } from './revision-id.js';

/**
 * The ancestors, newest first, each in its one form. A history that ends early is taken as it is. A gap is taken before a
 * revision for which `isKnown` is true; where it comes after as many revisions as anybody remembers, what lies behind it
 * is left out; any other is an error.
 *
 * @param rev the revision whose history it is
 * @param history the property as received, `undefined` where it is absent
 * @param isKnown whether the receiver has a revision of this document
 * @throws HawserError `REVISION_ID_INVALID`, `REVISION_HISTORY_INVALID`
 */
export function parseHistory(rev: string, history: string | undefined, isKnown: (id: string) => boolean): string[] {
  const id = parseRevisionID(rev);
  if (id === undefined) throw invalidRevisionID(rev);
  const ancestors: string[] = [];
  if (history === undefined || history.trim() === '') return ancestors;
  let last = id.generation;
  let connected = false;
  for (const part of history.split(',')) {
    const ancestor = parseRevisionID(part.trim());
    if (ancestor === undefined) throw invalidRevisionID(part.trim());
    const { generation } = ancestor;
    const text = formatRevisionID(ancestor);
    const known = isKnown(text);
    if (generation >= last) throw notSequential(rev, last, generation);
    if (generation !== last - 1 && !known) {
      // Behind a known revision the receiver knows better. Behind enough revisions, the rest would be pruned anyway.
      if (connected || ancestors.length + 1 >= MAX_HISTORY) break;
      throw notSequential(rev, last, generation);
    }
    connected ||= known;
    ancestors.push(text);
    last = generation;
  }
  return ancestors;
}

/**
 * The text to send: as far as the first ancestor that the receiver knows, and that one always, if need be in place of the
 * one before it. Without a known one, as far as the generations fall by one.
 *
 * @param ancestors newest first
 * @param maxHistory how many revisions the receiver wants to hear of, the revision itself counted: 0 and 1 give none (0.4.2).
 *   @default MAX_HISTORY
 * @param isKnown whether the receiver has a revision
 * @param rev the revision whose ancestors they are; without it, a gap right before it goes unnoticed
 */
export function formatHistory(
  ancestors: readonly string[],
  maxHistory: number | undefined,
  isKnown: (id: string) => boolean,
  rev?: string,
): string {
  const limit = (maxHistory ?? MAX_HISTORY) - 1;
  if (limit < 1) return '';
  const run = sequentialLength(ancestors, rev);
  const known = ancestors.findIndex(isKnown);
  if (known < 0) return ancestors.slice(0, Math.min(run, limit)).join(',');
  const shared = ancestors.slice(known, known + 1);
  return [...ancestors.slice(0, Math.min(known, run, limit - 1)), ...shared].join(',');
}

/** How many ancestors there are before the first gap. */
function sequentialLength(ancestors: readonly string[], rev: string | undefined): number {
  let last = rev === undefined ? undefined : generationOf(rev);
  let length = 0;
  for (const ancestor of ancestors) {
    const generation = generationOf(ancestor);
    if (last !== undefined && generation !== last - 1) break;
    last = generation;
    length++;
  }
  return length;
}

/**
 * The text that shows a revision as a descendant of `parent`, which the receiver has, without a gap: where what lies
 * between them was pruned here, or never was, invented IDs stand for it, as in a Couchbase Lite core (5.4).
 *
 * @param ancestors of the revision, newest first; they need not include `parent`
 * @param parent of a lower generation than `rev`
 */
export function bridgeHistory(rev: string, ancestors: readonly string[], parent: string): string {
  const position = ancestors.indexOf(parent);
  const run = position < 0 ? 0 : Math.min(position, sequentialLength(ancestors, rev));
  const known = ancestors.slice(0, run);
  return [...known, ...inventBetween(known.at(-1) ?? rev, parent), parent].join(',');
}

/** IDs for the generations between two revisions; none if there are too many for one message. */
function inventBetween(newer: string, older: string): string[] {
  const count = generationOf(newer) - generationOf(older) - 1;
  if (count > MAX_INVENTED) return [];
  const digits = older
    .slice(older.indexOf('-') + 1)
    .padEnd(16, '0')
    .slice(0, 16);
  return Array.from({ length: count }, (_, index) => `${generationOf(newer) - 1 - index}-faded000${digits}`);
}

/** The properties of a message hold some 3,000 of them. */
const MAX_INVENTED = 2_000;

function notSequential(rev: string, before: number, after: number): HawserError {
  return new HawserError(
    'REVISION_HISTORY_INVALID',
    `the history of revision ${rev} goes from generation ${before} to ${after}`,
  );
}
