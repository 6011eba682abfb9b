/** What a user of replication expects, on real databases over loopback links of both protocol types. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { ProtocolType } from '../../src/index.js';
import { contents, link, openPeer, sync, whenChanged, type AnyCollection } from '../support/peers.js';

const LIMIT = { timeout: 30_000 };

async function fill(collection: AnyCollection, count: number, prefix: string): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, (_, index) => collection.save(`${prefix}-${index}`, { index, from: prefix })),
  );
}

async function pair(context: TestContext) {
  return { a: await openPeer(context, 'a'), b: await openPeer(context, 'b') };
}

for (const protocolType of ['messageStream', 'byteStream'] as const satisfies ProtocolType[]) {
  describe(`replication over a ${protocolType}`, LIMIT, () => {
    it('pushes once', async (context) => {
      const { a, b } = await pair(context);
      await fill(a.metrics, 450, 'a');
      await fill(b.metrics, 3, 'b');
      const { replicator } = await sync(a, b, { type: 'push', protocolType });
      assert.equal(await b.metrics.count(), 453);
      assert.equal(await a.metrics.count(), 450);
      assert.deepEqual(replicator.status, {
        activity: 'stopped',
        progress: { completed: 450, total: 450 },
        error: undefined,
      });
    });

    it('pulls once', async (context) => {
      const { a, b } = await pair(context);
      await fill(a.metrics, 3, 'a');
      await fill(b.metrics, 450, 'b');
      await sync(a, b, { type: 'pull', protocolType });
      assert.equal(await a.metrics.count(), 453);
      assert.equal(await b.metrics.count(), 450);
    });

    it('pushes and pulls continuously what is saved, changed and deleted on either side', async (context) => {
      const { a, b } = await pair(context);
      await fill(a.metrics, 10, 'a');
      const { replicator } = link(a, b, { continuous: true, protocolType });
      replicator.start();
      await replicator.whenIdle();
      assert.deepEqual(await contents(a.metrics), await contents(b.metrics));
      await fill(b.metrics, 10, 'b');
      await whenChanged(a.metrics, async () => (await a.metrics.count()) === 20);
      await a.metrics.save('b-0', { changed: true });
      await b.metrics.delete('a-1');
      await whenChanged(b.metrics, async () => (await b.metrics.get('b-0'))?.body.changed === true);
      await whenChanged(a.metrics, async () => (await a.metrics.get('a-1')) === undefined);
      await replicator.stop();
      assert.deepEqual(await contents(a.metrics), await contents(b.metrics));
      assert.equal(replicator.status.activity, 'stopped');
      assert.equal(replicator.status.error, undefined);
    });
  });
}

describe('replication', LIMIT, () => {
  it('of nothing with nothing ends without an error', async (context) => {
    const { a, b } = await pair(context);
    const { replicator } = await sync(a, b);
    assert.deepEqual(replicator.status.progress, { completed: 0, total: 0 });
  });

  it('is not idle from the moment a save is acknowledged until the document is on the other side', async (context) => {
    const { a, b } = await pair(context);
    const { replicator } = link(a, b, { continuous: true });
    replicator.start();
    await replicator.whenIdle();
    for (let index = 0; index < 50; index++) {
      const { revisionID } = await a.metrics.save('pump', { index });
      await replicator.whenIdle();
      assert.equal((await b.metrics.get('pump'))?.revisionID, revisionID);
    }
    await replicator.stop();
  });

  it('transfers only what changed since the last time', async (context) => {
    const { a, b } = await pair(context);
    await fill(a.metrics, 300, 'a');
    const first = await sync(a, b);
    assert.equal(first.replicator.status.progress.completed, 300);
    await a.metrics.save('a-7', { index: 7, again: true });
    const second = await sync(a, b);
    assert.equal(second.replicator.status.progress.completed, 1);
    const third = await sync(a, b);
    assert.equal(third.replicator.status.progress.completed, 0);
  });

  it('keeps several collections apart', async (context) => {
    const { a, b } = await pair(context);
    const [mineA, mineB] = [a, b].map(({ database }) => database.collection('alarms', { scope: 'bridge' }));
    assert.ok(mineA && mineB);
    await fill(a.metrics, 20, 'm');
    await fill(mineB, 30, 'x');
    await mineA.save('m-1', { alarm: true });
    await sync(a, b, { collections: [a.metrics, mineA], served: [mineB, b.metrics] });
    assert.equal(await b.metrics.count(), 20);
    assert.equal(await mineA.count(), 31);
    assert.deepEqual(await contents(mineA), await contents(mineB));
    assert.deepEqual(await contents(a.metrics), await contents(b.metrics));
  });

  it('stops where the peer does not offer a collection', async (context) => {
    const { a, b } = await pair(context);
    const other = a.database.collection('other');
    await assert.rejects(sync(a, b, { collections: [other] }), { code: 'REMOTE_COLLECTION_NOT_FOUND', number: 10_404 });
  });

  it('pulls from a read-only listener and may not push to it', async (context) => {
    const { a, b } = await pair(context);
    await fill(b.metrics, 5, 'b');
    await sync(a, b, { type: 'pull', readOnly: true });
    assert.equal(await a.metrics.count(), 5);
    await a.metrics.save('mine', {});
    await assert.rejects(sync(a, b, { type: 'push', readOnly: true }), { code: 'ACCESS_DENIED', number: 10_403 });
    assert.equal(await b.metrics.get('mine'), undefined);
  });

  it('sends a tombstone to a peer that had the document, and none to an empty one', async (context) => {
    const { a, b } = await pair(context);
    const c = await openPeer(context, 'c');
    await fill(a.metrics, 4, 'a');
    await sync(a, b);
    await a.metrics.delete('a-2');
    await sync(a, b);
    assert.equal(await b.metrics.get('a-2'), undefined);
    const { replicator } = await sync(c, b, { type: 'pull' });
    assert.equal(replicator.status.progress.completed, 3);
  });

  it('brings a deleted document back when it is saved again, without a conflict', async (context) => {
    const { a, b } = await pair(context);
    await a.metrics.save('pump', { on: true });
    await sync(a, b);
    await a.metrics.delete('pump');
    await sync(a, b);
    await a.metrics.save('pump', { on: false });
    await sync(a, b);
    assert.deepEqual((await b.metrics.get('pump'))?.body, { on: false });
    assert.deepEqual(await contents(a.metrics), await contents(b.metrics));
  });

  it('does not bring a purged document back until it changes at the peer', async (context) => {
    const { a, b } = await pair(context);
    await fill(b.metrics, 3, 'b');
    await sync(a, b);
    await a.metrics.purge('b-1');
    await sync(a, b);
    assert.equal(await a.metrics.get('b-1'), undefined);
    await b.metrics.save('b-1', { again: true });
    await sync(a, b);
    assert.deepEqual((await a.metrics.get('b-1'))?.body, { again: true });
  });

  it('pushes a document again in whole that the peer has purged', async (context) => {
    const { a, b } = await pair(context);
    await a.metrics.save('pump', { rpm: 1 });
    await sync(a, b);
    await b.metrics.purge('pump');
    await a.metrics.save('pump', { rpm: 2 });
    await sync(a, b, { type: 'push' });
    assert.deepEqual(await contents(a.metrics), await contents(b.metrics));
  });

  it('compares everything anew after a reset, and brings purged documents back', async (context) => {
    const { a, b } = await pair(context);
    await fill(b.metrics, 5, 'b');
    const { replicator } = await sync(a, b);
    await a.metrics.purge('b-1');
    replicator.start();
    await replicator.stopped();
    assert.equal(await a.metrics.count(), 4);
    replicator.start({ reset: true });
    assert.equal(await replicator.stopped(), undefined);
    assert.equal(await a.metrics.count(), 5);
    assert.deepEqual(await contents(a.metrics), await contents(b.metrics));
  });

  it('sends everything to a peer that lost its database', async (context) => {
    const { a, b } = await pair(context);
    await fill(a.metrics, 30, 'a');
    await sync(a, b);
    const reborn = await openPeer(context, 'b');
    await sync(a, reborn);
    assert.deepEqual(await contents(reborn.metrics), await contents(a.metrics));
  });

  it('passes documents on from peer to peer', async (context) => {
    const { a, b } = await pair(context);
    const c = await openPeer(context, 'c');
    await fill(a.metrics, 20, 'a');
    await fill(c.metrics, 20, 'c');
    await sync(a, b);
    await sync(b, c);
    await sync(a, b);
    for (const peer of [b, c]) assert.deepEqual(await contents(peer.metrics), await contents(a.metrics));
  });

  it('sends the newest of five thousand changes to one document', async (context) => {
    const { a, b } = await pair(context);
    const { replicator } = link(a, b, { continuous: true });
    replicator.start();
    await replicator.whenIdle();
    for (let round = 0; round < 50; round++) {
      await Promise.all(
        Array.from({ length: 100 }, (_, index) => a.metrics.save('rpm', { value: round * 100 + index })),
      );
    }
    const last = await a.metrics.get('rpm');
    await whenChanged(b.metrics, async () => (await b.metrics.get('rpm'))?.revisionID === last?.revisionID);
    assert.ok(replicator.status.progress.completed < 5_000);
    await replicator.stop();
  });

  it('carries documents of many frames beside small ones', async (context) => {
    const { a, b } = await pair(context);
    await a.metrics.save('large', { text: 'é\u0000"'.repeat(300_000) });
    await fill(a.metrics, 50, 'a');
    await sync(a, b);
    assert.deepEqual(await contents(b.metrics), await contents(a.metrics));
  });

  it('keeps numbers, texts and nesting exactly as they are', async (context) => {
    const { a, b } = await pair(context);
    await a.metrics.save('values', {
      integers: [9007199254740993n, 18446744073709551615n, -9223372036854775808n, 0, -1],
      doubles: [0.1, 1e21, 1e-7, 5e-324, -0, 12345678901234568],
      texts: ['', '\u0000', 'é😀', '\u2028', '"\\/'],
      nested: { a: [{ b: [[], {}] }], n: null, t: true },
    });
    await sync(a, b);
    assert.deepEqual(await contents(b.metrics), await contents(a.metrics));
    assert.deepEqual((await b.metrics.get('values'))?.body, (await a.metrics.get('values'))?.body);
  });

  it('refuses a document with blobs clearly, and offers it again later', async (context) => {
    const { Blob } = await import('../../src/index.js');
    const { a, b } = await pair(context);
    await a.metrics.save('photo', { picture: new Blob('image/png', new Uint8Array([1, 2, 3])) });
    await a.metrics.save('plain', { ok: true });
    for (const [active, passive, type] of [
      [a, b, 'push'],
      [b, a, 'pull'],
    ] as const) {
      const made = link(active, passive, { type });
      const problems: string[] = [];
      made.replicator.on('document-problem', ({ documentID, error }) => problems.push(`${documentID} ${error.number}`));
      made.replicator.start();
      assert.equal(await made.replicator.stopped(), undefined);
      assert.deepEqual(problems, [type === 'push' ? 'photo 10501' : 'photo 19']);
      assert.equal(await b.metrics.get('photo'), undefined);
      assert.ok(await b.metrics.get('plain'));
    }
  });
});
