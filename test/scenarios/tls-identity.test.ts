/** TLS identities as users have them: made, kept, imported, issued, and shown over real sockets. */
import assert from 'node:assert/strict';
import type { X509Certificate } from 'node:crypto';
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { once } from 'node:events';
import { connect } from 'node:tls';
import { describe, it, type TestContext } from 'node:test';
import forge from 'node-forge';
import {
  ClientCertificateAuthenticator,
  KeyStore,
  ListenerCertificateAuthenticator,
  TLSIdentity,
  type CreateIdentityOptions,
  type IdentityKeyType,
} from '../../src/index.js';
import { buildCertificate } from '../../src/security/certificate.js';
import { URLEndpointListener } from '../../transports/websocket/index.js';
import { openSsl, withoutOpenSsl } from '../support/openssl.js';
import { openPeer, type Peer } from '../support/peers.js';
import { assertRefused, assertSyncs, REFUSALS, wss, type Server } from '../support/secure-peers.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const LIMIT = { timeout: 120_000 };
const DAY_MS = 86_400_000;
const SERVER: CreateIdentityOptions = { keyUsages: ['serverAuth'], attributes: { commonName: 'boat' } };
const CLIENT: CreateIdentityOptions = { keyUsages: ['clientAuth'], attributes: { commonName: 'phone' } };

async function openStore(context: TestContext): Promise<KeyStore> {
  return KeyStore.open(await temporaryDirectory(context));
}

async function twoPeers(context: TestContext): Promise<{ server: Peer; client: Peer }> {
  return { server: await openPeer(context, 'server'), client: await openPeer(context, 'client') };
}

/** A root with an identity it has issued. */
async function issued(options: CreateIdentityOptions, keyType: IdentityKeyType = 'ec-p256') {
  const root = await TLSIdentity.create({ attributes: { commonName: 'fleet' }, ca: true, keyType });
  return { root, identity: await TLSIdentity.create({ ...options, keyType, issuer: root }) };
}

/** The subjects of the certificates that a listener sends. */
async function shownBy({ name }: Server): Promise<string[]> {
  const socket = connect({ host: '127.0.0.1', port: Number(name), rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const subjects: string[] = [];
  let certificate: X509Certificate | undefined = socket.getPeerX509Certificate();
  for (; certificate !== undefined; certificate = certificate.issuerCertificate) subjects.push(certificate.subject);
  socket.destroy();
  return subjects;
}

describe('an identity in a key store', () => {
  const isMadeFoundAndDeleted =
    (options: CreateIdentityOptions) =>
    async (context: TestContext): Promise<void> => {
      const store = await openStore(context);
      assert.equal(await store.identity('mine'), undefined);
      const made = await store.createIdentity('mine', options);
      assert.equal(made.certs.length, 1);
      assert.deepEqual(made.keyUsages, options.keyUsages);
      const found = await store.identity('mine');
      assert.equal(found?.certificate.fingerprint256, made.certificate.fingerprint256);
      assert.ok(found?.privateKey.equals(made.privateKey));
      assert.equal(await store.deleteIdentity('mine'), true);
      assert.equal(await store.identity('mine'), undefined);
      assert.equal(await store.deleteIdentity('mine'), false);
    };
  it('49. of a listener is made, found and deleted by its label', LIMIT, isMadeFoundAndDeleted(SERVER));
  it('50. of a client is made, found and deleted by its label', LIMIT, isMadeFoundAndDeleted(CLIENT));

  it('51. keeps its label: another of the same label is refused, made or imported', LIMIT, async (context) => {
    const store = await openStore(context);
    const first = await store.createIdentity('mine', SERVER);
    const taken = { code: 'IDENTITY_EXISTS', domain: 'CouchbaseLite', number: 22 };
    await assert.rejects(store.createIdentity('mine', CLIENT), taken);
    await assert.rejects(store.importIdentity('mine', await TLSIdentity.create(CLIENT)), taken);
    const found = await store.identity('mine');
    assert.equal(found?.certificate.fingerprint256, first.certificate.fingerprint256);
    assert.deepEqual(await store.labels(), ['mine']);
  });

  it('52. needs a common name', LIMIT, async (context) => {
    const store = await openStore(context);
    for (const attributes of [{}, { organization: 'Rederi' }, { commonName: '' }]) {
      await assert.rejects(store.createIdentity('mine', { ...SERVER, attributes } as CreateIdentityOptions), {
        code: 'IDENTITY_ATTRIBUTE_INVALID',
        domain: 'CouchbaseLite',
        number: 22,
        message: /commonName/,
      });
    }
    assert.deepEqual(await readdir(store.directory), []);
  });

  it('53. expires when it was told to, or after 365 days', LIMIT, async (context) => {
    const store = await openStore(context);
    const expiration = new Date(Date.now() + 300_000);
    const short = await store.createIdentity('short', { ...SERVER, expiration });
    assert.ok(Math.abs(short.expiration.getTime() - expiration.getTime()) < 5_000);
    const before = Date.now();
    const long = await store.createIdentity('long', SERVER);
    const days = (long.expiration.getTime() - before) / DAY_MS;
    assert.ok(Math.abs(days - 365) < 0.01, `${days} days`);
    assert.equal((await store.identity('short'))?.expiration.getTime(), short.expiration.getTime());
  });

  it('54. shows its attributes and its other names in the certificate', LIMIT, async (context) => {
    const store = await openStore(context);
    await store.createIdentity('mine', {
      ...SERVER,
      attributes: {
        commonName: 'Fjordbåt',
        pseudonym: 'old lady',
        givenName: 'Kari',
        surname: 'Nordmann',
        organization: 'Rederi AS',
        organizationUnit: 'Deck',
        postalAddress: 'Kaien 1',
        locality: 'Bergen',
        postalCode: '5003',
        stateOrProvince: 'Vestland',
        country: 'NO',
        emailAddress: 'kari@rederi.example',
        hostnames: ['boat.local'],
        urls: ['https://rederi.example/boat'],
        ipAddresses: ['192.0.2.7', '2001:db8::7'],
        registeredIDs: ['1.3.6.1.4.1.99999.1'],
      },
    });
    const { certificate } = (await store.identity('mine')) ?? assert.fail();
    assert.deepEqual(new Set(certificate.subject.split('\n')), SUBJECT);
    assert.deepEqual(certificate.subjectAltName?.split(', '), ALT_NAMES);
    assert.equal(certificate.checkHost('boat.local'), 'boat.local');
    assert.equal(certificate.checkIP('2001:db8::7'), '2001:db8::7');
    assert.equal(certificate.checkEmail('kari@rederi.example'), 'kari@rederi.example');
  });
});

const SUBJECT = new Set([
  'CN=Fjordbåt',
  'pseudonym=old lady',
  'GN=Kari',
  'SN=Nordmann',
  'O=Rederi AS',
  'OU=Deck',
  'postalAddress=Kaien 1',
  'L=Bergen',
  'postalCode=5003',
  'ST=Vestland',
  'C=NO',
]);
const ALT_NAMES = [
  'email:kari@rederi.example',
  'DNS:boat.local',
  'URI:https://rederi.example/boat',
  'IP Address:192.0.2.7',
  'IP Address:2001:DB8:0:0:0:0:0:7',
  'Registered ID:1.3.6.1.4.1.99999.1',
];

describe('an imported identity', () => {
  for (const keyType of ['ec-p256', 'rsa-2048'] as const) {
    it(`55. of PKCS #12 is served with its chain, until it is deleted (${keyType})`, LIMIT, async (context) => {
      if (withoutOpenSsl !== false) return context.skip(withoutOpenSsl);
      const { root, identity } = await issued(SERVER, keyType);
      const store = await openStore(context);
      const { file, run } = await openSsl(context);
      const pem = file('identity.pem', identity.privateKeyPem() + identity.certificatePem());
      const p12 = file('identity.p12');
      run('pkcs12', '-export', '-in', pem, '-out', p12, '-passout', 'pass:123');
      await store.importIdentity('mine', await TLSIdentity.fromPkcs12(await readFile(p12), '123'));

      const tlsIdentity = (await store.identity('mine')) ?? assert.fail();
      assert.equal(tlsIdentity.certs.length, 2);
      const { server, client } = await twoPeers(context);
      const listening = await wss.listen(context, server, { tlsIdentity });
      assert.deepEqual(await shownBy(listening), ['CN=boat', 'CN=fleet']);
      await assertSyncs(context, listening, client, { pinnedServerCertificate: root.certificate });

      assert.equal(await store.deleteIdentity('mine'), true);
      assert.equal(await store.identity('mine'), undefined);
      assert.deepEqual(await readdir(store.directory), []);
    });
  }

  it('56. of PKCS #12 with another password is refused, and nothing is kept', LIMIT, async (context) => {
    const store = await openStore(context);
    const identity = await TLSIdentity.create({ ...SERVER, keyType: 'rsa-2048' });
    const key = forge.pki.privateKeyFromPem(identity.privateKeyPem());
    const pfx = forge.pkcs12.toPkcs12Asn1(key, [identity.certificatePem()] as never, '123', { algorithm: 'aes256' });
    const bytes = Buffer.from(forge.asn1.toDer(pfx).getBytes(), 'latin1');
    for (const password of ['1234', '', 'x'.repeat(10_000)]) {
      const importing = async (): Promise<void> =>
        store.importIdentity('mine', await TLSIdentity.fromPkcs12(bytes, password));
      await assert.rejects(importing, { code: 'IDENTITY_PASSWORD_WRONG', domain: 'CouchbaseLite', number: 22 });
    }
    assert.equal(await store.identity('mine'), undefined);
    assert.deepEqual(await readdir(store.directory), []);
    await store.importIdentity('mine', await TLSIdentity.fromPkcs12(bytes, '123'));
  });
});

describe('an issued identity', () => {
  it('57. has its issuer behind it, which verifies it, and is known by it', LIMIT, async (context) => {
    const { root, identity } = await issued(SERVER);
    assert.equal(identity.certs.length, 2);
    assert.ok(identity.certificate.checkIssued(root.certificate));
    assert.ok(identity.certificate.verify(root.certificate.publicKey));
    const { server, client } = await twoPeers(context);
    const listening = await wss.listen(context, server, { tlsIdentity: identity });
    await assertSyncs(context, listening, client, { pinnedServerCertificate: root.certificate });
    const other = await TLSIdentity.create({ attributes: { commonName: 'fleet' }, ca: true });
    await assertRefused(context, listening, client, { pinnedServerCertificate: other.certificate }, REFUSALS.untrusted);
  });
});

describe('an identity from a key and certificates', () => {
  const types = [
    ['EC', generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey, 'sec1'],
    ['RSA', generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey, 'pkcs1'],
  ] as const;
  for (const [kind, key, type] of types) {
    it(
      `58. is good for a listener and for a client, from PEM, DER and encrypted PEM (${kind})`,
      LIMIT,
      async (context) => {
        const passphrase = 'open sesame';
        const cipher = { cipher: 'aes-256-cbc', passphrase } as const;
        const pem = (value: { export: typeof key.export }, options: object): string =>
          value.export({ format: 'pem', type: 'pkcs8', ...options }).toString();
        const { root, certs } = await chainFor(createPublicKey(key));
        const identities = [
          TLSIdentity.fromParts({ privateKey: pem(key, {}), certs: certs.map(String).join('') }),
          TLSIdentity.fromParts({
            privateKey: key.export({ format: 'der', type }),
            certs: certs.map(({ raw }) => raw),
          }),
          TLSIdentity.fromParts({ privateKey: pem(key, cipher), passphrase, certs: certs.map(String) }),
          TLSIdentity.fromPem(pem(key, { ...cipher, type }) + certs.map(String).join(''), passphrase),
        ];
        const { server, client } = await twoPeers(context);
        for (const identity of identities) {
          assert.ok(identity.privateKey.equals(createPrivateKey(pem(key, {}))));
          const listening = await wss.listen(context, server, {
            tlsIdentity: identity,
            authenticator: new ListenerCertificateAuthenticator([root]),
          });
          const authenticator = new ClientCertificateAuthenticator(identity);
          await assertSyncs(context, listening, client, { pinnedServerCertificate: root, authenticator });
          await listening.stop();
        }
      },
    );
  }
});

/** A certificate for both uses, as an authority that never sees the private key would issue it, and the authority's. */
async function chainFor(publicKey: ReturnType<typeof createPublicKey>) {
  const root = await TLSIdentity.create({ attributes: { commonName: 'fleet' }, ca: true });
  const certificate = await buildCertificate({
    subject: { commonName: 'boat' },
    publicKey,
    validFrom: new Date(Date.now() - DAY_MS),
    validTo: new Date(Date.now() + DAY_MS),
    keyUsages: ['serverAuth', 'clientAuth'],
    issuer: root,
  });
  return { root: root.certificate, certs: [certificate, root.certificate] };
}

describe('an identity that was made for something else', () => {
  it(
    '60. is refused: a client’s by a listener, a listener’s by a client, and by the other end',
    LIMIT,
    async (context) => {
      const { server, client } = await twoPeers(context);
      const { identity: forClients } = await issued(CLIENT);
      const { root, identity: forListeners } = await issued(SERVER);
      const unsuitable = { code: 'IDENTITY_UNSUITABLE', domain: 'CouchbaseLite', number: 22 };
      assert.throws(
        () => new URLEndpointListener({ collections: [server.metrics], tlsIdentity: forClients }),
        unsuitable,
      );
      assert.throws(() => new ClientCertificateAuthenticator(forListeners), unsuitable);

      // A peer that does not check its own, as another program might be.
      const listening = await wss.listen(context, server, {
        authenticator: new ListenerCertificateAuthenticator([root.certificate]),
      });
      const trust = { acceptOnlySelfSignedServerCertificate: true };
      const careless = { credentials: () => ({ identity: forListeners }) };
      await assertRefused(
        context,
        listening,
        client,
        { ...trust, authenticator: careless },
        REFUSALS.clientCertificateRejected,
      );
      const authenticator = new ClientCertificateAuthenticator(await TLSIdentity.create({ ...CLIENT, issuer: root }));
      await assertSyncs(context, listening, client, { ...trust, authenticator });
    },
  );
});
