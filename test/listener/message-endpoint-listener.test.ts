/** Serving connections that the application brings. */
import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { describe, it, type TestContext } from 'node:test';
import {
  deferred,
  loopbackByteStreamPair,
  loopbackPair,
  MessageEndpointListener,
  MessagingError,
  seededRandom,
  type MessageEndpointConnection,
  type MessageEndpointListenerOptions,
} from '../../src/index.js';
import { openPeer } from '../support/peers.js';
import { RawBlipPeer } from '../support/raw-blip-peer.js';
import { VirtualClock } from '../support/virtual-clock.js';

const LIMIT = { timeout: 120_000 };

async function listenerOf(context: TestContext, options: Partial<MessageEndpointListenerOptions> = {}) {
  const peer = await openPeer(context, 'ours');
  const listener = new MessageEndpointListener({
    collections: [peer.metrics],
    protocolType: 'messageStream',
    ...options,
  });
  const events: [MessageEndpointConnection, string][] = [];
  listener.on('connection', ({ connection, activity }) => events.push([connection, activity]));
  return { peer, listener, events };
}

async function connect(listener: MessageEndpointListener) {
  const pair = loopbackPair();
  const raw = new RawBlipPeer(pair.a);
  listener.accept(pair.b);
  await raw.open();
  return { raw, connection: pair.b };
}

describe('a MessageEndpointListener', LIMIT, () => {
  it('is made with options that are right, or not at all', async (context) => {
    const { metrics } = await openPeer(context, 'a');
    const right = { collections: [metrics], protocolType: 'messageStream' } as const;
    for (const [options, code] of [
      [{ ...right, protocolType: 'datagrams' }, 'ARGUMENT_INVALID'],
      [{ collections: [metrics] }, 'ARGUMENT_INVALID'],
      [{ ...right, limits: { maxConnections: 0 } }, 'ARGUMENT_INVALID'],
      [{ ...right, limits: { maxConnections: '5' } }, 'ARGUMENT_INVALID'],
      [{ ...right, enableDeltaSync: 'yes' }, 'ARGUMENT_INVALID'],
      [{ ...right, authenticators: [] }, 'OPTION_UNKNOWN'],
      [{ ...right, collections: [] }, 'ARGUMENT_INVALID'],
    ] as const) {
      assert.throws(() => new MessageEndpointListener(options as never), { code });
    }
  });

  it('gives up a connection that does not open', async (context) => {
    const clock = new VirtualClock();
    const { listener } = await listenerOf(context, { clock });
    const [opening, opened, stopped] = [deferred(), deferred(), deferred<string | undefined>()];
    listener.on('connection', ({ activity, error }) => {
      if (activity === 'stopped') stopped.resolve(error?.code);
    });
    listener.accept({
      open: () => {
        opening.resolve();
        return opened.promise;
      },
      send: () => Promise.resolve(),
      close: async (error) => opened.reject(error), // as the contract has it
    });
    await opening.promise;
    await clock.advance(59_999);
    assert.equal(listener.status.connectionCount, 1);
    await clock.advance(1);
    assert.equal(await stopped.promise, 'CONNECTION_TIMEOUT');
    assert.equal(listener.status.connectionCount, 0);
  });

  it('serves each connection, and tells of the very object that it was given', async (context) => {
    const { listener, events } = await listenerOf(context);
    const { raw, connection } = await connect(listener);
    assert.equal((await raw.request({ Profile: 'x' })).error, 'BLIP/404');
    assert.deepEqual(listener.status, { connectionCount: 1, activeConnectionCount: 0 });
    await listener.close(connection);
    assert.equal((await raw.ended)?.closeCode, 1001);
    assert.deepEqual(
      events.map(([which, activity]) => [which === connection, activity]),
      [
        [true, 'idle'],
        [true, 'stopped'],
      ],
    );
  });

  it('tells of the very object that it was given over a byte stream too', async (context) => {
    const { listener, events } = await listenerOf(context, { protocolType: 'byteStream' });
    const pair = loopbackByteStreamPair({ random: seededRandom(1) });
    listener.accept(pair.b);
    while (events.length === 0) await setImmediate();
    await listener.close(pair.b);
    assert.deepEqual(
      events.map(([which, activity]) => [which === pair.b, activity]),
      [
        [true, 'idle'],
        [true, 'stopped'],
      ],
    );
  });

  it('takes no connection twice, and nothing that is none', async (context) => {
    const { listener } = await listenerOf(context);
    const { connection } = await connect(listener);
    assert.throws(() => listener.accept(connection), { code: 'ARGUMENT_INVALID' });
    for (const wrong of [undefined, null, {}, { open() {}, send() {} }, 'x']) {
      assert.throws(() => listener.accept(wrong as never), { code: 'ARGUMENT_INVALID' });
    }
    await listener.closeAll();
    assert.throws(() => listener.accept(connection), { code: 'ARGUMENT_INVALID' });
  });

  it('takes as many as it may, and one that was turned away when there is room', async (context) => {
    const { listener } = await listenerOf(context, { limits: { maxConnections: 2 } });
    const first = await connect(listener);
    await connect(listener);
    const pair = loopbackPair();
    assert.throws(() => listener.accept(pair.b), { code: 'CONNECTION_UNAVAILABLE', retryable: true });
    await listener.close(first.connection);
    listener.accept(pair.b);
    const raw = new RawBlipPeer(pair.a);
    await raw.open();
    assert.equal(listener.status.connectionCount, 2);
    await listener.closeAll();
  });

  it('closes one connection and leaves the others, with the reason that it is given', async (context) => {
    const { listener } = await listenerOf(context);
    const [first, second] = [await connect(listener), await connect(listener)];
    await listener.close(first.connection, new MessagingError('ACCESS_DENIED', 'no', { recoverable: false }));
    await listener.close(first.connection);
    await listener.close(loopbackPair().a);
    assert.equal((await first.raw.ended)?.closeCode, 4002);
    assert.equal((await second.raw.request({ Profile: 'x' })).error, 'BLIP/404');
    await listener.closeAll();
  });

  it('closes what it has not opened yet', async (context) => {
    const { listener, events } = await listenerOf(context);
    const pair = loopbackPair();
    listener.accept(pair.b);
    const closing = listener.close(pair.b);
    await assert.rejects(new RawBlipPeer(pair.a).open(), { code: 'CONNECTION_CLOSED_BY_PEER' });
    await closing;
    assert.deepEqual(events, []);
  });

  it('closes all, and serves again what is accepted during or after that', async (context) => {
    const { listener, peer } = await listenerOf(context);
    for (let round = 0; round < 5; round++) {
      const before = [await connect(listener), await connect(listener)];
      const closing = listener.closeAll();
      await Promise.resolve();
      const during = loopbackPair();
      const raw = new RawBlipPeer(during.a);
      if (round % 2 === 0) await setImmediate();
      listener.accept(during.b);
      await closing;
      for (const { raw: old } of before) assert.equal((await old.ended)?.closeCode, 1001);
      await raw.open().catch(() => undefined);
      const after = await connect(listener);
      assert.equal((await after.raw.request({ Profile: 'x' })).error, 'BLIP/404');
    }
    // Whatever is served, the database knows of it.
    await peer.database.close();
    assert.equal(listener.status.connectionCount, 0);
    assert.throws(() => listener.accept(loopbackPair().b), { code: 'DATABASE_CLOSED' });
  });

  it('closes connections that come while its database is closing', async (context) => {
    const { listener, peer } = await listenerOf(context);
    await connect(listener);
    const closing = peer.database.close();
    assert.throws(() => listener.accept(loopbackPair().b), { code: 'DATABASE_CLOSED' });
    await closing;
    assert.equal(listener.status.connectionCount, 0);
  });
});
