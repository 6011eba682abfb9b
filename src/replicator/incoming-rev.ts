/** The `rev` message, read: what its properties say, and its body as a document (specification 3.9). Pure. */
import { checkBody, fromUtf8, MAX_DOCUMENT_BYTES, parseJson, readJsonTree } from '../base/index.js';
import type { IncomingRequest } from '../blip/index.js';
import { blobReferences, documentIDProblem, type BlobReference } from '../database/index.js';
import { HawserError } from '../errors.js';
import { normalizeRevisionID, parseHistory, parseRevisionID } from '../revision/index.js';
import { sequenceText } from './checkpoint.js';
import { listedDigests, withoutLegacyAttachments } from './legacy-attachments.js';

/** A revision as a peer sent it, in a `rev` or in a batch: nothing of it has been checked. */
export interface SentRevision {
  /** JSON text in the form used everywhere; undefined where there is none that can be read. */
  readonly sequence: string | undefined;
  readonly id: string;
  readonly revisionID: string;
  readonly history: string | undefined;
  readonly deleted: boolean;
  /** The revision that the body is a difference to (specification 7); undefined if the body is a document. */
  readonly deltaSrc: string | undefined;
  /** The revision that was asked for, where this one comes in its place (3.9.4). */
  readonly replacedRev: string | undefined;
  readonly body: Uint8Array | string;
}

/** What a revision says of itself, checked. */
export interface RevHeader {
  readonly id: string;
  readonly revisionID: string;
  /** Ancestors, newest first. */
  readonly history: readonly string[];
  readonly deleted: boolean;
}

/** A body as it is stored, and what has to be there before it is. */
export interface ReceivedBody {
  readonly text: string;
  readonly blobs: readonly BlobReference[];
  /** The digests in the `_attachments` that came with it; undefined if none did. */
  readonly listed: ReadonlySet<string> | undefined;
  /** The document has left every channel of the user: there is nothing else in the body (`_removed`). */
  readonly isRemoved: boolean;
}

/** What a `rev` carries. */
export function sentRevision(request: IncomingRequest): SentRevision {
  const { properties, body } = request;
  return {
    sequence: sequenceOf(request),
    id: properties.get('id') ?? '',
    revisionID: properties.get('rev') ?? '',
    history: properties.get('history'),
    deleted: properties.boolean('deleted'),
    deltaSrc: properties.text('deltaSrc'),
    replacedRev: properties.text('replacedRev'),
    body,
  };
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

/** Throws `DOCUMENT_ID_INVALID`, `REVISION_ID_INVALID` or `REVISION_HISTORY_INVALID`. */
export function readHeader(revision: SentRevision, isKnown: (revisionID: string) => boolean): RevHeader {
  const { id, revisionID: rev, deleted } = revision;
  const problem = documentIDProblem(id);
  if (problem !== undefined)
    throw new HawserError('DOCUMENT_ID_INVALID', `the document ID of an incoming revision ${problem}`);
  if (parseRevisionID(rev) === undefined)
    throw new HawserError('REVISION_ID_INVALID', `received invalid version ID "${rev.slice(0, 80)}"`);
  const revisionID = normalizeRevisionID(rev);
  const history = parseHistory(revisionID, revision.history, isKnown);
  return { id, revisionID, history, deleted };
}

/** The body as text. Throws `DOCUMENT_TOO_LARGE` or `DOCUMENT_BODY_INVALID`. */
export function readText({ id, body }: SentRevision): string {
  if (typeof body === 'string') return body; // of a batch, which is small and was UTF-8
  const size = body.length;
  if (size > MAX_DOCUMENT_BYTES) {
    // It could not be edited here, and might not fit into a message when it is passed on.
    const message = `document "${id}" of ${size} bytes is larger than ${MAX_DOCUMENT_BYTES}`;
    throw new HawserError('DOCUMENT_TOO_LARGE', message);
  }
  const text = fromUtf8(body);
  if (text === undefined) throw new HawserError('DOCUMENT_BODY_INVALID', `the body of document "${id}" is not UTF-8`);
  return text;
}

/**
 * Checks a whole body. Top-level properties that begin with "_" are taken out, as a core does (3.9.2, 8.3). Throws
 * `DOCUMENT_BODY_INVALID`.
 */
export function readBody({ deleted }: Pick<RevHeader, 'deleted'>, received: string): ReceivedBody {
  const whole = received === '' && deleted ? '{}' : received;
  const { hasBlobs, reservedKeys } = checkBody(whole, { maxDepth: MAX_RECEIVED_DEPTH });
  const text = reservedKeys ? withoutLegacyAttachments(whole) : whole;
  return {
    text,
    blobs: hasBlobs || reservedKeys ? blobReferences(text) : [],
    listed: reservedKeys ? listedDigests(whole) : undefined,
    isRemoved: reservedKeys && saysRemoved(whole),
  };
}

function saysRemoved(body: string): boolean {
  const root = readJsonTree(body);
  const removed = root.type === 'object' ? root.members.get('_removed') : undefined;
  return removed?.type === 'word' && removed.text === 'true';
}

/** Whether an error lies in the revision itself, so that it would fail again however often it is sent. */
export function isFaultOfRevision(error: HawserError): boolean {
  return FAULTS.has(error.code);
}

/** Whether the same revision may be taken when it is offered again. */
export function isPassing(error: HawserError): boolean {
  return PASSING.has(error.code);
}

const PASSING: ReadonlySet<string> = new Set([
  'CONNECTION_UNAVAILABLE',
  'REPLICATION_BACKLOG_FULL',
  // Somebody corrects the filter.
  'FILTER_FAILED',
]);

const FAULTS: ReadonlySet<string> = new Set([
  'DOCUMENT_ID_INVALID',
  'DOCUMENT_BODY_INVALID',
  'DOCUMENT_TOO_LARGE',
  'REVISION_ID_INVALID',
  'REVISION_HISTORY_INVALID',
  // Its blobs:
  'BLOB_NOT_FOUND',
  'BLOB_CORRUPT',
  'ACCESS_DENIED',
  'REPLICATION_REMOTE_ERROR',
]);

/**
 * Objects and arrays inside each other that are taken from a peer. More than may be saved here (`MAX_DOCUMENT_DEPTH`): a
 * core takes 101 and refuses 150 (0.4.8), and what it holds must not be lost here.
 */
export const MAX_RECEIVED_DEPTH = 149;
