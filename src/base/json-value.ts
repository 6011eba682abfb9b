/**
 * What a document is made of, and how large it may be. Numbers keep 64 bits: an integer that a double cannot hold exactly
 * is a `bigint`, in both directions, because a peer that stores int64 and uint64 would see the document change otherwise.
 */

/** Any JSON value. A `bigint` lies outside ±(2^53 − 1) and inside int64 or uint64 when it comes from {@link parseJson}. */
export type JsonValue = null | boolean | number | bigint | string | JsonValue[] | { [key: string]: JsonValue };

/**
 * How many objects and arrays may be open at once, the document itself counted. A Couchbase Lite core accepts 101 and
 * refuses 150 (ground truth 3.1), so a document within this bound can be stored by every peer.
 */
export const MAX_DOCUMENT_DEPTH = 100;

/**
 * How many bytes of UTF-8 a document's text may take: the 20 MB at which a server refuses a document (specification 8.5),
 * rounded up to 20 MiB. What is larger belongs into a blob, which is streamed and never read into memory whole.
 */
export const MAX_DOCUMENT_BYTES = 20 * 1024 * 1024;
