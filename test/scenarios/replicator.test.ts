/** The Replicator as an application knows it: its configuration, its status, starting, stopping and waiting. */
import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { describe, it, type TestContext } from 'node:test';
import {
  Database,
  faulty,
  LoopbackEndpoint,
  MessagingError,
  Replicator,
  seededRandom,
  traced,
  type HawserError,
  type MessageEndpointConnection,
  type ReplicatorStatus,
} from '../../src/index.js';
import { URLEndpoint } from '../../transports/websocket/index.js';
import { cleanup } from '../support/cleanup.js';
import { memoryLogger } from '../support/memory-logger.js';
import { contents, link, openPeer, sync, whenChanged, type AnyCollection } from '../support/peers.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { VirtualClock } from '../support/virtual-clock.js';

const LIMIT = { timeout: 120_000 };
const random = seededRandom(1);
const passing = new MessagingError('CONNECTION_REFUSED', 'nobody listens', { recoverable: true });

async function twoPeers(context: TestContext) {
  return { a: await openPeer(context, 'a'), b: await openPeer(context, 'b') };
}

async function fill(collection: AnyCollection, count: number, prefix = 'd'): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, index) => collection.save(`${prefix}${index}`, { index })));
}

describe('the configuration of a replicator', LIMIT, () => {
  it('87. is checked as a whole, and names what is wrong', async (context) => {
    const { a, b } = await twoPeers(context);
    const target = new LoopbackEndpoint(() => undefined, 'b');
    const right = { collections: [a.metrics], target };
    for (const [options, code, named] of [
      [{ target }, 'ARGUMENT_INVALID', 'collections'],
      [{ ...right, collections: [] }, 'ARGUMENT_INVALID', 'collections'],
      [{ ...right, collections: ['metrics'] }, 'ARGUMENT_INVALID', 'collections'],
      [{ ...right, collections: [a.metrics, b.metrics] }, 'ARGUMENT_INVALID', 'different Database'],
      [{ ...right, collections: [a.metrics, a.metrics] }, 'ARGUMENT_INVALID', 'twice'],
      [{ collections: [a.metrics] }, 'ARGUMENT_INVALID', 'target'],
      [{ ...right, target: 'ws://host/db' }, 'ARGUMENT_INVALID', 'target'],
      [{ ...right, type: 'pushpull' }, 'ARGUMENT_INVALID', 'type'],
      [{ ...right, heartbeat: -1 }, 'ARGUMENT_INVALID', 'heartbeat'],
      [{ ...right, heartbeat: Number.NaN }, 'ARGUMENT_INVALID', 'heartbeat'],
      [{ ...right, heartbeat: '300' }, 'ARGUMENT_INVALID', 'heartbeat'],
      [{ ...right, maxAttemptWaitTime: -1 }, 'ARGUMENT_INVALID', 'maxAttemptWaitTime'],
      [{ ...right, maxAttemptWaitTime: 1e10 }, 'ARGUMENT_INVALID', 'maxAttemptWaitTime'],
      [{ ...right, maxAttempts: -1 }, 'ARGUMENT_INVALID', 'maxAttempts'],
      [{ ...right, maxAttempts: 1.5 }, 'ARGUMENT_INVALID', 'maxAttempts'],
      [{ ...right, continous: true }, 'OPTION_UNKNOWN', 'continous'],
    ] as const) {
      assert.throws(
        () => new Replicator(options as never),
        (error: HawserError) => error.code === code && error.message.includes(named),
        named,
      );
    }
    assert.throws(() => new Replicator(right).start({ rest: true } as never), { code: 'OPTION_UNKNOWN' });
    for (const url of ['http://host/db', 'blip://host/db', 'host/db', 'ws://host']) {
      assert.throws(() => new URLEndpoint(url), { code: 'ARGUMENT_INVALID' }, url);
    }
  });

  it('88. is complete and fixed once it is made', async (context) => {
    const { a } = await twoPeers(context);
    const target = new LoopbackEndpoint(() => undefined, 'b');
    const collections = [a.metrics];
    const headers = { X: '1' };
    const { config } = new Replicator({ collections, target, headers });
    collections.push(a.database.collection('other') as AnyCollection);
    headers.X = '2';
    assert.deepEqual(
      [config.type, config.continuous, config.heartbeat, config.maxAttempts, config.maxAttemptWaitTime],
      ['pushAndPull', false, 300, 10, 300],
    );
    assert.equal(config.enableAutoPurge, true);
    assert.deepEqual([config.collections.length, config.headers], [1, { X: '1' }]);
    assert.ok(Object.isFrozen(config));
    const endless = new Replicator({ collections: [a.metrics], target, continuous: true }).config;
    assert.equal(endless.maxAttempts, Number.POSITIVE_INFINITY);
    const zeros = { heartbeat: 0, maxAttempts: 0, maxAttemptWaitTime: 0 };
    const standard = new Replicator({ collections: [a.metrics], target, ...zeros }).config;
    assert.deepEqual([standard.heartbeat, standard.maxAttempts, standard.maxAttemptWaitTime], [300, 10, 300]);
  });
});

describe('the status of a replicator', LIMIT, () => {
  it('116. goes its way from stopped to stopped, and never says that more is done than there is', async (context) => {
    for (const continuous of [false, true]) {
      const { a, b } = await twoPeers(context);
      await fill(a.metrics, 700, 'a');
      await fill(b.metrics, 700, 'b');
      const { replicator } = link(a, b, { continuous });
      const seen: ReplicatorStatus[] = [replicator.status];
      replicator.on('status', (status) => seen.push(status));
      replicator.start();
      assert.equal(replicator.status.activity, 'connecting');
      if (continuous) {
        await replicator.whenIdle();
        const { completed, total } = replicator.status.progress;
        assert.deepEqual([completed, total], [1_400, 1_400]);
        await replicator.stop();
      }
      await replicator.stopped();
      const activities = seen.map(({ activity }) => activity).filter((activity, at, all) => activity !== all[at - 1]);
      const expected = continuous ? /^stopped connecting (?:busy idle )+stopped$/ : /^stopped connecting busy stopped$/;
      assert.match(activities.join(' '), expected);
      for (const { progress } of seen) assert.ok(progress.completed <= progress.total, JSON.stringify(progress));
      assert.deepEqual(seen.at(-1), replicator.status);
      assert.equal(seen.at(-1)?.error, undefined);
      assert.equal(replicator.status.progress.completed, replicator.status.progress.total);
    }
  });

  it('117. is told to nobody who does not want it any more', async (context) => {
    const { a, b } = await twoPeers(context);
    const { replicator } = link(a, b, {});
    const seen: string[] = [];
    const unsubscribe = replicator.on('status', ({ activity }) => {
      seen.push(activity);
      if (activity === 'busy') unsubscribe();
    });
    replicator.start();
    await replicator.stopped();
    assert.deepEqual(seen, ['connecting', 'busy']);
  });

  it('is kept as an error until it is started again', async (context) => {
    const { a, b } = await twoPeers(context);
    let isBroken = true;
    const { replicator } = link(a, b, {
      maxAttempts: 1,
      around: (connection) => (isBroken ? faulty(connection, { random, failOpen: passing }) : connection),
    });
    await assert.rejects(replicator.whenIdle(), { code: 'REPLICATOR_STOPPED' });
    replicator.start();
    await assert.rejects(replicator.whenIdle(), { code: 'CONNECTION_REFUSED' });
    assert.equal((await replicator.stopped())?.code, 'CONNECTION_REFUSED');
    await assert.rejects(replicator.whenIdle(), { code: 'CONNECTION_REFUSED' });
    isBroken = false;
    replicator.start();
    assert.equal(replicator.status.error, undefined);
    await replicator.whenIdle();
    await replicator.whenIdle();
    assert.equal(await replicator.stopped(), undefined);
  });
});

describe('starting and stopping a replicator', LIMIT, () => {
  it('works twenty times over, with one object and with new ones', async (context) => {
    const { a, b } = await twoPeers(context);
    const { replicator, listener } = link(a, b, { continuous: true });
    for (let round = 0; round < 20; round++) {
      await a.metrics.save(`a${round}`, { round });
      await b.metrics.save(`b${round}`, { round });
      replicator.start();
      if (round % 4 === 0) await setImmediate();
      else await replicator.whenIdle();
      await replicator.stop();
      assert.deepEqual([replicator.status.activity, replicator.status.error], ['stopped', undefined]);
      if (round % 5 === 0) await sync(a, b);
    }
    await sync(a, b);
    assert.deepEqual(await contents(a.metrics), await contents(b.metrics));
    assert.equal(await a.metrics.count(), 40);
    while (listener.status.connectionCount > 0) await setImmediate();
  });

  it('is possible from its own events, in every state', async (context) => {
    for (const when of ['connecting', 'offline', 'busy', 'idle'] as const) {
      const { a, b } = await twoPeers(context);
      const clock = new VirtualClock();
      const { replicator } = link(a, b, {
        continuous: true,
        clock,
        around: (connection) => (when === 'offline' ? faulty(connection, { random, failOpen: passing }) : connection),
      });
      let stopping: Promise<void> | undefined;
      replicator.on('status', ({ activity }) => {
        if (activity === when) stopping ??= replicator.stop();
      });
      replicator.start();
      while (stopping === undefined) await setImmediate();
      await stopping; // on a clock that stands still
      assert.deepEqual([replicator.status.activity, replicator.status.error], ['stopped', undefined], when);
      assert.equal(clock.pendingTimers, 0, when);
    }
  });

  it('again is possible from the event that it has stopped', async (context) => {
    const { a, b } = await twoPeers(context);
    const { replicator, connections } = link(a, b, {});
    const done = new Promise<void>((resolve) =>
      replicator.on('status', ({ activity }) => {
        if (activity !== 'stopped') return;
        if (connections() < 3) replicator.start();
        else resolve();
      }),
    );
    replicator.start();
    await done;
    assert.equal(connections(), 3);
    assert.equal(await replicator.stopped(), undefined);
  });

  it('leaves a collection alone from the moment it has stopped', async (context) => {
    const { a, b } = await twoPeers(context);
    await fill(b.metrics, 2_000);
    const { replicator } = link(a, b, { type: 'pull' });
    replicator.start();
    await whenChanged(a.metrics, async () => (await a.metrics.count()) > 0);
    await replicator.stop();
    const count = await a.metrics.count();
    for (let turn = 0; turn < 20; turn++) await setImmediate();
    await a.metrics.save('after', {});
    assert.equal(await a.metrics.count(), count + 1);
  });

  it('goes on where it stopped, though it was stopped in the middle', async (context) => {
    const { a, b } = await twoPeers(context);
    await fill(b.metrics, 2_000);
    const { replicator } = link(a, b, { type: 'pull' });
    let most = 0;
    for (let round = 0; round < 30 && (await a.metrics.count()) < 2_000; round++) {
      const before = await a.metrics.count();
      replicator.start();
      await whenChanged(a.metrics, async () => (await a.metrics.count()) > before);
      await replicator.stop();
      most = Math.max(most, replicator.status.progress.total);
    }
    await sync(a, b, { type: 'pull' });
    assert.deepEqual(await contents(a.metrics), await contents(b.metrics));
  });

  it('114. is done by the database when that closes, whatever it is at', async (context) => {
    for (const what of ['connecting', 'offline', 'busy', 'idle'] as const) {
      const { a, b } = await twoPeers(context);
      await fill(a.metrics, 1_000);
      const clock = new VirtualClock();
      const { replicator } = link(a, b, {
        continuous: true,
        clock,
        around: (connection) => (what === 'offline' ? faulty(connection, { random, failOpen: passing }) : connection),
      });
      const reached = new Promise<void>((resolve) =>
        replicator.on('status', ({ activity }) => activity === what && resolve()),
      );
      replicator.start();
      if (what !== 'connecting') await reached;
      await a.database.close();
      assert.equal(replicator.status.activity, 'stopped', what);
      assert.throws(() => replicator.start(), { code: 'DATABASE_CLOSED' });
    }
  });

  it('of both ends at once ends too', async (context) => {
    const { a, b } = await twoPeers(context);
    await fill(a.metrics, 1_000, 'a');
    await fill(b.metrics, 1_000, 'b');
    const { replicator } = link(a, b, { continuous: true });
    replicator.start();
    await whenChanged(b.metrics, async () => (await b.metrics.count()) > 1_000);
    await Promise.all([a.database.close(), b.database.close()]);
    assert.equal(replicator.status.activity, 'stopped');
  });
});

describe('a replicator that cannot reach its peer', LIMIT, () => {
  it('106. waits longer and longer, up to what it may, and comes back by itself', async (context) => {
    const { a, b } = await twoPeers(context);
    const clock = new VirtualClock();
    let isUp = false;
    const times: number[] = [];
    const { replicator } = link(a, b, {
      continuous: true,
      clock,
      random: { next: () => 0, bytes: (size: number) => new Uint8Array(size) },
      maxAttemptWaitTime: 10,
      around: (connection) => {
        times.push(clock.monotonic());
        return isUp ? connection : faulty(connection, { random, failOpen: passing });
      },
    });
    const offline = (): Promise<void> =>
      new Promise((resolve) => {
        const unsubscribe = replicator.on('status', ({ activity }) => {
          if (activity !== 'offline') return;
          unsubscribe();
          resolve();
        });
      });
    let next = offline();
    replicator.start();
    for (const seconds of [2, 4, 8, 10, 10]) {
      await next;
      next = offline();
      await clock.advance(seconds * 1_000);
    }
    await next;
    isUp = true;
    await clock.advance(10_000);
    await replicator.whenIdle();
    assert.deepEqual(times, [0, 2_000, 6_000, 14_000, 24_000, 34_000, 44_000]);
    assert.equal(replicator.status.error, undefined);
    await replicator.stop();
  });

  it('does not call a peer again and again that lets it in and throws it out', async (context) => {
    const { a, b } = await twoPeers(context);
    const clock = new VirtualClock();
    const { replicator, connections } = link(a, b, {
      clock,
      maxAttempts: 4,
      around: (connection) => faulty(connection, { random, cutAfter: 4 }),
    });
    const waits: number[] = [];
    let failedAt = 0;
    replicator.on('status', ({ activity }) => {
      if (activity === 'offline') {
        failedAt = clock.monotonic();
        void clock.advance(2 ** (waits.length + 1) * 1_000);
      } else if (activity === 'connecting' && connections() > 0) {
        waits.push(clock.monotonic() - failedAt);
      }
    });
    replicator.start();
    assert.equal((await replicator.stopped())?.code, 'CONNECTION_LOST');
    assert.equal(connections(), 4);
    assert.deepEqual(
      waits.map((ms) => Math.round(Math.log2(ms / 800))),
      [1, 2, 3],
      waits.join(),
    );
  });

  it('115. stops for good for reasons that will not pass, even if it is continuous', async (context) => {
    const { a, b } = await twoPeers(context);
    for (const code of [
      'AUTHENTICATION_FAILED',
      'ACCESS_DENIED',
      'REMOTE_DATABASE_NOT_FOUND',
      'TLS_CERTIFICATE_UNTRUSTED',
      'TLS_HANDSHAKE_FAILED',
      'CONNECTION_PROTOCOL_MISMATCH',
    ] as const) {
      const { replicator, connections } = link(a, b, {
        continuous: true,
        clock: new VirtualClock(),
        around: (connection) =>
          faulty(connection, { random, failOpen: new MessagingError(code, 'no', { recoverable: false }) }),
      });
      replicator.start();
      assert.equal((await replicator.stopped())?.code, code);
      assert.equal(connections(), 1);
    }
  });

  it('gives up a medium that neither opens nor fails', async (context) => {
    const { a, b } = await twoPeers(context);
    const clock = new VirtualClock();
    let closes = 0;
    const { replicator } = link(a, b, {
      clock,
      maxAttempts: 1,
      around: () => ({
        open: () => new Promise(() => undefined),
        send: () => Promise.resolve(),
        close: async () => void closes++,
      }),
    });
    replicator.start();
    await setImmediate();
    const error = await clock.runUntil(replicator.stopped(), 20_000);
    assert.deepEqual([error?.code, error?.retryable, closes], ['CONNECTION_TIMEOUT', true, 1]);
  });
});

describe('what a replication is about', LIMIT, () => {
  it('94. can be many documents at a steady rate, of which none is lost', async (context) => {
    const { a, b } = await twoPeers(context);
    const { replicator } = link(a, b, { type: 'push', continuous: true });
    replicator.start();
    for (let index = 0; index < 1_000; index++) {
      await a.metrics.save(`d${index % 700}`, { index });
    }
    await replicator.whenIdle();
    assert.deepEqual(await contents(b.metrics), await contents(a.metrics));
    await replicator.stop();
  });

  it('118. can be several collections, each with its own account', async (context) => {
    const { a, b } = await twoPeers(context);
    const names = ['alarms', 'routes', 'logs'];
    const [mine, its] = [a, b].map(({ database }) => names.map((name) => database.collection(name) as AnyCollection));
    assert.ok(mine && its);
    for (const [index, collection] of mine.entries()) await fill(collection, 10 * (index + 1), 'a');
    for (const [index, collection] of its.entries()) await fill(collection, 5 * (index + 1), 'b');
    const options = { collections: mine, served: its };
    const push = await sync(a, b, { ...options, type: 'push' });
    assert.equal(push.replicator.status.progress.completed, 60);
    const pull = await sync(a, b, { ...options, type: 'pull' });
    assert.equal(pull.replicator.status.progress.completed, 30);
    for (const [index, collection] of mine.entries()) {
      assert.equal(await collection.count(), 15 * (index + 1));
      assert.deepEqual(await contents(collection), await contents(its[index] as AnyCollection));
    }
    await mine[1]?.save('one more', {});
    // With what was pulled, which the checkpoint of a push says nothing of: the peer is asked once whether it still has it.
    for (const completed of [30 + 1, 1]) {
      const { replicator } = await sync(a, b, { ...options, type: 'push' });
      assert.equal(replicator.status.progress.completed, completed);
      await mine[1]?.save(`one more than ${completed}`, {});
    }
    await mine[0]?.purge('b1');
    const again = link(a, b, { ...options, type: 'pull' });
    again.replicator.start({ reset: true });
    assert.equal(await again.replicator.stopped(), undefined);
    assert.equal(await mine[0]?.count(), 15);
  });

  it('119. is kept apart for each remote', async (context) => {
    const { a, b } = await twoPeers(context);
    const c = await openPeer(context, 'c');
    await fill(a.metrics, 50);
    for (const remote of [b, c]) {
      const { replicator } = await sync(a, remote, { type: 'push' });
      assert.equal(replicator.status.progress.completed, 50);
    }
    await a.metrics.save('new', {});
    await sync(a, b, { type: 'push' });
    const { replicator } = await sync(a, c, { type: 'push' });
    assert.equal(replicator.status.progress.completed, 1);
    assert.deepEqual(await contents(c.metrics), await contents(b.metrics));
  });

  it('120. begins anew with a peer that was erased, though an equal one is in its place', async (context) => {
    const { a, b } = await twoPeers(context);
    await fill(a.metrics, 50);
    await fill(b.metrics, 50, 'b');
    await sync(a, b);
    const path = b.database.path;
    await b.database.delete();
    const database = await Database.open(path, { name: 'b', logger: memoryLogger() });
    cleanup(context, () => database.close());
    const reborn = { name: 'b', database, metrics: (await database.createCollection('metrics')) as AnyCollection };
    await sync(a, reborn);
    assert.equal(await reborn.metrics.count(), 100);
    assert.deepEqual(await contents(reborn.metrics), await contents(a.metrics));
  });

  it('begins anew with a peer that was erased, also where the type of the replication changed meanwhile', async (context) => {
    const { a, b } = await twoPeers(context);
    await fill(a.metrics, 50);
    await sync(a, b, { type: 'push' });
    const reborn = await openPeer(context, 'b');
    await sync(a, reborn);
    assert.deepEqual(await contents(reborn.metrics), await contents(a.metrics));
  });

  it('reaches a peer that was erased as a whole, though the first session with it is cut off', async (context) => {
    for (const ending of ['cut', 'stopped'] as const) {
      const { a, b } = await twoPeers(context);
      await fill(a.metrics, 3_000);
      await sync(a, b, { type: 'push' });
      const reborn = await openPeer(context, 'b');
      const { replicator } = link(a, reborn, {
        type: 'push',
        maxAttempts: 1,
        enableRevisionBatches: false, // a message for each document: so one knows where the cut is
        around: (connection) => (ending === 'cut' ? faulty(connection, { random, cutAfter: 1_000 }) : connection),
      });
      replicator.start();
      if (ending === 'stopped') {
        await whenChanged(reborn.metrics, async () => (await reborn.metrics.count()) > 0);
        await replicator.stop();
      }
      await replicator.stopped();
      assert.ok((await reborn.metrics.count()) < 3_000, 'the test does not test what it should');
      await sync(a, reborn, { type: 'push' });
      assert.deepEqual(await contents(reborn.metrics), await contents(a.metrics), ending);
      // From then on nothing is in doubt any more.
      const last = await sync(a, reborn, { type: 'push' });
      assert.equal(last.replicator.status.progress.completed, 0);
    }
  });

  it('does not offer a peer what it has just been given by it', async (context) => {
    const { a, b } = await twoPeers(context);
    await fill(b.metrics, 500);
    let sent = 0;
    const count = (connection: MessageEndpointConnection): MessageEndpointConnection =>
      traced(connection, (event) => (sent += event.kind === 'sent' ? event.size : 0));
    const pull = await sync(a, b, { type: 'pull', around: count });
    const ofPull = sent;
    const c = await openPeer(context, 'c');
    sent = 0;
    await sync(c, b, { around: count });
    assert.ok(sent < ofPull * 1.2, `${sent} bytes instead of ${ofPull}`);
    assert.equal(pull.replicator.status.progress.completed, 500);
  });

  it('may be two databases in one process that are opened and closed in any order', async (context) => {
    const { a } = await twoPeers(context);
    await fill(a.metrics, 20);
    const directory = await temporaryDirectory(context);
    for (let round = 0; round < 3; round++) {
      const database = await Database.open(directory, { name: 'b', logger: memoryLogger() });
      const peer = { name: 'b', database, metrics: database.collection('metrics') as AnyCollection };
      await a.metrics.save('round', { round });
      const { replicator } = await sync(a, peer);
      assert.equal(replicator.status.progress.completed, round === 0 ? 21 : 1);
      await database.close();
    }
  });

  it('may be a collection that is deleted meanwhile, which is an error and no more', async (context) => {
    const { a, b } = await twoPeers(context);
    await fill(a.metrics, 20);
    const { replicator, listener } = link(a, b, { continuous: true, clock: new VirtualClock(), maxAttempts: 1 });
    const problems: string[] = [];
    listener.on('error', ({ code }) => problems.push(code));
    replicator.start();
    await replicator.whenIdle();
    await b.database.deleteCollection('metrics');
    await a.metrics.save('late', {});
    const error = await replicator.stopped();
    assert.ok(error !== undefined);
    await a.database.deleteCollection('metrics');
    replicator.start();
    assert.equal((await replicator.stopped())?.code, 'COLLECTION_DELETED');
    assert.ok(
      problems.every((code) => code === 'COLLECTION_DELETED'),
      problems.join(),
    );
  });
});
