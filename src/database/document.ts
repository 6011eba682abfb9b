/** A document as it was when it was read: values beside their metadata. Changing `body` changes nothing on disk. */
import { parseJson } from '../base/index.js';
import type { StoredDocument } from '../storage/index.js';

/** What a document may hold: JSON, with 64-bit integers beyond 2^53 as `bigint`. */
export type DocumentBody = object;

export class Document<T extends DocumentBody = Record<string, unknown>> {
  readonly id: string;
  /** The revision this was read at; pass it as `ifRevision` to save only if nobody changed the document since. */
  readonly revisionID: string;
  /** Position in the collection's feed of changes; grows with every save in the collection. */
  readonly sequence: number;
  /** True only for tombstones, which `get` never returns. */
  readonly deleted: boolean;
  readonly #text: string;
  readonly #home: object | undefined;
  #body: T | undefined;

  /**
   * @internal Documents come from a collection.
   * @param home stands for the collection
   */
  constructor(stored: Pick<StoredDocument, 'id' | 'revisionID' | 'sequence' | 'deleted' | 'body'>, home?: object) {
    this.id = stored.id;
    this.revisionID = stored.revisionID;
    this.sequence = stored.sequence;
    this.deleted = stored.deleted;
    this.#text = stored.body;
    this.#home = home;
  }

  /** The values, parsed at the first use; the same object each time. Blobs appear as their dictionaries. */
  get body(): T {
    this.#body ??= parseJson(this.#text) as T;
    return this.#body;
  }

  /** @internal Whether it came from the collection that `home` stands for. */
  isOf(home: object): boolean {
    return this.#home === home;
  }

  /** The body as JSON text, exactly as it is stored and as it went over the wire. */
  toJSONText(): string {
    return this.#text;
  }
}
