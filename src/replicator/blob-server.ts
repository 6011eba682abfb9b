/**
 * Answers a peer that wants contents of blobs, or a proof that we have them (specification 3.11, 3.12). Shared by both
 * kinds of pusher; one object serves one session.
 *
 * A content that is not here is answered with an error. A content that cannot be read ends the connection: a Couchbase
 * Lite core gives a revision up for any error reply, also a passing one (0.4.6), and comes back for it after a broken link.
 */
import { utf8, type Logger } from '../base/index.js';
import type { IncomingRequest } from '../blip/index.js';
import type { ReplicationBlobs } from '../database/index.js';
import { MessagingError } from '../endpoint/index.js';
import { isHawserError } from '../errors.js';
import { isBlobDigest } from '../storage/index.js';
import { proofOf } from './blob-proof.js';
import type { MessageChannel } from './message-channel.js';
import { reply } from './remote-errors.js';
import type { SharedBlobs } from './shared-blobs.js';
import { MAX_BLOBS_SERVED, MAX_BLOBS_WAITING } from './tuning.js';
import { Window } from './window.js';

export interface BlobServerOptions {
  readonly channel: MessageChannel;
  readonly blobs: ReplicationBlobs;
  readonly shared: SharedBlobs;
  readonly logger: Logger;
}

export class BlobServer {
  readonly #options: BlobServerOptions;
  readonly #window = new Window(MAX_BLOBS_SERVED);

  constructor(options: BlobServerOptions) {
    this.#options = options;
  }

  /** Answers `getAttachment` and `proveAttachment`, now or later. */
  handle(request: IncomingRequest): void {
    if (!request.noReply) void this.#answer(request);
  }

  /** Resolves when nothing is being served any more. */
  settled(): Promise<void> {
    return this.#window.idle();
  }

  async #answer(request: IncomingRequest): Promise<void> {
    const { channel, shared } = this.#options;
    const digest = request.properties.text('digest') ?? '';
    const isProof = request.properties.get('Profile') === 'proveAttachment';
    if (!isBlobDigest(digest)) {
      channel.respond(request, { error: reply.liteCore(9, 'no valid digest') });
    } else if (isProof && !isNonce(request.body)) {
      channel.respond(request, { error: reply.blip(400, 'a nonce has 1 to 255 bytes') });
    } else if (!isProof && request.body.length > 0) {
      channel.respond(request, { error: reply.blip(400, 'getAttachment has no body') });
    } else if (!shared.has(digest)) {
      channel.respond(request, { error: reply.http(403, 'no document with that blob is being sent') });
    } else if (this.#window.size >= MAX_BLOBS_WAITING) {
      // No peer that waits for answers comes near it.
      const message = `the peer asks for more than ${MAX_BLOBS_WAITING} blobs at once`;
      void channel.shutDown(new MessagingError('BLIP_TOO_MANY_REQUESTS', message, { recoverable: false }));
    } else {
      await this.#window.enter();
      try {
        await (isProof ? this.#prove(request, digest) : this.#send(request, digest));
      } catch (error) {
        this.#refuse(request, digest, error);
      } finally {
        this.#window.leave();
      }
    }
  }

  /** The receiver checks the digest, so a damaged file costs him a document and not the connection. */
  async #send(request: IncomingRequest, digest: string): Promise<void> {
    const { channel, blobs } = this.#options;
    if (channel.isEnded) return;
    const compressed = request.properties.boolean('compress');
    await channel.respondStream(request, { properties: {}, compressed }, blobs.streamUnchecked(digest));
  }

  async #prove(request: IncomingRequest, digest: string): Promise<void> {
    const { channel, blobs } = this.#options;
    const proof = await proofOf(request.body, blobs.stream(digest), channel);
    channel.respond(request, { properties: {}, body: utf8(proof) });
  }

  #refuse(request: IncomingRequest, digest: string, error: unknown): void {
    const { channel, logger } = this.#options;
    if (channel.isEnded) return;
    const message = error instanceof Error ? error.message : String(error);
    logger.log('warning', 'replicator', `blob ${digest} cannot be given to the peer: ${message}`);
    if (isHawserError(error) && (error.code === 'BLOB_NOT_FOUND' || error.code === 'BLOB_CORRUPT')) {
      channel.respond(request, { error: reply.http(404, 'missing') });
      return;
    }
    const text = `the content of a blob could not be read: ${message}`;
    void channel.shutDown(new MessagingError('CONNECTION_INTERRUPTED', text, { recoverable: true, cause: error }));
  }
}

function isNonce(body: Uint8Array): boolean {
  return body.length >= 1 && body.length <= 255;
}
