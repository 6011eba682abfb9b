/** Checkpoints belong to their collection, and peers cannot fill the disk with theirs. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ReplicationStore, type Database } from '../../src/database/index.js';
import { PEER_CHECKPOINT, PeerCheckpoints, readPeerCheckpoint } from '../../src/database/peer-checkpoints.js';
import { Collection } from '../../src/database/collection.js';
import { openAt, openDatabase, refuses } from './fixtures.js';

function storeOf(database: Database, name = 'metrics'): ReplicationStore {
  return new ReplicationStore(database.collection<never>(name));
}

describe('the checkpoints of a collection', () => {
  test('are its own, and gone when it is deleted, also for the next one of that name', async (context) => {
    const database = await openDatabase(context);
    const [doomed, other] = [storeOf(database, 'doomed'), storeOf(database, 'other')];
    for (const store of [doomed, other]) {
      await store.putLocalCheckpoint('cp', `{"of":"${store.name}"}`);
      await store.putPeerCheckpoint('cp', `{"of":"${store.name}"}`, undefined);
    }
    assert.equal(await doomed.localCheckpoint('cp'), '{"of":"doomed"}');
    assert.deepEqual(await other.peerCheckpoint('cp'), { revision: '1-cc', text: '{"of":"other"}' });
    await database.deleteCollection('doomed');
    await refuses(doomed.putLocalCheckpoint('cp', '{}'), 'COLLECTION_DELETED', 'doomed');
    await refuses(doomed.putPeerCheckpoint('cp', '{}', '1-cc'), 'COLLECTION_DELETED', 'doomed');
    for (const store of [doomed, storeOf(database, 'doomed')]) {
      assert.equal(await store.localCheckpoint('cp'), undefined);
      assert.equal(await store.peerCheckpoint('cp'), undefined);
    }
    assert.equal(await storeOf(database, 'doomed').putPeerCheckpoint('cp', '{"anew":1}', undefined), '1-cc');
    await database.close();
    const again = await openAt(context, database.path);
    assert.deepEqual(await storeOf(again, 'doomed').peerCheckpoint('cp'), { revision: '1-cc', text: '{"anew":1}' });
    assert.equal(await storeOf(again, 'other').localCheckpoint('cp'), '{"of":"other"}');
  });

  test('are saved after the writes asked for before them, and make a collection that did not exist', async (context) => {
    const database = await openDatabase(context);
    const collection = database.collection<{ n: number }>('metrics');
    const store = storeOf(database);
    const order: string[] = [];
    await Promise.all([
      collection.save('a', { n: 1 }).then(() => order.push('saved')),
      store.putPeerCheckpoint('cp', '{}', undefined).then(() => order.push('checkpoint')),
    ]);
    assert.deepEqual(order, ['saved', 'checkpoint']);
    await storeOf(database, 'new').putLocalCheckpoint('cp', '{}');
    assert.ok(database.collections().some(({ name }) => name === 'new'));
  });

  test('may be any text under any name', async (context) => {
    const database = await openDatabase(context);
    const store = storeOf(database);
    for (const text of ['', ' ', '{"local":5}', 'two\nlines\n', '5 1-cc x', 'é 😀']) {
      for (const id of ['', ' ', '1 cp', 'é']) {
        const stored = await store.peerCheckpoint(id);
        const revision = await store.putPeerCheckpoint(id, text, stored?.revision);
        assert.deepEqual(await store.peerCheckpoint(id), { revision, text });
      }
    }
    for (const damaged of ['', '1-cc {}', '5', '5 ', '5  {}', 'x 1-cc {}']) {
      assert.equal(readPeerCheckpoint(damaged), undefined);
    }
  });
});

describe('checkpoints that peers leave without end', () => {
  /** Saves checkpoints in turn, and returns those that are left of them. */
  async function saver(database: Database, checkpoints: PeerCheckpoints) {
    const collection = await database.createCollection('metrics');
    const { engine } = Collection.internals(collection as unknown as Collection<never>);
    const keys = new Set<string>();
    return {
      async save(key: string, text = '{}'): Promise<void> {
        keys.add(key);
        const { revision } = readPeerCheckpoint(await engine.storage.record(PEER_CHECKPOINT, key)) ?? {};
        const next = await engine.storage.transaction((transaction) =>
          checkpoints.put(transaction, key, text, revision),
        );
        assert.notEqual(next, undefined);
      },
      async left(): Promise<string[]> {
        const records = await Promise.all([...keys].map((key) => engine.storage.record(PEER_CHECKPOINT, key)));
        return [...keys].filter((_, index) => records[index] !== undefined);
      },
    };
  }

  test('push out those saved least recently, by number', async (context) => {
    const database = await openDatabase(context);
    const peers = await saver(database, new PeerCheckpoints({ maxCount: 100 }));
    for (let n = 0; n < 100; n++) await peers.save(`honest ${n}`);
    for (let n = 0; n < 5; n++) await peers.save(`honest ${n}`); // still at work
    for (let n = 0; n < 60; n++) await peers.save(`hostile ${n}`);
    const kept = await peers.left();
    assert.ok(kept.length >= 100 && kept.length < 110, `${kept.length}`);
    for (let n = 0; n < 5; n++) assert.ok(kept.includes(`honest ${n}`));
    for (let n = 5; n < 50; n++) assert.ok(!kept.includes(`honest ${n}`));
    for (let n = 0; n < 1_000; n++) await peers.save(`hostile again ${n}`);
    assert.ok((await peers.left()).length < 110);
  });

  test('push out those saved least recently, by size', async (context) => {
    const database = await openDatabase(context);
    const peers = await saver(database, new PeerCheckpoints({ maxBytes: 100_000 }));
    for (let n = 0; n < 10; n++) await peers.save(`honest ${n}`);
    for (let n = 0; n < 50; n++) await peers.save(`hostile ${n}`, 'x'.repeat(6_000));
    const kept = await peers.left();
    assert.deepEqual(
      kept.filter((key) => key.startsWith('honest')),
      [],
    );
    assert.ok(kept.length >= 16 && kept.length <= 18, `${kept.length}`);
    assert.ok(kept.includes('hostile 49'));
  });

  test('are limited again after the database was opened anew', async (context) => {
    const database = await openDatabase(context);
    for (let round = 0; round < 5; round++) {
      const peers = await saver(database, new PeerCheckpoints({ maxCount: 100 }));
      for (let n = 0; n < 9; n++) await peers.save(`round ${round} ${n}`);
    }
    const peers = await saver(database, new PeerCheckpoints({ maxCount: 3 }));
    await peers.save('last');
    assert.deepEqual(await peers.left(), ['last']);
    const { engine } = Collection.internals(database.collection<never>('metrics'));
    assert.equal(await engine.storage.record(PEER_CHECKPOINT, 'round 4 6'), undefined);
    assert.notEqual(await engine.storage.record(PEER_CHECKPOINT, 'round 4 7'), undefined);
  });
});
