/** Who may connect, and what becomes of those who do. */
import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { describe, it, type TestContext } from 'node:test';
import {
  deferred,
  ListenerPasswordAuthenticator,
  loopbackPair,
  MessagingError,
  PeerListener,
  type ListenerEvents,
  type MessageEndpointConnection,
  type PeerListenerOptions,
} from '../../src/index.js';
import { openPeer } from '../support/peers.js';
import { RawBlipPeer } from '../support/raw-blip-peer.js';

const LIMIT = { timeout: 120_000 };
const BOTH = ['BLIP_3+CBMobile_3', 'BLIP_3+CBMobile_2'];

async function listenerOf(context: TestContext, options: Partial<PeerListenerOptions> = {}, name = 'vessel') {
  const peer = await openPeer(context, name);
  const listener = new PeerListener({ collections: [peer.metrics], ...options });
  const events: string[] = [];
  listener.on('connection', ({ activity, error }) => events.push(error === undefined ? activity : error.code));
  return { peer, listener, events };
}

/** Connects a raw peer; resolves when it is open. */
async function connect(listener: PeerListener, address?: string) {
  const pair = loopbackPair();
  const raw = new RawBlipPeer(pair.a);
  listener.accept(pair.b, address === undefined ? {} : { address });
  await raw.open();
  return { raw, connection: pair.b };
}

/** The next event with this activity. */
function next(listener: PeerListener, activity: string): Promise<ListenerEvents['connection']> {
  return new Promise((resolve) => {
    const unsubscribe = listener.on('connection', (event) => {
      if (event.activity !== activity) return;
      unsubscribe();
      resolve(event);
    });
  });
}

describe('a listener is made', LIMIT, () => {
  it('with options that are right, or not at all', async (context) => {
    const { metrics, database } = await openPeer(context, 'a');
    const other = await openPeer(context, 'b');
    const collections = [metrics];
    for (const [options, code] of [
      [{}, 'ARGUMENT_INVALID'],
      [{ collections: [] }, 'ARGUMENT_INVALID'],
      [{ collections: metrics }, 'ARGUMENT_INVALID'],
      [{ collections: ['metrics'] }, 'ARGUMENT_INVALID'],
      [{ collections: [metrics, metrics] }, 'ARGUMENT_INVALID'],
      [{ collections: [metrics, other.metrics] }, 'ARGUMENT_INVALID'],
      [{ collections, limits: { maxConnections: 0 } }, 'ARGUMENT_INVALID'],
      [{ collections, limits: { maxConnections: 1.5 } }, 'ARGUMENT_INVALID'],
      [{ collections, readOnly: 'no' }, 'ARGUMENT_INVALID'],
      [{ collections, enableDeltaSync: 1 }, 'ARGUMENT_INVALID'],
      [{ collections, compression: { level: 1.5 } }, 'ARGUMENT_INVALID'],
      [{ collections, compression: { windowbits: 13 } }, 'OPTION_UNKNOWN'],
      [{ collections, heartbeat: -1 }, 'ARGUMENT_INVALID'],
      [{ collections, heartbeat: '330' }, 'ARGUMENT_INVALID'],
      [{ collections, readonly: true }, 'OPTION_UNKNOWN'],
    ] as const) {
      assert.throws(() => new PeerListener(options as never), { code }, JSON.stringify(Object.keys(options)));
    }
    assert.equal(new PeerListener({ collections }).database, database);
  });
});

describe('a handshake', LIMIT, () => {
  it('is for a path that names the database, and no other', async (context) => {
    const { listener } = await listenerOf(context, {}, 'my väst & co');
    const name = encodeURIComponent('my väst & co');
    for (const [path, status] of [
      [`/${name}/_blipsync`, 101],
      ['/my%20v%C3%A4st%20%26%20co/_blipsync', 101],
      ['/my väst & co/_blipsync', 101],
      [`/${name}/_blipsync/`, 404],
      [`/${name}/_blipsync?client=x`, 404],
      [`/${name}/_blipSync`, 404],
      [`//${name}/_blipsync`, 404],
      [`/${name}//_blipsync`, 404],
      [`/x/../${name}/_blipsync`, 404],
      [`${name}/_blipsync`, 404],
      [`/${name.toUpperCase()}/_blipsync`, 404],
      ['/other/_blipsync', 404],
      ['/_blipsync', 404],
      ['//_blipsync', 404],
      ['/%E0%A4%A/_blipsync', 404],
      ['/%ff/_blipsync', 404],
      ['/', 404],
      ['', 404],
      [`/${'x'.repeat(100_000)}/_blipsync`, 404],
    ] as const) {
      assert.equal((await listener.admit({ path, protocols: BOTH })).status, status, path.slice(0, 80));
    }
  });

  it('takes the first sub-protocol of the peer that is known', async (context) => {
    const { listener } = await listenerOf(context);
    const admit = (protocols: readonly string[]) => listener.admit({ path: '/vessel/_blipsync', protocols });
    for (const [offered, chosen] of [
      [BOTH, BOTH[0]],
      [[...BOTH].reverse(), BOTH[1]],
      [['BLIP_3+CBMobile_4', 'BLIP_3+CBMobile_3'], BOTH[0]],
      [['BLIP_3+CBMobile_2'], BOTH[1]],
    ] as const) {
      const access = [{ collection: listener.collections[0], push: true, pull: true }];
      assert.deepEqual(await admit(offered), { status: 101, protocol: chosen, peer: {} });
      assert.deepEqual(await listener.accessOf({}), access);
    }
    for (const offered of [[], ['BLIP_3+CBMobile_4'], ['blip_3+cbmobile_3'], [' BLIP_3+CBMobile_3'], ['__proto__']]) {
      const verdict = await admit(offered);
      assert.equal(verdict.status, 400);
      assert.match('reason' in verdict ? verdict.reason : '', /BLIP_3\+CBMobile_3/);
    }
  });

  it('asks for the password last, and tells nothing of it', async (context) => {
    const asked: string[] = [];
    const authenticator = new ListenerPasswordAuthenticator((username, password) => {
      asked.push(username);
      return password === 'right';
    });
    const { listener } = await listenerOf(context, { authenticator });
    const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
    const admit = (path: string, protocols: readonly string[], authorization?: string) =>
      listener.admit({ path, protocols, authorization });
    assert.equal((await admit('/other/_blipsync', BOTH, basic('a:right'))).status, 404);
    assert.equal((await admit('/vessel/_blipsync', [], basic('a:right'))).status, 400);
    assert.deepEqual(asked, []);
    assert.deepEqual(await admit('/vessel/_blipsync', BOTH, basic('a:right')), {
      status: 101,
      protocol: BOTH[0],
      peer: { username: 'a', access: [{ collection: listener.collections[0], push: true, pull: true }] },
    });
    for (const authorization of [undefined, '', 'Basic', basic('a:wrong'), 'Bearer x', basic('no colon')]) {
      assert.equal((await admit('/vessel/_blipsync', BOTH, authorization)).status, 401, authorization);
    }
  });

  it('is turned away where there are too many, and so is a connection that was admitted with others', async (context) => {
    const { listener } = await listenerOf(context, { limits: { maxConnections: 2 } });
    const admit = async () => (await listener.admit({ path: '/vessel/_blipsync', protocols: BOTH })).status;
    assert.deepEqual(await Promise.all([admit(), admit(), admit()]), [101, 101, 101]);
    const [first] = [await connect(listener), await connect(listener)];
    const pair = loopbackPair();
    listener.accept(pair.b);
    await assert.rejects(new RawBlipPeer(pair.a).open(), { code: 'CONNECTION_INTERRUPTED', recoverable: true });
    assert.equal(await admit(), 503);
    assert.equal(listener.status.connectionCount, 2);
    const stopped = next(listener, 'stopped');
    await first?.raw.leave();
    await stopped;
    assert.equal(await admit(), 101);
    await listener.closeAll();
  });
});

describe('a connection', LIMIT, () => {
  it('is listed while it lasts, and what happens to it is told', async (context) => {
    const { listener, events } = await listenerOf(context);
    const { raw, connection } = await connect(listener, '10.0.0.7');
    assert.deepEqual(listener.peers, [
      { address: '10.0.0.7', activity: 'idle', progress: { completed: 0, total: 0 }, error: undefined },
    ]);
    await raw.request(
      { Profile: 'getCollections' },
      JSON.stringify({ collections: ['metrics'], checkpoint_ids: ['c'] }),
    );
    await raw.request({ Profile: 'rev', collection: '0', id: 'd', rev: '1-aa' }, '{}');
    assert.deepEqual(events, ['idle', 'busy', 'idle']);
    assert.deepEqual(listener.peers[0]?.progress, { completed: 1, total: 1 });
    const stopped = next(listener, 'stopped');
    await raw.leave();
    const event = await stopped;
    assert.deepEqual([event.connection, event.address, event.error], [connection, '10.0.0.7', undefined]);
    assert.deepEqual([listener.peers, listener.status], [[], { connectionCount: 0, activeConnectionCount: 0 }]);
  });

  it('that breaks is told with the reason', async (context) => {
    const { listener, events } = await listenerOf(context);
    const pair = loopbackPair();
    const raw = new RawBlipPeer(pair.a);
    listener.accept(pair.b);
    await raw.open();
    const cut = next(listener, 'stopped');
    pair.cut();
    await cut;
    const { raw: wrong } = await connect(listener);
    const stopped = next(listener, 'stopped');
    await wrong.sendFrame(new Uint8Array([1]));
    await stopped;
    assert.deepEqual(events, ['idle', 'CONNECTION_LOST', 'idle', 'BLIP_FRAME_INVALID']);
    assert.equal((await wrong.ended)?.closeCode, 1011);
  });

  it('that cannot be opened is told, and closed', async (context) => {
    const { listener, events } = await listenerOf(context);
    let closes = 0;
    const connection: MessageEndpointConnection = {
      open: () => Promise.reject(new Error('the radio is busy')),
      send: () => Promise.reject(new Error('not open')),
      close: async () => void closes++,
    };
    const stopped = next(listener, 'stopped');
    listener.accept(connection);
    await stopped;
    assert.deepEqual(events, ['idle', 'CONNECTION_INTERRUPTED']);
    assert.equal(closes, 1);
  });

  it('that calls the engine while it is being opened, and fails to close, harms nobody', async (context) => {
    const { listener, events } = await listenerOf(context);
    const connection: MessageEndpointConnection = {
      open: (engine) => {
        void engine.receive(new Uint8Array([1]));
        engine.close();
        return Promise.resolve();
      },
      send: () => {
        throw new Error('no');
      },
      close: () => {
        throw new Error('no');
      },
    };
    const stopped = next(listener, 'stopped');
    listener.accept(connection);
    await stopped;
    await listener.stop();
    assert.deepEqual(events, ['idle', 'BLIP_FRAME_INVALID']);
  });

  it('is closed alone, with a reason, and only by its listener', async (context) => {
    const { listener } = await listenerOf(context);
    const [first, second] = [await connect(listener), await connect(listener)];
    assert.equal(await listener.close(loopbackPair().b), false);
    const reason = new MessagingError('ACCESS_DENIED', 'not today', { recoverable: false, closeCode: 4003 });
    assert.equal(await listener.close(first.connection, reason), true);
    assert.equal(await listener.close(first.connection), false);
    assert.equal((await first.raw.ended)?.closeCode, 4003);
    assert.equal(second.raw.isOver, false);
    await listener.closeAll();
    assert.equal((await second.raw.ended)?.closeCode, 1001);
  });
});

describe('stopping a listener', LIMIT, () => {
  it('ends every connection with 1001, and can be followed by a start', async (context) => {
    const { listener, peer } = await listenerOf(context);
    for (let round = 0; round < 3; round++) {
      await listener.start(() => listener.stop());
      const all = [await connect(listener), await connect(listener)];
      await Promise.all([listener.stop(), listener.stop()]);
      for (const { raw } of all) assert.equal((await raw.ended)?.closeCode, 1001);
      assert.equal(listener.status.connectionCount, 0);
    }
    assert.equal(peer.database.isClosed, false);
  });

  it('turns away what comes afterwards: nobody would close it', async (context) => {
    const { listener, events } = await listenerOf(context);
    await listener.start(() => listener.stop());
    await listener.stop();
    const pair = loopbackPair();
    listener.accept(pair.b);
    await assert.rejects(new RawBlipPeer(pair.a).open(), { code: 'CONNECTION_CLOSED_BY_PEER' });
    assert.deepEqual([events, listener.status.connectionCount], [[], 0]);
  });

  it('waits until the media have let go, also of those that ended by themselves', async (context) => {
    const { listener } = await listenerOf(context);
    const closed = deferred();
    let engine: { close(): void } | undefined;
    listener.accept({
      open: (target) => {
        engine = target;
        return Promise.resolve();
      },
      send: () => Promise.resolve(),
      close: () => closed.promise,
    });
    await setImmediate();
    engine?.close();
    await setImmediate();
    let isStopped = false;
    const stopping = listener.stop().then(() => (isStopped = true));
    await setImmediate();
    assert.equal(isStopped, false);
    closed.resolve();
    await stopping;
  });

  it('is done by its database before that closes', async (context) => {
    const { listener, peer } = await listenerOf(context);
    await listener.start(() => listener.stop());
    const { raw } = await connect(listener);
    await peer.database.close();
    assert.equal((await raw.ended)?.closeCode, 1001);
    await assert.rejects(
      listener.start(() => listener.stop()),
      { code: 'DATABASE_CLOSED' },
    );
  });

  it('leaves nothing of a revision behind that is stored later', async (context) => {
    const { listener, peer } = await listenerOf(context);
    await listener.start(() => listener.stop());
    const { raw } = await connect(listener);
    await raw.request(
      { Profile: 'getCollections' },
      JSON.stringify({ collections: ['metrics'], checkpoint_ids: ['c'] }),
    );
    for (let index = 0; index < 500; index++) {
      void raw.request({ Profile: 'rev', collection: '0', id: `d${index}`, rev: '1-aa' }, '{}');
    }
    await next(listener, 'busy');
    await listener.stop();
    const count = await peer.metrics.count();
    for (let turn = 0; turn < 20; turn++) await setImmediate();
    await peer.metrics.save('after', {});
    assert.equal(await peer.metrics.count(), count + 1);
  });

  it('makes the collections that do not exist yet when it starts', async (context) => {
    const { database } = await openPeer(context, 'a');
    const later = database.collection('later', { scope: 'deck' });
    const listener = new PeerListener({ collections: [later] });
    await listener.start(() => listener.stop());
    assert.ok(database.collections().some(({ fullName }) => fullName === 'deck.later'));
    await listener.stop();
  });
});
