/** What a pull stores, keeps out and removes (features C4, C5). Numbers are those of the scenarios. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Replicator } from '../../src/index.js';
import { documentProblems } from '../support/document-problems.js';
import { againstRaw, collectionOf, revisionID } from '../support/hostile.js';
import { contents, link, openPeer, sync, whenChanged } from '../support/peers.js';

const LIMIT = { timeout: 120_000 };

/** `id` of each document that was pulled, with `+deleted` and `+accessRemoved`; grows. */
function pulled(replicator: Replicator): string[] {
  const list: string[] = [];
  replicator.on('documents', ({ isPush, documents }) => {
    for (const { id, flags } of isPush ? [] : documents) {
      list.push(`${id}${flags.deleted ? '+deleted' : ''}${flags.accessRemoved ? '+accessRemoved' : ''}`);
    }
  });
  return list;
}

describe('a document', LIMIT, () => {
  it('98. that is made again after its deletion exists on both sides, without a conflict', async (context) => {
    for (const type of ['push', 'pull'] as const) {
      const [a, b] = [await openPeer(context, `a-${type}`), await openPeer(context, `b-${type}`)];
      const [from, to] = type === 'push' ? [a, b] : [b, a];
      const { replicator } = link(a, b, { type });
      const problems = documentProblems(replicator);
      const run = async (): Promise<void> => {
        replicator.start();
        assert.equal(await replicator.stopped(), undefined);
      };
      await from.metrics.save('d', { life: 1 });
      await run();
      await from.metrics.delete('d');
      await run();
      assert.equal(await to.metrics.get('d'), undefined);
      await from.metrics.save('d', { life: 2 });
      await run();
      assert.deepEqual((await to.metrics.get('d'))?.body, { life: 2 });
      assert.deepEqual(await contents(a.metrics), await contents(b.metrics));
      assert.deepEqual(problems, []);
    }
  });

  it('99. that is deleted is not pulled into an empty database', async (context) => {
    const [a, b] = [await openPeer(context, 'a'), await openPeer(context, 'b')];
    for (let index = 0; index < 50; index++) {
      await b.metrics.save(`live-${index}`, { index });
      await b.metrics.save(`dead-${index}`, { index });
      await b.metrics.delete(`dead-${index}`);
    }
    const { replicator } = link(a, b, { type: 'pull' });
    const events = pulled(replicator);
    replicator.start();
    assert.equal(await replicator.stopped(), undefined);
    assert.equal(await a.metrics.count(), 50);
    assert.deepEqual(events.sort(), Array.from({ length: 50 }, (_, index) => `live-${index}`).sort());
  });

  it('100. that is purged here is not pulled again, until it is asked for with a reset', async (context) => {
    const [a, b] = [await openPeer(context, 'a'), await openPeer(context, 'b')];
    const { replicator } = link(a, b, { type: 'pull' });
    for (let index = 0; index < 10; index++) await b.metrics.save(`d${index}`, { index });
    const run = async (options: { reset: boolean }): Promise<number> => {
      replicator.start(options);
      assert.equal(await replicator.stopped(), undefined);
      return a.metrics.count();
    };
    assert.equal(await run({ reset: false }), 10);
    for (let index = 0; index < 10; index++) await a.metrics.purge(`d${index}`);
    assert.equal(await run({ reset: false }), 0);
    assert.equal(await b.metrics.count(), 10, 'a purge is local');
    assert.equal(await run({ reset: true }), 10);
  });
});

describe('a pull filter', LIMIT, () => {
  it('130. keeps out what does not pass it', async (context) => {
    const [a, b] = [await openPeer(context, 'a'), await openPeer(context, 'b')];
    for (let index = 0; index < 20; index++) await b.metrics.save(`d${index}`, { index });
    const pullFilter = ({ body }: { readonly body: { readonly index: number } }): boolean => body.index % 2 === 0;
    const collections = [{ collection: a.metrics, pullFilter }];
    await sync(a, b, { type: 'pull', collections });
    const even = Array.from({ length: 10 }, (_, index) => `d${index * 2}`);
    const ids = async (): Promise<string[]> => (await contents(a.metrics)).map((line) => line.split(' ')[0] ?? '');
    assert.deepEqual(await ids(), even.sort());
    await sync(a, b, { type: 'pull', collections });
    assert.deepEqual(await ids(), even);
  });

  for (const type of ['push', 'pull'] as const) {
    for (const continuous of [false, true]) {
      it(`131. may refuse a deletion, in a ${type} that is ${continuous ? 'continuous' : 'one-shot'}`, async (context) => {
        const [a, b] = [await openPeer(context, 'a'), await openPeer(context, 'b')];
        const [from, to] = type === 'push' ? [a, b] : [b, a];
        for (const id of ['doc1', 'doc2']) await from.metrics.save(id, {});
        const filter = ({ id }: { id: string }, { deleted }: { deleted: boolean }): boolean =>
          !deleted || id === 'doc2';
        const rule = type === 'push' ? { pushFilter: filter } : { pullFilter: filter };
        const { replicator } = link(a, b, { type, continuous, collections: [{ collection: a.metrics, ...rule }] });
        const hasSettled = async (count: number): Promise<void> => {
          if (!continuous || replicator.status.activity === 'stopped') replicator.start();
          if (!continuous) assert.equal(await replicator.stopped(), undefined);
          await whenChanged(to.metrics, async () => (await to.metrics.count()) === count);
        };
        await hasSettled(2);
        await from.metrics.delete('doc1');
        await from.metrics.delete('doc2');
        await hasSettled(1);
        assert.notEqual(await to.metrics.get('doc1'), undefined);
        assert.equal(await to.metrics.get('doc2'), undefined);
        await replicator.stop();
      });
    }
  }

  it('132. decides whether a document to which access was lost stays', async (context) => {
    const [A1, A2] = [revisionID(1), revisionID(2)];
    const seen: string[] = [];
    const peer = await openPeer(context, 'ours');
    let [sequence, body, revision] = [0, '{"n":1}', A1];
    const { replicator } = await againstRaw(
      context,
      {
        subChanges: async (request, raw) => {
          raw.reply(request);
          const collection = collectionOf(request);
          for (const id of ['kept', 'lost']) {
            await raw.request({ Profile: 'changes', ...collection }, JSON.stringify([[++sequence, id, revision]]));
            const rev = { Profile: 'rev', id, rev: revision, sequence: String(sequence), ...collection };
            await raw.request(revision === A1 ? rev : { ...rev, history: A1 }, body);
          }
          raw.notify({ Profile: 'changes', ...collection }, '[]');
        },
      },
      {
        peer,
        type: 'pull',
        collections: [
          {
            collection: peer.metrics,
            pullFilter: (document: { id: string; toJSONText: () => string }, { accessRemoved }) => {
              seen.push(`${document.id} ${document.toJSONText()} ${accessRemoved}`);
              return !accessRemoved || document.id === 'lost';
            },
          },
        ],
      },
    );
    const events = pulled(replicator);
    for (const next of ['{"_removed":true}', '']) {
      replicator.start();
      assert.equal(await replicator.stopped(), undefined);
      [body, revision] = [next, A2];
    }
    assert.deepEqual(seen, ['kept {"n":1} false', 'lost {"n":1} false', 'kept {} true', 'lost {} true']);
    assert.deepEqual(events, ['kept', 'lost', 'lost+accessRemoved']);
    assert.deepEqual(
      (await contents(peer.metrics)).map((line) => line.split(' ')[0]),
      ['kept'],
    );
  });
});
