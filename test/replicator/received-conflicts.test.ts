/** Revisions that conflict with ours: what the peer is told, and what our application is told, and when. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { deferred } from '../../src/base/index.js';
import { revisionID, savedCheckpoint } from '../support/hostile.js';
import { openPeer } from '../support/peers.js';
import { announceTo, endOfFeed, pullFromRaw, revTo, told } from '../support/raw-pull.js';

const LIMIT = { timeout: 120_000 };
const B2 = revisionID(2, 'b');

describe('a conflicting revision that is pulled', LIMIT, () => {
  it('is answered before it is resolved, and told of once, afterwards', async (context) => {
    const peer = await openPeer(context, 'ours');
    await peer.metrics.save('d', { mine: true });
    const [called, decided] = [deferred(), deferred()];
    const { raw, outcomes, ended, session } = await pullFromRaw(
      context,
      async (raw) => {
        await announceTo(raw, [[1, 'd', B2]]);
        const reply = await revTo(raw, { rev: B2, history: revisionID(1, 'b') }, '{"theirs":true}');
        assert.deepEqual([reply.error, reply.properties], [undefined, {}]);
        endOfFeed(raw);
        await called.promise;
        await raw.request({ Profile: 'isAnybodyThere' });
        assert.deepEqual(told(outcomes), []);
        assert.equal(session.isBusy, true);
        decided.resolve();
      },
      {
        peer,
        rules: {
          conflictResolver: async ({ localDocument, remoteDocument }) => {
            called.resolve();
            await decided.promise;
            return { ...localDocument?.body, ...remoteDocument?.body };
          },
        },
      },
    );
    assert.equal(await ended, undefined);
    assert.deepEqual((await peer.metrics.get('d'))?.body, { mine: true, theirs: true });
    assert.deepEqual(told(outcomes), ['d']);
    assert.deepEqual(savedCheckpoint(raw), { remote: 1 });
  });

  it('is told of with the error where its resolver fails, and the peer hears nothing of that', async (context) => {
    const peer = await openPeer(context, 'ours');
    await peer.metrics.save('d', { mine: true });
    const { raw, outcomes, ended } = await pullFromRaw(
      context,
      async (raw) => {
        await announceTo(raw, [[1, 'd', B2]]);
        assert.equal((await revTo(raw, { rev: B2 }, '{"theirs":true}')).error, undefined);
        endOfFeed(raw);
      },
      {
        peer,
        rules: {
          conflictResolver: () => {
            throw new Error('oops');
          },
        },
      },
    );
    assert.equal(await ended, undefined);
    assert.deepEqual((await peer.metrics.get('d'))?.body, { mine: true });
    assert.deepEqual(told(outcomes), ['d CONFLICT_RESOLVER_FAILED']);
    assert.deepEqual(savedCheckpoint(raw), { remote: 1 });
  });
});
