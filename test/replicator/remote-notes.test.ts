import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { remoteRevision, type ReplicationStore } from '../../src/database/index.js';
import { RemoteNotes } from '../../src/replicator/remote-notes.js';
import { revisionID, storeOf } from '../support/hostile.js';
import { openPeer } from '../support/peers.js';

describe('RemoteNotes', () => {
  it('are written together, and without a change that anybody could see', async (context) => {
    const { metrics } = await openPeer(context, 'ours');
    const store = storeOf(metrics);
    const remote = await store.remoteNumber('raw');
    const saved = await Promise.all(Array.from({ length: 300 }, (_, index) => metrics.save(`d${index}`, {})));
    let changes = 0;
    metrics.on('change', () => changes++);
    const notes = new RemoteNotes(store, remote);
    for (const { id, revisionID: rev } of saved) notes.add(id, rev);
    assert.equal(notes.unwritten('d7'), saved[7]?.revisionID);
    await notes.flush();
    assert.equal(notes.unwritten('d7'), undefined);
    for (const document of await store.documents(saved.map(({ id }) => id))) {
      assert.equal(document === undefined ? undefined : remoteRevision(document, remote), document?.revisionID);
    }
    assert.equal(changes, 0);
  });

  it('take what is added while others are being written', async (context) => {
    const { metrics } = await openPeer(context, 'ours');
    const store = storeOf(metrics);
    const remote = await store.remoteNumber('raw');
    const notes = new RemoteNotes(store, remote);
    for (let round = 0; round < 20; round++) {
      const { revisionID: rev } = await metrics.save('d', { round });
      notes.add('d', rev);
    }
    notes.add('unknown', revisionID(1));
    await notes.flush();
    const [document] = await store.documents(['d']);
    assert.equal(document && remoteRevision(document, remote), document?.revisionID);
  });

  it('tell once of a failure, at the flush, and go on', async () => {
    let calls = 0;
    const store = {
      noteRemoteRevisions: async () => {
        if (++calls === 1) throw new Error('the disk is full');
      },
    } as unknown as ReplicationStore;
    const notes = new RemoteNotes(store, 1);
    notes.add('a', '1-aa');
    await assert.rejects(notes.flush(), /the disk is full/);
    notes.add('b', '1-bb');
    await notes.flush();
    assert.equal(calls, 2);
  });
});
