/** A checkpoint: how far a replication has come (specification 4). The JSON form, and the comparison at the start. Pure. */
import { createHash } from 'node:crypto';
import { parseJson, type JsonValue } from '../base/index.js';
import { DEFAULT_NAME, type ReplicationStore } from '../database/index.js';
import type { CollectionRules } from './collection-configuration.js';
import { isBefore } from './sequence-order.js';
import { SequenceSet } from './sequence-set.js';

export interface Checkpoint {
  /** Local sequences that the remote has, or never needs. */
  readonly pushed: SequenceSet;
  /** The remote's sequence, as JSON text, up to which everything was pulled; undefined for the beginning. */
  readonly pulled: string | undefined;
}

/** @param seconds Unix time, for people who read it: nothing depends on it */
export function formatCheckpoint(checkpoint: Checkpoint, seconds: number): string {
  const { pushed, pulled } = checkpoint;
  const parts = [`"time":${seconds}`];
  if (pushed.firstMissing > 1) parts.push(`"local":${pushed.firstMissing - 1}`);
  if (pushed.rangeCount > 1) parts.push(`"localCompleted":[${pushed.toList().join(',')}]`);
  if (pulled !== undefined) parts.push(`"remote":${pulled}`);
  return `{${parts.join(',')}}`;
}

/** Reads either side's copy. Undefined for what is no checkpoint: it then counts as absent. */
export function parseCheckpoint(text: string | undefined): Checkpoint | undefined {
  if (text === undefined) return undefined;
  let json: JsonValue;
  try {
    json = parseJson(text);
  } catch {
    return undefined;
  }
  return checkpointFromJson(json);
}

export function checkpointFromJson(json: JsonValue): Checkpoint | undefined {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return undefined;
  const local = json['local'];
  const pushed =
    SequenceSet.fromList(json['localCompleted']) ??
    SequenceSet.upTo(typeof local === 'number' && Number.isSafeInteger(local) && local > 0 ? local : 0);
  const remote = json['remote'];
  return { pushed, pulled: remote === undefined ? undefined : sequenceText(remote) };
}

/** A sequence as JSON text in one form, so that equal ones are equal text; 64-bit integers stay exact. */
export function sequenceText(sequence: JsonValue): string {
  return typeof sequence === 'bigint' ? String(sequence) : JSON.stringify(sequence);
}

export interface CheckpointComparison {
  readonly checkpoint: Checkpoint;
  /** False unless the remote's copy confirms ours: what is recorded of the remote's revisions is then not to be trusted. */
  readonly agreed: boolean;
}

/** What to start from, given our copy and the remote's (specification 4.3). */
export function compareCheckpoints(
  local: Checkpoint | undefined,
  remote: Checkpoint | undefined,
): CheckpointComparison {
  // Where neither side has one, the remote may be another database under an old name, or this replication a new one.
  if (local === undefined)
    return { checkpoint: { pushed: new SequenceSet(), pulled: undefined }, agreed: remote !== undefined };
  const remotePushed = remote?.pushed ?? new SequenceSet();
  const samePushed = local.pushed.equals(remotePushed);
  const pushed = samePushed ? local.pushed : local.pushed.intersection(remotePushed);
  let pulled = local.pulled;
  if (pulled !== undefined && pulled !== remote?.pulled) {
    const remoteIsEarlier = remote?.pulled === undefined ? undefined : isBefore(remote.pulled, pulled);
    if (remoteIsEarlier === undefined) pulled = undefined;
    else if (remoteIsEarlier) pulled = remote?.pulled;
  }
  return { checkpoint: { pushed, pulled }, agreed: samePushed && pulled === local.pulled };
}

export interface CheckpointIdentity {
  readonly privateUUID: string;
  readonly scope: string;
  readonly collection: string;
  readonly push: boolean;
  readonly pull: boolean;
  readonly remoteID: string;
  readonly channels: readonly string[] | undefined;
  readonly documentIDs: ReadonlySet<string> | undefined;
}

/**
 * The name under which both sides keep the checkpoint. Opaque to the remote; it depends on the same things as Couchbase
 * Lite's (specification 4.2), so that the default collection keeps its place when the direction changes, and on nothing
 * that changes when either side restarts. Filters are functions and leave no trace in it: after changing one, reset.
 */
export function checkpointID(identity: CheckpointIdentity): string {
  const { privateUUID, scope, collection, push, pull, remoteID, channels, documentIDs } = identity;
  const isDefault = scope === DEFAULT_NAME && collection === DEFAULT_NAME;
  const parts: unknown[] = isDefault ? [privateUUID, remoteID] : [privateUUID, scope, collection, push, pull, remoteID];
  // Sorted: another order selects the same documents.
  if (channels !== undefined || documentIDs !== undefined) {
    parts.push([...(channels ?? [])].sort(), documentIDs === undefined ? null : [...documentIDs].sort());
  }
  return `cp-${createHash('sha1').update(JSON.stringify(parts)).digest('base64')}`;
}

/** The {@link checkpointID} of one collection of a replicator. */
export function checkpointIDOf(
  { privateUUID, scope, collectionName }: ReplicationStore,
  { channels, documentIDs }: Pick<CollectionRules, 'channels' | 'documentIDs'>,
  { push, pull, remoteID }: { readonly push: boolean; readonly pull: boolean; readonly remoteID: string },
): string {
  return checkpointID({ privateUUID, scope, collection: collectionName, push, pull, remoteID, channels, documentIDs });
}
