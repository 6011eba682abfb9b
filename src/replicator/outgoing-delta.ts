/**
 * The body of a revision as a difference to one that the receiver has, where that is worth it (specification 7.2). Pure.
 */
import { bodyOf } from '../database/index.js';
import { createDelta } from '../delta/index.js';
import { generationOf } from '../revision/index.js';
import type { StoredDocument } from '../storage/index.js';
import { withLegacyAttachments } from './legacy-attachments.js';

/** What goes into a `rev` message in place of the body. */
export interface RevBody {
  readonly text: string;
  /** The revision that the text is a delta to; undefined for the whole body. */
  readonly deltaSrc: string | undefined;
}

/** The whole body, as a receiver wants it that knows of `blobs` or does not. */
export function wholeBody(document: StoredDocument, blobs: boolean): RevBody {
  const { body, revisionID, hasBlobs } = document;
  return {
    text: blobs || !hasBlobs ? body : withLegacyAttachments(body, generationOf(revisionID)),
    deltaSrc: undefined,
  };
}

/**
 * A delta to the first of the `known` revisions whose body is still here; undefined where there is none, and where the
 * delta would be no shorter than the body. A tombstone is neither sent as a delta nor the base of one.
 *
 * @param known revisions that the receiver has, the best base first
 */
export function deltaBody(document: StoredDocument, known: readonly string[], blobs: boolean): RevBody | undefined {
  if (document.deleted || !isLongEnough(document.body)) return undefined;
  for (const deltaSrc of known.slice(0, MAX_BASES)) {
    const base = bodyOf(document, deltaSrc);
    if (base === undefined) continue;
    // What a receiver without `blobs` has stored includes the attachments: the difference is one between such forms.
    const isPlain = blobs || !(document.hasBlobs || base.includes('"digest"'));
    const before = isPlain ? base : withLegacyAttachments(base, generationOf(deltaSrc));
    const whole = isPlain ? document.body : withLegacyAttachments(document.body, generationOf(document.revisionID));
    const text = createDelta(before, whole);
    return text.length < whole.length ? { text, deltaSrc } : undefined;
  }
  return undefined;
}

function isLongEnough(body: string): boolean {
  if (body.length >= MIN_BODY_BYTES) return true;
  return body.length * 3 >= MIN_BODY_BYTES && Buffer.byteLength(body) >= MIN_BODY_BYTES;
}

/** Shorter bodies are sent whole. In bytes. */
const MIN_BODY_BYTES = 200;
/** A peer that reports more revisions than any document remembers is not looked through for a base. */
const MAX_BASES = 50;
