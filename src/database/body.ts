/** What an application passes as a body becomes the text that is stored, with its blobs put away first. */
import { randomUUID } from 'node:crypto';
import { MAX_DOCUMENT_BYTES, MAX_DOCUMENT_DEPTH, writeBody } from '../base/index.js';
import type { BlobStore } from '../storage/index.js';
import { Blob } from './blob.js';
import type { NewBody } from './revisions.js';

/**
 * Checks and writes a body as it is at this moment: what becomes of the object afterwards does not matter. Throws a
 * `DOCUMENT_…` error that names the place, before anything is stored. A promise only where there are blobs to be stored.
 */
export function prepareBody(body: unknown, store: BlobStore): NewBody | Promise<NewBody> {
  const missing = new Map<Blob, string>();
  const text = writeBody(body, {
    maxDepth: MAX_DOCUMENT_DEPTH,
    maxBytes: MAX_DOCUMENT_BYTES,
    replaceObject(value) {
      if (!(value instanceof Blob)) return undefined;
      const stored = value.contentIn(store);
      if (stored !== undefined) return { ...value.dictionaryOf(stored) };
      const name = missing.get(value) ?? randomUUID();
      missing.set(value, name);
      return { ...value.dictionaryOf({ digest: name, length: Number.MAX_SAFE_INTEGER }) };
    },
  });
  return missing.size === 0 ? newBody(text) : storeMissing(text, missing, store);
}

/** The names in the text, which nobody can have guessed, give way to the digests. These are no longer, so the text fits. */
async function storeMissing(text: string, missing: ReadonlyMap<Blob, string>, store: BlobStore): Promise<NewBody> {
  const contents = new Map<string, string>();
  for (const [blob, name] of missing) {
    const { digest, length } = await blob.storeIn(store);
    contents.set(name, `"digest":"${digest}","length":${length}`);
  }
  return newBody(text.replace(PLACEHOLDER, (whole, name: string) => contents.get(name) ?? whole));
}

const PLACEHOLDER = new RegExp(`"digest":"([0-9a-f-]{36})","length":${Number.MAX_SAFE_INTEGER}`, 'g');

/** The text is canonical, so a dictionary's type stands in it in exactly one way. */
function newBody(text: string): NewBody {
  return { text, deleted: false, hasBlobs: text.includes('"@type":"blob"') };
}
