/**
 * Documents as the statements take and give them. Into SQLite they go as JSON arrays, many in one parameter; out of it
 * comes one row each with two columns, because the cost of a row is the number of its columns: `meta`, the small values
 * with a separator between them, and `body`, which therefore needs no escaping and is not kept in memory by whoever keeps
 * an ID or a revision.
 *
 * Invariant: what is read is what was written, character for character.
 */
import { HawserError } from '../../errors.js';
import type { StoredDocument } from '../storage.js';
import type { Row } from './driver.js';
import { textOf } from './row-values.js';

/** Order of the columns in each JSON array of {@link encodeDocuments}. */
export const DOCUMENT_COLUMNS = 'sequence, id, flags, expires_at, revision, history, remotes, conflicts, bases, body';

export const FLAG_DELETED = 1;
export const FLAG_HAS_BLOBS = 2;

/** The columns of a result row that {@link decodeDocument} takes; `d` is the table. The ID, which may hold anything, is last. */
export const DOCUMENT_RESULT = `concat_ws(x'02', d.sequence, d.flags, ifnull(d.expires_at, ''), d.revision, d.history,
  ifnull(d.remotes, ''), ifnull(d.conflicts, ''), ifnull(d.bases, ''), d.id) AS meta, d.body AS body`;

const SEPARATOR = '\x02';

/** JSON texts for one statement each, none much longer than {@link MAX_CHUNK_LENGTH}. */
export function encodeDocuments(documents: readonly StoredDocument[]): string[] {
  const chunks: string[] = [];
  let rows: unknown[][] = [];
  let length = 0;
  for (const document of documents) {
    const flags = (document.deleted ? FLAG_DELETED : 0) | (document.hasBlobs ? FLAG_HAS_BLOBS : 0);
    rows.push([
      document.sequence,
      document.id,
      flags,
      document.expiresAt,
      document.revisionID,
      document.history,
      document.remotes,
      document.conflicts,
      document.bases,
      document.body,
    ]);
    length += document.body.length + (document.conflicts?.length ?? 0) + (document.bases?.length ?? 0);
    if (length >= MAX_CHUNK_LENGTH) {
      chunks.push(JSON.stringify(rows));
      rows = [];
      length = 0;
    }
  }
  if (rows.length > 0) chunks.push(JSON.stringify(rows));
  if (chunks.some((chunk) => chunk.includes('\\u0002'))) documents.forEach(checkSeparator);
  return chunks;
}

/** Bodies, in UTF-16 units, after which a statement is full: bounds the memory of a large batch. */
const MAX_CHUNK_LENGTH = 4 * 1024 * 1024;

export function decodeDocument(row: Row): StoredDocument {
  const fields = textOf(row, 'meta').split(SEPARATOR);
  const [sequence, flags, expiresAt, revisionID, history, remotes, conflicts, bases, id] = fields;
  if (
    sequence === undefined ||
    flags === undefined ||
    expiresAt === undefined ||
    revisionID === undefined ||
    history === undefined ||
    remotes === undefined ||
    conflicts === undefined ||
    bases === undefined ||
    id === undefined
  ) {
    throw new HawserError('DATABASE_CORRUPT', 'the database holds a document with a part missing');
  }
  const bits = Number(flags);
  return {
    id: fields.length === 9 ? id : fields.slice(8).join(SEPARATOR),
    sequence: Number(sequence),
    revisionID,
    deleted: (bits & FLAG_DELETED) !== 0,
    body: textOf(row, 'body'),
    hasBlobs: (bits & FLAG_HAS_BLOBS) !== 0,
    history,
    conflicts: conflicts === '' ? null : conflicts,
    remotes: remotes === '' ? null : remotes,
    bases: bases === '' ? null : bases,
    expiresAt: expiresAt === '' ? null : Number(expiresAt),
  };
}

function checkSeparator(document: StoredDocument): void {
  const { revisionID, history, remotes, conflicts, bases } = document;
  if ([revisionID, history, remotes ?? '', conflicts ?? '', bases ?? ''].some((text) => text.includes(SEPARATOR))) {
    throw new HawserError(
      'ARGUMENT_INVALID',
      'revision IDs and bookkeeping of a document cannot hold the character U+0002',
    );
  }
}
