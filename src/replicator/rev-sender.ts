/**
 * Sends revisions within a window, whole or as deltas, alone or many in one message, and says what became of each. Shared
 * by both kinds of pusher of a session.
 */
import type { IncomingResponse, RemoteError } from '../blip/index.js';
import { blobReferences, type ReplicationSizes } from '../database/index.js';
import { HawserError, isHawserError } from '../errors.js';
import type { StoredDocument } from '../storage/index.js';
import type { MessageChannel } from './message-channel.js';
import { deltaBody, wholeBody } from './outgoing-delta.js';
import { isError } from './remote-errors.js';
import {
  batchMessage,
  isBatchable,
  packBatches,
  readBatchAnswer,
  type BatchedRevision,
  type RevAnswer,
} from './rev-batch.js';
import { historyFor, norevMessage, revMessage, type RevOptions, type RevRequest } from './rev-message.js';
import type { SharedBlobs } from './shared-blobs.js';
import { Window } from './window.js';

/** A revision to be sent, with what whoever sends it wants to know of it later. */
export interface Offer {
  readonly document: StoredDocument;
  /** Revisions that the receiver has. */
  readonly known: readonly string[];
}

/** One that has its place in a batch. */
export type Packed<T extends Offer> = BatchedRevision & { readonly offer: T };

/** Offers as they are to be sent. */
export interface PackedOffers<T extends Offer> {
  readonly batches: readonly (readonly Packed<T>[])[];
  /** Those that need a message of their own. */
  readonly others: readonly T[];
}

export class RevSender {
  readonly #channel: MessageChannel;
  readonly #shared: SharedBlobs;
  readonly #window: Window;

  /** @param shared told of the blobs that the receiver may ask for while a revision is under way */
  constructor(
    channel: MessageChannel,
    shared: SharedBlobs,
    { maxRevsInFlight, maxRevBytesInFlight }: Pick<ReplicationSizes, 'maxRevsInFlight' | 'maxRevBytesInFlight'>,
  ) {
    this.#channel = channel;
    this.#shared = shared;
    this.#window = new Window(maxRevsInFlight, maxRevBytesInFlight);
  }

  /**
   * Sends when there is room. Resolves to the receiver's answer. Rejects with `BLIP_CLOSED` when the connection ends; any
   * other error means that the message could not be made, and the receiver was told so.
   *
   * A delta that the receiver cannot use is followed at once by the whole body, in the same place of the window and
   * without a new proposal: the receiver still expects the revision (specification 7.2).
   */
  async send(document: StoredDocument, options: RevOptions): Promise<IncomingResponse> {
    const bytes = document.body.length;
    await this.#window.enter(bytes);
    const digests = document.hasBlobs ? blobReferences(document.body).map(({ digest }) => digest) : [];
    this.#shared.add(digests);
    try {
      const { deltas, blobs } = options.terms;
      const delta = deltas ? deltaBody(document, options.known, blobs) : undefined;
      if (delta !== undefined) {
        const reply = await this.#channel.request(revMessage(document, delta, options));
        if (!isDeltaRefused(reply.error)) return reply;
      }
      return await this.#channel.request(revMessage(document, wholeBody(document, blobs), options));
    } catch (error) {
      if (isHawserError(error) && error.code === 'BLIP_CLOSED') throw error;
      this.withdraw(document.id, options, options.replaced ?? document, 500);
      if (isHawserError(error)) throw error;
      const message = `no message can be made of document "${document.id}"`;
      throw new HawserError('DOCUMENT_BODY_INVALID', message, { cause: error });
    } finally {
      this.#shared.remove(digests);
      this.#window.leave(bytes);
    }
  }

  /** Divides offers into batches, in their order. */
  pack<T extends Offer>(offers: readonly T[], options: Pick<RevOptions, 'terms' | 'noConflicts'>): PackedOffers<T> {
    const packed: Packed<T>[] = [];
    const others: T[] = [];
    for (const offer of offers) {
      const revision = pack(offer, options);
      if (revision === undefined) others.push(offer);
      else packed.push(revision);
    }
    return { batches: packBatches(packed), others };
  }

  /**
   * Sends a batch when there is room. Resolves to what became of each revision; a delta that the receiver cannot use has
   * been followed by the whole body, as in {@link send}. Rejects as that does, and where the answer is none to a batch.
   */
  async sendBatch<T extends Offer>(
    batch: readonly Packed<T>[],
    options: Pick<RevOptions, 'collection' | 'terms' | 'noConflicts'>,
  ): Promise<readonly RevAnswer[]> {
    const bytes = batch.reduce((sum, { document }) => sum + document.body.length, 0);
    await this.#window.enter(bytes, batch.length);
    try {
      const reply = await this.#channel.request(batchMessage(batch, options.collection));
      const { error } = reply;
      if (error !== undefined) return batch.map(() => ({ error, current: undefined }));
      const answers = readBatchAnswer(reply.body, batch.length);
      return await Promise.all(
        batch.map(async ({ document, offer }, index) => {
          const answer = answers[index] as RevAnswer;
          if (typeof answer === 'string' || !isDeltaRefused(answer.error)) return answer;
          const whole = wholeBody(document, options.terms.blobs);
          const { error } = await this.#channel.request(
            revMessage(document, whole, { ...options, known: offer.known }),
          );
          return error === undefined ? 'sent' : { error, current: undefined };
        }),
      );
    } finally {
      this.#window.leave(bytes, batch.length);
    }
  }

  /** Tells the receiver that a revision which it was promised will not come: 404 it is gone, 500 it cannot be made. */
  withdraw(
    id: string,
    { collection }: Pick<RevOptions, 'collection'>,
    asked: RevRequest,
    status: 404 | 410 | 500,
  ): void {
    const reason = status === 404 ? 'not found' : 'the revision cannot be sent';
    this.#channel.notify(norevMessage(id, asked, collection, { status, reason }));
  }
}

/** Undefined where it has to be sent alone, also because no message can be made of it: that is found out once more there. */
function pack<T extends Offer>(
  offer: T,
  { terms, noConflicts }: Pick<RevOptions, 'terms' | 'noConflicts'>,
): Packed<T> | undefined {
  const { document, known } = offer;
  if (document.hasBlobs) return undefined;
  try {
    const delta = terms.deltas ? deltaBody(document, known, terms.blobs) : undefined;
    const body = delta ?? wholeBody(document, terms.blobs);
    const revision = { document, body, history: historyFor(document, { known, terms, noConflicts }), offer };
    return isBatchable(revision) ? revision : undefined;
  } catch {
    return undefined;
  }
}

function isDeltaRefused(error: RemoteError | undefined): boolean {
  return isError(error, 'HTTP', 422) || isError(error, 'LiteCore', 31) || isError(error, 'LiteCore', 32);
}
