/**
 * Builds X.509 v3 certificates for EC P-256 keys (RFC 5280).
 *
 * Node can read certificates but not make them. node-forge writes the ASN.1 and knows nothing of EC, so the public key
 * goes in as Node exports it and the signature comes from Node. node-forge is loaded by the first call only: it costs
 * a device that has its certificate already neither time nor memory.
 */
import { createPublicKey, sign, X509Certificate, type KeyObject } from 'node:crypto';
import { isIP, isIPv4 } from 'node:net';
import type { asn1 as Asn1Functions } from 'node-forge';
import { systemRandom } from '../base/index.js';

export interface CertificateOptions {
  readonly commonName: string;
  /** The EC P-256 key whose certificate is made. Signs it too, unless `issuer` is given. */
  readonly privateKey: KeyObject;
  readonly validFrom: Date;
  readonly validTo: Date;
  /** Host names and IP addresses the certificate is good for. */
  readonly altNames?: readonly string[];
  /** Whether it may issue others. @default false */
  readonly ca?: boolean;
  /** Who signs. @default the key itself: a self-signed certificate */
  readonly issuer?: { readonly certificate: X509Certificate; readonly privateKey: KeyObject };
}

export async function buildCertificate(options: CertificateOptions): Promise<X509Certificate> {
  const { asn1 } = (await import('node-forge')).default;
  const { der, sequence, explicit, integer, oid, time, octets, bits, boolean, nameOf, rawField } = writer(asn1);
  const { issuer, ca = false, altNames = [] } = options;
  const name = nameOf(options.commonName);

  const extensions = [
    extension(BASIC_CONSTRAINTS, sequence(...(ca ? [boolean(true)] : [])), true),
    // keyCertSign and cRLSign for an issuer, digitalSignature for the rest: EC keys sign, they do not encipher.
    extension(KEY_USAGE, ca ? bits('\x06', 1) : bits('\x80', 7), true),
    ...(ca ? [] : [extension(EXTENDED_KEY_USAGE, sequence(oid(SERVER_AUTH)), false)]),
    ...(altNames.length === 0 ? [] : [extension(SUBJECT_ALT_NAME, sequence(...altNames.map(altName)), false)]),
  ];
  const algorithm = sequence(oid(ECDSA_WITH_SHA256));
  const publicKey = createPublicKey(options.privateKey).export({ format: 'der', type: 'spki' });
  const body = sequence(
    explicit(0, integer('\x02')),
    integer(randomSerial()),
    algorithm,
    issuer === undefined ? name : rawField(issuer.certificate.raw, SUBJECT_FIELD),
    sequence(time(options.validFrom), time(options.validTo)),
    name,
    asn1.fromDer(publicKey.toString('latin1')),
    explicit(3, sequence(...extensions)),
  );
  const signature = sign('sha256', der(body), issuer?.privateKey ?? options.privateKey);
  return new X509Certificate(der(sequence(body, algorithm, bits(signature.toString('latin1'), 0))));

  function extension(id: string, value: Asn1Functions.Asn1, critical: boolean): Asn1Functions.Asn1 {
    return sequence(oid(id), ...(critical ? [boolean(true)] : []), octets(der(value).toString('latin1')));
  }

  function altName(text: string): Asn1Functions.Asn1 {
    const context = asn1.Class.CONTEXT_SPECIFIC;
    return isIP(text) === 0
      ? asn1.create(context, 2, false, text)
      : asn1.create(context, 7, false, addressBytes(text).toString('latin1'));
  }
}

/** The few ASN.1 values a certificate is made of. Bytes are binary strings, as node-forge wants them. */
function writer(asn1: typeof Asn1Functions) {
  type Value = Asn1Functions.Asn1;
  const { UNIVERSAL, CONTEXT_SPECIFIC } = asn1.Class;
  const { Type } = asn1;
  const sequence = (...values: Value[]): Value => asn1.create(UNIVERSAL, Type.SEQUENCE, true, values);
  const oid = (id: string): Value => asn1.create(UNIVERSAL, Type.OID, false, asn1.oidToDer(id).getBytes());
  return {
    sequence,
    oid,
    der: (value: Value): Buffer => Buffer.from(asn1.toDer(value).getBytes(), 'latin1'),
    explicit: (tag: number, value: Value): Value => asn1.create(CONTEXT_SPECIFIC, tag, true, [value]),
    integer: (bytes: string): Value => asn1.create(UNIVERSAL, Type.INTEGER, false, bytes),
    boolean: (value: boolean): Value => asn1.create(UNIVERSAL, Type.BOOLEAN, false, value ? '\xff' : '\x00'),
    octets: (bytes: string): Value => asn1.create(UNIVERSAL, Type.OCTETSTRING, false, bytes),
    bits: (bytes: string, unused: number): Value =>
      asn1.create(UNIVERSAL, Type.BITSTRING, false, String.fromCharCode(unused) + bytes),
    /** RFC 5280 4.1.2.5: two-digit years up to 2049, four digits from 2050 on. */
    time: (date: Date): Value =>
      date.getUTCFullYear() < 2050
        ? asn1.create(UNIVERSAL, Type.UTCTIME, false, asn1.dateToUtcTime(date))
        : asn1.create(UNIVERSAL, Type.GENERALIZEDTIME, false, asn1.dateToGeneralizedTime(date)),
    nameOf: (commonName: string): Value => {
      const text = Buffer.from(commonName, 'utf8').toString('latin1');
      const pair = sequence(oid(COMMON_NAME), asn1.create(UNIVERSAL, Type.UTF8, false, text));
      return sequence(asn1.create(UNIVERSAL, Type.SET, true, [pair]));
    },
    /** A field of the signed part of a finished certificate, as it stands there. */
    rawField: (certificate: Buffer, index: number): Value => {
      const [body] = asn1.fromDer(certificate.toString('latin1')).value as Value[];
      const field = (body?.value as Value[])[index];
      if (field === undefined) throw new Error('the certificate has no such field');
      return field;
    },
  };
}

/** 16 random bytes that are a positive integer in its shortest form (RFC 5280 4.1.2.2). */
function randomSerial(): string {
  const bytes = Buffer.from(systemRandom.bytes(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('latin1');
}

function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  // The URL parser writes an embedded IPv4 address as hex groups and drops leading zeros.
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const groups = (text: string | undefined): number[] =>
    text ? text.split(':').map((group) => parseInt(group, 16)) : [];
  const before = groups(head);
  const after = groups(tail);
  const bytes = Buffer.alloc(16);
  before.forEach((group, index) => bytes.writeUInt16BE(group, index * 2));
  after.forEach((group, index) => bytes.writeUInt16BE(group, 16 - (after.length - index) * 2));
  return bytes;
}

const SUBJECT_FIELD = 5;
const COMMON_NAME = '2.5.4.3';
const BASIC_CONSTRAINTS = '2.5.29.19';
const KEY_USAGE = '2.5.29.15';
const EXTENDED_KEY_USAGE = '2.5.29.37';
const SUBJECT_ALT_NAME = '2.5.29.17';
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';
