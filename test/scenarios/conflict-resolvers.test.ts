/** Conflict resolvers of applications: what they are shown, and what they may return. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Blob } from '../../src/index.js';
import {
  assertAll,
  conflicted,
  prepare,
  resolved,
  type AnyConflict,
  type Resolver,
} from '../support/conflicted-peers.js';
import type { MemoryLogger } from '../support/memory-logger.js';
import { openPeer, sync, whenChanged } from '../support/peers.js';

const LIMIT = { timeout: 120_000 };

describe('a conflict resolver', LIMIT, () => {
  it('150. may choose the remote document: it is taken as it is, and nothing is pushed', async (context) => {
    for (let round = 0; round < 4; round++) {
      const { a, b } = await conflicted(context);
      for (let extra = 0; extra < round; extra++) await a.metrics.save('pump', { from: 'a', extra });
      const before = await b.metrics.get('pump');
      const { pulled } = await resolved(a, b, ({ remoteDocument }) => remoteDocument ?? null);
      const after = await b.metrics.get('pump');
      assert.deepEqual([after?.sequence, after?.revisionID], [before?.sequence, before?.revisionID]);
      assert.deepEqual(pulled, ['pump ok']);
      await assertAll([a, b], { from: 'b' });
    }
  });

  it('151. may choose the local document, however many edits the remote one has: it is pushed', async (context) => {
    for (let round = 0; round < 4; round++) {
      const { a, b } = await conflicted(context);
      for (let extra = 0; extra < round; extra++) await b.metrics.save('pump', { from: 'b', extra });
      await resolved(a, b, ({ localDocument }) => localDocument ?? null);
      await assertAll([a, b], { from: 'a' });
    }
  });

  it('152. may return changed values of either, or a new body', async (context) => {
    const resolvers: Resolver[] = [
      ({ localDocument }: AnyConflict) => {
        if (localDocument !== undefined) localDocument.body.merged = true;
        return localDocument ?? null;
      },
      ({ remoteDocument }: AnyConflict) => ({ ...remoteDocument?.body, merged: true }),
      () => ({ brand: 'new' }),
    ];
    const expected = [{ from: 'a', merged: true }, { from: 'b', merged: true }, { brand: 'new' }];
    for (const [index, resolver] of resolvers.entries()) {
      const { a, b } = await conflicted(context);
      await resolved(a, b, resolver);
      await assertAll([a, b], expected[index]);
    }
  });

  it('153. deletes with null', async (context) => {
    const { a, b } = await conflicted(context);
    await resolved(a, b, async () => null);
    await assertAll([a, b], undefined);
  });

  it('is shown a deletion as undefined, and may revive the document', async (context) => {
    const { a, b } = await conflicted(context);
    await b.metrics.delete('pump');
    const seen: unknown[] = [];
    await resolved(a, b, ({ documentID, localDocument, remoteDocument }) => {
      seen.push(documentID, localDocument?.body, remoteDocument);
      return localDocument ?? null;
    });
    assert.deepEqual(seen, ['pump', { from: 'a' }, undefined]);
    await assertAll([a, b], { from: 'a' });
  });

  it('148. is not called for two deletions, the same edit, or what was not edited here', async (context) => {
    const { a, b } = await conflicted(context, ['deleted', 'same']);
    await a.metrics.save('deleted', { again: true });
    await a.metrics.delete('deleted');
    await b.metrics.delete('deleted');
    await a.metrics.save('same', { n: 1 });
    await a.metrics.save('same', { n: 2 });
    await b.metrics.save('same', { n: 2 });
    let calls = 0;
    const { pulled } = await resolved(a, b, () => {
      calls++;
      return null;
    });
    assert.equal(calls, 0);
    assert.deepEqual(pulled.sort(), ['deleted ok', 'same ok']);
    await assertAll([a, b], { n: 2 }, 'same');
  });

  it('154. belongs to its collection', async (context) => {
    const { a, b } = await conflicted(context);
    const [ours, theirs] = await Promise.all([a, b].map(({ database }) => database.createCollection<any>('log'))); // eslint-disable-line @typescript-eslint/no-explicit-any -- documents of any shape
    assert.ok(ours && theirs);
    await ours.save('pump', { from: 'a' });
    await theirs.save('pump', { from: 'b' });
    await sync(a, b, {
      collections: [
        { collection: a.metrics, conflictResolver: ({ localDocument }) => localDocument ?? null },
        { collection: ours, conflictResolver: ({ remoteDocument }) => remoteDocument ?? null },
      ],
      served: [b.metrics, theirs],
    });
    await assertAll([a, b], { from: 'a' });
    for (const log of [ours, theirs]) assert.deepEqual((await log.get('pump'))?.body, { from: 'b' });
  });

  it('156. may return a document of another ID: its values are taken, with a warning', async (context) => {
    const { a, b } = await conflicted(context);
    const other = await a.metrics.save('other', { from: 'other' });
    await resolved(a, b, () => other);
    await assertAll([a, b], { from: 'other' });
    const { lines } = a.database.logger as MemoryLogger;
    assert.match(lines.join('\n'), /warning.*resolver.*returned document "other" for "pump"/);
  });

  it('160. may return blobs that are new or stored here, and no others', async (context) => {
    const text = (content: string): Blob => new Blob('text/plain', Buffer.from(content));
    const { a, b } = await conflicted(context);
    await a.metrics.save('pump', { photo: text('ours') });
    await b.metrics.save('pump', { photo: text('theirs') });
    await resolved(a, b, ({ localDocument, remoteDocument }: AnyConflict) => ({
      ours: localDocument?.body.photo,
      theirs: remoteDocument?.body.photo,
      fresh: text('new'),
    }));
    for (const { database, metrics } of [a, b]) {
      const { body } = (await metrics.get('pump'))!;
      for (const [key, content] of Object.entries({ ours: 'ours', theirs: 'theirs', fresh: 'new' })) {
        const blob = await database.getBlob(body[key]);
        assert.equal(Buffer.from(await blob!.content()).toString(), content, key);
      }
    }
    await a.metrics.save('pump', { n: 1 });
    await b.metrics.save('pump', { n: 2 });
    const foreign = text('of b alone');
    await b.database.saveBlob(foreign);
    for (const blob of [foreign, { '@type': 'blob', digest: foreign.digest, length: 10 }]) {
      const { errors } = await resolved(a, b, () => ({ blob }));
      assert.deepEqual(
        errors.map(({ code }) => code),
        ['CONFLICT_RESOLVER_FAILED'],
      );
    }
    assert.deepEqual((await a.metrics.get('pump'))?.body, { n: 1 });
  });

  it('165. leaves a document that can be edited on both sides and pulled back after a purge', async (context) => {
    const { a, b } = await conflicted(context);
    const local: Resolver = ({ localDocument }) => localDocument ?? null;
    await resolved(a, b, local);
    await b.metrics.save('pump', { edited: 'b' });
    assert.deepEqual((await resolved(a, b, local)).errors, []);
    await assertAll([a, b], { edited: 'b' });
    await a.metrics.save('pump', { edited: 'a' });
    await resolved(a, b, local);
    await assertAll([a, b], { edited: 'a' });
    await a.metrics.purge('pump');
    const { replicator } = prepare(a, b, local);
    replicator.start({ reset: true });
    assert.equal(await replicator.stopped(), undefined);
    await assertAll([a, b], { edited: 'a' });
  });

  it('166. may merge a property into an array', async (context) => {
    const { a, b } = await conflicted(context);
    await resolved(a, b, ({ localDocument, remoteDocument }: AnyConflict) => ({
      name: [localDocument?.body.from, remoteDocument?.body.from],
    }));
    await assertAll([a, b], { name: ['a', 'b'] });
  });

  it('167. that merges leaves all of a mesh with every edit and the same revision', async (context) => {
    const peers = await Promise.all(['a', 'b', 'c', 'd'].map((name) => openPeer(context, name)));
    await peers[0]!.metrics.save('pump', { counter: {} });
    for (const other of peers.slice(1)) await sync(peers[0]!, other);
    for (const { metrics, name } of peers) await metrics.save('pump', { counter: { [name]: 1 } });
    const merge: Resolver = ({ localDocument, remoteDocument }: AnyConflict) => ({
      counter: { ...localDocument?.body.counter, ...remoteDocument?.body.counter },
    });
    const all = { a: 1, b: 1, c: 1, d: 1 };
    const runs = peers.flatMap((active) =>
      peers
        .filter((passive) => passive !== active)
        .map((passive) => prepare(active, passive, merge, { continuous: true })),
    );
    for (const { replicator } of runs) replicator.start();
    const areEqual = async (): Promise<boolean> => {
      const documents = await Promise.all(peers.map(({ metrics }) => metrics.get('pump')));
      return (
        documents.every((document) => Object.keys(document?.body.counter ?? {}).length === 4) &&
        new Set(documents.map((document) => document?.revisionID)).size === 1
      );
    };
    await Promise.race(peers.map(({ metrics }) => whenChanged(metrics, areEqual)));
    await Promise.all(runs.map(({ replicator }) => replicator.whenIdle()));
    await Promise.all(runs.map(({ replicator }) => replicator.stop()));
    await assertAll(peers, { counter: all });
  });
});
