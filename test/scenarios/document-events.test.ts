/** What a replicator tells of the documents it transfers. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { DocumentReplication, HawserError, ReplicatedDocument, Replicator } from '../../src/index.js';
import { DocumentEvents } from '../../src/replicator/document-events.js';
import { link, openPeer, sync } from '../support/peers.js';
import { VirtualClock } from '../support/virtual-clock.js';

const LIMIT = { timeout: 120_000 };

async function twoPeers(context: TestContext) {
  return { a: await openPeer(context, 'a'), b: await openPeer(context, 'b') };
}

/** Everything told from now on, flat, with the direction; and how to stop listening. */
function record(replicator: Replicator) {
  const told: (ReplicatedDocument & { readonly isPush: boolean })[] = [];
  const batches: DocumentReplication[] = [];
  const stop = replicator.on('documents', (event) => {
    batches.push(event);
    for (const document of event.documents) told.push({ ...document, isPush: event.isPush });
  });
  return { told, batches, stop };
}

async function finish(replicator: Replicator): Promise<HawserError | undefined> {
  replicator.start();
  return replicator.stopped();
}

const flags = { deleted: false, accessRemoved: false };
const ofMetrics = { scope: '_default', collection: 'metrics', flags };

describe('document events', LIMIT, () => {
  it('124. tell of each document that was pushed, until nobody wants to know', async (context) => {
    const { a, b } = await twoPeers(context);
    const [own, other] = await Promise.all(
      [a, b].map(({ database }) => database.createCollection('log', { scope: 'ship' })),
    );
    const { replicator } = link(a, b, { type: 'push', collections: [a.metrics, own!], served: [b.metrics, other!] });
    const { told, stop } = record(replicator);
    await a.metrics.save('one', {});
    await own!.save('two', {});
    assert.equal(await finish(replicator), undefined);
    assert.deepEqual(
      told.sort((left, right) => (left.id < right.id ? -1 : 1)),
      [
        { id: 'one', ...ofMetrics, isPush: true },
        { id: 'two', scope: 'ship', collection: 'log', flags, isPush: true },
      ],
    );
    await a.metrics.save('three', {});
    assert.equal(await finish(replicator), undefined);
    assert.deepEqual(told.slice(2), [{ id: 'three', ...ofMetrics, isPush: true }]);
    stop();
    await a.metrics.save('four', {});
    assert.equal(await finish(replicator), undefined);
    assert.equal(told.length, 3);
  });

  it('124. tell of each document that was pulled, and of none that needed no transfer', async (context) => {
    const { a, b } = await twoPeers(context);
    await sync(a, b);
    await b.metrics.save('one', {});
    await b.metrics.save('two', {});
    const { replicator } = link(a, b);
    const { told } = record(replicator);
    assert.equal(await finish(replicator), undefined);
    assert.deepEqual(told.map(({ id, isPush }) => `${id} ${isPush}`).sort(), ['one false', 'two false']);
    assert.equal(await finish(replicator), undefined);
    assert.equal(told.length, 2);
  });

  it('125. reach a listener that comes between two runs', async (context) => {
    const { a, b } = await twoPeers(context);
    const { replicator } = link(a, b, { continuous: true });
    replicator.start();
    await replicator.whenIdle();
    await a.metrics.save('before', {});
    await replicator.whenIdle();
    await replicator.stop();
    const { told } = record(replicator);
    await a.metrics.save('after', {});
    replicator.start();
    await replicator.whenIdle();
    assert.deepEqual(
      told.map(({ id }) => id),
      ['after'],
    );
    await replicator.stop();
  });

  it('126. tell once of a conflict that a push alone cannot settle', async (context) => {
    const { a, b } = await twoPeers(context);
    await a.metrics.save('pump', { by: 'a' });
    await b.metrics.save('pump', { by: 'b' });
    const { replicator } = link(a, b, { type: 'push' });
    const { told } = record(replicator);
    assert.equal(await finish(replicator), undefined);
    assert.deepEqual(
      told.map(({ error, ...rest }) => ({ ...rest, number: error?.number })),
      [{ id: 'pump', ...ofMetrics, isPush: true, number: 10_409 }],
    );
  });

  it('127. tell once of a conflict that was pulled, after it is settled', async (context) => {
    const { a, b } = await twoPeers(context);
    await a.metrics.save('pump', { by: 'a' });
    await b.metrics.save('pump', { by: 'b' });
    let isSettled = false;
    const { replicator } = link(a, b, {
      type: 'pull',
      collections: [
        {
          collection: a.metrics,
          conflictResolver: async ({ remoteDocument }) => {
            await new Promise(setImmediate);
            isSettled = true;
            return remoteDocument ?? null;
          },
        },
      ],
    });
    const { told, batches } = record(replicator);
    replicator.on('documents', () => assert.ok(isSettled));
    assert.equal(await finish(replicator), undefined);
    assert.deepEqual(told, [{ id: 'pump', ...ofMetrics, isPush: false }]);
    assert.equal(batches.length, 1);
    assert.deepEqual((await a.metrics.get('pump'))?.body, { by: 'b' });
  });

  it('128. mark deletions, both ways', async (context) => {
    for (const type of ['push', 'pull'] as const) {
      const { a, b } = await twoPeers(context);
      await a.metrics.save('gone', {});
      await sync(a, b);
      await (type === 'push' ? a : b).metrics.delete('gone');
      const { replicator } = link(a, b, { type });
      const { told } = record(replicator);
      assert.equal(await finish(replicator), undefined);
      const deleted = { deleted: true, accessRemoved: false };
      assert.deepEqual(told, [{ id: 'gone', ...ofMetrics, flags: deleted, isPush: type === 'push' }]);
    }
  });

  it('141. tell of a document whose filter failed, and of the others as ever', async (context) => {
    for (const type of ['push', 'pull'] as const) {
      const { a, b } = await twoPeers(context);
      const [source, destination] = type === 'push' ? [a, b] : [b, a];
      for (const id of ['good', 'bad', 'ugly']) await source.metrics.save(id, {});
      let isBroken = true;
      const filter = ({ id }: { readonly id: string }): boolean => {
        if (isBroken && id === 'bad') throw new TypeError('a mistake in the filter');
        if (isBroken && id === 'ugly') return 'yes' as never;
        return true;
      };
      const { replicator } = link(a, b, {
        type,
        collections: [
          { collection: a.metrics, ...(type === 'push' ? { pushFilter: filter } : { pullFilter: filter }) },
        ],
      });
      const { told } = record(replicator);
      assert.equal(await finish(replicator), undefined);
      const outcome = told.map(({ id, error }) => `${id} ${error?.code ?? 'ok'}`).sort();
      assert.deepEqual(outcome, ['bad FILTER_FAILED', 'good ok', 'ugly FILTER_FAILED'], type);
      const cause = told.find(({ id }) => id === 'bad')?.error?.cause;
      assert.ok(cause instanceof TypeError);
      assert.equal(await destination.metrics.count(), 1);
      isBroken = false;
      assert.equal(await finish(replicator), undefined);
      assert.equal(await destination.metrics.count(), 3, 'a filter that was mended is asked again');
    }
  });

  it('142. come in batches, with every document exactly once', async (context) => {
    const { a, b } = await twoPeers(context);
    const count = 10_000;
    for (const [peer, name] of [
      [a, 'a'],
      [b, 'b'],
    ] as const) {
      await peer.database.inBatch((batch) => {
        const metrics = batch.collection('metrics');
        return Promise.all(Array.from({ length: count / 2 }, (_, index) => metrics.save(`${name}${index}`, { index })));
      });
    }
    const { replicator } = link(a, b);
    const { told, batches } = record(replicator);
    assert.equal(await finish(replicator), undefined);
    assert.equal(told.length, count);
    assert.equal(new Set(told.map(({ id }) => id)).size, count);
    assert.ok(told.every(({ id, isPush, error }) => error === undefined && isPush === id.startsWith('a')));
    assert.ok(batches.every(({ documents }) => documents.length <= 1_000));
    assert.ok(batches.length < count / 50, `${batches.length} events for ${count} documents`);
  });

  it('are told before the status that follows from them', async (context) => {
    for (const continuous of [false, true]) {
      const { a, b } = await twoPeers(context);
      await a.metrics.save('one', {});
      const { replicator } = link(a, b, { continuous });
      const order: string[] = [];
      replicator.on('documents', ({ documents }) => order.push(...documents.map(({ id }) => id)));
      replicator.on('status', ({ activity }) => order.push(activity));
      replicator.start();
      await replicator.whenIdle();
      await replicator.stop();
      const end = continuous ? 'idle' : 'stopped';
      assert.ok(order.includes('one') && order.indexOf('one') < order.indexOf(end), order.join(' '));
    }
  });
});

describe('batches of document events', () => {
  function make() {
    const clock = new VirtualClock();
    const told: DocumentReplication[] = [];
    const state = { isWanted: true };
    const events = new DocumentEvents({ clock, isWanted: () => state.isWanted, tell: (event) => told.push(event) });
    const add = (documentID: string, isPush = true): void =>
      events.add({ collection: 'metrics', documentID, isPush, flags, error: undefined });
    return { clock, told, state, events, add };
  }

  it('are told 200 ms after the first of them', async () => {
    const { clock, told, add } = make();
    add('one');
    await clock.advance(150);
    add('two');
    add('three', false);
    assert.equal(told.length, 0);
    await clock.advance(50);
    assert.deepEqual(
      told.map(({ isPush, documents }) => [isPush, documents.map(({ id }) => id)]),
      [
        [true, ['one', 'two']],
        [false, ['three']],
      ],
    );
    await clock.advance(10_000);
    assert.equal(told.length, 2);
  });

  it('are told at once when there are a thousand', () => {
    const { clock, told, add } = make();
    for (let index = 0; index < 2_500; index++) add(`d${index}`);
    assert.deepEqual(
      told.map(({ documents }) => documents.length),
      [1_000, 1_000],
    );
    assert.equal(clock.pendingTimers, 1);
  });

  it('cost nothing while nobody listens', () => {
    const { clock, told, state, events, add } = make();
    state.isWanted = false;
    for (let index = 0; index < 2_500; index++) add(`d${index}`);
    events.flush();
    assert.deepEqual([told.length, clock.pendingTimers], [0, 0]);
  });
});
