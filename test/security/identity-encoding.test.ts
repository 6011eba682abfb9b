import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import forge from 'node-forge';
import { seededRandom } from '../../src/base/index.js';
import { isHawserError } from '../../src/errors.js';
import { TLSIdentity } from '../../src/security/index.js';
import { chainedIdentity, ecKey, issue } from '../support/certificates.js';
import { openSsl, withoutOpenSsl } from '../support/openssl.js';

const invalid = (message: RegExp) => ({ code: 'IDENTITY_INVALID', message });
const wrong = { code: 'IDENTITY_PASSWORD_WRONG' };

const rsaKey = (): KeyObject => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;

describe('TLSIdentity.fromParts', () => {
  for (const [kind, key, types] of [
    ['EC', ecKey(), ['pkcs8', 'sec1']],
    ['RSA', rsaKey(), ['pkcs8', 'pkcs1']],
    ['Ed25519', generateKeyPairSync('ed25519').privateKey, ['pkcs8']],
  ] as const) {
    test(`takes ${kind} keys and certificates in PEM and DER, as text, bytes and objects`, async () => {
      const root = await issue('root', { ca: true });
      const { certificate } = await issue('boat', { privateKey: key, issuer: root });
      const certs = [certificate, root.certificate];
      const pem = certs.map(String);
      for (const type of types) {
        const keyDer = key.export({ format: 'der', type: type as 'pkcs8' });
        const keyPem = key.export({ format: 'pem', type: type }).toString();
        for (const privateKey of [key, keyDer, new Uint8Array(keyDer), keyPem, Buffer.from(keyPem)]) {
          for (const encoded of [certs, pem, pem.join('\n'), Buffer.from(pem.join('')), certs.map(({ raw }) => raw)]) {
            const identity = TLSIdentity.fromParts({ privateKey, certs: encoded });
            assert.equal(identity.certs.length, 2);
            assert.ok(identity.privateKey.equals(key));
          }
        }
      }
      assert.equal(TLSIdentity.fromParts({ privateKey: key, certs: certificate.raw }).certs.length, 1);
    });
  }

  test('takes encrypted keys in PEM and DER, and asks for their passphrase', async () => {
    for (const key of [ecKey(), rsaKey()]) {
      const { certificate } = await issue('boat', { privateKey: key });
      const passphrase = 'øpen sesame';
      const secret = { cipher: 'aes-256-cbc', passphrase } as const;
      const type = key.asymmetricKeyType === 'rsa' ? 'pkcs1' : 'sec1';
      for (const privateKey of [
        key.export({ format: 'pem', type: 'pkcs8', ...secret }).toString(),
        key.export({ format: 'der', type: 'pkcs8', ...secret }),
        key.export({ format: 'pem', type: type, ...secret }).toString(), // Proc-Type: 4,ENCRYPTED
      ]) {
        const identity = TLSIdentity.fromParts({ privateKey, passphrase, certs: certificate });
        assert.ok(identity.privateKey.equals(key));
        for (const other of ['wrong', '', 'x'.repeat(5000)]) {
          assert.throws(() => TLSIdentity.fromParts({ privateKey, passphrase: other, certs: certificate }), wrong);
        }
        assert.throws(() => TLSIdentity.fromParts({ privateKey, certs: certificate }), {
          ...wrong,
          message: /no passphrase was given/,
        });
        for (const other of [123456, null, { secret: 123456 }]) {
          assert.throws(
            () => TLSIdentity.fromParts({ privateKey, passphrase: other as never, certs: certificate }),
            (error) => isHawserError(error) && error.code === 'ARGUMENT_INVALID' && !inspect(error).includes('123456'),
          );
        }
      }
    }
  });

  test('refuses what it cannot be, and kinds of keys that TLS has no use for', async () => {
    const { certificate, privateKey } = await issue('boat');
    assert.throws(() => TLSIdentity.fromParts({ privateKey: 5 as never, certs: certificate }), {
      code: 'ARGUMENT_INVALID',
    });
    assert.throws(() => TLSIdentity.fromParts({ privateKey, certs: [5] as never }), { code: 'ARGUMENT_INVALID' });
    assert.throws(() => TLSIdentity.fromParts({ privateKey, certs: [] }), invalid(/no certificate/));
    const exchange = generateKeyPairSync('x25519').privateKey.export({ format: 'pem', type: 'pkcs8' });
    assert.throws(() => TLSIdentity.fromParts({ privateKey: exchange, certs: certificate }), invalid(/x25519/));
    const huge = new Uint8Array(262_145);
    assert.throws(() => TLSIdentity.fromParts({ privateKey: huge, certs: certificate }), invalid(/262144/));
    assert.throws(() => TLSIdentity.fromParts({ privateKey, certs: huge }), invalid(/262144/));
    assert.throws(
      () => TLSIdentity.fromParts({ privateKey, certs: Buffer.concat([certificate.raw, Buffer.of(0)]) }),
      invalid(/after its end/),
    );
  });
});

describe('TLSIdentity.fromPem', () => {
  test(
    'reads what other tools write: parameters of the curve, text around, scrypt',
    { skip: withoutOpenSsl },
    async (context) => {
      const { file, run } = await openSsl(context);
      const [keyFile, certificateFile, encrypted] = [file('key.pem'), file('certificate.pem'), file('encrypted.pem')];
      run('ecparam', '-name', 'prime256v1', '-genkey', '-out', keyFile);
      run('req', '-x509', '-new', '-key', keyFile, '-subj', '/CN=boat', '-out', certificateFile, '-text');
      const certificate = readFileSync(certificateFile, 'utf8');
      assert.match(certificate, /^Certificate:/);
      assert.equal(TLSIdentity.fromPem(readFileSync(keyFile, 'utf8') + certificate).certificate.subject, 'CN=boat');
      for (const options of [['-scrypt'], ['-v2', 'aes-256-cbc', '-iter', '50000'], ['-v1', 'PBE-SHA1-3DES']]) {
        run('pkcs8', '-topk8', '-in', keyFile, '-out', encrypted, '-passout', 'pass:x', ...options);
        const pem = readFileSync(encrypted, 'utf8') + certificate;
        assert.equal(TLSIdentity.fromPem(pem, 'x').certificate.subject, 'CN=boat');
        assert.throws(() => TLSIdentity.fromPem(pem, 'y'), wrong);
      }
    },
  );

  test('refuses an encrypted key that would keep the processor busy for hours', async () => {
    const { certificate, privateKey } = await issue('boat');
    const secret = { format: 'der', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'x' } as const;
    const key = withIterations(privateKey.export(secret), 0x7fffffff);
    const pem = forge.pem.encode({ type: 'ENCRYPTED PRIVATE KEY', body: key.toString('latin1') });
    assert.throws(() => TLSIdentity.fromPem(pem + certificate.toString(), 'x'), invalid(/hashed 2147483647 times/));
    assert.throws(
      () => TLSIdentity.fromParts({ privateKey: key, passphrase: 'x', certs: certificate }),
      invalid(/hashed 2147483647 times/),
    );
  });

  test('refuses two keys, cut and mixed-up blocks, and texts that are made to be searched for long', async () => {
    const { certificate, privateKey } = await issue('boat');
    const key = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
    const cert = certificate.toString();
    for (const [pem, message] of [
      [key + key + cert, /more than one private key/],
      [key + cert.slice(0, -10), /its end is missing/],
      [key + cert.replace('END CERTIFICATE', 'END CERTIFICATES'), /its end is missing/],
      [key + cert.replace('M', '*'), /cannot be read/],
      ['-----BEGIN '.repeat(20_000), /its end is missing/],
      ['-----BEGIN PRIVATE KEY-----\n'.repeat(9000), /its end is missing/],
      [`-----BEGIN ${'A '.repeat(100_000)}`, /its end is missing/],
      ['x'.repeat(262_145), /more than 262144 characters/],
    ] as const) {
      assert.throws(() => TLSIdentity.fromPem(pem), invalid(message), pem.slice(0, 60));
    }
    assert.throws(() => TLSIdentity.fromPem(undefined as never), { code: 'ARGUMENT_INVALID' });
  });

  test('ends with one coded error for spoilt texts, and shows nothing of key and passphrase in it', async (context) => {
    const seed = 77_031;
    const random = seededRandom(seed);
    context.diagnostic(`seed ${seed}`);
    const { identity } = await chainedIdentity('boat');
    const secret = { format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'hidden words' } as const;
    const encrypted = identity.privateKey.export(secret).toString();
    let refused = 0;
    for (let round = 0; round < 400; round++) {
      const pem = (round % 2 === 0 ? encrypted : identity.privateKeyPem()) + identity.certificatePem();
      const at = Math.floor(random.next() * pem.length);
      const spoilt = round % 3 === 0 ? pem.slice(0, at) : `${pem.slice(0, at)}${pem.slice(at + 1 + (round % 5))}`;
      try {
        TLSIdentity.fromPem(spoilt, 'hidden words');
      } catch (error) {
        assert.ok(isHawserError(error), String(error));
        assert.match(error.code, /^IDENTITY_(INVALID|PASSWORD_WRONG)$/);
        const shown = inspect(error, { depth: 9, showHidden: true });
        const line = identity.privateKeyPem().split('\n')[1] ?? assert.fail();
        assert.ok(!shown.includes('hidden words') && !shown.includes(line.slice(20, 50)));
        refused++;
      }
    }
    assert.ok(refused > 300, `${refused} of 400 were refused`);
  });
});

/** An encrypted PKCS #8 key that says it was made with so many iterations. */
function withIterations(der: Buffer, count: number): Buffer {
  const { fromDer, toDer, integerToDer } = forge.asn1;
  const part = (value: forge.asn1.Asn1 | undefined, ...path: number[]): forge.asn1.Asn1 =>
    path.reduce((at, index) => (at.value as forge.asn1.Asn1[])[index] ?? assert.fail(), value ?? assert.fail());
  const whole = fromDer(der.toString('latin1'));
  part(whole, 0, 1, 0, 1, 1).value = integerToDer(count).getBytes();
  return Buffer.from(toDer(whole).getBytes(), 'latin1');
}
