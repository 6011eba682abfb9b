/** One gateway and many nodes on a half-duplex bus, each with a database of its own. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { Replicator } from '../../src/index.js';
import { SerialEndpoint, SerialEndpointListener } from '../../transports/serial/index.js';
import { openSerialLine, serialLineProblem, type SerialLineErrors } from '../conformance/index.js';
import { cleanup } from '../support/cleanup.js';
import { contents, openPeer, whenChanged, type Peer } from '../support/peers.js';

const SEED = Number(process.env['FUZZ_SEED'] ?? 20_261_128);
const LIMIT = { timeout: 120_000 };
const BAUD_RATE = 115_200;

interface Node {
  readonly peer: Peer;
  readonly replicator: Replicator;
}

/** A line with a gateway at one end and `count` nodes at the others, of which the replicators are not started. */
async function bus(context: TestContext, count: number, addresses: readonly number[], errors: SerialLineErrors = {}) {
  const line = await openSerialLine({ halfDuplex: true, ends: count + 1, baudRate: BAUD_RATE, seed: SEED, ...errors });
  cleanup(context, () => line.close());
  const gateway = await openPeer(context, 'gateway');
  const listener = new SerialEndpointListener({
    ...{ collections: [gateway.metrics], path: line.ends[0]?.path ?? '', baudRate: BAUD_RATE, nodes: addresses },
  });
  cleanup(context, () => listener.stop());
  await listener.start();
  const nodes: Node[] = [];
  for (let index = 1; index <= count; index++) {
    const peer = await openPeer(context, `node-${index}`);
    const path = line.ends[index]?.path ?? '';
    const address = addresses[index - 1] ?? 1;
    const replicator = new Replicator({
      collections: [peer.metrics],
      target: new SerialEndpoint({ path, baudRate: BAUD_RATE, peer: 'gateway', address }),
      continuous: true,
      acceptOnlySelfSignedServerCertificate: true,
    });
    cleanup(context, () => replicator.stop());
    nodes.push({ peer, replicator });
  }
  return { line, gateway, listener, nodes };
}

async function assertAllEqual(gateway: Peer, nodes: readonly Node[], count: number): Promise<void> {
  for (const { metrics } of [gateway, ...nodes.map(({ peer }) => peer)]) {
    await whenChanged(metrics, async () => (await metrics.count()) === count);
  }
  const all = await contents(gateway.metrics);
  for (const { peer } of nodes) assert.deepEqual(await contents(peer.metrics), all);
}

describe('a bus', { ...LIMIT, skip: serialLineProblem() ?? false }, () => {
  it('carries the readings of 8 nodes to the gateway and all to each, and no two speak at once', async (context) => {
    const { line, gateway, listener, nodes } = await bus(context, 8, [1, 2, 3, 4, 5, 6, 7, 32]);
    for (const { peer, replicator } of nodes) {
      await peer.metrics.save(`reading of ${peer.name}`, { value: 1 });
      replicator.start();
    }
    await assertAllEqual(gateway, nodes, 8);
    assert.equal(line.statistics.collisions, 0);
    const addresses = listener.peers.map(({ address }) => address?.replace(/^.*\//, '')).sort();
    assert.deepEqual(addresses, ['1', '2', '3', '32', '4', '5', '6', '7']);
  });

  it(`carries everything through noise, seed ${SEED}`, async (context) => {
    const { gateway, nodes } = await bus(context, 3, [1, 2, 3], { bitErrorRate: 1e-4 });
    for (const { peer, replicator } of nodes) {
      for (let index = 0; index < 10; index++) await peer.metrics.save(`${peer.name}-${index}`, { index });
      replicator.start();
    }
    await assertAllEqual(gateway, nodes, 30);
  });

  it('goes on beside addresses that never answer and a node that is switched off and on', async (context) => {
    const every = Array.from({ length: 32 }, (_, index) => index + 1);
    const { line, gateway, nodes } = await bus(context, 2, every);
    const [first, second] = nodes as [Node, Node];
    for (const { peer, replicator } of nodes) {
      await peer.metrics.save(`first of ${peer.name}`, {});
      replicator.start();
    }
    await assertAllEqual(gateway, nodes, 2);
    await line.unplug(2);
    await first.peer.metrics.save('while the other is off', {});
    await second.peer.metrics.save('saved without a line', {});
    await whenChanged(gateway.metrics, async () => (await gateway.metrics.count()) === 3);
    await line.replug(2);
    await assertAllEqual(gateway, nodes, 4);
  });
});
