/** Documents that expire: what may be set, the timer and the clock it follows, trouble with the disk, and the end. */
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { deferred, seededRandom } from '../../src/base/index.js';
import { EditQueue } from '../../src/database/edit-queue.js';
import { Expiration } from '../../src/database/expiration.js';
import { ReplicationStore, type Collection, type Database } from '../../src/database/index.js';
import type { Storage } from '../../src/storage/index.js';
import { smallDirectory } from '../support/file-systems.js';
import { memoryLogger } from '../support/memory-logger.js';
import { VirtualClock } from '../support/virtual-clock.js';
import { openAt, openDatabase, refuses } from './fixtures.js';

const HOUR = 3_600_000;
const WEEK = 7 * 24 * HOUR;

interface Opened {
  readonly clock: VirtualClock;
  readonly database: Database;
  readonly collection: Collection;
  /** The date that many milliseconds from now, by the device's clock. */
  readonly after: (ms: number) => Date;
}

async function open(context: TestContext): Promise<Opened> {
  const clock = new VirtualClock();
  const database = await openDatabase(context, { clock });
  const after = (ms: number): Date => new Date(clock.now() + ms);
  return { clock, database, collection: await database.createCollection('metrics'), after };
}

/** Resolves to what the next change of the collection is about. */
function nextChange(collection: Collection): Promise<readonly string[]> {
  const change = deferred<readonly string[]>();
  const unsubscribe = collection.on('change', ({ documentIDs }) => {
    unsubscribe();
    change.resolve(documentIDs);
  });
  return change.promise;
}

/** What was in the write queue, purges included, is done. */
async function settled(database: Database): Promise<void> {
  await database.inBatch(async () => undefined);
}

describe('an expiration', () => {
  test('is set, read, changed and taken back, to the millisecond', async (context) => {
    const { collection, after } = await open(context);
    await collection.save('a', {});
    for (const date of [after(1), after(12_345), after(9_999_999_999_999)]) {
      await collection.setDocumentExpiration('a', date);
      assert.deepEqual(await collection.getDocumentExpiration('a'), date);
    }
    await collection.setDocumentExpiration('a', null);
    assert.equal(await collection.getDocumentExpiration('a'), undefined);
  });

  test('is refused for what is no date and for documents that are not there; nothing changes', async (context) => {
    const { collection, database, after } = await open(context);
    await collection.save('a', {});
    await collection.setDocumentExpiration('a', after(HOUR));
    for (const wrong of [undefined, 5, '2026-01-01', {}, new Date(NaN), [new Date()]]) {
      await refuses(collection.setDocumentExpiration('a', wrong as Date), 'ARGUMENT_INVALID', 'expiration');
    }
    assert.deepEqual(await collection.getDocumentExpiration('a'), after(HOUR));
    for (const date of [after(HOUR), after(-HOUR), null]) {
      await refuses(collection.setDocumentExpiration('b', date), 'DOCUMENT_NOT_FOUND', '"b" in metrics');
    }
    await refuses(database.collection('other').setDocumentExpiration('a', after(1)), 'DOCUMENT_NOT_FOUND');
    await refuses(collection.setDocumentExpiration('_a', null), 'DOCUMENT_ID_INVALID');
    await refuses(collection.getDocumentExpiration(''), 'DOCUMENT_ID_INVALID');
    assert.ok(!database.collections().some(({ name }) => name === 'other'));
    await database.close();
    await refuses(collection.setDocumentExpiration('a', null), 'DATABASE_CLOSED');
    await refuses(collection.getDocumentExpiration('a'), 'DATABASE_CLOSED');
  });

  test('keeps the document as it is: no new revision, no sequence, no event', async (context) => {
    const { collection, after } = await open(context);
    const saved = await collection.save('a', { n: 1 });
    const events: unknown[] = [];
    collection.on('change', (event) => events.push(event));
    await collection.setDocumentExpiration('a', after(HOUR));
    const { revisionID, sequence, body } = (await collection.get('a'))!;
    assert.deepEqual({ revisionID, sequence, body }, { ...pick(saved), body: { n: 1 } });
    assert.deepEqual(events, []);
  });

  test('of a document that is purged or saved anew after that is gone', async (context) => {
    const { collection, clock, database, after } = await open(context);
    await collection.save('a', {});
    await collection.setDocumentExpiration('a', after(1_000));
    await collection.purge('a');
    await collection.save('a', { again: true });
    assert.equal(await collection.getDocumentExpiration('a'), undefined);
    await clock.advance(HOUR);
    await settled(database);
    assert.deepEqual((await collection.get('a'))?.body, { again: true });
  });

  test('set inside a batch is seen there, counts after the commit, and is undone with it', async (context) => {
    const { collection, clock, database, after } = await open(context);
    await collection.save('kept', {});
    await assert.rejects(
      database.inBatch(async (batch) => {
        await batch.collection('metrics').setDocumentExpiration('kept', after(1_000));
        throw new Error('undone');
      }),
      /undone/,
    );
    const purged = nextChange(collection);
    await database.inBatch(async (batch) => {
      const inside = batch.collection('metrics');
      await inside.save('a', {});
      await inside.save('gone', {});
      await inside.setDocumentExpiration('a', after(500));
      await inside.setDocumentExpiration('gone', after(0));
      assert.deepEqual(await inside.getDocumentExpiration('a'), after(500));
      assert.equal(await inside.get('gone'), undefined);
      assert.equal(await collection.getDocumentExpiration('a'), undefined);
      await refuses(collection.setDocumentExpiration('kept', null), 'DATABASE_IN_BATCH');
    });
    assert.deepEqual([...(await purged)].sort(), ['a', 'gone']); // that is the batch itself
    const expired = nextChange(collection);
    await clock.advance(2_000);
    assert.deepEqual(await expired, ['a']);
    await settled(database);
    assert.equal(await collection.count(), 1);
  });

  test('that becomes due while the batch that set it is still running is carried out after it', async (context) => {
    const { collection, clock, database, after } = await open(context);
    const events: string[] = [];
    const done = deferred();
    collection.on('change', ({ documentIDs }) => {
      events.push(documentIDs.join());
      if (events.length === 2) done.resolve();
    });
    await database.inBatch(async (batch) => {
      await batch.collection('metrics').save('a', {});
      await batch.collection('metrics').setDocumentExpiration('a', after(1_000));
      await clock.advance(5_000);
    });
    await done.promise;
    assert.deepEqual(events, ['a', 'a']);
    assert.equal(await collection.get('a'), undefined);
  });
});

describe('the purge', () => {
  test('uses one background timer, for the earliest of all collections, and none where nothing expires', async (context) => {
    const { collection, clock, database, after } = await open(context);
    const other = await database.createCollection('other');
    assert.equal(clock.pendingTimers, 0);
    const seed = 20260101;
    const random = seededRandom(seed);
    const due: { id: string; at: number }[] = [];
    for (let n = 0; n < 40; n++) {
      const target = n % 2 === 0 ? collection : other;
      await target.save(`doc-${n}`, {});
      const date = after(1 + Math.floor(random.next() * 10_000));
      await target.setDocumentExpiration(`doc-${n}`, date);
      due.push({ id: `doc-${n}`, at: date.getTime() });
      assert.equal(clock.pendingTimers, 1, `seed ${seed}`);
    }
    for (let step = 0; step < 20; step++) {
      await clock.advance(500);
      await whenPurged();
      const left = due.filter(({ at }) => at > clock.now()).length;
      assert.equal((await collection.count()) + (await other.count()), left, `seed ${seed}, step ${step}`);
    }
    assert.equal(clock.pendingTimers, 0);
    await clock.runUntilIdle(); // returns at once: the timer was a background one

    /** Turns of the queue pass until the timer, if any is needed, is set anew. */
    async function whenPurged(): Promise<void> {
      const left = due.filter(({ at }) => at > clock.now()).length;
      while ((await collection.count()) + (await other.count()) !== left) await settled(database);
      while (clock.pendingTimers !== (left > 0 ? 1 : 0)) await settled(database);
    }
  });

  test('takes a thousand in one commit, and lets others write in between', async (context) => {
    const { collection, clock, database, after } = await open(context);
    await database.inBatch(async (batch) => {
      const inside = batch.collection('metrics');
      for (let n = 0; n < 2_500; n++) {
        await inside.save(`doc-${n}`, { n });
        await inside.setDocumentExpiration(`doc-${n}`, after(1_000));
      }
    });
    const commits: (number | string)[] = [];
    const done = deferred();
    collection.on('change', ({ documentIDs }) => {
      commits.push(documentIDs.length === 1 ? documentIDs.join() : documentIDs.length);
      if (commits.length === 1) void collection.save('between', {});
      if (commits.length === 4) done.resolve();
    });
    await clock.advance(2_000);
    await done.promise;
    assert.deepEqual(commits, [1_000, 'between', 1_000, 500]);
    assert.equal(await collection.count(), 1);
    assert.deepEqual(await database.integrityCheck(), []);
  });

  test('follows the clock of the device: a jump forwards is noticed within an hour, one back only delays', async (context) => {
    const { collection, clock, database, after } = await open(context);
    await collection.save('a', {});
    await collection.setDocumentExpiration('a', after(48 * HOUR));
    clock.jumpWallClock(-1_024 * WEEK);
    await clock.advance(72 * HOUR);
    await settled(database);
    assert.notEqual(await collection.get('a'), undefined);
    const purged = nextChange(collection);
    clock.jumpWallClock(1_024 * WEEK);
    await clock.advance(HOUR);
    assert.deepEqual(await purged, ['a']);
  });

  test('waits longer than the 25 days of a timer', async (context) => {
    const { collection, clock, database, after } = await open(context);
    await collection.save('a', {});
    await collection.setDocumentExpiration('a', after(10 * WEEK));
    await clock.advance(10 * WEEK - 1);
    await settled(database);
    assert.notEqual(await collection.get('a'), undefined);
    const purged = nextChange(collection);
    await clock.advance(1);
    assert.deepEqual(await purged, ['a']);
  });

  test('of a collection that was deleted meanwhile does not happen', async (context) => {
    const { clock, database, after } = await open(context);
    const doomed = await database.createCollection('doomed');
    await doomed.save('a', {});
    await doomed.setDocumentExpiration('a', after(1_000));
    await database.deleteCollection('doomed');
    const anew = await database.createCollection('doomed');
    await anew.save('a', {});
    await clock.advance(HOUR);
    await settled(database);
    assert.equal(await anew.count(), 1);
  });

  test('stops when the last Database object closes, and finishes what it had begun', async (context) => {
    const { collection, clock, database, after } = await open(context);
    const other = await openAt(context, database.path);
    for (let n = 0; n < 3_000; n++) void collection.save(`doc-${n}`, {});
    await settled(database);
    await database.inBatch(async (batch) => {
      for (let n = 0; n < 3_000; n++) {
        await batch.collection('metrics').setDocumentExpiration(`doc-${n}`, after(1_000));
      }
    });
    await other.close();
    assert.equal(clock.pendingTimers, 1);
    const purged = nextChange(collection);
    await clock.advance(1_000);
    await Promise.all([purged, database.close()]);
    assert.equal(clock.pendingTimers, 0);
    const again = await openAt(context, database.path, { clock });
    const left = again.collection('metrics');
    while ((await left.count()) > 0) await settled(again); // what was left is purged after the opening
  });

  test('on a full disk is put off, and done once there is room', async (context) => {
    const disk = smallDirectory(context, 4_096);
    if (disk.reason !== undefined) return context.skip(disk.reason);
    const told = deferred<string>();
    const log = (level: string, _domain: string, message: string): void => {
      if (level === 'warning') told.resolve(message);
    };
    const clock = new VirtualClock();
    const database = await openAt(context, join(disk.path, 'vessel'), { clock, logger: { log } });
    const collection = database.collection('metrics');
    await collection.save('a', {});
    await collection.setDocumentExpiration('a', new Date(clock.now() + 1_000));
    const ballast = join(disk.path, 'ballast');
    await assert.rejects(writeFile(ballast, Buffer.alloc(4_096 * 1024)), { code: 'ENOSPC' });
    await clock.advance(1_000);
    assert.match(await told.promise, /disk is full|no space/);
    assert.notEqual(await collection.get('a'), undefined);
    await rm(ballast);
    const purged = nextChange(collection);
    await settled(database);
    await clock.advance(60_000);
    assert.deepEqual(await purged, ['a']);
  });

  test('that fails is told to the logger and tried again a minute later, not sooner', async (context) => {
    const clock = new VirtualClock();
    const logger = memoryLogger();
    const purged: string[][] = [];
    let working = false;
    const queue = new EditQueue(async () => undefined, { maxGroup: 1, maxWaiting: 1, maxWaitingLength: 1 });
    const expiries = new Map([['a', clock.now() + 1_000]]);
    const storage = {
      nextExpiry: async () => Math.min(...expiries.values()),
      expired: async (_: number, now: number) => [...expiries].filter(([, at]) => at <= now).map(([id]) => id),
    } as unknown as Storage;
    const state = { key: 1, scope: '_default', name: 'metrics', lastSequence: 0, deleted: false, bodyKeepers: 0 };
    const expiration = new Expiration({ path: '/vessel', clock, storage, collections: [state] }, logger, {
      turn: (work) => queue.turn(work),
      purge: async (_, ids) => {
        if (!working) throw new Error('no space is left');
        purged.push([...ids]);
        for (const id of ids) expiries.delete(id);
      },
    });
    context.after(() => expiration.stop());
    await expiration.start();
    await clock.advance(1_000 + 3 * 60_000);
    assert.deepEqual(purged, []);
    assert.equal(logger.lines.filter((line) => line.includes('no space is left')).length, 4);
    assert.ok(logger.lines.every((line) => line.includes('/vessel')));
    // A clock that was far ahead then is set back: it is tried again all the same.
    clock.jumpWallClock(1_024 * WEEK);
    await clock.advance(60_000);
    clock.jumpWallClock(-1_024 * WEEK);
    working = true;
    await clock.advance(60_000);
    assert.deepEqual(purged, [['a']]);
    assert.equal(clock.pendingTimers, 0);
  });
});

describe('a document that is due and not purged yet', () => {
  /** Its timer has not fired: the clock has just jumped. */
  async function due(context: TestContext) {
    const opened = await open(context);
    const { collection, clock, after } = opened;
    const { sequence } = await collection.save('a', { n: 1 });
    await collection.setDocumentExpiration('a', after(HOUR));
    clock.jumpWallClock(2 * HOUR);
    return { ...opened, sequence, store: new ReplicationStore(collection as unknown as Collection<never>) };
  }

  test('is there for those who read, and recognised by those who would push it', async (context) => {
    const { collection, clock, store } = await due(context);
    await collection.save('b', {});
    assert.deepEqual((await collection.get('a'))?.body, { n: 1 });
    const isDue = async (): Promise<boolean[]> =>
      (await store.feed({ since: 0, limit: 10 })).map((document) => store.isDue(document));
    assert.deepEqual(await isDue(), [true, false]);
    clock.jumpWallClock(-HOUR - 1);
    assert.deepEqual(await isDue(), [false, false]);
  });

  test('comes by in the feed once more if it is given more time: a push may have passed over it', async (context) => {
    const { collection, clock, after, sequence, store } = await due(context);
    const changed = nextChange(collection);
    await collection.setDocumentExpiration('a', after(HOUR));
    assert.deepEqual(await changed, ['a']);
    const [document] = await store.feed({ since: sequence, limit: 10 });
    assert.equal(document?.id, 'a');
    assert.match(document?.revisionID ?? '', /^1-/);
    await clock.advance(HOUR - 1);
    assert.notEqual(await collection.get('a'), undefined);
  });
});

function pick({ revisionID, sequence }: { revisionID: string; sequence: number }) {
  return { revisionID, sequence };
}
