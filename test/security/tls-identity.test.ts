import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { checkKeyUsage, TLSIdentity, type KeyUse } from '../../src/security/index.js';
import { chainedIdentity, ecKey, issue, selfSignedIdentity } from '../support/certificates.js';

const invalid = (message: RegExp) => ({ code: 'IDENTITY_INVALID', message });

describe('TLSIdentity', () => {
  test('refuses PEM text without a key, without a certificate, or with rubbish in it', async () => {
    const { certificate, privateKey } = await issue('one');
    const key = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
    assert.throws(() => TLSIdentity.fromPem(''), invalid(/no private key/));
    assert.throws(() => TLSIdentity.fromPem(certificate.toString()), invalid(/no private key/));
    assert.throws(() => TLSIdentity.fromPem(key), invalid(/no certificate/));
    const rubbish = '-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n';
    assert.throws(() => TLSIdentity.fromPem(key + rubbish), invalid(/cannot be read/));
    assert.throws(() => TLSIdentity.fromPem(key.replace(/M/g, 'N') + certificate.toString()), invalid(/damaged/));
  });

  test('refuses a key that belongs to another certificate', async () => {
    const { certificate } = await issue('one');
    assert.throws(() => new TLSIdentity({ privateKey: ecKey(), certs: [certificate] }), invalid(/does not belong/));
    assert.throws(() => new TLSIdentity({ privateKey: ecKey(), certs: [] }), invalid(/no certificate/));
  });

  test('refuses certificates that were not issued by the next', async () => {
    const { leaf, intermediate, root } = await chainedIdentity('boat');
    const { privateKey } = leaf;
    const certs = [leaf.certificate, root.certificate, intermediate.certificate];
    assert.throws(() => new TLSIdentity({ privateKey, certs }), invalid(/followed by the one that issued it/));
    const stranger = await issue('boat intermediate', { ca: true, issuer: await issue('boat root', { ca: true }) });
    assert.throws(
      () => new TLSIdentity({ privateKey, certs: [leaf.certificate, stranger.certificate] }),
      invalid(/followed by the one that issued it/),
    );
  });

  test('reads back what it writes, the whole chain', async () => {
    const { identity } = await chainedIdentity('boat');
    const again = TLSIdentity.fromPem(identity.certificatePem() + identity.privateKeyPem());
    assert.deepEqual(
      again.certs.map(({ subject }) => subject),
      ['CN=boat', 'CN=boat intermediate', 'CN=boat root'],
    );
    assert.equal(again.privateKeyPem(), identity.privateKeyPem());
    assert.equal(again.certificate, again.certs[0]);
  });

  test('reads an encrypted key with its passphrase only', async () => {
    const { certificate, privateKey } = await issue('one');
    const options = { format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'open sesame' } as const;
    const pem = privateKey.export(options).toString() + certificate.toString();
    assert.equal(TLSIdentity.fromPem(pem, 'open sesame').certificate.subject, 'CN=one');
    assert.throws(() => TLSIdentity.fromPem(pem, 'wrong'), { code: 'IDENTITY_PASSWORD_WRONG' });
    assert.throws(() => TLSIdentity.fromPem(pem), {
      code: 'IDENTITY_PASSWORD_WRONG',
      message: /no passphrase was given/,
    });
  });

  test('expires with its own certificate', async () => {
    const validTo = new Date(Date.UTC(2030, 5, 1));
    assert.deepEqual((await selfSignedIdentity('one', { validTo })).expiration, validTo);
  });

  test('shows its certificate and hides its key', async () => {
    const identity = await selfSignedIdentity('engine room');
    const secret = identity.privateKeyPem().split('\n')[1] ?? assert.fail();
    const deep = { depth: 9, showHidden: true };
    for (const text of [inspect(identity, deep), JSON.stringify({ identity })]) {
      assert.ok(text.includes('engine room') && text.includes(identity.certificate.fingerprint256));
      assert.ok(!text.includes(secret) && !text.includes('PRIVATE'));
    }
    for (const text of [inspect(identity, { ...deep, customInspect: false }), inspect(identity.privateKey, deep)]) {
      assert.ok(!text.includes(secret) && !text.includes('PRIVATE'));
    }
  });

  test('is for what its certificate says, and for everything if it says nothing', async () => {
    const of = (keyUsages: readonly KeyUse[]): Promise<TLSIdentity> => selfSignedIdentity('boat', { keyUsages });
    const [server, client, both, silent] = [
      await of(['serverAuth']),
      await of(['clientAuth']),
      await of(['serverAuth', 'clientAuth']),
      await of([]),
    ];
    for (const identity of [server, both, silent]) checkKeyUsage(identity, 'serverAuth');
    for (const identity of [client, both, silent]) checkKeyUsage(identity, 'clientAuth');
    const unsuitable = (message: RegExp) => ({ code: 'IDENTITY_UNSUITABLE', number: 22, message });
    assert.throws(() => checkKeyUsage(client, 'serverAuth'), unsuitable(/CN=boat is not for a listener/));
    assert.throws(() => checkKeyUsage(server, 'clientAuth'), unsuitable(/CN=boat is not for a client/));
    assert.deepEqual(silent.keyUsages, ['serverAuth', 'clientAuth']);
  });
});
