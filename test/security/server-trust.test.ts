import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { before, describe, test } from 'node:test';
import forge from 'node-forge';
import type { ErrorCode } from '../../src/errors.js';
import { judgeServer, type ServerTrust } from '../../src/security/index.js';
import { chainedIdentity, issue, type Issuer } from '../support/certificates.js';

const NOW = Date.now();
const YEAR_MS = 365 * 86_400_000;
const LONG_AGO = { validFrom: new Date(NOW - 2 * YEAR_MS), validTo: new Date(NOW - YEAR_MS) };

/** A certificate without extensions, as old tools make them. */
function issuePlainly(commonName: string, issuer?: Issuer): Issuer {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const pem = { format: 'pem' } as const;
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(publicKey.export({ ...pem, type: 'spki' }).toString());
  certificate.serialNumber = '01';
  certificate.validity.notAfter = new Date(NOW + YEAR_MS);
  certificate.setSubject([{ name: 'commonName', value: commonName }]);
  const issuerName = issuer?.certificate.subject.replace('CN=', '') ?? commonName;
  certificate.setIssuer([{ name: 'commonName', value: issuerName }]);
  const signer = (issuer?.privateKey ?? privateKey).export({ ...pem, type: 'pkcs1' }).toString();
  certificate.sign(forge.pki.privateKeyFromPem(signer), forge.md.sha256.create());
  return { privateKey, certificate: new X509Certificate(forge.pki.certificateToPem(certificate)) };
}

interface Given {
  readonly chain: readonly Issuer[];
  /** What Node would say of the chain. */
  readonly chainError?: string;
  readonly host?: string;
  readonly trust?: ServerTrust;
}

async function verdict({
  chain,
  chainError,
  host: hostname = 'boat.local',
  trust = {},
}: Given): Promise<ErrorCode | 'trusted'> {
  const certs = chain.map(({ certificate }) => certificate);
  const server = { name: 'boat:4984', hostname, chain: certs, chainError };
  return (await judgeServer(server, trust, NOW))?.code ?? 'trusted';
}

const pin = ({ certificate }: Issuer): ServerTrust => ({ pinnedServerCertificate: certificate });
const SELF_SIGNED_ONLY: ServerTrust = { acceptOnlySelfSignedServerCertificate: true };

let selfSigned: Issuer;
let other: Issuer;
let boat: { readonly root: Issuer; readonly intermediate: Issuer; readonly leaf: Issuer };

before(async () => {
  selfSigned = await issue('boat', { altNames: ['boat.local'] });
  other = await issue('boat', { altNames: ['boat.local'] });
  boat = await chainedIdentity('boat', { altNames: ['boat.local', '192.0.2.7', '2001:db8::7'] });
});

test('a server without a certificate is refused', async () => {
  assert.equal(await verdict({ chain: [] }), 'TLS_CERTIFICATE_UNTRUSTED');
  assert.equal(await verdict({ chain: [], trust: pin(selfSigned) }), 'TLS_CERTIFICATE_UNTRUSTED');
  assert.equal(await verdict({ chain: [], trust: SELF_SIGNED_ONLY }), 'TLS_CERTIFICATE_UNTRUSTED');
});

describe('a pinned certificate', () => {
  test('refuses every other, also one of the same name', async () => {
    assert.equal(await verdict({ chain: [other], trust: pin(selfSigned) }), 'TLS_CERTIFICATE_UNTRUSTED');
    assert.equal(
      await verdict({ chain: [other], trust: { ...pin(selfSigned), ...SELF_SIGNED_ONLY } }),
      'TLS_CERTIFICATE_UNTRUSTED',
    );
  });

  test('refuses a certificate that Node would trust', async () => {
    const { leaf, intermediate, root } = boat;
    assert.equal(
      await verdict({ chain: [leaf, intermediate, root], trust: pin(selfSigned) }),
      'TLS_CERTIFICATE_UNTRUSTED',
    );
  });

  test('refuses a stranger who sends the pinned certificate, which is public, behind his own', async () => {
    const { leaf, intermediate, root } = boat;
    for (const pinned of [selfSigned, leaf, intermediate, root]) {
      assert.equal(await verdict({ chain: [other, pinned], trust: pin(pinned) }), 'TLS_CERTIFICATE_UNTRUSTED');
      assert.equal(
        await verdict({ chain: [other, leaf, intermediate, root], trust: pin(pinned) }),
        'TLS_CERTIFICATE_UNTRUSTED',
      );
    }
    // The names fit, the signature does not.
    const forger = await issue('boat root', { ca: true });
    const forged = await issue('boat', { issuer: { certificate: root.certificate, privateKey: forger.privateKey } });
    assert.equal(await verdict({ chain: [forged, root], trust: pin(root) }), 'TLS_CERTIFICATE_UNTRUSTED');
  });

  test('refuses what the holder of a mere server certificate has issued', async () => {
    const byLeaf = await issue('admiral', { issuer: boat.leaf });
    const { leaf, intermediate, root } = boat;
    assert.equal(
      await verdict({ chain: [byLeaf, leaf, intermediate, root], trust: pin(root) }),
      'TLS_CERTIFICATE_UNTRUSTED',
    );
    // A certificate without any extension does not even say what it may be used for.
    const plainRoot = issuePlainly('plain root');
    const plainLeaf = issuePlainly('plain leaf', plainRoot);
    const byPlainLeaf = issuePlainly('admiral', plainLeaf);
    assert.ok(byPlainLeaf.certificate.checkIssued(plainLeaf.certificate));
    assert.equal(await verdict({ chain: [plainLeaf, plainRoot], trust: pin(plainRoot) }), 'trusted');
    const plainChain = [byPlainLeaf, plainLeaf, plainRoot];
    assert.equal(await verdict({ chain: plainChain, trust: pin(plainRoot) }), 'TLS_CERTIFICATE_UNTRUSTED');
  });

  test('accepts itself, or any of the chain above the leaf', async () => {
    const { leaf, intermediate, root } = boat;
    assert.equal(await verdict({ chain: [selfSigned], trust: pin(selfSigned) }), 'trusted');
    for (const pinned of [leaf, intermediate, root]) {
      assert.equal(await verdict({ chain: [leaf, intermediate, root], trust: pin(pinned) }), 'trusted');
      assert.equal(await verdict({ chain: [leaf, root, intermediate], trust: pin(pinned) }), 'trusted', 'in any order');
    }
  });

  test('accepts a chain that stops below the pinned root, as servers send it', async () => {
    assert.equal(await verdict({ chain: [boat.leaf, boat.intermediate], trust: pin(boat.root) }), 'trusted');
    assert.equal(
      await verdict({ chain: [boat.leaf], trust: pin(boat.root) }),
      'TLS_CERTIFICATE_UNTRUSTED',
      'a link is missing',
    );
  });

  test('decides alone: no other rule, no name and no date counts', async () => {
    const { leaf, intermediate, root } = boat;
    const chainError = 'SELF_SIGNED_CERT_IN_CHAIN';
    const trust = { ...pin(leaf), ...SELF_SIGNED_ONLY };
    assert.equal(await verdict({ chain: [leaf, intermediate, root], chainError, host: 'elsewhere', trust }), 'trusted');
    const old = await issue('boat', LONG_AGO);
    assert.equal(await verdict({ chain: [old], chainError: 'CERT_HAS_EXPIRED', trust: pin(old) }), 'trusted');
  });

  test('ends on a chain that goes round in a circle', async () => {
    const first = await issue('a', { ca: true, issuer: await issue('b', { ca: true }) });
    const second = await issue('b', { ca: true, issuer: first });
    assert.equal(
      await verdict({ chain: [first, second, first, second], trust: pin(selfSigned) }),
      'TLS_CERTIFICATE_UNTRUSTED',
    );
  });
});

describe('self-signed certificates only', () => {
  test('accepts any of them, whatever its name and whatever Node says', async () => {
    const chainError = 'DEPTH_ZERO_SELF_SIGNED_CERT';
    assert.equal(await verdict({ chain: [selfSigned], chainError, trust: SELF_SIGNED_ONLY }), 'trusted');
    assert.equal(await verdict({ chain: [other], chainError, host: 'elsewhere', trust: SELF_SIGNED_ONLY }), 'trusted');
  });

  test('refuses one that was issued, also by a root that Node trusts', async () => {
    const { leaf, intermediate, root } = boat;
    assert.equal(
      await verdict({ chain: [leaf, intermediate, root], trust: SELF_SIGNED_ONLY }),
      'TLS_CERTIFICATE_NOT_SELF_SIGNED',
    );
    assert.equal(await verdict({ chain: [leaf], trust: SELF_SIGNED_ONLY }), 'TLS_CERTIFICATE_NOT_SELF_SIGNED');
  });

  test('refuses one that only says that it issued itself', async () => {
    const namesake = await issue('boat', { ca: true });
    const pretender = await issue('boat', { issuer: namesake });
    assert.equal(pretender.certificate.issuer, pretender.certificate.subject);
    assert.equal(await verdict({ chain: [pretender], trust: SELF_SIGNED_ONLY }), 'TLS_CERTIFICATE_NOT_SELF_SIGNED');
  });

  test('refuses one that has expired, and takes one from the future: the clock here may be behind', async () => {
    assert.equal(
      await verdict({ chain: [await issue('boat', LONG_AGO)], trust: SELF_SIGNED_ONLY }),
      'TLS_CERTIFICATE_EXPIRED',
    );
    const later = { validFrom: new Date(NOW + YEAR_MS), validTo: new Date(NOW + 2 * YEAR_MS) };
    assert.equal(await verdict({ chain: [await issue('boat', later)], trust: SELF_SIGNED_ONLY }), 'trusted');
  });
});

describe("Node's own roots", () => {
  const served = (): Issuer[] => [boat.leaf, boat.intermediate];

  test('refuses an unknown root, a chain with a gap and a self-signed certificate', async () => {
    for (const chainError of [
      'SELF_SIGNED_CERT_IN_CHAIN',
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      'DEPTH_ZERO_SELF_SIGNED_CERT',
      'CERT_SIGNATURE_FAILURE',
    ]) {
      assert.equal(await verdict({ chain: served(), chainError }), 'TLS_CERTIFICATE_UNTRUSTED');
    }
    const trust = { acceptOnlySelfSignedServerCertificate: false };
    assert.equal(
      await verdict({ chain: [selfSigned], chainError: 'DEPTH_ZERO_SELF_SIGNED_CERT', trust }),
      'TLS_CERTIFICATE_UNTRUSTED',
    );
  });

  test('refuses what is not valid at this time', async () => {
    assert.equal(await verdict({ chain: served(), chainError: 'CERT_HAS_EXPIRED' }), 'TLS_CERTIFICATE_EXPIRED');
    assert.equal(await verdict({ chain: served(), chainError: 'CERT_NOT_YET_VALID' }), 'TLS_CERTIFICATE_EXPIRED');
  });

  test('refuses a certificate for another host', async () => {
    for (const host of ['ship.local', '192.0.2.8', '2001:db8::8']) {
      assert.equal(await verdict({ chain: served(), host }), 'TLS_CERTIFICATE_NAME_MISMATCH');
    }
  });

  test('accepts a valid certificate for the host, by name or address', async () => {
    for (const host of ['boat.local', '192.0.2.7', '2001:db8::7'])
      assert.equal(await verdict({ chain: served(), host }), 'trusted');
  });
});

test('refusals carry the numbers of Couchbase Lite and say whose certificate it was', async () => {
  const error = (given: Issuer[], chainError: string | undefined, hostname: string, trust: ServerTrust) =>
    judgeServer(
      { name: 'boat:4984', hostname, chain: given.map(({ certificate }) => certificate), chainError },
      trust,
      NOW,
    );
  const untrusted = await error([other], 'DEPTH_ZERO_SELF_SIGNED_CERT', 'boat.local', {});
  assert.equal(untrusted?.number, 5011);
  assert.ok(untrusted.message.includes(other.certificate.fingerprint256));
  assert.equal((await error([boat.leaf], undefined, 'boat.local', SELF_SIGNED_ONLY))?.number, 5008);
  assert.equal((await error([boat.leaf], 'CERT_HAS_EXPIRED', 'boat.local', {}))?.number, 5007);
  assert.equal((await error([boat.leaf], undefined, 'ship.local', {}))?.number, 5015);
});
