/** A document that one peer makes anew while the deletion of another one of its ID is on its way from the other peer. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { deferred, type Deferred } from '../../src/base/index.js';
import type { MessageEndpointConnection } from '../../src/index.js';
import { cleanup } from '../support/cleanup.js';
import { contents, link, openPeer, whenChanged, type Peer } from '../support/peers.js';

/** Holds up what goes either way while it is closed. */
class Barrier {
  #opened: Deferred<void> | undefined;
  #sent = deferred();
  #received = deferred();

  /** Resolves when something waits on both sides. */
  close(): Promise<unknown> {
    this.#opened = deferred();
    [this.#sent, this.#received] = [deferred(), deferred()];
    return Promise.all([this.#sent.promise, this.#received.promise]);
  }

  open(): void {
    this.#opened?.resolve();
    this.#opened = undefined;
  }

  readonly around = (connection: MessageEndpointConnection): MessageEndpointConnection => ({
    open: (engine) =>
      connection.open({
        receive: async (message) => {
          this.#received.resolve();
          await this.#opened?.promise;
          await engine.receive(message);
        },
        close: (error) => engine.close(error),
      }),
    send: async (message) => {
      this.#sent.resolve();
      await this.#opened?.promise;
      await connection.send(message);
    },
    close: (error) => connection.close(error),
  });
}

describe('a deletion and a new document of the same ID', { timeout: 120_000 }, () => {
  for (const enableRevisionBatches of [true, false]) {
    for (const edits of [1, 3]) {
      const how = `${enableRevisionBatches ? 'in batches' : 'alone'}, edited ${edits === 1 ? 'once' : 'more often'}`;
      it(`that pass each other on the way end equal on both peers: ${how}`, async (context) => {
        const [a, b] = [await openPeer(context, 'a'), await openPeer(context, 'b')];
        const barrier = new Barrier();
        const { replicator } = link(a, b, { continuous: true, enableRevisionBatches, around: barrier.around });
        cleanup(context, () => replicator.stop());
        replicator.start();
        // So both have been told of something before, and send at once what follows.
        for (const { name, metrics } of [a, b]) await metrics.save(`of ${name}`, {});
        await assertEqualSoon(a, b, 2);
        await replicator.whenIdle();
        for (let number = 0; number < 2; number++) {
          const id = `d${number}`;
          const held = barrier.close();
          await a.database.inBatch(async (batch) => {
            for (let n = 1; n <= edits; n++) await batch.collection(a.metrics.name).save(id, { n });
          });
          await b.database.inBatch(async (batch) => {
            const metrics = batch.collection(b.metrics.name);
            await metrics.save(id, { theirs: true });
            await metrics.delete(id);
          });
          await held;
          barrier.open();
          await assertEqualSoon(a, b, 3 + number);
          assert.equal((await a.metrics.get(id))?.toJSONText(), `{"n":${edits}}`);
          await a.metrics.save(id, { later: true });
          await assertEqualSoon(a, b, 3 + number);
        }
      });
    }
  }
});

/** Fails where they have not become equal after some seconds, with so many documents. */
async function assertEqualSoon(a: Peer, b: Peer, count: number): Promise<void> {
  const both = (): Promise<string[][]> => Promise.all([a, b].map(({ metrics }) => contents(metrics)));
  const areEqual = async (): Promise<boolean> => {
    const [ours = [], theirs = []] = await both();
    return ours.length === count && ours.join() === theirs.join();
  };
  const impatience = deferred();
  const timer = setTimeout(() => impatience.resolve(), 4_000);
  await Promise.race([impatience.promise, ...[a, b].map(({ metrics }) => whenChanged(metrics, areEqual))]);
  clearTimeout(timer);
  const [ours = [], theirs = []] = await both();
  assert.deepEqual(ours, theirs);
  assert.equal(ours.length, count);
}
