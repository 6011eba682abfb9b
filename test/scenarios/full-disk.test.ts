/**
 * A disk fills up while documents arrive: the side whose disk it is hears of it, the other keeps what could not be stored,
 * and everything arrives once there is room.
 */
import assert from 'node:assert/strict';
import { once, EventEmitter } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { Database, type Replicator, type ReplicatorActivity } from '../../src/index.js';
import { cleanup } from '../support/cleanup.js';
import { smallDirectory } from '../support/file-systems.js';
import { memoryLogger } from '../support/memory-logger.js';
import { contents, link, openPeer, type Peer } from '../support/peers.js';
import { VirtualClock } from '../support/virtual-clock.js';

const LIMIT = { timeout: 120_000 };
const KIB = 1024;

/** A peer on a disk of its own that holds less than the documents of `fill`; `makeRoom` gives back what else lies there. */
async function cramped(context: TestContext): Promise<{ peer: Peer; makeRoom: () => Promise<void> } | undefined> {
  const disk = smallDirectory(context, 12 * KIB);
  if (disk.reason !== undefined) {
    context.skip(disk.reason);
    return undefined;
  }
  const ballast = join(disk.path, 'ballast');
  await writeFile(ballast, Buffer.alloc(10 * KIB * KIB));
  const database = await Database.open(join(disk.path, 'b'), { name: 'b', logger: memoryLogger() });
  cleanup(context, () => database.close());
  const metrics = await database.createCollection('metrics');
  return { peer: { name: 'b', database, metrics }, makeRoom: () => rm(ballast) };
}

async function fill(peer: Peer): Promise<void> {
  const text = 'x'.repeat(2_000);
  await Promise.all(Array.from({ length: 1_500 }, (_, index) => peer.metrics.save(`d${index}`, { index, text })));
}

async function whenActivity(replicator: Replicator, wanted: ReplicatorActivity): Promise<void> {
  const events = new EventEmitter();
  const unsubscribe = replicator.on('status', () => events.emit('status'));
  while (replicator.status.activity !== wanted) await once(events, 'status');
  unsubscribe();
}

it('a listener whose disk is full says so, and loses nothing', LIMIT, async (context) => {
  const small = await cramped(context);
  if (small === undefined) return;
  const a = await openPeer(context, 'a');
  await fill(a);
  const clock = new VirtualClock();
  const { replicator, listener } = link(a, small.peer, { type: 'push', continuous: true, clock });
  const errors = new Set<string>();
  listener.on('error', ({ code }) => errors.add(code));
  replicator.start();
  await whenActivity(replicator, 'offline');
  assert.equal(replicator.status.error?.code, 'CONNECTION_UNAVAILABLE');
  assert.deepEqual([...errors], ['STORAGE_FULL']);
  await small.makeRoom();
  await clock.advance(2_000);
  await replicator.whenIdle();
  assert.deepEqual(await contents(small.peer.metrics), await contents(a.metrics));
  await replicator.stop();
});

it('a replicator whose disk is full goes offline with that error, and loses nothing', LIMIT, async (context) => {
  const small = await cramped(context);
  if (small === undefined) return;
  const a = await openPeer(context, 'a');
  await fill(a);
  const clock = new VirtualClock();
  const { replicator } = link(small.peer, a, { type: 'pull', continuous: true, clock });
  replicator.start();
  await whenActivity(replicator, 'offline');
  assert.equal(replicator.status.error?.code, 'STORAGE_FULL');
  await small.makeRoom();
  await clock.advance(2_000);
  await replicator.whenIdle();
  assert.deepEqual(await contents(small.peer.metrics), await contents(a.metrics));
  await replicator.stop();
});
