/** Several connections of one process that share one client of a broker. */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { deferred, systemClock } from '../../src/base/index.js';
import type { MessagingError } from '../../src/endpoint/index.js';
import { checkBroker, type BrokerOptions } from '../../transports/mqtt/broker-options.js';
import { SharedClients, type AcquireOptions, type ClientHandle } from '../../transports/mqtt/shared-clients.js';
import { AedesBroker } from '../support/aedes-broker.js';
import { BrokerRecorder, failureOf } from '../support/broker-recorder.js';
import { selfSignedIdentity } from '../support/certificates.js';
import { cleanup } from '../support/cleanup.js';
import { countingClock } from '../support/counting-clock.js';
import { CONNACK_5, ScriptedBroker } from '../support/scripted-broker.js';
import { VirtualClock } from '../support/virtual-clock.js';

const WILL = { topic: 'gone', payload: Uint8Array.of(1), retain: false };

function options(broker: BrokerOptions | string, more: Partial<AcquireOptions> = {}): AcquireOptions {
  return { broker: checkBroker('test', broker), clientId: 'pump', will: WILL, clock: systemClock, ...more };
}

/** A handle that is released with the test. */
async function acquire(context: TestContext, clients: SharedClients, how: AcquireOptions): Promise<ClientHandle> {
  const handle = await clients.acquire(how);
  cleanup(context, () => handle.release());
  return handle;
}

/** Subscribes, and resolves to a function that waits for the next message. */
async function listen(handle: ClientHandle, ...topics: string[]): Promise<() => Promise<string>> {
  const texts: string[] = [];
  let wake = deferred();
  await handle.subscribe(topics, (topic, payload) => {
    texts.push(`${topic}: ${Buffer.from(payload).toString()}`);
    wake.resolve();
    wake = deferred();
  });
  return async () => {
    while (texts.length === 0) await wake.promise;
    return texts.shift() as string;
  };
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('handles of one client', () => {
  test('share one connection, from the first to the last', async (context) => {
    const aedes = await AedesBroker.start(context);
    const clients = new SharedClients();
    const broker = { url: aedes.url, protocolVersion: 4 as const };
    const clock = countingClock();
    const handles = await Promise.all([1, 2, 3].map(() => clients.acquire(options(broker, { clock }))));
    assert.deepEqual([aedes.connections, aedes.clientIds], [1, ['pump']]);
    assert.equal(handles[0]?.protocolVersion, 4);
    await handles[0]?.release();
    await Promise.all([handles[1]?.release(), handles[1]?.release()]);
    assert.deepEqual(aedes.clientIds, ['pump']);
    await handles[2]?.release();
    assert.deepEqual([aedes.clientIds, clock.pending()], [[], []]);
    await acquire(context, clients, options(broker));
    assert.equal(aedes.connections, 2);
  });

  test('get what they subscribed to, and nothing else', async (context) => {
    const aedes = await AedesBroker.start(context);
    const clients = new SharedClients();
    const [one, other] = [
      await acquire(context, clients, options(aedes.url)),
      await acquire(context, clients, options(aedes.url)),
    ];
    const nextOfOne = await listen(one, 'one', 'both');
    const nextOfOther = await listen(other, 'other', 'both');
    one.publish('other', bytes('1'));
    other.publish('one', bytes('2'));
    one.publish('both', bytes('3'));
    assert.deepEqual([await nextOfOne(), await nextOfOne()], ['one: 2', 'both: 3']);
    assert.deepEqual([await nextOfOther(), await nextOfOther()], ['other: 1', 'both: 3']);
  });

  test('each get what was retained, also who comes later', async (context) => {
    const aedes = await AedesBroker.start(context);
    const clients = new SharedClients();
    const one = await acquire(context, clients, options(aedes.url));
    one.publish('present', bytes('yes'), { retain: true });
    const other = await acquire(context, clients, options(aedes.url));
    assert.equal(await (await listen(one, 'present'))(), 'present: yes');
    assert.equal(await (await listen(other, 'present'))(), 'present: yes');
  });

  test('stop getting it when they are released, and the broker stops sending what nobody wants', async (context) => {
    const aedes = await AedesBroker.start(context);
    const clients = new SharedClients();
    const [one, other] = [
      await clients.acquire(options(aedes.url)),
      await acquire(context, clients, options(aedes.url)),
    ];
    const heard: string[] = [];
    await one.subscribe(['both', 'one'], (topic) => heard.push(topic));
    const next = await listen(other, 'both', 'other');
    const unsubscribed = deferred<readonly string[]>();
    aedes.onUnsubscribe = (topics) => unsubscribed.resolve(topics);
    await one.release();
    assert.deepEqual(await unsubscribed.promise, ['one']);
    other.publish('one', bytes('1'));
    other.publish('both', bytes('2'));
    assert.equal(await next(), 'both: 2');
    assert.deepEqual(heard, []);
    assert.equal(one.publish('other', bytes('goes nowhere')), false);
    assert.equal((await failureOf(one.subscribe(['x'], () => undefined))).code, 'CONNECTION_NOT_OPEN');
  });

  test('all hear of a loss once, and the next to come gets a new client', async (context) => {
    const aedes = await AedesBroker.start(context);
    const clients = new SharedClients();
    const losses: MessagingError[] = [];
    const lost = [deferred(), deferred()];
    const handles = await Promise.all(
      lost.map((each) => {
        const onLost = (error: MessagingError): void => {
          losses.push(error);
          each.resolve();
        };
        return clients.acquire(options(aedes.url, { onLost }));
      }),
    );
    aedes.dropClient('pump');
    await Promise.all(lost.map(({ promise }) => promise));
    assert.deepEqual(
      losses.map(({ code, recoverable }) => [code, recoverable]),
      Array(2).fill(['CONNECTION_LOST', true]),
    );
    const next = await listen(await acquire(context, clients, options(aedes.url)), 'a');
    await Promise.all(handles.map((handle) => handle.release()));
    const again = await acquire(context, clients, options(aedes.url));
    again.publish('a', bytes('again'));
    assert.equal(await next(), 'a: again');
    assert.equal(losses.length, 2);
  });

  test('are each told that more is welcome, if they were told that it is not', async (context) => {
    const broker = await ScriptedBroker.start(context, CONNACK_5);
    const clients = new SharedClients();
    const told: string[] = [];
    const both = deferred();
    const [one, other] = await Promise.all(
      ['one', 'other', 'silent'].map((name) => {
        const onWritable = (): void => {
          told.push(name);
          if (told.length === 2) both.resolve();
        };
        return acquire(context, clients, options(broker.url, { onWritable }));
      }),
    );
    broker.pause();
    while (one?.publish('a', new Uint8Array(20_000)) === true);
    assert.equal(other?.publish('a', new Uint8Array(1)), false);
    broker.resume();
    await both.promise;
    assert.deepEqual(told, ['one', 'other']);
  });
});

describe('a client that is shared', () => {
  test('is the same for the same URL and ID alone', async (context) => {
    const aedes = await AedesBroker.start(context);
    const clients = new SharedClients();
    await acquire(context, clients, options(aedes.url));
    await acquire(context, clients, options(`${aedes.url}/`));
    await acquire(context, clients, options(aedes.url, { clientId: 'winch' }));
    assert.deepEqual(aedes.clientIds, ['pump', 'winch']);
  });

  test('is not shared with who comes with other credentials, certificates or another will', async (context) => {
    const broker = await ScriptedBroker.start(context, CONNACK_5);
    const clients = new SharedClients();
    const url = broker.url;
    const mate = { url, username: 'mate', password: 'secret-47' };
    await acquire(context, clients, options(mate));
    await acquire(context, clients, options({ ...mate, keepAlive: 7 }));
    for (const other of [
      options({ ...mate, username: 'cook' }),
      options({ ...mate, password: 'secret-11' }),
      options(url),
      options(mate, { will: undefined }),
      options(mate, { will: { ...WILL, topic: 'other' } }),
      options(mate, { will: { ...WILL, payload: Uint8Array.of(2) } }),
      options(mate, { will: { ...WILL, retain: true } }),
    ]) {
      await assert.rejects(clients.acquire(other), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'ARGUMENT_INVALID');
        assert.ok(!/secret/.test(error.message));
        return /another clientId/.test(error.message);
      });
    }
    const [one, other] = [await selfSignedIdentity('one'), await selfSignedIdentity('other')];
    const secure = { url: url.replace('mqtt', 'mqtts'), identity: one, trustedCertificates: one.certificate };
    const first = failureOf(clients.acquire(options(secure)));
    for (const differing of [{ identity: other }, { trustedCertificates: other.certificate }]) {
      await assert.rejects(clients.acquire(options({ ...secure, ...differing })), { code: 'ARGUMENT_INVALID' });
    }
    broker.hangUp();
    await first;
  });

  test('fails for all who wait for it, and not for who comes after that', async (context) => {
    const aedes = await AedesBroker.start(context);
    const clients = new SharedClients();
    let isOpen = false;
    aedes.hooks.authenticate = (_client, _username, _password, done) => done(null, isOpen);
    const clock = countingClock();
    const failures = [1, 2].map(() => failureOf(clients.acquire(options(aedes.url, { clock }))));
    for (const failure of failures) assert.equal((await failure).code, 'BROKER_ACCESS_DENIED');
    assert.deepEqual(clock.pending(), []);
    isOpen = true;
    await acquire(context, clients, options(aedes.url));
  });

  test('goes on connecting when one of those who wait leaves, and stops when the last does', async (context) => {
    const broker = await ScriptedBroker.start(context, '');
    const clients = new SharedClients();
    const clock = new VirtualClock();
    const [one, other] = [new AbortController(), new AbortController()];
    const waiting = [one, other].map(({ signal }) => clients.acquire(options(broker.url, { clock }), signal));
    await broker.connections(1);
    one.abort(new Error('enough of one'));
    await assert.rejects(waiting[0] as Promise<unknown>, /enough of one/);
    assert.equal(clock.pendingTimers, 1);
    other.abort(new Error('enough of other'));
    await assert.rejects(waiting[1] as Promise<unknown>, /enough of other/);
    assert.equal(clock.pendingTimers, 0);
    await assert.rejects(clients.acquire(options(broker.url), one.signal), /enough of one/);
    assert.equal(broker.received.length, 1);
  });

  test('is made when the one before has said good-bye, not earlier', async (context) => {
    const broker = await ScriptedBroker.start(context, CONNACK_5);
    const clients = new SharedClients();
    const released = (await clients.acquire(options(broker.url))).release();
    broker.pause(); // its end is not seen there
    const acquiring = acquire(context, clients, options(broker.url));
    for (let turn = 0; turn < 100; turn++) await nextTurn();
    assert.equal(broker.received.length, 1);
    broker.resume();
    await released;
    await acquiring;
    assert.equal(broker.received.length, 2);
  });

  test('leaves in time for the next, and its will is not published', async (context) => {
    const aedes = await AedesBroker.start(context);
    const clients = new SharedClients();
    const watcher = await BrokerRecorder.connect(context, aedes.url);
    await watcher.client.subscribe(['gone']);
    for (let round = 0; round < 20; round++) {
      const handle = await clients.acquire(options(aedes.url));
      const released = handle.release();
      const next = await clients.acquire(options(aedes.url));
      await released;
      await next.release();
    }
    watcher.publish('gone', 'marker');
    assert.equal((await watcher.next()).text, 'marker');
  });
});
