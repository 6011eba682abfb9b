/**
 * What both kinds of session are made of: the channel on their connection, the parts that all collections share, and the
 * watch over a peer that says nothing any more. It belongs to one connection and ends with it.
 */
import type { Clock, Logger } from '../base/index.js';
import type { BlipOptions, IncomingRequest } from '../blip/index.js';
import type { ReplicationStore } from '../database/index.js';
import { MessagingError, type MessageEndpointConnection } from '../endpoint/index.js';
import { BlobFetcher } from './blob-fetcher.js';
import { BlobServer } from './blob-server.js';
import type { ShareBuffers } from './buffer-budget.js';
import { InsertBacklog } from './insert-backlog.js';
import { MessageChannel } from './message-channel.js';
import { Rest } from './rest.js';
import { RevSender } from './rev-sender.js';
import type { SessionObserver } from './session-events.js';
import type { SessionServices } from './session-services.js';
import { SharedBlobs } from './shared-blobs.js';
import { Watchdog } from './watchdog.js';

export interface SessionLinkOptions {
  readonly connection: MessageEndpointConnection;
  readonly blip?: BlipOptions;
  /** Takes part in what the connections of a listener may hold together. */
  readonly shareBuffers?: ShareBuffers;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long the peer may owe us something and say nothing. In milliseconds. */
  readonly silenceMs: number;
}

export interface SessionLinkParts {
  /** Of any collection: blobs belong to the whole database. */
  readonly store: ReplicationStore;
  readonly deltas: boolean;
  readonly batches: boolean;
  readonly observer: SessionObserver;
  readonly onRequest: (request: IncomingRequest) => void;
  /** Whether the peer owes us more than answers. */
  readonly isExpecting: () => boolean;
  readonly onSilent: (error: MessagingError) => void;
  /** Give the compressor's memory back when nothing was sent for this long: where many peers are idle. In milliseconds. */
  readonly restMs?: number;
}

export class SessionLink {
  readonly channel: MessageChannel;
  readonly services: SessionServices;
  readonly #blobServer: BlobServer;
  readonly #watchdog: Watchdog;
  readonly #rest: Rest | undefined;

  constructor(options: SessionLinkOptions, parts: SessionLinkParts) {
    const { connection, blip, shareBuffers, clock, logger, silenceMs } = options;
    const { blobs, sizes } = parts.store;
    const backlog = new InsertBacklog(sizes.maxInsertBacklog);
    const shared = new SharedBlobs();
    const { restMs } = parts;
    this.#rest = restMs === undefined ? undefined : new Rest(clock, restMs, () => this.channel.rest());
    this.channel = new MessageChannel({
      connection,
      ...(blip === undefined ? {} : { blip }),
      shareBuffers,
      onRequest: (request) => this.#handle(request, parts),
      readingGate: () => backlog.gate(),
      onSent: () => this.#rest?.used(),
      logger,
    });
    this.services = {
      channel: this.channel,
      backlog,
      blobFetcher: new BlobFetcher({ channel: this.channel, blobs }),
      sender: new RevSender(this.channel, shared, sizes),
      observer: parts.observer,
      clock,
      logger,
      deltas: parts.deltas,
      batches: parts.batches,
    };
    this.#blobServer = new BlobServer({ channel: this.channel, blobs, shared, logger });
    this.#watchdog = new Watchdog({
      clock,
      silenceMs,
      received: () => this.channel.traffic.received,
      isOwed: () => this.channel.isReading && (this.channel.isWaiting || parts.isExpecting()),
      onSilent: () => parts.onSilent(silentError(silenceMs)),
    });
  }

  /** Opens the connection. Rejects as the channel does. */
  async open(): Promise<void> {
    await this.channel.open();
    if (!this.channel.isEnded) this.#watchdog.start();
  }

  /** The session is over. Resolves when nothing is being read for the peer any more. */
  async release(): Promise<void> {
    this.#watchdog.stop();
    this.#rest?.stop();
    await this.#blobServer.settled();
  }

  #handle(request: IncomingRequest, { onRequest }: SessionLinkParts): void {
    const profile = request.properties.get('Profile');
    if (profile === 'getAttachment' || profile === 'proveAttachment') this.#blobServer.handle(request);
    else onRequest(request);
  }
}

function silentError(silenceMs: number): MessagingError {
  const message = `the peer owes an answer and has sent nothing for ${Math.ceil(silenceMs / 1_000)} s`;
  return new MessagingError('REPLICATION_PEER_SILENT', message, { recoverable: true });
}
