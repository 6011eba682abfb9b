/** What a user of replication expects, on real databases over loopback links of both protocol types. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import {
  LoopbackEndpoint,
  MessageEndpointListener,
  Replicator,
  seededRandom,
  traced,
  type ProtocolType,
} from '../../src/index.js';
import { contents, link, openPeer, sync, whenChanged, type AnyCollection } from '../support/peers.js';

const LIMIT = { timeout: 120_000 };

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
    it('90. pushes once', async (context) => {
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

    it('90. pulls once', async (context) => {
      const { a, b } = await pair(context);
      await fill(a.metrics, 3, 'a');
      await fill(b.metrics, 450, 'b');
      await sync(a, b, { type: 'pull', protocolType });
      assert.equal(await a.metrics.count(), 453);
      assert.equal(await b.metrics.count(), 450);
    });

    it('90. pushes and pulls once', async (context) => {
      const { a, b } = await pair(context);
      await fill(a.metrics, 250, 'a');
      await fill(b.metrics, 250, 'b');
      const { replicator } = await sync(a, b, { protocolType });
      assert.equal(await a.metrics.count(), 500);
      assert.deepEqual(await contents(a.metrics), await contents(b.metrics));
      assert.deepEqual([replicator.status.activity, replicator.status.error], ['stopped', undefined]);
    });

    it('91. pushes, pulls or both what is added after it started with nothing', async (context) => {
      for (const type of ['push', 'pull', 'pushAndPull'] as const) {
        const { a, b } = await pair(context);
        const { replicator } = link(a, b, { type, continuous: true, protocolType });
        replicator.start();
        await replicator.whenIdle();
        if (type !== 'pull') await fill(a.metrics, 20, 'a');
        if (type !== 'push') await fill(b.metrics, 20, 'b');
        const expected = type === 'pushAndPull' ? 40 : 20;
        for (const { metrics } of [a, b]) await whenChanged(metrics, async () => (await metrics.count()) === expected);
        await replicator.whenIdle();
        assert.deepEqual([replicator.status.activity, replicator.status.error], ['idle', undefined]);
        assert.deepEqual(await contents(a.metrics), await contents(b.metrics));
        await replicator.stop();
      }
    });

    it('91. pushes and pulls continuously what is saved, changed and deleted on either side', async (context) => {
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
  it('89. of nothing with nothing ends without an error, or is idle', async (context) => {
    const { a, b } = await pair(context);
    const once = await sync(a, b);
    assert.deepEqual(once.replicator.status.progress, { completed: 0, total: 0 });
    const { replicator } = link(a, b, { continuous: true });
    replicator.start();
    await replicator.whenIdle();
    assert.deepEqual(replicator.status, { activity: 'idle', progress: { completed: 0, total: 0 }, error: undefined });
    await replicator.stop();
    for (const { metrics } of [a, b]) assert.equal(await metrics.count(), 0);
  });

  it('122. of two databases of one process needs no network, once or continuously', async (context) => {
    const { a, b } = await pair(context);
    await fill(a.metrics, 100, 'a');
    await fill(b.metrics, 100, 'b');
    const listener = new MessageEndpointListener({ collections: [b.metrics], protocolType: 'messageStream' });
    const target = new LoopbackEndpoint((connection) => listener.accept(connection), 'b');
    const once = new Replicator({ collections: [a.metrics], target });
    once.start();
    assert.equal(await once.stopped(), undefined);
    assert.deepEqual(await contents(a.metrics), await contents(b.metrics));
    const continuous = new Replicator({ collections: [a.metrics], target, continuous: true });
    continuous.start();
    await continuous.whenIdle();
    await a.metrics.save('later', { by: 'a' });
    await whenChanged(b.metrics, async () => (await b.metrics.get('later')) !== undefined);
    await b.metrics.delete('later');
    await whenChanged(a.metrics, async () => (await a.metrics.get('later')) === undefined);
    await continuous.stop();
    assert.equal(await a.metrics.count(), 200);
    assert.deepEqual(await contents(a.metrics), await contents(b.metrics));
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

  it('92. transfers only what changed since the last time', async (context) => {
    const { a, b } = await pair(context);
    await fill(a.metrics, 300, 'a');
    const first = await sync(a, b);
    assert.equal(first.replicator.status.progress.completed, 300);
    const { replicator } = link(a, b);
    const told: string[] = [];
    replicator.on('documents', ({ isPush, documents }) =>
      told.push(...documents.map(({ id }) => `${isPush ? 'pushed' : 'pulled'} ${id}`)),
    );
    const transferred = async (): Promise<string[]> => {
      told.length = 0;
      replicator.start();
      assert.equal(await replicator.stopped(), undefined);
      assert.equal(replicator.status.progress.completed, told.length);
      return [...told];
    };
    await a.metrics.save('a-7', { index: 7, again: true });
    assert.deepEqual(await transferred(), ['pushed a-7']);
    await b.metrics.save('a-8', { index: 8, again: true });
    assert.deepEqual(await transferred(), ['pulled a-8']);
    assert.deepEqual(await transferred(), []);
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

  it('97. sends a tombstone to a peer that had the document, and none to an empty one', async (context) => {
    const { a, b } = await pair(context);
    const c = await openPeer(context, 'c');
    await fill(a.metrics, 4, 'a');
    await sync(a, b);
    await a.metrics.delete('a-2');
    const push = link(a, b, { type: 'push' }).replicator;
    const told: unknown[] = [];
    push.on('documents', ({ documents }) => told.push(...documents.map(({ id, flags }) => [id, flags.deleted])));
    push.start();
    assert.equal(await push.stopped(), undefined);
    assert.deepEqual(told, [['a-2', true]]);
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

  it('101. compares everything anew after a reset, and brings back what was purged and nothing else', async (context) => {
    const { a, b } = await pair(context);
    const random = seededRandom(101);
    const noise = (): string => Buffer.from(random.bytes(10_000)).toString('base64');
    for (let index = 0; index < 5; index++) {
      await a.metrics.save(`a-${index}`, { noise: noise() });
      await b.metrics.save(`b-${index}`, { noise: noise() });
    }
    let crossed = 0;
    const { replicator } = await sync(a, b, {
      around: (connection) =>
        traced(connection, (event) => (crossed += event.kind === 'sent' || event.kind === 'received' ? event.size : 0)),
    });
    assert.ok(crossed > 100_000, String(crossed));
    await a.metrics.purge('b-1');
    crossed = 0;
    replicator.start();
    await replicator.stopped();
    assert.equal(await a.metrics.count(), 9);
    assert.ok(crossed < 5_000, String(crossed));
    crossed = 0;
    replicator.start({ reset: true });
    assert.equal(await replicator.stopped(), undefined);
    assert.equal(await a.metrics.count(), 10);
    assert.ok(crossed > 10_000 && crossed < 20_000, `${crossed} bytes for one document of 10,000`);
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

  it('93. sends the newest of five thousand changes to one document', async (context) => {
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
});
