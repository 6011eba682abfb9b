/** A disk that is full again and again, that cannot be written any more, that fails: what is told, what is kept, what goes on. */
import assert from 'node:assert/strict';
import { once, EventEmitter } from 'node:events';
import { rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { Blob, Database, type Replicator } from '../../src/index.js';
import { PowerDisk } from '../power/power-disk.js';
import { cleanup } from '../support/cleanup.js';
import { smallDirectory } from '../support/file-systems.js';
import { memoryLogger } from '../support/memory-logger.js';
import { contents, link, openPeer, type Peer } from '../support/peers.js';
import { VirtualClock } from '../support/virtual-clock.js';

const LIMIT = { timeout: 120_000 };
const KIB = 1_024;

describe('a disk that is full, three times over', () => {
  for (const what of ['documents', 'blobs'] as const) {
    it(`keeps the ${what} that were acknowledged, is read, and goes on by itself`, LIMIT, async (context) => {
      const small = await cramped(context);
      if (small === undefined) return;
      const { peer } = small;
      const kept: string[] = [];
      for (let time = 0; time < 3; time++) {
        await small.fill();
        for (let n = 0; ; n++) {
          const id = `${time}-${n}`;
          const bytes = Buffer.alloc(32 * KIB, id);
          const body = what === 'blobs' ? { blob: new Blob('text/plain', bytes) } : { text: bytes.toString() };
          try {
            await peer.metrics.save(id, body);
            kept.push(id);
          } catch (error) {
            assert.equal((error as { code?: string }).code, 'STORAGE_FULL');
            break;
          }
        }
        assert.deepEqual((await contents(peer.metrics)).map(idOf).sort(), [...kept].sort(), `time ${time}`);
        await small.makeRoom();
        await peer.metrics.save(`after-${time}`, { time });
        kept.push(`after-${time}`);
      }
      for (const id of kept.filter((name) => what === 'blobs' && !name.startsWith('after'))) {
        const document = await peer.metrics.get(id);
        const blob = await peer.database.getBlob(document?.body['blob']);
        assert.deepEqual(Buffer.from((await blob?.content()) ?? []), Buffer.alloc(32 * KIB, id), id);
      }
      assert.deepEqual(await peer.database.integrityCheck(), []);
    });
  }

  for (const side of ['replicator', 'listener'] as const) {
    it(`is told by a ${side} once each time, and resumes by itself`, LIMIT, async (context) => {
      const small = await cramped(context);
      if (small === undefined) return;
      const source = await openPeer(context, 'source');
      const clock = new VirtualClock();
      const { replicator, listener } =
        side === 'replicator'
          ? link(small.peer, source, { type: 'pull', continuous: true, clock })
          : link(source, small.peer, { type: 'push', continuous: true, clock });
      const told: string[] = [];
      if (side === 'listener') listener.on('error', ({ code }) => told.push(code));
      else replicator.on('status', ({ activity, error }) => activity === 'offline' && told.push(error?.code ?? 'none'));
      replicator.start();
      await replicator.whenIdle();
      for (let time = 0; time < 3; time++) {
        told.length = 0;
        await small.fill();
        const text = 'x'.repeat(8_000);
        const blob = new Blob('text/plain', Buffer.alloc(400 * KIB, `${time}`));
        await Promise.all([
          ...Array.from({ length: 400 }, (_, n) => source.metrics.save(`${time}-${n}`, { n, text })),
          source.metrics.save(`${time}-blob`, { blob }),
        ]);
        await whenOffline(replicator);
        // Twice more, while it is still full.
        for (let retry = 0; retry < 2; retry++) {
          const failed = whenNextOffline(replicator);
          await clock.advance(2_000 * 2 ** retry);
          await failed;
        }
        assert.deepEqual([...new Set(told)], ['STORAGE_FULL'], `time ${time}`);
        assert.ok(told.length <= 3, `${told.length} times for 3 attempts`);
        await small.makeRoom();
        await clock.advance(8_000);
        await replicator.whenIdle();
        assert.deepEqual(await contents(small.peer.metrics), await contents(source.metrics), `time ${time}`);
      }
      await replicator.stop();
    });
  }
});

describe('a disk that cannot be written or read', () => {
  it('says so at the opening, and opens once it can be written', LIMIT, async (context) => {
    const disk = await powerDisk(context);
    if (disk === undefined) return;
    const path = join(disk.path, 'd');
    const database = await Database.open(path, { logger: memoryLogger() });
    await (await database.createCollection('metrics')).save('early', {});
    await database.close();
    await disk.remount('ro');
    await assert.rejects(Database.open(path, { logger: memoryLogger() }), { code: 'STORAGE_READ_ONLY' });
    await disk.remount('rw');
    const again = await Database.open(path, { logger: memoryLogger() });
    await again.collection('metrics').save('late', {});
    assert.equal(await again.collection('metrics').count(), 2);
    await again.close();
  });

  it('is read on when it becomes read-only in the middle, and no save is acknowledged', LIMIT, async (context) => {
    await failing(context, (disk) => disk.becomeReadOnly(), ['STORAGE_READ_ONLY', 'STORAGE_IO_ERROR'], true);
  });

  it('costs nothing that was acknowledged when it fails in the middle', LIMIT, async (context) => {
    await failing(context, (disk) => disk.cut(), ['STORAGE_IO_ERROR', 'STORAGE_READ_ONLY'], false);
  });
});

/** Saves while a disk fails, and looks at what is left when it works again. */
async function failing(
  context: TestContext,
  fail: (disk: PowerDisk) => Promise<void>,
  codes: readonly string[],
  isRead: boolean,
): Promise<void> {
  const disk = await powerDisk(context);
  if (disk === undefined) return;
  const path = join(disk.path, 'd');
  const database = await Database.open(path, { logger: memoryLogger(), fullSync: true });
  const metrics = await database.createCollection('metrics');
  for (let n = 0; n < 20; n++) await metrics.save(`d${n}`, { n });
  try {
    await fail(disk);
  } catch (error) {
    await database.close();
    return context.skip(`the disk cannot be made to fail here: ${(error as Error).message}`);
  }
  const outcomes = await Promise.allSettled([
    ...Array.from({ length: 20 }, (_, n) => metrics.save(`e${n}`, { n })),
    metrics.save('blob', { blob: new Blob('text/plain', Buffer.from('content')) }),
    database.inBatch(async (batch) => void (await batch.collection('metrics').save('batch', {}))),
  ]);
  for (const outcome of outcomes) {
    assert.equal(outcome.status, 'rejected');
    const { code, message } = outcome.reason as { code: string; message: string };
    assert.ok(codes.includes(code), `${code}: ${message}`);
  }
  if (isRead) assert.equal(await metrics.count(), 20);
  await database.close().catch((error: { code?: string }) => assert.ok(codes.includes(error.code ?? ''), error.code));
  await disk.restore();
  const again = await Database.open(path, { logger: memoryLogger() });
  assert.deepEqual(await again.integrityCheck(), []);
  assert.equal(await again.collection('metrics').count(), 20);
  await again.collection('metrics').save('late', {});
  await again.close();
}

async function powerDisk(context: TestContext): Promise<PowerDisk | undefined> {
  const problem = await PowerDisk.problem();
  if (problem !== undefined) {
    context.skip(problem);
    return undefined;
  }
  const disk = await PowerDisk.make(64);
  cleanup(context, () => disk.remove());
  return disk;
}

interface Cramped {
  readonly peer: Peer;
  /** Leaves half a MiB or so. */
  fill(): Promise<void>;
  makeRoom(): Promise<void>;
}

async function cramped(context: TestContext): Promise<Cramped | undefined> {
  const disk = smallDirectory(context, 64 * KIB);
  if (disk.reason !== undefined) {
    context.skip(disk.reason);
    return undefined;
  }
  const ballast = join(disk.path, 'ballast');
  const database = await Database.open(join(disk.path, 'd'), { name: 'd', logger: memoryLogger() });
  cleanup(context, () => database.close());
  const metrics = await database.createCollection('metrics');
  return {
    peer: { name: 'd', database, metrics },
    async fill() {
      const { bavail, bsize } = await statfs(disk.path);
      await writeFile(ballast, Buffer.alloc(bavail * bsize - 512 * KIB));
    },
    makeRoom: () => rm(ballast),
  };
}

async function whenOffline(replicator: Replicator): Promise<void> {
  while (replicator.status.activity !== 'offline') await nextStatus(replicator);
}

async function whenNextOffline(replicator: Replicator): Promise<void> {
  do await nextStatus(replicator);
  while (replicator.status.activity !== 'offline');
}

async function nextStatus(replicator: Replicator): Promise<void> {
  const events = new EventEmitter();
  const unsubscribe = replicator.on('status', () => events.emit('status'));
  await once(events, 'status');
  unsubscribe();
}

function idOf(line: string): string {
  return line.slice(0, line.indexOf(' '));
}
