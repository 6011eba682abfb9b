/**
 * A peer that was told what it has, and no longer has it: with `fullSync: false` a power loss takes the last commits back,
 * those of revisions that were acknowledged to the other side too. Its copy of the checkpoint goes with them or is as old
 * as what is left, and either way all of it is offered and fetched again.
 */
import assert from 'node:assert/strict';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { Database } from '../../src/index.js';
import { cleanup } from '../support/cleanup.js';
import { memoryLogger } from '../support/memory-logger.js';
import { contents, link, openPeer, sync, type LinkOptions, type Peer } from '../support/peers.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { VirtualClock } from '../support/virtual-clock.js';

/** A peer whose disk can be put back to what it was. */
class Forgetful {
  readonly #folder: string;
  readonly #collection: string;
  #peer: Peer | undefined;

  static async open(context: TestContext, name: string, collection = 'metrics'): Promise<Forgetful> {
    const forgetful = new Forgetful(join(await temporaryDirectory(context), name), collection);
    await forgetful.#open();
    cleanup(context, () => forgetful.peer.database.close());
    return forgetful;
  }

  private constructor(folder: string, collection: string) {
    this.#folder = folder;
    this.#collection = collection;
  }

  get peer(): Peer {
    assert.ok(this.#peer !== undefined);
    return this.#peer;
  }

  /** What a power loss from now on goes back to. */
  async flush(): Promise<void> {
    await this.#between(async () => {
      await rm(`${this.#folder}-flushed`, { recursive: true, force: true });
      await cp(this.#folder, `${this.#folder}-flushed`, { recursive: true });
    });
  }

  /** Everything since the last `flush` is gone. */
  async losePower(): Promise<void> {
    await this.#between(async () => {
      await rm(this.#folder, { recursive: true });
      await cp(`${this.#folder}-flushed`, this.#folder, { recursive: true });
    });
  }

  async #between(work: () => Promise<void>): Promise<void> {
    await this.peer.database.close();
    await work();
    await this.#open();
  }

  async #open(): Promise<void> {
    const database = await Database.open(this.#folder, { name: 'forgetful', logger: memoryLogger() });
    this.#peer = { name: 'forgetful', database, metrics: await database.createCollection(this.#collection) };
  }
}

/** Syncs until all of it is on both sides, and cuts the link before the checkpoints are saved again. */
async function syncWithoutCheckpoint(active: Peer, passive: Peer, options: LinkOptions, ids: string[]): Promise<void> {
  const clock = new VirtualClock(); // never moved: the next checkpoint is some seconds away
  const { replicator, cut } = link(active, passive, { ...options, continuous: true, clock });
  replicator.start();
  await replicator.whenIdle();
  for (const id of ids) await active.metrics.save(id, { id });
  await replicator.whenIdle();
  assert.ok((await passive.metrics.getMany(ids)).every(Boolean));
  cut();
  await replicator.stop();
}

async function expectEqual(one: Peer, other: Peer, ids: readonly string[]): Promise<void> {
  const found = await contents(one.metrics);
  assert.deepEqual(await contents(other.metrics), found);
  assert.deepEqual(found.map((line) => line.split(' ')[0]).sort(), [...ids].sort());
}

describe('a peer that loses what it has acknowledged', () => {
  for (const type of ['push', 'pushAndPull'] as const) {
    it(`gets it again where its checkpoint is lost too (${type})`, async (context) => {
      const active = await openPeer(context, 'active');
      const passive = await Forgetful.open(context, 'passive');
      await active.metrics.save('early', {});
      await sync(active, passive.peer, { type });
      await passive.flush();
      await active.metrics.save('late', {});
      await sync(active, passive.peer, { type });
      await passive.losePower();
      assert.equal(await passive.peer.metrics.get('late'), undefined);
      await sync(active, passive.peer, { type });
      await expectEqual(active, passive.peer, ['early', 'late']);
    });

    it(`gets it again where the checkpoints of both sides are as old as what is left (${type})`, async (context) => {
      const active = await openPeer(context, 'active');
      const passive = await Forgetful.open(context, 'passive');
      await active.metrics.save('early', {});
      // Twice: the first checkpoint is saved before its own notes are pushed past.
      for (let run = 0; run < 2; run++) await sync(active, passive.peer, { type });
      await passive.flush();
      await syncWithoutCheckpoint(active, passive.peer, { type }, ['late']);
      await passive.losePower();
      assert.equal(await passive.peer.metrics.get('late'), undefined);
      await sync(active, passive.peer, { type });
      await expectEqual(active, passive.peer, ['early', 'late']);
    });
  }

  // In the default collection all types of a replication have one checkpoint.
  for (const collection of ['_default', 'metrics']) {
    it(`gets it again where it was saved here before a pull (${collection})`, async (context) => {
      const { database, name } = await openPeer(context, 'active');
      const active = { name, database, metrics: await database.createCollection(collection) };
      const passive = await Forgetful.open(context, 'passive', collection);
      await passive.peer.metrics.save('theirs', {});
      for (let run = 0; run < 2; run++) await sync(active, passive.peer, { type: 'pull' });
      await active.metrics.save('early', {});
      await passive.peer.metrics.save('theirs-too', {});
      await sync(active, passive.peer, { type: 'pull' });
      await passive.flush();
      await syncWithoutCheckpoint(active, passive.peer, { type: 'push' }, ['late']);
      await passive.losePower();
      await passive.peer.metrics.save('theirs-at-last', {});
      await sync(active, passive.peer, { type: 'pull' });
      await sync(active, passive.peer, { type: 'push' });
      await expectEqual(active, passive.peer, ['early', 'late', 'theirs', 'theirs-too', 'theirs-at-last']);
    });
  }
});
