/**
 * Three databases with continuous replications between them, in a circle and in both directions of one side, all of whose
 * links break again and again while documents are edited and deleted everywhere and replicators are restarted: once the
 * links hold and the edits end, all are equal.
 */
import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { describe, it, type TestContext } from 'node:test';
import { faulty, seededRandom } from '../../src/index.js';
import { contents, link, openPeer, whenChanged, type Link, type Peer } from '../support/peers.js';

const DOCUMENTS = 6;
const EDITS = 120;

describe('continuous replications over links that break', { timeout: 120_000 }, () => {
  for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
    it(`end equal, seed ${seed}`, (context) => converge(context, seed));
  }
});

async function converge(context: TestContext, seed: number): Promise<void> {
  const random = seededRandom(seed);
  const pick = (below: number): number => Math.floor(random.next() * below);
  const peers = await Promise.all([0, 1, 2].map((index) => openPeer(context, `p${index}`)));
  let isBreaking = true;
  const connect = (active: number, passive: number): Link =>
    link(peers[active] as Peer, peers[passive] as Peer, {
      continuous: true,
      maxAttemptWaitTime: 0.005,
      around: (connection) => (isBreaking ? faulty(connection, { random, cutAfter: pick(120) }) : connection),
    });
  const links = [connect(0, 1), connect(1, 2), connect(2, 0), connect(1, 0)];
  for (const { replicator } of links) replicator.start();
  for (let edit = 0; edit < EDITS; edit++) {
    const { metrics, name } = peers[pick(peers.length)] as Peer;
    const id = `d${pick(DOCUMENTS)}`;
    if (random.next() < 0.15)
      await metrics.delete(id).catch(({ code }: { code?: string }) => assert.equal(code, 'DOCUMENT_NOT_FOUND'));
    else await metrics.save(id, { by: name, edit, value: pick(3) });
    for (let turn = pick(10); turn > 0; turn--) await setImmediate();
    if (pick(25) > 0) continue;
    const { replicator } = links[pick(links.length)] as Link;
    await replicator.stop();
    replicator.start();
  }
  isBreaking = false;
  const areEqual = async (): Promise<boolean> => {
    const texts = await Promise.all(peers.map(async ({ metrics }) => (await contents(metrics)).join('\n')));
    return new Set(texts).size === 1;
  };
  await Promise.race(peers.map(({ metrics }) => whenChanged(metrics, areEqual)));
  for (const { replicator } of links) {
    assert.notEqual(replicator.status.activity, 'stopped', `seed ${seed}: ${replicator.status.error?.message}`);
    await replicator.stop();
  }
  for (const peer of peers) assert.deepEqual(await peer.database.integrityCheck(), [], `seed ${seed}`);
}
