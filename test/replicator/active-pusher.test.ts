/** What an active peer of ours proposes and sends, as a passive peer sees it (specification 3.8, 3.9, 5.7, 7). */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { deferred } from '../../src/base/index.js';
import type { Document, Replicator } from '../../src/index.js';
import {
  againstRaw,
  caughtUp,
  collectionOf,
  revisionID,
  savedCheckpoint,
  settled,
  storeOf,
} from '../support/hostile.js';
import { openPeer } from '../support/peers.js';
import type { RawBlipPeer, RawHandler, RawRequest } from '../support/raw-blip-peer.js';

const LIMIT = { timeout: 120_000 };
const TEXT = 'x'.repeat(300);
/** What a peer of ours answers to a list from which it wants everything. */
const WILLING = { deltas: 'true', blobs: 'true', maxHistory: '50' };

async function run(replicator: Replicator): Promise<void> {
  replicator.start();
  assert.equal(await replicator.stopped(), undefined);
}

/** `push a` or `push a CODE` for each document that was told of, in order. */
function toldOf(replicator: Replicator): string[] {
  const told: string[] = [];
  replicator.on('documents', ({ isPush, documents }) => {
    for (const { id, flags, error } of documents) {
      const parts = [
        isPush ? 'push' : 'pull',
        id,
        ...(flags.deleted ? ['deleted'] : []),
        ...(error ? [error.code] : []),
      ];
      told.push(parts.join(' '));
    }
  });
  return told;
}

function proposals(requests: readonly RawRequest[]): [id: string, revisionID: string, parentID: string][][] {
  return requests
    .filter(({ profile }) => profile === 'proposeChanges')
    .map(({ text }) => JSON.parse(text) as [string, string, string][]);
}

function revs(requests: readonly RawRequest[]): RawRequest[] {
  return requests.filter(({ profile }) => profile === 'rev');
}

/**
 * Saves a document in two revisions, the second one when the remote has the first, and waits until all is pushed. Resolves
 * to both, and to what the remote saw of the second.
 */
async function edited(
  context: TestContext,
  handlers: Readonly<Record<string, RawHandler>>,
): Promise<{ first: Document; second: Document; requests: RawRequest[]; told: string[] }> {
  const options = { type: 'push', continuous: true } as const;
  const { peer, raws, replicator } = await againstRaw(context, handlers, options);
  const told = toldOf(replicator);
  replicator.start();
  const first = await peer.metrics.save('d', { n: 1, text: TEXT });
  await replicator.whenIdle();
  const raw = raws[0] as RawBlipPeer;
  assert.equal(revs(raw.requests)[0]?.properties['deltaSrc'], undefined);
  const before = raw.requests.length;
  const second = await peer.metrics.save('d', { n: 2, text: TEXT });
  await replicator.whenIdle();
  await replicator.stop();
  return { first, second, requests: raw.requests.slice(before), told };
}

const takesDeltas: RawHandler = (request, peer) => peer.reply(request, '[]', WILLING);

describe('an active pusher sends deltas', LIMIT, () => {
  it('to the revision that the peer has accepted as the parent, once the peer says that it takes them', async (context) => {
    const { first, second, requests, told } = await edited(context, { proposeChanges: takesDeltas });
    const [rev] = revs(requests);
    assert.equal(rev?.text, '{"n":2}');
    assert.equal(rev.properties['deltaSrc'], first.revisionID);
    assert.equal(rev.properties['rev'], second.revisionID);
    assert.equal(rev.properties['history'], first.revisionID);
    assert.deepEqual(told, ['push d', 'push d']);
  });

  it('not to a peer that does not say so, or no longer', async (context) => {
    for (const last of [undefined, 'false']) {
      const { requests } = await edited(context, {
        proposeChanges: (request, raw) => {
          const isFirst = request.text.includes('""');
          const deltas = last === undefined ? {} : { deltas: isFirst ? 'true' : last };
          raw.reply(request, '[]', { blobs: 'true', ...deltas });
        },
      });
      const [rev] = revs(requests);
      assert.equal(rev?.properties['deltaSrc'], undefined);
      assert.equal(rev?.text, `{"n":2,"text":"${TEXT}"}`);
    }
  });

  it('not where the peer turns out to lack the document', async (context) => {
    const { first, requests } = await edited(context, {
      proposeChanges: (request, raw) => {
        const [entry] = JSON.parse(request.text) as [string, string, string][];
        raw.reply(request, entry?.[2] === '' ? '[]' : '[{"status":409,"rev":""}]', WILLING);
      },
    });
    assert.deepEqual(
      proposals(requests).map(([entry]) => entry?.[2]),
      [first.revisionID, ''],
    );
    const [rev] = revs(requests);
    assert.deepEqual([rev?.properties['deltaSrc'], rev?.text], [undefined, `{"n":2,"text":"${TEXT}"}`]);
  });

  it('and the whole revision at once, without a new proposal, where the delta is refused', async (context) => {
    for (const error of ['HTTP/422', 'LiteCore/31', 'LiteCore/32']) {
      const { requests, told } = await edited(context, {
        proposeChanges: takesDeltas,
        rev: (request, raw) =>
          request.properties['deltaSrc'] === undefined ? raw.reply(request) : raw.refuse(request, error),
      });
      assert.equal(proposals(requests).length, 1, error);
      const [delta, whole] = revs(requests);
      assert.equal(delta?.text, '{"n":2}', error);
      assert.equal(whole?.text, `{"n":2,"text":"${TEXT}"}`, error);
      assert.deepEqual({ ...whole.properties, deltaSrc: '' }, { ...delta.properties, deltaSrc: '' }, error);
      assert.deepEqual(told, ['push d', 'push d'], error);
    }
  });

  it('and reports what is wrong with the whole revision, where that is refused too', async (context) => {
    const { requests, told } = await edited(context, {
      proposeChanges: takesDeltas,
      rev: (request, raw) =>
        request.properties['rev']?.startsWith('1-') === true ? raw.reply(request) : raw.refuse(request, 'HTTP/422'),
    });
    assert.equal(revs(requests).length, 2);
    assert.deepEqual(told, ['push d', 'push d REPLICATION_REMOTE_ERROR']);
  });
});

describe('an active pusher', LIMIT, () => {
  it('tells of each document that was sent or refused, once, and of none that the peer had', async (context) => {
    const peer = await openPeer(context, 'ours');
    for (const id of ['a', 'b', 'c', 'd', 'e']) await peer.metrics.save(id, { id });
    await peer.metrics.delete('e');
    const { raws, replicator } = await againstRaw(
      context,
      {
        proposeChanges: (request, raw) => raw.reply(request, '[0,304,0,500,0]', WILLING),
        rev: (request, raw) =>
          request.properties['id'] === 'c' ? raw.refuse(request, 'HTTP/413') : raw.reply(request),
      },
      { peer, type: 'push' },
    );
    const told = toldOf(replicator);
    await run(replicator);
    assert.deepEqual(told.sort(), [
      'push a',
      'push c REPLICATION_REMOTE_ERROR',
      'push d REPLICATION_REMOTE_ERROR',
      'push e deleted',
    ]);
    assert.deepEqual(savedCheckpoint(raws[0]), { local: 6 });
  });

  it('proposes again in one list what one answer has refused', async (context) => {
    const peer = await openPeer(context, 'ours');
    const count = 50;
    for (let index = 0; index < count; index++) await peer.metrics.save(`d${index}`, { index });
    const { raws, replicator } = await againstRaw(context, {}, { peer, type: 'push' });
    await run(replicator);
    const firsts = new Map(proposals(raws[0]?.requests ?? []).flatMap((list) => list.map(([id, rev]) => [id, rev])));
    assert.equal(firsts.size, count);
    for (let index = 0; index < count; index++) await peer.metrics.save(`d${index}`, { index, again: true });
    const other = await againstRaw(
      context,
      {
        proposeChanges: (request, raw) => {
          const list = JSON.parse(request.text) as [string, string, string][];
          const answers = list.map(([id, , parent]) =>
            parent === firsts.get(id) ? 0 : { status: 409, rev: firsts.get(id) },
          );
          raw.reply(request, JSON.stringify(answers), WILLING);
        },
      },
      { peer, type: 'push' },
    );
    // What is recorded of the remote counts for nothing then, so everything is proposed on top of nothing.
    other.replicator.start({ reset: true });
    assert.equal(await other.replicator.stopped(), undefined);
    const requests = other.raws[0]?.requests ?? [];
    assert.deepEqual(
      proposals(requests).map((list) => list.length),
      [count, count],
    );
    assert.equal(revs(requests).length, count);
  });

  it('withdraws what was purged or has expired between its proposal and the answer', async (context) => {
    const peer = await openPeer(context, 'ours');
    for (const id of ['kept', 'purged', 'expired']) await peer.metrics.save(id, { id });
    const { raws, replicator } = await againstRaw(
      context,
      {
        proposeChanges: async (request, raw) => {
          await peer.metrics.purge('purged');
          await peer.metrics.setDocumentExpiration('expired', new Date(peer.database.clock.now() + 1));
          while ((await storeOf(peer.metrics).documents(['expired']))[0] !== undefined) await settled(raw);
          raw.reply(request, '[]', WILLING);
        },
      },
      { peer, type: 'push' },
    );
    const told = toldOf(replicator);
    await run(replicator);
    const requests = raws[0]?.requests ?? [];
    assert.deepEqual(
      revs(requests).map(({ properties }) => properties['id']),
      ['kept'],
    );
    const withdrawn = requests.filter(({ profile }) => profile === 'norev');
    assert.deepEqual(withdrawn.map(({ properties }) => `${properties['id']} ${properties['error']}`).sort(), [
      'expired 404',
      'purged 404',
    ]);
    assert.deepEqual(told, ['push kept']);
    assert.equal(savedCheckpoint(raws[0])?.['local'], storeOf(peer.metrics).lastSequence);
  });

  it('sends the newest of several revisions that are saved while one is under way', async (context) => {
    const peer = await openPeer(context, 'ours');
    await peer.metrics.save('d', { n: 0 });
    const { raws, replicator } = await againstRaw(
      context,
      {
        rev: async (request, raw) => {
          if (request.properties['rev']?.startsWith('1-') === true)
            for (let n = 1; n <= 5; n++) await peer.metrics.save('d', { n });
          raw.reply(request);
        },
      },
      { peer, type: 'push', continuous: true },
    );
    replicator.start();
    await replicator.whenIdle();
    assert.equal((await peer.metrics.get('d'))?.body.n, 5);
    const sent = revs(raws[0]?.requests ?? []).map(({ properties }) => properties['rev']);
    assert.equal(sent.at(-1), (await peer.metrics.get('d'))?.revisionID);
    assert.equal(new Set(sent).size, sent.length);
    await replicator.stop();
  });
});

describe('a push that conflicts with what the peer has', LIMIT, () => {
  const OTHER = revisionID(1, 'f');
  const conflicting: RawHandler = (request, raw) =>
    raw.reply(request, JSON.stringify([{ status: 409, rev: OTHER }]), WILLING);

  /** Announces one revision and sends it when asked. */
  async function feedOf(request: RawRequest, raw: Parameters<RawHandler>[1], rev: string, body: string): Promise<void> {
    raw.reply(request);
    const collection = collectionOf(request);
    const answer = await raw.request({ Profile: 'changes', ...collection }, JSON.stringify([[1, 'd', rev]]));
    if (answer.text.startsWith('[['))
      await raw.request({ Profile: 'rev', ...collection, id: 'd', rev, sequence: '1' }, body);
    caughtUp(request, raw);
  }

  it('is told of once where nothing is pulled', async (context) => {
    const { peer, replicator, raws } = await againstRaw(context, { proposeChanges: conflicting }, { type: 'push' });
    await peer.metrics.save('d', { mine: true });
    const told = toldOf(replicator);
    await run(replicator);
    assert.deepEqual(told, ['push d DOCUMENT_CONFLICT']);
    assert.deepEqual(savedCheckpoint(raws[0]), { local: 1 });
  });

  it('is told of at the end where the pull does not bring the other branch', async (context) => {
    const { peer, replicator, raws } = await againstRaw(context, { proposeChanges: conflicting });
    await peer.metrics.save('d', { mine: true });
    const told = toldOf(replicator);
    await run(replicator);
    assert.deepEqual(told, ['push d DOCUMENT_CONFLICT']);
    assert.deepEqual(savedCheckpoint(raws[0]), { local: 1 });
  });

  it('is settled by the pull, and its outcome is pushed', async (context) => {
    const newer = revisionID(2, 'f');
    const { peer, replicator, raws } = await againstRaw(context, {
      subChanges: (request, raw) => feedOf(request, raw, newer, '{"theirs":true}'),
      proposeChanges: (request, raw) => {
        const [entry] = JSON.parse(request.text) as [string, string, string][];
        raw.reply(request, JSON.stringify(entry?.[2] === newer ? [0] : [{ status: 409, rev: newer }]), WILLING);
      },
    });
    await peer.metrics.save('d', { mine: true });
    const told = toldOf(replicator);
    await run(replicator);
    assert.deepEqual(told, ['pull d']);
    assert.deepEqual((await peer.metrics.get('d'))?.body, { theirs: true });
    assert.equal(revs(raws[0]?.requests ?? []).length, 0);
  });

  it('is proposed again when the puller learns that the peer has an ancestor of it', async (context) => {
    const peer = await openPeer(context, 'ours');
    const first = await peer.metrics.save('d', { n: 1 });
    const second = await peer.metrics.save('d', { n: 2 });
    const refused = deferred();
    const { replicator, raws } = await againstRaw(
      context,
      {
        // It says at first that it has something else, then that it has what we began with.
        subChanges: async (request, raw) => {
          raw.reply(request);
          await refused.promise;
          await settled(raw);
          await raw.request(
            { Profile: 'changes', ...collectionOf(request) },
            JSON.stringify([[1, 'd', first.revisionID]]),
          );
          caughtUp(request, raw);
        },
        proposeChanges: (request, raw) => {
          const [entry] = JSON.parse(request.text) as [string, string, string][];
          raw.reply(request, entry?.[2] === first.revisionID ? '[]' : JSON.stringify([{ status: 409, rev: OTHER }]));
          refused.resolve();
        },
      },
      { peer },
    );
    const told = toldOf(replicator);
    await run(replicator);
    assert.deepEqual(
      revs(raws[0]?.requests ?? []).map(({ properties }) => [properties['rev'], properties['history']]),
      [[second.revisionID, first.revisionID]],
    );
    assert.deepEqual(told, ['push d']);
  });
});
