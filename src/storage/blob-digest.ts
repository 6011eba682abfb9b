/** How the content of a blob is named: `sha1-` and the base64 of its SHA-1 (specification 8.1); on disk, in hexadecimal. */
import { HawserError } from '../errors.js';

export function digestOf(sha1: Uint8Array): string {
  return `sha1-${Buffer.from(sha1).toString('base64')}`;
}

/** Whether this names a content. */
export function isBlobDigest(digest: string): boolean {
  return DIGEST.test(digest);
}

/** The name of its file: no byte that a peer chose reaches a path. Throws `BLOB_INVALID`. */
export function fileNameOf(digest: string): string {
  if (typeof digest !== 'string' || !isBlobDigest(digest)) {
    throw new HawserError('BLOB_INVALID', `${JSON.stringify(digest)?.slice(0, 60)} is not the digest of a blob`);
  }
  return Buffer.from(digest.slice('sha1-'.length), 'base64').toString('hex');
}

/** The digest that a file of this name holds, or undefined for another file. */
export function digestOfFileName(name: string): string | undefined {
  return FILE_NAME.test(name) ? digestOf(Buffer.from(name, 'hex')) : undefined;
}

/** The last digit carries four bits: with others set the same content would have several names. */
const DIGEST = /^sha1-[A-Za-z0-9+/]{26}[AEIMQUYcgkosw048]=$/;
const FILE_NAME = /^[0-9a-f]{40}$/;
