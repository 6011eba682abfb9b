/** What a resolver is shown of a conflict, and how what it returns becomes a revision. */
import { MAX_DOCUMENT_BYTES, MAX_DOCUMENT_DEPTH, parseJson, writeBody } from '../base/index.js';
import { HawserError, isHawserError } from '../errors.js';
import type { StoredDocument } from '../storage/index.js';
import type { BlobLease } from './blob-leases.js';
import { blobReferences } from './blobs-of-body.js';
import { Blob } from './blob.js';
import { prepareBody } from './body.js';
import type { CollectionState } from './collection-state.js';
import type { Conflict } from './conflict-resolver.js';
import { defaultResolution, isSettledAlone, settleConflict, type Resolution, type SettleOutcome } from './conflicts.js';
import type { CollectionEdits } from './document-edits.js';
import { Document, type DocumentBody } from './document.js';
import type { DatabaseEngine } from './engine.js';
import { fullName, shown } from './names.js';
import { readConflicts, TOMBSTONE, type ConflictBranch, type NewBody } from './revisions.js';

/** A conflict as it was at one moment. */
export interface OpenConflict {
  readonly document: StoredDocument;
  readonly branch: ConflictBranch;
  readonly conflict: Conflict;
  /** No resolver need be asked. */
  readonly isSettledAlone: boolean;
}

export class ConflictResults {
  readonly #engine: DatabaseEngine;
  readonly #state: CollectionState;

  static open(document: StoredDocument, state: CollectionState): OpenConflict | undefined {
    const [branch] = readConflicts(document);
    if (branch === undefined) return undefined;
    const show = (side: StoredDocument): Document<DocumentBody> | undefined =>
      side.deleted ? undefined : new Document<DocumentBody>(side, state);
    const conflict = {
      documentID: document.id,
      localDocument: show(document),
      remoteDocument: show({ ...document, ...branch, history: '', sequence: 0 }),
    };
    return { document, branch, conflict, isSettledAlone: isSettledAlone(document, branch) };
  }

  constructor(engine: DatabaseEngine, state: CollectionState) {
    this.#engine = engine;
    this.#state = state;
  }

  async settle(open: OpenConflict, result: { readonly value: unknown } | undefined): Promise<SettleOutcome> {
    if (result === undefined) return this.#store(open, defaultResolution(open.document, open.branch));
    const side = chosenSide(open, result.value);
    if (side !== undefined) return this.#store(open, side);
    const body = this.#bodyOf(open, result.value);
    if (body === null) return this.#store(open, resolutionOf(open, TOMBSTONE));
    const lease = this.#engine.blobLeases.lease();
    try {
      return await this.#store(open, resolutionOf(open, await this.#prepared(open, body, lease)));
    } finally {
      lease.release();
    }
  }

  #store({ document, branch }: OpenConflict, resolution: Resolution): Promise<SettleOutcome> {
    const text = typeof resolution === 'string' ? '' : resolution.text;
    this.#engine.blobLeases.refer(text);
    const work = (edits: CollectionEdits): SettleOutcome => settleConflict(edits, document, branch, resolution);
    return this.#engine.edit(this.#state, [document.id], work, text.length);
  }

  /** The values that were returned, null for a deletion. */
  #bodyOf({ document }: OpenConflict, value: unknown): object | null {
    if (value === null) return null;
    if (typeof value !== 'object') throw resolverFailed(document.id, `it returned ${shown(value)}`);
    if (!(value instanceof Document)) return value;
    const returned = value as Document<DocumentBody>;
    if (returned.isOf(this.#state)) return returned.deleted ? null : returned.body;
    const message = `it returned a document that is not of collection "${fullName(this.#state.scope, this.#state.name)}"`;
    throw resolverFailed(document.id, message);
  }

  /** Everything that is wrong with a body is the resolver's fault; but not that our disk is full. */
  async #prepared({ document }: OpenConflict, body: object, lease: BlobLease): Promise<NewBody> {
    const { blobLeases } = this.#engine;
    try {
      const prepared = prepareBody(body, blobLeases);
      for (const blob of blobsAmong(body)) await this.#refuseForeign(blob);
      const ready = typeof prepared === 'function' ? await prepared(lease) : prepared;
      await lease.keepAllOf(ready.text);
      for (const { digest } of ready.hasBlobs ? blobReferences(ready.text) : []) {
        if (!(await blobLeases.store.has(digest)))
          throw new HawserError('BLOB_NOT_FOUND', `there is no blob ${digest}`);
      }
      return ready;
    } catch (error) {
      if (isHawserError(error) && !/^(ARGUMENT|BLOB|DOCUMENT)_/.test(error.code)) throw error;
      throw resolverFailed(document.id, error instanceof Error ? error.message : String(error), error);
    }
  }

  /** A blob that was saved to another database is no part of this conflict, whatever brought it here. */
  async #refuseForeign(blob: Blob): Promise<void> {
    const { blobLeases } = this.#engine;
    const { digest } = blob;
    if (digest === undefined || blob.contentIn(blobLeases) !== undefined) return;
    if (!(await blobLeases.store.has(digest)))
      throw new HawserError('BLOB_INVALID', `blob ${digest} was saved to another database`);
  }
}

/** Only for what has passed `prepareBody`, so it is a tree and not deep. */
function* blobsAmong(value: unknown): Generator<Blob> {
  if (value instanceof Blob) yield value;
  else if (typeof value === 'object' && value !== null)
    for (const item of Object.values(value)) yield* blobsAmong(item);
}

/** The side whose document was returned, unless its values were changed before. */
function chosenSide({ document, branch, conflict }: OpenConflict, value: unknown): 'local' | 'remote' | undefined {
  const isUnchanged = (side: { readonly body: string }): boolean =>
    textOf((value as Document<DocumentBody>).body) === textOf(parseJson(side.body));
  if (value === null || value === undefined) return undefined;
  if (value === conflict.localDocument && isUnchanged(document)) return 'local';
  return value === conflict.remoteDocument && isUnchanged(branch) ? 'remote' : undefined;
}

/** A side that was chosen stays as it is, byte for byte, whether it was returned itself or its values were. */
export function resolutionOf(
  { document, branch }: Pick<OpenConflict, 'document' | 'branch'>,
  wanted: NewBody,
): Resolution {
  if (isSame(branch, wanted)) return 'remote';
  return isSame(document, wanted) ? 'local' : wanted;
}

function isSame(side: { readonly deleted: boolean; readonly body: string }, wanted: NewBody): boolean {
  if (side.deleted || wanted.deleted) return side.deleted === wanted.deleted;
  return side.body === wanted.text || textOf(parseJson(side.body)) === `{"-":${wanted.text}}`;
}

/** One text for the same values, also where there are properties that an application may not save. */
function textOf(values: unknown): string {
  return writeBody({ '-': values }, { maxDepth: MAX_DOCUMENT_DEPTH + 1, maxBytes: 2 * MAX_DOCUMENT_BYTES });
}

/** The error of a conflict that stays because of its resolver. */
export function resolverFailed(documentID: string, what: string, cause?: unknown): HawserError {
  const message = `the conflict resolver failed for document "${documentID}": ${what}`;
  return new HawserError('CONFLICT_RESOLVER_FAILED', message, cause === undefined ? {} : { cause });
}
