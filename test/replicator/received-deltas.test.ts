/** Revisions that come as differences (specification 7), to both kinds of puller. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { systemClock } from '../../src/base/index.js';
import { loopbackPair, type Collection } from '../../src/index.js';
import { DeltaReceiver } from '../../src/replicator/delta-receiver.js';
import { Holding } from '../../src/replicator/holding.js';
import { InsertBacklog } from '../../src/replicator/insert-backlog.js';
import { PassiveSession } from '../../src/replicator/passive-session.js';
import type { DocumentOutcome } from '../../src/replicator/session-events.js';
import { cleanup } from '../support/cleanup.js';
import { assertSound, getCollections, revisionID, savedCheckpoint, storeOf } from '../support/hostile.js';
import { memoryLogger } from '../support/memory-logger.js';
import { openPeer, type Peer } from '../support/peers.js';
import { RawBlipPeer } from '../support/raw-blip-peer.js';
import { announceTo, endOfFeed, pullFromRaw, revTo, told } from '../support/raw-pull.js';

const LIMIT = { timeout: 120_000 };
const [A1, A2, A3] = [revisionID(1), revisionID(2), revisionID(3)];
const BODY = '{"n":1.0,"big":9007199254740993,"keep":[true]}';

/** One that has document "d" as a peer sent it. */
async function withBase(context: TestContext, body = BODY, deleted = false): Promise<Peer> {
  const peer = await openPeer(context, 'ours');
  const revision = { id: 'd', revisionID: A1, history: [], deleted, body, hasBlobs: false };
  await storeOf(peer.metrics).insert(revision, {});
  return peer;
}

/** A passive session of ours, which takes deltas or does not; its collections are settled. */
async function servePassive(context: TestContext, peer: Peer, enableDeltaSync: boolean) {
  const pair = loopbackPair();
  const outcomes: DocumentOutcome[] = [];
  const session = new PassiveSession({
    connection: pair.b,
    collections: [peer.metrics as unknown as Collection<never>],
    access: [{ collection: peer.metrics as unknown as Collection<never>, push: true, pull: true }],
    enableDeltaSync,
    silenceMs: 600_000,
    clock: systemClock,
    logger: memoryLogger(),
    onDocument: (outcome) => outcomes.push(outcome),
  });
  const raw = new RawBlipPeer(pair.a);
  const ended = session.run();
  await raw.open();
  cleanup(context, async () => {
    await raw.leave();
    await ended;
    assert.deepEqual(raw.faults, [], 'our side broke the rules of BLIP');
  });
  await getCollections(raw);
  return { peer, raw, outcomes };
}

async function bodyOf(peer: Peer): Promise<string | undefined> {
  return (await peer.metrics.get('d'))?.toJSONText();
}

describe('a delta that is pulled', LIMIT, () => {
  it('is announced with the first list only, and builds on the revision that was named', async (context) => {
    const peer = await withBase(context);
    const { raw, outcomes, ended } = await pullFromRaw(
      context,
      async (raw) => {
        const first = await announceTo(raw, [[1, 'd', A2]]);
        assert.deepEqual([first.text, first.properties['deltas']], [`[["${A1}"]]`, 'true']);
        assert.equal((await revTo(raw, { rev: A2, history: A1, deltaSrc: A1 }, '{"n":2}')).error, undefined);
        const second = await announceTo(raw, [[2, 'd', A3]]);
        assert.equal(second.properties['deltas'], undefined);
        const third = { rev: A3, history: `${A2},${A1}`, sequence: '2', deltaSrc: A2 };
        assert.equal((await revTo(raw, third, '{"keep":[]}')).error, undefined);
        endOfFeed(raw);
      },
      { peer },
    );
    assert.equal(await ended, undefined);
    assert.equal(await bodyOf(peer), '{"n":2,"big":9007199254740993}');
    assert.equal((await peer.metrics.get('d'))?.revisionID, A3);
    assert.deepEqual(told(outcomes), ['d', 'd']);
    assert.deepEqual(savedCheckpoint(raw), { remote: 2 });
  });

  for (const [why, source, delta] of [
    ['it builds on what is not here', A3, '{}'],
    ['it is not JSON', A1, 'nojson'],
    ['it is empty', A1, ''],
    ['it does not fit', A1, '{"n":{"x":1}}'],
    ['its result is no document', A1, '[[1]]'],
  ] as const) {
    it(`is asked for in whole where ${why}, and told of once`, async (context) => {
      const { peer, raw, outcomes, ended } = await pullFromRaw(
        context,
        async (raw) => {
          await announceTo(raw, [[1, 'd', A2]]);
          endOfFeed(raw);
          const properties = { rev: A2, history: A1 };
          const reply = await revTo(raw, { ...properties, deltaSrc: source }, delta);
          assert.equal(reply.error, 'HTTP/422');
          assert.equal((await revTo(raw, properties, '{"whole":true}')).error, undefined);
        },
        { peer: await withBase(context) },
      );
      assert.equal(await ended, undefined);
      assert.equal(await bodyOf(peer), '{"whole":true}');
      assert.deepEqual(told(outcomes), ['d']);
      assert.deepEqual(savedCheckpoint(raw), { remote: 1 });
    });
  }

  it('is not tried for ever: after another one the document has failed', async (context) => {
    const { peer, raw, outcomes, ended } = await pullFromRaw(
      context,
      async (raw) => {
        await announceTo(raw, [[1, 'd', A2]]);
        const properties = { rev: A2, history: A1, deltaSrc: A3 };
        assert.equal((await revTo(raw, properties, '{}')).error, 'HTTP/422');
        assert.equal((await revTo(raw, properties, '{}')).error, 'HTTP/400');
        endOfFeed(raw);
      },
      { peer: await withBase(context) },
    );
    assert.equal(await ended, undefined);
    assert.equal(await bodyOf(peer), BODY);
    assert.deepEqual(told(outcomes), ['d REPLICATION_PROTOCOL_ERROR']);
    assert.deepEqual(savedCheckpoint(raw), { remote: 1 });
  });

  it('has failed where nobody listens to a request for the whole', async (context) => {
    const { raw, outcomes, ended } = await pullFromRaw(
      context,
      async (raw) => {
        await announceTo(raw, [[1, 'd', A2]]);
        raw.notify({ Profile: 'rev', collection: '0', id: 'd', rev: A2, sequence: '1', deltaSrc: A3 }, '{}');
        endOfFeed(raw);
      },
      { peer: await withBase(context) },
    );
    assert.equal(await ended, undefined);
    assert.deepEqual(told(outcomes), ['d DELTA_BASE_UNKNOWN']);
    assert.deepEqual(savedCheckpoint(raw), { remote: 1 });
  });

  it('may be one to nothing where it deletes, as servers send it, or a true one', async (context) => {
    for (const [delta, expected] of [
      ['{}', '{}'],
      ['{"n":[],"big":[]}', '{"keep":[true]}'],
    ] as const) {
      const { peer, outcomes, ended } = await pullFromRaw(
        context,
        async (raw) => {
          await announceTo(raw, [[1, 'd', A2, 1]]);
          const reply = await revTo(raw, { rev: A2, history: A1, deltaSrc: A1, deleted: '1' }, delta);
          assert.equal(reply.error, undefined);
          endOfFeed(raw);
        },
        { peer: await withBase(context) },
      );
      assert.equal(await ended, undefined);
      assert.deepEqual(told(outcomes), ['d deleted']);
      const [document] = await storeOf(peer.metrics).documents(['d']);
      assert.deepEqual([document?.deleted, document?.body], [true, expected]);
    }
  });

  it('never builds on a tombstone', async (context) => {
    const { ended } = await pullFromRaw(
      context,
      async (raw) => {
        const reply = await announceTo(raw, [[1, 'd', A2]]);
        assert.equal(reply.text, '[[]]');
        assert.equal((await revTo(raw, { rev: A2, history: A1, deltaSrc: A1 }, '{}')).error, 'HTTP/422');
        assert.equal((await revTo(raw, { rev: A2, history: A1 })).error, undefined);
        endOfFeed(raw);
      },
      { peer: await withBase(context, '{}', true) },
    );
    assert.equal(await ended, undefined);
  });

  it('may change what a server repeats of the blobs', async (context) => {
    const digest = 'sha1-qcgXXMNSbE//Bs9x/PluyaWbs2Y=';
    const blob = `{"@type":"blob","digest":"${digest}","length":22}`;
    const peer = await withBase(context, `{"a":${blob}}`);
    const { ended } = await pullFromRaw(
      context,
      async (raw) => {
        await announceTo(raw, [[1, 'd', A2]]);
        const delta = '{"n":1,"_attachments":{"blob_/a":{"revpos":2}}}';
        assert.equal((await revTo(raw, { rev: A2, history: A1, deltaSrc: A1 }, delta)).error, undefined);
        endOfFeed(raw);
      },
      {
        peer,
        handlers: { getAttachment: (request, raw) => raw.reply(request, 'Hello, Couchbase blob!') },
      },
    );
    assert.equal(await ended, undefined);
    assert.deepEqual(JSON.parse((await bodyOf(peer)) ?? ''), { a: JSON.parse(blob) as unknown, n: 1 });
  });

  it('is put to the filter as the whole that it makes', async (context) => {
    const seen: string[] = [];
    const { ended } = await pullFromRaw(
      context,
      async (raw) => {
        await announceTo(raw, [[1, 'd', A2]]);
        assert.equal((await revTo(raw, { rev: A2, history: A1, deltaSrc: A1 }, '{"n":2}')).error, 'HTTP/403');
        endOfFeed(raw);
      },
      { peer: await withBase(context), rules: { pullFilter: (document) => seen.push(document.toJSONText()) < 0 } },
    );
    assert.equal(await ended, undefined);
    assert.deepEqual(seen, ['{"n":2,"big":9007199254740993,"keep":[true]}']);
  });
});

describe('a delta that is pushed to us', LIMIT, () => {
  const proposal = { Profile: 'proposeChanges', collection: '0' };
  const changes = { Profile: 'changes', collection: '0' };

  it('is taken where the listener says so, in the first answer to either kind of list', async (context) => {
    for (const [first, second] of [
      [proposal, changes],
      [changes, proposal],
    ] as const) {
      const peer = await withBase(context);
      const served = await servePassive(context, peer, true);
      const early = await revTo(served.raw, { rev: A2, history: A1, deltaSrc: A1 }, '{"n":2}');
      assert.equal(early.error, 'HTTP/422', 'before it was announced');
      assert.equal((await served.raw.request(first, 'nojson')).properties['deltas'], undefined);
      const entry = first === proposal ? ['d', A2, A1] : [1, 'd', A2];
      assert.equal((await served.raw.request(first, JSON.stringify([entry]))).properties['deltas'], 'true');
      assert.equal((await served.raw.request(second, '[["1","x"]]')).properties['deltas'], undefined);
      const reply = await revTo(served.raw, { rev: A2, history: A1, deltaSrc: A1 }, '{"n":2}');
      assert.equal(reply.error, undefined);
      assert.equal(await bodyOf(peer), '{"n":2,"big":9007199254740993,"keep":[true]}');
      await assertSound(served);
    }
  });

  it('is refused where the listener takes none', async (context) => {
    const served = await servePassive(context, await withBase(context), false);
    const reply = await served.raw.request(proposal, JSON.stringify([['d', A2, A1]]));
    assert.equal(reply.properties['deltas'], undefined);
    const properties = { rev: A2, history: A1 };
    assert.equal((await revTo(served.raw, { ...properties, deltaSrc: A1 }, '{"n":2}')).error, 'HTTP/422');
    assert.equal((await revTo(served.raw, properties, '{"n":2}')).error, undefined);
    assert.deepEqual(
      served.outcomes.filter(({ error }) => error !== undefined),
      [],
    );
  });

  it('is asked for in whole where its base is unknown or it cannot be read', async (context) => {
    const served = await servePassive(context, await withBase(context), true);
    await served.raw.request(proposal, JSON.stringify([['d', A2, A1]]));
    for (const [properties, body] of [
      [{ rev: A2, history: A1, deltaSrc: A3 }, '{}'],
      [{ rev: A2, history: A1, deltaSrc: 'x'.repeat(5_000) }, '{}'],
      [{ rev: A2, history: A1, deltaSrc: A1 }, ''],
      [{ rev: A2, history: A1, deltaSrc: A1 }, '{"n":'],
      [{ id: 'unknown', rev: A2, deltaSrc: A1 }, '{"n":1}'],
    ] as const) {
      assert.equal((await revTo(served.raw, properties, body)).error, 'HTTP/422', JSON.stringify(properties));
    }
    assert.equal((await revTo(served.raw, { rev: A2, history: A1 }, '{"n":3}')).error, undefined);
    assert.deepEqual(
      served.outcomes.filter(({ error }) => error !== undefined),
      [],
    );
    await assertSound(served);
  });
});

describe('what deltas make', LIMIT, () => {
  it('is bounded by itself, however short they are', async (context) => {
    const store = storeOf((await withBase(context, `{"long":"${'x'.repeat(3 * 1024 * 1024)}"}`)).metrics);
    const receiver = new DeltaReceiver(store);
    const header = { id: 'd', revisionID: A2, history: [A1], deleted: false };
    const made: Holding[] = [];
    const all = Array.from({ length: 6 }, async () => {
      const holding = new Holding(new InsertBacklog(4 * 1024 * 1024), 0);
      await receiver.whole(header, A1, '{"n":1}', holding);
      made.push(holding);
    });
    await Promise.race(all);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(made.length, 1, 'two of them are more than may wait');
    for (let released = 0; released < all.length; released++) {
      while (made.length === released) await new Promise((resolve) => setImmediate(resolve));
      assert.equal(made.length, released + 1);
      made[released]?.release();
    }
    await Promise.all(all);
  });
});
