/**
 * The listener as its users know it, over real sockets: where it listens, whom it lets in, what becomes of clients when it
 * ends. The numbers are those of the acceptance scenarios; TLS is in `tls-outcomes*.test.ts` and `listener-security.test.ts`.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { describe, it, type TestContext } from 'node:test';
import {
  BasicAuthenticator,
  ListenerPasswordAuthenticator,
  type ListenerStatus,
  type ReplicatorOptions,
} from '../../src/index.js';
import { URLEndpointListener } from '../../transports/websocket/index.js';
import { contents, openPeer, whenChanged, type AnyCollection } from '../support/peers.js';
import { unusedPort } from '../support/raw-servers.js';
import { VirtualClock } from '../support/virtual-clock.js';
import { clientOf, listen, listenerOf, syncOver, urlOf, whenActivity } from '../support/web-socket-peers.js';

const LIMIT = { timeout: 120_000 };
const TYPES = ['push', 'pull', 'pushAndPull'] as const satisfies ReplicatorOptions['type'][];

async function clientAndServer(context: TestContext) {
  return { a: await openPeer(context, 'a'), l: await openPeer(context, 'l') };
}

async function fill(collection: AnyCollection, count: number, prefix: string): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, index) => collection.save(`${prefix}${index}`, { index })));
}

async function assertEqual(...collections: AnyCollection[]): Promise<void> {
  const [first, ...others] = await Promise.all(collections.map(contents));
  for (const other of others) assert.deepEqual(other, first);
}

describe('the configuration of a listener', LIMIT, () => {
  it('1. has the documented defaults', async (context) => {
    const { l } = await clientAndServer(context);
    const { config } = new URLEndpointListener({ collections: [l.metrics] });
    assert.deepEqual(
      [config.port, config.disableTLS, config.readOnly, config.enableDeltaSync],
      [0, false, false, false],
    );
    assert.deepEqual(
      [config.tlsIdentity, config.authenticator, config.networkInterface],
      [undefined, undefined, undefined],
    );
  });

  it('2. is refused without a collection', () => {
    assert.throws(() => new URLEndpointListener({ collections: [] }), { code: 'ARGUMENT_INVALID' });
  });

  it('3. is a copy: what is changed afterwards changes nothing', async (context) => {
    const { l } = await clientAndServer(context);
    const options = { collections: [l.metrics], port: 0, disableTLS: true, readOnly: true };
    const listener = new URLEndpointListener(options);
    options.collections.push(l.database.collection('other'));
    Object.assign(options, { port: 1, disableTLS: false, readOnly: false });
    const { collections, port, disableTLS, readOnly } = listener.config;
    assert.deepEqual([collections.length, port, disableTLS, readOnly], [1, 0, true, true]);
  });
});

describe('where a listener listens', LIMIT, () => {
  it('4. is the port it is given, while it is started', async (context) => {
    const { l } = await clientAndServer(context);
    const port = await unusedPort();
    const listener = listenerOf(context, l, { port });
    assert.equal(listener.port, 0);
    await listener.start();
    assert.equal(listener.port, port);
    await listener.stop();
    assert.equal(listener.port, 0);
  });

  it('5. is a free port if it is given none, while it is started', async (context) => {
    const { a, l } = await clientAndServer(context);
    const listener = await listen(context, l);
    assert.notEqual(listener.port, 0);
    await syncOver(context, a, urlOf(l, listener));
    await listener.stop();
    assert.equal(listener.port, 0);
  });

  it('6. is nowhere if another has the port, who goes on', async (context) => {
    const { a, l } = await clientAndServer(context);
    await l.metrics.save('pump', {});
    const first = await listen(context, l);
    const second = listenerOf(context, l, { port: first.port });
    await assert.rejects(second.start(), { code: 'LISTENER_PORT_IN_USE', number: 98 });
    assert.deepEqual([second.port, second.urls], [0, []]);
    await syncOver(context, a, urlOf(l, first));
    assert.equal(await a.metrics.count(), 1);
  });

  it('7. is told in URLs with scheme, port and the name of the database, while it is started', async (context) => {
    const { l } = await clientAndServer(context);
    for (const [disableTLS, scheme] of [
      [true, 'ws:'],
      [false, 'wss:'],
    ] as const) {
      const listener = listenerOf(context, l, { disableTLS });
      assert.deepEqual(listener.urls, []);
      await listener.start();
      assert.ok(listener.urls.length >= 1);
      for (const url of listener.urls.map((text) => new URL(text))) {
        assert.deepEqual([url.protocol, url.port, url.pathname], [scheme, String(listener.port), '/l']);
      }
      await listener.stop();
      assert.deepEqual(listener.urls, []);
    }
  });

  it('8. is at each of its URLs', async (context) => {
    const { l } = await clientAndServer(context);
    await l.metrics.save('pump', {});
    const listener = await listen(context, l);
    for (const [index, url] of listener.urls.entries()) {
      const client = await openPeer(context, `client${index}`);
      await syncOver(context, client, url);
      assert.equal(await client.metrics.count(), 1, url);
    }
  });

  it('9. is everywhere for 0.0.0.0 too', async (context) => {
    const { l } = await clientAndServer(context);
    const port = await unusedPort();
    const [everywhere, named] = [
      listenerOf(context, l, { port }),
      listenerOf(context, l, { port, networkInterface: '0.0.0.0' }),
    ];
    await everywhere.start();
    const { urls } = everywhere;
    await everywhere.stop();
    await named.start();
    assert.deepEqual(named.urls, urls);
  });

  it('10. is each interface of this machine by its name', async (context) => {
    const { l } = await clientAndServer(context);
    await l.metrics.save('pump', {});
    const reachable = Object.entries(networkInterfaces()).filter(([, addresses]) =>
      addresses?.some(({ address }) => !address.startsWith('fe80')),
    );
    assert.ok(reachable.length >= 1);
    for (const [name] of reachable) {
      const listener = await listen(context, l, { networkInterface: name });
      const client = await openPeer(context, name);
      await syncOver(context, client, listener.urls[0] ?? '');
      assert.equal(await client.metrics.count(), 1, name);
      await listener.stop();
    }
  });

  it('11. is nowhere for an interface that this machine does not have', async (context) => {
    const { l } = await clientAndServer(context);
    for (const networkInterface of ['1.1.1.256', 'blah']) {
      const listener = listenerOf(context, l, { networkInterface });
      await assert.rejects(listener.start(), { code: 'LISTENER_ADDRESS_UNAVAILABLE', number: 5_002 });
      assert.equal(listener.port, 0);
    }
  });
});

describe('the status of a listener', LIMIT, () => {
  it('12. counts the connections, and those that transfer something', async (context) => {
    const { a, l } = await clientAndServer(context);
    await fill(l.metrics, 500, 'l');
    const listener = await listen(context, l);
    assert.deepEqual(listener.status, { connectionCount: 0, activeConnectionCount: 0 });
    const busy: ListenerStatus[] = [];
    const ended = new Promise<void>((resolve) =>
      listener.on('connection', ({ activity }) => {
        if (activity === 'busy') busy.push(listener.status);
        if (activity === 'stopped') resolve();
      }),
    );
    const replicator = clientOf(context, a, urlOf(l, listener), { type: 'pull', continuous: true });
    replicator.start();
    await replicator.whenIdle();
    assert.equal(listener.status.connectionCount, 1);
    assert.ok(busy.length > 0);
    for (const status of busy) assert.deepEqual(status, { connectionCount: 1, activeConnectionCount: 1 });
    await replicator.stop();
    await ended;
    assert.deepEqual(listener.status, { connectionCount: 0, activeConnectionCount: 0 });
  });
});

describe('who may connect', LIMIT, () => {
  it('23. is everybody without an authenticator, with or without a password', async (context) => {
    const { a, l } = await clientAndServer(context);
    const url = urlOf(l, await listen(context, l));
    await syncOver(context, a, url);
    await syncOver(context, a, url, { authenticator: new BasicAuthenticator('somebody', 'something') });
  });

  it('24. is who knows the password', async (context) => {
    const { a, l } = await clientAndServer(context);
    await a.metrics.save('pump', {});
    const authenticator = new ListenerPasswordAuthenticator((user, password) => user === 'alice' && password === 'pw');
    const url = urlOf(l, await listen(context, l, { authenticator }));
    for (const wrong of [
      {},
      { authenticator: new BasicAuthenticator('bob', 'pw') },
      { authenticator: new BasicAuthenticator('alice', 'wp') },
    ]) {
      await assert.rejects(syncOver(context, a, url, wrong), { code: 'AUTHENTICATION_FAILED', number: 10_401 });
    }
    assert.equal(await l.metrics.count(), 0);
    await syncOver(context, a, url, { authenticator: new BasicAuthenticator('alice', 'pw') });
    assert.equal(await l.metrics.count(), 1);
  });

  it('31. may only pull from a read-only listener, alone or beside others', async (context) => {
    const { a, l } = await clientAndServer(context);
    const b = await openPeer(context, 'b');
    await fill(l.metrics, 5, 'l');
    for (const peer of [a, b]) await peer.metrics.save(`from ${peer.name}`, {});
    const url = urlOf(l, await listen(context, l, { readOnly: true }));
    for (const type of ['push', 'pushAndPull'] as const) {
      for (const continuous of [false, true]) {
        const replicators = [a, b].map((peer) => clientOf(context, peer, url, { type, continuous }));
        for (const replicator of replicators) replicator.start();
        for (const replicator of replicators) {
          const error = await replicator.stopped();
          assert.deepEqual([error?.code, error?.number], ['ACCESS_DENIED', 10_403], `${type} ${continuous}`);
        }
      }
    }
    assert.equal(await l.metrics.count(), 5);
    await Promise.all([a, b].map((peer) => syncOver(context, peer, url, { type: 'pull' })));
    for (const peer of [a, b]) assert.equal(await peer.metrics.count(), 6);
  });

  it('41. is nobody who offers a collection that the listener does not serve', async (context) => {
    const { a, l } = await clientAndServer(context);
    const url = urlOf(l, await listen(context, l, { collections: [l.database.collection('colB')] }));
    await assert.rejects(syncOver(context, a, url, { collections: [a.database.collection('colA')] }), {
      code: 'REMOTE_COLLECTION_NOT_FOUND',
      number: 10_404,
    });
  });
});

describe('several at one listener', LIMIT, () => {
  it('32. push at once, and nothing is lost', async (context) => {
    const { a, l } = await clientAndServer(context);
    const b = await openPeer(context, 'b');
    for (const peer of [a, b, l]) await fill(peer.metrics, 200, peer.name);
    const url = urlOf(l, await listen(context, l));
    await Promise.all([a, b].map((peer) => syncOver(context, peer, url, { type: 'push' })));
    assert.equal(await l.metrics.count(), 600);
    for (const peer of [a, b]) assert.equal(await peer.metrics.count(), 200);
  });

  it('33. two listeners share a database, and one of them can be stopped', async (context) => {
    const { a, l } = await clientAndServer(context);
    const b = await openPeer(context, 'b');
    const [first, second] = [await listen(context, l), await listen(context, l)];
    await a.metrics.save('a', {});
    await b.metrics.save('b', {});
    await syncOver(context, a, urlOf(l, first));
    await syncOver(context, b, urlOf(l, second));
    assert.equal(await l.metrics.count(), 2);
    await first.stop();
    await a.metrics.save('later', {});
    await syncOver(context, a, urlOf(l, second));
    await assertEqual(a.metrics, l.metrics);
  });

  it('34. a database that listens may replicate with another', async (context) => {
    const { a, l } = await clientAndServer(context);
    const third = await openPeer(context, 'third');
    for (const peer of [a, l, third]) await fill(peer.metrics, 100, peer.name);
    const listener = await listen(context, l);
    const other = await listen(context, third);
    const replicators = [
      clientOf(context, a, urlOf(l, listener), { continuous: true }),
      clientOf(context, l, urlOf(third, other), { continuous: true }),
    ];
    for (const replicator of replicators) replicator.start();
    for (const peer of [a, l, third]) {
      await whenChanged(peer.metrics, async () => (await peer.metrics.count()) === 300);
    }
    for (const replicator of replicators) await replicator.stop();
    await assertEqual(a.metrics, l.metrics, third.metrics);
  });

  it('40. several collections stay apart, once and continuously', async (context) => {
    for (const continuous of [false, true]) {
      const { a, l } = await clientAndServer(context);
      const names = ['colA', 'colB'];
      const [mine, its] = [a, l].map(({ database }) =>
        names.map((name) => database.collection(name) as AnyCollection),
      ) as [AnyCollection[], AnyCollection[]];
      for (const collection of mine) await fill(collection, 10, `mine-${collection.name}-`);
      for (const collection of its) await fill(collection, 10, `its-${collection.name}-`);
      const url = urlOf(l, await listen(context, l, { collections: its }));
      const replicator = clientOf(context, a, url, { collections: mine, continuous });
      replicator.start();
      await replicator.whenIdle();
      if (continuous) await replicator.stop();
      assert.equal(await replicator.stopped(), undefined);
      for (const [index, collection] of mine.entries()) {
        assert.equal(await collection.count(), 20);
        await assertEqual(collection, its[index] as AnyCollection);
      }
    }
  });

  it('44. edits on both sides while they replicate end equal', async (context) => {
    const { a, l } = await clientAndServer(context);
    await fill(a.metrics, 50, 'd');
    const replicator = clientOf(context, a, urlOf(l, await listen(context, l)), { continuous: true });
    replicator.start();
    await replicator.whenIdle();
    await assertEqual(a.metrics, l.metrics);
    for (let round = 0; round < 5; round++) {
      const edits = Array.from({ length: 50 }, (_, index) => [
        a.metrics.save(`d${index}`, { by: 'a', round }),
        l.metrics.save(`d${index}`, { by: 'l', round }),
      ]);
      await Promise.all(edits.flat());
    }
    const areEqual = async (): Promise<boolean> =>
      (await contents(a.metrics)).join('\n') === (await contents(l.metrics)).join('\n');
    await Promise.race([a, l].map(({ metrics }) => whenChanged(metrics, areEqual)));
    await replicator.whenIdle();
    await assertEqual(a.metrics, l.metrics);
    assert.equal(await a.metrics.count(), 50);
  });

  it('45, 48. three databases with three listeners each, all at once, end equal', async (context) => {
    const clients = await Promise.all(['a', 'b', 'c'].map((name) => openPeer(context, name)));
    const servers = await Promise.all(['l1', 'l2', 'l3'].map((name) => openPeer(context, name)));
    for (const peer of [...clients, ...servers]) await fill(peer.metrics, 50, peer.name);
    const urls = await Promise.all(servers.map(async (server) => urlOf(server, await listen(context, server))));
    const replicators = clients.flatMap((client) =>
      urls.map((url) => clientOf(context, client, url, { continuous: true })),
    );
    for (const replicator of replicators) replicator.start();
    for (const { metrics } of [...clients, ...servers]) {
      await whenChanged(metrics, async () => (await metrics.count()) === 300);
    }
    for (const replicator of replicators) {
      await replicator.stop();
      assert.equal(replicator.status.error, undefined);
    }
    await assertEqual(...[...clients, ...servers].map(({ metrics }) => metrics));
  });

  it('46. many clients have what the one server has', async (context) => {
    const l = await openPeer(context, 'l');
    await fill(l.metrics, 200, 'l');
    const url = urlOf(l, await listen(context, l));
    const clients = await Promise.all(Array.from({ length: 8 }, (_, index) => openPeer(context, `c${index}`)));
    await Promise.all(clients.map((client) => syncOver(context, client, url, { type: 'pull' })));
    await assertEqual(l.metrics, ...clients.map(({ metrics }) => metrics));
  });

  it('47. three sessions of one database with one listener all complete', async (context) => {
    const { a, l } = await clientAndServer(context);
    await fill(a.metrics, 300, 'a');
    await fill(l.metrics, 300, 'l');
    const url = urlOf(l, await listen(context, l));
    await Promise.all(TYPES.map((type) => syncOver(context, a, url, { type })));
    await assertEqual(a.metrics, l.metrics);
    assert.equal(await a.metrics.count(), 600);
  });
});

describe('a listener that ends', LIMIT, () => {
  it('35. leaves continuous clients offline with 11001, who then find nobody', async (context) => {
    const { a, l } = await clientAndServer(context);
    const listener = await listen(context, l);
    const url = urlOf(l, listener);
    const clock = new VirtualClock();
    const replicator = clientOf(context, a, url, { continuous: true, clock });
    replicator.start();
    await replicator.whenIdle();
    await listener.stop();
    await whenActivity(replicator, 'offline');
    assert.deepEqual(
      [replicator.status.error?.code, replicator.status.error?.number],
      ['CONNECTION_CLOSED_BY_PEER', 11_001],
    );
    const refused = new Promise<void>((resolve) =>
      replicator.on('status', ({ error }) => error?.code === 'CONNECTION_REFUSED' && resolve()),
    );
    await clock.advance(2_000);
    await refused;
    await assert.rejects(syncOver(context, a, url, { maxAttempts: 1 }), { code: 'CONNECTION_REFUSED', number: 111 });
  });

  it('35. stops clients that are not continuous with 11001', async (context) => {
    const { a, l } = await clientAndServer(context);
    await fill(a.metrics, 3_000, 'a');
    const listener = await listen(context, l);
    const replicator = clientOf(context, a, urlOf(l, listener), {});
    listener.on('connection', ({ activity }) => {
      if (activity === 'busy') void listener.stop();
    });
    replicator.start();
    const error = await replicator.stopped();
    assert.deepEqual([error?.code, error?.number], ['CONNECTION_CLOSED_BY_PEER', 11_001]);
  });

  it('36. and comes back on its port gets everything that was edited meanwhile', async (context) => {
    const { a, l } = await clientAndServer(context);
    const clock = new VirtualClock();
    const first = await listen(context, l);
    const { port } = first;
    const replicator = clientOf(context, a, urlOf(l, first), { type: 'push', continuous: true, clock });
    replicator.start();
    await a.metrics.save('before', {});
    await whenChanged(l.metrics, async () => (await l.metrics.count()) === 1);
    await first.stop();
    await whenActivity(replicator, 'offline');
    await fill(a.metrics, 100, 'meanwhile');
    await a.metrics.save('before', { edited: true });
    await listen(context, l, { port });
    await clock.advance(2_000);
    await replicator.whenIdle();
    await assertEqual(a.metrics, l.metrics);
    await a.metrics.delete('before');
    await whenChanged(l.metrics, async () => (await l.metrics.get('before')) === undefined);
  });

  it('37. because its database is closed has no port any more, and its clients know', async (context) => {
    const { a, l } = await clientAndServer(context);
    const listener = await listen(context, l);
    const replicator = clientOf(context, a, urlOf(l, listener), { continuous: true, clock: new VirtualClock() });
    replicator.start();
    await replicator.whenIdle();
    await l.database.close();
    assert.deepEqual([listener.port, listener.urls, listener.status.connectionCount], [0, [], 0]);
    await whenActivity(replicator, 'offline');
    assert.equal(replicator.status.error?.number, 11_001);
    await assert.rejects(listener.start(), { code: 'DATABASE_CLOSED' });
  });

  it('38. because its database is deleted takes the replicators of that database with it', async (context) => {
    const { a, l } = await clientAndServer(context);
    const third = await openPeer(context, 'third');
    await fill(l.metrics, 500, 'l');
    const listener = await listen(context, l);
    const clock = new VirtualClock();
    const client = clientOf(context, a, urlOf(l, listener), { continuous: true, clock });
    const own = TYPES.map((type) => ({ type, continuous: true, clock }));
    const url = urlOf(third, await listen(context, third));
    const ofDatabase = own.map((options) => clientOf(context, l, url, options));
    for (const replicator of [client, ...ofDatabase]) replicator.start();
    await client.whenIdle();
    await l.database.delete();
    for (const replicator of ofDatabase) {
      assert.deepEqual([replicator.status.activity, replicator.status.error], ['stopped', undefined]);
    }
    assert.deepEqual([listener.port, listener.status.connectionCount], [0, 0]);
    assert.equal(existsSync(l.database.path), false);
    await whenActivity(client, 'offline');
    await client.stop();
    assert.equal(clock.pendingTimers, 0);
  });

  it('42. can be started again, as often as one likes', async (context) => {
    const { a, l } = await clientAndServer(context);
    const listener = listenerOf(context, l);
    for (let round = 0; round < 3; round++) {
      await listener.start();
      assert.notEqual(listener.port, 0);
      await a.metrics.save(`round${round}`, {});
      await syncOver(context, a, urlOf(l, listener));
      await listener.stop();
      assert.equal(listener.port, 0);
    }
    await assertEqual(a.metrics, l.metrics);
  });
});
