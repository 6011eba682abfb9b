/** Many replicators and listeners at once, on few databases: no cross-talk, no deadlock, and quiet in the end. */
import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { describe, it, type TestContext } from 'node:test';
import { traced, type MessageEndpointConnection } from '../../src/index.js';
import { contents, link, openPeer, whenChanged, type AnyCollection, type Link, type Peer } from '../support/peers.js';

const LIMIT = { timeout: 120_000 };

async function fill(peer: Peer, count: number): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, (_, index) => peer.metrics.save(`${peer.name}${index}`, { index, from: peer.name })),
  );
}

async function peersNamed(context: TestContext, ...names: string[]): Promise<Peer[]> {
  return Promise.all(names.map((name) => openPeer(context, name)));
}

/** Waits until every collection has the same documents. */
async function untilEqual(collections: readonly AnyCollection[]): Promise<void> {
  const texts = async (): Promise<string[]> =>
    Promise.all(collections.map(async (collection) => (await contents(collection)).join('\n')));
  const areEqual = async (): Promise<boolean> => new Set(await texts()).size === 1;
  await Promise.race(collections.map((collection) => whenChanged(collection, areEqual)));
}

/** Counts the messages that cross every link it is put around. */
function counter() {
  const counts = { messages: 0 };
  const around = (connection: MessageEndpointConnection): MessageEndpointConnection =>
    traced(connection, ({ kind }) => {
      if (kind === 'sent' || kind === 'received') counts.messages++;
    });
  return { counts, around };
}

/** Resolves to the number of messages once none has crossed for some hundred turns; fails where they go on for ever. */
async function untilQuiet(counts: { readonly messages: number }): Promise<number> {
  for (let round = 0; round < 30; round++) {
    const before = counts.messages;
    for (let turn = 0; turn < 300; turn++) await setImmediate();
    if (counts.messages === before) return before;
  }
  return assert.fail('there is traffic without a change');
}

async function stopAll(links: readonly Link[]): Promise<void> {
  await Promise.all(links.map(({ replicator }) => replicator.stop()));
}

describe('two databases that replicate with each other, each active to the other', LIMIT, () => {
  it('44. become equal whatever is edited on either side, and then quiet', async (context) => {
    const [a, b] = (await peersNamed(context, 'a', 'b')) as [Peer, Peer];
    const { counts, around } = counter();
    const links = [link(a, b, { continuous: true, around }), link(b, a, { continuous: true, around })];
    await fill(a, 200);
    await fill(b, 200);
    for (const { replicator } of links) replicator.start();
    for (let round = 0; round < 60; round++) {
      await a.metrics.save('both', { round, by: 'a' });
      await b.metrics.save('both', { round, by: 'b' });
      if (round % 7 === 3) await a.metrics.delete('both');
      await a.metrics.save(`b${round}`, { edited: 'by a' });
      await b.metrics.save(`b${round}`, { edited: 'by b' });
    }
    await untilEqual([a.metrics, b.metrics]);
    const before = await untilQuiet(counts);
    assert.deepEqual(await contents(a.metrics), await contents(b.metrics));
    // One more change crosses once: a handful of messages on both links together.
    await a.metrics.save('last', {});
    await whenChanged(b.metrics, async () => (await b.metrics.get('last')) !== undefined);
    const crossed = (await untilQuiet(counts)) - before;
    assert.ok(crossed <= 40, String(crossed));
    await stopAll(links);
  });
});

describe('several replicators of one database', LIMIT, () => {
  it('with one listener and the same target share nothing that hurts', async (context) => {
    const [a, b] = (await peersNamed(context, 'a', 'b')) as [Peer, Peer];
    const [mine, its] = [a.database.collection() as AnyCollection, b.database.collection() as AnyCollection];
    const options = { collections: [mine], served: [its], continuous: true } as const;
    // Of the default collection every direction keeps its checkpoint in the same place.
    const links = [
      link(a, b, { ...options, type: 'push' }),
      link(a, b, { ...options, type: 'pull' }),
      link(a, b, { ...options, type: 'pushAndPull' }),
    ];
    for (const { replicator } of links) replicator.start();
    for (let round = 0; round < 100; round++) {
      await Promise.all([mine.save(`a${round}`, { round }), its.save(`b${round}`, { round })]);
      if (round % 10 === 0) await setImmediate();
    }
    await untilEqual([mine, its]);
    assert.equal(await mine.count(), 200);
    for (const { replicator } of links) assert.equal(replicator.status.error, undefined);
    await stopAll(links);
    for (const { replicator } of links) assert.equal(replicator.status.error, undefined);
  });

  it('45. with several listeners run beside each other', async (context) => {
    const [client, ...servers] = (await peersNamed(context, 'client', 's0', 's1', 's2')) as [Peer, ...Peer[]];
    await fill(client, 100);
    for (const server of servers) await fill(server, 100);
    const links = servers.map((server) => link(client, server, { continuous: true }));
    for (const { replicator } of links) replicator.start();
    await untilEqual([client, ...servers].map(({ metrics }) => metrics));
    assert.equal(await client.metrics.count(), 400);
    await stopAll(links);
  });
});

describe('one database', LIMIT, () => {
  it('serves many clients through several listeners, of which one can be stopped', async (context) => {
    const [hub, ...clients] = (await peersNamed(context, 'hub', 'c0', 'c1', 'c2', 'c3')) as [Peer, ...Peer[]];
    const links = clients.map((client) => link(client, hub, { continuous: true }));
    for (const client of clients) await fill(client, 50);
    for (const { replicator } of links) replicator.start();
    await untilEqual([hub, ...clients].map(({ metrics }) => metrics));
    assert.equal(await hub.metrics.count(), 200);
    await links[0]?.listener.closeAll();
    await links[0]?.replicator.stop();
    await clients[1]?.metrics.save('later', {});
    await whenChanged(hub.metrics, async () => (await hub.metrics.get('later')) !== undefined);
    await stopAll(links);
    await hub.database.close();
    for (const { listener } of links) assert.equal(listener.status.connectionCount, 0);
  });

  it('is active and passive at once, in a chain that ends equal', async (context) => {
    const chain = await peersNamed(context, 'n0', 'n1', 'n2', 'n3');
    const links = chain.slice(1).map((peer, index) => link(chain[index] as Peer, peer, { continuous: true }));
    for (const peer of chain) await fill(peer, 60);
    for (const { replicator } of links) replicator.start();
    await untilEqual(chain.map(({ metrics }) => metrics));
    assert.equal(await chain[0]?.metrics.count(), 240);
    await stopAll(links);
  });

  it('in a ring of continuous replicators ends equal and quiet', async (context) => {
    const ring = await peersNamed(context, 'r0', 'r1', 'r2');
    const { counts, around } = counter();
    const links = ring.map((peer, index) =>
      link(peer, ring[(index + 1) % ring.length] as Peer, { continuous: true, around }),
    );
    for (const { replicator } of links) replicator.start();
    for (let round = 0; round < 40; round++) {
      for (const peer of ring) await peer.metrics.save(`d${round % 8}`, { round, by: peer.name });
    }
    await untilEqual(ring.map(({ metrics }) => metrics));
    await untilQuiet(counts);
    await stopAll(links);
    for (const peer of ring) assert.deepEqual(await peer.database.integrityCheck(), []);
  });

  it('replicates with itself without harm', async (context) => {
    const [a] = (await peersNamed(context, 'a')) as [Peer];
    await fill(a, 300);
    const { replicator } = link(a, a, {});
    replicator.start();
    assert.equal(await replicator.stopped(), undefined);
    assert.equal(await a.metrics.count(), 300);
    assert.equal((await a.metrics.get('a0'))?.sequence !== undefined, true);
  });
});

describe('three sessions from one database to one listener', LIMIT, () => {
  it('47. all complete, with equal content', async (context) => {
    const [a, b] = (await peersNamed(context, 'a', 'b')) as [Peer, Peer];
    await fill(a, 500);
    await fill(b, 500);
    const links = [link(a, b), link(a, b), link(a, b)];
    for (const { replicator } of links) replicator.start();
    const errors = await Promise.all(links.map(({ replicator }) => replicator.stopped()));
    assert.deepEqual(errors, [undefined, undefined, undefined]);
    assert.deepEqual(await contents(a.metrics), await contents(b.metrics));
    assert.equal(await a.metrics.count(), 1_000);
  });
});
