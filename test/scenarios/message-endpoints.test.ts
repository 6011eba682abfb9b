/** What a custom transport may do and see, over message streams and byte streams alike. */
import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { describe, it, type TestContext } from 'node:test';
import {
  Blob,
  deferred,
  faulty,
  loopbackByteStreamPair,
  loopbackPair,
  MessageEndpoint,
  MessageEndpointListener,
  MessagingError,
  Replicator,
  seededRandom,
  type ListenerEvents,
  type LoopbackPair,
  type Message,
  type MessageEndpointConnection,
  type ProtocolType,
  type ReplicatorConnection,
} from '../../src/index.js';
import { contents, link, openPeer, sync, whenChanged, type AnyCollection } from '../support/peers.js';
import { skipWaits } from '../support/retry-clock.js';
import { VirtualClock } from '../support/virtual-clock.js';

const LIMIT = { timeout: 120_000 };
/** A radio of 20 kB/s that carries 1 KiB at a time. */
const SLOW_PIECE = 1_024;
const SLOW_BYTES_PER_SECOND = 20_000;
const TYPES = ['messageStream', 'byteStream'] as const satisfies ProtocolType[];
const passing = new MessagingError('CONNECTION_INTERRUPTED', 'the radio is busy', { recoverable: true });
const lasting = new MessagingError('CONNECTION_FAILED', 'there is no such radio', { recoverable: false });

async function twoPeers(context: TestContext) {
  return { a: await openPeer(context, 'a'), b: await openPeer(context, 'b') };
}

async function fill(collection: AnyCollection, count: number, prefix: string): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, index) => collection.save(`${prefix}${index}`, { index })));
}

/** Passes everything on; tests override what they are about. */
class Passing implements MessageEndpointConnection {
  readonly inner: MessageEndpointConnection;

  constructor(inner: MessageEndpointConnection) {
    this.inner = inner;
  }

  open(engine: ReplicatorConnection): Promise<void> {
    return this.inner.open(engine);
  }

  send(message: Message): Promise<void> {
    return this.inner.send(message);
  }

  close(error?: MessagingError): Promise<void> {
    return this.inner.close(error);
  }
}

/** Ends the connection with `error` in place of the message with number `after` that arrives. */
class BreaksOnReceive extends Passing {
  readonly #error: MessagingError;
  #left: number;

  constructor(inner: MessageEndpointConnection, error: MessagingError, after: number) {
    super(inner);
    this.#error = error;
    this.#left = after;
  }

  override open(engine: ReplicatorConnection): Promise<void> {
    return this.inner.open({
      receive: (message) => {
        if (this.#left-- > 0) return engine.receive(message);
        engine.close(this.#error);
        void this.inner.close(this.#error);
      },
      close: (error) => engine.close(error),
    });
  }
}

for (const protocolType of TYPES) {
  describe(`a custom transport as a ${protocolType}`, LIMIT, () => {
    it('63–66. carries a continuous push and a continuous pull, update after update', async (context) => {
      for (const type of ['push', 'pull'] as const) {
        const { a, b } = await twoPeers(context);
        const { replicator, listener } = link(a, b, { type, continuous: true, protocolType });
        const ended = new Promise<void>((resolve) =>
          listener.on('connection', ({ activity }) => activity === 'stopped' && resolve()),
        );
        const [from, to] = type === 'push' ? [a, b] : [b, a];
        replicator.start();
        await replicator.whenIdle();
        for (const version of [1, 2, 3]) {
          await from.metrics.save('pump', { version });
          await whenChanged(to.metrics, async () => (await to.metrics.get('pump'))?.body.version === version);
        }
        await to.metrics.save('not for you', {});
        await replicator.stop();
        await ended;
        assert.equal(await from.metrics.get('not for you'), undefined);
      }
    });

    it('67, 68. carries edits of both sides in one continuous replication', async (context) => {
      const { a, b } = await twoPeers(context);
      const { replicator } = link(a, b, { continuous: true, protocolType });
      replicator.start();
      await replicator.whenIdle();
      const sides = [
        [a, b],
        [b, a],
      ] as const;
      for (const version of [1, 2, 3]) {
        for (const [from, to] of sides) {
          const { revisionID } = await from.metrics.save('pump', { version, by: from.name });
          await whenChanged(to.metrics, async () => (await to.metrics.get('pump'))?.revisionID === revisionID);
        }
      }
      await replicator.stop();
      assert.deepEqual(await contents(a.metrics), await contents(b.metrics));
      assert.deepEqual((await a.metrics.get('pump'))?.body, { version: 3, by: 'b' });
    });

    it('69, 71, 73. recovers from a passing error wherever it happens, with a new connection', async (context) => {
      const { a, b } = await twoPeers(context);
      for (const [where, spoil] of [
        ['open', (c) => faulty(c, { random: seededRandom(1), failOpen: passing })],
        ['send', (c) => faulty(c, { random: seededRandom(1), failSend: { after: 3, error: passing } })],
        ['receive', (c) => new BreaksOnReceive(c, passing, 3)],
      ] as [string, (connection: MessageEndpointConnection) => MessageEndpointConnection][]) {
        await a.metrics.save('pump', { where });
        const clock = new VirtualClock();
        const { replicator, listener, connections } = spoiled(a.metrics, b.metrics, protocolType, clock, (c, number) =>
          number === 1 ? spoil(c) : c,
        );
        skipWaits(replicator, clock);
        replicator.start();
        assert.equal(await replicator.stopped(), undefined, where);
        assert.equal(connections.length, 2, where);
        assert.equal(new Set(connections).size, 2, where);
        assert.deepEqual((await b.metrics.get('pump'))?.body, { where });
        await listener.closeAll();
        assert.equal(listener.status.connectionCount, 0);
      }
    });

    it('70, 72, 74. ends with a lasting error wherever it happens, and so does the connection at the other end', async (context) => {
      const { a, b } = await twoPeers(context);
      await a.metrics.save('pump', {});
      for (const [where, spoil] of [
        ['open', (c) => faulty(c, { random: seededRandom(1), failOpen: lasting })],
        ['send', (c) => faulty(c, { random: seededRandom(1), failSend: { after: 3, error: lasting } })],
        ['receive', (c) => new BreaksOnReceive(c, lasting, 3)],
      ] as [string, (connection: MessageEndpointConnection) => MessageEndpointConnection][]) {
        const { replicator, listener, connections } = spoiled(
          a.metrics,
          b.metrics,
          protocolType,
          new VirtualClock(),
          spoil,
          true,
        );
        const ended = new Promise<void>((resolve) =>
          listener.on('connection', ({ activity }) => activity === 'stopped' && resolve()),
        );
        replicator.start();
        const error = await replicator.stopped();
        assert.deepEqual([error?.code, error?.number], ['CONNECTION_FAILED', 14_002], where);
        assert.equal(connections.length, 1);
        if (where !== 'open') await ended;
        await listener.closeAll();
      }
    });

    it('80. is cut off for a message that is cut short, joined or changed, and the databases stay sound', async (context) => {
      for (const [what, spoil] of [
        ['cut short', (message) => [message.subarray(0, message.length - 1)]],
        ['changed', (message) => [message.map((byte, index) => (index === message.length - 1 ? byte ^ 1 : byte))]],
        ['repeated', (message) => [message, message]],
        ['lost', () => []],
      ] as [string, (message: Message) => Message[]][]) {
        const { a, b } = await twoPeers(context);
        // So many that a lot is sent after the sixth message: nobody would notice that the last one is lost.
        await fill(a.metrics, 400, 'a');
        await fill(b.metrics, 400, 'b');
        const spoilt = deferred();
        const made = spoiled(a.metrics, b.metrics, protocolType, new VirtualClock(), (connection, number) => {
          if (number > 1) return connection;
          let count = 0;
          const part = (message: Message): Message[] => {
            if (++count !== 6) return [message];
            spoilt.resolve();
            return spoil(message);
          };
          return Object.assign(new Passing(connection), {
            send: async (message: Message) => {
              for (const piece of part(message)) {
                await connection.send(new Uint8Array(piece)).catch(() => undefined);
              }
            },
          });
        });
        made.replicator.start();
        // A byte stream whose bytes are missing may wait for them until the other end has had enough.
        if (protocolType === 'byteStream') {
          await spoilt.promise;
          await made.listener.closeAll();
        }
        assert.ok((await made.replicator.stopped()) !== undefined, what);
        for (const peer of [a, b]) assert.deepEqual(await peer.database.integrityCheck(), []);
        await made.listener.closeAll();
        await sync(a, b);
        assert.deepEqual(await contents(a.metrics), await contents(b.metrics), what);
      }
    });
  });
}

describe('a custom transport', LIMIT, () => {
  it('77. is asked for a fresh connection for every attempt, for the same endpoint', async (context) => {
    const { a, b } = await twoPeers(context);
    const clock = new VirtualClock();
    const listener = new MessageEndpointListener({ collections: [b.metrics], protocolType: 'messageStream' });
    const endpoints: MessageEndpoint[] = [];
    const made: MessageEndpointConnection[] = [];
    const target: MessageEndpoint = new MessageEndpoint('b', { any: 'thing' }, 'messageStream', {
      createConnection: (endpoint) => {
        endpoints.push(endpoint);
        if (endpoints.length === 1) throw passing;
        const pair = loopbackPair();
        const fails = endpoints.length < 5;
        const connection = fails ? faulty(pair.a, { random: seededRandom(1), failOpen: passing }) : pair.a;
        made.push(connection);
        if (!fails) listener.accept(pair.b);
        return connection;
      },
    });
    const replicator = new Replicator({ collections: [a.metrics], target, clock });
    skipWaits(replicator, clock);
    replicator.start();
    assert.equal(await replicator.stopped(), undefined);
    assert.equal(endpoints.length, 5);
    assert.equal(new Set(made).size, 4);
    assert.ok(endpoints.every((endpoint) => endpoint === target));
  });

  it('that returns a connection twice stops the replicator with an error that says so', async (context) => {
    const { a } = await twoPeers(context);
    const pair = loopbackPair();
    const target = new MessageEndpoint('b', undefined, 'messageStream', { createConnection: () => pair.a });
    const replicator = new Replicator({ collections: [a.metrics], target, continuous: true });
    replicator.start();
    await setImmediate();
    await replicator.stop();
    replicator.start();
    assert.equal((await replicator.stopped())?.code, 'ARGUMENT_INVALID');
  });

  it('78. gets the next message after it took the one before, in order, be it slow', async (context) => {
    const { a, b } = await twoPeers(context);
    await fill(a.metrics, 300, 'a');
    const clock = new VirtualClock();
    let sending = 0;
    let most = 0;
    let count = 0;
    const { replicator } = link(a, b, {
      clock,
      around: (connection) =>
        Object.assign(new Passing(connection), {
          send: async (message: Message) => {
            most = Math.max(most, ++sending);
            count++;
            await connection.send(message);
            const taken = deferred();
            clock.setTimer(50, () => taken.resolve());
            await taken.promise;
            sending--;
          },
        }),
    });
    replicator.start();
    while (replicator.status.activity !== 'stopped') await clock.advance(50);
    assert.equal(replicator.status.error, undefined);
    assert.equal(most, 1);
    assert.ok(count > 5, String(count));
    assert.ok(clock.monotonic() >= 50 * count, 'no message waited');
    assert.deepEqual(await contents(b.metrics), await contents(a.metrics));
  });

  it('79. as a byte stream may cut and join as it likes', async (context) => {
    for (const maxChunkSize of [1, 7, 1_000, 65_536]) {
      const { a, b } = await twoPeers(context);
      await fill(a.metrics, 20, 'a');
      await b.metrics.save('large', { text: 'é'.repeat(20_000) });
      const listener = new MessageEndpointListener({ collections: [b.metrics], protocolType: 'byteStream' });
      const target = new MessageEndpoint('b', undefined, 'byteStream', {
        createConnection: () => {
          const pair = loopbackByteStreamPair({ random: seededRandom(maxChunkSize), maxChunkSize });
          listener.accept(pair.b);
          return pair.a;
        },
      });
      const replicator = new Replicator({ collections: [a.metrics], target });
      replicator.start();
      assert.equal(await replicator.stopped(), undefined, String(maxChunkSize));
      assert.deepEqual(await contents(b.metrics), await contents(a.metrics));
    }
  });

  it('81. is closed once and without an error when the replicator stops, which waits for it', async (context) => {
    const { a, b } = await twoPeers(context);
    const closes: (MessagingError | undefined)[] = [];
    const closing = deferred();
    const { replicator } = link(a, b, {
      continuous: true,
      around: (connection) =>
        Object.assign(new Passing(connection), {
          close: async (error?: MessagingError) => {
            closes.push(error);
            await closing.promise;
            await connection.close(error);
          },
        }),
    });
    replicator.start();
    await replicator.whenIdle();
    let isStopped = false;
    const stopping = replicator.stop().then(() => (isStopped = true));
    while (closes.length === 0) await setImmediate();
    for (let turn = 0; turn < 10; turn++) await setImmediate();
    assert.equal(isStopped, false);
    assert.notEqual(replicator.status.activity, 'stopped');
    closing.resolve();
    await stopping;
    assert.deepEqual(closes, [undefined]);
    assert.equal(replicator.status.activity, 'stopped');
  });

  it('82. that is dropped by the other end is tried again, or not, as its reason says', async (context) => {
    for (const [error, expected] of [
      [passing, 'offline'],
      [lasting, 'stopped'],
      [undefined, 'offline'],
    ] as const) {
      const { a, b } = await twoPeers(context);
      let engine: ReplicatorConnection | undefined;
      const { replicator } = link(a, b, {
        continuous: true,
        clock: new VirtualClock(),
        around: (connection) =>
          Object.assign(new Passing(connection), {
            open: (target: ReplicatorConnection) => {
              engine = target;
              return connection.open(target);
            },
          }),
      });
      replicator.start();
      await replicator.whenIdle();
      const changed = new Promise<string>((resolve) =>
        replicator.on('status', ({ activity }) => ['offline', 'stopped'].includes(activity) && resolve(activity)),
      );
      engine?.close(error);
      assert.equal(await changed, expected);
      await replicator.stop();
    }
  });

  it('83. may carry several peers over one medium, each with a connection object of its own', async (context) => {
    const [hub, ...nodes] = await Promise.all(['hub', 'n0', 'n1', 'n2'].map((name) => openPeer(context, name)));
    assert.ok(hub);
    // One bus: every message says for whom it is, and all of them pass through one queue.
    const bus: { to: ReplicatorConnection | undefined; message: Message }[] = [];
    let isRunning = false;
    const carry = async (): Promise<void> => {
      if (isRunning) return;
      isRunning = true;
      for (let next = bus.shift(); next !== undefined; next = bus.shift()) {
        await next.to?.receive(next.message);
        await Promise.resolve();
      }
      isRunning = false;
    };
    const busPair = (): Pick<LoopbackPair, 'a' | 'b'> => {
      const engines: (ReplicatorConnection | undefined)[] = [];
      const opened = deferred();
      const end = (mine: number): MessageEndpointConnection => ({
        open: async (engine) => {
          engines[mine] = engine;
          if (engines[0] !== undefined && engines[1] !== undefined) opened.resolve();
          await opened.promise;
          await setImmediate();
        },
        send: async (message) => {
          bus.push({ to: engines[1 - mine], message: new Uint8Array(message) });
          void carry();
        },
        close: async () => {
          const other = engines[1 - mine];
          engines[0] = engines[1] = undefined;
          await setImmediate();
          other?.close();
        },
      });
      return { a: end(0), b: end(1) };
    };
    const listener = new MessageEndpointListener({ collections: [hub.metrics], protocolType: 'messageStream' });
    const replicators = nodes.map((node) => {
      const target = new MessageEndpoint('hub', undefined, 'messageStream', {
        createConnection: () => {
          const pair = busPair();
          listener.accept(pair.b);
          return pair.a;
        },
      });
      return new Replicator({ collections: [node.metrics], target, continuous: true });
    });
    await Promise.all(nodes.map((node) => fill(node.metrics, 100, node.name)));
    for (const replicator of replicators) replicator.start();
    for (const peer of [hub, ...nodes]) {
      await whenChanged(peer.metrics, async () => (await peer.metrics.count()) === 300);
    }
    await Promise.all(replicators.map((replicator) => replicator.stop()));
    for (const node of nodes) assert.deepEqual(await contents(node.metrics), await contents(hub.metrics));
  });

  it('84. is told apart by the uid of its endpoint: the same goes on, another begins anew', async (context) => {
    const { a, b } = await twoPeers(context);
    await fill(a.metrics, 100, 'a');
    const first = await sync(a, b, { type: 'push' });
    assert.equal(first.replicator.status.progress.completed, 100);
    const again = await sync(a, b, { type: 'push' });
    assert.equal(again.replicator.status.progress.completed, 0);
    const { sequence } = (await b.metrics.get('a7')) ?? {};
    const other = await sync(a, { ...b, name: 'another uid' }, { type: 'push' });
    assert.equal(other.replicator.status.progress.completed, 100, 'everything is compared');
    assert.equal((await b.metrics.get('a7'))?.sequence, sequence, 'and nothing is sent');
  });

  it('75, 76. serves two clients of which one is closed, and then both', async (context) => {
    const { a, b } = await twoPeers(context);
    const hub = await openPeer(context, 'hub');
    const listener = new MessageEndpointListener({ collections: [hub.metrics], protocolType: 'messageStream' });
    const ends: MessageEndpointConnection[] = [];
    const make = (peer: typeof a): Replicator => {
      const target = new MessageEndpoint('hub', undefined, 'messageStream', {
        createConnection: () => {
          const pair = loopbackPair();
          ends.push(pair.b);
          listener.accept(pair.b);
          return pair.a;
        },
      });
      return new Replicator({ collections: [peer.metrics], target, continuous: true, clock: new VirtualClock() });
    };
    const [first, second] = [make(a), make(b)];
    first.start();
    await first.whenIdle();
    second.start();
    await second.whenIdle();
    const stopped: MessageEndpointConnection[] = [];
    listener.on('connection', ({ activity, connection }) => activity === 'stopped' && stopped.push(connection));
    await listener.close(ends[0] as MessageEndpointConnection);
    assert.deepEqual(stopped, [ends[0]]);
    await b.metrics.save('still here', {});
    await whenChanged(hub.metrics, async () => (await hub.metrics.get('still here')) !== undefined);
    await listener.closeAll();
    assert.deepEqual(stopped, [ends[0], ends[1]]);
    for (const replicator of [first, second]) {
      while (replicator.status.activity !== 'offline') await setImmediate();
      assert.equal(replicator.status.error?.number, 11_001);
      await replicator.stop();
    }
  });

  it('85. that is slow carries a large blob whole, and small documents beside it', async (context) => {
    const { a, b } = await twoPeers(context);
    const content = seededRandom(85).bytes(5_000_000);
    await a.metrics.save('photo', { picture: new Blob('image/jpeg', content) });
    const clock = new VirtualClock();
    let sent = 0;
    const { replicator } = link(a, b, {
      type: 'push',
      continuous: true,
      protocolType: 'byteStream',
      clock,
      around: (connection) =>
        Object.assign(new Passing(connection), {
          send: async (message: Message) => {
            for (let at = 0; at < message.length; at += SLOW_PIECE) {
              const piece = message.subarray(at, at + SLOW_PIECE);
              const passed = deferred();
              clock.setTimer((piece.length / SLOW_BYTES_PER_SECOND) * 1_000, () => passed.resolve());
              await passed.promise;
              sent += piece.length;
              await connection.send(piece);
            }
          },
        }),
    });
    const has = async (id: string): Promise<void> => {
      let isThere = false;
      void whenChanged(b.metrics, async () => (await b.metrics.get(id)) !== undefined).then(() => (isThere = true));
      while (!isThere) await clock.advance(50);
    };
    replicator.start();
    while (sent < 500_000) await clock.advance(50);
    for (const id of ['small0', 'small1', 'small2']) {
      await a.metrics.save(id, { while: 'the photo is on its way' });
      await has(id);
    }
    assert.ok(sent < 2_000_000, `small documents arrived after ${sent} bytes`);
    assert.equal(await b.metrics.get('photo'), undefined);
    await has('photo');
    const picture = (await b.metrics.get('photo'))?.body['picture'];
    const received = await (await b.database.getBlob(picture))?.content();
    assert.ok(received !== undefined && Buffer.from(received).equals(content));
    assert.ok(clock.monotonic() >= 250_000, 'the link was faster than it should be');
    await clock.runUntil(replicator.stop());
  });

  it('86. is told of by its listener from beginning to end, with its progress', async (context) => {
    const hub = await openPeer(context, 'hub');
    const nodes = await Promise.all(['n0', 'n1'].map((name) => openPeer(context, name)));
    const listener = new MessageEndpointListener({ collections: [hub.metrics], protocolType: 'messageStream' });
    const events = new Map<MessageEndpointConnection, ListenerEvents['connection'][]>();
    let ended = 0;
    const allEnded = deferred();
    listener.on('connection', (event) => {
      events.set(event.connection, [...(events.get(event.connection) ?? []), event]);
      if (event.activity === 'stopped' && ++ended === nodes.length) allEnded.resolve();
    });
    for (const node of nodes) {
      await fill(node.metrics, 300, node.name);
      const target = new MessageEndpoint('hub', undefined, 'messageStream', {
        createConnection: () => {
          const pair = loopbackPair();
          listener.accept(pair.b);
          return pair.a;
        },
      });
      const replicator = new Replicator({ collections: [node.metrics], target, type: 'push', continuous: true });
      replicator.start();
      await replicator.whenIdle();
      await replicator.stop();
    }
    await allEnded.promise;
    assert.equal(events.size, 2);
    for (const told of events.values()) {
      assert.match(told.map(({ activity }) => activity).join(' '), /^idle (?:busy idle )*(?:busy )?stopped$/);
      assert.ok(told.some(({ activity }) => activity === 'busy'));
      for (const { progress } of told) assert.ok(progress.completed <= progress.total, JSON.stringify(progress));
      assert.deepEqual(told.at(-1)?.progress, { completed: 300, total: 300 });
      assert.equal(told.at(-1)?.error, undefined);
    }
  });
});

/** A one-shot replicator whose medium is spoilt before any layer is put around it, and the connections it was given. */
function spoiled(
  from: AnyCollection,
  to: AnyCollection,
  protocolType: ProtocolType,
  clock: VirtualClock,
  spoil: (connection: MessageEndpointConnection, number: number) => MessageEndpointConnection,
  continuous = false,
) {
  const listener = new MessageEndpointListener({ collections: [to], protocolType });
  const connections: MessageEndpointConnection[] = [];
  const target = new MessageEndpoint('b', undefined, protocolType, {
    createConnection: () => {
      const pair = protocolType === 'byteStream' ? loopbackByteStreamPair({ random: seededRandom(1) }) : loopbackPair();
      listener.accept(pair.b);
      const connection = spoil(pair.a, connections.length + 1);
      connections.push(connection);
      return connection;
    },
  });
  const maxAttempts = continuous ? 5 : 2;
  return {
    replicator: new Replicator({ collections: [from], target, clock, continuous, maxAttempts }),
    listener,
    connections,
  };
}
