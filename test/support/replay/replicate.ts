/** Runs a replicator of ours against recorded passive cores, configured as the recorded client was. */
import assert from 'node:assert/strict';
import {
  LoopbackEndpoint,
  Replicator,
  type Database,
  type DocumentProblem,
  type HawserError,
  type MessageEndpointConnection,
  type ReplicatorOptions,
} from '../../../src/index.js';
import { documentProblems } from '../document-problems.js';
import { collectionOf, type Capture } from './capture.js';
import { collectionNamed, pulledSequences, storeOf } from './databases.js';
import type { Deadline } from './deadline.js';
import { checkpointLabel, meaningOf, type CheckpointMeaning, type Meaning } from './meaning.js';
import { PassiveCore } from './passive-core.js';
import type { ReplayRequest, Transcript } from './transcript.js';

export interface Replay {
  readonly transcript: Transcript;
  readonly closeCode: number;
  readonly problems: readonly DocumentProblem[];
  /** With which the replicator stopped. */
  readonly error: HawserError | undefined;
}

/** The replicator that the recorded client ran, on our database; `accept` gets the far end of each connection. */
export function replicatorOf(
  database: Database,
  capture: Capture,
  accept: (connection: MessageEndpointConnection) => void,
  options: Partial<ReplicatorOptions> = {},
): Replicator {
  const pushes = capture.transcript.requests('active', 'proposeChanges').length > 0;
  const [subscription] = capture.transcript.requests('active', 'subChanges');
  return new Replicator({
    collections: capture.collections.map((name) => collectionNamed(database, name)),
    target: new LoopbackEndpoint(accept, 'recorded-core'),
    type: subscription === undefined ? 'push' : pushes ? 'pushAndPull' : 'pull',
    continuous: subscription?.properties['continuous'] === 'true',
    ...options,
  });
}

/**
 * Replays the recording until the replicator has stopped by itself; a continuous one is stopped when it is idle.
 *
 * A real client keeps one checkpoint for a default collection, whichever way it replicates; ours keeps one for each type
 * of replicator, so what the recorded client knew from another type is handed to it here.
 */
export async function replay(
  database: Database,
  capture: Capture,
  deadline: Deadline,
  options: Partial<ReplicatorOptions> = {},
): Promise<Replay> {
  let core: PassiveCore | undefined;
  const accept = (connection: MessageEndpointConnection): void => {
    core = new PassiveCore(connection, capture, deadline, {
      onCheckpoint: (collection, id, checkpoint) =>
        storeOf(database, collection).putLocalCheckpoint(id, JSON.stringify(checkpoint)),
    });
  };
  const replicator = replicatorOf(database, capture, accept, options);
  const problems = documentProblems(replicator);
  replicator.start();
  if (replicator.config.continuous) {
    await deadline.wait('the replicator to be idle', replicator.whenIdle());
    await deadline.wait('the replicator to stop', replicator.stop());
  }
  const error = await deadline.wait('the replicator to stop by itself', replicator.stopped());
  assert(core !== undefined, 'it never connected');
  return { transcript: core.transcript, closeCode: await core.closeCode(), problems, error };
}

/**
 * What our client meant, in the words of the recording where it is free to differ: it asks for collections first also where
 * the recorded client knew that there are none (specification 3.2), and may have gone past pulled documents in its feed,
 * which the remote has anyway.
 */
export async function clientMeaning(database: Database, capture: Capture, transcript: Transcript): Promise<Meaning> {
  const meaning = meaningOf(transcript, 'active');
  const expected = meaningOf(capture.transcript, 'active');
  if (expected[OPENING] === undefined) delete meaning[OPENING];
  for (const [index, collection] of capture.collections.entries()) {
    const label = checkpointLabel(expected[OPENING] === undefined ? undefined : String(index));
    const [ours, theirs] = [meaning[label], expected[label]] as (CheckpointMeaning | undefined)[];
    if (ours === undefined || theirs === undefined) continue;
    const pulled = await pulledSequences(database, capture, collection);
    let { local } = ours;
    while (local > theirs.local && pulled.has(local)) local--;
    meaning[label] = { ...ours, local };
  }
  return meaning;
}

const OPENING = 'active: getCollections #1';

/** Fails unless the last checkpoints that the remote has are kept here too. */
export async function assertCheckpointsKept(
  database: Database,
  capture: Capture,
  transcript: Transcript,
): Promise<void> {
  const saved = new Map<string, ReplayRequest>();
  for (const request of transcript.requests('active', 'setCheckpoint')) {
    if (transcript.replyTo(request)?.error === undefined) saved.set(request.properties['client'] ?? '', request);
  }
  for (const [id, request] of saved) {
    const store = storeOf(database, collectionOf(capture, request));
    assert.equal(await store.localCheckpoint(id), request.body.toString());
  }
}
