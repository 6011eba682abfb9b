/** Our listener in the place of a recorded core, against the recorded client. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadCapture } from '../support/replay/capture.js';
import { assertStored, emptyDatabase, prepareBases, prepareServer } from '../support/replay/databases.js';
import { Deadline } from '../support/replay/deadline.js';
import { meaningOf } from '../support/replay/meaning.js';
import { prepareSender } from '../support/replay/senders.js';
import { assertCheckpointsServed, serve } from '../support/replay/serve.js';
import { skipWithout } from '../support/shared-data.js';

interface Row {
  readonly capture: string;
  readonly title: string;
  /** Recordings from which the core had its documents. */
  readonly after?: readonly string[];
}

const rows: readonly Row[] = [
  { capture: '03-push-real', title: 'takes new documents, a history and a tombstone' },
  { capture: '04-pull-real', after: ['03-push-real'], title: 'feeds an empty client without tombstones' },
  { capture: '05-pushpull-real', after: ['03-push-real'], title: 'returns a checkpoint, feeds and takes' },
  {
    capture: '06-pushpull-b-real',
    after: ['03-push-real', '05-pushpull-real'],
    title: 'feeds from where the client was, with the history it lacks',
  },
  {
    capture: '07-push-conflict-real',
    // The last one has the edit that was made at the core meanwhile.
    after: ['03-push-real', '05-pushpull-real', '06-pushpull-b-real', '08-pull-conflict-real'],
    title: 'refuses what conflicts, and says with which revision',
  },
  {
    capture: '08-pull-conflict-real',
    after: ['03-push-real', '05-pushpull-real', '06-pushpull-b-real', '08-pull-conflict-real'],
    title: 'feeds a client that has another branch',
  },
  { capture: '09-collections-pushpull', title: 'serves two collections side by side' },
  { capture: '10-collection-missing', title: 'says which collection it lacks' },
  { capture: '25-blob-push', title: 'fetches the blob of a document before it takes it' },
  { capture: '26-blob-pull', title: 'gives the blob of a document to a client that takes it' },
  { capture: '27-delta-push', title: 'takes a delta' },
  { capture: '28-delta-pull', title: 'sends a delta to the revision that the client names' },
  {
    capture: '30-heartbeat',
    after: ['03-push-real', '05-pushpull-real', '06-pushpull-b-real', '08-pull-conflict-real'],
    title: 'feeds a continuous client until it leaves',
  },
  { capture: '40-v333-push', title: 'takes documents from a client without collections' },
  { capture: '41-v333-pull', after: ['40-v333-push'], title: 'feeds a client without collections' },
  {
    capture: '42-v333-pushpull2',
    after: ['40-v333-push'],
    title: 'returns a checkpoint to a client without collections, feeds and takes',
  },
];

describe('our listener in the place of a recorded core', skipWithout('captures'), () => {
  for (const row of rows) {
    test(`${row.capture}: ${row.title}`, async (context) => {
      const deadline = new Deadline(context);
      const database = await emptyDatabase(context);
      const capture = loadCapture(row.capture);
      await prepareSender(database, capture, 'passive');
      await prepareBases(database, capture, 'active');
      await prepareServer(database, (row.after ?? []).map(loadCapture), capture);

      const { transcript, problems, error } = await serve(database, capture, deadline);

      assert.deepEqual(meaningOf(transcript, 'passive'), meaningOf(capture.transcript, 'passive'));
      assert.deepEqual(problems, []);
      assert.equal(error, undefined);
      await assertStored(database, capture, 'active');
      await assertCheckpointsServed(database, capture, transcript);
    });
  }
});
