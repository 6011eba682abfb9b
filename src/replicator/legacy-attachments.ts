/**
 * Blobs as servers know them: beside the blobs in a body stands a top-level `_attachments` that repeats each (specification
 * 8.3). Text to text, and pure: numbers stay as they were written. Bodies given to it have passed `checkBody`.
 */
import { jsonTreeText, readJsonTree, withoutReservedKeys, type JsonTree } from '../base/index.js';
import { ATTACHMENTS, attachmentsOf, blobsIn, type BlobPlace } from '../database/index.js';

type JsonObject = JsonTree & { readonly type: 'object' };

/**
 * The body with `_attachments`, for a peer that did not announce `blobs`: an entry for each blob, `blob_` and its JSON pointer
 * being the key. Attachments that are no blobs stay.
 *
 * @param generation that of the revision being sent
 */
export function withLegacyAttachments(body: string, generation: number): string {
  const root = readJsonTree(body);
  if (root.type !== 'object') return body;
  const entries = new Map<string, JsonTree>();
  const attachments = root.members.get(ATTACHMENTS);
  if (attachments?.type === 'object') {
    for (const [key, entry] of attachments.members) if (!key.startsWith(BLOB_PREFIX)) entries.set(key, entry);
  }
  for (const place of blobsIn(root)) {
    const entry = new Map(place.node.members);
    entry.delete('@type');
    entry.set('stub', { type: 'word', text: 'true' });
    entry.set('revpos', { type: 'number', text: String(generation) });
    entries.set(BLOB_PREFIX + pointerOf(place), object(entry));
  }
  if (entries.size === 0 && attachments === undefined) return body;
  return jsonTreeText(withAttachments(root.members, entries));
}

/**
 * What is stored of a received body: no top-level property that begins with "_", except `_attachments` with what is no
 * repetition of a blob. Where an entry differs from the blob it repeats, the attachment was changed on the server: the blob
 * takes its digest, length and content type.
 */
export function withoutLegacyAttachments(body: string): string {
  const root = readJsonTree(body);
  if (root.type !== 'object') return body;
  const attachments = root.members.get(ATTACHMENTS);
  if (attachments?.type !== 'object') return withoutReservedKeys(body);

  const places = new Map<string, BlobPlace>();
  for (const place of blobsIn(root)) places.set(BLOB_PREFIX + pointerOf(place), place);
  const genuine = new Map<string, JsonTree>(attachments.members);
  for (const key of genuine.keys()) if (places.has(key) || NUMBERED.test(key)) genuine.delete(key);
  let changed: JsonTree = root;
  for (const { key, blob, node } of attachmentsOf(root)) {
    const place = places.get(key);
    if (place !== undefined && place.blob.digest !== blob.digest)
      changed = replaced(changed, place.path, updated(place.node, node));
  }
  if (changed === root && genuine.size === 0) return withoutReservedKeys(body); // otherwise as it came
  const members = changed.type === 'object' ? changed.members : root.members;
  return jsonTreeText(withAttachments(new Map([...members].filter(([key]) => !key.startsWith('_'))), genuine));
}

/** The digests that the `_attachments` of a body list; undefined if there are none: then every content may be asked for. */
export function listedDigests(body: string): ReadonlySet<string> | undefined {
  const root = readJsonTree(body);
  if (root.type !== 'object' || !root.members.has(ATTACHMENTS)) return undefined;
  return new Set(Array.from(attachmentsOf(root), ({ blob }) => blob.digest));
}

const BLOB_PREFIX = 'blob_';
/** How Couchbase Lite 2.0 named them. */
const NUMBERED = /^blob_\d+$/;

/** RFC 6901. */
function pointerOf({ path }: BlobPlace): string {
  return path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

function withAttachments(members: ReadonlyMap<string, JsonTree>, entries: ReadonlyMap<string, JsonTree>): JsonObject {
  const all = new Map(members);
  all.delete(ATTACHMENTS);
  if (entries.size > 0) all.set(ATTACHMENTS, object(entries));
  return object(all);
}

/** The blob with what the attachment says of the content. */
function updated(blob: JsonObject, attachment: JsonObject): JsonObject {
  const members = new Map(blob.members);
  for (const key of ['digest', 'length', 'content_type']) {
    const value = attachment.members.get(key);
    if (value === undefined) members.delete(key);
    else members.set(key, value);
  }
  return object(members);
}

/** The tree with `node` at `path`, which exists. */
function replaced(tree: JsonTree, path: readonly (string | number)[], node: JsonTree): JsonTree {
  const [part, ...rest] = path;
  if (tree.type === 'object' && typeof part === 'string') {
    const member = tree.members.get(part) ?? node;
    return object(new Map(tree.members).set(part, replaced(member, rest, node)));
  }
  if (tree.type === 'array' && typeof part === 'number') {
    return {
      type: 'array',
      items: tree.items.map((item, index) => (index === part ? replaced(item, rest, node) : item)),
    };
  }
  return node;
}

function object(members: ReadonlyMap<string, JsonTree>): JsonObject {
  return { type: 'object', members };
}
