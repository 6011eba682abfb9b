/**
 * Whom a listener lets in, on every medium that asks: passwords, client certificates, what each client may do. What users see of
 * it is the same on all of them. The numbers are those of the acceptance scenarios.
 */
import assert from 'node:assert/strict';
import { before, describe, it, type TestContext } from 'node:test';
import {
  BasicAuthenticator,
  ClientCertificateAuthenticator,
  ListenerCertificateAuthenticator,
  ListenerPasswordAuthenticator,
  TLSIdentity,
  type AuthorizePeer,
  type HawserError,
  type PeerIdentity,
} from '../../src/index.js';
import { selfSignedIdentity } from '../support/certificates.js';
import { openPeer, type Peer } from '../support/peers.js';
import {
  ALL_MEDIA,
  assertRefused,
  assertSyncs,
  REFUSALS,
  replicatorTo,
  SECURE_MEDIA,
  type ClientOptions,
  type Medium,
  type ServerOptions,
} from '../support/secure-peers.js';

const LIMIT = { timeout: 120_000 };

/** Issues the certificates of the devices. */
let fleet: TLSIdentity;
let boat: TLSIdentity;
let engine: TLSIdentity;
let display: TLSIdentity;
/** Calls itself the engine, and nobody else says so. */
let impostor: TLSIdentity;

before(async () => {
  const keyUsages = ['clientAuth'] as const;
  const named = (commonName: string) => ({ attributes: { commonName } });
  fleet = await TLSIdentity.create({ ...named('fleet'), keyUsages: [], ca: true });
  [boat, engine, display, impostor] = await Promise.all([
    selfSignedIdentity('boat'),
    TLSIdentity.create({ ...named('engine'), keyUsages: [...keyUsages], issuer: fleet }),
    TLSIdentity.create({ ...named('display'), keyUsages: [...keyUsages], issuer: fleet }),
    TLSIdentity.create({ ...named('engine'), keyUsages: [...keyUsages] }),
  ]);
});

const trusting = (): ClientOptions => ({ pinnedServerCertificate: boat.certificate });
const withPassword = (username: string, password: string): ClientOptions => ({
  ...trusting(),
  authenticator: new BasicAuthenticator(username, password),
});
const withCertificate = (identity: TLSIdentity): ClientOptions => ({
  ...trusting(),
  authenticator: new ClientCertificateAuthenticator(identity),
});
const alice = (): ListenerPasswordAuthenticator =>
  new ListenerPasswordAuthenticator((username, password) => username === 'alice' && password === 'pa$$:wörd');

async function serve(context: TestContext, medium: Medium, optionsFor: (l: Peer) => ServerOptions) {
  const [a, l] = [await openPeer(context, 'a'), await openPeer(context, 'l')];
  const tlsIdentity = SECURE_MEDIA.includes(medium) ? { tlsIdentity: boat } : {};
  return { a, l, server: await medium.listen(context, l, { ...tlsIdentity, ...optionsFor(l) }) };
}

/** Who may write may do everything, the others may read. */
function rights({ metrics }: Peer, mayWrite: (peer: PeerIdentity) => boolean): AuthorizePeer {
  return (peer) => [{ collection: metrics, pull: true, push: mayWrite(peer) }];
}

for (const medium of ALL_MEDIA) {
  describe(`passwords, over ${medium.name}`, { ...LIMIT, skip: medium.skip }, () => {
    it('24, 25. whoever has none or another one is refused', async (context) => {
      const { a, server } = await serve(context, medium, () => ({ authenticator: alice() }));
      await assertRefused(context, server, a, trusting(), REFUSALS.password);
      await assertSyncs(context, server, a, withPassword('alice', 'pa$$:wörd'));
      for (const [username, password] of [
        ['bob', 'pa$$:wörd'],
        ['alice', 'password'],
        ['alice', ''],
      ] as const) {
        await assertRefused(context, server, a, withPassword(username, password), REFUSALS.password);
        await assertSyncs(context, server, a, withPassword('alice', 'pa$$:wörd'));
      }
    });

    it('24, 25. a certificate is no password', async (context) => {
      const { a, server } = await serve(context, medium, () => ({ authenticator: alice() }));
      await assertRefused(context, server, a, withCertificate(engine), REFUSALS.password);
    });

    it('23. nobody is asked without an authenticator, whatever he shows', async (context) => {
      const { a, server } = await serve(context, medium, () => ({}));
      const peers: PeerIdentity[] = [];
      server.listener.on('connection', ({ username, certificates, activity }) => {
        if (activity !== 'stopped')
          peers.push({ ...(username && { username }), ...(certificates && { certificates }) });
      });
      await assertSyncs(context, server, a, trusting());
      await assertSyncs(context, server, a, withPassword('alice', 'anything'));
      await assertSyncs(context, server, a, withCertificate(impostor));
      // What nobody has checked is not who he is.
      for (const peer of peers) assert.deepEqual(peer, {});
    });

    it('41. a collection or a database that the listener does not serve', async (context) => {
      const { a, l, server } = await serve(context, medium, () => ({ authenticator: alice() }));
      const others = { ...withPassword('alice', 'pa$$:wörd'), collections: [a.database.collection('other')] };
      await assertRefused(context, server, a, others, REFUSALS.noCollection);
      const elsewhere = { ...server, target: () => server.target(`${l.database.name}2`) };
      await assertRefused(context, elsewhere, a, withPassword('alice', 'pa$$:wörd'), REFUSALS.noDatabase);
    });

    it('what a user may do is asked for by name', async (context) => {
      const authenticator = new ListenerPasswordAuthenticator((_username, password) => password === 'crew');
      const { a, server } = await serve(context, medium, (l) => ({
        authenticator,
        authorize: rights(l, ({ username }) => username === 'captain'),
      }));
      await assertSyncs(context, server, a, withPassword('captain', 'crew'));
      await assertRefused(context, server, a, { ...withPassword('cook', 'crew'), type: 'push' }, REFUSALS.denied);
    });
  });
}

for (const medium of SECURE_MEDIA) {
  describe(`client certificates, over ${medium.name}`, { ...LIMIT, skip: medium.skip }, () => {
    it('26. a callback sees the chain of the client, and nothing else', async (context) => {
      const seen: (readonly string[])[] = [];
      const authenticator = new ListenerCertificateAuthenticator(async (chain) => {
        seen.push(chain.map(({ subject }) => subject));
        return true;
      });
      const { a, server } = await serve(context, medium, () => ({ authenticator }));
      await assertSyncs(context, server, a, withCertificate(impostor));
      await assertSyncs(context, server, a, withCertificate(engine));
      assert.deepEqual(seen, [['CN=engine'], ['CN=engine', 'CN=fleet']]);
    });

    it('27. a callback refuses: with false, with an error, with what is no boolean', async (context) => {
      for (const callback of [
        () => false,
        () => Promise.reject(new Error('the list of friends is lost')),
        () => 'yes' as unknown as boolean,
      ]) {
        const { a, server } = await serve(context, medium, () => ({
          authenticator: new ListenerCertificateAuthenticator(callback),
        }));
        await assertRefused(context, server, a, withCertificate(engine), REFUSALS.clientCertificateRejected);
      }
    });

    it('28. roots: who was issued by one comes in, an impostor does not', async (context) => {
      const authenticator = new ListenerCertificateAuthenticator([fleet.certificate]);
      const { a, server } = await serve(context, medium, () => ({ authenticator }));
      const refused: HawserError[] = [];
      server.listener.on('refused', ({ error }) => refused.push(error));
      await assertSyncs(context, server, a, withCertificate(engine));
      await assertRefused(context, server, a, withCertificate(impostor), REFUSALS.clientCertificateRejected);
      assert.deepEqual(
        refused.map(({ code }) => code),
        ['TLS_CLIENT_CERTIFICATE_REJECTED', 'TLS_CLIENT_CERTIFICATE_REJECTED'],
      );
    });

    it('28. roots: an expired certificate is refused', async (context) => {
      const authenticator = new ListenerCertificateAuthenticator([fleet.certificate]);
      const { a, server } = await serve(context, medium, () => ({ authenticator }));
      const { certificate, privateKey } = fleet;
      const issuer = { certificate, privateKey };
      const expired = await selfSignedIdentity('engine', { issuer, validTo: new Date(Date.now() - 60_000) });
      await assertRefused(context, server, a, withCertificate(expired), REFUSALS.clientCertificateRejected);
    });

    it('29. nobody comes in without a certificate, nor with a password in its place', async (context) => {
      const authenticator = new ListenerCertificateAuthenticator([fleet.certificate]);
      const { a, server } = await serve(context, medium, () => ({ authenticator }));
      await assertRefused(context, server, a, trusting(), REFUSALS.clientCertificateMissing);
      await assertRefused(context, server, a, withPassword('alice', 'pw'), REFUSALS.clientCertificateMissing);
    });

    it('what a device may do is asked for by the subject of its certificate', async (context) => {
      const { a, server } = await serve(context, medium, (l) => ({
        authenticator: new ListenerCertificateAuthenticator([fleet.certificate]),
        authorize: rights(l, ({ certificates }) => certificates?.[0]?.subject === 'CN=engine'),
      }));
      await assertRefused(context, server, a, withCertificate(impostor), REFUSALS.clientCertificateRejected);
      await assertRefused(context, server, a, { ...withCertificate(display), type: 'push' }, REFUSALS.denied);
      await server.peer.metrics.save('for all', {});
      const reader = replicatorTo(context, server, a, { ...withCertificate(display), type: 'pull' });
      reader.start();
      assert.equal(await reader.stopped(), undefined);
      assert.notEqual(await a.metrics.get('for all'), undefined);
      await assertSyncs(context, server, a, withCertificate(engine));
    });

    it('two devices that know each other by certificates serve each other', async (context) => {
      const [bow, stern] = [await openPeer(context, 'bow'), await openPeer(context, 'stern')];
      const identity = (commonName: string): Promise<TLSIdentity> =>
        TLSIdentity.create({ attributes: { commonName }, keyUsages: ['serverAuth', 'clientAuth'], issuer: fleet });
      const identities = { bow: await identity('bow'), stern: await identity('stern') };
      const authenticator = new ListenerCertificateAuthenticator([fleet.certificate]);
      const ends = [
        { server: bow, client: stern, served: identities.bow, shown: identities.stern },
        { server: stern, client: bow, served: identities.stern, shown: identities.bow },
      ];
      const arrived: Promise<unknown>[] = [];
      for (const { server, client, served, shown } of ends) {
        const listening = await medium.listen(context, server, { tlsIdentity: served, authenticator });
        await client.metrics.save(`from ${client.name}`, {});
        const replicator = replicatorTo(context, listening, client, {
          authenticator: new ClientCertificateAuthenticator(shown),
          pinnedServerCertificate: fleet.certificate,
          continuous: true,
          type: 'push',
        });
        replicator.start();
        arrived.push(replicator.whenIdle());
      }
      await Promise.all(arrived);
      for (const { metrics } of [bow, stern]) assert.equal(await metrics.count(), 2);
    });
  });
}
