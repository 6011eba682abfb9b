/**
 * One connection of an active peer to us, from its first message to its end (specification 3, 9.7, D.5). It answers; it
 * starts nothing but the feeds it is asked for, and it never reconnects.
 */
import { fromUtf8, utf8, type Clock, type JsonValue, type Logger } from '../base/index.js';
import type { BlipOptions, IncomingRequest } from '../blip/index.js';
import { DEFAULT_NAME, ReplicationStore, type Collection } from '../database/index.js';
import { MessagingError, type MessageEndpointConnection } from '../endpoint/index.js';
import { isHawserError } from '../errors.js';
import { parseJsonBody } from './change-entries.js';
import { readCollectionIndex, type CollectionIndex } from './collection-index.js';
import { InsertBacklog } from './insert-backlog.js';
import { MessageChannel } from './message-channel.js';
import { PassivePuller } from './passive-puller.js';
import { PassivePusher } from './passive-pusher.js';
import { errorToReply, NO_HANDLER, reply } from './remote-errors.js';
import { RevSender } from './rev-sender.js';
import { SequenceSet } from './sequence-set.js';
import type { ReplicatedDocument, SessionObserver } from './session-events.js';
import type { SessionServices } from './session-services.js';
import { MAX_JSON_BODY } from './tuning.js';

export interface PassiveSessionOptions {
  readonly connection: MessageEndpointConnection;
  readonly collections: readonly Collection<never>[];
  /** Refuse everything that would change a document here. */
  readonly readOnly: boolean;
  /** Take and send deltas (specification 7.1). */
  readonly enableDeltaSync: boolean;
  readonly blip?: BlipOptions;
  readonly clock: Clock;
  readonly logger: Logger;
  /** After each change of what `isBusy` or `progress` say. */
  readonly onChange?: () => void;
  readonly onDocument?: (outcome: ReplicatedDocument) => void;
  /** Trouble on our side, such as a full disk. */
  readonly onError?: (error: unknown) => void;
}

/** A collection of ours on this connection. */
interface ServedCollection {
  readonly store: ReplicationStore;
  readonly index: CollectionIndex;
  readonly puller: PassivePuller;
  readonly fromPeer: SequenceSet;
  pusher: PassivePusher | undefined;
}

export class PassiveSession implements SessionObserver {
  readonly #options: PassiveSessionOptions;
  readonly #channel: MessageChannel;
  readonly #backlog = new InsertBacklog();
  readonly #services: SessionServices;
  /** How messages name collections: settled by the first successful one. */
  #mode: 'undecided' | 'collections' | 'legacy' = 'undecided';
  #collections: (ServedCollection | undefined)[] = [];
  #progress = { completed: 0, total: 0 };

  constructor(options: PassiveSessionOptions) {
    this.#options = options;
    this.#channel = new MessageChannel({
      connection: options.connection,
      ...(options.blip === undefined ? {} : { blip: options.blip }),
      onRequest: (request) => this.#handle(request),
      readingGate: () => this.#backlog.gate(),
      logger: options.logger,
    });
    this.#services = {
      channel: this.#channel,
      backlog: this.#backlog,
      sender: new RevSender(this.#channel),
      observer: this,
      clock: options.clock,
      logger: options.logger,
      deltas: options.enableDeltaSync,
    };
  }

  /** Opens the connection and serves it; resolves when it is over, to the reason if there is one. Never rejects. */
  async run(): Promise<MessagingError | undefined> {
    try {
      await this.#channel.open();
    } catch {
      // `ended` tells the reason.
    }
    const reason = await this.#channel.ended;
    for (const served of this.#collections) served?.pusher?.close();
    await this.#channel.shutDown(reason); // resolves when the medium has let go too
    await Promise.all(this.#collections.map(async (served) => served?.puller.settled()));
    return reason;
  }

  /** Ends the connection. Resolves when nothing is left open. */
  close(error?: MessagingError): Promise<void> {
    return this.#channel.shutDown(error);
  }

  get isBusy(): boolean {
    return this.#collections.some(
      (served) => served !== undefined && !(served.puller.isIdle && (served.pusher?.isIdle ?? true)),
    );
  }

  /** Documents handled and known of so far. */
  get progress(): { readonly completed: number; readonly total: number } {
    return this.#progress;
  }

  // What the parts tell.

  found(count: number): void {
    this.#progress = { ...this.#progress, total: this.#progress.total + count };
    this.#options.onChange?.();
  }

  finished(count: number): void {
    this.#progress = { ...this.#progress, completed: this.#progress.completed + count };
  }

  document(outcome: ReplicatedDocument): void {
    this.#options.onDocument?.(outcome);
  }

  progressed(): void {
    this.#options.onChange?.();
  }

  failed(error: unknown): void {
    if (!this.#channel.isEnded) this.#options.onError?.(error);
  }

  // Messages.

  #handle(request: IncomingRequest): void {
    const profile = request.properties.get('Profile');
    switch (profile) {
      case 'getCollections':
        return this.#run(request, () => this.#getCollections(request));
      case 'getCheckpoint':
        return this.#run(request, () => this.#getCheckpoint(request));
      case 'setCheckpoint':
        return this.#run(request, () => this.#setCheckpoint(request));
      case 'subChanges':
        return this.#withCollection(request, (served) => this.#subChanges(request, served));
      case 'proposeChanges':
        return this.#withWritable(request, (served) => served.puller.handleProposals(request));
      case 'changes':
        return this.#withWritable(request, (served) => served.puller.handleChanges(request));
      case 'rev':
        return this.#withWritable(request, (served) => served.puller.handleRev(request));
      case 'norev':
        return this.#channel.respond(request);
      default:
        this.#channel.respond(request, { error: NO_HANDLER });
    }
  }

  #run(request: IncomingRequest, work: () => Promise<void>): void {
    const bytes = request.body.length;
    this.#backlog.add(bytes); // however many are sent at once
    void work()
      .catch((error: unknown) => {
        this.#channel.respond(request, { error: errorToReply(error) });
        this.failed(error);
      })
      .finally(() => this.#backlog.remove(bytes));
  }

  async #getCollections(request: IncomingRequest): Promise<void> {
    const refuse = (why: string): void =>
      this.#channel.respond(request, { error: reply.blip(400, `Invalid getCollections message: ${why}`) });
    if (this.#mode !== 'undecided') return refuse('not the first message');
    const body = parseJsonBody(request.body);
    if (typeof body !== 'object' || body === null || Array.isArray(body)) return refuse('no root');
    const ids = body['checkpoint_ids'];
    const names = body['collections'];
    if (!isTextList(ids) || !isTextList(names)) return refuse('checkpoint_ids and collections must be lists of text');
    if (ids.length !== names.length || names.length === 0)
      return refuse('checkpoint_ids and collections differ in length');
    if (names.length > this.#options.collections.length + MAX_UNKNOWN_COLLECTIONS)
      return refuse('too many collections');
    const paths = names.map(normalizedName);
    if (new Set(paths).size !== paths.length) return refuse('duplicate collection path');

    this.#mode = 'collections'; // before the first wait: what follows on the connection has indexes
    this.#collections = paths.map((path, index) => this.#serve(path, index));
    let answers: JsonValue[];
    try {
      answers = await Promise.all(this.#collections.map((served, index) => storedCheckpoint(served, ids[index] ?? '')));
    } catch (error) {
      this.#mode = 'undecided'; // a failed one may be repeated (0.4.11)
      throw error;
    }
    this.#channel.respond(request, { properties: {}, body: utf8(stringify(answers)) });
  }

  async #getCheckpoint(request: IncomingRequest): Promise<void> {
    const served = this.#resolve(request);
    if (served === undefined) return;
    const id = request.properties.text('client');
    if (id === undefined) {
      this.#channel.respond(request, { error: reply.blip(400, 'missing checkpoint ID') });
      return;
    }
    const checkpoint = await served.store.peerCheckpoint(id);
    if (checkpoint === undefined) this.#channel.respond(request, { error: reply.http(404, '') });
    else this.#channel.respond(request, { properties: { rev: checkpoint.revision }, body: utf8(checkpoint.text) });
  }

  async #setCheckpoint(request: IncomingRequest): Promise<void> {
    const served = this.#resolve(request);
    if (served === undefined) return;
    const id = request.properties.text('client');
    const text = fromUtf8(request.body);
    if (id === undefined || id.length > MAX_CHECKPOINT_ID) {
      this.#channel.respond(request, { error: reply.blip(400, 'missing checkpoint ID') });
    } else if (text === undefined || text.length > MAX_CHECKPOINT_LENGTH) {
      this.#channel.respond(request, { error: reply.blip(400, 'a checkpoint is text of 1 MiB at most') });
    } else {
      const revision = await served.store.putPeerCheckpoint(id, text, request.properties.text('rev'));
      if (revision === undefined) this.#channel.respond(request, { error: reply.http(409, 'revision ID mismatch') });
      else this.#channel.respond(request, { properties: { rev: revision } });
    }
  }

  #subChanges(request: IncomingRequest, served: ServedCollection): void {
    const { properties } = request;
    if (properties.text('filter') !== undefined) {
      this.#channel.respond(request, { error: reply.liteCore(19, 'Filtering not supported') });
      return;
    }
    const versioning = properties.text('versioning') ?? 'rev-trees';
    if (versioning !== 'rev-trees') {
      this.#channel.respond(request, { error: reply.liteCore(501, 'Incompatible document versioning.') });
      return;
    }
    if (request.body.length > MAX_JSON_BODY) {
      this.#channel.respond(request, { error: reply.http(413, 'too many document IDs') });
      return;
    }
    this.#channel.respond(request);
    if (served.pusher !== undefined) return; // one feed a collection, as in a Couchbase Lite core (0.4.12)
    const since = properties.integer('since') ?? 0;
    served.pusher = new PassivePusher({
      ...this.#services,
      store: served.store,
      collection: served.index,
      since: since > 0 ? since : 0,
      continuous: properties.boolean('continuous'),
      activeOnly: properties.boolean('activeOnly'),
      documentIDs: documentIDsOf(request),
      fromPeer: served.fromPeer,
      sendReplacementRevs: properties.boolean('sendReplacementRevs'),
    });
    void served.pusher.run().catch((error: unknown) => this.#endFeed(error));
  }

  /** A feed that cannot go on would leave the peer waiting for ever: it is told to come back. */
  #endFeed(error: unknown): void {
    if (this.#channel.isEnded) return;
    this.failed(error);
    const code = isHawserError(error) ? error.code : 'REPLICATION_PROTOCOL_ERROR';
    void this.close(new MessagingError(code, 'the feed cannot go on', { recoverable: true, cause: error }));
  }

  // Collections.

  #withWritable(request: IncomingRequest, work: (served: ServedCollection) => void): void {
    if (this.#options.readOnly) {
      const message = 'Attempting to push to a read-only listener';
      this.#channel.respond(request, { error: reply.http(403, message) });
      return;
    }
    this.#withCollection(request, work);
  }

  #withCollection(request: IncomingRequest, work: (served: ServedCollection) => void): void {
    const served = this.#resolve(request);
    if (served !== undefined) work(served);
  }

  /** The collection a message is about; answers the message itself where there is none. */
  #resolve(request: IncomingRequest): ServedCollection | undefined {
    const index = readCollectionIndex(request.properties);
    if (this.#mode === 'undecided' && index === undefined) {
      const served = this.#serve(`${DEFAULT_NAME}.${DEFAULT_NAME}`, undefined);
      if (served === undefined) {
        this.#channel.respond(request, {
          error: reply.blip(400, 'This server is not configured for 3.0 client support'),
        });
        return undefined;
      }
      this.#mode = 'legacy';
      this.#collections = [served];
    }
    if (this.#mode === 'legacy' && index === undefined) return this.#collections[0];
    const misused = this.#mode !== 'collections' || index === undefined || Number.isNaN(index);
    const served = misused ? undefined : this.#collections[index];
    if (served === undefined) {
      const message = misused
        ? 'inappropriate use of the collection property.'
        : 'the collection property is out of range.';
      this.#channel.respond(request, { error: reply.http(400, message) });
    }
    return served;
  }

  #serve(path: string, index: CollectionIndex): ServedCollection | undefined {
    const collection = this.#options.collections.find((candidate) => `${candidate.scope}.${candidate.name}` === path);
    if (collection === undefined) return undefined;
    const store = new ReplicationStore(collection);
    const fromPeer = new SequenceSet();
    const puller = new PassivePuller({ ...this.#services, store, collection: index, fromPeer });
    return { store, index, puller, fromPeer, pusher: undefined };
  }
}

/** More unknown names than this in one message is no replicator of ours or of Couchbase's. */
const MAX_UNKNOWN_COLLECTIONS = 100;
const MAX_CHECKPOINT_LENGTH = 1024 * 1024;
const MAX_CHECKPOINT_ID = 1024;

/** `scope.name` for both ways to write a name; a name with more dots stays as it is and is found nowhere. */
function normalizedName(name: string): string {
  return name.includes('.') ? name : `${DEFAULT_NAME}.${name}`;
}

/** The element for a collection in the reply to `getCollections` (specification 3.3). */
async function storedCheckpoint(served: ServedCollection | undefined, id: string): Promise<JsonValue> {
  if (served === undefined) return null;
  const checkpoint = await served.store.peerCheckpoint(id);
  if (checkpoint === undefined) return {};
  const json = parseJsonBody(utf8(checkpoint.text));
  const fields = typeof json === 'object' && json !== null && !Array.isArray(json) ? json : {};
  return { ...fields, rev: checkpoint.revision };
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === 'string' && entry !== '');
}

function documentIDsOf(request: IncomingRequest): ReadonlySet<string> | undefined {
  const body = request.body.length === 0 ? undefined : parseJsonBody(request.body);
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return undefined;
  const ids = body['docIDs'];
  return Array.isArray(ids) ? new Set(ids.filter((id): id is string => typeof id === 'string')) : undefined;
}

/** JSON with 64-bit integers as they are. */
function stringify(value: JsonValue): string {
  if (typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return `[${value.map(stringify).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([name, entry]) => `${JSON.stringify(name)}:${stringify(entry)}`)
    .join(',')}}`;
}
