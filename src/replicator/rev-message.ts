/** The `rev` message: a revision as properties and body (specification 3.9), written and read. Pure. */
import {
  checkBody,
  fromUtf8,
  MAX_DOCUMENT_BYTES,
  MAX_DOCUMENT_DEPTH,
  parseJson,
  utf8,
  withoutReservedKeys,
} from '../base/index.js';
import type { IncomingRequest, OutgoingMessage } from '../blip/index.js';
import { documentIDProblem, splitHistory, type IncomingRevision } from '../database/index.js';
import { HawserError } from '../errors.js';
import {
  bridgeHistory,
  formatHistory,
  generationOf,
  normalizeRevisionID,
  parseHistory,
  parseRevisionID,
} from '../revision/index.js';
import type { StoredDocument } from '../storage/index.js';
import { sequenceText } from './checkpoint.js';
import { collectionProperty, type CollectionIndex } from './collection-index.js';

export interface RevOptions {
  readonly collection: CollectionIndex;
  /** Revisions the receiver has. */
  readonly known: readonly string[];
  /** As the receiver asked for; undefined for the default. */
  readonly maxHistory: number | undefined;
  /** Set after an accepted proposal. */
  readonly noConflicts: boolean;
}

/** The message that carries the current revision of `document`. */
export function revMessage(document: StoredDocument, options: RevOptions): OutgoingMessage {
  const history = historyFor(document, options);
  const properties: Record<string, string> = {
    Profile: 'rev',
    ...collectionProperty(options.collection),
    id: document.id,
    rev: document.revisionID,
    sequence: String(document.sequence),
  };
  if (document.deleted) properties['deleted'] = '1';
  if (history !== '') properties['history'] = history;
  if (options.noConflicts) properties['noconflicts'] = '1';
  return { properties, body: utf8(document.body), compressed: true };
}

/**
 * What the receiver is told of the ancestors. A revision that was accepted on top of a parent is shown as its descendant,
 * also where that parent is not in our history: it was pruned, or it is a branch over which this revision has won.
 */
function historyFor(document: StoredDocument, options: RevOptions): string {
  const ancestors = splitHistory(document.history);
  const [parent] = options.known;
  const text = formatHistory(ancestors, options.maxHistory, (id) => options.known.includes(id), document.revisionID);
  if (!options.noConflicts || parent === undefined) return text;
  // Without the parent, or with a gap before it, the receiver could not see what the revision builds on.
  const shown = splitHistory(text);
  const isWhole = shown.at(-1) === parent && generationOf(document.revisionID) - shown.length === generationOf(parent);
  return isWhole ? text : bridgeHistory(document.revisionID, ancestors, parent);
}

/** Whether the body is a difference to another revision (specification 7), and so no document. */
export function isDelta(request: IncomingRequest): boolean {
  return request.properties.text('deltaSrc') !== undefined;
}

/** The sequence of a `rev` or `norev` in the form used everywhere; undefined where there is none or it is not JSON. */
export function sequenceOf(request: IncomingRequest): string | undefined {
  const text = request.properties.text('sequence');
  if (text === undefined) return undefined;
  try {
    return sequenceText(parseJson(text));
  } catch {
    return undefined;
  }
}

/**
 * Reads a revision. Throws `DOCUMENT_ID_INVALID`, `REVISION_ID_INVALID`, `REVISION_HISTORY_INVALID`, `DOCUMENT_TOO_LARGE` or
 * `DOCUMENT_BODY_INVALID`. Top-level properties that begin with "_" are taken out, as a core does (3.9.2).
 */
export function readRevision(request: IncomingRequest, isKnown: (id: string) => boolean): IncomingRevision {
  const { properties } = request;
  const id = properties.get('id') ?? '';
  const problem = documentIDProblem(id);
  if (problem !== undefined)
    throw new HawserError('DOCUMENT_ID_INVALID', `the document ID of an incoming revision ${problem}`);
  const rev = properties.get('rev') ?? '';
  if (parseRevisionID(rev) === undefined)
    throw new HawserError('REVISION_ID_INVALID', `received invalid version ID "${rev.slice(0, 80)}"`);
  const revisionID = normalizeRevisionID(rev);
  const history = parseHistory(revisionID, properties.get('history'), isKnown);
  const deleted = properties.boolean('deleted');
  const size = request.body.length;
  if (size > MAX_DOCUMENT_BYTES) {
    // It could not be edited here, and might not fit into a message when it is passed on.
    const message = `document "${id}" of ${size} bytes is larger than ${MAX_DOCUMENT_BYTES}`;
    throw new HawserError('DOCUMENT_TOO_LARGE', message);
  }
  let body = fromUtf8(request.body);
  if (body === undefined) throw new HawserError('DOCUMENT_BODY_INVALID', `the body of document "${id}" is not UTF-8`);
  if (body === '' && deleted) body = '{}';
  const facts = checkBody(body, { maxDepth: MAX_DOCUMENT_DEPTH });
  return {
    id,
    revisionID,
    history,
    deleted,
    body: facts.reservedKeys ? withoutReservedKeys(body) : body,
    hasBlobs: facts.hasBlobs,
  };
}

/** Throws `REPLICATION_BLOBS_UNSUPPORTED`: a document is never stored without the blobs it refers to. */
export function refuseBlobs(revision: IncomingRevision): void {
  if (!revision.hasBlobs) return;
  throw new HawserError(
    'REPLICATION_BLOBS_UNSUPPORTED',
    `document "${revision.id}" refers to blobs, which are not transferred yet`,
  );
}

/** Whether an error lies in the revision itself, so that it would fail again however often it is sent. */
export function isFaultOfRevision(error: HawserError): boolean {
  return FAULTS.has(error.code);
}

const FAULTS: ReadonlySet<string> = new Set([
  'DOCUMENT_ID_INVALID',
  'DOCUMENT_BODY_INVALID',
  'DOCUMENT_TOO_LARGE',
  'REVISION_ID_INVALID',
  'REVISION_HISTORY_INVALID',
  'REPLICATION_BLOBS_UNSUPPORTED',
]);
