/** One suite of replication on every medium by name: what is promised on one holds on all. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { Blob, deferred, seededRandom, type Replicator } from '../../src/index.js';
import { bus, mqtt311, mqttAedes } from '../support/link-media.js';
import { contents, openPeer, type Peer } from '../support/peers.js';
import {
  ALL_MEDIA,
  replicatorTo,
  type ClientOptions,
  type Server,
  type ServerOptions,
} from '../support/secure-peers.js';

const LIMIT = { timeout: 120_000 };
const MEDIA = [...ALL_MEDIA, mqtt311, mqttAedes, bus];

for (const medium of MEDIA) {
  describe(`replication over ${medium.name}`, { ...LIMIT, skip: medium.skip }, () => {
    const meet = async (context: TestContext, options: ServerOptions = {}) => {
      const [near, far] = [await openPeer(context, 'near'), await openPeer(context, 'far')];
      return { near, far, server: await medium.listen(context, far, options) };
    };
    const begin = (context: TestContext, server: Server, near: Peer, options: ClientOptions = {}): Replicator => {
      const trust = server.hasCertificate ? { acceptOnlySelfSignedServerCertificate: true } : {};
      const replicator = replicatorTo(context, server, near, { ...trust, ...options });
      replicator.start();
      return replicator;
    };
    const replicate = async (...given: Parameters<typeof begin>): Promise<void> => {
      assert.equal(await begin(...given).stopped(), undefined);
    };

    it('pushes, pulls, and does both', async (context) => {
      const { near, far, server } = await meet(context);
      await near.metrics.save('of near', { rpm: 1 });
      await far.metrics.save('of far', { rpm: 2 });
      await replicate(context, server, near, { type: 'push' });
      assert.deepEqual(await ids(far), ['of far', 'of near']);
      assert.deepEqual(await ids(near), ['of near']);
      await replicate(context, server, near, { type: 'pull' });
      assert.deepEqual(await contents(near.metrics), await contents(far.metrics));
      await near.metrics.save('of near', { rpm: 3 });
      await far.metrics.delete('of far');
      await replicate(context, server, near);
      assert.deepEqual(await ids(far), ['of near']);
      assert.deepEqual(await contents(near.metrics), await contents(far.metrics));
    });

    it('resolves a conflict where it pulls, and both sides have the result', async (context) => {
      const { near, far, server } = await meet(context);
      await near.metrics.save('engine', { rpm: 1 });
      await replicate(context, server, near);
      await near.metrics.save('engine', { rpm: 10, by: 'near' });
      await far.metrics.save('engine', { rpm: 20, by: 'far' });
      const collections = [
        { collection: near.metrics, conflictResolver: () => ({ rpm: 30, by: 'both' }) },
      ] as ClientOptions['collections'];
      await replicate(context, server, near, collections === undefined ? {} : { collections });
      await replicate(context, server, near);
      assert.deepEqual((await far.metrics.get('engine'))?.body, { rpm: 30, by: 'both' });
      assert.deepEqual(await contents(near.metrics), await contents(far.metrics));
    });

    it('sends what has changed of a large document, and the rest not again', async (context) => {
      const { near, far, server } = await meet(context, { enableDeltaSync: true });
      const random = seededRandom(7);
      const noise = Array.from({ length: 2_000 }, () => Math.floor(random.next() * 1e9));
      await near.metrics.save('log', { noise, rpm: 1 });
      await replicate(context, server, near);
      await near.metrics.save('log', { noise, rpm: 2 });
      const replicator = begin(context, server, near);
      await replicator.stopped();
      assert.deepEqual((await far.metrics.get('log'))?.body, { noise, rpm: 2 });
      assert.deepEqual(await contents(near.metrics), await contents(far.metrics));
    });

    it('carries a blob both ways', async (context) => {
      const { near, far, server } = await meet(context);
      const picture = seededRandom(8).bytes(150_000);
      await near.metrics.save('chart', { picture: new Blob('image/png', picture) });
      const sound = seededRandom(9).bytes(70_000);
      await far.metrics.save('horn', { sound: new Blob('audio/wav', sound) });
      await replicate(context, server, near);
      assert.deepEqual(await blobOf(far, 'chart', 'picture'), picture);
      assert.deepEqual(await blobOf(near, 'horn', 'sound'), sound);
    });

    it('goes on by itself after the medium broke, and nothing is lost', async (context) => {
      const { near, far, server } = await meet(context);
      const saveAll = (from: number, to: number): Promise<unknown> =>
        Promise.all(
          Array.from({ length: to - from }, (_, index) => near.metrics.save(`reading-${from + index}`, { index })),
        );
      await saveAll(0, 200);
      const halfWay = deferred();
      const replicator = begin(context, server, near, { continuous: true });
      const offline = deferred();
      replicator.on('status', ({ activity }) => void (activity === 'offline' && offline.resolve()));
      replicator.on('documents', () => halfWay.resolve());
      await halfWay.promise;
      const cutting = server.cut();
      await offline.promise; // nobody had to wait for a time limit to learn it
      await saveAll(200, 260);
      await cutting;
      await far.metrics.save('answer', { index: -1 });
      await replicator.whenIdle();
      await replicator.stop();
      assert.equal(await far.metrics.count(), 261);
      assert.deepEqual(await contents(near.metrics), await contents(far.metrics));
    });
  });
}

async function ids({ metrics }: Peer): Promise<string[]> {
  const found: string[] = [];
  for await (const { id } of metrics.documents()) found.push(id);
  return found.sort();
}

async function blobOf({ database, metrics }: Peer, id: string, name: string): Promise<Uint8Array> {
  const blob = await database.getBlob((await metrics.get(id))?.body[name]);
  assert.ok(blob !== undefined, `${id} has no blob`);
  return new Uint8Array(await blob.content());
}
