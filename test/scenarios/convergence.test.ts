/**
 * Random edits and deletions on several peers, synced in random order over links that break at random, end equal on all
 * of them once everybody has synced with everybody often enough; with the default rule, and with a resolver that merges.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { faulty, seededRandom, type ConflictResolver, type RandomSource } from '../../src/index.js';
import { contents, link, openPeer, type LinkOptions, type Peer } from '../support/peers.js';

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- documents of any shape
type Resolver = ConflictResolver<any>;

type Topology = (peers: readonly Peer[]) => (readonly [Peer, Peer])[];

const star: Topology = ([hub, ...nodes]) => nodes.map((node) => [node, hub as Peer]);
const ring: Topology = (peers) => peers.map((peer, index) => [peer, peers[(index + 1) % peers.length] as Peer]);
const mesh: Topology = (peers) =>
  peers.flatMap((peer, index) => peers.slice(index + 1).map((other) => [peer, other] as const));

const DOCUMENTS = 12;

for (const [name, topology, size] of [
  ['star', star, 4],
  ['ring', ring, 3],
  ['mesh', mesh, 4],
] as const) {
  describe(`peers in a ${name}`, { timeout: 120_000 }, () => {
    for (const seed of [1, 2, 3, 4, 5, 6]) {
      it(`end equal after random edits and broken links, seed ${seed}`, (context) =>
        converge(context, topology, size, seed, undefined));
    }
    for (const seed of [7, 8]) {
      it(`end equal where conflicts are merged, seed ${seed}`, (context) =>
        converge(context, topology, size, seed, merge));
    }
  });
}

/** Field by field the larger text, whichever side is local; a deletion wins. It takes its time. */
const merge: Resolver = async ({ localDocument, remoteDocument }) => {
  await setImmediate();
  if (localDocument === undefined || remoteDocument === undefined) return null;
  const [ours, theirs] = [localDocument.body, remoteDocument.body];
  const keys = [...new Set([...Object.keys(ours), ...Object.keys(theirs)])];
  const larger = (x: unknown, y: unknown): unknown => (JSON.stringify(x ?? null) >= JSON.stringify(y ?? null) ? x : y);
  return Object.fromEntries(keys.map((key) => [key, larger(ours[key], theirs[key]) ?? null]));
};

async function converge(
  context: TestContext,
  topology: Topology,
  size: number,
  seed: number,
  resolver: Resolver | undefined,
): Promise<void> {
  const random = seededRandom(seed * 1_000 + size);
  const pick = (below: number): number => Math.floor(random.next() * below);
  const peers = await Promise.all(Array.from({ length: size }, (_, index) => openPeer(context, `p${index}`)));
  const links = topology(peers);
  for (let round = 0; round < 8; round++) {
    for (const peer of peers) await editAtRandom(peer, random, round);
    for (let step = 0; step < links.length; step++) {
      const [active, passive] = links[pick(links.length)] as readonly [Peer, Peer];
      await syncAndBreak(active, passive, random, resolver);
    }
  }
  // A change crosses one link a pass at least; resolutions made on the way need as many again.
  for (let pass = 0; pass < 3 * size; pass++) {
    for (const [active, passive] of links) await syncWhole(active, passive, resolver);
    if (await allEqual(peers)) break;
  }
  const [first, ...others] = await Promise.all(peers.map((peer) => contents(peer.metrics)));
  others.forEach((other, index) =>
    assert.deepEqual(other, first, `seed ${seed}: peer ${index + 1} differs from peer 0`),
  );
  for (const peer of peers) assert.deepEqual(await peer.database.integrityCheck(), []);
}

async function editAtRandom(peer: Peer, random: RandomSource, round: number): Promise<void> {
  for (let step = 0; step < 4; step++) {
    const id = `d${Math.floor(random.next() * DOCUMENTS)}`;
    if (random.next() < 0.15)
      await peer.metrics.delete(id).catch((error: { code?: string }) => assert.equal(error.code, 'DOCUMENT_NOT_FOUND'));
    else await peer.metrics.save(id, { by: peer.name, round, value: Math.floor(random.next() * 3) });
  }
}

/** One run over a link that breaks after a few messages, more often than not; whatever error that gives. */
async function syncAndBreak(
  active: Peer,
  passive: Peer,
  random: RandomSource,
  resolver: Resolver | undefined,
): Promise<void> {
  const cutAfter = Math.floor(random.next() * 40);
  const { replicator } = link(active, passive, {
    ...configured(active, resolver),
    maxAttempts: 1,
    around: (connection) => faulty(connection, { random, cutAfter }),
  });
  replicator.start();
  const error = await replicator.stopped();
  assert.ok(error === undefined || error.retryable, `${error?.code}: ${error?.message}`);
}

function configured({ metrics }: Peer, conflictResolver: Resolver | undefined): LinkOptions {
  return conflictResolver === undefined ? {} : { collections: [{ collection: metrics, conflictResolver }] };
}

async function syncWhole(active: Peer, passive: Peer, resolver: Resolver | undefined): Promise<void> {
  const { replicator } = link(active, passive, configured(active, resolver));
  replicator.start();
  assert.equal(await replicator.stopped(), undefined);
}

async function allEqual(peers: readonly Peer[]): Promise<boolean> {
  const all = await Promise.all(peers.map(async (peer) => (await contents(peer.metrics)).join('\n')));
  return all.every((text) => text === all[0]);
}
