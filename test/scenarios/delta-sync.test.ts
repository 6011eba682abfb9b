/** Differences instead of whole documents, between real databases (features C7). Numbers are those of the scenarios. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { Blob, seededRandom, type MessageEndpointConnection } from '../../src/index.js';
import { cleanup } from '../support/cleanup.js';
import { documentProblems } from '../support/document-problems.js';
import { storeOf } from '../support/hostile.js';
import { contents, link, openPeer, type LinkOptions, type Peer } from '../support/peers.js';

const LIMIT = { timeout: 120_000 };
const DIRECTIONS = ['push', 'pull'] as const;

/** Two peers in one direction: `from` is edited, `to` follows. */
interface Pair {
  readonly from: Peer;
  readonly to: Peer;
  /** Resolves when `to` has all the revisions that `from` has. */
  readonly settle: () => Promise<void>;
  /** As `settle`, and fails if they differ in anything. Resolves to the bytes that went over the link since the last time. */
  readonly sync: () => Promise<number>;
}

/** Each `settle` is a session of its own: what deltas are made from is kept between them. */
async function pairOf(context: TestContext, type: 'push' | 'pull', options: LinkOptions = {}): Promise<Pair> {
  const [a, b] = [await openPeer(context, 'a'), await openPeer(context, 'b')];
  let bytes = 0;
  const around = (connection: MessageEndpointConnection): MessageEndpointConnection => ({
    open: (replicator) =>
      connection.open({
        receive: (message) => {
          bytes += message.length;
          return replicator.receive(message);
        },
        close: (error) => replicator.close(error),
      }),
    send: (message) => {
      bytes += message.length;
      return connection.send(message);
    },
    close: (error) => connection.close(error),
  });
  const { replicator } = link(a, b, { type, enableDeltaSync: true, around, ...options });
  const problems = documentProblems(replicator);
  cleanup(context, () => replicator.stop());
  const [from, to] = type === 'push' ? [a, b] : [b, a];
  const settle = async (): Promise<void> => {
    replicator.start();
    assert.equal(await replicator.stopped(), undefined);
    assert.equal(await revisions(to), await revisions(from));
    assert.deepEqual(problems, []);
  };
  const sync = async (): Promise<number> => {
    await settle();
    assert.deepEqual(await contents(to.metrics), await contents(from.metrics));
    const sent = bytes;
    bytes = 0;
    return sent;
  };
  return { from, to, settle, sync };
}

async function revisions({ metrics }: Peer): Promise<string> {
  const lines = await contents(metrics);
  return lines.map((line) => line.split(' ', 2).join(' ')).join('\n');
}

function assertSmall(bytes: number, limit = OVERHEAD): void {
  assert.ok(bytes < limit, `${bytes} bytes were sent`);
}

function assertWhole(bytes: number): void {
  assert.ok(bytes > LARGE / 2, `${bytes} bytes were sent`);
}

/** Text that does not compress much. */
function noise(length: number, seed: number): string {
  return Buffer.from(seededRandom(seed).bytes(Math.ceil((length * 3) / 4)))
    .toString('base64')
    .slice(0, length);
}

/**
 * Characters: more than compression looks back on (32 KiB), or what was sent before on the same connection would cost
 * nothing a second time.
 */
const LARGE = 60_000;
/** Bytes beside bodies in a run that transfers one revision. */
const OVERHEAD = 1_500;

for (const type of DIRECTIONS) {
  describe(`delta sync (${type})`, LIMIT, () => {
    it('174. Small edit of big doc: a fraction of it is sent', async (context) => {
      const { from, sync } = await pairOf(context, type);
      const body = { status: 'moored', log: noise(LARGE, 1) };
      await from.metrics.save('doc', body);
      assertWhole(await sync());
      await from.metrics.save('doc', { ...body, status: 'under way' });
      assertSmall(await sync());
    });

    it('175. Nested field edit', async (context) => {
      const { from, sync } = await pairOf(context, type);
      const body = (oil: number) => ({
        engines: [
          { name: 'port', log: noise(LARGE, 2), gauges: { oil: { bar: 4 }, water: { bar: 1 } } },
          { name: 'starboard', log: noise(LARGE, 3), gauges: { oil: { bar: oil }, water: { bar: 1 } } },
        ],
      });
      await from.metrics.save('doc', body(4));
      await sync();
      await from.metrics.save('doc', body(5));
      assertSmall(await sync());
    });

    it('176. UTF-8 heavy doc', async (context) => {
      const { from, sync } = await pairOf(context, type);
      const text = Array.from({ length: 20_000 }, (_, index) =>
        String.fromCodePoint(0x4e00 + ((index * 7_919) % 20_000)),
      );
      await from.metrics.save('doc', { text: text.join(''), 'schlüssel 😀': 1 });
      await sync();
      text.splice(1_000, 1, 'é😀\u0000');
      await from.metrics.save('doc', { text: text.join(''), 'schlüssel 😀': 2 });
      assertSmall(await sync());
    });

    it('177. Disabled: the whole document is sent', async (context) => {
      const { from, sync } = await pairOf(context, type, { enableDeltaSync: false });
      const body = { status: 'moored', log: noise(LARGE, 4) };
      await from.metrics.save('doc', body);
      await sync();
      await from.metrics.save('doc', { ...body, status: 'under way' });
      assertWhole(await sync());
    });

    it('178. Body < 200 bytes: arrives whole', async (context) => {
      const { from, to, sync } = await pairOf(context, type);
      await from.metrics.save('doc', { text: noise(150, 5) });
      await sync();
      await from.metrics.save('doc', { text: noise(150, 5), n: 1 });
      await sync();
      assert.equal((await storeOf(to.metrics).documents(['doc']))[0]?.bases, null);
    });

    it('179. Delta larger than doc: the whole document is sent', async (context) => {
      const { from, sync } = await pairOf(context, type);
      await from.metrics.save(
        'doc',
        Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`old${index}`, index])),
      );
      await sync();
      await from.metrics.save('doc', { text: noise(300, 6) });
      assertSmall(await sync(), OVERHEAD + 300);
    });

    it('180. No-op update: only metadata is sent', async (context) => {
      const { from, to, sync } = await pairOf(context, type);
      const body = { log: noise(LARGE, 7) };
      const first = await from.metrics.save('doc', body);
      await sync();
      const second = await from.metrics.save('doc', body);
      assert.notEqual(second.revisionID, first.revisionID);
      assertSmall(await sync());
      assert.equal((await to.metrics.get('doc'))?.revisionID, second.revisionID);
    });

    it('181. Unknown base at receiver (purged there): sent whole in the same session', async (context) => {
      const { from, to, sync } = await pairOf(context, type);
      const body = { log: noise(LARGE, 8) };
      await from.metrics.save('doc', body);
      await sync();
      await to.metrics.purge('doc');
      await from.metrics.save('doc', { ...body, n: 1 });
      assertWhole(await sync());
    });

    it('182. Corrupt delta (its base is another text at the receiver): sent whole in the same session', async (context) => {
      const { from, to, settle, sync } = await pairOf(context, type);
      const first = await from.metrics.save('doc', { log: noise(LARGE, 9) });
      const damaged = JSON.stringify({ log: noise(LARGE - 1_000, 10) });
      const { revisionID } = first;
      await storeOf(to.metrics).insert(
        { id: 'doc', revisionID, history: [], deleted: false, body: damaged, hasBlobs: false },
        {},
      );
      await settle(); // the sender knows by this that the receiver has the revision
      const text = noise(LARGE, 9);
      await from.metrics.save('doc', { log: `${text.slice(0, 900)}!${text.slice(900)}` });
      assertWhole(await sync());
    });

    it('183. Push delta then push delta again', async (context) => {
      const { from, sync } = await pairOf(context, type);
      const body = { n: 0, log: noise(LARGE, 11) };
      await from.metrics.save('doc', body);
      await sync();
      for (let n = 1; n <= 5; n++) {
        await from.metrics.save('doc', { ...body, n });
        assertSmall(await sync());
      }
      // Several edits between two sessions.
      for (let n = 6; n <= 8; n++) await from.metrics.save('doc', { ...body, n });
      await sync();
    });

    it('184. Delta + blobs: they survive edits that do not touch them, and compacting', async (context) => {
      const { from, to, sync } = await pairOf(context, type);
      const picture = Buffer.from(seededRandom(12).bytes(50_000));
      const body = { n: 0, log: noise(LARGE, 13), picture: new Blob('image/png', picture) };
      await from.metrics.save('doc', body);
      assertWhole(await sync());
      for (let n = 1; n <= 2; n++) {
        const current = (await from.metrics.get('doc'))?.body as object;
        await from.metrics.save('doc', { ...current, n });
        assertSmall(await sync());
      }
      for (const { database, metrics } of [from, to]) {
        await database.compact();
        const document = await metrics.get('doc');
        const blob = await database.getBlob((document?.body as { picture: never }).picture);
        assert.ok(blob);
        assert.deepEqual(Buffer.from(await blob.content()), picture);
      }
    });

    it('185. Delta of resurrected doc: sent whole, its ancestor being a tombstone', async (context) => {
      const { from, sync } = await pairOf(context, type);
      const body = { log: noise(LARGE, 14) };
      await from.metrics.save('doc', body);
      await sync();
      await from.metrics.delete('doc');
      await sync();
      await from.metrics.save('doc', { ...body, n: 1 });
      assertWhole(await sync());
    });
  });
}
