/** What an active puller asks for, and what it makes of a peer that sends something else (specification 3.6, 3.9.4, 5.7). */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { remoteRevision } from '../../src/database/index.js';
import { revisionID, savedCheckpoint, storeOf } from '../support/hostile.js';
import { openPeer } from '../support/peers.js';
import type { RawRequest } from '../support/raw-blip-peer.js';
import { announceTo, endOfFeed, pullFromRaw, revTo, told, type RawPullOptions } from '../support/raw-pull.js';

const LIMIT = { timeout: 120_000 };
const [A1, A2, A3] = [revisionID(1), revisionID(2), revisionID(3)];

describe('the request for a feed', LIMIT, () => {
  const ALWAYS = { batch: '200', versioning: 'rev-trees', revocations: 'true', sendReplacementRevs: 'true' };

  it('says what is wanted', async (context) => {
    const rows: [RawPullOptions['rules'], boolean, Record<string, string>, string][] = [
      [{}, true, { activeOnly: 'true' }, ''],
      [{}, false, {}, ''],
      [{ channels: ['a', 'b c'] }, false, { filter: 'sync_gateway/bychannel', channels: 'a,b c' }, ''],
      [{ documentIDs: new Set(['x', 'é']) }, false, {}, '{"docIDs":["x","é"]}'],
    ];
    for (const [index, [rules, isEmpty, expected, body]] of rows.entries()) {
      const peer = await openPeer(context, `ours-${index}`);
      if (!isEmpty) await peer.metrics.save('d', {});
      const { raw, ended } = await pullFromRaw(context, endOfFeed, { peer, ...(rules === undefined ? {} : { rules }) });
      assert.equal(await ended, undefined);
      const request = raw.requests.find(({ profile }) => profile === 'subChanges') as RawRequest;
      const { Profile: _, collection, ...properties } = request.properties;
      assert.deepEqual([collection, properties, request.text], ['0', { ...ALWAYS, ...expected }, body]);
    }
  });

  it('may be ignored: documents that are not listed are not taken', async (context) => {
    const { peer, raw, outcomes, ended } = await pullFromRaw(
      context,
      async (raw) => {
        const reply = await announceTo(raw, [
          [1, 'a', A1],
          [2, 'b', A1],
          [3, 'b', A1, 2],
        ]);
        assert.equal(reply.text, '[[],0,0]');
        assert.equal((await revTo(raw, { id: 'a', rev: A1 })).error, undefined);
        assert.equal((await revTo(raw, { id: 'b', rev: A1, sequence: '2' })).error, 'HTTP/403');
        endOfFeed(raw);
      },
      { rules: { documentIDs: new Set(['a']) } },
    );
    assert.equal(await ended, undefined);
    assert.equal(await peer.metrics.count(), 1);
    assert.deepEqual(told(outcomes), ['a']);
    assert.deepEqual(savedCheckpoint(raw), { remote: 3 });
  });
});

describe('a revision that replaces the one asked for', LIMIT, () => {
  it('settles the request, whatever its sequence', async (context) => {
    for (const sequence of ['1', '7']) {
      const { peer, raw, outcomes, ended } = await pullFromRaw(
        context,
        async (raw) => {
          await announceTo(raw, [[1, 'd', A1]]);
          endOfFeed(raw);
          const properties = { rev: A3, history: `${A2},${A1}`, replacedRev: A1, sequence };
          assert.equal((await revTo(raw, properties)).error, undefined);
        },
        { peer: await openPeer(context, `ours-${sequence}`) },
      );
      assert.equal(await ended, undefined);
      assert.equal((await peer.metrics.get('d'))?.revisionID, A3);
      assert.deepEqual(told(outcomes), ['d']);
      assert.deepEqual(savedCheckpoint(raw), { remote: 1 });
    }
  });
});

describe('an announcement of what is here', LIMIT, () => {
  it('is remembered, so that the next push builds on it', async (context) => {
    const peer = await openPeer(context, 'ours');
    const store = storeOf(peer.metrics);
    const revision = { id: 'd', revisionID: A3, history: [A2, A1], deleted: false, body: '{}', hasBlobs: false };
    await store.insert(revision, {});
    const noted = async (): Promise<string | undefined> => {
      const [document] = await store.documents(['d']);
      return document === undefined ? undefined : remoteRevision(document, await store.remoteNumber('raw'));
    };
    for (const [announced, expected] of [
      [A1, A1],
      [A2, A2],
      [A1, A2],
      [A3, A3],
    ] as const) {
      const { outcomes, ended } = await pullFromRaw(
        context,
        async (raw) => {
          assert.equal((await announceTo(raw, [[1, 'd', announced]])).text, '[0]');
          endOfFeed(raw);
        },
        { peer },
      );
      assert.equal(await ended, undefined);
      assert.equal(await noted(), expected);
      assert.deepEqual(outcomes, []);
    }
  });
});
