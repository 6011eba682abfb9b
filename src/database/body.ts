/** What an application passes as a body becomes the text that is stored, with its blobs put away first. */
import { randomUUID } from 'node:crypto';
import { MAX_DOCUMENT_BYTES, MAX_DOCUMENT_DEPTH, writeBody } from '../base/index.js';
import type { BlobLease, BlobLeases } from './blob-leases.js';
import { Blob } from './blob.js';
import type { NewBody } from './revisions.js';

/**
 * Checks and writes a body as it is at this moment: what becomes of the object afterwards does not matter. Throws a
 * `DOCUMENT_…` error that names the place, before anything is stored. Where there are blobs to be stored the result is a
 * function that does it; they stay while the lease is held.
 */
export function prepareBody(body: unknown, home: BlobLeases): NewBody | ((lease: BlobLease) => Promise<NewBody>) {
  const missing = new Map<Blob, string>();
  const text = writeBody(body, {
    maxDepth: MAX_DOCUMENT_DEPTH,
    maxBytes: MAX_DOCUMENT_BYTES,
    replaceObject(value) {
      if (!(value instanceof Blob)) return undefined;
      const stored = value.contentIn(home);
      if (stored !== undefined) return { ...value.dictionaryOf(stored) };
      const name = missing.get(value) ?? randomUUID();
      missing.set(value, name);
      return { ...value.dictionaryOf({ digest: name, length: Number.MAX_SAFE_INTEGER }) };
    },
  });
  return missing.size === 0 ? newBody(text) : (lease) => storeMissing(text, missing, home, lease);
}

/** The names in the text, which nobody can have guessed, give way to the digests. These are no longer, so the text fits. */
async function storeMissing(
  text: string,
  missing: ReadonlyMap<Blob, string>,
  home: BlobLeases,
  lease: BlobLease,
): Promise<NewBody> {
  await lease.keepAllOf(text);
  const contents = new Map<string, string>();
  for (const [blob, name] of missing) {
    const { digest, length } = await blob.storeIn(home, lease);
    contents.set(name, `"digest":"${digest}","length":${length}`);
  }
  return newBody(text.replace(PLACEHOLDER, (whole, name: string) => contents.get(name) ?? whole));
}

const PLACEHOLDER = new RegExp(`"digest":"([0-9a-f-]{36})","length":${Number.MAX_SAFE_INTEGER}`, 'g');

/** The text is canonical, so a dictionary's type stands in it in exactly one way. */
function newBody(text: string): NewBody {
  return { text, deleted: false, hasBlobs: text.includes('"@type":"blob"') };
}
