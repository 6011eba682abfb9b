import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import forge from 'node-forge';
import { isHawserError } from '../../src/errors.js';
import { seededRandom, type RandomSource } from '../../src/base/index.js';
import { TLSIdentity, type IdentityKeyType } from '../../src/security/index.js';
import { ecKey, issue } from '../support/certificates.js';
import { openSsl, withoutOpenSsl } from '../support/openssl.js';

const PASSWORD = 'søster 🔑';

async function chained(keyType: IdentityKeyType): Promise<TLSIdentity> {
  const root = await TLSIdentity.create({ attributes: { commonName: 'root' }, ca: true });
  const issuer = await TLSIdentity.create({ attributes: { commonName: 'middle' }, ca: true, issuer: root });
  return TLSIdentity.create({ keyUsages: ['serverAuth'], attributes: { commonName: 'boat' }, keyType, issuer });
}

const subjects = ({ certs }: TLSIdentity): string[] => certs.map(({ subject }) => subject);
const CHAIN = ['CN=boat', 'CN=middle', 'CN=root'];

describe('a PKCS #12 file of OpenSSL', { skip: withoutOpenSsl }, () => {
  const ways = {
    'with AES-256 and SHA-256': [],
    'with triple DES and SHA-1': ['-certpbe', 'PBE-SHA1-3DES', '-keypbe', 'PBE-SHA1-3DES', '-macalg', 'sha1'],
    'as old versions wrote it': ['-legacy'],
    'with RC2 of 128 bits': ['-legacy', '-certpbe', 'PBE-SHA1-RC2-128'],
    'with triple DES of two keys': ['-legacy', '-certpbe', 'PBE-SHA1-2DES', '-keypbe', 'PBE-SHA1-2DES'],
    'with AES-128 and SHA-512': ['-certpbe', 'AES-128-CBC', '-keypbe', 'AES-192-CBC', '-macalg', 'sha512'],
    'with 100,000 iterations': ['-iter', '100000'],
    'without a seal': ['-nomac'],
    'without encryption': ['-certpbe', 'NONE', '-keypbe', 'NONE'],
  } as const;
  for (const keyType of ['ec-p256', 'rsa-2048'] as const) {
    test(`is read in every encryption, with a key of ${keyType}`, async (context) => {
      const identity = await chained(keyType);
      const { file, run } = await openSsl(context);
      const pem = file('identity.pem', identity.privateKeyPem() + identity.certificatePem());
      const p12 = file('identity.p12');
      for (const [way, options] of Object.entries(ways)) {
        run('pkcs12', '-export', '-in', pem, '-out', p12, '-passout', `pass:${PASSWORD}`, ...options);
        const bytes = readFileSync(p12);
        const read = await TLSIdentity.fromPkcs12(bytes, PASSWORD);
        assert.deepEqual(subjects(read), CHAIN, way);
        assert.equal(read.privateKeyPem(), identity.privateKeyPem(), way);
        for (const wrong of ['', 'søster', `${PASSWORD}x`, 'x'.repeat(2000)]) {
          await assert.rejects(TLSIdentity.fromPkcs12(bytes, wrong), { code: 'IDENTITY_PASSWORD_WRONG' }, way);
        }
      }
    });
  }

  test('is read whatever the order of its certificates, and strangers among them are left out', async (context) => {
    const identity = await chained('ec-p256');
    const [leaf, middle, root] = identity.certs.map(String) as [string, string, string];
    const stranger = (await issue('root', { ca: true })).certificate.toString();
    const { file, run } = await openSsl(context);
    const key = file('key.pem', identity.privateKeyPem());
    const p12 = file('identity.p12');
    for (const certificates of [
      [stranger, root, leaf, middle],
      [middle, stranger, root, leaf],
    ]) {
      const pem = file('certificates.pem', certificates.join(''));
      run('pkcs12', '-export', '-inkey', key, '-in', pem, '-out', p12, '-passout', 'pass:x');
      const read = await TLSIdentity.fromPkcs12(readFileSync(p12), 'x');
      assert.deepEqual(subjects(read), CHAIN);
    }
  });

  test('is refused without a key, without its certificate, and with an empty password if it has another', async (context) => {
    const { certificate, privateKey } = await issue('boat');
    const { file, run } = await openSsl(context);
    const pem = file('certificate.pem', certificate.toString());
    const p12 = file('identity.p12');
    run('pkcs12', '-export', '-nokeys', '-in', pem, '-out', p12, '-passout', 'pass:');
    await assert.rejects(TLSIdentity.fromPkcs12(readFileSync(p12), ''), {
      code: 'IDENTITY_INVALID',
      message: /holds no private key/,
    });
    const key = file('key.pem', privateKey.export({ format: 'pem', type: 'pkcs8' }).toString());
    run('pkcs12', '-export', '-nocerts', '-inkey', key, '-out', p12, '-passout', 'pass:');
    await assert.rejects(TLSIdentity.fromPkcs12(readFileSync(p12), ''), {
      code: 'IDENTITY_INVALID',
      message: /no certificate that belongs/,
    });
  });
});

describe('a PKCS #12 file of node-forge', () => {
  for (const algorithm of ['3des', 'aes128', 'aes256'] as const) {
    test(`is read with ${algorithm}`, async () => {
      const identity = await chained('rsa-2048');
      const read = await TLSIdentity.fromPkcs12(forged(identity, 'pa55', { algorithm }), 'pa55');
      assert.equal(read.privateKeyPem(), identity.privateKeyPem());
      assert.deepEqual(subjects(read), ['CN=boat']);
    });
  }
});

test('a PKCS #12 file in BER, as browsers and Windows write it, is read: no lengths, and octets in pieces', async () => {
  const identity = await chained('rsa-2048');
  for (const algorithm of ['3des', 'aes256'] as const) {
    const whole = forge.asn1.fromDer(forged(identity, 'pa55', { algorithm }).toString('latin1'));
    assert.equal((await TLSIdentity.fromPkcs12(ber(whole), 'pa55')).privateKeyPem(), identity.privateKeyPem());
    // Its inner half, too: without the seal, which is for the bytes as they were.
    const [, authSafe] = whole.value as forge.asn1.Asn1[];
    const octets = (((authSafe?.value as forge.asn1.Asn1[])[1]?.value ?? []) as forge.asn1.Asn1[])[0] ?? assert.fail();
    octets.value = ber(forge.asn1.fromDer(octets.value as string)).toString('latin1');
    (whole.value as forge.asn1.Asn1[]).pop();
    assert.equal((await TLSIdentity.fromPkcs12(ber(whole), 'pa55')).privateKeyPem(), identity.privateKeyPem());
    await assert.rejects(TLSIdentity.fromPkcs12(ber(whole), 'pa56'), { code: 'IDENTITY_PASSWORD_WRONG' });
  }
});

describe('a hostile PKCS #12 file', () => {
  test('that asks for thousands of millions of iterations is refused at once, wherever it asks', async () => {
    const identity = await chained('rsa-2048');
    for (const algorithm of ['3des', 'aes256'] as const) {
      const honest = forged(identity, 'pa55', { algorithm, count: 2047 });
      for (const count of [2_000_001, 0x7fffffff, 0xffffffff]) {
        for (const sealed of [true, false]) {
          const bytes = withIterations(honest, 2047, count, sealed);
          await assert.rejects(TLSIdentity.fromPkcs12(bytes, 'pa55'), {
            code: 'IDENTITY_INVALID',
            message: /hashed \d+ times.*too long/,
          });
        }
      }
    }
  });

  test('is refused by size, and for what is no file at all', async () => {
    await assert.rejects(TLSIdentity.fromPkcs12(new Uint8Array(262_145), ''), {
      code: 'IDENTITY_INVALID',
      message: /larger than 262144 bytes/,
    });
    for (const bytes of [new Uint8Array(), Buffer.from('-----BEGIN'), Buffer.alloc(262_144, 0x30), indefinite()]) {
      await assert.rejects(TLSIdentity.fromPkcs12(bytes, ''), { code: 'IDENTITY_INVALID' });
    }
    await assert.rejects(TLSIdentity.fromPkcs12('text' as never, ''), { code: 'ARGUMENT_INVALID' });
    await assert.rejects(TLSIdentity.fromPkcs12(new Uint8Array(), undefined as never), { code: 'ARGUMENT_INVALID' });
  });

  test('of changed and missing bytes ends with one coded error that shows no secret', async (context) => {
    const seed = 12_049;
    const random = seededRandom(seed);
    context.diagnostic(`seed ${seed}`);
    const honest = forged(await chained('rsa-2048'), 'pa55', { algorithm: 'aes256', count: 20 });
    const unsealed = withIterations(honest, 20, 20, false);
    let refused = 0;
    for (let round = 0; round < 600; round++) {
      const bytes = spoilt(round % 2 === 0 ? honest : unsealed, random);
      try {
        await TLSIdentity.fromPkcs12(bytes, 'pa55');
      } catch (error) {
        assert.ok(isHawserError(error), `round ${round}: ${String(error)}`);
        assert.match(error.code, /^IDENTITY_(INVALID|PASSWORD_WRONG)$/);
        assert.ok(!`${error.message} ${String(error.cause)}`.includes('pa55'));
        refused++;
      }
    }
    assert.ok(refused > 400, `${refused} of 600 were refused`);
  });

  test('with two private keys is refused', async () => {
    const bag = (key: Buffer): forge.asn1.Asn1 =>
      sequence(oid('1.2.840.113549.1.12.10.1.1'), explicit(forge.asn1.fromDer(key.toString('latin1'))));
    const keys = [ecKey(), ecKey()].map((key) => key.export({ format: 'der', type: 'pkcs8' }));
    await assert.rejects(TLSIdentity.fromPkcs12(pfx(sequence(...keys.map(bag))), ''), {
      code: 'IDENTITY_INVALID',
      message: /more than one private key/,
    });
  });

  test('with more than 32 certificates is refused before they are sorted, also if they are one text in one bag', async () => {
    const { certificate, privateKey } = await issue('boat');
    const bag = (id: string, content: forge.asn1.Asn1): forge.asn1.Asn1 => sequence(oid(id), explicit(content));
    const plain = privateKey.export({ format: 'der', type: 'pkcs8' }).toString('latin1');
    const key = bag('1.2.840.113549.1.12.10.1.1', forge.asn1.fromDer(plain));
    const certificateBag = (bytes: Buffer): forge.asn1.Asn1 => {
      const content = explicit(universal(forge.asn1.Type.OCTETSTRING, bytes.toString('latin1')));
      return bag('1.2.840.113549.1.12.10.1.3', sequence(oid('1.2.840.113549.1.9.22.1'), content));
    };
    const text = certificateBag(Buffer.from(certificate.toString().repeat(33)));
    for (const bags of [[text], Array<forge.asn1.Asn1>(33).fill(certificateBag(certificate.raw))]) {
      await assert.rejects(TLSIdentity.fromPkcs12(pfx(sequence(key, ...bags)), ''), {
        code: 'IDENTITY_INVALID',
        message: /holds more than 32 certificates/,
      });
    }
  });

  test('with a DSA key, for which OpenSSL would compute for hours, is refused at once', async () => {
    const { INTEGER, OCTETSTRING } = forge.asn1.Type;
    const large = universal(INTEGER, `\x7f${'\xff'.repeat(2047)}`);
    const algorithm = sequence(oid('1.2.840.10040.4.1'), sequence(large, large, universal(INTEGER, '\x02')));
    const secret = universal(OCTETSTRING, forge.asn1.toDer(large).getBytes());
    const key = sequence(universal(INTEGER, '\x00'), algorithm, secret);
    await assert.rejects(
      TLSIdentity.fromPkcs12(pfx(sequence(sequence(oid('1.2.840.113549.1.12.10.1.1'), explicit(key)))), ''),
      { code: 'IDENTITY_INVALID', message: /kind 1\.2\.840\.10040\.4\.1/ },
    );
  });
});

/** With a byte changed, something left out, or cut off. */
function spoilt(bytes: Buffer, random: RandomSource): Buffer {
  const at = Math.floor(random.next() * bytes.length);
  const kind = Math.floor(random.next() * 4);
  if (kind === 0) return bytes.subarray(0, at);
  if (kind === 1) return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + (at % 7))]);
  const changed = Buffer.from(bytes);
  changed[at] = Math.floor(random.next() * 256);
  return changed;
}

interface ForgeOptions {
  readonly algorithm: '3des' | 'aes128' | 'aes256';
  readonly count?: number;
}

/** The key with its own certificate: node-forge cannot read those of EC keys that follow. */
function forged(identity: TLSIdentity, password: string, options: ForgeOptions): Buffer {
  const key = forge.pki.privateKeyFromPem(identity.privateKeyPem());
  const certificate = identity.certificate.toString();
  const pfxOf = forge.pkcs12.toPkcs12Asn1(key, [certificate] as never, password, options);
  return Buffer.from(forge.asn1.toDer(pfxOf).getBytes(), 'latin1');
}

/** With another number of iterations than was computed, wherever that number stands. */
function withIterations(bytes: Buffer, before: number, after: number, sealed: boolean): Buffer {
  const { fromDer, toDer, Type, integerToDer } = forge.asn1;
  const change = (value: forge.asn1.Asn1): void => {
    if (Array.isArray(value.value)) return value.value.forEach(change);
    if (value.tagClass !== forge.asn1.Class.UNIVERSAL) return;
    if (value.type === Type.INTEGER && value.value === integerToDer(before).getBytes()) {
      value.value = after > 0x7fffffff ? '\0\xff\xff\xff\xff' : integerToDer(after).getBytes();
    }
    if (value.type !== Type.OCTETSTRING) return;
    let inner: forge.asn1.Asn1;
    try {
      inner = fromDer(value.value);
    } catch {
      return;
    }
    change(inner);
    value.value = toDer(inner).getBytes();
  };
  const whole = fromDer(bytes.toString('latin1'), { decodeBitStrings: false } as never);
  change(whole);
  if (!sealed) (whole.value as forge.asn1.Asn1[]).pop();
  return Buffer.from(toDer(whole).getBytes(), 'latin1');
}

/** Without lengths, and octet strings in two pieces. */
function ber(value: forge.asn1.Asn1): Buffer {
  const endless = (tag: number, parts: readonly Buffer[]): Buffer =>
    Buffer.concat([Buffer.of(tag, 0x80), ...parts, Buffer.of(0, 0)]);
  const tag = value.tagClass | value.type;
  if (Array.isArray(value.value)) return endless(tag | 0x20, value.value.map(ber));
  if (tag !== 0x04 && tag !== 0x80) return Buffer.from(forge.asn1.toDer(value).getBytes(), 'latin1');
  const half = Math.floor(value.value.length / 2);
  const pieces = [value.value.slice(0, half), value.value.slice(half)].map((piece) =>
    Buffer.from(forge.asn1.toDer(universal(forge.asn1.Type.OCTETSTRING, piece)).getBytes(), 'latin1'),
  );
  return endless(tag | 0x20, pieces);
}

/** Values without an end, one in the other. */
function indefinite(): Buffer {
  return Buffer.concat(Array.from({ length: 1000 }, () => Buffer.of(0x30, 0x80)));
}

/** A file without a seal that holds these bags. */
function pfx(bags: forge.asn1.Asn1): Buffer {
  const data = (content: forge.asn1.Asn1): forge.asn1.Asn1 =>
    sequence(
      oid('1.2.840.113549.1.7.1'),
      explicit(universal(forge.asn1.Type.OCTETSTRING, forge.asn1.toDer(content).getBytes())),
    );
  const whole = sequence(universal(forge.asn1.Type.INTEGER, '\x03'), data(sequence(data(bags))));
  return Buffer.from(forge.asn1.toDer(whole).getBytes(), 'latin1');
}

function universal(type: forge.asn1.Type, content: string): forge.asn1.Asn1 {
  return forge.asn1.create(forge.asn1.Class.UNIVERSAL, type, false, content);
}

function sequence(...values: forge.asn1.Asn1[]): forge.asn1.Asn1 {
  return forge.asn1.create(forge.asn1.Class.UNIVERSAL, forge.asn1.Type.SEQUENCE, true, values);
}

function explicit(value: forge.asn1.Asn1): forge.asn1.Asn1 {
  return forge.asn1.create(forge.asn1.Class.CONTEXT_SPECIFIC, 0, true, [value]);
}

function oid(id: string): forge.asn1.Asn1 {
  return universal(forge.asn1.Type.OID, forge.asn1.oidToDer(id).getBytes());
}
