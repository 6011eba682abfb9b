import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { LocalFeed } from '../../src/replicator/local-feed.js';
import { storeOf } from '../support/hostile.js';
import { openPeer } from '../support/peers.js';

async function feedOf(context: TestContext, since = 0) {
  const { metrics } = await openPeer(context, 'ours');
  const feed = new LocalFeed(storeOf(metrics), since);
  context.after(() => feed.close());
  const read = async (): Promise<string[]> => (await feed.next()).map(({ id }) => id);
  return { metrics, feed, read };
}

describe('LocalFeed', () => {
  it('reads what there is, in pages, and then nothing until the next commit', async (context) => {
    const { metrics, feed, read } = await feedOf(context);
    await Promise.all(Array.from({ length: 250 }, (_, index) => metrics.save(`d${index}`, { index })));
    assert.equal((await read()).length, 200);
    assert.deepEqual([feed.position, feed.hasNews], [200, true]);
    assert.equal((await read()).length, 50);
    assert.deepEqual(await read(), []);
    assert.equal(feed.hasNews, false);
    const changed = feed.changed();
    await metrics.save('late', {});
    assert.equal(feed.hasNews, true);
    await changed;
    assert.deepEqual(await read(), ['late']);
  });

  it('begins after the sequence that it is given, tombstones included', async (context) => {
    const { metrics, read } = await feedOf(context, 2);
    for (const id of ['a', 'b', 'c']) await metrics.save(id, {});
    await metrics.delete('a');
    assert.deepEqual(await read(), ['c', 'a']);
  });

  it('does not miss a commit during a read', async (context) => {
    const { metrics, feed, read } = await feedOf(context);
    for (let round = 0; round < 50; round++) {
      const [, ids] = await Promise.all([metrics.save(`d${round}`, {}), read()]);
      const all = [...ids, ...(ids.length === 0 ? (await feed.changed(), await read()) : [])];
      assert.deepEqual(all, [`d${round}`]);
    }
  });

  it('ends every wait when it is closed, also one that begins afterwards, and hears of nothing more', async (context) => {
    const { metrics, feed, read } = await feedOf(context);
    assert.deepEqual(await read(), []);
    const changed = feed.changed();
    feed.close();
    await changed;
    await feed.changed();
    feed.close();
    await metrics.save('late', {});
    assert.equal(feed.hasNews, false);
  });

  it('does not read more bytes than it may, and at least one document', async (context) => {
    const { metrics, read } = await feedOf(context);
    for (let index = 0; index < 5; index++) await metrics.save(`d${index}`, { text: 'x'.repeat(900_000) });
    await metrics.save('large', { text: 'x'.repeat(3_000_000) });
    assert.deepEqual(await read(), ['d0', 'd1']);
    assert.deepEqual(await read(), ['d2', 'd3']);
    assert.deepEqual(await read(), ['d4']);
    assert.deepEqual(await read(), ['large']);
    assert.deepEqual(await read(), []);
  });
});
