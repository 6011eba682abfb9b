/** What becomes of a replicator when its connections fail, and of connections when it stops. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { faulty, MessagingError, seededRandom } from '../../src/index.js';
import { contents, link, openPeer, whenChanged } from '../support/peers.js';
import { unusedPort } from '../support/raw-servers.js';
import { skipWaits } from '../support/retry-clock.js';
import { VirtualClock } from '../support/virtual-clock.js';
import { clientOf, listen, urlOf, whenActivity } from '../support/web-socket-peers.js';

const LIMIT = { timeout: 120_000 };
const random = seededRandom(1);
const passing = new MessagingError('CONNECTION_INTERRUPTED', 'the radio is busy', { recoverable: true });
const lasting = new MessagingError('CONNECTION_FAILED', 'there is no such radio', { recoverable: false });

describe('a replicator whose connection fails', LIMIT, () => {
  it('tries again with a new connection after each passing error in open', async (context) => {
    const a = await openPeer(context, 'a');
    const b = await openPeer(context, 'b');
    await a.metrics.save('pump', {});
    const clock = new VirtualClock();
    const { replicator, connections } = link(a, b, {
      clock,
      around: (connection, number) => (number <= 3 ? faulty(connection, { random, failOpen: passing }) : connection),
    });
    const activities: string[] = [];
    replicator.on('status', ({ activity }) => activities.push(activity));
    skipWaits(replicator, clock);
    replicator.start();
    assert.equal(await replicator.stopped(), undefined);
    assert.equal(connections(), 4);
    assert.equal(activities.filter((activity) => activity === 'offline').length, 3);
    assert.ok(await b.metrics.get('pump'));
  });

  it('stops at a lasting error in open, even if continuous', async (context) => {
    const a = await openPeer(context, 'a');
    const b = await openPeer(context, 'b');
    const { replicator, connections } = link(a, b, {
      continuous: true,
      around: (connection) => faulty(connection, { random, failOpen: lasting }),
    });
    replicator.start();
    const error = await replicator.stopped();
    assert.deepEqual([error?.code, error?.number], ['CONNECTION_FAILED', 14_002]);
    assert.equal(connections(), 1);
  });

  it('105. goes offline exactly once with two attempts where nobody listens, and never with one', async (context) => {
    const a = await openPeer(context, 'a');
    const url = urlOf(a, { port: await unusedPort() });
    for (const maxAttempts of [2, 1]) {
      const clock = new VirtualClock();
      const replicator = clientOf(context, a, url, { clock, maxAttempts });
      const activities: string[] = [];
      replicator.on('status', ({ activity }) => activities.push(activity));
      skipWaits(replicator, clock);
      replicator.start();
      const error = await replicator.stopped();
      assert.deepEqual([error?.code, error?.number], ['CONNECTION_REFUSED', 111]);
      const expected =
        maxAttempts === 2 ? ['connecting', 'offline', 'connecting', 'stopped'] : ['connecting', 'stopped'];
      assert.deepEqual(activities, expected);
    }
  });

  it('107. finds its listener when that starts, and is patient from the beginning again after that', async (context) => {
    const a = await openPeer(context, 'a');
    const b = await openPeer(context, 'b');
    await a.metrics.save('pump', {});
    const port = await unusedPort();
    const clock = new VirtualClock();
    const noJitter = { next: () => 0, bytes: (size: number) => new Uint8Array(size) };
    const replicator = clientOf(context, a, urlOf(b, { port }), { continuous: true, clock, random: noJitter });
    const refusals: number[] = [];
    replicator.on('status', ({ activity }) => activity === 'offline' && refusals.push(clock.monotonic()));
    replicator.start();
    for (const seconds of [2, 4]) {
      await whenActivity(replicator, 'offline');
      await clock.advance(seconds * 1_000);
    }
    await whenActivity(replicator, 'offline');
    assert.deepEqual(refusals, [0, 2_000, 6_000]);
    const listener = await listen(context, b, { port });
    await clock.advance(8_000);
    await replicator.whenIdle();
    assert.equal(await b.metrics.count(), 1);
    await b.metrics.save('valve', {});
    await whenChanged(a.metrics, async () => (await a.metrics.count()) === 2);
    await listener.stop();
    await whenActivity(replicator, 'offline');
    await listener.start();
    await clock.advance(2_000);
    await replicator.whenIdle();
    assert.equal(replicator.status.error, undefined);
  });

  it('105. goes offline exactly once with two attempts, and never with one', async (context) => {
    const a = await openPeer(context, 'a');
    const b = await openPeer(context, 'b');
    for (const maxAttempts of [2, 1]) {
      const clock = new VirtualClock();
      const { replicator, connections } = link(a, b, {
        clock,
        maxAttempts,
        around: (connection) => faulty(connection, { random, failOpen: passing }),
      });
      const activities: string[] = [];
      replicator.on('status', ({ activity }) => activities.push(activity));
      skipWaits(replicator, clock);
      replicator.start();
      assert.equal((await replicator.stopped())?.code, 'CONNECTION_INTERRUPTED');
      assert.equal(connections(), maxAttempts);
      assert.equal(activities.filter((activity) => activity === 'offline').length, maxAttempts - 1);
      assert.equal(activities.at(-1), 'stopped');
    }
  });

  it('recovers from a passing error of send, and stops at a lasting one', async (context) => {
    const a = await openPeer(context, 'a');
    const b = await openPeer(context, 'b');
    for (const [error, expected] of [
      [passing, undefined],
      [lasting, 'CONNECTION_FAILED'],
    ] as const) {
      await a.metrics.save('pump', { expected: expected ?? null });
      const clock = new VirtualClock();
      const { replicator } = link(a, b, {
        clock,
        around: (connection, number) =>
          number === 1 ? faulty(connection, { random, failSend: { after: 2, error } }) : connection,
      });
      skipWaits(replicator, clock);
      replicator.start();
      assert.equal((await replicator.stopped())?.code, expected);
    }
  });

  it('resumes where it was cut, sending little twice', async (context) => {
    const a = await openPeer(context, 'a');
    const b = await openPeer(context, 'b');
    await Promise.all(Array.from({ length: 2_000 }, (_, index) => a.metrics.save(`d${index}`, { index })));
    const clock = new VirtualClock();
    const { replicator } = link(a, b, {
      clock,
      enableRevisionBatches: false, // a message for each document: so one knows where the cut is
      around: (connection, number) => (number === 1 ? faulty(connection, { random, cutAfter: 2_000 }) : connection),
    });
    skipWaits(replicator, clock);
    replicator.start();
    assert.equal(await replicator.stopped(), undefined);
    assert.deepEqual(await contents(b.metrics), await contents(a.metrics));
    assert.ok(replicator.status.progress.completed < 2_000, 'the second session began from the beginning');
  });

  it('comes back by itself after its listener closed every connection, when it is continuous', async (context) => {
    const a = await openPeer(context, 'a');
    const b = await openPeer(context, 'b');
    const clock = new VirtualClock();
    const { replicator, listener } = link(a, b, { continuous: true, clock });
    replicator.start();
    await replicator.whenIdle();
    assert.equal(listener.status.connectionCount, 1);
    await listener.closeAll();
    await whenActivity(replicator, 'offline');
    assert.equal(replicator.status.error?.code, 'CONNECTION_CLOSED_BY_PEER');
    await a.metrics.save('late', {});
    await clock.advance(2_000);
    await replicator.whenIdle();
    await whenChanged(b.metrics, async () => (await b.metrics.get('late')) !== undefined);
    await replicator.stop();
  });

  it('75. stops with 11001 after its listener closed every connection, when it is one-shot', async (context) => {
    const a = await openPeer(context, 'a');
    const b = await openPeer(context, 'b');
    const { replicator, listener } = link(a, b, {});
    replicator.on('status', ({ activity }) => {
      if (activity === 'busy') void listener.closeAll();
    });
    await Promise.all(Array.from({ length: 3_000 }, (_, index) => a.metrics.save(`d${index}`, {})));
    replicator.start();
    const error = await replicator.stopped();
    assert.deepEqual([error?.code, error?.number], ['CONNECTION_CLOSED_BY_PEER', 11_001]);
  });

  it('goes offline when the link breaks, and catches up after it', async (context) => {
    const a = await openPeer(context, 'a');
    const b = await openPeer(context, 'b');
    const clock = new VirtualClock();
    const { replicator, cut, connections } = link(a, b, { continuous: true, clock });
    replicator.start();
    await replicator.whenIdle();
    for (let round = 0; round < 3; round++) {
      cut();
      await whenActivity(replicator, 'offline');
      await b.metrics.save(`while-offline-${round}`, {});
      await clock.advance(2_000);
      await replicator.whenIdle();
      assert.ok(await a.metrics.get(`while-offline-${round}`));
    }
    assert.equal(connections(), 4);
    await replicator.stop();
  });
});

describe('stopping', LIMIT, () => {
  it('103, 104. is possible in every state and more than once', async (context) => {
    const a = await openPeer(context, 'a');
    const b = await openPeer(context, 'b');
    const { replicator } = link(a, b, { continuous: true });
    await replicator.stop();
    await assert.rejects(replicator.whenIdle(), { code: 'REPLICATOR_STOPPED' });
    replicator.start();
    replicator.start();
    await Promise.all([replicator.stop(), replicator.stop()]);
    assert.deepEqual([replicator.status.activity, replicator.status.error], ['stopped', undefined]);
    replicator.start();
    await replicator.whenIdle();
    await replicator.stop();
    assert.equal(replicator.status.activity, 'stopped');
  });

  it('ends a wait between two attempts at once', async (context) => {
    const a = await openPeer(context, 'a');
    const b = await openPeer(context, 'b');
    const { replicator } = link(a, b, { continuous: true, around: (c) => faulty(c, { random, failOpen: passing }) });
    replicator.start();
    await whenActivity(replicator, 'offline');
    await replicator.stop();
    assert.equal(replicator.status.activity, 'stopped');
  });

  it('of the database stops its replicators and listeners first', async (context) => {
    const a = await openPeer(context, 'a');
    const b = await openPeer(context, 'b');
    const clock = new VirtualClock();
    const { replicator, listener } = link(a, b, { continuous: true, clock });
    replicator.start();
    await replicator.whenIdle();
    await b.database.close();
    assert.equal(listener.status.connectionCount, 0);
    await whenActivity(replicator, 'offline');
    await a.database.close();
    assert.equal(replicator.status.activity, 'stopped');
    assert.throws(() => replicator.start(), { code: 'DATABASE_CLOSED' });
  });
});
