/**
 * Builds X.509 v3 certificates (RFC 5280) for EC and RSA keys, signed by either.
 *
 * Node can read certificates but not make them. node-forge writes the ASN.1 and knows nothing of EC, so the public key
 * goes in as Node exports it and the signature comes from Node.
 */
import { createHash, sign, X509Certificate, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { systemRandom } from '../base/index.js';
import { HawserError } from '../errors.js';
import { asn1Writer, type Asn1Value, type Asn1Writer } from './asn1-writer.js';
import { children, octetsOf, oidOf, readDer, sequenceOf, TAG, type DerValue } from './der-reader.js';
import { nameValue, type NameAttributes } from './distinguished-name.js';
import { EXTENDED_KEY_USAGES, type KeyUse } from './key-usage.js';
import { altNamesValue, type AltNames } from './subject-alt-names.js';

export interface CertificateOptions {
  /** Checked already. */
  readonly subject: NameAttributes & AltNames;
  readonly publicKey: KeyObject;
  readonly validFrom: Date;
  readonly validTo: Date;
  /** What it may be used for: with none everything, for its owner and, if it is an authority's, for all that it issues. */
  readonly keyUsages: readonly KeyUse[];
  /** Whether it may issue others. @default false */
  readonly ca?: boolean;
  /** Who signs. Without a certificate the key is the one that belongs to `publicKey`: self-signed. */
  readonly issuer: { readonly privateKey: KeyObject; readonly certificate?: X509Certificate };
}

/** @throws `IDENTITY_UNSUITABLE` if the issuer's key is of a kind that cannot sign certificates here */
export async function buildCertificate(options: CertificateOptions): Promise<X509Certificate> {
  const { subject, publicKey, keyUsages, ca = false, issuer } = options;
  const { digest, algorithm: id, parameters } = signatureOf(issuer.privateKey);
  const write = await asn1Writer();
  const { der, sequence, oid, integer, octets, bits, boolean, explicit, time, encoded } = write;
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  const name = nameValue(write, subject);
  const altNames = altNamesValue(write, subject);
  const authorityId = issuer.certificate === undefined ? keyId(spki) : subjectKeyId(issuer.certificate);

  const extension = (extensionId: string, value: Asn1Value, critical = false): Asn1Value =>
    sequence(oid(extensionId), ...(critical ? [boolean(true)] : []), octets(der(value)));
  const extensions = [
    extension(BASIC_CONSTRAINTS, sequence(...(ca ? [boolean(true)] : [])), true),
    extension(KEY_USAGE, keyUsageBits(write, ca, publicKey), true),
    ...(keyUsages.length === 0
      ? []
      : [extension(EXTENDED_KEY_USAGE, sequence(...keyUsages.map((use) => oid(EXTENDED_KEY_USAGES[use]))))]),
    // Strict readers want both; the issuer's is taken from its certificate, for it may have been made by another rule.
    extension(SUBJECT_KEY_ID, octets(keyId(spki))),
    ...(authorityId === undefined ? [] : [extension(AUTHORITY_KEY_ID, sequence(write.implicit(0, authorityId)))]),
    ...(altNames === undefined ? [] : [extension(SUBJECT_ALT_NAME, altNames)]),
  ];
  const algorithm = sequence(oid(id), ...(parameters === 'null' ? [encoded(Buffer.of(0x05, 0))] : []));
  const body = sequence(
    explicit(0, integer(2)), // v3
    integer(randomSerial()),
    algorithm,
    issuer.certificate === undefined ? name : encoded(tbsFields(issuer.certificate).subject.raw),
    sequence(time(options.validFrom), time(options.validTo)),
    name,
    encoded(spki),
    explicit(3, sequence(...extensions)),
  );
  const signature = await promisify(sign)(digest, der(body), issuer.privateKey);
  return new X509Certificate(der(sequence(body, algorithm, bits(signature))));
}

interface Signature {
  readonly digest: string | undefined;
  readonly algorithm: string;
  /** RSA has the word NULL behind the algorithm, the others nothing at all (RFC 4055, 5758, 8410). */
  readonly parameters: 'none' | 'null';
}

function signatureOf(key: KeyObject): Signature {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === 'rsa') return { digest: 'sha256', algorithm: '1.2.840.113549.1.1.11', parameters: 'null' };
  if (type === 'ed25519') return { digest: undefined, algorithm: '1.3.101.112', parameters: 'none' };
  const curve = type === 'ec' ? CURVES[details?.namedCurve ?? ''] : undefined;
  if (curve === undefined) {
    throw new HawserError(
      'IDENTITY_UNSUITABLE',
      `the issuer's key (${type ?? 'unknown'}) is of a kind that cannot issue`,
      {
        hint: 'Use an issuer with a key of RSA, Ed25519, or EC on P-256, P-384 or P-521.',
      },
    );
  }
  return { ...curve, parameters: 'none' };
}

/** An authority signs certificates too. RSA keys may also encipher, which TLS 1.2 uses; EC keys cannot. */
function keyUsageBits(write: Asn1Writer, ca: boolean, publicKey: KeyObject): Asn1Value {
  if (ca) return write.bits(Buffer.of(0x86), 1); // digitalSignature, keyCertSign, cRLSign
  return publicKey.asymmetricKeyType === 'rsa' ? write.bits(Buffer.of(0xa0), 5) : write.bits(Buffer.of(0x80), 7);
}

/** RFC 7093 2, method 1. */
function keyId(spki: Buffer): Buffer {
  const key = sequenceOf(readDer(spki))[1]?.content.subarray(1) ?? spki;
  return createHash('sha256').update(key).digest().subarray(0, 20);
}

function subjectKeyId(certificate: X509Certificate): Buffer | undefined {
  for (const extension of tbsFields(certificate).extensions) {
    const [id, ...rest] = sequenceOf(extension);
    if (oidOf(id) === SUBJECT_KEY_ID) return octetsOf(readDer(octetsOf(rest.at(-1)), TAG.OCTET_STRING));
  }
  return undefined;
}

/** Of the signed part: version?, serial, algorithm, issuer, validity, subject, key, … */
function tbsFields(certificate: X509Certificate): { readonly subject: DerValue; readonly extensions: DerValue[] } {
  const fields = sequenceOf(sequenceOf(readDer(certificate.raw))[0]);
  const subject = fields[fields[0]?.tag === TAG.CONTEXT_0 ? 5 : 4];
  if (subject === undefined) throw new HawserError('IDENTITY_INVALID', 'the certificate has no subject');
  const wrapped = fields.find(({ tag }) => tag === TAG.CONTEXT_3);
  return { subject, extensions: wrapped === undefined ? [] : sequenceOf(children(wrapped)[0]) };
}

/** 16 random bytes that are a positive integer in its shortest form (RFC 5280 4.1.2.2). */
function randomSerial(): Buffer {
  const bytes = Buffer.from(systemRandom.bytes(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes;
}

const BASIC_CONSTRAINTS = '2.5.29.19';
const KEY_USAGE = '2.5.29.15';
const EXTENDED_KEY_USAGE = '2.5.29.37';
const SUBJECT_ALT_NAME = '2.5.29.17';
const SUBJECT_KEY_ID = '2.5.29.14';
const AUTHORITY_KEY_ID = '2.5.29.35';
/** A digest as strong as the curve. */
const CURVES: Readonly<Record<string, { readonly digest: string; readonly algorithm: string }>> = {
  prime256v1: { digest: 'sha256', algorithm: '1.2.840.10045.4.3.2' },
  secp384r1: { digest: 'sha384', algorithm: '1.2.840.10045.4.3.3' },
  secp521r1: { digest: 'sha512', algorithm: '1.2.840.10045.4.3.4' },
};
