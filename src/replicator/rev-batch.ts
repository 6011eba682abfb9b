/**
 * The `hawserRevs` message: many small revisions in one message between two peers that have both said that they know it
 * (REVISION-BATCHES.md has its bytes). Written and read here. Pure.
 *
 * Invariant: a batch fits into one frame. It is urgent, and so are lists of changes, so batches and lists arrive in the order
 * in which they were sent; the position of a pull depends on that.
 */
import { fromUtf8, utf8 } from '../base/index.js';
import type { OutgoingMessage, RemoteError } from '../blip/index.js';
import { HawserError } from '../errors.js';
import type { StoredDocument } from '../storage/index.js';
import { parseJsonBody } from './change-entries.js';
import { collectionProperty, type CollectionIndex } from './collection-index.js';
import type { SentRevision } from './incoming-rev.js';
import type { RevBody } from './outgoing-delta.js';

/** Says that batches are taken: as a property of `proposeChanges`, `subChanges`, and of the answer to the former. */
export const TAKES_BATCHES = 'hawserRevs';

/** A revision on its way out. */
export interface BatchedRevision {
  readonly document: StoredDocument;
  readonly body: RevBody;
  /** As in a `rev`; empty for none. */
  readonly history: string;
}

/** What became of a revision: `sent` it is committed now, `present` it was there already. */
export type RevAnswer = 'sent' | 'present' | { readonly error: RemoteError; readonly current: string | undefined };

/** Whether a revision is small enough to share a message. One with blobs is not: they are asked for while it is under way. */
export function isBatchable(revision: BatchedRevision): boolean {
  const { document, body } = revision;
  return !document.hasBlobs && body.text.length <= MAX_BATCHED_BODY && sizeOf(revision) <= MAX_PACKED_BYTES;
}

/** Puts revisions, in their order, into as few batches as hold them. Each is {@link isBatchable}. */
export function packBatches<T extends BatchedRevision>(revisions: readonly T[]): T[][] {
  const batches: T[][] = [];
  let batch: T[] = [];
  let bytes = 0;
  for (const revision of revisions) {
    const size = sizeOf(revision);
    if (batch.length > 0 && bytes + size > MAX_PACKED_BYTES) {
      batches.push(batch);
      batch = [];
      bytes = 0;
    }
    batch.push(revision);
    bytes += size;
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}

export function batchMessage(revisions: readonly BatchedRevision[], collection: CollectionIndex): OutgoingMessage {
  let before = 0;
  const rows = revisions.map(({ document, body, history }) => {
    const { sequence, id, revisionID, deleted } = document;
    const row: (string | number)[] = [sequence - before, id, revisionID, body.text.length];
    before = sequence;
    const { deltaSrc = '' } = body;
    if (deleted || history !== '' || deltaSrc !== '') row.push(deleted ? 1 : 0);
    if (history !== '' || deltaSrc !== '') row.push(history);
    if (deltaSrc !== '') row.push(deltaSrc);
    return row;
  });
  const texts = revisions.map(({ body }) => body.text).join('');
  const properties = { Profile: 'hawserRevs', ...collectionProperty(collection) };
  return { properties, body: utf8(`${JSON.stringify(rows)}\n${texts}`), compressed: true, urgent: true };
}

/** Throws `REPLICATION_PROTOCOL_ERROR` where any part of the message is unusable. The revisions are not checked yet. */
export function readBatch(body: Uint8Array): SentRevision[] {
  if (body.length > MAX_BATCH_BYTES) throw invalid(`is larger than ${MAX_BATCH_BYTES} bytes`);
  const text = fromUtf8(body);
  if (text === undefined) throw invalid('is not UTF-8');
  const end = text.indexOf('\n');
  let rows: unknown;
  try {
    rows = JSON.parse(text.slice(0, Math.max(0, end)));
  } catch {
    throw invalid('does not begin with a line of JSON');
  }
  if (!Array.isArray(rows) || rows.length === 0) throw invalid('has no revisions');
  let position = end + 1;
  let sequence = 0;
  const revisions = rows.map((row: unknown): SentRevision => {
    if (!Array.isArray(row)) throw invalid('has a revision that is no array');
    const [step, id, revisionID, length, deleted = 0, history, deltaSrc] = row as readonly unknown[];
    if (typeof step !== 'number' || typeof id !== 'string' || typeof revisionID !== 'string' || !isCount(length))
      throw invalid('has a revision without sequence, document ID, revision ID or length');
    if (deleted !== 0 && deleted !== 1) throw invalid('has a revision that is neither live nor deleted');
    if (!isOptionalText(history) || !isOptionalText(deltaSrc)) throw invalid('has a history that is no text');
    sequence += step; // what is proposed once more comes after what lies behind it in the feed
    if (!isCount(sequence)) throw invalid('has a sequence that is none');
    const start = position;
    position += length;
    return {
      sequence: String(sequence),
      id,
      revisionID,
      history,
      deleted: deleted === 1,
      deltaSrc: deltaSrc === '' ? undefined : deltaSrc,
      replacedRev: undefined,
      body: text.slice(start, position),
    };
  });
  if (position !== text.length) throw invalid('has bodies of another length');
  return revisions;
}

/** The body of the answer: empty where all is well. */
export function batchAnswer(answers: readonly RevAnswer[]): Uint8Array | undefined {
  const list = answers.map((answer) => {
    if (answer === 'sent') return 0;
    if (answer === 'present') return PRESENT;
    const { error, current } = answer;
    const entry = [error.domain, error.code, error.message];
    return current === undefined ? entry : [...entry, current];
  });
  while (list.at(-1) === 0) list.pop();
  return list.length === 0 ? undefined : utf8(JSON.stringify(list));
}

/** Throws `REPLICATION_PROTOCOL_ERROR` for what is no answer to a batch: then nobody knows what was stored. */
export function readBatchAnswer(body: Uint8Array, count: number): RevAnswer[] {
  const list: unknown = body.length === 0 ? [] : parseJsonBody(body);
  if (!Array.isArray(list)) throw new HawserError('REPLICATION_PROTOCOL_ERROR', 'the answer to a batch is not a list');
  return Array.from({ length: count }, (_, index): RevAnswer => {
    const answer: unknown = index < list.length ? list[index] : 0;
    if (answer === 0) return 'sent';
    if (answer === PRESENT) return 'present';
    const [domain, code, message, current] = (Array.isArray(answer) ? answer : []) as readonly unknown[];
    if (typeof domain !== 'string' || !Number.isInteger(code) || !isOptionalText(current))
      throw new HawserError('REPLICATION_PROTOCOL_ERROR', 'the answer to a batch has an entry that is none');
    return { error: { domain, code: code as number, message: typeof message === 'string' ? message : '' }, current };
  });
}

/** Characters of a body, or delta, in a batch: larger ones gain little by company, and cost much if they were not wanted. */
const MAX_BATCHED_BODY = 8_192;
/**
 * Bytes of a batch: with its properties, and as badly as any deflate may make of it, it fits into a frame of 16 KiB
 * (specification 2.5).
 */
const MAX_BATCH_BYTES = 14_000;
/** Without the brackets around the rows and the line's end. */
const MAX_PACKED_BYTES = MAX_BATCH_BYTES - 3;
/** Of a row beside its texts: brackets, quotes, commas and two numbers. */
const ROW_BYTES = 48;
const PRESENT = 304;

function sizeOf({ document, body, history }: BatchedRevision): number {
  const { id, revisionID } = document;
  // JSON may escape every character of an ID; the other texts are plain.
  const row = ROW_BYTES + Buffer.byteLength(JSON.stringify(id)) + revisionID.length + history.length;
  return row + (body.deltaSrc?.length ?? 0) + Buffer.byteLength(body.text);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isOptionalText(value: unknown): value is string | undefined {
  return value === undefined || typeof value === 'string';
}

function invalid(problem: string): HawserError {
  return new HawserError('REPLICATION_PROTOCOL_ERROR', `a batch of revisions ${problem}`);
}
