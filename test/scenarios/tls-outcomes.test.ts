/**
 * Whom a replicator believes, on every medium that TLS protects: the outcomes that users of Couchbase Lite know, by what
 * they see of them. The numbers are those of the acceptance scenarios; what listeners ask of clients is in
 * `tls-outcomes-clients.test.ts`.
 */
import assert from 'node:assert/strict';
import type { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { before, describe, it, type TestContext } from 'node:test';
import { HawserError, TLSIdentity, TrustOnFirstUse, type ServerTrustPolicy } from '../../src/index.js';
import { chainedIdentity, selfSignedIdentity, type Issuer } from '../support/certificates.js';
import { openPeer } from '../support/peers.js';
import {
  assertRefused,
  assertSyncs,
  REFUSALS,
  replicatorTo,
  SECURE_MEDIA,
  ws,
  type ClientOptions,
  type ServerOptions,
} from '../support/secure-peers.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const LIMIT = { timeout: 120_000 };
const SELF_SIGNED_ONLY: ClientOptions = { acceptOnlySelfSignedServerCertificate: true };
const pin = (pinnedServerCertificate: X509Certificate): ClientOptions => ({ pinnedServerCertificate });

let boat: TLSIdentity;
let chained: { identity: TLSIdentity; root: Issuer; intermediate: Issuer; leaf: Issuer };
let stranger: TLSIdentity;
/** Another certificate of the boat's key. */
let renewed: TLSIdentity;

before(async () => {
  [boat, chained, stranger] = await Promise.all([
    selfSignedIdentity('boat'),
    chainedIdentity('boat'),
    selfSignedIdentity('boat'),
  ]);
  renewed = await selfSignedIdentity('boat', { privateKey: boat.privateKey });
});

for (const medium of SECURE_MEDIA) {
  const serve = async (context: TestContext, options: ServerOptions) => {
    const [a, l] = await Promise.all(['a', 'l'].map((name) => openPeer(context, name)));
    assert.ok(a !== undefined && l !== undefined);
    return { a, l, server: await medium.listen(context, l, options) };
  };

  describe(`pins, over ${medium.name}`, { ...LIMIT, skip: medium.skip }, () => {
    it('14. an unknown certificate is refused, without a pin and with another one', async (context) => {
      for (const tlsIdentity of [boat, chained.identity]) {
        const { a, server } = await serve(context, { tlsIdentity });
        await assertRefused(context, server, a, {}, REFUSALS.untrusted);
        await assertRefused(context, server, a, pin(stranger.certificate), REFUSALS.untrusted);
      }
    });

    it('15. the certificate that the listener was given, pinned', async (context) => {
      const { a, server } = await serve(context, { tlsIdentity: boat });
      await assertSyncs(context, server, a, pin(boat.certificate));
      await assertSyncs(context, server, a, { ...pin(boat.certificate), continuous: true });
    });

    it('19. a pin decides alone, also where only self-signed certificates are accepted', async (context) => {
      const { a, server } = await serve(context, { tlsIdentity: boat });
      const wrong = { ...pin(stranger.certificate), ...SELF_SIGNED_ONLY };
      await assertRefused(context, server, a, wrong, REFUSALS.untrusted);
      const right = { ...pin(boat.certificate), acceptOnlySelfSignedServerCertificate: false };
      await assertSyncs(context, server, a, right);
      const issued = await serve(context, { tlsIdentity: chained.identity });
      const leaf = { ...pin(chained.leaf.certificate), ...SELF_SIGNED_ONLY };
      await assertSyncs(context, issued.server, issued.a, leaf);
    });

    it('20. any certificate of the chain can be pinned: leaf, intermediate, root, also a root that is not sent', async (context) => {
      const { privateKey, certs } = chained.identity;
      for (const tlsIdentity of [chained.identity, new TLSIdentity({ privateKey, certs: certs.slice(0, -1) })]) {
        const { a, server } = await serve(context, { tlsIdentity });
        for (const { certificate } of [chained.leaf, chained.intermediate, chained.root]) {
          await assertSyncs(context, server, a, pin(certificate));
        }
      }
    });

    it('a renewed certificate of the same key still is the pinned one', async (context) => {
      const { a, server } = await serve(context, { tlsIdentity: renewed });
      await assertSyncs(context, server, a, pin(boat.certificate));
    });

    it('a fingerprint does what the certificate does', async (context) => {
      const { a, server } = await serve(context, { tlsIdentity: boat });
      const { fingerprint256 } = boat.certificate;
      for (const text of [fingerprint256, fingerprint256.replaceAll(':', '').toLowerCase()]) {
        await assertSyncs(context, server, a, { pinnedServerFingerprint: text });
      }
      const wrong = { pinnedServerFingerprint: stranger.certificate.fingerprint256 };
      await assertRefused(context, server, a, wrong, REFUSALS.untrusted);
      await assertRefused(context, server, a, { ...wrong, ...SELF_SIGNED_ONLY }, REFUSALS.untrusted);
    });
  });

  describe(`without a pin, over ${medium.name}`, { ...LIMIT, skip: medium.skip }, () => {
    it('17. self-signed certificates are accepted where that is said, and only there', async (context) => {
      const { a, server } = await serve(context, { tlsIdentity: boat });
      await assertRefused(context, server, a, { acceptOnlySelfSignedServerCertificate: false }, REFUSALS.untrusted);
      await assertSyncs(context, server, a, SELF_SIGNED_ONLY);
    });

    it('18. only self-signed ones: an issued certificate is refused', async (context) => {
      const { a, server } = await serve(context, { tlsIdentity: chained.identity });
      await assertRefused(context, server, a, SELF_SIGNED_ONLY, REFUSALS.notSelfSigned);
    });

    it('61. an expired certificate is refused unless it is pinned', async (context) => {
      const validTo = new Date(Date.now() - 60_000);
      const tlsIdentity = await selfSignedIdentity('boat', { validTo });
      const { a, server } = await serve(context, { tlsIdentity });
      await assertRefused(context, server, a, SELF_SIGNED_ONLY, REFUSALS.expired);
      await assertSyncs(context, server, a, pin(tlsIdentity.certificate));
    });

    it('a policy of one’s own decides, sees what was shown, and refuses by throwing too', async (context) => {
      const { a, server } = await serve(context, { tlsIdentity: chained.identity });
      const judge = (verdict: () => HawserError | undefined): ClientOptions & { seen: unknown[] } => {
        const seen: unknown[] = [];
        const serverTrustPolicy: ServerTrustPolicy = {
          judge: async ({ name, chain }) => {
            seen.push([name.endsWith(server.knownAs), chain.map(({ subject }) => subject)]);
            return verdict();
          },
        };
        return { serverTrustPolicy, seen };
      };
      const { seen, ...yes } = judge(() => undefined);
      await assertSyncs(context, server, a, yes);
      assert.deepEqual(seen, [[true, ['CN=boat', 'CN=boat intermediate', 'CN=boat root']]]);
      const { seen: _, ...no } = judge(() => new HawserError('TLS_CERTIFICATE_CHANGED', 'not today'));
      await assertRefused(context, server, a, no, REFUSALS.changed);
      const { seen: __, ...broken } = judge(() => {
        throw new Error('the list of friends is lost');
      });
      await assertRefused(context, server, a, broken, REFUSALS.untrusted);
    });
  });

  describe(`trust on first use, over ${medium.name}`, { ...LIMIT, skip: medium.skip }, () => {
    it('21. what was shown at the refusal can be pinned', async (context) => {
      const { a, server } = await serve(context, { tlsIdentity: boat });
      const { serverCertificate } = await assertRefused(context, server, a, {}, REFUSALS.untrusted);
      assert.equal(serverCertificate?.fingerprint256, boat.certificate.fingerprint256);
      await assertSyncs(context, server, a, { ...pin(serverCertificate), continuous: true });
    });

    it('the first certificate is remembered, another one refused until the first is forgotten', async (context) => {
      const { a, l, server } = await serve(context, { tlsIdentity: boat });
      const file = join(await temporaryDirectory(context), 'trusted', 'servers.json');
      const client = async (): Promise<ClientOptions> => ({ serverTrustPolicy: await TrustOnFirstUse.open(file) });
      await assertSyncs(context, server, a, await client());
      await assertSyncs(context, server, a, await client());
      const as = async (tlsIdentity: TLSIdentity, inPlaceOf = server) => {
        await inPlaceOf.stop();
        return medium.listen(context, l, { tlsIdentity, inPlaceOf });
      };

      const renewal = await as(renewed);
      await assertSyncs(context, renewal, a, await client());
      const other = await as(stranger, renewal);
      await assertRefused(context, other, a, await client(), REFUSALS.changed);

      const memory = await TrustOnFirstUse.open(file);
      const [name = ''] = (await memory.known()).keys();
      assert.ok(name.endsWith(server.knownAs));
      assert.equal(await memory.forget(name), true);
      await assertSyncs(context, other, a, await client());
      await assertRefused(context, await as(boat, other), a, await client(), REFUSALS.changed);
    });
  });

  describe(`the certificate of the server, over ${medium.name}`, { ...LIMIT, skip: medium.skip }, () => {
    it('22. is known from the first connection on, also after the end', async (context) => {
      const { a, server } = await serve(context, { tlsIdentity: boat });
      const replicator = replicatorTo(context, server, a, { ...pin(boat.certificate), continuous: true });
      const seen = [replicator.serverCertificate];
      replicator.start();
      await replicator.whenIdle();
      seen.push(replicator.serverCertificate);
      await replicator.stop();
      seen.push(replicator.serverCertificate);
      const { fingerprint256 } = boat.certificate;
      assert.deepEqual(
        seen.map((certificate) => certificate?.fingerprint256),
        [undefined, fingerprint256, fingerprint256],
      );
    });
  });
}

it('22. without TLS a replicator knows of no certificate', LIMIT, async (context) => {
  const [a, l] = [await openPeer(context, 'a'), await openPeer(context, 'l')];
  const replicator = await assertSyncs(context, await ws.listen(context, l), a);
  assert.equal(replicator.serverCertificate, undefined);
});
