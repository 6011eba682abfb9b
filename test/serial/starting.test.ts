/** Who starts first, who dies, what is unplugged: on a serial line everything mends itself, in whatever order. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { Replicator } from '../../src/index.js';
import type { SerialLine } from '../conformance/serial-line/index.js';
import { countingClock } from '../support/counting-clock.js';
import { heldClock } from '../support/held-clock.js';
import { openPeer, whenChanged, type Peer } from '../support/peers.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { turnsUntil } from '../support/turns.js';
import { pathsOf, PortUser, serialLine, withoutSerialLine } from './port-user.js';
import { SerialChild } from './serial-child.js';
import { PEER, saveAll, TestListener, TestReplicator, untilEqual } from './serial-peers.js';

/** They wait for timers and processes most of the time. */
const usual = { timeout: 120_000, skip: withoutSerialLine, concurrency: 4 };
const BAUD_RATE = 115_200;

interface Ends {
  readonly line: SerialLine;
  readonly near: Peer;
  readonly far: Peer;
  /** Where the listener belongs. */
  readonly farPort: { readonly path: string; readonly baudRate: number };
  readonly nearPort: { readonly path: string; readonly baudRate: number };
}

async function ends(context: TestContext): Promise<Ends> {
  const line = await serialLine(context, { baudRate: BAUD_RATE });
  const [farPort, nearPort] = pathsOf(line).map((path) => ({ path, baudRate: BAUD_RATE }));
  assert.ok(farPort !== undefined && nearPort !== undefined);
  const [near, far] = [await openPeer(context, 'near'), await openPeer(context, 'bridge')];
  return { line, near, far, farPort, nearPort };
}

/** Both sides save something, and both have it: however quiet it was before. */
async function assertFlows(near: Peer, far: Peer): Promise<void> {
  const before = await near.metrics.count();
  await saveAll(far, 1, before);
  await untilEqual([near, far], before + 1);
  await saveAll(near, 1, before);
  await untilEqual([near, far], before + 2);
}

describe('starting and stopping on a serial line', usual, () => {
  it('begins with the listener', async (context) => {
    const { near, far, farPort, nearPort } = await ends(context);
    const listener = await TestListener.start(context, far, farPort);
    assert.equal(listener.path, farPort.path);
    assert.equal(listener.isListening, true);
    await listener.start(); // once more
    TestReplicator.start(context, near, nearPort);
    await assertFlows(near, far);
    assert.deepEqual(
      listener.peers.map(({ address }) => address),
      [`serial:${farPort.path}`],
    );
  });

  it('begins with the replicator, which calls until somebody answers', async (context) => {
    const { line, near, far, farPort, nearPort } = await ends(context);
    const replicator = TestReplicator.start(context, near, nearPort);
    await turnsUntil(() => (line.ends[1]?.sentBytes ?? 0) >= 2 * 20); // two calls that nobody heard
    await TestListener.start(context, far, farPort);
    await assertFlows(near, far);
    assert.equal(replicator.outages, 0);
  });

  it('goes on when the replicating process is killed and started, again and again', async (context) => {
    const { far, farPort, nearPort } = await ends(context);
    const folder = await temporaryDirectory(context);
    const listener = await TestListener.start(context, far, farPort);
    for (let life = 0; life < 3; life++) {
      const child = new SerialChild(context, 'replicate', folder, { ...nearPort, peer: PEER });
      const arrived = whenChanged(far.metrics, async () => (await far.metrics.get(`life ${life}`)) !== undefined);
      child.save(`life ${life}`);
      await arrived;
      await child.says(/^idle/);
      await saveAll(far, 1, life);
      await child.says(new RegExp(`committed bridge-${life}`));
      await (life < 2 ? child.kill() : child.end());
    }
    assert.deepEqual(listener.errorCodes, []);
    assert.equal(await far.metrics.count(), 6);
  });

  it('goes on when the listener is stopped and started', async (context) => {
    const { near, far, farPort, nearPort } = await ends(context);
    const listener = await TestListener.start(context, far, farPort);
    const replicator = TestReplicator.start(context, near, nearPort);
    for (let round = 0; round < 2; round++) {
      await assertFlows(near, far);
      await replicator.connected();
      const offline = replicator.tells(/^offline CONNECTION_CLOSED_BY_PEER$/);
      await listener.stop();
      assert.equal(listener.isListening, false);
      await offline;
      await listener.start();
    }
    await assertFlows(near, far);
    assert.deepEqual(listener.errorCodes, []);
  });

  it('goes on when the listening process is killed while nobody has anything to say', async (context) => {
    const { near, farPort, nearPort } = await ends(context);
    const folder = await temporaryDirectory(context);
    const replicator = new TestReplicator(context, near, nearPort);
    replicator.start();
    for (let life = 0; life < 3; life++) {
      const child = new SerialChild(context, 'listen', folder, farPort);
      const arrived = whenChanged(near.metrics, async () => (await near.metrics.get(`life ${life}`)) !== undefined);
      await child.says(/^listening/);
      child.save(`life ${life}`); // only the other end can connect, and it has to learn that it must
      await arrived;
      await replicator.whenIdle();
      await (life < 2 ? child.kill() : child.end());
      assert.ok(child.lines.every((line) => !line.startsWith('error')));
    }
  });

  it('goes on when the adapter of the listener is unplugged and plugged in, and tells of it once', async (context) => {
    const { line, near, far, farPort, nearPort } = await ends(context);
    const listener = await TestListener.start(context, far, farPort);
    const replicator = TestReplicator.start(context, near, nearPort);
    for (let round = 1; round <= 2; round++) {
      await assertFlows(near, far);
      await replicator.connected();
      await line.unplug(0);
      await listener.nobody();
      assert.equal(listener.isListening, true);
      await line.replug(0);
      await assertFlows(near, far);
      assert.deepEqual(listener.errorCodes, Array(round).fill('SERIAL_PORT_LOST'));
    }
  });

  for (const disableTLS of [false, true]) {
    const how = disableTLS ? 'without TLS' : 'with TLS';
    it(`goes on when the adapter of the replicator is unplugged and plugged in, ${how}`, async (context) => {
      const { line, near, far, farPort, nearPort } = await ends(context);
      const listener = await TestListener.start(context, far, { ...farPort, disableTLS });
      const replicator = TestReplicator.start(context, near, { ...nearPort, disableTLS });
      await assertFlows(near, far);
      await replicator.connected();
      // With TLS nobody on the way can say how a connection ended, nor can the medium.
      const lost = replicator.tells(disableTLS ? /^offline SERIAL_PORT_LOST$/ : /^offline CONNECTION_LOST$/);
      const missing = replicator.tells(/^offline SERIAL_PORT_NOT_FOUND$/);
      await line.unplug(1);
      await lost;
      assert.match(replicator.status.error?.message ?? '', /the port was unplugged or failed/);
      await missing;
      await line.replug(1);
      await assertFlows(near, far);
      assert.deepEqual(listener.errorCodes, []);
      assert.equal(listener.status.connectionCount, 1);
    });
  }

  it('tells where a port is missing or somebody else’s, and a listener can be started later', async (context) => {
    const { line, far, farPort } = await ends(context);
    const listener = new TestListener(context, far, farPort);
    await line.unplug(0);
    await assert.rejects(listener.start(), { code: 'SERIAL_PORT_NOT_FOUND' });
    assert.equal(listener.isListening, false);
    await line.replug(0);
    const holder = new SerialChild(context, 'listen', await temporaryDirectory(context), farPort);
    await holder.says(/^listening/);
    await assert.rejects(listener.start(), { code: 'SERIAL_PORT_BUSY' });
    await holder.kill();
    await listener.start();
    await listener.stop();
    assert.deepEqual(listener.errorCodes, [], 'who starts it hears of it, nobody else');
  });

  it('keeps trying where the port of a replicator is missing or somebody else’s', async (context) => {
    const { line, near, far, farPort, nearPort } = await ends(context);
    await TestListener.start(context, far, farPort);
    await line.unplug(1);
    const replicator = TestReplicator.start(context, near, nearPort);
    await replicator.tells(/^offline SERIAL_PORT_NOT_FOUND$/);
    await line.replug(1);
    const other = await PortUser.open(context, nearPort.path).catch(() => undefined);
    if (other !== undefined) {
      if (!replicator.told.includes('offline SERIAL_PORT_BUSY')) await replicator.tells(/^offline SERIAL_PORT_BUSY$/);
      await other.close();
    }
    await assertFlows(near, far);
  });

  it('tells of each new reason why a lost port cannot be opened, once', async (context) => {
    const { line, near, far, farPort, nearPort } = await ends(context);
    const clock = heldClock(1_000); // that it looks again after
    const listener = await TestListener.start(context, far, { ...farPort, clock });
    await line.unplug(0);
    await listener.error('SERIAL_PORT_LOST');
    await line.replug(0);
    const other = await PortUser.open(context, farPort.path);
    clock.release();
    await listener.error('SERIAL_PORT_BUSY');
    await other.close();
    TestReplicator.start(context, near, nearPort);
    await assertFlows(near, far);
    assert.deepEqual(listener.errorCodes, ['SERIAL_PORT_LOST', 'SERIAL_PORT_BUSY']);
  });
});

describe('the end on a serial line', usual, () => {
  it('leaves no timer, however it comes: connected, calling, offline, lost', async (context) => {
    const { line, near, far, farPort, nearPort } = await ends(context);
    const clock = countingClock();
    const listener = new TestListener(context, far, { ...farPort, clock });
    const begin = (): TestReplicator => TestReplicator.start(context, near, nearPort, { clock });
    const stopAll = async (...running: readonly (Replicator | TestListener)[]): Promise<void> => {
      await Promise.all(running.map((one) => one.stop()));
      assert.deepEqual(clock.pending(), []);
    };
    await listener.start();
    await stopAll(listener);

    await listener.start();
    const connected = begin();
    await connected.connected();
    await stopAll(connected, listener);

    const calling = begin();
    await turnsUntil(() => calling.status.activity === 'connecting');
    await stopAll(calling);

    await listener.start();
    const offline = begin();
    await offline.connected();
    const lost = Promise.all([offline.tells(/^offline/), listener.error('SERIAL_PORT_LOST')]);
    await Promise.all([line.unplug(0), line.unplug(1)]);
    await lost;
    await stopAll(offline, listener);
    await Promise.all([line.replug(0), line.replug(1)]);

    await listener.start();
    const again = begin();
    await again.connected();
    const told = listener.nobody();
    await line.unplug(0);
    await told;
    await stopAll(listener, again); // one of them is looking for its port, the other does not know yet
  });

  it('gives the ports back at once', async (context) => {
    const { near, far, farPort, nearPort } = await ends(context);
    const listener = await TestListener.start(context, far, farPort);
    const replicator = TestReplicator.start(context, near, nearPort);
    await replicator.connected();
    await Promise.all([replicator.stop(), listener.stop()]);
    for (const { path } of [farPort, nearPort]) await (await PortUser.open(context, path)).close();
  });

  it('lets a process end that has closed its database, at either end', async (context) => {
    const { farPort, nearPort } = await ends(context);
    const bridge = new SerialChild(context, 'listen', await temporaryDirectory(context), farPort);
    const device = new SerialChild(context, 'replicate', await temporaryDirectory(context), {
      ...nearPort,
      peer: PEER,
    });
    await device.says(/^idle/);
    assert.deepEqual(await device.end(), { status: 0, errors: '' });
    assert.deepEqual(await bridge.end(), { status: 0, errors: '' });
  });

  it('comes with that of the database', async (context) => {
    const { near, far, farPort, nearPort } = await ends(context);
    const listener = await TestListener.start(context, far, farPort);
    const replicator = TestReplicator.start(context, near, nearPort);
    await replicator.connected();
    const offline = replicator.tells(/^offline CONNECTION_CLOSED_BY_PEER$/);
    await far.database.close();
    assert.equal(listener.isListening, false);
    await offline;
    await (await PortUser.open(context, farPort.path)).close();
    await assert.rejects(listener.start(), { code: 'DATABASE_CLOSED' });
    await near.database.close();
    assert.equal(replicator.status.activity, 'stopped');
    await (await PortUser.open(context, nearPort.path)).close();
  });

  it('may come while somebody calls, and the database still ends with the listener afterwards', async (context) => {
    const { near, far, farPort, nearPort } = await ends(context);
    const listener = new TestListener(context, far, farPort);
    const replicator = TestReplicator.start(context, near, nearPort);
    for (let round = 0; round < 12; round++) {
      await listener.start();
      // Each time at another point of the opening.
      const from = listener.status.connectionCount;
      for (let turn = 0; turn < 40 * round && listener.status.connectionCount === from; turn++)
        await new Promise(setImmediate);
      await listener.stop();
      assert.equal(listener.isListening, false);
    }
    await listener.start();
    await replicator.connected();
    await far.database.close();
    assert.equal(listener.isListening, false);
  });

  it('and a start may follow each other at once, many times', async (context) => {
    const { near, far, farPort, nearPort } = await ends(context);
    const listener = new TestListener(context, far, farPort);
    const outcomes: unknown[] = [];
    for (let round = 0; round < 10; round++) {
      const started = listener.start().catch((error: unknown) => outcomes.push(error));
      if (round % 3 === 0) await started;
      void listener.stop();
    }
    await listener.start();
    TestReplicator.start(context, near, nearPort);
    await assertFlows(near, far);
  });

  it('of a pause comes at once: a replicator that was suspended is back when it is told to', async (context) => {
    const { near, far, farPort, nearPort } = await ends(context);
    await TestListener.start(context, far, farPort);
    const replicator = TestReplicator.start(context, near, nearPort);
    await replicator.connected();
    for (let round = 0; round < 3; round++) {
      replicator.suspend();
      replicator.resume();
      await replicator.connected();
      await assertFlows(near, far);
    }
  });
});
