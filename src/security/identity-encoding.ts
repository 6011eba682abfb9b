/** Keys and certificates as they lie in files: PEM texts and DER bytes, encrypted or not. */
import { createPrivateKey, KeyObject, X509Certificate, type PrivateKeyInput } from 'node:crypto';
import { HawserError, isHawserError } from '../errors.js';
import { oidOf, readDer, sequenceOf, TAG } from './der-reader.js';
import { readPasswordEncryption, wrongPassword } from './password-encryption.js';

export interface TLSIdentityParts {
  readonly privateKey: KeyObject;
  /** The identity's own certificate first, then whoever issued it, up to but not necessarily with the root. */
  readonly certs: readonly X509Certificate[];
}

/** A certificate, or several in one PEM text. Bytes may be DER or PEM. */
export type EncodedCertificates = X509Certificate | string | Uint8Array;

export interface EncodedIdentity {
  /** PKCS #8, PKCS #1 or SEC 1, as PEM text or in bytes (DER or PEM). */
  readonly privateKey: KeyObject | string | Uint8Array;
  /** Of an encrypted key. */
  readonly passphrase?: string;
  /** The identity's own certificate first, then whoever issued it. */
  readonly certs: EncodedCertificates | readonly EncodedCertificates[];
}

interface PemBlock {
  readonly label: string;
  readonly text: string;
}

/** @throws `IDENTITY_INVALID`, `IDENTITY_PASSWORD_WRONG` */
export function readPemIdentity(pem: string, passphrase: string | undefined): TLSIdentityParts {
  if (typeof pem !== 'string') throw new HawserError('ARGUMENT_INVALID', 'the PEM text must be a string');
  const blocks = pemBlocks(pem);
  return { privateKey: keyOfPem(blocks, passphrase), certs: certificatesOfPem(blocks) };
}

/** @throws `IDENTITY_INVALID`, `IDENTITY_PASSWORD_WRONG` */
export function readIdentity({ privateKey, passphrase, certs }: EncodedIdentity): TLSIdentityParts {
  const list = Array.isArray(certs) ? (certs as readonly EncodedCertificates[]) : [certs as EncodedCertificates];
  return { privateKey: readPrivateKey(privateKey, passphrase), certs: list.flatMap(readCertificates) };
}

/** The encrypted key of a PEM text as DER; `undefined` if there is none, or a plain one. */
export function encryptedKeyOfPem(pem: string): Buffer | undefined {
  const block = pemBlocks(pem).find(({ label }) => label === ENCRYPTED);
  return block === undefined ? undefined : derOf(block);
}

/** @throws `IDENTITY_INVALID` if it is no private key that TLS can use */
export function readPlainKey(der: Buffer): KeyObject {
  const type = plainTypeOf(der);
  if (type === 'pkcs8') checkAlgorithm(oidOf(sequenceOf(sequenceOf(readDer(der))[1])[0]));
  const key = native({ key: der, format: 'der', type });
  if (!TLS_KEYS.has(key.asymmetricKeyType ?? '')) throw useless(key.asymmetricKeyType ?? 'unknown');
  return key;
}

/** @throws `IDENTITY_INVALID` */
export function readCertificates(encoded: EncodedCertificates): X509Certificate[] {
  if (encoded instanceof X509Certificate) return [encoded];
  const text = textOf(encoded);
  if (text !== undefined) return certificatesOfPem(pemBlocks(text));
  return [parseCertificate(encoded as Uint8Array)];
}

function readPrivateKey(key: KeyObject | string | Uint8Array, passphrase: string | undefined): KeyObject {
  if (key instanceof KeyObject) return key;
  const text = textOf(key);
  if (text !== undefined) return keyOfPem(pemBlocks(text), passphrase);
  return keyOfDer(Buffer.from(key as Uint8Array), passphrase);
}

function keyOfPem(blocks: readonly PemBlock[], passphrase: string | undefined): KeyObject {
  const [block, ...more] = blocks.filter(({ label }) => label.endsWith('PRIVATE KEY'));
  if (block === undefined) throw invalid('there is no private key in the PEM text');
  if (more.length > 0) throw invalid('there is more than one private key in the PEM text');
  if (!block.text.includes('Proc-Type:')) return keyOfDer(derOf(block), passphrase);
  // The encryption of old OpenSSL: the password is hashed once. Only Node knows it.
  if (!OLD_LABELS.has(block.label)) throw invalid(`the "${block.label}" in the PEM text cannot be read`);
  return decryptNatively({ key: block.text, format: 'pem' }, passphrase);
}

function keyOfDer(der: Buffer, passphrase: string | undefined): KeyObject {
  const [first] = sequenceOf(readDer(der));
  if (first?.tag !== TAG.SEQUENCE) return readPlainKey(der);
  readPasswordEncryption(first); // may be far too much work
  return decryptNatively({ key: der, format: 'der', type: 'pkcs8' }, passphrase);
}

function decryptNatively(key: PrivateKeyInput, passphrase: string | undefined): KeyObject {
  if (passphrase !== undefined && typeof passphrase !== 'string') {
    throw new HawserError('ARGUMENT_INVALID', 'the passphrase must be a string'); // Node would show what it is
  }
  if (passphrase === undefined) {
    throw new HawserError('IDENTITY_PASSWORD_WRONG', 'the private key is encrypted and no passphrase was given');
  }
  if (Buffer.byteLength(passphrase) > MAX_PASSPHRASE) throw wrongPassword(); // OpenSSL takes no longer ones
  let plain: KeyObject;
  try {
    plain = createPrivateKey({ ...key, passphrase });
  } catch (cause) {
    if (/unsupported/i.test(String(cause))) throw invalid('the private key is encrypted in an unknown way', cause);
    throw wrongPassword(cause);
  }
  return readPlainKey(plain.export({ format: 'der', type: 'pkcs8' }));
}

/** Before OpenSSL reads it: of a DSA key it computes the public half, for hours if its numbers are large. */
function checkAlgorithm(id: string): void {
  if (!READ_AT_ONCE.has(id)) throw useless(id);
}

function useless(kind: string): HawserError {
  const message = `TLS has no use for a private key of the kind ${kind}`;
  return new HawserError('IDENTITY_INVALID', message, { hint: 'Use an EC, RSA or Ed25519 key.' });
}

/** PKCS #8 has an algorithm behind the version, PKCS #1 a number, SEC 1 the key. */
function plainTypeOf(der: Buffer): 'pkcs8' | 'pkcs1' | 'sec1' {
  const tag = sequenceOf(readDer(der))[1]?.tag;
  if (tag === TAG.INTEGER) return 'pkcs1';
  return tag === TAG.OCTET_STRING ? 'sec1' : 'pkcs8';
}

function native(key: PrivateKeyInput): KeyObject {
  try {
    return createPrivateKey(key);
  } catch (cause) {
    throw invalid('the private key cannot be read', cause);
  }
}

function certificatesOfPem(blocks: readonly PemBlock[]): X509Certificate[] {
  const certificates = blocks.filter(({ label }) => label === 'CERTIFICATE');
  if (certificates.length === 0) throw invalid('there is no certificate in the PEM text');
  return certificates.map((block) => parseCertificate(derOf(block)));
}

function parseCertificate(der: Uint8Array): X509Certificate {
  try {
    readDer(der); // with nothing behind it
    return new X509Certificate(der);
  } catch (cause) {
    throw invalid(`a certificate cannot be read${isHawserError(cause) ? `: ${cause.message}` : ''}`, cause);
  }
}

/** What stands between lines of dashes. Never looks at a character twice, whatever the text. */
function pemBlocks(pem: string): PemBlock[] {
  if (pem.length > MAX_SIZE) throw invalid(`a PEM text of more than ${MAX_SIZE} characters is not read`);
  const blocks: PemBlock[] = [];
  for (let start = pem.indexOf(BEGIN); start >= 0; start = pem.indexOf(BEGIN, start)) {
    const endOfLabel = pem.indexOf('-----', start + BEGIN.length);
    const label = pem.slice(start + BEGIN.length, endOfLabel < 0 ? start + BEGIN.length : endOfLabel);
    const end = pem.indexOf('-----END ', start + BEGIN.length);
    const last = `-----END ${label}-----`;
    if (endOfLabel < 0 || label.length > MAX_LABEL || end < 0 || !pem.startsWith(last, end)) {
      throw invalid('a part of the PEM text cannot be read: its end is missing');
    }
    blocks.push({ label, text: pem.slice(start, end + last.length) });
    start = end + last.length;
  }
  return blocks;
}

function derOf({ label, text }: PemBlock): Buffer {
  const base64 = text.slice(BEGIN.length + label.length + 5, text.lastIndexOf('-----END ')).replace(/\s+/g, '');
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(base64)) throw invalid(`the ${label} in the PEM text cannot be read`);
  return Buffer.from(base64, 'base64');
}

/** The text, or that of bytes which hold PEM; `undefined` for DER. */
function textOf(encoded: string | Uint8Array): string | undefined {
  if (typeof encoded === 'string') return encoded;
  if (!(encoded instanceof Uint8Array)) {
    throw new HawserError(
      'ARGUMENT_INVALID',
      'a key or certificate must be PEM text, bytes, or an object of node:crypto',
    );
  }
  if (encoded.length > MAX_SIZE) throw invalid(`a key or certificate of more than ${MAX_SIZE} bytes is not read`);
  return encoded[0] === TAG.SEQUENCE ? undefined : Buffer.from(encoded).toString('utf8');
}

function invalid(message: string, cause?: unknown): HawserError {
  return new HawserError('IDENTITY_INVALID', message, { cause });
}

/** Bytes. A key with a long chain has a tenth of it. */
export const MAX_SIZE = 262_144;
/** Bytes. */
export const MAX_PASSPHRASE = 1024;
const MAX_LABEL = 64;
const BEGIN = '-----BEGIN ';
const ENCRYPTED = 'ENCRYPTED PRIVATE KEY';
const OLD_LABELS: ReadonlySet<string> = new Set(['RSA PRIVATE KEY', 'EC PRIVATE KEY']);
const TLS_KEYS: ReadonlySet<string> = new Set(['rsa', 'rsa-pss', 'ec', 'ed25519', 'ed448']);
/** RSA, RSA-PSS, EC, X25519, X448, Ed25519, Ed448 (RFC 8017, 5480, 8410). */
const READ_AT_ONCE: ReadonlySet<string> = new Set([
  '1.2.840.113549.1.1.1',
  '1.2.840.113549.1.1.10',
  '1.2.840.10045.2.1',
  '1.3.101.110',
  '1.3.101.111',
  '1.3.101.112',
  '1.3.101.113',
]);
