/** Serves a recorded client with a listener of ours, configured as the recorded core was. */
import assert from 'node:assert/strict';
import {
  deferred,
  loopbackPair,
  MessageEndpointListener,
  type Database,
  type DocumentProblem,
  type HawserError,
} from '../../../src/index.js';
import { ActiveClient } from './active-client.js';
import type { Capture } from './capture.js';
import { collectionNamed, storeOf } from './databases.js';
import type { Deadline } from './deadline.js';
import type { Transcript } from './transcript.js';

export interface Served {
  readonly transcript: Transcript;
  readonly problems: readonly DocumentProblem[];
  /** With which the connection ended, as the listener saw it. */
  readonly error: HawserError | undefined;
}

/** Replays the recording until the client has left and the listener knows. */
export async function serve(database: Database, capture: Capture, deadline: Deadline): Promise<Served> {
  const listener = new MessageEndpointListener({
    collections: servedCollections(capture).map((name) => collectionNamed(database, name)),
    protocolType: 'messageStream',
  });
  const problems: DocumentProblem[] = [];
  const stopped = deferred<HawserError | undefined>();
  listener.on('document-problem', (problem) => problems.push(problem));
  listener.on('error', (error) => deadline.fail(error));
  listener.on('connection', ({ activity, error }) => {
    if (activity === 'stopped') stopped.resolve(error);
  });
  const pair = loopbackPair();
  listener.accept(pair.b);
  const client = new ActiveClient(pair.a, capture, deadline);
  await client.run();
  const error = await deadline.wait('the listener to see the client leave', stopped.promise);
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
export async function assertCheckpointsServed(database: Database, transcript: Transcript): Promise<void> {
  const saved = new Map(
    transcript
      .requests('active', 'setCheckpoint')
      .map(({ properties, body }) => [properties['client'] ?? '', body.toString()]),
  );
  for (const [id, text] of saved) {
    assert.equal((await storeOf(database, '_default').peerCheckpoint(id))?.text, text);
  }
}
