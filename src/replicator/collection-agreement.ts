/**
 * The first exchange of an active session: which collections the peer has, under which index messages name them from now
 * on, and what it keeps of their checkpoints (specification 3.2, 3.3). A peer that knows no collections is met half-way:
 * with the default collection alone the session goes on in legacy mode, on the same connection.
 */
import { utf8, type JsonValue } from '../base/index.js';
import { DEFAULT_NAME, type ReplicationStore } from '../database/index.js';
import { HawserError } from '../errors.js';
import { parseJsonBody } from './change-entries.js';
import type { Checkpointer } from './checkpointer.js';
import type { CollectionIndex } from './collection-index.js';
import type { MessageChannel } from './message-channel.js';
import { isError, remoteErrorToHawser } from './remote-errors.js';

export interface WantedCollection {
  readonly store: ReplicationStore;
  readonly checkpointer: Checkpointer;
}

export interface AgreedCollection {
  readonly index: CollectionIndex;
  /** The checkpoint the peer keeps, its revision beside it; undefined if it has none. */
  readonly checkpoint: JsonValue | undefined;
}

/** One for each wanted, in their order. Rejects with `REMOTE_COLLECTION_NOT_FOUND`, or with what the peer answered. */
export async function agreeOnCollections(
  channel: MessageChannel,
  wanted: readonly WantedCollection[],
): Promise<AgreedCollection[]> {
  const answer = await channel.request({
    properties: { Profile: 'getCollections' },
    body: utf8(
      JSON.stringify({
        checkpoint_ids: wanted.map(({ checkpointer }) => checkpointer.id),
        collections: wanted.map(({ store }) => store.name),
      }),
    ),
  });
  const [only] = wanted;
  if (isError(answer.error, 'BLIP', 404) && only !== undefined && wanted.length === 1 && isDefault(only.store)) {
    return [{ index: undefined, checkpoint: await only.checkpointer.fetch(channel, undefined) }];
  }
  if (answer.error !== undefined) throw remoteErrorToHawser('getCollections', answer.error);
  const list = parseJsonBody(answer.body);
  if (!Array.isArray(list) || list.length !== wanted.length) {
    const message = 'the peer answered getCollections with another number of collections';
    throw new HawserError('REPLICATION_PROTOCOL_ERROR', message);
  }
  const missing = wanted.filter((_, index) => list[index] === null).map(({ store }) => `"${store.name}"`);
  if (missing.length > 0) {
    const message = `Collection ${missing.join(', ')} is not found on the remote server`;
    throw new HawserError('REMOTE_COLLECTION_NOT_FOUND', message);
  }
  return list.map((checkpoint, index) => ({ index, checkpoint: isEmpty(checkpoint) ? undefined : checkpoint }));
}

function isDefault(store: ReplicationStore): boolean {
  return store.scope === DEFAULT_NAME && store.collectionName === DEFAULT_NAME;
}

/** `{}` is the answer for a collection without a checkpoint. */
function isEmpty(json: JsonValue): boolean {
  return typeof json !== 'object' || json === null || Object.keys(json).length === 0;
}
