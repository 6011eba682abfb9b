/**
 * Passwords, session IDs, private keys, passphrases and the headers that carry them are shown by nothing: no log line of any
 * level, no error with its causes, no event, no object of ours however it is printed. After what goes well, and after
 * everything that does not.
 */
import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { inspect } from 'node:util';
import {
  BasicAuthenticator,
  ClientCertificateAuthenticator,
  KeyStore,
  ListenerCertificateAuthenticator,
  ListenerPasswordAuthenticator,
  SessionAuthenticator,
  TLSIdentity,
  TrustOnFirstUse,
  type CreateIdentityOptions,
  type HawserError,
  type ReplicatorOptions,
} from '../../src/index.js';
import { URLEndpoint, URLEndpointListener, type URLEndpointListenerOptions } from '../../transports/websocket/index.js';
import { cleanup } from '../support/cleanup.js';
import type { MemoryLogger } from '../support/memory-logger.js';
import { openPeer, type Peer } from '../support/peers.js';
import { startTcpServer } from '../support/raw-servers.js';
import { handshake, replicatorTo, secure } from '../support/secure-peers.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { clientOf, whenActivity } from '../support/web-socket-peers.js';

const LIMIT = { timeout: 120_000 };
const USER = 'mate';
const PASSWORD = 'correct-horse-47-battery';
const WRONG = 'wrong-staple-11-secret';
const SESSION = 'session-7f3a9c51d2e8';
const API_KEY = 'api-key-0b1946ac92492d';
const PASSPHRASE = 'passphrase-open-sesame-99';
const TEXTS = [PASSWORD, WRONG, SESSION, API_KEY, PASSPHRASE];

/** Every spelling of the secrets in which they could be shown. */
function spellings(identities: readonly TLSIdentity[] = []): string[] {
  const encoded = TEXTS.flatMap((text) => [text, encodeURIComponent(text), Buffer.from(text).toString('hex')]);
  const basic = [PASSWORD, WRONG].map((password) => Buffer.from(`${USER}:${password}`).toString('base64'));
  const keys = identities.flatMap((identity) => {
    const pem = identity.privateKeyPem();
    const { d = '' } = createPrivateKey(pem).export({ format: 'jwk' });
    const lines = pem.split('\n').filter((line) => line !== '' && !line.startsWith('-----'));
    return [...lines.slice(1), d, Buffer.from(d, 'base64url').toString('hex')]; // the first line is the same for all keys
  });
  return [...encoded, ...basic, ...keys].filter((text) => text.length > 8);
}

/** Fails if anything shows one of the secrets, whichever way it is printed. */
function assertSilent(things: Readonly<Record<string, unknown>>, identities?: readonly TLSIdentity[]): void {
  const secrets = spellings(identities);
  for (const [name, thing] of Object.entries(things)) {
    for (const [how, print] of Object.entries(PRINTERS)) {
      const text = print(thing);
      const shown = secrets.find((secret) => text.includes(secret));
      assert.equal(shown, undefined, `${how} of ${name} shows ${shown}`);
    }
  }
}

const PRINTERS: Readonly<Record<string, (thing: unknown) => string>> = {
  inspect: (thing) => inspect(thing, { showHidden: true, depth: 12, maxArrayLength: 2_000, maxStringLength: 100_000 }),
  text: (thing) => String(Array.isArray(thing) ? thing.join('\n') : thing),
  JSON: (thing) => stringify(thing),
  errors: (thing) => errorsIn(thing).join('\n'),
};

/** As JSON, of things that hold each other too. */
function stringify(thing: unknown): string {
  const seen = new WeakSet<object>();
  const text = JSON.stringify(thing, (_key, value: unknown) => {
    if (typeof value === 'bigint') return String(value);
    if (typeof value !== 'object' || value === null) return value;
    if (seen.has(value)) return undefined;
    seen.add(value);
    return value;
  }) as string | undefined;
  return text ?? '';
}

/** Message, hint and stack of an error and its causes; of each of a list. */
function errorsIn(thing: unknown): string[] {
  const list: unknown[] = Array.isArray(thing) ? thing : [thing];
  return list.flatMap((entry) => {
    const texts: string[] = [];
    for (let error = entry; error instanceof Error; error = error.cause) {
      texts.push(
        error.message,
        error.stack ?? '',
        String((error as Partial<HawserError>).hint),
        stringify({ ...error }),
      );
    }
    return texts;
  });
}

interface Pair {
  readonly ours: Peer;
  readonly theirs: Peer;
  readonly port: number;
  readonly listener: URLEndpointListener;
  readonly listenerOptions: URLEndpointListenerOptions;
  /** Of both sides. */
  readonly events: unknown[];
  readonly scheme: 'ws' | 'wss';
}

async function serve(
  context: TestContext,
  scheme: 'ws' | 'wss',
  options: Partial<URLEndpointListenerOptions> = {},
): Promise<Pair> {
  const [ours, theirs] = [await openPeer(context, 'ours'), await openPeer(context, 'theirs')];
  await ours.metrics.save('a', { n: 1 });
  await theirs.metrics.save('b', { n: 2 });
  const listenerOptions: URLEndpointListenerOptions = {
    collections: [theirs.metrics],
    networkInterface: '127.0.0.1',
    disableTLS: scheme === 'ws',
    ...options,
  };
  const listener = new URLEndpointListener(listenerOptions);
  cleanup(context, () => listener.stop());
  const events: unknown[] = [];
  for (const name of ['connection', 'refused', 'document-problem', 'error'] as const) {
    listener.on(name, (event: unknown) => events.push(event));
  }
  await listener.start();
  return { ours, theirs, port: listener.port, listener, listenerOptions, events, scheme };
}

/** Runs a replicator to its end and collects all that can be had of it. */
async function run(
  context: TestContext,
  { ours, port, events, scheme }: Pick<Pair, 'ours' | 'port' | 'events' | 'scheme'>,
  options: Partial<Omit<ReplicatorOptions, 'target'>>,
): Promise<{ error: HawserError | undefined; things: Record<string, unknown> }> {
  const given = { maxAttempts: 1, ...options };
  const replicator = clientOf(context, ours, `${scheme}://127.0.0.1:${port}/theirs`, given);
  replicator.on('status', (event) => events.push(event));
  replicator.on('documents', (event) => events.push(event));
  replicator.start();
  if (options.continuous === true) await whenActivity(replicator, 'idle', 'stopped');
  else await replicator.stopped();
  const running = { replicator: inspect(replicator, { showHidden: true, depth: 12 }) };
  if (options.continuous === true) await replicator.stop();
  const { error } = replicator.status;
  const { config } = replicator;
  const { authenticator, headers, target } = config;
  return { error, things: { replicator, running, config, error, target, authenticator, headers } };
}

function sidesOf({ ours, theirs, listener, listenerOptions, events }: Pair): Record<string, unknown> {
  const { config, tlsIdentity } = listener;
  return {
    ourLines: (ours.database.logger as MemoryLogger).lines,
    theirLines: (theirs.database.logger as MemoryLogger).lines,
    ...{ listener, config, tlsIdentity, events, listenerAuthenticator: listenerOptions.authenticator },
    peers: listener.peers,
  };
}

for (const scheme of ['ws', 'wss'] as const) {
  const trust = scheme === 'wss' ? { acceptOnlySelfSignedServerCertificate: true } : {};

  describe(`over ${scheme} no secret is shown`, LIMIT, () => {
    const passwords = (): Partial<URLEndpointListenerOptions> => ({
      authenticator: new ListenerPasswordAuthenticator((name, password) => name === USER && password === PASSWORD),
    });

    it('after a good log-in, with headers of the application', async (context) => {
      const pair = await serve(context, scheme, passwords());
      const authenticator = new BasicAuthenticator(USER, PASSWORD);
      for (const continuous of [false, true]) {
        const headers = { 'X-Api-Key': API_KEY, Cookie: `s=${SESSION}` };
        const { error, things } = await run(context, pair, { authenticator, headers, continuous, ...trust });
        assert.equal(error, undefined);
        assertSilent({ ...things, ...sidesOf(pair) });
      }
      assert.deepEqual([await pair.ours.metrics.count(), await pair.theirs.metrics.count()], [2, 2]);
      assert.ok(pair.events.some((event) => (event as { username?: string }).username === USER));
    });

    it('after failed log-ins', async (context) => {
      const pair = await serve(context, scheme, passwords());
      const failures = [
        { authenticator: new BasicAuthenticator(USER, WRONG) },
        { authenticator: new SessionAuthenticator(SESSION) },
        { headers: { Authorization: `Bearer ${API_KEY}` } },
      ];
      for (const failure of failures) {
        const { error, things } = await run(context, pair, { ...failure, ...trust });
        assert.ok(['AUTHENTICATION_FAILED', 'AUTHENTICATION_DELAYED'].includes(error?.code ?? ''), error?.code);
        assertSilent({ ...things, ...sidesOf(pair) });
      }
    });

    it('after a callback of the application that throws its password about', async (context) => {
      const pair = await serve(context, scheme, {
        authenticator: new ListenerPasswordAuthenticator((name, password) => {
          throw new Error(`SELECT * FROM users WHERE name = '${name}' AND password = '${password}'`);
        }),
      });
      const { error, things } = await run(context, pair, {
        authenticator: new BasicAuthenticator(USER, WRONG),
        ...trust,
      });
      assert.notEqual(error, undefined);
      assertSilent({ ...things, ...sidesOf(pair) });
    });

    it('after a connection that was broken, and one that nobody answered', async (context) => {
      const pair = await serve(context, scheme, passwords());
      const authenticator = new BasicAuthenticator(USER, PASSWORD);
      const headers = { 'X-Api-Key': API_KEY };
      const port = await startTcpServer(context, (socket) => {
        socket.once('data', () => socket.end('HTTP/1.1 500 \r\n\r\n'));
      });
      const broken = await run(context, { ...pair, port }, { authenticator, headers, ...trust });
      assert.notEqual(broken.error, undefined);
      await pair.listener.stop();
      const refused = await run(context, pair, { authenticator, headers, ...trust });
      assert.notEqual(refused.error, undefined);
      assertSilent({ ...broken.things, ...refused.things, ...sidesOf(pair) });
    });
  });
}

for (const medium of [secure, handshake]) {
  it(
    `over ${medium.name} messages no secret is shown, after log-ins that were good, bad and of another kind`,
    LIMIT,
    async (context) => {
      const [ours, theirs] = [await openPeer(context, 'ours'), await openPeer(context, 'theirs')];
      const identity = await TLSIdentity.create({ keyUsages: ['serverAuth'], attributes: { commonName: 'theirs' } });
      const authenticator = new ListenerPasswordAuthenticator((_name, password) => password === PASSWORD);
      const server = await medium.listen(context, theirs, {
        authenticator,
        ...(medium === secure ? { tlsIdentity: identity } : {}),
      });
      const events: unknown[] = [];
      for (const name of ['connection', 'refused', 'error'] as const) {
        server.listener.on(name, (event: unknown) => events.push(event));
      }
      const trust = medium === secure ? { pinnedServerCertificate: identity.certificate } : {};
      const codes: (string | undefined)[] = [];
      for (const shown of [
        new BasicAuthenticator(USER, PASSWORD),
        new BasicAuthenticator(USER, WRONG),
        new SessionAuthenticator(SESSION),
      ]) {
        const replicator = replicatorTo(context, server, ours, { authenticator: shown, maxAttempts: 1, ...trust });
        replicator.on('status', (event) => events.push(event));
        replicator.start();
        const error = await replicator.stopped();
        codes.push(error?.code);
        const lines = [ours, theirs].flatMap(({ database }) => (database.logger as MemoryLogger).lines);
        const { config } = replicator;
        const { listener } = server;
        assertSilent({ replicator, config, error, events, lines, listener, target: config.target, identity }, [
          identity,
        ]);
      }
      assert.deepEqual(codes.slice(0, 2), [undefined, 'AUTHENTICATION_FAILED']);
      assert.notEqual(codes[2], undefined);
    },
  );
}

describe('of certificates no key is shown', LIMIT, () => {
  const identity = (commonName: string, more: Partial<CreateIdentityOptions> = {}): Promise<TLSIdentity> =>
    TLSIdentity.create({ keyUsages: ['serverAuth', 'clientAuth'], attributes: { commonName }, ...more });

  it('after one was accepted, and after one was refused, on either side', async (context) => {
    const root = await identity('root', { ca: true });
    const [server, stranger] = [await identity('server'), await identity('stranger')];
    const client = await identity('client', { issuer: root });
    const identities = [root, server, client, stranger];
    const pair = await serve(context, 'wss', {
      tlsIdentity: server,
      authenticator: new ListenerCertificateAuthenticator([root.certificate]),
    });
    const trusted = { pinnedServerCertificate: server.certificate };
    const outcomes: (string | undefined)[] = [];
    for (const options of [
      { ...trusted, authenticator: new ClientCertificateAuthenticator(client) },
      { ...trusted, authenticator: new ClientCertificateAuthenticator(stranger) },
      { ...trusted, authenticator: new BasicAuthenticator(USER, PASSWORD) },
      { pinnedServerCertificate: stranger.certificate, authenticator: new BasicAuthenticator(USER, PASSWORD) },
      { authenticator: new ClientCertificateAuthenticator(client), headers: { 'X-Api-Key': API_KEY } },
    ]) {
      const { error, things } = await run(context, pair, options);
      outcomes.push(error?.code);
      assertSilent({ ...things, ...sidesOf(pair), client, stranger, server }, identities);
    }
    assert.equal(outcomes[0], undefined, 'the right certificate was refused');
    assert.ok(
      outcomes.slice(1).every((code) => code?.startsWith('TLS_') === true),
      outcomes.join(),
    );
  });

  it('when it is read, kept and locked away', async (context) => {
    const folder = await temporaryDirectory(context);
    const client = await identity('client');
    const pem = client.privateKeyPem() + client.certificatePem();
    const locked = { format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: PASSPHRASE } as const;
    const encrypted = `${createPrivateKey(pem).export(locked).toString()}${client.certificatePem()}`;
    const store = await KeyStore.open(join(folder, 'keys'), { passphrase: PASSPHRASE });
    await store.importIdentity('mine', client);
    const errors: unknown[] = [];
    for (const attempt of [
      () => TLSIdentity.fromPem(encrypted, WRONG),
      () => TLSIdentity.fromPem(encrypted),
      () => TLSIdentity.fromPem(pem.replace('CERTIFICATE', 'CERTIFICAT')),
      () => TLSIdentity.fromPem(client.privateKeyPem()),
      () => TLSIdentity.fromPkcs12(Buffer.from(pem), WRONG),
      () => new TLSIdentity({ privateKey: client.privateKey, certs: [] }),
      () => KeyStore.open(join(folder, 'keys'), { passphrase: WRONG }).then((other) => other.identity('mine')),
      () => KeyStore.open(join(folder, 'keys')).then((other) => other.identity('mine')),
      () => store.importIdentity('mine', client),
      () => store.importIdentity('', client),
    ]) {
      await assert.rejects(
        async () => await attempt(),
        (error) => errors.push(error) > 0,
      );
    }
    const read = await store.identity('mine');
    assertSilent({ store, client, read, errors, opened: TLSIdentity.fromPem(encrypted, PASSPHRASE) }, [client]);
    const trust = await TrustOnFirstUse.open(join(folder, 'known'));
    assertSilent({ trust });
    await rm(folder, { recursive: true });
  });
});

it('what would be shown is noticed, wherever it stands', LIMIT, async () => {
  const identity = await TLSIdentity.create({ keyUsages: ['clientAuth'], attributes: { commonName: 'x' } });
  const deep = { a: [{ b: new Map([['c', { d: PASSWORD }]]) }] };
  const hidden = Object.defineProperty({}, 'secret', { value: Buffer.from(`${USER}:${WRONG}`).toString('base64') });
  const caused = new Error('x', {
    cause: new Error('y', { cause: Object.assign(new Error('z'), { input: API_KEY }) }),
  });
  for (const thing of [deep, hidden, caused, [PASSPHRASE], { key: identity.privateKeyPem() }, SESSION]) {
    assert.throws(() => assertSilent({ thing }, [identity]), { code: 'ERR_ASSERTION' });
  }
});

describe('what is configured wrongly is refused without being repeated', LIMIT, () => {
  it('if it is a secret', () => {
    const errors: unknown[] = [];
    for (const attempt of [
      () => new BasicAuthenticator(`${USER}:${PASSWORD}`, ''),
      () => new BasicAuthenticator(USER, `${PASSWORD}\n`),
      () => new BasicAuthenticator(`${PASSWORD}\0`, USER),
      () => new SessionAuthenticator(`${SESSION};`),
      () => new SessionAuthenticator(`${SESSION} `, 'name'),
      () => new URLEndpoint(`wss://${USER}:${PASSWORD}@host/db`),
      () => new URLEndpoint(`wss://${USER}:${PASSWORD}@ho st/db`),
      () => new URLEndpoint(`https://${USER}:${PASSWORD}@host:99999/db`),
      () => new URLEndpoint(`wss://host/db?password=${PASSWORD}`),
    ]) {
      assert.throws(attempt, (error) => errors.push(error) > 0);
    }
    assertSilent({ errors });
  });
});
