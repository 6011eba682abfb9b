/**
 * Databases in the state that the two sides of a recording had when it began, and the check that they have afterwards
 * what was transferred. Revisions come from the `rev` messages of the recordings; a revision that a recording only names
 * gets a body of our own.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Database, silentLogger, type Collection } from '../../../src/index.js';
import { ReplicationStore } from '../../../src/database/index.js';
import { cleanup } from '../cleanup.js';
import { temporaryDirectory } from '../temporary-directory.js';
import { collectionOf, type Capture } from './capture.js';
import type { ReplayRequest, Side } from './transcript.js';

/** A revision, and where it stands in the feed of its database. */
interface KnownRevision {
  readonly collection: string;
  readonly id: string;
  readonly revisionID: string;
  readonly history: readonly string[];
  readonly deleted: boolean;
  readonly body: string;
  /** The body only says what changed; these recordings change and add top-level properties, and nothing else. */
  readonly isDelta?: boolean;
  /** Undefined where any place will do. */
  readonly sequence: number | undefined;
}

/** An empty database named `db`, closed and removed at the end of the test. */
export async function emptyDatabase(context: TestContext): Promise<Database> {
  const directory = await temporaryDirectory(context);
  const database = await Database.open(join(directory, 'db'), { logger: silentLogger });
  cleanup(context, () => database.close());
  return database;
}

/** A handle for a name as it stands on the wire. */
export function collectionNamed(database: Database, name: string): Collection {
  const [first = '', second] = name.split('.');
  return second === undefined ? database.collection(first) : database.collection(second, { scope: first });
}

export function storeOf(database: Database, name: string): ReplicationStore {
  return new ReplicationStore(collectionNamed(database, name) as unknown as Collection<never>);
}

/**
 * Gives a server what the recorded one had before `capture`: the revisions of the recordings before it, at the sequences
 * where `capture` announces them, and the checkpoints that it returns.
 */
export async function prepareServer(database: Database, before: readonly Capture[], capture: Capture): Promise<void> {
  const announced = announcements(capture);
  const place = ({ collection, id, revisionID }: KnownRevision): number | undefined =>
    announced.find((entry) => entry.collection === collection && entry.id === id && entry.revisionID === revisionID)
      ?.sequence;
  for (const revision of before.flatMap((earlier) => revisionsOf(earlier))) {
    await insert(database, { ...revision, sequence: place(revision) });
  }
  for (const revision of announced) await insert(database, revision);
  for (const { collection, id, text } of checkpointsOf(capture)) {
    await storeOf(database, collection).putPeerCheckpoint(id, text, undefined);
  }
}

/**
 * Gives a client the edits that it pushes in `capture`, at their recorded sequences, and those revisions that it does not
 * want there, because it has them.
 */
export async function prepareClient(database: Database, capture: Capture): Promise<void> {
  const sent = revisionsOf(capture, 'active');
  const refused = proposals(capture).filter(({ revisionID }) => !sent.some((one) => one.revisionID === revisionID));
  for (const revision of [...sent, ...refused]) await insert(database, revision);
  const pulled = revisionsOf(capture, 'passive');
  for (const revision of announcements(capture)) {
    if (pulled.some(({ revisionID }) => revisionID === revision.revisionID)) continue;
    await insert(database, { ...revision, sequence: undefined });
  }
}

/** What the deltas of a recording build on, which it only names: a body of our own. */
export const BASE = { k3: 'as it was', kept: 1 };

/** Gives a receiver of deltas the revisions that the deltas of `side` build on. */
export async function prepareBases(database: Database, capture: Capture, side: Side): Promise<void> {
  for (const message of capture.transcript.requests(side, 'rev')) {
    const { id = '', deltaSrc: revisionID } = message.properties;
    if (revisionID === undefined) continue;
    const revision = { id, revisionID, history: [], deleted: false, body: JSON.stringify(BASE) };
    await insert(database, { ...revision, collection: collectionOf(capture, message), sequence: undefined });
  }
}

/** Fails unless `database` has every revision that `side` sent. */
export async function assertStored(database: Database, capture: Capture, side: Side): Promise<void> {
  for (const { collection, id, revisionID, deleted, body, isDelta } of revisionsOf(capture, side)) {
    const [document] = await storeOf(database, collection).documents([id]);
    assert(document !== undefined, `${id} is missing`);
    if (document.revisionID !== revisionID) {
      assert(document.history.split(',').includes(revisionID), `${id} has no revision ${revisionID}`);
      continue;
    }
    assert.equal(document.deleted, deleted, id);
    if (isDelta) assert.deepEqual(JSON.parse(document.body), { ...BASE, ...(JSON.parse(body) as object) }, id);
    else assert.deepEqual(JSON.parse(document.body), JSON.parse(body), id);
  }
}

/** The sequences of `database` whose revisions came from the other side in `capture`. */
export async function pulledSequences(database: Database, capture: Capture, collection: string): Promise<Set<number>> {
  const pulled = revisionsOf(capture, 'passive').filter((revision) => revision.collection === collection);
  const documents = await storeOf(database, collection).documents(pulled.map(({ id }) => id));
  return new Set(documents.flatMap((document) => (document === undefined ? [] : [document.sequence])));
}

/** Inserts a revision, after as many others as it needs to get its sequence; does nothing if it is there. */
async function insert(database: Database, { collection, sequence, ...revision }: KnownRevision): Promise<void> {
  const store = storeOf(database, collection);
  const [known] = await store.documents([revision.id]);
  if (known !== undefined && [known.revisionID, ...known.history.split(',')].includes(revision.revisionID)) return;
  if (sequence !== undefined) {
    while (store.lastSequence < sequence - 1) {
      await store.insert(
        { id: 'filler', revisionID: '1-00', history: [], deleted: false, body: '{}', hasBlobs: false },
        {},
      );
      await collectionNamed(database, collection).purge('filler');
    }
  }
  const result = await store.insert({ ...revision, hasBlobs: false }, {});
  assert.equal(result.outcome, 'inserted', `preparing ${revision.id} ${revision.revisionID}`);
  if (sequence !== undefined)
    assert.equal(result.sequence, sequence, `preparing ${revision.id} ${revision.revisionID}`);
}

function revisionsOf(capture: Capture, side?: Side): KnownRevision[] {
  const sides: readonly Side[] = side === undefined ? ['active', 'passive'] : [side];
  const messages = capture.transcript.messages.filter(
    (message): message is ReplayRequest =>
      message.kind === 'request' && message.properties['Profile'] === 'rev' && sides.includes(message.from),
  );
  return messages.map((message) => {
    const { id = '', rev = '', history = '', deleted, sequence } = message.properties;
    return {
      collection: collectionOf(capture, message),
      id,
      revisionID: rev,
      history: history === '' ? [] : history.split(','),
      deleted: deleted === '1',
      body: message.body.toString(),
      isDelta: message.properties['deltaSrc'] !== undefined,
      sequence: Number(sequence),
    };
  });
}

/** What the passive side announces. */
function announcements(capture: Capture): KnownRevision[] {
  return capture.transcript.requests('passive', 'changes').flatMap((message) =>
    (JSON.parse(message.body.toString()) as [number, string, string, number][]).map(
      ([sequence, id, revisionID, deleted]) => ({
        collection: collectionOf(capture, message),
        id,
        revisionID,
        history: [],
        deleted: deleted === 1,
        body: '{}',
        sequence,
      }),
    ),
  );
}

/** What the active side proposes. */
function proposals(capture: Capture): KnownRevision[] {
  return capture.transcript.requests('active', 'proposeChanges').flatMap((message) =>
    (JSON.parse(message.body.toString()) as [string, string, string][]).map(([id, revisionID, parent]) => ({
      collection: collectionOf(capture, message),
      id,
      revisionID,
      history: parent === '' ? [] : [parent],
      deleted: false,
      body: '{"edited":"on the client"}',
      sequence: undefined,
    })),
  );
}

/** The checkpoints that the passive side returns, under their IDs. */
function checkpointsOf(capture: Capture): { collection: string; id: string; text: string }[] {
  const { transcript } = capture;
  const found: { collection: string; id: string; text: string }[] = [];
  for (const request of transcript.requests('active', 'getCollections')) {
    const { checkpoint_ids: ids } = JSON.parse(request.body.toString()) as { checkpoint_ids: string[] };
    const answers = JSON.parse(transcript.replyTo(request)?.body.toString() ?? '[]') as ({ rev?: string } | null)[];
    for (const [index, answer] of answers.entries()) {
      if (answer?.rev === undefined) continue;
      const { rev: _, ...rest } = answer;
      found.push({ collection: capture.collections[index] ?? '', id: ids[index] ?? '', text: JSON.stringify(rest) });
    }
  }
  for (const request of transcript.requests('active', 'getCheckpoint')) {
    const reply = transcript.replyTo(request);
    if (reply === undefined || reply.error !== undefined) continue;
    found.push({ collection: '_default', id: request.properties['client'] ?? '', text: reply.body.toString() });
  }
  return found;
}
