/**
 * Binary content that belongs to documents. A body holds a blob as a dictionary (specification 8.1):
 * `{"@type":"blob","content_type":"image/jpeg","digest":"sha1-…","length":22}`; the bytes lie beside the database under
 * their digest, once however many documents refer to them.
 */
import { HawserError } from '../errors.js';
import type { BlobSource, BlobStore } from '../storage/index.js';
import type { BlobLease, BlobLeases } from './blob-leases.js';

/** How a blob appears in a body. */
export interface BlobDictionary {
  readonly '@type': 'blob';
  readonly content_type?: string;
  /** `sha1-` and the base64 of the SHA-1 of the content. */
  readonly digest: string;
  /** In bytes. */
  readonly length?: number;
}

/** True for a dictionary that stands for a blob in a body. */
export function isBlobDictionary(value: unknown): value is BlobDictionary {
  return (
    typeof value === 'object' &&
    value !== null &&
    (value as { '@type'?: unknown })['@type'] === 'blob' &&
    typeof (value as { digest?: unknown }).digest === 'string'
  );
}

/** What a store knows of a content. */
interface StoredContent {
  readonly digest: string;
  readonly length: number;
}

export class Blob {
  readonly contentType: string;
  /** Undefined once it has been stored, or has failed: a stream can be read once. */
  #source: BlobSource | undefined;
  #content: StoredContent | undefined;
  /** The databases that have it, the latest last, each with its epoch at that time: garbage collected since may include it. */
  readonly #homes = new Map<BlobLeases, number>();
  /** One storing at a time: a second database copies from the first. */
  #storing: Promise<unknown> = Promise.resolve();
  #failure: unknown;

  /**
   * A new blob; it is stored when a document that holds it is saved, or by `database.saveBlob`. Bytes must not change until
   * then; a stream is read once, then. Throws `BLOB_INVALID`.
   */
  constructor(contentType: string, source: BlobSource) {
    if (typeof contentType !== 'string' || !contentType.isWellFormed()) {
      throw new HawserError('BLOB_INVALID', 'the content type of a blob must be a well-formed string');
    }
    if (!(source instanceof Uint8Array) && !isStream(source)) {
      throw new HawserError('BLOB_INVALID', 'the content of a blob must be bytes or a stream of bytes');
    }
    this.contentType = contentType;
    this.#source = source;
  }

  /** @internal */
  static stored(contentType: string, home: BlobLeases, epoch: number, content: StoredContent): Blob {
    const blob = new Blob(contentType, new Uint8Array(0));
    blob.#source = undefined;
    blob.#content = content;
    blob.#homes.set(home, epoch);
    return blob;
  }

  /** `sha1-…`; undefined until stored. */
  get digest(): string | undefined {
    return this.#content?.digest;
  }

  /** Bytes; undefined until stored. */
  get length(): number | undefined {
    return this.#content?.length;
  }

  /** The whole content in memory. Rejects with `BLOB_NOT_FOUND`, also before it is stored, and with `BLOB_CORRUPT`. */
  async content(): Promise<Uint8Array> {
    const { store, digest } = this.#mustBeStored();
    return store.read(digest);
  }

  /** The content in pieces, in constant memory. Throws as `content`, `BLOB_CORRUPT` after the last piece. */
  stream(): AsyncIterable<Uint8Array> {
    const { store, digest } = this.#mustBeStored();
    return store.stream(digest);
  }

  /** @internal Undefined unless the content is in the database for sure. */
  contentIn(home: BlobLeases): StoredContent | undefined {
    return this.#homes.get(home) === home.epoch ? this.#content : undefined;
  }

  /** @internal How this blob appears in a body. */
  dictionaryOf({ digest, length }: StoredContent): BlobDictionary {
    const type = this.contentType === '' ? {} : { content_type: this.contentType };
    return { '@type': 'blob', ...type, digest, length };
  }

  /** @internal Puts the content into a database, unless it is there; from another one it is copied. It stays while `lease` is held. */
  storeIn(home: BlobLeases, lease: BlobLease): Promise<StoredContent> {
    const stored = this.#storing.then(() => this.#storeIn(home, lease));
    this.#storing = stored.catch(() => undefined);
    return stored;
  }

  async #storeIn(home: BlobLeases, lease: BlobLease): Promise<StoredContent> {
    const known = this.#content;
    if (known !== undefined && (await lease.keep(known.digest))) return this.#isIn(home, known);
    const source = this.#source ?? this.#copied();
    let content: StoredContent;
    try {
      content = await lease.put(source);
    } catch (error) {
      if (source === this.#source && !(source instanceof Uint8Array)) {
        // What is left of the stream is not the content, though it could be read to its end.
        this.#source = undefined;
        this.#failure = error;
      }
      throw error;
    }
    this.#source = undefined;
    return this.#isIn(home, content);
  }

  #isIn(home: BlobLeases, content: StoredContent): StoredContent {
    this.#content = content;
    this.#homes.delete(home); // the latest is the last
    this.#homes.set(home, home.epoch);
    return content;
  }

  #copied(): AsyncIterable<Uint8Array> {
    if (this.#content === undefined && this.#failure !== undefined) {
      const message = 'the stream of this blob has failed before and cannot be read again: make a new one';
      throw new HawserError('BLOB_INVALID', message, { cause: this.#failure });
    }
    return this.stream();
  }

  #mustBeStored(): { readonly store: BlobStore; readonly digest: string } {
    const home = [...this.#homes.keys()].at(-1);
    if (home === undefined || this.#content === undefined) {
      throw new HawserError('BLOB_NOT_FOUND', 'the blob has not been stored yet');
    }
    return { store: home.store, digest: this.#content.digest };
  }
}

function isStream(source: unknown): boolean {
  return typeof source === 'object' && source !== null && Symbol.asyncIterator in source;
}
