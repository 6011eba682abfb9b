/** The blobs that a body refers to, as the replicator needs them: with what the body says of each. Pure. */
import { readJsonTree, type JsonTree } from '../base/index.js';
import { isBlobDigest } from '../storage/index.js';

/** A content that a body refers to. */
export interface BlobReference {
  readonly digest: string;
  /** Bytes, where the body tells. */
  readonly length?: number;
  readonly contentType?: string;
  readonly encoding?: string;
}

/**
 * The blobs of a body: objects with `"@type":"blob"` and a readable digest, at any depth, but none inside another (8.1); and
 * the entries of a top-level `_attachments` (8.3). Distinct by digest and length.
 *
 * @param body has passed `checkBody`
 */
export function blobReferences(body: string): BlobReference[] {
  if (!MAY_HAVE_DIGEST.test(body)) return [];
  const found = new Map<string, BlobReference>();
  const add = (reference: BlobReference): void => {
    found.set(`${reference.digest} ${reference.length}`, reference);
  };
  const root = readJsonTree(body);
  for (const { blob } of blobsIn(root)) add(blob);
  for (const { blob } of attachmentsOf(root)) add(blob);
  return [...found.values()];
}

/** A blob in a body, and where: the keys and indexes that lead to it. */
export interface BlobPlace {
  readonly path: readonly (string | number)[];
  readonly blob: BlobReference;
  readonly node: JsonTree & { readonly type: 'object' };
}

/** In the order of the text. `_attachments` is not searched: its entries are no blobs of the body. */
export function* blobsIn(root: JsonTree, path: readonly (string | number)[] = []): Generator<BlobPlace> {
  if (root.type === 'array') {
    for (const [index, item] of root.items.entries()) yield* blobsIn(item, [...path, index]);
  } else if (root.type === 'object') {
    const blob = textAt(root, '@type') === 'blob' ? asReference(root) : undefined;
    if (blob !== undefined) {
      yield { path, blob, node: root };
      return;
    }
    for (const [key, value] of root.members) {
      if (path.length > 0 || key !== ATTACHMENTS) yield* blobsIn(value, [...path, key]);
    }
  }
}

export interface Attachment {
  readonly key: string;
  readonly blob: BlobReference;
  readonly node: JsonTree & { readonly type: 'object' };
}

/** The entries of a top-level `_attachments` that have a readable digest. */
export function* attachmentsOf(root: JsonTree): Generator<Attachment> {
  const attachments = root.type === 'object' ? root.members.get(ATTACHMENTS) : undefined;
  if (attachments?.type !== 'object') return;
  for (const [key, node] of attachments.members) {
    const blob = node.type === 'object' ? asReference(node) : undefined;
    if (blob !== undefined && node.type === 'object') yield { key, blob, node };
  }
}

/** The top-level property in which servers keep attachments. */
export const ATTACHMENTS = '_attachments';

function asReference(node: JsonTree & { readonly type: 'object' }): BlobReference | undefined {
  const digest = textAt(node, 'digest');
  if (digest === undefined || !isBlobDigest(digest)) return undefined;
  const length = node.members.get('length');
  const bytes = length?.type === 'number' ? Number(length.text) : Number.NaN;
  const contentType = textAt(node, 'content_type');
  const encoding = textAt(node, 'encoding');
  return {
    digest,
    ...(Number.isSafeInteger(bytes) && bytes >= 0 ? { length: bytes } : {}),
    ...(contentType === undefined ? {} : { contentType }),
    ...(encoding === undefined ? {} : { encoding }),
  };
}

function textAt(node: JsonTree & { readonly type: 'object' }, key: string): string | undefined {
  const value = node.members.get(key);
  return value?.type === 'string' ? value.value : undefined;
}

/** A key may be written with escapes. */
const MAY_HAVE_DIGEST = /digest|\\u/;
