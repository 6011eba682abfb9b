/**
 * More than two peers, each pair over another medium: chains, rings and meshes carry everything everywhere, through outages and
 * restarts, and come to rest. The numbers are those of the acceptance scenarios.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { Database, Replicator, type ReplicatorOptions } from '../../src/index.js';
import { MqttEndpoint, MqttEndpointListener } from '../../transports/mqtt/index.js';
import { cleanup } from '../support/cleanup.js';
import { mqtt, serial } from '../support/link-media.js';
import { mosquittoProblem, startMosquitto } from '../support/mosquitto.js';
import { contents, openPeer, whenChanged, type Peer } from '../support/peers.js';
import { replicatorTo, wss, type Medium } from '../support/secure-peers.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const LIMIT = { timeout: 120_000 };
const MEDIA: readonly Medium[] = [wss, mqtt, serial];
const skip = MEDIA.map((medium) => medium.skip).find((problem) => problem !== false) ?? false;
const trust = { acceptOnlySelfSignedServerCertificate: true };

/** A replicator of `from` to a listener of `to`, over that medium. Not started. */
async function connect(
  context: TestContext,
  from: Peer,
  to: Peer,
  medium: Medium,
  options: Partial<ReplicatorOptions> = {},
): Promise<Replicator> {
  const server = await medium.listen(context, to);
  const { target: _target, ...others } = { ...trust, ...options };
  return replicatorTo(context, server, from, others);
}

async function save(peer: Peer, prefix: string, count: number, value: number): Promise<void> {
  const ids = Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
  await Promise.all(ids.map((id) => peer.metrics.save(id, { value })));
}

/** Resolves when all have the same, and so many documents. */
async function assertConverge(peers: readonly Peer[], count: number): Promise<void> {
  for (const { metrics } of peers) await whenChanged(metrics, async () => (await metrics.count()) === count);
  const [first, ...others] = peers;
  if (first === undefined) return;
  for (const other of others) {
    const same = async (): Promise<boolean> =>
      (await contents(other.metrics)).join('\n') === (await contents(first.metrics)).join('\n');
    await whenChanged(other.metrics, same);
  }
}

const three = (context: TestContext): Promise<Peer[]> =>
  Promise.all(['one', 'two', 'three'].map((name) => openPeer(context, name)));

describe('more than two peers', { ...LIMIT, skip }, () => {
  it('226. a document reaches the far end of a chain over a serial line and a broker, and one comes back', async (context) => {
    const [sensor, gateway, shore] = (await three(context)) as [Peer, Peer, Peer];
    const first = await connect(context, sensor, gateway, serial, { continuous: true });
    const second = await connect(context, gateway, shore, mqtt, { continuous: true });
    first.start();
    second.start();
    await sensor.metrics.save('reading', { rpm: 1_200 });
    await shore.metrics.save('order', { text: 'slow down' });
    await assertConverge([sensor, gateway, shore], 2);
  });

  for (const continuous of [false, true]) {
    for (const count of [10, 100]) {
      const how = continuous ? 'continuously' : 'once after the other';
      it(`235. a full mesh of three media has ${count} documents of each peer, ${how}`, async (context) => {
        const peers = await three(context);
        const replicators = await Promise.all(
          peers.map((peer, index) =>
            connect(context, peer, peers[(index + 1) % 3] as Peer, MEDIA[index] as Medium, { continuous }),
          ),
        );
        for (const peer of peers) await save(peer, peer.name, count, 1);
        if (continuous) for (const replicator of replicators) replicator.start();
        // What the last one brings has to go round once more.
        else for (const replicator of [...replicators, ...replicators]) await once(replicator);
        await assertConverge(peers, 3 * count);
      });
    }
  }

  it('236. a ring converges and comes to rest: nothing goes round for ever', async (context) => {
    const peers = await three(context);
    let transfers = 0;
    const replicators = await Promise.all(
      peers.map((peer, index) =>
        connect(context, peer, peers[(index + 1) % 3] as Peer, MEDIA[index] as Medium, { continuous: true }),
      ),
    );
    for (const replicator of replicators) {
      replicator.on('documents', ({ documents }) => (transfers += documents.length));
      replicator.start();
    }
    for (const peer of peers) await save(peer, peer.name, 50, 1);
    await assertConverge(peers, 150);
    await Promise.all(replicators.map((replicator) => replicator.whenIdle()));
    const sequences = await Promise.all(peers.map(({ metrics }) => lastSequence(metrics)));
    // One more goes once round: if anything still circled, there would be more with it.
    transfers = 0;
    await (peers[0] as Peer).metrics.save('last', { value: 1 });
    await assertConverge(peers, 151);
    await Promise.all(replicators.map((replicator) => replicator.whenIdle()));
    assert.ok(transfers <= 3, `one document was transferred ${transfers} times`);
    const after = await Promise.all(peers.map(({ metrics }) => lastSequence(metrics)));
    assert.deepEqual(
      after,
      sequences.map((sequence) => sequence + 1),
    );
  });

  it('237. a ring goes on without one of its peers, which has everything when it is back', async (context) => {
    const [one, three] = [await openPeer(context, 'one'), await openPeer(context, 'three')];
    const folder = await temporaryDirectory(context);
    let two = await reopen(context, folder);
    const toOne = await connect(context, three, one, serial, { continuous: true });
    toOne.start();
    const [first, second] = await joinRing(context, one, two, three);
    await save(two, 'two', 20, 1);
    await assertConverge([one, two, three], 20);
    await two.database.close(); // with its listener and its replicator
    await save(one, 'two', 10, 2);
    await save(three, 'three', 20, 1);
    await assertConverge([one, three], 40);
    await Promise.all([first.stop(), second.stop()]);
    two = await reopen(context, folder);
    await joinRing(context, one, two, three);
    await save(two, 'late', 5, 1);
    await assertConverge([one, two, three], 45);
  });

  it('238. 10,000 documents of the last in a chain reach the first after a restart', async (context) => {
    const [head, middle] = [await openPeer(context, 'head'), await openPeer(context, 'middle')];
    const folder = await temporaryDirectory(context);
    let end = await reopen(context, folder);
    const up = await connect(context, middle, head, wss, { continuous: true });
    up.start();
    const before = await connect(context, end, middle, mqtt, { continuous: true });
    before.start();
    await save(end, 'early', 10, 1);
    await assertConverge([head, middle, end], 10);
    await end.database.close();
    end = await reopen(context, folder);
    await save(end, 'reading', 10_000, 1);
    (await connect(context, end, middle, mqtt, { continuous: true })).start();
    await assertConverge([head, middle, end], 10_010);
  });
});

describe('a partition in the middle of the work', { ...LIMIT, skip: mosquittoProblem() ?? false }, () => {
  it('239. 10,000 documents updated behind it are equal when it is over', async (context) => {
    const [near, far] = [await openPeer(context, 'near'), await openPeer(context, 'far')];
    const broker = await startMosquitto(context);
    const listener = new MqttEndpointListener({ collections: [far.metrics], broker: broker.url() });
    cleanup(context, () => listener.stop());
    await listener.start();
    await save(near, 'reading', 10_000, 1);
    const target = new MqttEndpoint({ broker: broker.url(), peer: 'far' });
    const replicator = new Replicator({ collections: [near.metrics], target, continuous: true, ...trust });
    cleanup(context, () => replicator.stop());
    replicator.start();
    await whenChanged(far.metrics, async () => (await far.metrics.count()) >= 2_000);
    await broker.kill();
    await save(near, 'reading', 10_000, 2);
    await save(far, 'of far', 100, 3);
    await broker.restart();
    await assertConverge([near, far], 10_100);
  });
});

async function once(replicator: Replicator): Promise<void> {
  replicator.start();
  assert.equal(await replicator.stopped(), undefined);
}

/** One → two and two → three; three → one is there already. */
async function joinRing(context: TestContext, one: Peer, two: Peer, three: Peer): Promise<[Replicator, Replicator]> {
  const first = await connect(context, one, two, wss, { continuous: true });
  const second = await connect(context, two, three, mqtt, { continuous: true });
  first.start();
  second.start();
  return [first, second];
}

async function reopen(context: TestContext, folder: string): Promise<Peer> {
  const database = await Database.open(folder, { name: 'two' });
  cleanup(context, () => database.close());
  return { name: 'two', database, metrics: await database.createCollection('metrics') };
}

async function lastSequence(metrics: Peer['metrics']): Promise<number> {
  let last = 0;
  for await (const { sequence } of metrics.documents()) last = Math.max(last, Number(sequence));
  return last;
}
