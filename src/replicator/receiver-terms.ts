/** What the receiver of our revisions says of itself in its replies, for one collection (specification 3.7.1). Pure. */
import type { MessageProperties } from '../blip/index.js';
import { TAKES_BATCHES } from './rev-batch.js';

/** How the revisions of one list are to be sent. */
export interface RevTerms {
  /** Ancestors that the receiver wants to hear of, the revision itself counted; undefined for the default. */
  readonly maxHistory: number | undefined;
  /** It finds blobs in a body by itself; otherwise they are listed in `_attachments` too (8.3). */
  readonly blobs: boolean;
  /** It takes deltas (7.1). */
  readonly deltas: boolean;
}

export class ReceiverTerms {
  readonly #mayUseDeltas: boolean;
  /** Said once, it holds for the whole connection. */
  #takesDeltas = false;
  #takesBatches: boolean;
  #latest: RevTerms | undefined;

  /**
   * @param mayUseDeltas whether we send any
   * @param takesBatches whether the receiver has said already that it takes revisions in batches
   */
  constructor(mayUseDeltas: boolean, takesBatches = false) {
    this.#mayUseDeltas = mayUseDeltas;
    this.#takesBatches = takesBatches;
  }

  /** Whether the receiver takes many revisions in one message (`rev-batch.ts`). */
  get takesBatches(): boolean {
    return this.#takesBatches;
  }

  /** What the latest reply said; undefined before the first. */
  get latest(): RevTerms | undefined {
    return this.#latest;
  }

  /** @param properties of the reply that asks for revisions */
  learn(properties: MessageProperties): RevTerms {
    if (properties.text('deltas') !== undefined) this.#takesDeltas = properties.boolean('deltas');
    if (properties.boolean(TAKES_BATCHES)) this.#takesBatches = true;
    this.#latest = {
      maxHistory: properties.integer('maxHistory'),
      blobs: properties.boolean('blobs'),
      deltas: this.#mayUseDeltas && this.#takesDeltas,
    };
    return this.#latest;
  }
}
