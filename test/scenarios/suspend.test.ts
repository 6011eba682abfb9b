/** A replicator that is told to wait, and what it makes of what it is told about the network. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { faulty, MessagingError, seededRandom, type Replicator } from '../../src/index.js';
import { cleanup } from '../support/cleanup.js';
import { contents, link, openPeer, whenChanged } from '../support/peers.js';
import { TcpRelay } from '../support/tcp-relay.js';
import { VirtualClock } from '../support/virtual-clock.js';
import { clientOf, listen, urlOf, whenActivity } from '../support/web-socket-peers.js';

const LIMIT = { timeout: 120_000 };
const random = seededRandom(1);
const passing = new MessagingError('CONNECTION_REFUSED', 'nobody listens', { recoverable: true });

async function twoPeers(context: TestContext) {
  return { a: await openPeer(context, 'a'), b: await openPeer(context, 'b') };
}

/** The activities that are told from now on. */
function activities(replicator: Replicator): string[] {
  const seen: string[] = [];
  replicator.on('status', ({ activity, error }) => {
    const told = error === undefined ? activity : `${activity} ${error.code}`;
    if (seen.at(-1) !== told) seen.push(told);
  });
  return seen;
}

describe('suspending a replicator', LIMIT, () => {
  it('109. ten times in a row takes it offline and back each time, without an error', async (context) => {
    const { a, b } = await twoPeers(context);
    const { replicator, listener } = link(a, b, { continuous: true });
    const seen = activities(replicator);
    replicator.start();
    await replicator.whenIdle();
    for (let round = 0; round < 10; round++) {
      const from = seen.length;
      replicator.suspend();
      assert.equal(replicator.status.activity, 'offline');
      while (listener.status.connectionCount > 0) await setImmediate();
      await b.metrics.save(`b${round}`, {});
      replicator.resume();
      await replicator.whenIdle();
      assert.deepEqual(seen.slice(from), ['offline', 'connecting', 'busy', 'idle'], `round ${round}`);
      assert.equal(await a.metrics.count(), round + 1);
    }
    await replicator.stop();
    assert.equal(seen.at(-1), 'stopped');
  });

  it('110. and resuming at once comes back to idle', async (context) => {
    const { a, b } = await twoPeers(context);
    const { replicator } = link(a, b, { continuous: true });
    replicator.start();
    await replicator.whenIdle();
    for (let round = 0; round < 10; round++) {
      replicator.suspend();
      replicator.resume();
    }
    assert.equal(replicator.status.activity, 'offline');
    await a.metrics.save('d', {});
    await replicator.whenIdle();
    assert.deepEqual(await contents(b.metrics), await contents(a.metrics));
    await replicator.stop();
    assert.equal(replicator.status.error, undefined);
  });

  it('111. while it is stopping, or after that, wakes nobody: stop wins', async (context) => {
    const { a, b } = await twoPeers(context);
    const { replicator, connections } = link(a, b, { continuous: true });
    replicator.start();
    await replicator.whenIdle();
    const seen = activities(replicator);
    const stopping = replicator.stop();
    replicator.suspend();
    replicator.resume();
    await stopping;
    replicator.suspend();
    replicator.resume();
    for (let turn = 0; turn < 20; turn++) await setImmediate();
    assert.deepEqual([replicator.status.activity, connections(), seen], ['stopped', 1, ['stopped']]);
    replicator.start(); // a suspension does not outlive a stop
    await replicator.whenIdle();
    replicator.suspend();
    await replicator.stop();
    assert.deepEqual([replicator.status.activity, replicator.status.error], ['stopped', undefined]);
  });

  it('in the middle of a transfer loses nothing, as often as it is done', async (context) => {
    const { a, b } = await twoPeers(context);
    const count = 1_500;
    for (const [peer, name] of [
      [a, 'a'],
      [b, 'b'],
    ] as const) {
      await Promise.all(Array.from({ length: count }, (_, index) => peer.metrics.save(`${name}${index}`, { index })));
    }
    const { replicator } = link(a, b, { continuous: true });
    replicator.start();
    for (let round = 1; round <= 5; round++) {
      await whenChanged(a.metrics, async () => (await a.metrics.count()) >= count + round * 100);
      replicator.suspend();
      if (round % 2 === 0) await setImmediate();
      replicator.resume();
    }
    await replicator.whenIdle();
    assert.equal(await b.metrics.count(), 2 * count);
    assert.deepEqual(await contents(a.metrics), await contents(b.metrics));
    await replicator.stop();
  });

  it('of a one-shot replication puts it off, and it still ends by itself', async (context) => {
    const { a, b } = await twoPeers(context);
    await a.metrics.save('d', {});
    const { replicator, connections } = link(a, b);
    replicator.start();
    replicator.suspend();
    for (let turn = 0; turn < 20; turn++) await setImmediate();
    assert.deepEqual([replicator.status.activity, connections()], ['offline', 0]);
    replicator.resume();
    assert.equal(await replicator.stopped(), undefined);
    assert.ok(await b.metrics.get('d'));
  });

  it('while it is offline ends its attempts, and resuming makes one at once', async (context) => {
    const { a, b } = await twoPeers(context);
    const clock = new VirtualClock();
    let isUp = false;
    const { replicator, connections } = link(a, b, {
      continuous: true,
      clock,
      around: (connection) => (isUp ? connection : faulty(connection, { random, failOpen: passing })),
    });
    replicator.start();
    await whenActivity(replicator, 'offline');
    replicator.suspend();
    await clock.advance(1_000_000);
    assert.deepEqual([connections(), replicator.status.activity, replicator.status.error], [1, 'offline', undefined]);
    isUp = true;
    replicator.resume();
    await replicator.whenIdle(); // on a clock that stands still
    await replicator.stop();
    assert.equal(clock.pendingTimers, 0);
  });
});

describe('what is told of the network', LIMIT, () => {
  it('108. ends the attempts while the host is unreachable, and makes one at once when it is back', async (context) => {
    const { a, b } = await twoPeers(context);
    const clock = new VirtualClock();
    let isUp = false;
    const { replicator, connections } = link(a, b, {
      maxAttempts: 3,
      clock,
      around: (connection) => (isUp ? connection : faulty(connection, { random, failOpen: passing })),
    });
    const failed = (): Promise<void> => whenActivity(replicator, 'offline');
    replicator.start();
    await failed();
    replicator.setHostReachable(false); // cancels the attempt that is due
    await clock.advance(1_000_000);
    assert.deepEqual([connections(), replicator.status.error?.code], [1, 'CONNECTION_REFUSED']);
    for (let round = 2; round <= 5; round++) {
      replicator.setHostReachable(true); // at once, and the count begins anew
      while (connections() < round) await setImmediate();
      await failed();
      replicator.setHostReachable(false);
    }
    isUp = true;
    replicator.setHostReachable(true);
    assert.equal(await replicator.stopped(), undefined);
    assert.equal(clock.pendingTimers, 0);
  });

  it('does not disturb a connection that works, and is forgotten with a stop', async (context) => {
    const { a, b } = await twoPeers(context);
    const { replicator, connections } = link(a, b, { continuous: true });
    replicator.setHostReachable(false);
    replicator.start();
    await replicator.whenIdle();
    replicator.setHostReachable(false);
    await a.metrics.save('d', {});
    await replicator.whenIdle();
    assert.ok(await b.metrics.get('d'));
    assert.equal(connections(), 1);
    await replicator.stop();
  });
});

describe('a link that swallows everything', LIMIT, () => {
  it('113. is noticed, and left for a new one when there is one', async (context) => {
    const { a, b } = await twoPeers(context);
    const listener = await listen(context, b, { heartbeat: 0.5 });
    const relay = await TcpRelay.start(listener.port);
    cleanup(context, () => relay.close());
    const replicator = clientOf(context, a, urlOf(b, relay), {
      continuous: true,
      heartbeat: 0.5,
      maxAttemptWaitTime: 0.1,
    });
    replicator.start();
    await replicator.whenIdle();
    for (const id of ['one', 'two']) {
      const failed = whenActivity(replicator, 'offline');
      relay.swallow();
      await a.metrics.save(id, {}); // while nobody knows yet
      await failed;
      assert.match(String(replicator.status.error?.code), /^CONNECTION_LOST$|^REPLICATION_PEER_SILENT$/);
      await replicator.whenIdle();
      assert.ok(await b.metrics.get(id));
    }
  });
});
