/**
 * Reads PKCS #12 files (RFC 7292) of OpenSSL, of node-forge, Java, browsers and Windows: one private key with its
 * certificates, encrypted and sealed by a password. The files come from anybody: everything in them is counted.
 */
import { createHmac, timingSafeEqual, type KeyObject, type X509Certificate } from 'node:crypto';
import { HawserError } from '../errors.js';
import { belongs, chainFrom } from './certificate-chain.js';
import { children, numberOf, octetsOf, oidOf, readDer, sequenceOf, TAG, type DerValue } from './der-reader.js';
import {
  MAX_PASSPHRASE,
  MAX_SIZE,
  readCertificates,
  readPlainKey,
  type TLSIdentityParts,
} from './identity-encoding.js';
import { checkEffort, pkcs12Key, readPasswordEncryption, wrongPassword } from './password-encryption.js';

/** @throws `IDENTITY_PASSWORD_WRONG`, `IDENTITY_INVALID`; `ARGUMENT_INVALID` if the arguments are no bytes and no text */
export async function readPkcs12(bytes: Uint8Array, password: string): Promise<TLSIdentityParts> {
  if (!(bytes instanceof Uint8Array)) throw new HawserError('ARGUMENT_INVALID', 'a PKCS #12 file is given as bytes');
  if (typeof password !== 'string') throw new HawserError('ARGUMENT_INVALID', 'the password must be a string');
  if (bytes.length > MAX_SIZE) throw invalid(`is larger than ${MAX_SIZE} bytes`);
  if (Buffer.byteLength(password) > MAX_PASSPHRASE) throw wrongPassword();
  return new Pkcs12Reader(password).read(bytes);
}

class Pkcs12Reader {
  readonly #password: string;
  readonly #keys: KeyObject[] = [];
  readonly #certificates: X509Certificate[] = [];
  #effort = 0;
  /** Whether the password is known to be right. */
  #sealed = false;

  constructor(password: string) {
    this.#password = password;
  }

  async read(bytes: Uint8Array): Promise<TLSIdentityParts> {
    const [version, authSafe, seal] = sequenceOf(readDer(bytes));
    if (numberOf(version) !== 3) throw invalid('is not of version 3');
    const content = contentOf(authSafe, DATA);
    if (seal !== undefined) await this.#checkSeal(octetsOf(content), seal);
    for (const safe of sequenceOf(readDer(octetsOf(content)))) {
      for (const bag of sequenceOf(readDer(await this.#open(safe)))) await this.#take(bag);
    }
    return this.#parts();
  }

  /** MacData: DigestInfo, salt, iterations. */
  async #checkSeal(content: Buffer, seal: DerValue): Promise<void> {
    const [digestInfo, salt, iterations] = sequenceOf(seal);
    const [algorithm, digest] = sequenceOf(digestInfo);
    const id = oidOf(sequenceOf(algorithm)[0]);
    const { hash, size } = SEALS[id] ?? {};
    if (hash === undefined || size === undefined) throw invalid(`is sealed in a way that is not supported (${id})`);
    const rounds = iterations === undefined ? 1 : numberOf(iterations);
    this.#spend(rounds);
    const expected = octetsOf(digest);
    const key = await pkcs12Key(hash, 3, this.#password, octetsOf(salt), rounds, size);
    const actual = createHmac(hash, key).update(content).digest();
    if (actual.length !== expected.length || !timingSafeEqual(actual, expected)) throw wrongPassword();
    this.#sealed = true;
  }

  /** The bags of a ContentInfo: plain, or encrypted as a whole. */
  async #open(safe: DerValue): Promise<Buffer> {
    if (oidOf(sequenceOf(safe)[0]) === DATA) return octetsOf(contentOf(safe, DATA));
    const [, encrypted] = sequenceOf(contentOf(safe, ENCRYPTED_DATA));
    const [, algorithm, data] = sequenceOf(encrypted);
    return this.#decrypt(algorithm, octetsOf(data, IMPLICIT_0));
  }

  async #take(bag: DerValue): Promise<void> {
    const [id, wrapped] = sequenceOf(bag);
    if (wrapped?.tag !== TAG.CONTEXT_0) throw invalid('has a bag without content');
    const [value] = children(wrapped);
    const kind = oidOf(id);
    if (kind === KEY_BAG) this.#keys.push(readPlainKey(value?.raw ?? Buffer.alloc(0)));
    else if (kind === ENCRYPTED_KEY_BAG) {
      const [algorithm, data] = sequenceOf(value);
      this.#keys.push(readPlainKey(await this.#decrypt(algorithm, octetsOf(data))));
    } else if (kind === CERTIFICATE_BAG) this.#takeCertificate(value);
    if (this.#keys.length > 1) throw invalid('holds more than one private key');
  }

  #takeCertificate(value: DerValue | undefined): void {
    const [id, wrapped] = sequenceOf(value);
    if (oidOf(id) !== X509_CERTIFICATE || wrapped?.tag !== TAG.CONTEXT_0) return;
    this.#certificates.push(...readCertificates(octetsOf(children(wrapped)[0]))); // one, or a PEM text of many
    if (this.#certificates.length > MAX_CERTIFICATES) throw invalid(`holds more than ${MAX_CERTIFICATES} certificates`);
  }

  /** What comes out of it is DER, which a wrong password hardly ever yields. */
  async #decrypt(algorithm: DerValue | undefined, data: Buffer): Promise<Buffer> {
    const encryption = readPasswordEncryption(algorithm);
    this.#spend(encryption.effort);
    const plain = await encryption.decrypt(this.#password, data);
    if (this.#sealed) return plain;
    try {
      readDer(plain);
    } catch (cause) {
      throw wrongPassword(cause);
    }
    return plain;
  }

  #spend(effort: number): void {
    this.#effort += effort;
    checkEffort(this.#effort);
  }

  #parts(): TLSIdentityParts {
    const [privateKey] = this.#keys;
    if (privateKey === undefined) throw invalid('holds no private key');
    const leaf = this.#certificates.find((certificate) => belongs(privateKey, certificate));
    if (leaf === undefined) throw invalid('holds no certificate that belongs to its private key');
    return { privateKey, certs: chainFrom(leaf, this.#certificates) };
  }
}

/** ContentInfo: a type, and `[0]` around the content. */
function contentOf(info: DerValue | undefined, type: string): DerValue {
  const [id, wrapped] = sequenceOf(info);
  if (oidOf(id) !== type) throw invalid(`has a part that is not supported (${oidOf(id)})`);
  const [content] = wrapped?.tag === TAG.CONTEXT_0 ? children(wrapped) : [];
  if (content === undefined) throw invalid('has a part without content');
  return content;
}

function invalid(what: string): HawserError {
  return new HawserError('IDENTITY_INVALID', `the PKCS #12 file ${what}`);
}

const MAX_CERTIFICATES = 32;
const IMPLICIT_0 = 0x80;
const DATA = '1.2.840.113549.1.7.1';
const ENCRYPTED_DATA = '1.2.840.113549.1.7.6';
const KEY_BAG = '1.2.840.113549.1.12.10.1.1';
const ENCRYPTED_KEY_BAG = '1.2.840.113549.1.12.10.1.2';
const CERTIFICATE_BAG = '1.2.840.113549.1.12.10.1.3';
const X509_CERTIFICATE = '1.2.840.113549.1.9.22.1';
const SEALS: Readonly<Record<string, { readonly hash: string; readonly size: number }>> = {
  '1.3.14.3.2.26': { hash: 'sha1', size: 20 },
  '2.16.840.1.101.3.4.2.1': { hash: 'sha256', size: 32 },
  '2.16.840.1.101.3.4.2.2': { hash: 'sha384', size: 48 },
  '2.16.840.1.101.3.4.2.3': { hash: 'sha512', size: 64 },
};
