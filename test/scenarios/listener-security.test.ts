/**
 * A `URLEndpointListener` that stands in the open, over real sockets: the identity that it makes for itself, and what it
 * answers to clients that are no replicators. The numbers are those of the acceptance
 * scenarios.
 */
import assert from 'node:assert/strict';
import type { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { request as requestHttps, type RequestOptions } from 'node:https';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { describe, it, type TestContext } from 'node:test';
import {
  Database,
  ListenerCertificateAuthenticator,
  ListenerPasswordAuthenticator,
  SessionAuthenticator,
} from '../../src/index.js';
import { URLEndpointListener } from '../../transports/websocket/index.js';
import { issue, selfSignedIdentity } from '../support/certificates.js';
import { cleanup } from '../support/cleanup.js';
import { memoryLogger } from '../support/memory-logger.js';
import { openPeer, type Peer } from '../support/peers.js';
import { startTcpServer } from '../support/raw-servers.js';
import { assertRefused, assertSyncs, REFUSALS, secure, wss } from '../support/secure-peers.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { listen, syncOver } from '../support/web-socket-peers.js';

const LIMIT = { timeout: 120_000 };
const LOCAL = { networkInterface: '127.0.0.1', disableTLS: false };

async function twoPeers(context: TestContext) {
  return { a: await openPeer(context, 'a'), l: await openPeer(context, 'l') };
}

async function syncPinned(context: TestContext, client: Peer, url: string, pinnedServerCertificate: X509Certificate) {
  await syncOver(context, client, url, { pinnedServerCertificate });
}

describe('the identity of a listener', LIMIT, () => {
  it('13. is made by itself, and shown by default', async (context) => {
    const { a, l } = await twoPeers(context);
    const listener = new URLEndpointListener({ collections: [l.metrics] });
    cleanup(context, () => listener.stop());
    const identities = [listener.tlsIdentity];
    await listener.start();
    identities.push(listener.tlsIdentity);
    const { port, urls } = listener;
    await listener.stop();
    identities.push(listener.tlsIdentity);
    const [before, identity, after] = identities;
    assert.deepEqual([before, after], [undefined, undefined]);
    assert.ok(identity !== undefined);
    assert.ok(urls.length > 0 && urls.every((url) => url.startsWith('wss://')));

    await listener.start();
    await a.metrics.save('pump', {});
    await syncPinned(context, a, `wss://127.0.0.1:${listener.port}/l`, identity.certificate);
    assert.notEqual(await l.metrics.get('pump'), undefined);
    assert.notEqual(port, 0);
  });

  it('15, 16. is the one it was given, and none without TLS', async (context) => {
    const { l } = await twoPeers(context);
    const tlsIdentity = await selfSignedIdentity('boat');
    assert.equal((await listen(context, l, { ...LOCAL, tlsIdentity })).tlsIdentity, tlsIdentity);
    assert.equal((await listen(context, l, { ...LOCAL, tlsIdentity, disableTLS: true })).tlsIdentity, undefined);
    assert.equal((await listen(context, l, { ...LOCAL, disableTLS: true })).tlsIdentity, undefined);
  });

  it('30. must not be asked of clients where nobody speaks TLS', async (context) => {
    const { l } = await twoPeers(context);
    const authenticator = new ListenerCertificateAuthenticator(() => true);
    assert.throws(() => new URLEndpointListener({ collections: [l.metrics], disableTLS: true, authenticator }), {
      code: 'ARGUMENT_INVALID',
      number: 9,
    });
  });

  it('39. leaves nothing behind when its database is deleted', async (context) => {
    const directory = await temporaryDirectory(context);
    const database = await Database.open(join(directory, 'l'), { logger: memoryLogger() });
    cleanup(context, () => database.close());
    const listener = new URLEndpointListener({ ...LOCAL, collections: [database.collection('metrics')] });
    await listener.start();
    const { privateKey } = listener.tlsIdentity ?? assert.fail('no identity');
    const files = async (): Promise<string[]> => {
      const found = await readdir(directory, { recursive: true, withFileTypes: true });
      return found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    };
    const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
    const texts = await Promise.all((await files()).map((path) => readFile(path, 'latin1')));
    assert.equal(texts.filter((text) => text.includes(pem)).length, 1);
    await database.delete();
    assert.deepEqual([listener.tlsIdentity, await files()], [undefined, []]);
  });

  it('43. is the same after a restart, and on every medium: a pin goes on to hold', async (context) => {
    const a = await openPeer(context, 'a');
    const directory = await temporaryDirectory(context);
    let pinned: X509Certificate | undefined;
    for (const _ of ['before', 'after']) {
      const database = await Database.open(directory, { name: 'l', logger: memoryLogger() });
      cleanup(context, () => database.close());
      const l = { name: 'l', database, metrics: await database.createCollection('metrics') };
      for (const medium of [wss, secure]) {
        const server = await medium.listen(context, l);
        pinned ??= (await assertRefused(context, server, a, {}, REFUSALS.untrusted)).serverCertificate;
        assert.ok(pinned !== undefined);
        await assertSyncs(context, server, a, { pinnedServerCertificate: pinned });
        await server.stop();
      }
      await database.close();
    }
  });
});

describe('what a client that is no replicator gets to see', LIMIT, () => {
  it('is a status and a reason in JSON: 401 and 429 for passwords', async (context) => {
    const { l } = await twoPeers(context);
    const authenticator = new ListenerPasswordAuthenticator((_, password) => password === 'right');
    const { port } = await listen(context, l, { ...LOCAL, authenticator });
    const wrong = await ask(port, '/l/_blipsync', { auth: 'alice:wrong' });
    assert.deepEqual([wrong.status, wrong.type], [401, 'application/json']);
    assert.match(wrong.reason, /./);
    assert.match(wrong.headers['www-authenticate'] ?? '', /^Basic /);
    let last = wrong;
    for (let attempt = 0; last.status === 401 && attempt < MANY; attempt++) {
      last = await ask(port, '/l/_blipsync', { auth: 'alice:wrong' });
    }
    assert.deepEqual([last.status, last.type], [429, 'application/json']);
    assert.match(last.reason, /./);
    assert.match(last.headers['retry-after'] ?? '', /^[1-9]\d*$/);
  });

  it('is a status and a reason in JSON: 496 and 495 for certificates', async (context) => {
    const { l } = await twoPeers(context);
    const fleet = await selfSignedIdentity('fleet', { ca: true });
    const authenticator = new ListenerCertificateAuthenticator([fleet.certificate]);
    const { port } = await listen(context, l, { ...LOCAL, authenticator });
    const stranger = await issue('stranger');
    // A root vouches for a use, too: who may be a server need not be a client.
    const { certificate, privateKey } = fleet;
    const server = await issue('server', { issuer: { certificate, privateKey }, keyUsages: ['serverAuth'] });
    for (const [who, status] of [
      [undefined, 496],
      [stranger, 495],
      [server, 495],
    ] as const) {
      const key = who?.privateKey.export({ format: 'pem', type: 'pkcs8' });
      const shown = who === undefined ? {} : { key, cert: who.certificate.toString() };
      const answer = await ask(port, '/l/_blipsync', shown);
      assert.deepEqual([answer.status, answer.type], [status, 'application/json']);
      assert.match(answer.reason, /./);
    }
  });
});

describe('a session of Sync Gateway', LIMIT, () => {
  it('reaches the server as a cookie, and no password with it', async (context) => {
    const a = await openPeer(context, 'a');
    const heads: string[] = [];
    const port = await startTcpServer(context, (socket) => {
      let head = '';
      socket.on('data', (chunk: Buffer) => {
        head += chunk.toString('latin1');
        if (!head.includes('\r\n\r\n')) return;
        heads.push(head);
        socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n');
      });
    });
    const url = `ws://127.0.0.1:${port}/db`;
    for (const authenticator of [new SessionAuthenticator('904ac010'), new SessionAuthenticator('7e57', 'Other')]) {
      await assert.rejects(syncOver(context, a, url, { authenticator }), { code: 'AUTHENTICATION_FAILED' });
    }
    const cookies = heads.map((head) => /^cookie: (.*)$/im.exec(head)?.[1]);
    assert.deepEqual(cookies, ['SyncGatewaySession=904ac010', 'Other=7e57']);
    for (const head of heads) assert.doesNotMatch(head, /^authorization:/im);
  });
});

interface Answer {
  readonly status: number | undefined;
  readonly type: string;
  readonly headers: IncomingHttpHeaders;
  readonly reason: string;
}

/** Asks for an upgrade as any HTTP client could, and reads the refusal. */
async function ask(port: number, path: string, options: RequestOptions): Promise<Answer> {
  const headers = {
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Protocol': 'BLIP_3+CBMobile_3',
  };
  const request = requestHttps({ host: '127.0.0.1', port, path, headers, rejectUnauthorized: false, ...options });
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const { reason } = (await json(response)) as { readonly reason: string };
  const [type = ''] = (response.headers['content-type'] ?? '').split(';');
  return { status: response.statusCode, type, headers: response.headers, reason };
}

/** More failures than any listener should take without a pause. */
const MANY = 50;
