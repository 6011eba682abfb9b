/** An active peer that says everything in the wrong order, beside others. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connectRaw, getCollections, serveCollections } from '../support/hostile.js';
import { link, openPeer } from '../support/peers.js';

const LIMIT = { timeout: 120_000 };

describe('messages in the wrong order', LIMIT, () => {
  it('cost their sender an error each, and no other client anything', async (context) => {
    const { peer, raw, listener } = await serveCollections(context);
    const good = await openPeer(context, 'good');
    const { replicator } = link(good, peer, { continuous: true });
    replicator.start();
    await replicator.whenIdle();
    // Every message before, without and after its collections; each gets an answer of its own.
    const rude = await connectRaw(context, listener);
    const profiles = ['subChanges', 'changes', 'proposeChanges', 'rev', 'getCheckpoint', 'setCheckpoint', 'nonsense'];
    for (const profile of profiles) {
      for (const properties of [{}, { collection: '0' }, { collection: '7' }, { collection: '-1' }]) {
        const { error } = await rude.request({ Profile: profile, ...properties }, 'rubbish');
        assert.match(error ?? '', /^(?:BLIP|HTTP|LiteCore)\/\d+$/, `${profile} ${JSON.stringify(properties)}`);
      }
    }
    const tooMany = Array.from({ length: 102 }, (_, index) => `c${index}`);
    const body = JSON.stringify({ collections: tooMany, checkpoint_ids: tooMany });
    assert.equal((await rude.request({ Profile: 'getCollections' }, body)).error, 'BLIP/400');
    await getCollections(rude);
    assert.equal((await rude.request({ Profile: 'getCollections' }, body)).error, 'BLIP/400');
    for (let round = 0; round < 3; round++) {
      assert.equal((await rude.request({ Profile: 'subChanges', collection: '0' })).error, undefined);
    }
    await peer.metrics.save('d', {});
    await good.metrics.save('e', {});
    await replicator.whenIdle();
    assert.equal(await peer.metrics.count(), 2);
    assert.equal((await raw.request({ Profile: 'nonsense' })).error, 'BLIP/404');
    await replicator.stop();
  });
});
