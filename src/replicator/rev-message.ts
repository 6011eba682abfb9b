/** The `rev` message, written: a revision as properties and body (specification 3.9). Pure. */
import { utf8 } from '../base/index.js';
import type { OutgoingMessage } from '../blip/index.js';
import { splitHistory } from '../database/index.js';
import { bridgeHistory, formatHistory, generationOf } from '../revision/index.js';
import type { StoredDocument } from '../storage/index.js';
import { collectionProperty, type CollectionIndex } from './collection-index.js';
import type { RevBody } from './outgoing-delta.js';
import type { RevTerms } from './receiver-terms.js';

export interface RevOptions {
  readonly collection: CollectionIndex;
  /** Revisions the receiver has. */
  readonly known: readonly string[];
  readonly terms: RevTerms;
  /** Set after an accepted proposal. */
  readonly noConflicts: boolean;
  /** What the receiver asked for, where it gets this revision instead (3.9.4). */
  readonly replaced?: RevRequest;
}

/** A revision as the receiver knows it: its sequence is that of the list of changes. */
export interface RevRequest {
  readonly sequence: number;
  readonly revisionID: string;
}

/** The message that carries the current revision of `document`, with its body as it is to be sent. */
export function revMessage(document: StoredDocument, body: RevBody, options: RevOptions): OutgoingMessage {
  const history = historyFor(document, options);
  const { replaced } = options;
  const properties: Record<string, string> = {
    Profile: 'rev',
    ...collectionProperty(options.collection),
    id: document.id,
    rev: document.revisionID,
    sequence: String((replaced ?? document).sequence),
  };
  if (replaced !== undefined) properties['replacedRev'] = replaced.revisionID;
  if (document.deleted) properties['deleted'] = '1';
  if (history !== '') properties['history'] = history;
  if (options.noConflicts) properties['noconflicts'] = '1';
  if (body.deltaSrc !== undefined) properties['deltaSrc'] = body.deltaSrc;
  return { properties, body: utf8(body.text), compressed: true };
}

/**
 * The message that says that a revision will not come, though the receiver was promised it (specification 3.10).
 *
 * @param status as in HTTP: 404 it is gone, 500 it cannot be made
 */
export function norevMessage(
  id: string,
  { sequence, revisionID }: RevRequest,
  collection: CollectionIndex,
  { status, reason }: { readonly status: number; readonly reason: string },
): OutgoingMessage {
  const properties = {
    Profile: 'norev',
    ...collectionProperty(collection),
    id,
    rev: revisionID,
    sequence: String(sequence),
    error: String(status),
    reason,
  };
  return { properties };
}

/**
 * What the receiver is told of the ancestors. A revision that was accepted on top of a parent is shown as its descendant,
 * also where that parent is not in our history: it was pruned, or it is a branch over which this revision has won.
 */
export function historyFor(
  document: StoredDocument,
  options: Pick<RevOptions, 'known' | 'terms' | 'noConflicts'>,
): string {
  const ancestors = splitHistory(document.history);
  const [parent] = options.known;
  const text = formatHistory(
    ancestors,
    options.terms.maxHistory,
    (id) => options.known.includes(id),
    document.revisionID,
  );
  if (!options.noConflicts || parent === undefined) return text;
  // Without the parent, or with a gap before it, the receiver could not see what the revision builds on.
  const shown = splitHistory(text);
  const isWhole = shown.at(-1) === parent && generationOf(document.revisionID) - shown.length === generationOf(parent);
  return isWhole ? text : bridgeHistory(document.revisionID, ancestors, parent);
}
