/**
 * Gets the contents of blobs that a received revision refers to from the peer (specification 3.11, 8.2): what is not here
 * yet, a few at a time, straight to the disk. Shared by both kinds of puller; one object serves one session.
 *
 * Blobs belong to the whole database, and a peer may have seen no more of it than one collection. So what an active peer
 * pushes is not joined with a content that is here because the peer has named its digest: it shows first that it has the
 * content (3.12), or sends it. Otherwise it could name a content of others, and pull it.
 *
 * Invariant: a revision that waits here holds up no reading of the connection, over which its blobs have to come.
 */
import { randomBytes } from 'node:crypto';
import { fromUtf8 } from '../base/index.js';
import type { OutgoingMessage, RemoteError } from '../blip/index.js';
import type { BlobLease, BlobReference, ReplicationBlobs } from '../database/index.js';
import { HawserError, isHawserError } from '../errors.js';
import { proofOf } from './blob-proof.js';
import { collectionProperty, type CollectionIndex } from './collection-index.js';
import type { MessageChannel } from './message-channel.js';
import { isTransientReply, remoteErrorToHawser } from './remote-errors.js';
import {
  MAX_BLOB_FETCHES,
  MAX_BYTES_AWAITING_BLOBS,
  MAX_CONTENTS_SHOWN,
  MIN_PROVED_BYTES,
  WAITING_REV_COST,
} from './tuning.js';
import { Window } from './window.js';

export interface BlobFetcherOptions {
  readonly channel: MessageChannel;
  readonly blobs: ReplicationBlobs;
}

export interface FetchOptions {
  /** Bytes that the waiting revision holds in memory. */
  readonly size: number;
  /** Holds the contents until the revision is stored; its owner releases it then. */
  readonly lease: BlobLease;
  /** The digests in the `_attachments` the body came with, if it did: of another one the sender has no content (8.2). */
  readonly listed?: ReadonlySet<string> | undefined;
  /**
   * The digests that the document refers to already: these it keeps, and any other one the peer has to show. Asked at most
   * once. Undefined where the peer is believed, being the one that we pull from.
   */
  readonly owned?: (() => Promise<ReadonlySet<string>>) | undefined;
}

export class BlobFetcher {
  readonly #options: BlobFetcherOptions;
  readonly #window = new Window(MAX_BLOB_FETCHES);
  /** What is being fetched, by digest. Never rejects: resolves to why it failed. */
  readonly #running = new Map<string, Promise<HawserError | undefined>>();
  /** What the peer has sent or proved to have, oldest first. */
  readonly #shown = new Set<string>();
  #waitingBytes = 0;

  constructor(options: BlobFetcherOptions) {
    this.#options = options;
  }

  /**
   * Resolves when every content is durable here. Digest and length of each have been checked, the length also of what was
   * here before. One document's blobs come one after another.
   *
   * Rejects with `BLOB_NOT_FOUND` where the peer has none, `BLOB_CORRUPT` where it is not what the body says, `ACCESS_DENIED`,
   * `REPLICATION_REMOTE_ERROR`; and where it may succeed later with `CONNECTION_UNAVAILABLE`, `REPLICATION_BACKLOG_FULL`,
   * `BLIP_CLOSED`, or what the storage failed with.
   */
  async fetchMissing(
    documentID: string,
    collection: CollectionIndex,
    references: readonly BlobReference[],
    options: FetchOptions,
  ): Promise<void> {
    if (references.length === 0) return;
    const { size } = options;
    if (this.#waitingBytes + size > MAX_BYTES_AWAITING_BLOBS && this.#waitingBytes > 0) {
      const message = `document "${documentID}" cannot wait for its blobs: ${this.#waitingBytes} bytes of others do`;
      throw new HawserError('REPLICATION_BACKLOG_FULL', message);
    }
    this.#waitingBytes += size + WAITING_REV_COST;
    try {
      for (const reference of references) await this.#provide(documentID, collection, reference, options);
    } finally {
      this.#waitingBytes -= size + WAITING_REV_COST;
    }
  }

  async #provide(
    documentID: string,
    collection: CollectionIndex,
    reference: BlobReference,
    { lease, listed, owned }: FetchOptions,
  ): Promise<void> {
    const { digest } = reference;
    for (;;) {
      const isHere = await lease.keep(digest);
      if (isHere && (owned === undefined || this.#shown.has(digest) || (await owned()).has(digest))) {
        return this.#checkLength(reference);
      }
      if (listed?.has(digest) === false) {
        throw new HawserError('BLOB_NOT_FOUND', `the sender of document "${documentID}" has no content for ${digest}`);
      }
      const running = this.#running.get(digest);
      if (running === undefined) return this.#fetch(documentID, collection, reference, { lease, isHere });
      const failure = await running;
      // What failed for another document may go well for this one: it may be allowed, or tell another length.
      if (failure?.retryable === true) throw failure;
    }
  }

  async #fetch(
    documentID: string,
    collection: CollectionIndex,
    reference: BlobReference,
    { lease, isHere }: { readonly lease: BlobLease; readonly isHere: boolean },
  ): Promise<void> {
    const { digest } = reference;
    const fetched = this.#obtain(documentID, collection, reference, { lease, isHere }).then(
      () => undefined,
      (error: unknown) => asFetchError(error, digest),
    );
    this.#running.set(digest, fetched);
    const failure = await fetched.finally(() => this.#running.delete(digest));
    if (failure !== undefined) throw failure;
    this.#remember(digest);
    if (isHere) await this.#checkLength(reference);
  }

  async #obtain(
    documentID: string,
    collection: CollectionIndex,
    reference: BlobReference,
    { lease, isHere }: { readonly lease: BlobLease; readonly isHere: boolean },
  ): Promise<void> {
    await this.#window.enter();
    try {
      if (isHere && (await this.#isProved(reference.digest, collection))) return;
      await this.#download(documentID, collection, reference, lease);
    } finally {
      this.#window.leave();
    }
  }

  /**
   * Whether the peer shows that it has a content which is here. It sends what it cannot or will not prove; so also what is
   * damaged here, and what is small: being asked for a proof tells it that somebody has the content, and a small one could
   * have been guessed.
   */
  async #isProved(digest: string, collection: CollectionIndex): Promise<boolean> {
    const { blobs, channel } = this.#options;
    if (((await blobs.length(digest)) ?? 0) < MIN_PROVED_BYTES) return false;
    const nonce = randomBytes(NONCE_BYTES);
    const properties = { Profile: 'proveAttachment', ...collectionProperty(collection), digest };
    const { error, body } = await channel.request({ properties, body: nonce });
    if (error !== undefined) return false;
    try {
      return fromUtf8(body) === (await proofOf(nonce, blobs.stream(digest), channel));
    } catch (failure) {
      if (isHawserError(failure) && failure.code === 'BLOB_CORRUPT') return false;
      throw failure;
    }
  }

  #remember(digest: string): void {
    this.#shown.add(digest);
    if (this.#shown.size > MAX_CONTENTS_SHOWN) this.#shown.delete(this.#shown.values().next().value ?? '');
  }

  async #download(
    documentID: string,
    collection: CollectionIndex,
    reference: BlobReference,
    lease: BlobLease,
  ): Promise<void> {
    const message = getAttachment(documentID, collection, reference);
    const { response, body } = await this.#options.channel.requestStream(message, { maxBytes: MAX_BLOB_BYTES });
    if (response.error !== undefined) throw refused(response.error, reference.digest);
    const { digest, length } = reference;
    try {
      await lease.put(body, length === undefined ? { digest } : { digest, length });
    } finally {
      body.discard(); // it may have failed before it read anything
    }
  }

  /** What is here has its digest; a body that tells another length is wrong about it, as it would be if it were fetched. */
  async #checkLength({ digest, length }: BlobReference): Promise<void> {
    const stored = await this.#options.blobs.length(digest);
    if (length === undefined || stored === undefined || stored === length) return;
    throw new HawserError('BLOB_CORRUPT', `${digest} has ${stored} bytes where the document announces ${length}`);
  }
}

/** The request for a content. `docID` is for servers, which serve a content only with its document. */
function getAttachment(documentID: string, collection: CollectionIndex, reference: BlobReference): OutgoingMessage {
  return {
    properties: {
      Profile: 'getAttachment',
      ...collectionProperty(collection),
      digest: reference.digest,
      docID: documentID,
      ...(isCompressible(reference) ? { compress: 'true' } : {}),
    },
  };
}

/** Specification 8.4: what is packed already is not packed again. */
export function isCompressible({ contentType, encoding }: BlobReference): boolean {
  if (encoding !== undefined && PACKED.test(encoding)) return false;
  return contentType !== undefined && !PACKED.test(contentType) && !MEDIA.test(contentType);
}

const PACKED = /zip|zlib|pkcs|mpeg|mp4|crypt|\.rar|-rar/i;
const MEDIA = /^(?:image|audio|video)\//i;

/** Why the peer did not send a content. */
function refused(error: RemoteError, digest: string): HawserError {
  const { domain, code } = error;
  if ((domain === 'HTTP' && code === 404) || (domain === 'LiteCore' && (code === 7 || code === 9))) {
    return new HawserError('BLOB_NOT_FOUND', `the peer has no content for ${digest}`);
  }
  const said = remoteErrorToHawser('getAttachment', error);
  if (!isTransientReply(error)) return said;
  return new HawserError('CONNECTION_UNAVAILABLE', said.message, { domain: said.domain, number: said.number });
}

function asFetchError(error: unknown, digest: string): HawserError {
  if (isHawserError(error)) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new HawserError('STORAGE_IO_ERROR', `${digest} could not be stored: ${message}`, { cause: error });
}

/** As many as servers send. */
const NONCE_BYTES = 20;
/** Bytes: the protocol has none longer (specification 8.5). */
const MAX_BLOB_BYTES = 2 ** 32 - 1;
