/**
 * Sends revisions within a window, whole or as deltas, and says what became of each. Shared by both kinds of pusher of a
 * session.
 */
import type { IncomingResponse, RemoteError } from '../blip/index.js';
import { blobReferences } from '../database/index.js';
import { HawserError, isHawserError } from '../errors.js';
import type { StoredDocument } from '../storage/index.js';
import type { MessageChannel } from './message-channel.js';
import { deltaBody, wholeBody } from './outgoing-delta.js';
import { isError } from './remote-errors.js';
import { norevMessage, revMessage, type RevOptions, type RevRequest } from './rev-message.js';
import type { SharedBlobs } from './shared-blobs.js';
import { MAX_REV_BYTES_IN_FLIGHT, MAX_REVS_IN_FLIGHT } from './tuning.js';
import { Window } from './window.js';

export class RevSender {
  readonly #channel: MessageChannel;
  readonly #shared: SharedBlobs;
  readonly #window = new Window(MAX_REVS_IN_FLIGHT, MAX_REV_BYTES_IN_FLIGHT);

  /** @param shared told of the blobs that the receiver may ask for while a revision is under way */
  constructor(channel: MessageChannel, shared: SharedBlobs) {
    this.#channel = channel;
    this.#shared = shared;
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

  /** Tells the receiver that a revision which it was promised will not come: 404 it is gone, 500 it cannot be made. */
  withdraw(id: string, { collection }: Pick<RevOptions, 'collection'>, asked: RevRequest, status: 404 | 500): void {
    const reason = status === 404 ? 'not found' : 'the revision cannot be sent';
    this.#channel.notify(norevMessage(id, asked, collection, { status, reason }));
  }
}

function isDeltaRefused(error: RemoteError | undefined): boolean {
  return isError(error, 'HTTP', 422) || isError(error, 'LiteCore', 31) || isError(error, 'LiteCore', 32);
}
