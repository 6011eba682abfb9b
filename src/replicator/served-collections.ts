/**
 * The collections of ours on a connection of an active peer, and how its messages name them (specification 3.2, 3.3): by
 * their place in the first message, or not at all where the peer knows the default collection only.
 */
import { utf8, type JsonValue } from '../base/index.js';
import type { IncomingRequest } from '../blip/index.js';
import { DEFAULT_NAME, ReplicationStore, type Collection } from '../database/index.js';
import { parseJsonBody } from './change-entries.js';
import { readCollectionIndex, type CollectionIndex } from './collection-index.js';
import { PassivePuller } from './passive-puller.js';
import type { PassivePusher } from './passive-pusher.js';
import { reply } from './remote-errors.js';
import { SequenceSet } from './sequence-set.js';
import type { SessionServices } from './session-services.js';

/** The right of a peer to a collection. With neither `push` nor `pull` it sees that the collection is there, and no more. */
export interface CollectionAccess {
  readonly collection: Collection<never>;
  /** It may send changes. */
  readonly push: boolean;
  /** It may ask for changes. */
  readonly pull: boolean;
}

/** A collection of ours on this connection. */
export interface ServedCollection {
  readonly store: ReplicationStore;
  readonly index: CollectionIndex;
  /** The peer may ask for changes. */
  readonly mayPull: boolean;
  /** Undefined where the peer may not push. */
  readonly puller: PassivePuller | undefined;
  readonly fromPeer: SequenceSet;
  pusher: PassivePusher | undefined;
}

/** Whether there is anything to keep a checkpoint of. */
export function mayReplicate({ mayPull, puller }: ServedCollection): boolean {
  return mayPull || puller !== undefined;
}

export class ServedCollections {
  readonly #services: SessionServices;
  readonly #access: readonly CollectionAccess[];
  /** Settled by the first message that succeeds. */
  #mode: 'undecided' | 'collections' | 'legacy' = 'undecided';
  #served: readonly (ServedCollection | undefined)[] = [];

  /** @param access what the peer may see: any other collection is to it as one that does not exist */
  constructor(services: SessionServices, access: readonly CollectionAccess[]) {
    this.#services = services;
    this.#access = access;
  }

  get all(): readonly ServedCollection[] {
    return this.#served.filter((served) => served !== undefined);
  }

  /** Answers `getCollections`. Rejects if our storage fails; the message may be repeated then (0.4.11). */
  async open(request: IncomingRequest): Promise<void> {
    const { channel } = this.#services;
    const wanted = this.#parse(request);
    if (typeof wanted === 'string') {
      channel.respond(request, { error: reply.blip(400, `Invalid getCollections message: ${wanted}`) });
      return;
    }
    this.#mode = 'collections'; // before the first wait: what follows on the connection has indexes
    this.#served = wanted.map(({ path }, index) => this.#serve(path, index));
    let answers: JsonValue[];
    try {
      answers = await Promise.all(wanted.map(({ id }, index) => storedCheckpoint(this.#served[index], id)));
    } catch (error) {
      this.#mode = 'undecided';
      throw error;
    }
    channel.respond(request, { properties: {}, body: utf8(stringify(answers)) });
  }

  /** The collection a message is about; answers the message itself where there is none. */
  resolve(request: IncomingRequest): ServedCollection | undefined {
    const { channel } = this.#services;
    const index = readCollectionIndex(request.properties);
    if (this.#mode === 'undecided' && index === undefined) {
      const served = this.#serve(`${DEFAULT_NAME}.${DEFAULT_NAME}`, undefined);
      if (served === undefined) {
        const message = 'This server is not configured for 3.0 client support';
        channel.respond(request, { error: reply.blip(400, message) });
        return undefined;
      }
      this.#mode = 'legacy';
      this.#served = [served];
    }
    if (this.#mode === 'legacy' && index === undefined) return this.#served[0];
    const misused = this.#mode !== 'collections' || index === undefined || Number.isNaN(index);
    const served = misused ? undefined : this.#served[index];
    if (served === undefined) {
      const message = misused
        ? 'inappropriate use of the collection property.'
        : 'the collection property is out of range.';
      channel.respond(request, { error: reply.http(400, message) });
    }
    return served;
  }

  /** What `getCollections` asks for, or why it cannot be answered. */
  #parse(request: IncomingRequest): { readonly path: string; readonly id: string }[] | string {
    if (this.#mode !== 'undecided') return 'not the first message';
    const body = parseJsonBody(request.body);
    if (typeof body !== 'object' || body === null || Array.isArray(body)) return 'no root';
    const ids = body['checkpoint_ids'];
    const names = body['collections'];
    if (!isTextList(ids) || !isTextList(names)) return 'checkpoint_ids and collections must be lists of text';
    if (ids.length !== names.length || names.length === 0) return 'checkpoint_ids and collections differ in length';
    if (names.length > this.#access.length + MAX_UNKNOWN_COLLECTIONS) return 'too many collections';
    const paths = names.map(normalizedName);
    if (new Set(paths).size !== paths.length) return 'duplicate collection path';
    return paths.map((path, index) => ({ path, id: ids[index] ?? '' }));
  }

  #serve(path: string, index: CollectionIndex): ServedCollection | undefined {
    const access = this.#access.find(({ collection: { scope, name } }) => `${scope}.${name}` === path);
    if (access === undefined) return undefined;
    const store = new ReplicationStore(access.collection);
    const fromPeer = new SequenceSet();
    const options = { ...this.#services, store, collection: index, fromPeer };
    const puller = access.push ? new PassivePuller(options) : undefined;
    return { store, index, mayPull: access.pull, puller, fromPeer, pusher: undefined };
  }
}

/** More unknown names than this in one message is no replicator of ours or of Couchbase's. */
const MAX_UNKNOWN_COLLECTIONS = 100;

/** `scope.name` for both ways to write a name; a name with more dots stays as it is and is found nowhere. */
function normalizedName(name: string): string {
  return name.includes('.') ? name : `${DEFAULT_NAME}.${name}`;
}

/** The element for a collection in the reply to `getCollections` (specification 3.3). */
async function storedCheckpoint(served: ServedCollection | undefined, id: string): Promise<JsonValue> {
  if (served === undefined) return null;
  if (!mayReplicate(served)) return {};
  const checkpoint = await served.store.peerCheckpoint(id);
  if (checkpoint === undefined) return {};
  const json = parseJsonBody(utf8(checkpoint.text));
  const fields = typeof json === 'object' && json !== null && !Array.isArray(json) ? json : {};
  return { ...fields, rev: checkpoint.revision };
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === 'string' && entry !== '');
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
