/** Conflict resolvers of applications that take long, fail, never answer, or are overtaken by other edits. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { deferred } from '../../src/base/index.js';
import {
  assertAll,
  conflicted,
  prepare,
  resolved,
  type AnyConflict,
  type Resolver,
} from '../support/conflicted-peers.js';
import { contents } from '../support/peers.js';

const LIMIT = { timeout: 120_000 };

describe('a conflict resolver', LIMIT, () => {
  it('155. is called again where the document is edited meanwhile, and ten times at the most', async (context) => {
    const { a, b } = await conflicted(context);
    let calls = 0;
    await resolved(a, b, async ({ localDocument, remoteDocument }: AnyConflict) => {
      if (++calls === 1) await a.metrics.save('pump', { from: 'a', edited: true });
      return { ...remoteDocument?.body, ...localDocument?.body };
    });
    assert.equal(calls, 2);
    await assertAll([a, b], { from: 'a', edited: true });

    const other = await conflicted(context);
    calls = 0;
    const { errors } = await resolved(other.a, other.b, async () => {
      await other.a.metrics.save('pump', { call: ++calls });
      return null;
    });
    assert.equal(calls, 10);
    assert.deepEqual(
      errors.map(({ code }) => code),
      ['DOCUMENT_CONFLICT'],
    );
    await resolved(other.a, other.b, ({ localDocument }) => localDocument ?? null);
    await assertAll([other.a, other.b], { call: 10 });
  });

  it('157. must not return a document of another collection or database: the conflict waits', async (context) => {
    const { a, b } = await conflicted(context);
    const foreign = [await b.metrics.get('pump'), await a.database.collection('log').save('pump', {})];
    for (const document of foreign) {
      const { errors } = await resolved(a, b, () => document as never);
      assert.deepEqual(
        errors.map(({ code, number }) => [code, number]),
        [['CONFLICT_RESOLVER_FAILED', 10]],
      );
      assert.deepEqual((await a.metrics.get('pump'))?.body, { from: 'a' });
    }
    const { pulled } = await resolved(a, b, ({ remoteDocument }) => remoteDocument ?? null);
    assert.deepEqual(pulled, ['pump ok']);
    await assertAll([a, b], { from: 'b' });
  });

  it('158, 164. that fails costs its document alone, until the next start; each conflict is told once', async (context) => {
    const { a, b } = await conflicted(context, ['1', '2', '3', '4', '5']);
    const bad: Record<string, () => unknown> = {
      1: () => {
        throw new Error('sorry');
      },
      2: () => undefined,
      3: () => 'text',
      4: () => ({ _id: 1 }),
    };
    const failing = (({ documentID, localDocument }: AnyConflict) =>
      bad[documentID]?.() ?? (bad[documentID] ? undefined : localDocument)) as Resolver;
    const { pulled, errors } = await resolved(a, b, failing);
    const failed = ['1', '2', '3', '4'].map((id) => `${id} CONFLICT_RESOLVER_FAILED`);
    assert.deepEqual(pulled.sort(), [...failed, '5 ok']);
    assert.match(errors.map(({ message }) => message).join(), /"1": sorry/);
    const again = await resolved(a, b, ({ localDocument }) => localDocument ?? null);
    assert.deepEqual(again.pulled.sort(), ['1 ok', '2 ok', '3 ok', '4 ok']);
    for (const id of ['1', '2', '3', '4', '5']) await assertAll([a, b], { from: 'a' }, id);
    assert.deepEqual((await resolved(a, b, failing)).pulled, []);
  });

  it('159. whose document is purged meanwhile is told so', async (context) => {
    const { a, b } = await conflicted(context);
    const { pulled } = await resolved(a, b, async ({ localDocument }) => {
      await a.metrics.purge('pump');
      return localDocument ?? null;
    });
    assert.deepEqual(pulled, ['pump DOCUMENT_NOT_FOUND']);
    assert.equal(await a.metrics.get('pump'), undefined);
  });

  it('161. that waits holds up no other, and may use the database', async (context) => {
    const { a, b } = await conflicted(context, ['slow', 'quick']);
    const quick = deferred();
    const { pulled } = await resolved(a, b, async ({ documentID, remoteDocument }) => {
      if (documentID === 'slow') await quick.promise; // or it would never end
      await a.database.inBatch(async (batch) => {
        await batch.collection('log').save(documentID, { resolved: true });
      });
      if (documentID === 'quick') quick.resolve();
      return remoteDocument ?? null;
    });
    assert.equal(pulled.length, 2);
    for (const id of ['slow', 'quick']) await assertAll([a, b], { from: 'b' }, id);
    assert.equal((await a.database.collection('log').get('slow')) !== undefined, true);
  });

  it('162, 163. that never answers keeps no replicator from stopping; what it left is taken up at the next start', async (context) => {
    const ids = Array.from({ length: 1_000 }, (_, index) => `d${index}`);
    const { a, b } = await conflicted(context, ids);
    let settled = 0;
    const some = deferred();
    const run = prepare(
      a,
      b,
      ({ remoteDocument }) => {
        if (++settled <= 200) return remoteDocument ?? null;
        some.resolve();
        return new Promise<never>(() => undefined);
      },
      { continuous: true },
    );
    run.replicator.start();
    await some.promise;
    assert.equal(run.replicator.status.activity, 'busy');
    await run.replicator.stop();
    assert.equal(run.replicator.status.activity, 'stopped');
    assert.equal(run.errors.length, 0);
    const before = (await contents(a.metrics)).filter((line) => line.includes('"a"')).length;
    assert.ok(before > 0 && before < 1_000, `${before} are left`);
    const again = await resolved(a, b, ({ remoteDocument }) => remoteDocument ?? null);
    assert.equal(again.errors.length, 0);
    assert.deepEqual(await contents(a.metrics), await contents(b.metrics));
  });
});
