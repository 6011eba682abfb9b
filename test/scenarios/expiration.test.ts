/** Documents that expire, alone and between peers (chapter C8), on real databases; time is a test's own. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { Database, deferred, isHawserError } from '../../src/index.js';
import { cleanup } from '../support/cleanup.js';
import { memoryLogger } from '../support/memory-logger.js';
import { link, openPeer, sync, whenChanged, type AnyCollection, type Peer } from '../support/peers.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { VirtualClock } from '../support/virtual-clock.js';

const LIMIT = { timeout: 120_000 };
const SECOND = 1_000;

interface Device extends Peer {
  readonly clock: VirtualClock;
  readonly after: (ms: number) => Date;
}

async function openDevice(context: TestContext, path?: string, clock = new VirtualClock()): Promise<Device> {
  const folder = path ?? (await temporaryDirectory(context));
  const database = await Database.open(folder, { name: 'a', logger: memoryLogger(), clock });
  cleanup(context, () => database.close());
  const metrics: AnyCollection = await database.createCollection('metrics');
  return { name: 'a', database, metrics, clock, after: (ms) => new Date(clock.now() + ms) };
}

/** Resolves to what the next change of the collection is about. */
function nextChange(collection: AnyCollection): Promise<readonly string[]> {
  const change = deferred<readonly string[]>();
  const unsubscribe = collection.on('change', ({ documentIDs }) => {
    unsubscribe();
    change.resolve(documentIDs);
  });
  return change.promise;
}

/** Lets the time pass until documents are purged, and returns which. */
async function purged({ clock, metrics }: Device, ms: number): Promise<readonly string[]> {
  const change = nextChange(metrics);
  await clock.advance(ms);
  return change;
}

/** Whatever was waiting to be written is written. */
async function settled({ database }: Peer): Promise<void> {
  await database.inBatch(async () => undefined);
}

describe('expiration', LIMIT, () => {
  it('186. Get before set, and of a document that does not exist: undefined', async (context) => {
    const { metrics } = await openDevice(context);
    await metrics.save('a', {});
    assert.equal(await metrics.getDocumentExpiration('a'), undefined);
    assert.equal(await metrics.getDocumentExpiration('never'), undefined);
  });

  it('187. Set and get', async (context) => {
    const { metrics, after } = await openDevice(context);
    await metrics.save('a', {});
    const date = after(60 * SECOND);
    await metrics.setDocumentExpiration('a', date);
    assert.deepEqual(await metrics.getDocumentExpiration('a'), date);
  });

  it('188. Set on a document that does not exist: DOCUMENT_NOT_FOUND', async (context) => {
    const { metrics, after } = await openDevice(context);
    await assert.rejects(metrics.setDocumentExpiration('never', after(SECOND)), (error) => {
      assert.ok(isHawserError(error) && error.code === 'DOCUMENT_NOT_FOUND');
      assert.deepEqual([error.domain, error.number], ['CouchbaseLite', 7]);
      return true;
    });
  });

  it('189. Expiry purges: a change event, no document, one less', async (context) => {
    const device = await openDevice(context);
    const { metrics, after } = device;
    await metrics.save('a', {});
    await metrics.save('b', {});
    await metrics.setDocumentExpiration('a', after(SECOND));
    const own = deferred<string>();
    metrics.onDocumentChange('a', ({ documentID }) => own.resolve(documentID));
    assert.deepEqual(await purged(device, SECOND), ['a']);
    assert.equal(await own.promise, 'a');
    assert.equal(await metrics.get('a'), undefined);
    assert.equal(await metrics.count(), 1);
    const ids: string[] = [];
    for await (const { id } of metrics.documents()) ids.push(id);
    assert.deepEqual(ids, ['b']);
  });

  it('190. Not before its time', async (context) => {
    const device = await openDevice(context);
    const { metrics, clock, after } = device;
    await metrics.save('a', {});
    await metrics.setDocumentExpiration('a', after(SECOND));
    await clock.advance(SECOND - 1);
    await settled(device);
    assert.notEqual(await metrics.get('a'), undefined);
    assert.deepEqual(await purged(device, 1), ['a']);
  });

  it('191. Extended, shortened and cleared, each is honoured', async (context) => {
    const device = await openDevice(context);
    const { metrics, clock, after } = device;
    for (const id of ['extended', 'shortened', 'cleared']) {
      await metrics.save(id, {});
      await metrics.setDocumentExpiration(id, after(10 * SECOND));
    }
    await metrics.setDocumentExpiration('extended', after(20 * SECOND));
    await metrics.setDocumentExpiration('shortened', after(5 * SECOND));
    await metrics.setDocumentExpiration('cleared', null);
    assert.deepEqual(await purged(device, 5 * SECOND), ['shortened']);
    await settled(device); // the timer is set anew in that turn
    await clock.advance(14 * SECOND);
    await settled(device);
    assert.equal(await metrics.count(), 2);
    assert.deepEqual(await purged(device, SECOND), ['extended']);
    await clock.advance(3_600 * SECOND);
    await settled(device);
    assert.notEqual(await metrics.get('cleared'), undefined);
  });

  it('192. A date in the past: purged at once', async (context) => {
    const { metrics, after } = await openDevice(context);
    await metrics.save('a', {});
    const change = nextChange(metrics);
    await metrics.setDocumentExpiration('a', after(-SECOND));
    assert.deepEqual(await change, ['a']);
    assert.equal(await metrics.get('a'), undefined);
    assert.equal(await metrics.getDocumentExpiration('a'), undefined);
  });

  it('193. Purged before it expires: the timer does no harm', async (context) => {
    const device = await openDevice(context);
    const { metrics, clock, database, after } = device;
    await metrics.save('a', {});
    await metrics.setDocumentExpiration('a', after(SECOND));
    await metrics.purge('a');
    const changes: unknown[] = [];
    metrics.on('change', (change) => changes.push(change));
    await clock.advance(60 * SECOND);
    await settled(device);
    assert.deepEqual(changes, []);
    assert.deepEqual(await database.integrityCheck(), []);
  });

  it('194. Closed before the expiry, opened after it: purged right after the opening', async (context) => {
    const path = await temporaryDirectory(context);
    const first = await openDevice(context, path);
    const { clock } = first;
    await first.metrics.save('a', {});
    await first.metrics.setDocumentExpiration('a', first.after(SECOND));
    await first.database.close();
    assert.equal(clock.pendingTimers, 0);
    await clock.advance(2 * SECOND);
    const again = await openDevice(context, path, clock);
    await whenChanged(again.metrics, async () => (await again.metrics.get('a')) === undefined);
    assert.equal(await again.metrics.count(), 0);
  });

  it('195. Another Database object of the process sees the purge', async (context) => {
    const device = await openDevice(context);
    const other = await Database.open(device.database.path, { clock: device.clock, logger: memoryLogger() });
    cleanup(context, () => other.close());
    await device.metrics.save('a', {});
    await device.metrics.setDocumentExpiration('a', device.after(SECOND));
    const change = nextChange(other.collection('metrics'));
    await device.clock.advance(SECOND);
    assert.deepEqual(await change, ['a']);
    assert.equal(await other.collection('metrics').get('a'), undefined);
  });

  it('196. A tombstone expires: it is removed', async (context) => {
    const device = await openDevice(context);
    const { metrics, after } = device;
    const { revisionID } = await metrics.save('a', {});
    await metrics.delete('a');
    const date = after(SECOND);
    await metrics.setDocumentExpiration('a', date);
    assert.deepEqual(await metrics.getDocumentExpiration('a'), date);
    assert.deepEqual(await purged(device, SECOND), ['a']);
    // Without trace: the next one is a first revision again.
    assert.equal((await metrics.save('a', {})).revisionID, revisionID);
  });

  it('197. Deleted, then expired: two change events, and no tombstone is left', async (context) => {
    const device = await openDevice(context);
    const { metrics, after } = device;
    await metrics.save('a', {});
    await metrics.setDocumentExpiration('a', after(SECOND));
    const changes: string[] = [];
    metrics.on('change', ({ documentIDs }) => changes.push(...documentIDs));
    await metrics.delete('a');
    assert.deepEqual(await purged(device, SECOND), ['a']);
    assert.deepEqual(changes, ['a', 'a']);
    await assert.rejects(metrics.purge('a'), { code: 'DOCUMENT_NOT_FOUND' });
  });

  it('200. A hundred documents at three times: the count drops in steps', async (context) => {
    const device = await openDevice(context);
    const { metrics, clock, database, after } = device;
    await database.inBatch(async (batch) => {
      const inside = batch.collection('metrics');
      for (let n = 0; n < 100; n++) {
        await inside.save(`doc-${n}`, { n });
        await inside.setDocumentExpiration(`doc-${n}`, after([5, 30, 60][n % 3]! * SECOND));
      }
    });
    const counts: number[] = [];
    for (const seconds of [4, 1, 24, 1, 29, 1]) {
      await clock.advance(seconds * SECOND);
      await settled(device);
      counts.push(await metrics.count());
      await settled(device); // the turn after the last purge sets the next timer
    }
    assert.deepEqual(counts, [100, 66, 66, 33, 33, 0]);
  });

  it('202. A new revision keeps the expiration, saved here or pulled', async (context) => {
    const a = await openDevice(context);
    const b = await openPeer(context, 'b');
    const date = a.after(60 * SECOND);
    await a.metrics.save('a', { n: 1 });
    await a.metrics.setDocumentExpiration('a', date);
    await a.metrics.save('a', { n: 2 });
    assert.deepEqual(await a.metrics.getDocumentExpiration('a'), date);
    await sync(a, b);
    await b.metrics.save('a', { n: 3 });
    await sync(a, b);
    assert.deepEqual((await a.metrics.get('a'))?.body, { n: 3 });
    assert.deepEqual(await a.metrics.getDocumentExpiration('a'), date);
    assert.deepEqual(await purged(a, 60 * SECOND), ['a']);
  });
});

describe('expiration between peers', LIMIT, () => {
  it('198. Is not replicated: the peer keeps its copy, whose next edit brings the document back', async (context) => {
    const a = await openDevice(context);
    const b = await openPeer(context, 'b');
    await a.metrics.save('a', { n: 1 });
    await a.metrics.setDocumentExpiration('a', a.after(SECOND));
    await sync(a, b);
    await sync(a, b); // whose pull meets what the first one pushed: from now on it is known that the peer has it
    assert.equal(await b.metrics.getDocumentExpiration('a'), undefined);
    assert.deepEqual(await purged(a, SECOND), ['a']);
    await sync(a, b);
    assert.equal(await a.metrics.get('a'), undefined);
    assert.deepEqual((await b.metrics.get('a'))?.body, { n: 1 });
    await b.metrics.save('a', { n: 2 });
    await sync(a, b);
    assert.deepEqual((await a.metrics.get('a'))?.body, { n: 2 });
    assert.equal(await a.metrics.getDocumentExpiration('a'), undefined);
  });

  it('140. Push and forget: expired when the push is reported, gone here, and there for the peer', async (context) => {
    const a = await openDevice(context);
    const b = await openPeer(context, 'b');
    await Promise.all(Array.from({ length: 20 }, (_, n) => a.metrics.save(`doc-${n}`, { n })));
    const { replicator } = link(a, b, { type: 'push', continuous: true });
    const forgetting: Promise<void>[] = [];
    replicator.on('documents', ({ isPush, documents }) => {
      for (const { id } of documents) if (isPush) forgetting.push(a.metrics.setDocumentExpiration(id, a.after(0)));
    });
    const gone = whenChanged(a.metrics, async () => (await a.metrics.count()) === 0);
    replicator.start();
    await gone;
    await Promise.all(forgetting);
    await replicator.stop();
    assert.equal(forgetting.length, 20);
    assert.equal(await b.metrics.count(), 20);
  });

  for (const side of ['replicator', 'listener']) {
    it(`199. Expired before it was pushed: it is not sent, purged yet or not, by a ${side}`, async (context) => {
      const a = await openDevice(context);
      const b = await openPeer(context, 'b');
      for (const id of ['purged', 'due', 'kept']) await a.metrics.save(id, {});
      await a.metrics.setDocumentExpiration('purged', a.after(SECOND));
      await a.metrics.setDocumentExpiration('due', a.after(60 * SECOND));
      await a.metrics.setDocumentExpiration('kept', a.after(7_200 * SECOND));
      assert.deepEqual(await purged(a, SECOND), ['purged']);
      await settled(a);
      a.clock.jumpWallClock(3_600 * SECOND); // which its timer has not noticed yet
      assert.notEqual(await a.metrics.get('due'), undefined);
      if (side === 'replicator') await sync(a, b);
      else await sync(b, a);
      assert.deepEqual(await idsOf(b.metrics), ['kept']);
      // Given more time it is sent after all, by the same replication.
      await a.metrics.setDocumentExpiration('due', null);
      if (side === 'replicator') await sync(a, b);
      else await sync(b, a);
      assert.deepEqual(await idsOf(b.metrics), ['due', 'kept']);
    });
  }
});

describe('a collection that is deleted and made anew', LIMIT, () => {
  for (const type of ['push', 'pull', 'pushAndPull'] as const) {
    it(`is filled again by ${type}, whichever side deleted it`, async (context) => {
      const [a, b] = [await openPeer(context, 'a'), await openPeer(context, 'b')];
      const [full, empty] = type === 'pull' ? [b, a] : [a, b];
      for (let n = 0; n < 20; n++) await full.metrics.save(`doc-${n}`, { n });
      await sync(a, b, { type });
      assert.equal(await empty.metrics.count(), 20);
      await empty.database.deleteCollection('metrics');
      const anew = { ...empty, metrics: await empty.database.createCollection('metrics') };
      if (type === 'pull') await sync(anew, b, { type });
      else await sync(a, anew, { type });
      assert.deepEqual(await idsOf(anew.metrics), await idsOf(full.metrics));
      assert.equal(await anew.metrics.count(), 20);
    });
  }

  it('is filled again from the other side although it pushed everything there itself', async (context) => {
    const [a, b] = [await openPeer(context, 'a'), await openPeer(context, 'b')];
    for (let n = 0; n < 20; n++) await a.metrics.save(`doc-${n}`, { n });
    await sync(a, b);
    await a.database.deleteCollection('metrics');
    const anew = { ...a, metrics: await a.database.createCollection('metrics') };
    await anew.metrics.save('new', {});
    await sync(anew, b);
    assert.equal(await anew.metrics.count(), 21);
    assert.deepEqual(await idsOf(anew.metrics), await idsOf(b.metrics));
  });
});

async function idsOf(collection: AnyCollection): Promise<string[]> {
  const ids: string[] = [];
  for await (const { id } of collection.documents()) ids.push(id);
  return ids;
}
