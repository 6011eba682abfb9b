/** Pins that outlive a renewal, and pins by fingerprint. What a pinned certificate proves is in server-trust.test.ts. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { before, describe, test } from 'node:test';
import { checkFingerprint } from '../../src/base/index.js';
import type { ErrorCode } from '../../src/errors.js';
import { judgeServer, type ServerTrust } from '../../src/security/index.js';
import { chainedIdentity, ecKey, issue, type Issuer } from '../support/certificates.js';

async function verdict(chain: readonly Issuer[], trust: ServerTrust): Promise<ErrorCode | 'trusted'> {
  const certs = chain.map(({ certificate }) => certificate);
  const server = { name: 'boat:4984', hostname: 'boat', chain: certs, chainError: 'SELF_SIGNED_CERT_IN_CHAIN' };
  return (await judgeServer(server, trust, Date.now()))?.code ?? 'trusted';
}

const pin = ({ certificate }: Issuer): ServerTrust => ({ pinnedServerCertificate: certificate });
const fingerprint = ({ certificate }: Issuer): ServerTrust => ({ pinnedServerFingerprint: certificate.fingerprint256 });

let boat: Issuer;
let stranger: Issuer;
let chain: { readonly root: Issuer; readonly intermediate: Issuer; readonly leaf: Issuer };

before(async () => {
  boat = await issue('boat');
  stranger = await issue('boat');
  chain = await chainedIdentity('boat');
});

describe('a renewed certificate', () => {
  test('of the same key is that of the pinned server, whatever its name and issuer', async () => {
    const { privateKey } = boat;
    for (const renewed of [
      await issue('boat', { privateKey }),
      await issue('new name', { privateKey, altNames: ['elsewhere'] }),
      await issue('boat', { privateKey, issuer: chain.intermediate }),
    ]) {
      assert.notEqual(renewed.certificate.fingerprint256, boat.certificate.fingerprint256);
      assert.equal(await verdict([renewed], pin(boat)), 'trusted');
    }
  });

  test('of another key is not', async () => {
    assert.equal(await verdict([await issue('boat')], pin(boat)), 'TLS_CERTIFICATE_UNTRUSTED');
  });

  test('of a pinned authority issues for the servers below it', async () => {
    const renewed = await issue('renewed root', { ca: true, privateKey: chain.root.privateKey });
    const leaf = await issue('boat', { issuer: renewed });
    // The name is another, so only the key says that it is the pinned one.
    assert.equal(leaf.certificate.checkIssued(chain.root.certificate), false);
    assert.equal(await verdict([leaf, renewed], pin(chain.root)), 'trusted');
    assert.equal(await verdict([leaf, renewed], pin(stranger)), 'TLS_CERTIFICATE_UNTRUSTED');
  });

  test('behind that of a stranger, who has only copied it, proves nothing', async () => {
    const renewedBoat = await issue('boat', { privateKey: boat.privateKey });
    const renewedRoot = await issue('renewed root', { ca: true, privateKey: chain.root.privateKey });
    for (const [copied, pinned] of [
      [renewedBoat, boat],
      [renewedRoot, chain.root],
      [chain.root, chain.root],
    ] as const) {
      assert.equal(await verdict([stranger, copied], pin(pinned)), 'TLS_CERTIFICATE_UNTRUSTED');
    }
    // The stranger says that the pinned authority has issued him; the signature is his own.
    const forger = await issue('renewed root', { ca: true });
    const forged = await issue('boat', { issuer: { ...renewedRoot, privateKey: forger.privateKey } });
    assert.equal(forged.certificate.issuer, renewedRoot.certificate.subject);
    assert.equal(await verdict([forged, renewedRoot], pin(chain.root)), 'TLS_CERTIFICATE_UNTRUSTED');
  });

  test('of a pinned authority that is for clients only does not make a server', async () => {
    const client = await issue('engine room', { issuer: chain.root, keyUsages: ['clientAuth'] });
    assert.equal(await verdict([client, chain.root], pin(chain.root)), 'TLS_CERTIFICATE_UNTRUSTED');
    assert.equal(await verdict([client], pin(chain.root)), 'TLS_CERTIFICATE_UNTRUSTED');
    assert.equal(await verdict([client], pin(client)), 'trusted', 'pinned itself, it is whom we meant');
  });

  test('of an authority that is for clients only does not lead to the pinned one, whatever its leaf says', async () => {
    for (const [authorityIsFor, expected] of [
      [['clientAuth'], 'TLS_CERTIFICATE_UNTRUSTED'],
      [['clientAuth', 'serverAuth'], 'trusted'],
      [[], 'trusted'],
    ] as const) {
      const between = await issue('crew', { ca: true, issuer: chain.root, keyUsages: authorityIsFor });
      for (const keyUsages of [[], ['serverAuth']] as const) {
        const leaf = await issue('engine room', { issuer: between, keyUsages });
        assert.equal(await verdict([leaf, between], pin(chain.root)), expected);
        assert.equal(await verdict([leaf, between, chain.root], fingerprint(chain.root)), expected);
      }
    }
  });

  test('of an RSA key is recognised too, and no RSA key is taken for an EC key', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const [old, renewed] = [await issue('boat', { privateKey }), await issue('boat', { privateKey })];
    assert.equal(await verdict([renewed], pin(old)), 'trusted');
    assert.equal(await verdict([await issue('boat', { privateKey: ecKey() })], pin(old)), 'TLS_CERTIFICATE_UNTRUSTED');
  });
});

describe('a pinned fingerprint', () => {
  test('is that of the certificate of the server, in any usual form', async () => {
    const { fingerprint256 } = boat.certificate;
    for (const pinnedServerFingerprint of [
      fingerprint256,
      fingerprint256.toLowerCase(),
      fingerprint256.replaceAll(':', ''),
      fingerprint256.replaceAll(':', '').toLowerCase(),
    ]) {
      assert.equal(await verdict([boat], { pinnedServerFingerprint }), 'trusted');
      assert.equal(await verdict([stranger], { pinnedServerFingerprint }), 'TLS_CERTIFICATE_UNTRUSTED');
    }
  });

  test('may be that of an authority that the server sends along', async () => {
    const { leaf, intermediate, root } = chain;
    for (const pinned of [leaf, intermediate, root]) {
      assert.equal(await verdict([leaf, intermediate, root], fingerprint(pinned)), 'trusted');
    }
    assert.equal(
      await verdict([leaf, intermediate], fingerprint(root)),
      'TLS_CERTIFICATE_UNTRUSTED',
      'nobody can tell what it is the fingerprint of',
    );
  });

  test('of a certificate that a stranger sends along proves nothing', async () => {
    const { leaf, intermediate, root } = chain;
    for (const pinned of [boat, leaf, intermediate, root]) {
      const shown = [stranger, boat, leaf, intermediate, root];
      assert.equal(await verdict(shown, fingerprint(pinned)), 'TLS_CERTIFICATE_UNTRUSTED');
    }
  });

  test('is not that of SHA-1', async () => {
    const pinnedServerFingerprint = boat.certificate.fingerprint;
    assert.equal(await verdict([boat], { pinnedServerFingerprint }), 'TLS_CERTIFICATE_UNTRUSTED');
  });
});

describe('checkFingerprint', () => {
  const hex = 'a1B2'.repeat(16);
  const pairs = (hex.match(/../g) ?? []).join(':');

  test('takes 64 hex digits, also in pairs', () => {
    for (const text of [hex, pairs, pairs.toUpperCase()]) checkFingerprint('here', text);
  });

  for (const [what, text] of [
    ['an empty text', ''],
    ['too few digits', hex.slice(2)],
    ['too many', `${hex}00`],
    ['a letter that is no digit', `${hex.slice(1)}g`],
    ['colons at some places only', pairs.replace(':', '')],
    ['a colon at the end', `${pairs}:`],
    ['a line break at the end', `${hex}\n`],
    ['SHA-1', pairs.slice(0, 59)],
    ['bytes', Buffer.from(hex, 'hex')],
    ['nothing', undefined],
  ] as const) {
    test(`refuses ${what}`, () => {
      assert.throws(() => checkFingerprint('here', text), { code: 'ARGUMENT_INVALID', message: /^here must be/ });
    });
  }
});
