/** Keys and certificates made on the spot: self-signed ones, and chains that lead to a root of the test's own. */
import { createPublicKey, generateKeyPairSync, type KeyObject, type X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { buildCertificate } from '../../src/security/certificate.js';
import { TLSIdentity, type KeyUse } from '../../src/security/index.js';

export interface Issuer {
  readonly certificate: X509Certificate;
  readonly privateKey: KeyObject;
}

export interface IssueOptions {
  /** Host names and IP addresses. */
  readonly altNames?: readonly string[];
  /** @default an hour ago */
  readonly validFrom?: Date;
  /** @default in an hour */
  readonly validTo?: Date;
  readonly ca?: boolean;
  readonly issuer?: Issuer;
  /** @default both for a leaf, none (everything) for an authority */
  readonly keyUsages?: readonly KeyUse[];
  /** @default a new one, EC P-256 */
  readonly privateKey?: KeyObject;
}

export function ecKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
}

/** A key and its certificate, signed by the key itself unless an issuer is given. */
export async function issue(commonName: string, options: IssueOptions = {}): Promise<Issuer> {
  const { altNames = [], ca = false, issuer, privateKey = ecKey() } = options;
  const certificate = await buildCertificate({
    subject: {
      commonName,
      hostnames: altNames.filter((name) => isIP(name) === 0),
      ipAddresses: altNames.filter((name) => isIP(name) !== 0),
    },
    publicKey: createPublicKey(privateKey),
    validFrom: options.validFrom ?? new Date(Date.now() - HOUR_MS),
    validTo: options.validTo ?? new Date(Date.now() + HOUR_MS),
    keyUsages: options.keyUsages ?? (ca ? [] : ['serverAuth', 'clientAuth']),
    ca,
    issuer: issuer ?? { privateKey },
  });
  return { privateKey, certificate };
}

export async function selfSignedIdentity(commonName: string, options: IssueOptions = {}): Promise<TLSIdentity> {
  const { certificate, privateKey } = await issue(commonName, options);
  return new TLSIdentity({ privateKey, certs: [certificate] });
}

/** root → intermediate → leaf; the identity shows all three. */
export async function chainedIdentity(commonName: string, options: IssueOptions = {}) {
  const root = await issue(`${commonName} root`, { ca: true });
  const intermediate = await issue(`${commonName} intermediate`, { ca: true, issuer: root });
  const leaf = await issue(commonName, { ...options, issuer: intermediate });
  const certs = [leaf.certificate, intermediate.certificate, root.certificate];
  return { root, intermediate, leaf, identity: new TLSIdentity({ privateKey: leaf.privateKey, certs }) };
}

const HOUR_MS = 3_600_000;
