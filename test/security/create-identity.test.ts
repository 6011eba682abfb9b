import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, connect, type TLSSocket } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { X509Certificate } from 'node:crypto';
import {
  TLSIdentity,
  type CreateIdentityOptions,
  type IdentityAttributes,
  type IdentityKeyType,
} from '../../src/security/index.js';
import { issue } from '../support/certificates.js';
import { openSsl, withoutOpenSsl } from '../support/openssl.js';
import { VirtualClock } from '../support/virtual-clock.js';

const DAY_MS = 86_400_000;
const server = (attributes: IdentityAttributes, options: Partial<CreateIdentityOptions> = {}): Promise<TLSIdentity> =>
  TLSIdentity.create({ keyUsages: ['serverAuth'], attributes, ...options });
const invalid = (message: RegExp) => ({ code: 'IDENTITY_ATTRIBUTE_INVALID', number: 22, message });

const FULL = {
  commonName: 'Fjordbåt "7", +1',
  pseudonym: 'the old lady',
  givenName: 'Kari',
  surname: 'Nordmann',
  organization: 'Rederi AS',
  organizationUnit: 'Deck',
  postalAddress: 'Kaien 1, 5003 Bergen',
  locality: 'Bergen',
  postalCode: '5003',
  stateOrProvince: 'Vestland',
  country: 'NO',
  emailAddress: 'kari+deck@rederi.example',
  hostnames: ['boat.local', 'xn--fjordbt-mxa.example', '*.fleet.example'],
  urls: ['urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6', 'https://fleet.example/boat'],
  ipAddresses: ['192.0.2.7', '2001:db8::7', '::ffff:192.0.2.8'],
  registeredIDs: ['1.3.6.1.4.1.99999.1', '2.25.305821105408246119474742976030998643995'],
} as const satisfies IdentityAttributes;

describe('TLSIdentity.create', () => {
  test('makes a self-signed certificate for an EC P-256 key, for 365 days from a day before now', async () => {
    const clock = new VirtualClock({ startMs: Date.UTC(2027, 4, 1) });
    const identity = await server({ commonName: 'boat' }, { clock });
    const { certificate, certs, privateKey } = identity;
    assert.equal(certs.length, 1);
    assert.equal(certificate.subject, 'CN=boat');
    assert.equal(certificate.issuer, 'CN=boat');
    assert.ok(certificate.verify(certificate.publicKey));
    assert.equal(privateKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
    assert.equal(certificate.ca, false);
    assert.equal(Date.parse(certificate.validFrom), clock.now() - DAY_MS);
    assert.equal(identity.expiration.getTime(), clock.now() + 365 * DAY_MS);
    assert.deepEqual(identity.keyUsages, ['serverAuth']);
    assert.match(certificate.serialNumber, /^[4-7][0-9A-F]{31}$/);
  });

  test('does not believe a clock that stands before this program was written', async () => {
    const clock = new VirtualClock({ startMs: 60_000 });
    const { certificate } = await server({ commonName: 'boat' }, { clock });
    assert.equal(new Date(certificate.validFrom).getUTCFullYear(), 2025);
    assert.equal(new Date(certificate.validTo).getUTCFullYear(), 2027);
    await assert.rejects(server({ commonName: 'boat' }, { clock, expiration: new Date(120_000) }), {
      code: 'ARGUMENT_INVALID',
      message: /in the past.*clock of this device says 1970-01-01/,
    });
  });

  test('makes RSA keys while other work goes on', async () => {
    let turns = 0;
    let done = false;
    const count = (): void => {
      turns++;
      if (!done) setImmediate(count);
    };
    setImmediate(count);
    const identity = await server({ commonName: 'boat' }, { keyType: 'rsa-3072' });
    done = true;
    assert.equal(identity.privateKey.asymmetricKeyDetails?.modulusLength, 3072);
    assert.ok(turns > 100, `the event loop turned ${turns} times`);
  });

  const types: IdentityKeyType[] = ['ec-p256', 'rsa-2048'];
  for (const issuerType of types) {
    for (const keyType of types) {
      test(`lets ${issuerType} issue for ${keyType}, so that OpenSSL accepts the chain`, async (context) => {
        const root = await TLSIdentity.create({ attributes: { commonName: 'root' }, ca: true, keyType: issuerType });
        const middle = await TLSIdentity.create({
          attributes: { commonName: 'middle' },
          ca: true,
          keyType,
          issuer: root,
        });
        const leaf = await server(FULL, { keyType, issuer: middle });
        assert.deepEqual(
          leaf.certs.map(({ subject }) => /CN=(.*)$/.exec(subject)?.[1]),
          ['Fjordbåt \\"7\\"\\, \\+1', 'middle', 'root'],
        );
        assert.ok(leaf.certificate.verify(middle.certificate.publicKey));
        if (withoutOpenSsl !== false) return context.diagnostic(withoutOpenSsl);
        const { file, run } = await openSsl(context);
        const [rootFile, middleFile, leafFile] = [root, middle, leaf].map(({ certificate }, index) =>
          file(`${index}.pem`, certificate.toString()),
        ) as [string, string, string];
        const verify = (purpose: string): string =>
          run('verify', '-x509_strict', '-purpose', purpose, '-CAfile', rootFile, '-untrusted', middleFile, leafFile);
        assert.match(verify('sslserver'), /: OK/);
        assert.throws(() => verify('sslclient'), /unsuitable certificate purpose/);
      });
    }
  }

  test('issues with keys of others: P-384, P-521, Ed25519; and not with one that cannot sign certificates', async () => {
    const { generateKeyPairSync } = await import('node:crypto');
    for (const { privateKey } of [
      generateKeyPairSync('ec', { namedCurve: 'secp384r1' }),
      generateKeyPairSync('ec', { namedCurve: 'secp521r1' }),
      generateKeyPairSync('ed25519'),
    ]) {
      const { certificate } = await issue('authority', { ca: true, privateKey });
      const issuer = new TLSIdentity({ privateKey, certs: [certificate] });
      const leaf = await server({ commonName: 'boat' }, { issuer });
      assert.ok(leaf.certificate.verify(certificate.publicKey));
    }
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
    await assert.rejects(issue('authority', { ca: true, privateKey }), { code: 'IDENTITY_UNSUITABLE' });
  });

  test('refuses an issuer that is no authority, or has expired', async () => {
    const clock = new VirtualClock({ startMs: Date.UTC(2027, 0, 1) });
    const leaf = await server({ commonName: 'no authority' }, { clock });
    const options = { attributes: { commonName: 'root' }, ca: true, clock };
    const root = await TLSIdentity.create({ ...options, expiration: new Date(clock.now() + DAY_MS) });
    await assert.rejects(server({ commonName: 'boat' }, { issuer: leaf, clock }), {
      code: 'IDENTITY_UNSUITABLE',
      message: /no authority/,
    });
    await clock.advance(DAY_MS);
    await assert.rejects(server({ commonName: 'boat' }, { issuer: root, clock }), {
      code: 'IDENTITY_UNSUITABLE',
      message: /expired/,
    });
  });

  test('writes every attribute and name where readers look for it', async (context) => {
    const { certificate } = await server(FULL);
    const { hostnames, urls, registeredIDs, emailAddress } = FULL;
    const names = certificate.subjectAltName ?? '';
    for (const name of [
      ...hostnames.map((host) => `DNS:${host}`),
      ...urls.map((url) => `URI:${url}`),
      ...registeredIDs.map((id) => `Registered ID:${id}`),
      `email:${emailAddress}`,
      'IP Address:192.0.2.7',
      'IP Address:2001:DB8:0:0:0:0:0:7',
      'IP Address:0:0:0:0:0:FFFF:C000:208',
    ]) {
      assert.ok(names.split(', ').includes(name), `${name} is not in ${names}`);
    }
    assert.equal(certificate.checkIP('192.0.2.7'), '192.0.2.7');
    assert.equal(certificate.checkHost('pilot.fleet.example'), '*.fleet.example');
    if (withoutOpenSsl !== false) return context.diagnostic(withoutOpenSsl);
    const { file, run } = await openSsl(context);
    const subject = run(
      'x509',
      '-in',
      file('it.pem', certificate.toString()),
      '-noout',
      '-subject',
      '-nameopt',
      'lname,utf8,sep_multiline',
    );
    for (const [name, value] of [
      ['commonName', 'Fjordbåt \\"7\\"\\, \\+1'],
      ['pseudonym', 'the old lady'],
      ['givenName', 'Kari'],
      ['surname', 'Nordmann'],
      ['organizationName', 'Rederi AS'],
      ['organizationalUnitName', 'Deck'],
      ['postalAddress', 'Kaien 1\\, 5003 Bergen'],
      ['localityName', 'Bergen'],
      ['postalCode', '5003'],
      ['stateOrProvinceName', 'Vestland'],
      ['countryName', 'NO'],
    ]) {
      assert.match(
        subject.replaceAll('\\', ''),
        new RegExp(`${name}=${value?.replaceAll('\\', '').replace('+', '\\+')}`),
      );
    }
  });

  test('takes the longest values, and nothing longer', async () => {
    const longest = {
      commonName: 64,
      pseudonym: 128,
      givenName: 64,
      surname: 64,
      organization: 64,
      organizationUnit: 64,
      postalAddress: 180,
      locality: 128,
      postalCode: 40,
      stateOrProvince: 128,
    };
    const full = Object.fromEntries(Object.entries(longest).map(([name, length]) => [name, '😀'.repeat(length)]));
    await server(full as unknown as IdentityAttributes);
    for (const [name, length] of Object.entries(longest)) {
      const attributes = { commonName: 'boat', [name]: 'x'.repeat(length + 1) };
      await assert.rejects(server(attributes), invalid(new RegExp(`attributes\\.${name} is longer than ${length}`)));
    }
  });

  test('refuses subjects that cannot be written or would be misread, and names the attribute', async () => {
    await assert.rejects(server({} as IdentityAttributes), invalid(/commonName is missing/));
    await assert.rejects(server(undefined as unknown as IdentityAttributes), invalid(/commonName is missing/));
    for (const commonName of [
      '',
      '  ',
      'a\0b',
      'a\nb',
      'a\x7f',
      'a\u0085',
      'a\u2028b',
      'a\u202eb',
      '\ud800',
      5,
      null,
    ]) {
      await assert.rejects(server({ commonName } as IdentityAttributes), invalid(/attributes\.commonName /));
    }
    for (const country of ['N', 'NOR', 'Ñ1', '47']) {
      await assert.rejects(server({ commonName: 'boat', country }), invalid(/attributes\.country /));
    }
    await assert.rejects(server({ commonName: 'boat', comonName: 'x' } as IdentityAttributes), {
      code: 'OPTION_UNKNOWN',
    });
  });

  const misleading: Readonly<Record<string, readonly unknown[]>> = {
    emailAddress: ['', 'a', 'a@', '@b', 'a@b@c', 'a b@c', 'a@b\0.no', 'ø@b.no', '<a@b>', 'a@*.b', '.a@b', 5],
    hostnames: [
      '',
      'a..b',
      'a.',
      '.a',
      'båt.no',
      'a b',
      'a\0.no',
      '1.2.3.4',
      '::1',
      'a.1',
      'a.0x7f',
      '*',
      'a.*.b',
      '-a',
      'x'.repeat(64),
      `${'x.'.repeat(127)}x`.padEnd(256, 'y'),
      5,
      null,
    ],
    urls: ['', 'a', '//a/b', 'http://', 'http://ø', 'a b:c', 'http://a\0', 'http://a/<', 'urn:', 5],
    ipAddresses: ['', '1.2.3', '1.2.3.4.5', '256.1.1.1', '01.2.3.4', 'boat', 'fe80::1%eth0', '[::1]', '1.2.3.4/8', 5],
    registeredIDs: [
      '',
      '1',
      '3.1',
      '1.40',
      '0.40',
      '1.2.',
      '1..2',
      '1.02',
      '1.2.x',
      '1.-2',
      `1.2${'.1'.repeat(200)}`,
      5,
    ],
  };
  for (const [name, values] of Object.entries(misleading)) {
    test(`refuses ${name} that are none`, async () => {
      for (const value of values) {
        const attributes = { commonName: 'boat', [name]: name === 'emailAddress' ? value : [value] };
        await assert.rejects(server(attributes), invalid(new RegExp(`attributes\\.${name} `)), JSON.stringify(value));
      }
    });
  }

  test('points to punycode, and counts the names', async () => {
    await assert.rejects(server({ commonName: 'b', hostnames: ['båt.no'] }), invalid(/punycode/));
    await assert.rejects(
      server({ commonName: 'b', hostnames: 'b.no' } as unknown as IdentityAttributes),
      invalid(/list/),
    );
    const hostnames = Array.from({ length: 100 }, (_, index) => `b${index}.no`);
    await server({ commonName: 'b', hostnames });
    await assert.rejects(server({ commonName: 'b', hostnames, urls: ['urn:x'] }), invalid(/beyond 100 names/));
  });

  test('refuses other options that make no sense', async () => {
    const attributes = { commonName: 'boat' };
    for (const [wrong, code] of [
      [{ keyUsages: [] }, 'ARGUMENT_INVALID'],
      [{ keyUsages: ['codeSigning'] }, 'ARGUMENT_INVALID'],
      [{ keyUsages: 'serverAuth' }, 'ARGUMENT_INVALID'],
      [{ keyType: 'rsa-512' }, 'ARGUMENT_INVALID'],
      [{ keyType: 'toString' }, 'ARGUMENT_INVALID'],
      [{ expiration: new Date(NaN) }, 'ARGUMENT_INVALID'],
      [{ expiration: 5 }, 'ARGUMENT_INVALID'],
      [{ expiration: new Date(Date.UTC(10_000, 0, 1)) }, 'ARGUMENT_INVALID'],
      [{ expiration: new Date(0) }, 'ARGUMENT_INVALID'],
      [{ issuer: {} }, 'ARGUMENT_INVALID'],
      [{ keyUsage: ['serverAuth'] }, 'OPTION_UNKNOWN'],
    ] as const) {
      await assert.rejects(server(attributes, wrong as object), { code }, JSON.stringify(wrong));
    }
    await assert.rejects(TLSIdentity.create(undefined as never), { code: 'ARGUMENT_INVALID' });
  });

  test('takes the last second that X.509 knows', async () => {
    const expiration = new Date(Date.UTC(9999, 11, 31, 23, 59, 59));
    assert.deepEqual((await server({ commonName: 'boat' }, { expiration })).expiration, expiration);
  });
});

describe('a TLS handshake', () => {
  for (const keyType of ['ec-p256', 'rsa-2048'] as const) {
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      test(`of ${version} succeeds for ${keyType}, the client trusting the issuer, both sides showing one`, async () => {
        const root = await TLSIdentity.create({ attributes: { commonName: 'root' }, ca: true });
        const shown = await server({ commonName: 'boat', hostnames: ['boat.local'] }, { keyType, issuer: root });
        const options = { attributes: { commonName: 'phone' }, keyUsages: ['clientAuth'] as const, issuer: root };
        const client = await TLSIdentity.create({ ...options, keyType });
        const ca = root.certificate.toString();
        const common = { minVersion: version, maxVersion: version, ca } as const;
        const listening = createServer({
          ...common,
          key: shown.privateKeyPem(),
          cert: shown.certificatePem(),
          requestCert: true,
          rejectUnauthorized: true,
        });
        listening.listen(0, '127.0.0.1');
        await once(listening, 'listening');
        const { port } = listening.address() as AddressInfo;
        const accepted = once(listening, 'secureConnection') as Promise<[TLSSocket]>;
        const socket = connect({
          ...common,
          port,
          host: '127.0.0.1',
          servername: 'boat.local',
          key: client.privateKeyPem(),
          cert: client.certificatePem(),
        });
        await once(socket, 'secureConnect');
        const [peer] = await accepted;
        assert.ok(socket.authorized && peer.authorized);
        assert.equal(peer.getPeerX509Certificate()?.subject, 'CN=phone');
        assert.ok(socket.getPeerX509Certificate() instanceof X509Certificate);
        socket.destroy();
        peer.destroy();
        listening.close();
        await once(listening, 'close');
      });
    }
  }
});
