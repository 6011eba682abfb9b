/**
 * One gateway and several nodes on a half-duplex line, each with a database of its own. Whether all of them answer in time is a
 * matter of the machine here: that nobody speaks out of turn is shown in virtual time by turn-giver.test.ts.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { SerialLine, SerialLineErrors } from '../conformance/serial-line/index.js';
import { openPeer, whenChanged, type Peer } from '../support/peers.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { pathsOf, serialLine, withoutSerialLine } from './port-user.js';
import { SerialChild } from './serial-child.js';
import { PEER, saveAll, TestListener, TestReplicator, untilEqual } from './serial-peers.js';

const SEED = Number(process.env['FUZZ_SEED'] ?? 20_261_203);
/** Most of the time they wait for the line. */
const usual = { timeout: 120_000, skip: withoutSerialLine, concurrency: 3 };
const BAUD_RATE = 115_200;
/** All of a bus are one process here, which is held up now and then for longer than a node on a device of its own. */
const TURNAROUND_MS = 250;

interface BusOptions extends SerialLineErrors {
  /** Of the nodes, in the order of the ends after the first. */
  readonly addresses: readonly number[];
  /** Those that the gateway asks. @default those of the nodes */
  readonly asked?: readonly number[];
  readonly type?: 'push' | 'pushAndPull';
  readonly baudRate?: number;
  readonly disableTLS?: boolean;
  readonly turnaround?: number;
}

interface Node {
  readonly peer: Peer;
  readonly replicator: TestReplicator;
}

interface Bus {
  readonly line: SerialLine;
  readonly gateway: Peer;
  readonly listener: TestListener;
  readonly nodes: readonly Node[];
}

/** The listener is started, the replicators are not. */
async function openBus(context: TestContext, options: BusOptions): Promise<Bus> {
  const { addresses, asked = addresses, type = 'pushAndPull', baudRate = BAUD_RATE, disableTLS = true } = options;
  const { bitErrorRate = 0, turnaround = TURNAROUND_MS } = options;
  const line = await serialLine(context, {
    ...{ halfDuplex: true, ends: addresses.length + 1, baudRate, seed: SEED, bitErrorRate },
  });
  const [gatewayPath, ...paths] = pathsOf(line);
  const gateway = await openPeer(context, PEER);
  const nodes: Node[] = [];
  for (const [index, path] of paths.entries()) {
    const peer = await openPeer(context, `node-${index + 1}`);
    const address = addresses[index] ?? 1;
    nodes.push({
      peer,
      replicator: new TestReplicator(context, peer, { path, baudRate, address, disableTLS }, { type }),
    });
  }
  const port = { path: gatewayPath, baudRate };
  const listener = await TestListener.start(context, gateway, { ...port, nodes: asked, disableTLS, turnaround });
  return { line, gateway, listener, nodes };
}

function startAll(nodes: readonly Node[]): void {
  for (const { replicator } of nodes) replicator.start();
}

/** Resolves when the gateway has so many documents. */
function untilCount({ metrics }: Peer, count: number): Promise<void> {
  return whenChanged(metrics, async () => (await metrics.count()) === count);
}

const EIGHT = [1, 2, 3, 4, 5, 6, 7, 8];

describe(`a bus with eight nodes, seed ${SEED}`, usual, () => {
  for (const disableTLS of [false, true]) {
    it(`brings all readings to the gateway, ${disableTLS ? 'without' : 'with'} TLS`, async (context) => {
      const { gateway, listener, nodes } = await openBus(context, { addresses: EIGHT, type: 'push', disableTLS });
      await Promise.all(nodes.map(({ peer }) => saveAll(peer, 5)));
      startAll(nodes);
      await untilCount(gateway, 40);
      await Promise.all(nodes.map(({ replicator }) => replicator.whenIdle()));
      assert.deepEqual(
        listener.peers.map(({ address }) => address).sort(),
        EIGHT.map((address) => `serial:${listener.path}/${address}`),
      );
      assert.equal(listener.status.connectionCount, 8);
      assert.ok(nodes.every(({ replicator }) => replicator.outages === 0));
      assert.deepEqual(listener.errorCodes, []);
      for (const { peer } of nodes) assert.equal(await peer.metrics.count(), 5, 'nobody has more than he saved');
    });
  }

  it('brings what the gateway has to all nodes, and what one of them has to the others', async (context) => {
    const { gateway, nodes } = await openBus(context, { addresses: EIGHT });
    const all = [gateway, ...nodes.map(({ peer }) => peer)];
    await Promise.all(all.map((peer) => saveAll(peer, 2)));
    startAll(nodes);
    await untilEqual(all, 18);
  });

  it('loses nothing to noise: one flipped bit in 10,000', async (context) => {
    const { line, gateway, nodes } = await openBus(context, {
      addresses: EIGHT,
      type: 'push',
      bitErrorRate: 1e-4,
      turnaround: 50,
    });
    await Promise.all(nodes.map(({ peer }) => saveAll(peer, 5)));
    startAll(nodes);
    await untilCount(gateway, 40);
    assert.ok(line.statistics.flippedBits > 0);
    assert.ok(nodes.every(({ replicator }) => replicator.outages === 0));
  });
});

describe('a bus', usual, () => {
  it('goes on without a node that is switched off, and with it when it is switched on', async (context) => {
    const { gateway, nodes } = await openBus(context, { addresses: [3, 7, 32] });
    const [first, second, third] = nodes.map(({ peer }) => peer);
    assert.ok(first !== undefined && second !== undefined && third !== undefined);
    const replicator = nodes[1]?.replicator;
    startAll(nodes);
    await saveAll(second, 1);
    await untilEqual([gateway, first, second, third], 1);
    await replicator?.stop();
    await saveAll(second, 1, 1);
    await saveAll(first, 1);
    await untilEqual([gateway, first, third], 2);
    replicator?.start();
    await untilEqual([gateway, first, second, third], 3);
  });

  it('asks 32 addresses of which two are somebody', async (context) => {
    const asked = Array.from({ length: 32 }, (_, index) => index + 1);
    const { gateway, nodes, listener } = await openBus(context, { addresses: [5, 31], asked, turnaround: 50 });
    await Promise.all(nodes.map(({ peer }) => saveAll(peer, 3)));
    startAll(nodes);
    const all = [gateway, ...nodes.map(({ peer }) => peer)];
    await untilEqual(all, 6);
    await saveAll(gateway, 1);
    await untilEqual(all, 7);
    assert.equal(listener.status.connectionCount, 2);
  });

  it('waits for a process that is held up, and loses nothing', async (context) => {
    const { line, gateway, nodes, listener } = await openBus(context, { addresses: [1, 2], asked: [1, 2] });
    const [{ replicator, peer } = assert.fail()] = nodes;
    replicator.start();
    const path = line.ends[2]?.path ?? '';
    const options = { path, baudRate: BAUD_RATE, address: 2, peer: PEER, disableTLS: true };
    const child = new SerialChild(context, 'replicate', await temporaryDirectory(context), options);
    await child.says(/^idle/);
    for (let round = 1; round <= 3; round++) {
      child.save(`of the child ${round}`);
      await saveAll(gateway, 1, round);
      await saveAll(peer, 1, round);
      child.signal('SIGSTOP');
      await new Promise((resolve) => setTimeout(resolve, 300)); // it is this that is tested
      child.signal('SIGCONT');
      await untilEqual([gateway, peer], 3 * round);
      await child.says(new RegExp(`committed .*bridge-${round}`));
    }
    assert.ok(!child.lines.some((text) => text.startsWith('offline')), child.lines.join());
    assert.equal(replicator.outages, 0);
    assert.deepEqual(listener.errorCodes, []);
  });

  it('bears two nodes of the same address: the others go on', async (context) => {
    const { gateway, nodes, listener } = await openBus(context, { addresses: [1, 2, 2], asked: [1, 2], type: 'push' });
    const [{ replicator, peer } = assert.fail(), ...twins] = nodes;
    for (const twin of twins) {
      await saveAll(twin.peer, 3);
      twin.replicator.start();
    }
    await saveAll(peer, 3);
    replicator.start();
    await whenChanged(gateway.metrics, async () => (await gateway.metrics.get('node-1-2')) !== undefined);
    await saveAll(peer, 3, 3);
    await whenChanged(gateway.metrics, async () => (await gateway.metrics.get('node-1-5')) !== undefined);
    assert.equal(replicator.outages, 0);
    assert.deepEqual(listener.errorCodes, []);
  });

  it('goes on when adapters are unplugged and plugged in, at the gateway and at a node', async (context) => {
    const { line, gateway, nodes, listener } = await openBus(context, { addresses: [1, 2] });
    const all = [gateway, ...nodes.map(({ peer }) => peer)];
    startAll(nodes);
    await saveAll(gateway, 1);
    await untilEqual(all, 1);
    await Promise.all(nodes.map(({ replicator }) => replicator.whenIdle()));
    await line.unplug(0);
    await listener.nobody();
    await line.replug(0);
    await saveAll(gateway, 1, 1); // only a node can connect, and it has to learn that it must
    await untilEqual(all, 2);
    await Promise.all(nodes.map(({ replicator }) => replicator.whenIdle()));
    const [{ replicator } = assert.fail()] = nodes;
    const offline = replicator.tells(/^offline SERIAL_PORT_LOST/);
    await line.unplug(1);
    await offline;
    await line.replug(1);
    await saveAll(gateway, 1, 2);
    await untilEqual(all, 3);
    assert.deepEqual(listener.errorCodes, ['SERIAL_PORT_LOST']);
  });

  it('is noticed to have no gateway any more within 20 s, also by a node with nothing to say', async (context) => {
    const { gateway, nodes, line } = await openBus(context, { addresses: [1, 2] });
    startAll(nodes);
    await saveAll(gateway, 1);
    await untilEqual([gateway, ...nodes.map(({ peer }) => peer)], 1);
    await Promise.all(nodes.map(({ replicator }) => replicator.whenIdle()));
    const offline = nodes.map(({ replicator }) => replicator.tells(/^offline CONNECTION_LOST/));
    line.mute();
    await Promise.all(offline);
    line.unmute();
    await saveAll(gateway, 1, 1);
    await untilEqual([gateway, ...nodes.map(({ peer }) => peer)], 2);
  });

  it('is slow at 9,600 baud, and complete', async (context) => {
    const { gateway, nodes } = await openBus(context, { addresses: [1, 2, 3], baudRate: 9_600 });
    const all = [gateway, ...nodes.map(({ peer }) => peer)];
    await Promise.all(all.map((peer) => saveAll(peer, 2)));
    startAll(nodes);
    await untilEqual(all, 8);
    assert.ok(nodes.every(({ replicator }) => replicator.outages === 0));
  });
});
