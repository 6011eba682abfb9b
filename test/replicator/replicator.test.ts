/** The calls of a replicator that are about the database, and what it tells when nothing happens. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { MessageEndpointListener } from '../../src/index.js';
import { RemoteTrust } from '../../src/replicator/remote-trust.js';
import { SequenceSet } from '../../src/replicator/sequence-set.js';
import { StatusBoard, type ReplicatorStatus } from '../../src/replicator/replicator-status.js';
import { againstRaw, storeOf } from '../support/hostile.js';
import { contents, link, openPeer, sync } from '../support/peers.js';
import { VirtualClock } from '../support/virtual-clock.js';

const LIMIT = { timeout: 120_000 };

describe('inside a batch of its database', LIMIT, () => {
  it('a replicator refuses what would wait for the batch, and the batch goes on', async (context) => {
    const [a, b] = [await openPeer(context, 'a'), await openPeer(context, 'b')];
    const { replicator } = link(a, b, { continuous: true });
    replicator.start();
    await replicator.whenIdle();
    await a.database.inBatch(async (batch) => {
      const inBatch = { code: 'DATABASE_IN_BATCH' };
      assert.throws(() => replicator.start(), inBatch);
      await assert.rejects(replicator.stop(), inBatch);
      await assert.rejects(replicator.stopped(), inBatch);
      await assert.rejects(replicator.whenIdle(), inBatch);
      await batch.collection('metrics').save('d', {});
    });
    await replicator.whenIdle();
    await b.database.inBatch(async () => replicator.whenIdle()); // another database's batch is none of its business
    assert.deepEqual(await contents(a.metrics), await contents(b.metrics));
    await replicator.stop();
  });

  it('a listener refuses to stop, and goes on', async (context) => {
    const a = await openPeer(context, 'a');
    const listener = new MessageEndpointListener({ collections: [a.metrics], protocolType: 'messageStream' });
    await a.database.inBatch(async () => {
      await assert.rejects(listener.closeAll(), { code: 'DATABASE_IN_BATCH' });
    });
    await listener.closeAll();
  });
});

describe('documents that wait to be pushed', LIMIT, () => {
  it('are asked for at the right replicator, with any handle on the collection', async (context) => {
    const [a, b] = [await openPeer(context, 'a'), await openPeer(context, 'b')];
    await a.metrics.save('d', {});
    const { replicator } = link(a, b, { type: 'push' });
    const handle = a.database.collection('metrics');
    assert.deepEqual(await replicator.pendingDocumentIDs(handle), new Set(['d']));
    assert.equal(await replicator.isDocumentPending('d', handle), true);
    assert.equal(await replicator.isDocumentPending('e', handle), false);
    replicator.start();
    assert.equal(await replicator.stopped(), undefined);
    assert.deepEqual(await replicator.pendingDocumentIDs(handle), new Set());
    for (const foreign of [b.metrics, a.database.collection('other'), 'metrics']) {
      await assert.rejects(replicator.pendingDocumentIDs(foreign as never), { code: 'ARGUMENT_INVALID' });
      await assert.rejects(replicator.isDocumentPending('d', foreign as never), { code: 'ARGUMENT_INVALID' });
    }
    const pull = link(a, b, { type: 'pull' }).replicator;
    await assert.rejects(pull.pendingDocumentIDs(handle), { code: 'REPLICATION_PULL_ONLY', number: 19 });
    await a.database.close();
    await assert.rejects(replicator.pendingDocumentIDs(a.metrics), { code: 'DATABASE_CLOSED' });
    await assert.rejects(replicator.isDocumentPending('d', a.metrics), { code: 'DATABASE_CLOSED' });
  });
});

describe('notes of what a remote has', LIMIT, () => {
  it('that a pull alone has made are not believed by the first push to a remote that was erased', async (context) => {
    const a = await openPeer(context, 'a');
    const first = await openPeer(context, 'b');
    for (let index = 0; index < 5; index++) await first.metrics.save(`d${index}`, { index });
    await sync(a, first, { type: 'pull' });
    const erased = await openPeer(context, 'b'); // another database under the same name
    await sync(a, erased, { type: 'push' });
    assert.deepEqual(await contents(erased.metrics), await contents(a.metrics));
  });

  it('are not believed either where a pull has met the erased remote in between', async (context) => {
    const a = await openPeer(context, 'a');
    const first = await openPeer(context, 'b');
    const collections = [a.database.collection('_default')]; // one checkpoint for every type (specification 4.2)
    const serve = (peer: typeof a) => ({ collections, served: [peer.database.collection('_default')] });
    for (let index = 0; index < 5; index++) await first.database.collection('_default').save(`d${index}`, { index });
    await sync(a, first, { type: 'pull', ...serve(first) });
    const erased = await openPeer(context, 'b');
    await erased.database.collection('_default').save('new', {});
    await sync(a, erased, { type: 'pull', ...serve(erased) });
    await sync(a, erased, { type: 'push', ...serve(erased) });
    assert.equal(await erased.database.collection('_default').count(), 6);
  });

  it('are believed again when all that is doubted is settled', async (context) => {
    const { metrics } = await openPeer(context, 'a');
    await metrics.save('d', {});
    const store = storeOf(metrics);
    const last = store.lastSequence;
    const trust = await RemoteTrust.load(store, 'remote', false);
    assert.deepEqual([trust.after, await RemoteTrust.peek(store, 'remote')], [last, last]);
    await trust.settle(SequenceSet.upTo(last - 1));
    assert.equal((await RemoteTrust.load(store, 'remote', true)).after, last);
    await trust.settle(SequenceSet.upTo(last));
    assert.deepEqual([trust.after, await RemoteTrust.peek(store, 'remote')], [0, 0]);
  });
});

describe('the status that is told', LIMIT, () => {
  function make() {
    const clock = new VirtualClock();
    const told: string[] = [];
    const tell = ({ activity, progress }: ReplicatorStatus): void =>
      void told.push(`${activity} ${progress.completed}/${progress.total}`);
    const board = new StatusBoard({ clock, beforePause: () => undefined, tell });
    const set = (activity: ReplicatorStatus['activity'], completed = 0, total = completed): void =>
      board.set({ activity, progress: { completed, total } });
    return { clock, told, board, set };
  }

  it('says nothing of a look at new commits that finds nothing to transfer', async () => {
    const { clock, told, board, set } = make();
    for (const activity of ['connecting', 'busy', 'idle'] as const) set(activity);
    for (let round = 0; round < 100; round++) {
      set('busy');
      assert.equal(board.current.activity, 'busy'); // the truth is told to whoever asks
      set('idle');
    }
    await clock.advance(10_000);
    assert.deepEqual(told, ['connecting 0/0', 'busy 0/0', 'idle 0/0']);
    set('busy', 0, 1);
    set('idle', 1, 1);
    assert.deepEqual(told.slice(3), ['busy 0/1', 'idle 1/1']);
  });

  it('tells of a look that takes long', async () => {
    const { clock, told, set } = make();
    for (const activity of ['connecting', 'busy', 'idle', 'busy'] as const) set(activity);
    await clock.advance(200);
    assert.equal(told.at(-1), 'busy 0/0');
    set('idle');
    assert.equal(told.at(-1), 'idle 0/0');
    assert.equal(clock.pendingTimers, 0);
  });

  it('tells of progress at most five times a second, and of the last of it', async () => {
    const { clock, told, set } = make();
    set('connecting');
    set('busy');
    for (let done = 1; done <= 1_000; done++) {
      set('busy', done, 1_000);
      await clock.advance(1);
    }
    assert.ok(told.length <= 2 + 5, told.join());
    set('stopped', 1_000, 1_000);
    assert.equal(told.at(-1), 'stopped 1000/1000');
    assert.equal(clock.pendingTimers, 0);
  });

  it('is idle at once after a list of which nothing is wanted', async (context) => {
    const { peer, replicator } = await againstRaw(
      context,
      {
        proposeChanges: async (request, raw) => {
          for (let turn = 0; turn < 100; turn++) await setImmediate(); // by then everything else is done
          raw.reply(request, '[304]');
        },
      },
      { type: 'push', continuous: true, clock: new VirtualClock() },
    );
    replicator.start();
    await replicator.whenIdle();
    for (const id of ['one', 'two']) {
      await peer.metrics.save(id, {});
      await replicator.whenIdle();
    }
  });

  it('does not storm while a continuous replicator only pulls', async (context) => {
    const [a, b] = [await openPeer(context, 'a'), await openPeer(context, 'b')];
    const { replicator } = link(a, b, { continuous: true });
    replicator.start();
    await replicator.whenIdle();
    let told = 0;
    replicator.on('status', () => told++);
    for (let index = 0; index < 20; index++) {
      await a.metrics.save('temporary', {});
      await a.metrics.purge('temporary');
    }
    await replicator.whenIdle();
    assert.ok(told <= 4 * 20, `${told} events`);
    await replicator.stop();
  });
});
