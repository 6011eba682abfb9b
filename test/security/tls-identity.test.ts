import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { TLSIdentity } from '../../src/security/index.js';
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
    assert.throws(
      () => TLSIdentity.fromPem(key.replace(/M/g, 'N') + certificate.toString()),
      invalid(/cannot be read/),
    );
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
    assert.throws(() => TLSIdentity.fromPem(pem, 'wrong'), invalid(/cannot be read/));
    assert.throws(() => TLSIdentity.fromPem(pem), invalid(/cannot be read/));
  });

  test('expires with its own certificate', async () => {
    const validTo = new Date(Date.UTC(2030, 5, 1));
    assert.deepEqual((await selfSignedIdentity('one', { validTo })).expiration, validTo);
  });

  test('shows its certificate and hides its key', async () => {
    const identity = await selfSignedIdentity('engine room');
    const secret = identity.privateKeyPem().split('\n')[1] ?? assert.fail();
    for (const text of [inspect(identity, { depth: 9, showHidden: true }), JSON.stringify({ identity })]) {
      assert.ok(text.includes('engine room') && text.includes(identity.certificate.fingerprint256));
      assert.ok(!text.includes(secret) && !text.includes('PRIVATE'));
    }
  });
});
