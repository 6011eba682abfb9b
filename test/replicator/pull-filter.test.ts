/** What is pulled, and what of it is kept: filters, lists of documents, and access that was lost (specification 9.6). */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { revisionID, savedCheckpoint, storeOf } from '../support/hostile.js';
import { openPeer } from '../support/peers.js';
import { announceTo, endOfFeed, pullFromRaw, revTo, told } from '../support/raw-pull.js';
import { VirtualClock } from '../support/virtual-clock.js';

const LIMIT = { timeout: 120_000 };
const [A1, A2] = [revisionID(1), revisionID(2)];

describe('a pull filter', LIMIT, () => {
  it('sees the whole document and its flags, and decides what is stored', async (context) => {
    const seen: string[] = [];
    const { peer, raw, outcomes, ended } = await pullFromRaw(
      context,
      async (raw) => {
        await announceTo(raw, [
          [1, 'a', A1],
          [2, 'b', A1],
          [3, 'c', A2, 1],
        ]);
        assert.equal((await revTo(raw, { id: 'a', rev: A1 }, '{"keep":true,"n":1.0}')).error, undefined);
        assert.equal((await revTo(raw, { id: 'b', rev: A1, sequence: '2' }, '{"keep":false}')).error, 'HTTP/403');
        assert.equal((await revTo(raw, { id: 'c', rev: A2, sequence: '3', deleted: '1' }, '{}')).error, undefined);
        endOfFeed(raw);
      },
      {
        rules: {
          pullFilter: async (document, flags) => {
            seen.push(`${document.id} ${document.revisionID} ${document.toJSONText()} ${JSON.stringify(flags)}`);
            await Promise.resolve();
            return flags.deleted || (document.body as { keep: boolean }).keep;
          },
        },
      },
    );
    assert.equal(await ended, undefined);
    assert.deepEqual(seen, [
      `a ${A1} {"keep":true,"n":1.0} {"deleted":false,"accessRemoved":false}`,
      `b ${A1} {"keep":false} {"deleted":false,"accessRemoved":false}`,
      `c ${A2} {} {"deleted":true,"accessRemoved":false}`,
    ]);
    assert.deepEqual(told(outcomes), ['a', 'c deleted']);
    assert.equal(await peer.metrics.count(), 1);
    assert.deepEqual(savedCheckpoint(raw), { remote: 3 });
  });

  it('that fails costs its document only, which is offered again', async (context) => {
    const filters = {
      throws: () => {
        throw new Error('oops');
      },
      rejects: () => Promise.reject(new Error('oops')),
      forgets: () => undefined as unknown as boolean,
    };
    for (const [name, filter] of Object.entries(filters)) {
      const { peer, raw, outcomes, ended } = await pullFromRaw(
        context,
        async (raw) => {
          await announceTo(raw, [
            [1, 'a', A1],
            [2, 'b', A1],
            [3, 'c', A1],
          ]);
          await revTo(raw, { id: 'a', rev: A1 });
          assert.notEqual((await revTo(raw, { id: 'b', rev: A1, sequence: '2' })).error, undefined);
          await revTo(raw, { id: 'c', rev: A1, sequence: '3' });
          endOfFeed(raw);
        },
        { peer: await openPeer(context, name), rules: { pullFilter: ({ id }) => (id === 'b' ? filter() : true) } },
      );
      assert.equal(await ended, undefined, name);
      assert.deepEqual(told(outcomes), ['a', 'b FILTER_FAILED', 'c'], name);
      assert.equal(await peer.metrics.count(), 2, name);
      assert.deepEqual(savedCheckpoint(raw), { remote: 1 }, name);
    }
  });

  it('that does not answer holds up nobody else, and has failed after a time', async (context) => {
    const clock = new VirtualClock();
    const { outcomes, ended, raw } = await pullFromRaw(
      context,
      async (raw) => {
        await announceTo(raw, [
          [1, 'a', A1],
          [2, 'b', A1],
        ]);
        const stuck = revTo(raw, { id: 'a', rev: A1 });
        assert.equal((await revTo(raw, { id: 'b', rev: A1, sequence: '2' })).error, undefined);
        endOfFeed(raw);
        await raw.request({ Profile: 'isAnybodyThere' });
        await clock.advance(60_000);
        assert.notEqual((await stuck).error, undefined);
      },
      { clock, rules: { pullFilter: ({ id }) => id === 'b' || new Promise<boolean>(() => undefined) } },
    );
    assert.equal(await ended, undefined);
    assert.deepEqual(told(outcomes), ['a FILTER_FAILED', 'b']);
    assert.equal(savedCheckpoint(raw), undefined);
  });

  it('that never answers does not keep a session from being stopped', async (context) => {
    let isCalled: (() => void) | undefined;
    const called = new Promise<void>((resolve) => void (isCalled = resolve));
    const { session, ended, outcomes, peer } = await pullFromRaw(
      context,
      async (raw) => {
        await announceTo(raw, [[1, 'd', A1]]);
        void revTo(raw, { rev: A1 });
      },
      {
        rules: {
          pullFilter: () => {
            isCalled?.();
            return new Promise<boolean>(() => undefined);
          },
        },
      },
    );
    await called;
    await session.stop();
    assert.equal(await ended, undefined);
    assert.deepEqual(outcomes, []);
    assert.equal(await peer.metrics.count(), 0);
  });

  it('is not called for more documents at once than it can bear', async (context) => {
    let [running, most] = [0, 0];
    const { peer, ended } = await pullFromRaw(
      context,
      async (raw) => {
        const ids = Array.from({ length: 300 }, (_, index) => `d${index}`);
        await announceTo(
          raw,
          ids.map((id, index) => [index + 1, id, A1]),
        );
        await Promise.all(ids.map((id, index) => revTo(raw, { id, rev: A1, sequence: String(index + 1) })));
        endOfFeed(raw);
      },
      {
        rules: {
          pullFilter: async () => {
            most = Math.max(most, ++running);
            await new Promise((resolve) => setImmediate(resolve));
            running--;
            return true;
          },
        },
      },
    );
    assert.equal(await ended, undefined);
    assert.equal(await peer.metrics.count(), 300);
    assert.ok(most > 1 && most <= 100, String(most));
  });
});

describe('access that was lost', LIMIT, () => {
  const ENTRIES = [2, 3, 4, 6, 7].map((flags) => [flags, `d${flags}`, A2, flags]);

  async function withDocuments(context: Parameters<typeof openPeer>[0], name: string) {
    const peer = await openPeer(context, name);
    for (const [, id] of ENTRIES) await peer.metrics.save(String(id), { mine: true });
    return peer;
  }

  it('purges what is here, changed or not, and tells of it', async (context) => {
    const { peer, raw, outcomes, ended } = await pullFromRaw(
      context,
      async (raw) => {
        const reply = await announceTo(raw, [...ENTRIES, [9, 'unknown', A1, 2]]);
        assert.equal(reply.text, '[0,0,0,0,0,0]');
        endOfFeed(raw);
      },
      { peer: await withDocuments(context, 'ours') },
    );
    assert.equal(await ended, undefined);
    assert.equal(await peer.metrics.count(), 0);
    assert.deepEqual(
      await storeOf(peer.metrics).documents(ENTRIES.map(([, id]) => String(id))),
      ENTRIES.map(() => undefined),
    );
    assert.deepEqual(told(outcomes), [
      'd2 accessRemoved',
      'd3 deleted accessRemoved',
      'd4 accessRemoved',
      'd6 accessRemoved',
      'd7 deleted accessRemoved',
    ]);
    assert.deepEqual(savedCheckpoint(raw), { remote: 9 });
  });

  it('is only told of without auto-purge, and where documents are listed', async (context) => {
    for (const options of [
      { autoPurge: false },
      { rules: { documentIDs: new Set(ENTRIES.map(([, id]) => String(id)).slice(0, 4)) } },
    ]) {
      const { peer, raw, outcomes, ended } = await pullFromRaw(
        context,
        async (raw) => {
          assert.equal((await announceTo(raw, ENTRIES)).text, '[0,0,0,0,0]');
          endOfFeed(raw);
        },
        { ...options, peer: await withDocuments(context, 'rules' in options ? 'listed' : 'kept') },
      );
      assert.equal(await ended, undefined);
      assert.equal(await peer.metrics.count(), 5);
      assert.equal(outcomes.length, 'rules' in options ? 4 : 5);
      assert.ok(outcomes.every(({ flags }) => flags.accessRemoved));
      assert.deepEqual(savedCheckpoint(raw), { remote: 7 });
    }
  });

  it('is put to the filter with an empty body, which may keep the document', async (context) => {
    const seen: string[] = [];
    const { peer, outcomes, ended, raw } = await pullFromRaw(
      context,
      async (raw) => {
        await announceTo(raw, ENTRIES);
        endOfFeed(raw);
      },
      {
        peer: await withDocuments(context, 'ours'),
        rules: {
          pullFilter: (document, flags) => {
            seen.push(`${document.id} ${document.toJSONText()} ${flags.accessRemoved}`);
            if (document.id === 'd4') throw new Error('oops');
            return document.id === 'd6';
          },
        },
      },
    );
    assert.equal(await ended, undefined);
    assert.deepEqual(
      seen.sort(),
      ENTRIES.map(([, id]) => `${id} {} true`),
    );
    assert.deepEqual(told(outcomes), ['d4 accessRemoved FILTER_FAILED', 'd6 accessRemoved']);
    assert.equal(await peer.metrics.get('d6'), undefined);
    assert.equal(await peer.metrics.count(), 4);
    assert.deepEqual(savedCheckpoint(raw), { remote: 3 });
  });

  it('may be told by a body, which a passive peer would not believe', async (context) => {
    const peer = await openPeer(context, 'ours');
    await peer.metrics.save('d', { mine: true });
    const { outcomes, ended, raw } = await pullFromRaw(
      context,
      async (raw) => {
        await announceTo(raw, [
          [1, 'd', A2],
          [2, 'unknown', A2],
        ]);
        assert.equal((await revTo(raw, { rev: A2, history: A1 }, '{"_removed":true}')).error, undefined);
        const unknown = { id: 'unknown', rev: A2, sequence: '2' };
        assert.equal((await revTo(raw, unknown, '{"_removed":true}')).error, undefined);
        endOfFeed(raw);
      },
      { peer },
    );
    assert.equal(await ended, undefined);
    assert.deepEqual(told(outcomes), ['d accessRemoved']);
    assert.deepEqual(await storeOf(peer.metrics).documents(['d', 'unknown']), [undefined, undefined]);
    assert.deepEqual(savedCheckpoint(raw), { remote: 2 });
  });
});
