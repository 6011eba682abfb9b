/** The life of a listener: what it is configured with, where it listens, and that it ends without a trace. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, Server } from 'node:net';
import { readdir, stat, writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import {
  BasicAuthenticator,
  Database,
  ListenerPasswordAuthenticator,
  Replicator,
  type Collection,
  type ConnectOptions,
  type ServerTrust,
} from '../../src/index.js';
import { bind } from '../../transports/websocket/bind.js';
import { URLEndpoint, URLEndpointListener, type URLEndpointListenerOptions } from '../../transports/websocket/index.js';
import { ConnectionRecorder } from '../conformance/index.js';
import { selfSignedIdentity } from '../support/certificates.js';
import { cleanup } from '../support/cleanup.js';
import { connectOptions } from '../support/connect-options.js';
import { memoryLogger } from '../support/memory-logger.js';
import { untilClosed, unusedPort } from '../support/raw-servers.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const ANY_SELF_SIGNED: ServerTrust = { acceptOnlySelfSignedServerCertificate: true };

async function openDatabase(context: TestContext, name = 'vessel'): Promise<Database> {
  const database = await Database.open(join(await temporaryDirectory(context), name), { logger: memoryLogger() });
  cleanup(context, () => database.close());
  return database;
}

async function makeListener(
  context: TestContext,
  options: Partial<URLEndpointListenerOptions> = {},
): Promise<{ listener: URLEndpointListener; database: Database }> {
  const database = await openDatabase(context);
  const listener = new URLEndpointListener({ collections: [database.collection('metrics')], ...options });
  return { listener, database };
}

/** Connects as a client that speaks no BLIP; resolves to its code if that fails. */
async function enter(url: string, options: Partial<ConnectOptions> = {}) {
  const connection = new URLEndpoint(url).createConnection(connectOptions({ trust: ANY_SELF_SIGNED, ...options }));
  const recorder = new ConnectionRecorder();
  const outcome = await recorder.open(connection).then(
    () => 'open',
    (error: { code: string }) => error.code,
  );
  return { connection, recorder, outcome };
}

async function outcomeOf(url: string, options: Partial<ConnectOptions> = {}): Promise<string> {
  const { connection, outcome } = await enter(url, options);
  await connection.close();
  return outcome;
}

describe('the configuration of a listener', () => {
  test('is refused when it is wrong, by the name of what is wrong', async (context) => {
    const database = await openDatabase(context);
    const other = await openDatabase(context, 'other');
    const collections = [database.collection('metrics')];
    const refused = (options: object, code: string, message: RegExp): void => {
      assert.throws(() => new URLEndpointListener(options as URLEndpointListenerOptions), { code, message });
    };
    refused({ collections: [] }, 'ARGUMENT_INVALID', /at least one collection/);
    refused({}, 'ARGUMENT_INVALID', /collection/);
    refused(undefined as never, 'ARGUMENT_INVALID', /options are required/);
    refused({ collections: ['metrics'] }, 'ARGUMENT_INVALID', /collections/);
    refused({ collections: [...collections, other.collection('metrics')] }, 'ARGUMENT_INVALID', /different Database/);
    refused({ collections, prot: 4984 }, 'OPTION_UNKNOWN', /"prot"/);
    refused({ collections, port: 65_536 }, 'ARGUMENT_INVALID', /port/);
    refused({ collections, port: '4984' }, 'ARGUMENT_INVALID', /port/);
    refused({ collections, networkInterface: '' }, 'ARGUMENT_INVALID', /networkInterface/);
    refused({ collections, disableTLS: 'yes' }, 'ARGUMENT_INVALID', /disableTLS/);
    refused({ collections, readOnly: 1 }, 'ARGUMENT_INVALID', /readOnly/);
    refused({ collections, enableDeltaSync: 'yes' }, 'ARGUMENT_INVALID', /enableDeltaSync/);
    refused({ collections, tlsIdentity: {} }, 'ARGUMENT_INVALID', /tlsIdentity/);
    refused({ collections, authenticator: () => true }, 'ARGUMENT_INVALID', /authenticator/);
    refused({ collections, heartbeat: -1 }, 'ARGUMENT_INVALID', /heartbeat/);
    refused({ collections, limits: { handshakeTimeout: Number.NaN } }, 'ARGUMENT_INVALID', /handshakeTimeout/);
    refused({ collections, limits: { maxConnections: 0 } }, 'ARGUMENT_INVALID', /maxConnections/);
  });

  test('has defaults', async (context) => {
    const { listener } = await makeListener(context);
    const { port, networkInterface, disableTLS, tlsIdentity, authenticator, readOnly, enableDeltaSync } =
      listener.config;
    assert.deepEqual(
      { port, networkInterface, disableTLS, tlsIdentity, authenticator, readOnly, enableDeltaSync },
      {
        port: 0,
        networkInterface: undefined,
        disableTLS: false,
        tlsIdentity: undefined,
        authenticator: undefined,
        readOnly: false,
        enableDeltaSync: false,
      },
    );
    assert.deepEqual([listener.port, listener.urls, listener.tlsIdentity], [0, [], undefined]);
    assert.deepEqual(listener.status, { connectionCount: 0, activeConnectionCount: 0 });
  });

  test('is a copy', async (context) => {
    const database = await openDatabase(context);
    const collections: Collection[] = [database.collection('metrics')];
    const options = { collections, port: 0, disableTLS: true };
    const listener = new URLEndpointListener(options);
    options.port = 1;
    collections.push(database.collection('logs'));
    assert.equal(listener.config.port, 0);
    assert.equal(listener.config.collections.length, 1);
    assert.throws(() => Object.assign(listener.config, { port: 1 }), TypeError);
    assert.throws(() => (listener.config.collections as unknown[]).push(1), TypeError);
  });
});

describe('where a listener listens', () => {
  test('is a free port by default, another at each start, and none when it is stopped', async (context) => {
    const { listener } = await makeListener(context);
    await listener.start();
    assert.notEqual(listener.port, 0);
    assert.equal(await outcomeOf(`wss://127.0.0.1:${listener.port}/vessel`), 'open');
    const { port } = listener;
    await listener.stop();
    assert.deepEqual([listener.port, listener.urls], [0, []]);
    assert.equal(await outcomeOf(`wss://127.0.0.1:${port}/vessel`), 'CONNECTION_REFUSED');
    await listener.start();
    assert.equal(await outcomeOf(`wss://127.0.0.1:${listener.port}/vessel`), 'open');
    await listener.stop();
  });

  test('is the port it is given, each time', async (context) => {
    const port = await unusedPort();
    const { listener } = await makeListener(context, { port });
    for (let round = 0; round < 3; round++) {
      await listener.start();
      assert.equal(listener.port, port);
      assert.equal(await outcomeOf(`wss://127.0.0.1:${port}/vessel`), 'open');
      await listener.stop();
      assert.equal(listener.port, 0);
    }
  });

  test('is one URL for every address, each of which works', async (context) => {
    const { listener } = await makeListener(context);
    await listener.start();
    const addresses = Object.values(networkInterfaces()).flatMap((infos) => infos ?? []);
    for (const { address, family } of addresses) {
      if (address.startsWith('fe80')) continue;
      const host = family === 'IPv6' ? `[${address}]` : address;
      assert.ok(listener.urls.includes(`wss://${host}:${listener.port}/vessel`), host);
    }
    assert.equal(addresses.find(({ internal }) => !internal) === undefined, /127|::1/.test(listener.urls[0] ?? ''));
    for (const url of listener.urls) assert.equal(await outcomeOf(url), 'open', url);
    await listener.stop();
  });

  test('is the same for the addresses that mean all', async (context) => {
    for (const networkInterface of ['0.0.0.0', '::']) {
      const { listener } = await makeListener(context, { networkInterface, disableTLS: true });
      const { listener: anywhere } = await makeListener(context, { disableTLS: true });
      await Promise.all([listener.start(), anywhere.start()]);
      const withoutPort = (urls: readonly string[]): string[] => urls.map((url) => url.replace(/:\d+\//, '/'));
      assert.deepEqual(withoutPort(listener.urls), withoutPort(anywhere.urls));
      await Promise.all([listener.stop(), anywhere.stop()]);
    }
  });

  for (const [name, infos] of Object.entries(networkInterfaces())) {
    const reachable = (infos ?? []).filter(({ address }) => !address.startsWith('fe80'));
    test(`can be the interface ${name}, with its addresses and no other`, async (context) => {
      if (reachable.length === 0) return context.skip(`${name} has no address that a URL can name`);
      const { listener } = await makeListener(context, { networkInterface: name, disableTLS: true });
      await listener.start();
      assert.equal(listener.urls.length, reachable.length);
      for (const url of listener.urls) assert.equal(await outcomeOf(url), 'open', url);
      const others = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
      for (const { address, family } of others) {
        if (family !== 'IPv4' || reachable.some((info) => info.address === address)) continue;
        assert.equal(await outcomeOf(`ws://${address}:${listener.port}/vessel`), 'CONNECTION_REFUSED');
      }
      await listener.stop();
    });
  }

  test('can be one address', async (context) => {
    const { listener } = await makeListener(context, { networkInterface: '127.0.0.1', disableTLS: true });
    await listener.start();
    assert.deepEqual(listener.urls, [`ws://127.0.0.1:${listener.port}/vessel`]);
    await listener.stop();
  });

  test('is in the URL with the name of the database as it is', async (context) => {
    const database = await openDatabase(context, 'my vessel #1');
    const listener = new URLEndpointListener({ collections: [database.collection('metrics')], disableTLS: true });
    await listener.start();
    for (const url of listener.urls) {
      assert.match(url, /\/my%20vessel%20%231$/);
      assert.equal(await outcomeOf(url), 'open');
    }
    await listener.stop();
  });
});

describe('a start that fails', () => {
  test('says that the port is in use, and leaves the one who has it alone', async (context) => {
    const { listener } = await makeListener(context);
    await listener.start();
    const { listener: second, database } = await makeListener(context, { port: listener.port });
    await assert.rejects(second.start(), {
      code: 'LISTENER_PORT_IN_USE',
      number: 98,
      message: new RegExp(`${listener.port}`),
    });
    assert.deepEqual([second.port, second.urls, second.tlsIdentity], [0, [], undefined]);
    assert.equal(await outcomeOf(`wss://127.0.0.1:${listener.port}/vessel`), 'open');
    await listener.stop();
    // Nothing of the failed start is in the way.
    await second.start();
    await second.stop();
    await database.close();
  });

  test('says so too when only one of several addresses has the port taken, and frees the others', async (context) => {
    const loopback = Object.entries(networkInterfaces()).find(([, infos]) =>
      infos?.some(({ address }) => address === '127.0.0.1'),
    );
    if (loopback === undefined || (loopback[1]?.length ?? 0) < 2)
      return context.skip('the loopback interface has one address');
    const last = loopback[1]?.at(-1)?.address ?? '';
    const { listener: first } = await makeListener(context, { networkInterface: last, disableTLS: true });
    await first.start();
    const { listener: second } = await makeListener(context, { networkInterface: loopback[0], port: first.port });
    await assert.rejects(second.start(), { code: 'LISTENER_PORT_IN_USE' });
    assert.equal(await outcomeOf(`ws://127.0.0.1:${first.port}/vessel`), 'CONNECTION_REFUSED');
    await first.stop();
  });

  for (const networkInterface of ['1.1.1.256', 'blah', '203.0.113.77', 'localhost']) {
    test(`says that this machine has no ${networkInterface}`, async (context) => {
      const { listener } = await makeListener(context, { networkInterface });
      await assert.rejects(listener.start(), {
        code: 'LISTENER_ADDRESS_UNAVAILABLE',
        number: 5002,
        message: new RegExp(networkInterface.replaceAll('.', '\\.')),
      });
      assert.equal(listener.port, 0);
    });
  }

  test('says that a port needs privileges', async () => {
    // As the system answers a user who asks for port 80, which cannot be had everywhere.
    class DeniedServer extends Server {
      override listen(): this {
        queueMicrotask(() => this.emit('error', Object.assign(new Error('listen EACCES'), { code: 'EACCES' })));
        return this;
      }
    }
    await assert.rejects(
      bind(() => new DeniedServer(), [undefined], 80),
      {
        code: 'LISTENER_PORT_DENIED',
        number: 13,
        message: /port 80/,
      },
    );
  });

  test('says that the identity is unsafe, or the database closed', async (context) => {
    const { listener, database } = await makeListener(context);
    await listener.start();
    await listener.stop();
    await writeFile(join(database.path, 'tls', 'anonymous.pem'), 'rubbish');
    await assert.rejects(listener.start(), { code: 'IDENTITY_INVALID' });
    await database.close();
    await assert.rejects(listener.start(), { code: 'DATABASE_CLOSED' });
  });
});

describe('a listener', () => {
  test('starts and stops as often as it is asked, and once when asked twice', async (context) => {
    const { listener } = await makeListener(context);
    await listener.stop();
    await Promise.all([listener.start(), listener.start()]);
    const { port } = listener;
    await listener.start();
    assert.equal(listener.port, port);
    await Promise.all([listener.stop(), listener.stop()]);
    await listener.stop();
    assert.equal(listener.port, 0);
  });

  test('can be stopped while it starts, and started while it stops', async (context) => {
    const { listener } = await makeListener(context);
    const starting = assert.rejects(listener.start(), { code: 'LISTENER_STOPPED' });
    await listener.stop();
    await starting;
    assert.equal(listener.port, 0);

    await listener.start();
    const stopping = listener.stop();
    assert.equal(listener.port, 0);
    await listener.start();
    await stopping;
    assert.equal(await outcomeOf(`wss://127.0.0.1:${listener.port}/vessel`), 'open');
    await listener.stop();
  });

  test('tells its peers that it goes away, with 1001', async (context) => {
    const { listener } = await makeListener(context);
    await listener.start();
    const [one, two] = [await enter(listener.urls[0] ?? ''), await enter(listener.urls[0] ?? '')];
    await listener.stop();
    for (const { recorder, connection } of [one, two]) {
      const error = await recorder.untilClosed();
      assert.deepEqual([error?.code, error?.number, error?.closeCode], ['CONNECTION_CLOSED_BY_PEER', 11_001, 1001]);
      await connection.close();
    }
  });

  test('counts its connections', async (context) => {
    const { listener } = await makeListener(context);
    await listener.start();
    const seen: string[] = [];
    listener.on('connection', ({ activity, address }) => seen.push(`${activity} ${address?.replace('::ffff:', '')}`));
    const { connection } = await enter(`wss://127.0.0.1:${listener.port}/vessel`);
    assert.equal(listener.status.connectionCount, 1);
    assert.match(listener.peers[0]?.address ?? '', /127\.0\.0\.1/);
    const second = await enter(`wss://127.0.0.1:${listener.port}/vessel`);
    assert.equal(listener.status.connectionCount, 2);
    await second.connection.close();
    await connection.close();
    await listener.stop();
    assert.deepEqual(listener.status, { connectionCount: 0, activeConnectionCount: 0 });
    assert.deepEqual([...new Set(seen)].sort(), ['idle 127.0.0.1', 'stopped 127.0.0.1']);
  });

  test('takes no more connections than it may', async (context) => {
    const { listener } = await makeListener(context, { limits: { maxConnections: 1 } });
    await listener.start();
    const first = await enter(listener.urls[0] ?? '');
    assert.equal(first.outcome, 'open');
    assert.equal(await outcomeOf(listener.urls[0] ?? ''), 'CONNECTION_UNAVAILABLE');
    await listener.stop();
    await first.connection.close();
  });

  test('is stopped by the end of its database', async (context) => {
    const { listener, database } = await makeListener(context);
    await listener.start();
    const { recorder, connection } = await enter(listener.urls[0] ?? '');
    await database.close();
    assert.deepEqual([listener.port, listener.urls, listener.tlsIdentity], [0, [], undefined]);
    assert.equal((await recorder.untilClosed())?.code, 'CONNECTION_CLOSED_BY_PEER');
    await connection.close();
  });

  test('shares its database with another, which lives on when it stops', async (context) => {
    const { listener, database } = await makeListener(context);
    const second = new URLEndpointListener({ collections: [database.collection('metrics')], disableTLS: true });
    await Promise.all([listener.start(), second.start()]);
    assert.equal(await outcomeOf(listener.urls[0] ?? ''), 'open');
    await listener.stop();
    assert.equal(await outcomeOf(second.urls[0] ?? ''), 'open');
    await second.stop();
  });

  test('is disposed of by stopping it', async (context) => {
    const { listener } = await makeListener(context);
    await listener.start();
    await listener[Symbol.asyncDispose]();
    assert.equal(listener.port, 0);
  });

  test('is not kept from stopping by those who have not finished their handshake', async (context) => {
    for (const disableTLS of [false, true]) {
      const { listener } = await makeListener(context, { disableTLS });
      await listener.start();
      const silent = connect(listener.port, '127.0.0.1');
      const halfway = connect(listener.port, '127.0.0.1');
      halfway.write(disableTLS ? 'GET /vessel/_blipsync HT' : Buffer.from('16030100', 'hex'));
      const closed = [silent, halfway].map(async (socket) => {
        socket.on('error', () => undefined).resume();
        await untilClosed(socket);
      });
      await Promise.all([once(silent, 'connect'), once(halfway, 'connect')]);
      // Whoever comes through after them shows that they have been accepted.
      assert.equal(await outcomeOf(`${disableTLS ? 'ws' : 'wss'}://127.0.0.1:${listener.port}/vessel`), 'open');
      await listener.stop();
      await Promise.all(closed);
    }
  });
});

describe('the identity of a listener', () => {
  test('is anonymous by default, kept with the database, and none when it is stopped', async (context) => {
    const { listener, database } = await makeListener(context);
    await listener.start();
    const identity = listener.tlsIdentity ?? assert.fail();
    assert.match(identity.certificate.subject, /anonymous/);
    assert.deepEqual(await readdir(join(database.path, 'tls')), ['anonymous.pem']);
    assert.equal((await stat(join(database.path, 'tls', 'anonymous.pem'))).mode & 0o777, 0o600);
    await listener.stop();
    assert.equal(listener.tlsIdentity, undefined);
  });

  test('survives a restart on the same port, so that an old pin is still good', async (context) => {
    const port = await unusedPort();
    const directory = join(await temporaryDirectory(context), 'vessel');
    const trust: { pinnedServerCertificate?: ServerTrust['pinnedServerCertificate'] } = {};
    for (let round = 0; round < 2; round++) {
      const database = await Database.open(directory);
      const listener = new URLEndpointListener({ collections: [database.collection('metrics')], port });
      await listener.start();
      if (round === 0) trust.pinnedServerCertificate = listener.tlsIdentity?.certificate ?? assert.fail();
      assert.equal(await outcomeOf(`wss://127.0.0.1:${port}/vessel`, { trust: trust as ServerTrust }), 'open');
      await database.close();
    }
  });

  test('is the one it is given', async (context) => {
    const tlsIdentity = await selfSignedIdentity('bridge');
    const { listener, database } = await makeListener(context, { tlsIdentity });
    await listener.start();
    assert.equal(listener.tlsIdentity, tlsIdentity);
    const trust = { pinnedServerCertificate: tlsIdentity.certificate };
    assert.equal(await outcomeOf(listener.urls[0] ?? '', { trust }), 'open');
    assert.ok(!(await readdir(database.path)).includes('tls'));
    await listener.stop();
  });

  test('is none without TLS', async (context) => {
    const { listener, database } = await makeListener(context, { disableTLS: true });
    await listener.start();
    assert.equal(listener.tlsIdentity, undefined);
    assert.match(listener.urls[0] ?? '', /^ws:/);
    assert.equal(await outcomeOf(listener.urls[0] ?? ''), 'open');
    assert.ok(!(await readdir(database.path)).includes('tls'));
    await listener.stop();
  });
});

describe('who may connect', () => {
  for (const disableTLS of [false, true]) {
    test(`is decided by password (${disableTLS ? 'ws' : 'wss'})`, async (context) => {
      const logger = memoryLogger();
      const asked: string[] = [];
      const authenticator = new ListenerPasswordAuthenticator((username, password) => {
        asked.push(username);
        return username === 'alice' && password === 'pa$$w0rd';
      });
      const { listener } = await makeListener(context, { disableTLS, authenticator, logger });
      await listener.start();
      const url = listener.urls[0] ?? '';
      const basic = (username: string, password: string) => ({
        ...new BasicAuthenticator(username, password).credentials(),
      });
      assert.equal(await outcomeOf(url), 'AUTHENTICATION_FAILED');
      assert.equal(await outcomeOf(url, basic('bob', 'pa$$w0rd')), 'AUTHENTICATION_FAILED');
      assert.equal(await outcomeOf(url, basic('alice', 'wrong-word')), 'AUTHENTICATION_FAILED');
      assert.equal(await outcomeOf(url, { authorization: 'Bearer abc' }), 'AUTHENTICATION_FAILED');
      const admitted = await enter(url, basic('alice', 'pa$$w0rd'));
      assert.equal(admitted.outcome, 'open');
      assert.equal(listener.peers[0]?.username, 'alice');
      assert.deepEqual(asked, ['bob', 'alice', 'alice']);
      await listener.stop();
      await admitted.connection.close();
      assert.doesNotMatch(logger.lines.join('\n'), /pa\$\$w0rd|wrong-word|Basic /);
    });
  }

  test('is everybody without an authenticator, whatever they bring', async (context) => {
    const { listener } = await makeListener(context);
    await listener.start();
    assert.equal(await outcomeOf(listener.urls[0] ?? ''), 'open');
    assert.equal(await outcomeOf(listener.urls[0] ?? '', { authorization: 'Basic rubbish!' }), 'open');
    await listener.stop();
  });

  test('is nobody who asks for another database', async (context) => {
    const { listener } = await makeListener(context);
    await listener.start();
    assert.equal(await outcomeOf(`wss://127.0.0.1:${listener.port}/bessel`), 'REMOTE_DATABASE_NOT_FOUND');
    assert.equal(await outcomeOf(`wss://127.0.0.1:${listener.port}/a/vessel`), 'REMOTE_DATABASE_NOT_FOUND');
    await listener.stop();
  });
});

test('documents reach the listener, with the snippet of the README', async (context) => {
  const bridge = await openDatabase(context, 'vessel');
  const node = await openDatabase(context, 'node');
  const users = new Map([['engine-room', 'secret']]);
  const listener = new URLEndpointListener({
    collections: [bridge.collection('metrics')],
    authenticator: new ListenerPasswordAuthenticator((user, password) => users.get(user) === password),
  });
  await listener.start();
  const metrics = node.collection<{ rpm: number }>('metrics');
  await metrics.save('engine-1', { rpm: 1200 });
  const replicator = new Replicator({
    collections: [metrics],
    target: new URLEndpoint(`wss://127.0.0.1:${listener.port}/vessel`),
    authenticator: new BasicAuthenticator('engine-room', 'secret'),
    acceptOnlySelfSignedServerCertificate: true,
  });
  replicator.start();
  await replicator.stopped();
  assert.equal(replicator.status.error, undefined);
  assert.deepEqual((await bridge.collection('metrics').get('engine-1'))?.body, { rpm: 1200 });
  await listener.stop();
});
