/**
 * What the sender of a recording had beside the revisions themselves: the contents of blobs that were fetched from it, and
 * the bodies that its deltas build on. To be given to a database before the revisions.
 */
import assert from 'node:assert/strict';
import type { Database } from '../../../src/index.js';
import { collectionOf, type Capture } from './capture.js';
import { BASE, storeOf } from './databases.js';
import type { Side } from './transcript.js';

export async function prepareSender(database: Database, capture: Capture, side: Side): Promise<void> {
  const { transcript } = capture;
  const contents = transcript
    .requests(side === 'active' ? 'passive' : 'active', 'getAttachment')
    .map((request) => transcript.replyTo(request)?.body)
    .filter((content) => content !== undefined);
  for (const message of transcript.requests(side, 'rev')) {
    const { id = '', rev = '', deltaSrc, sequence } = message.properties;
    const hasBlobs = message.body.includes('"@type":"blob"');
    if (deltaSrc === undefined && !hasBlobs) continue;
    const store = storeOf(database, collectionOf(capture, message));
    const release = store.keepBodies();
    const lease = store.blobLease();
    for (const content of contents) await lease.put(content);
    let body = message.body.toString();
    if (deltaSrc !== undefined) {
      const before = { ...BASE, filler: 'x'.repeat(200) };
      const base = { id, revisionID: deltaSrc, history: [], deleted: false, body: JSON.stringify(before) };
      await store.insert({ ...base, hasBlobs }, {});
      body = JSON.stringify({ ...before, ...(JSON.parse(body) as object) });
    }
    const history = deltaSrc === undefined ? [] : [deltaSrc];
    const stored = await store.insert({ id, revisionID: rev, history, deleted: false, body, hasBlobs }, {});
    assert.equal(stored.sequence, Number(sequence), `preparing ${id} ${rev}`);
    lease.release();
    release();
  }
}
