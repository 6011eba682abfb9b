/** Serves a recorded client with a passive session of ours, configured as the recorded core was. */
import assert from 'node:assert/strict';
import { systemClock } from '../../../src/base/index.js';
import { loopbackPair, silentLogger, type Collection, type Database, type MessagingError } from '../../../src/index.js';
import { PassiveSession } from '../../../src/replicator/passive-session.js';
import type { DocumentOutcome } from '../../../src/replicator/session-events.js';
import { ActiveClient } from './active-client.js';
import { collectionOf, type Capture } from './capture.js';
import { collectionNamed, storeOf } from './databases.js';
import type { Deadline } from './deadline.js';
import type { Transcript } from './transcript.js';

export interface Served {
  readonly transcript: Transcript;
  /** Documents that could not be transferred. */
  readonly problems: readonly DocumentOutcome[];
  /** With which the connection ended, as our side saw it. */
  readonly error: MessagingError | undefined;
}

/** Replays the recording until the client has left and our side knows. */
export async function serve(database: Database, capture: Capture, deadline: Deadline): Promise<Served> {
  const problems: DocumentOutcome[] = [];
  const pair = loopbackPair();
  const collections = servedCollections(capture).map(
    (name) => collectionNamed(database, name) as unknown as Collection<never>,
  );
  const session = new PassiveSession({
    connection: pair.b,
    collections,
    access: collections.map((collection) => ({ collection, push: true, pull: true })),
    enableDeltaSync: true,
    silenceMs: 600_000,
    clock: systemClock,
    logger: silentLogger,
    onDocument: (outcome) => {
      if (outcome.error !== undefined) problems.push(outcome);
    },
    onError: (error) => deadline.fail(error),
  });
  const served = session.run();
  const client = new ActiveClient(pair.a, capture, deadline);
  await client.run();
  const reason = await deadline.wait('our side to see the client leave', served);
  const error = reason?.code === 'CONNECTION_CLOSED_BY_PEER' ? undefined : reason; // as clients leave
  return { transcript: client.transcript, problems, error };
}

/** Those that the recorded core did not call unknown. */
function servedCollections({ collections, transcript }: Capture): string[] {
  const [opening] = transcript.requests('active', 'getCollections');
  const reply = opening === undefined ? undefined : transcript.replyTo(opening);
  const answers = reply === undefined ? [] : (JSON.parse(reply.body.toString()) as unknown[]);
  return collections.filter((_, index) => answers[index] !== null);
}

/** Fails unless the last checkpoints of the client are kept as they came. */
export async function assertCheckpointsServed(
  database: Database,
  capture: Capture,
  transcript: Transcript,
): Promise<void> {
  const requests = transcript.requests('active', 'setCheckpoint');
  const saved = new Map(requests.map((request) => [request.properties['client'] ?? '', request]));
  for (const [id, request] of saved) {
    const store = storeOf(database, collectionOf(capture, request));
    assert.equal((await store.peerCheckpoint(id))?.text, request.body.toString());
  }
}
