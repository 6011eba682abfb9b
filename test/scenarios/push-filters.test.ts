/**
 * What is pushed, and what waits to be (features C4 and C5): filters, lists of documents, pending documents. Numbers are
 * those of the scenarios.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { deferred, type DocumentFlags, type Replicator } from '../../src/index.js';
import { documentProblems } from '../support/document-problems.js';
import { link, openPeer, sync, whenChanged, type AnyCollection, type Peer } from '../support/peers.js';

const LIMIT = { timeout: 120_000 };

async function pair(context: TestContext): Promise<{ a: Peer; b: Peer }> {
  return { a: await openPeer(context, 'a'), b: await openPeer(context, 'b') };
}

async function run(replicator: Replicator): Promise<void> {
  replicator.start();
  assert.equal(await replicator.stopped(), undefined);
}

async function save(collection: AnyCollection, ...ids: string[]): Promise<void> {
  for (const id of ids) await collection.save(id, { id });
}

async function idsOf(collection: AnyCollection): Promise<string[]> {
  const ids: string[] = [];
  for await (const { id } of collection.documents()) ids.push(id);
  return ids;
}

async function pending(replicator: Replicator, collection: AnyCollection): Promise<string[]> {
  return [...(await replicator.pendingDocumentIDs(collection))].sort();
}

describe('a push', LIMIT, () => {
  it('102. Purged pending doc: never sent', async (context) => {
    const { a, b } = await pair(context);
    await save(a.metrics, 'kept', 'purged');
    const { replicator } = link(a, b, { type: 'push', continuous: true });
    assert.deepEqual(await pending(replicator, a.metrics), ['kept', 'purged']);
    await a.metrics.purge('purged');
    assert.deepEqual(await pending(replicator, a.metrics), ['kept']);
    replicator.start();
    await replicator.whenIdle();
    await a.database.inBatch(async (batch) => {
      const metrics = batch.collection('metrics');
      await metrics.save('later', { id: 'later' });
      await metrics.save('brief', { id: 'brief' });
      await metrics.purge('brief');
    });
    await replicator.whenIdle();
    await replicator.stop();
    assert.deepEqual(await idsOf(b.metrics), ['kept', 'later']);
  });

  it('123. Filters + restart: only what is new is asked about', async (context) => {
    const { a, b } = await pair(context);
    const asked: string[] = [];
    const pushFilter = ({ id }: { id: string }): boolean => {
      asked.push(id);
      return id !== 'b';
    };
    for (const continuous of [false, true]) {
      const made = link(a, b, { type: 'push', continuous, collections: [{ collection: a.metrics, pushFilter }] });
      await save(a.metrics, `${String(continuous)}-1`, 'b');
      const runOnce = async (): Promise<string[]> => {
        made.replicator.start();
        await made.replicator.whenIdle();
        await made.replicator.stop();
        return asked.splice(0).sort();
      };
      assert.deepEqual(await runOnce(), ['b', `${String(continuous)}-1`]);
      assert.deepEqual(await runOnce(), []);
      await save(a.metrics, `${String(continuous)}-2`);
      assert.deepEqual(await runOnce(), [`${String(continuous)}-2`]);
    }
    assert.deepEqual(await idsOf(b.metrics), ['false-1', 'false-2', 'true-1', 'true-2']);
  });

  it('129. Push filter: only what passes arrives; it sees the document and can change nothing', async (context) => {
    const { a, b } = await pair(context);
    const seen = new Map<string, { revisionID: string; flags: DocumentFlags; text: string }>();
    await save(a.metrics, 'yes', 'no');
    const deleted = await a.metrics.save('deleted', { secret: true });
    await a.metrics.delete('deleted');
    const made = link(a, b, {
      type: 'push',
      collections: [
        {
          collection: a.metrics,
          pushFilter: async (document, flags) => {
            seen.set(document.id, { revisionID: document.revisionID, flags, text: document.toJSONText() });
            (document.body as { id: string }).id = 'changed';
            await Promise.resolve();
            return document.id !== 'no';
          },
        },
      ],
    });
    await run(made.replicator);
    assert.deepEqual(await idsOf(b.metrics), ['yes']);
    assert.deepEqual((await b.metrics.get('yes'))?.body, { id: 'yes' });
    assert.deepEqual((await a.metrics.get('yes'))?.body, { id: 'yes' });
    assert.deepEqual(seen.get('yes'), {
      revisionID: (await a.metrics.get('yes'))?.revisionID,
      flags: { deleted: false, accessRemoved: false },
      text: '{"id":"yes"}',
    });
    assert.deepEqual(seen.get('deleted')?.flags, { deleted: true, accessRemoved: false });
    assert.notEqual(seen.get('deleted')?.revisionID, deleted.revisionID);
    // What was refused counts as handled until it changes.
    seen.clear();
    await run(made.replicator);
    assert.equal(seen.size, 0);
    await a.metrics.save('no', { id: 'no', again: true });
    await run(made.replicator);
    assert.deepEqual([...seen.keys()], ['no']);
  });

  it('waits for slow filters without holding up the others, and for one that never answers not at its end', async (context) => {
    const { a, b } = await pair(context);
    const slow = deferred<boolean>();
    await save(a.metrics, 'hangs', 'slow');
    await save(a.metrics, ...Array.from({ length: 500 }, (_, index) => `d${index}`));
    const { replicator } = link(a, b, {
      type: 'push',
      continuous: true,
      collections: [
        {
          collection: a.metrics,
          pushFilter: ({ id }) =>
            id === 'hangs' ? new Promise<boolean>(() => undefined) : id === 'slow' ? slow.promise : true,
        },
      ],
    });
    replicator.start();
    await whenChanged(b.metrics, async () => (await b.metrics.count()) === 500);
    slow.resolve(true);
    await whenChanged(b.metrics, async () => (await b.metrics.get('slow')) !== undefined);
    await replicator.stop();
  });

  it('keeps back what its filter fails for, and asks again the next time', async (context) => {
    const { a, b } = await pair(context);
    await save(a.metrics, 'a', 'b', 'c');
    let fails = true;
    const made = link(a, b, {
      type: 'push',
      collections: [
        {
          collection: a.metrics,
          pushFilter: ({ id }) => {
            if (fails && id === 'b') throw new Error('oops');
            return true;
          },
        },
      ],
    });
    const problems = documentProblems(made.replicator);
    await run(made.replicator);
    assert.deepEqual(
      problems.map(({ documentID, error }) => `${documentID} ${error.code}`),
      ['b FILTER_FAILED'],
    );
    assert.deepEqual(await idsOf(b.metrics), ['a', 'c']);
    assert.deepEqual(await pending(made.replicator, a.metrics), ['b']);
    fails = false;
    await run(made.replicator);
    assert.deepEqual(await idsOf(b.metrics), ['a', 'b', 'c']);
    assert.deepEqual(await pending(made.replicator, a.metrics), []);
  });

  it('133. docIDs filter push/pull: only what is listed, also when it is made or deleted later', async (context) => {
    for (const type of ['push', 'pull'] as const) {
      const a = await openPeer(context, `${type}-a`);
      const b = await openPeer(context, `${type}-b`);
      const [from, to] = type === 'push' ? [a, b] : [b, a];
      const documentIDs = ['one', 'two', 'later', 'nobody'];
      const made = link(a, b, { type, collections: [{ collection: a.metrics, documentIDs }] });
      await save(from.metrics, 'one', 'two', 'three');
      await run(made.replicator);
      assert.deepEqual(await idsOf(to.metrics), ['one', 'two'], type);
      await save(from.metrics, 'later', 'other');
      await from.metrics.delete('one');
      await run(made.replicator);
      assert.deepEqual(await idsOf(to.metrics), ['later', 'two'], type);
    }
  });

  it('134. docIDs in two collections differ', async (context) => {
    const { a, b } = await pair(context);
    const [mine, theirs] = await Promise.all([a, b].map(({ database }) => database.createCollection('alarms')));
    assert.ok(mine && theirs);
    for (const collection of [a.metrics, mine]) await save(collection, 'x', 'y', 'z');
    const made = link(a, b, {
      type: 'push',
      served: [b.metrics, theirs],
      collections: [
        { collection: a.metrics, documentIDs: ['x'] },
        { collection: mine, documentIDs: ['y', 'z'] },
      ],
    });
    await run(made.replicator);
    assert.deepEqual(await idsOf(b.metrics), ['x']);
    assert.deepEqual(await idsOf(theirs), ['y', 'z']);
  });
});

describe('pending documents', LIMIT, () => {
  it('135. Pending IDs create/update/delete: what changed, until it is pushed', async (context) => {
    for (const type of ['push', 'pushAndPull'] as const) {
      const a = await openPeer(context, `${type}-a`);
      const b = await openPeer(context, `${type}-b`);
      const { replicator } = link(a, b, { type });
      const changes: (readonly [string, () => Promise<unknown>])[] = [
        ['created', () => save(a.metrics, 'one', 'two', 'three')],
        ['updated', () => a.metrics.save('two', { again: true })],
        ['deleted', () => a.metrics.delete('three')],
      ];
      const expected = [['one', 'three', 'two'], ['two'], ['three']];
      for (const [index, [what, change]] of changes.entries()) {
        await change();
        assert.deepEqual(await pending(replicator, a.metrics), expected[index], what);
        for (const id of ['one', 'two', 'three', 'nobody']) {
          const isExpected = expected[index]?.includes(id) ?? false;
          assert.equal(await replicator.isDocumentPending(id, a.metrics), isExpected, `${what} ${id}`);
        }
        await run(replicator);
        assert.deepEqual(await pending(replicator, a.metrics), [], what);
      }
      // What came from there needs not go back.
      if (type === 'pushAndPull') {
        await save(b.metrics, 'theirs');
        await run(replicator);
        assert.deepEqual(await pending(replicator, a.metrics), []);
      }
    }
  });

  it('are those of one remote, and all of them for a remote that was never met', async (context) => {
    const { a, b } = await pair(context);
    const c = await openPeer(context, 'c');
    await save(a.metrics, ...Array.from({ length: 450 }, (_, index) => `d${index}`));
    await sync(a, b, { type: 'push' });
    assert.equal((await pending(link(a, b, { type: 'push' }).replicator, a.metrics)).length, 0);
    assert.equal((await pending(link(a, c, { type: 'push' }).replicator, a.metrics)).length, 450);
  });

  it('are known while the replicator is running', async (context) => {
    const { a, b } = await pair(context);
    const { replicator } = link(a, b, { type: 'push', continuous: true });
    replicator.start();
    await replicator.whenIdle();
    await save(a.metrics, 'one');
    await replicator.whenIdle();
    assert.deepEqual(await pending(replicator, a.metrics), []);
    await replicator.stop();
    await save(a.metrics, 'two');
    assert.deepEqual(await pending(replicator, a.metrics), ['two']);
  });

  it('136. Pending + push filter/docIDs: only what passes', async (context) => {
    const { a, b } = await pair(context);
    await save(a.metrics, 'one', 'two', 'three');
    const filtered = link(a, b, {
      type: 'push',
      collections: [{ collection: a.metrics, pushFilter: ({ id }) => Promise.resolve(id !== 'two') }],
    });
    assert.deepEqual(await pending(filtered.replicator, a.metrics), ['one', 'three']);
    assert.equal(await filtered.replicator.isDocumentPending('two', a.metrics), false);
    const listed = link(a, b, {
      type: 'push',
      collections: [{ collection: a.metrics, documentIDs: ['two', 'nobody'], pushFilter: () => true }],
    });
    assert.deepEqual(await pending(listed.replicator, a.metrics), ['two']);
    assert.equal(await listed.replicator.isDocumentPending('one', a.metrics), false);
    await run(listed.replicator);
    assert.deepEqual(await pending(listed.replicator, a.metrics), []);
  });

  it('include a document in conflict, until its resolution is pushed', async (context) => {
    const { a, b } = await pair(context);
    await a.metrics.save('d', { mine: true });
    await b.metrics.save('d', { theirs: true });
    const collections = (fails: boolean) => [
      {
        collection: a.metrics,
        conflictResolver: ({ localDocument }: { localDocument?: never }) => {
          if (fails) throw new Error('not now');
          return localDocument ?? null;
        },
      },
    ];
    const failing = link(a, b, { collections: collections(true) as never });
    await run(failing.replicator);
    assert.deepEqual(await pending(failing.replicator, a.metrics), ['d']);
    const resolving = link(a, b, { collections: collections(false) as never });
    await run(resolving.replicator);
    assert.deepEqual((await b.metrics.get('d'))?.body, { mine: true });
    assert.deepEqual(await pending(resolving.replicator, a.metrics), []);
  });

  it('137. Pending on pull-only: Unsupported (19)', async (context) => {
    const { a, b } = await pair(context);
    const { replicator } = link(a, b, { type: 'pull' });
    const unsupported = { domain: 'CouchbaseLite', number: 19 };
    await assert.rejects(replicator.pendingDocumentIDs(a.metrics), unsupported);
    await assert.rejects(replicator.isDocumentPending('d', a.metrics), unsupported);
  });

  it('138. Pending for foreign collection: InvalidParameter', async (context) => {
    const { a, b } = await pair(context);
    const { replicator } = link(a, b, { type: 'push' });
    const other = await a.database.createCollection('other');
    for (const foreign of [b.metrics, other]) {
      await assert.rejects(replicator.pendingDocumentIDs(foreign), { code: 'ARGUMENT_INVALID', number: 9 });
      await assert.rejects(replicator.isDocumentPending('d', foreign), { code: 'ARGUMENT_INVALID', number: 9 });
    }
  });

  it('139. Pending with DB closed: an error, and no crash', async (context) => {
    const { a, b } = await pair(context);
    await save(a.metrics, 'one');
    const { replicator } = link(a, b, { type: 'push' });
    await a.database.close();
    await assert.rejects(replicator.pendingDocumentIDs(a.metrics), { code: 'DATABASE_CLOSED' });
    await assert.rejects(replicator.isDocumentPending('one', a.metrics), { code: 'DATABASE_CLOSED' });
  });
});
